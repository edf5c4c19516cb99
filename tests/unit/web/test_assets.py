"""Scripts, styles and pictures as they are sent."""

import gzip
import re
import subprocess

import pytest
from werkzeug.exceptions import NotFound

from helpers.paths import ROOT
from jobsync.web.assets import Assets

STATIC = ROOT / "static"
SCRIPTS = sorted(str(path.relative_to(STATIC / "js")) for path in (STATIC / "js").rglob("*.js"))


def get(client, path, **headers):
    return client.get(
        f"/static/{path}",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_sent_without_its_comments_and_is_still_a_script(client, tmp_path, name):
    sent = get(client, f"js/{name}")
    assert sent.mimetype == "text/javascript"
    assert len(sent.data) < (STATIC / "js" / name).stat().st_size and not sent.data.startswith(
        b"//"
    )
    copy = tmp_path / "sent.mjs"
    copy.write_bytes(sent.data)
    assert (
        subprocess.run(
            ["node", "--check", copy], capture_output=True, text=True, check=False
        ).stderr
        == ""
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_line_of_a_script_is_longer_than_120_columns(name):
    lines = (STATIC / "js" / name).read_text().splitlines()
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_template_stands_within_another_which_would_lose_its_spaces(name):
    script = (STATIC / "js" / name).read_text()
    assert re.findall(r"\$\{[^}`]*`[^`]* [^`]*`", script) == []


def test_the_texts_of_a_script_stay_as_they_are(tmp_path):
    source = (
        'const a = `one  ${b} // two`;\nconst c = "/* three  */ four"; // five\n'
        'const d = /\\/\\/ "/g;\n'
    )
    (tmp_path / "a.js").write_text(source)
    body = Assets(tmp_path).get("a.js").body.decode()
    assert (
        all(text in body for text in ("`one  ${b} // two`", '"/* three  */ four"', '/\\/\\/ "/g'))
        and "five" not in body
    )


def test_what_is_vendored_is_sent_to_the_letter(client):
    name = "vendor/socket.io.esm.min.js"
    assert get(client, name).data == (STATIC / name).read_bytes()


def test_a_text_is_gzipped_for_those_who_take_it(client):
    plain, zipped = (
        get(client, "css/jobsync.css"),
        get(client, "css/jobsync.css", Accept_Encoding="gzip"),
    )
    assert plain.content_encoding is None and zipped.content_encoding == "gzip"
    assert gzip.decompress(zipped.data) == plain.data and len(zipped.data) < len(plain.data) / 2
    assert "Accept-Encoding" in zipped.vary and "Accept-Encoding" in plain.vary
    assert get(client, "css/jobsync.css", Accept_Encoding="gzip;q=0, br").content_encoding is None


def test_an_unchanged_file_is_304(client):
    for accepted in ("gzip", "identity"):
        etag = get(client, "js/job/page.js", Accept_Encoding=accepted).headers["ETag"]
        again = get(client, "js/job/page.js", Accept_Encoding=accepted, If_None_Match=etag)
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)


def test_a_changed_file_is_made_anew_and_a_missing_one_is_not_found(tmp_path):
    assets = Assets(tmp_path)
    (tmp_path / "a.css").write_text("a { color: red }")
    before = assets.get("a.css")
    assert assets.get("a.css") is before
    (tmp_path / "a.css").write_text("a { color: green }  /* why */")
    after = assets.get("a.css")
    assert after.body == b"a{color:green}" and after.etag != before.etag
    for name in ("b.css", "../a.css", "", "a\0.css"):
        with pytest.raises(NotFound):
            assets.get(name)


def test_in_debug_mode_the_sources_are_sent_as_they_are(app):
    app.debug = True
    name = "js/job/page.js"
    assert get(app.test_client(), name).data == (STATIC / name).read_bytes()


def test_a_page_is_gzipped_for_those_who_take_it_and_still_known_by_its_etag(client):
    plain, zipped = client.get("/"), client.get("/", headers={"Accept-Encoding": "gzip"})
    assert (
        gzip.decompress(zipped.data).split(b"data-now")[1][30:]
        == plain.data.split(b"data-now")[1][30:]
    )
    assert (
        plain.headers["ETag"].startswith('"')
        and zipped.headers["ETag"] == f"W/{plain.headers['ETag']}"
    )
    for answer in (plain, zipped):
        assert "Accept-Encoding" in answer.vary
        assert client.get("/", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert (
        client.get("/api/definitions", headers={"Accept-Encoding": "gzip"}).content_encoding is None
    )
