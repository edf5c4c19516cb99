"""Who may talk to the server at all, and what its answers forbid a browser to do."""

import json
import re
import stat
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
import requests

from helpers.apps import make_app
from helpers.by_hand import Hand, line
from jobsync import lifecycle
from jobsync.security import CONTENT_SECURITY_POLICY, HEADERS, Gate

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"
HERE = "127.0.0.1:5000"


def inside(environ, start_response):
    """Be the app behind the gate: say what came through."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ.get("QUERY_STRING", "").encode("latin-1")]


def through(allowed=(), app=inside, method="GET", query="", **headers):
    """Send a request through a Gate.

    Returns `(status, headers, body)`; headers as a list of pairs.
    """
    environ = {
        "REQUEST_METHOD": method,
        "QUERY_STRING": query,
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }
    started = []
    body = Gate(app, allowed)(
        environ, lambda status, headers, exc_info=None: started.append((status, headers))
    )
    ((status, sent),) = started
    return int(status.split()[0]), sent, b"".join(body)


# Hosts


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:5000",
        "LocalHost:80",
        "127.0.0.1",
        HERE,
        "127.8.9.10:1",
        "[::1]",
        "[::1]:5000",
        "[0:0:0:0:0:0:0:1]:65535",
    ],
)
def test_loopback_names_and_addresses_are_hosts_on_any_port(host):
    assert through(host=host)[0] == 200


NO_HOSTS = [
    "", " ", ":5000", "evil.example", "evil.example:5000", "localhost.evil.example",
    "127.0.0.1.evil.example", "127.0.0.1.nip.io", "xlocalhost", "localhost.", "0.0.0.0", "10.0.0.1",
    "169.254.169.254", "[::2]", "[fe80::1]", "[::ffff:10.0.0.1]", "::1", "[::1", "::1]", "[::1]x",
    "[::1]:", "[]", "[127.0.0.1", "127.0.0.1]", "localhost:", "localhost:x", "localhost:123456",
    "localhost:80:80", "localhost:-1", "localhost:80@evil.example", "user@localhost",
    "localhost@evil.example", "localhost, evil.example", "evil.example, localhost",
    "localhost evil.example", "localhost/", "localhost#", "localhost?", "http://localhost",
    "//localhost", "localhost\t", "localhost\r\nX: y", "127.0.0.1\x00", "127.1", "0x7f.0.0.1",
    "2130706433", "localh\u00f6st", "l\u017fcalhost", "127.0.0.\u00b9", "*",
]  # fmt: skip


@pytest.mark.parametrize("host", NO_HOSTS)
def test_every_other_host_is_refused(host):
    def never(environ, start_response):
        raise AssertionError("the gate must keep this out")

    status, _, body = through(app=never, host=host)
    shown = json.loads(body)
    assert (status, shown["code"], shown["status"], shown["errors"]) == (403, 403, "Forbidden", {})
    assert "JOBSYNC_ALLOWED_HOSTS" in shown["message"]


def test_a_request_without_a_host_is_refused():
    assert through()[0] == 403


def test_allowed_hosts_are_taken_with_the_port_they_name_or_with_any():
    allowed = ("jobs.example", "other.example:8080", "[2001:db8::1]", "192.168.1.5:80")
    good = (
        "jobs.example",
        "JOBS.example:1234",
        "other.example:8080",
        "[2001:db8::1]:5000",
        "192.168.1.5:80",
        "localhost",
    )
    bad = (
        "other.example",
        "other.example:80",
        "x.jobs.example",
        "jobs.example.evil",
        "192.168.1.5",
        "[2001:db8::2]",
    )
    assert [through(allowed, host=host)[0] for host in good] == [200] * len(good)
    assert [through(allowed, host=host)[0] for host in bad] == [403] * len(bad)


# Origins


@pytest.mark.parametrize("origin", [f"http://{HERE}", f"https://{HERE}", f"HTTP://{HERE}", None])
def test_an_origin_of_ones_own_host_is_let_in_and_so_is_none(origin):
    assert through(host=HERE, **({"origin": origin} if origin else {}))[0] == 200


NO_ORIGINS = [
    "", "null", "NULL", "http://evil.example", "http://127.0.0.1", "http://127.0.0.1:5001",
    "http://127.0.0.1:50000", "http://localhost:5000", "http://[::1]:5000", HERE, f"//{HERE}",
    f"ws://{HERE}", f"file://{HERE}", f"http:{HERE}", f"http://user@{HERE}",
    f"http://{HERE}@evil.example", f"http://{HERE}.evil.example", f"http://evil.example#{HERE}",
    f"http://evil.example/http://{HERE}", f"http://{HERE}, http://evil.example", f" http://{HERE}",
    f"http://{HERE}/", "http://", "http://[", "about:blank", "\u2603",
]  # fmt: skip


@pytest.mark.parametrize("origin", NO_ORIGINS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_other_origin_is_refused_for_reading_as_for_writing(origin, method):
    status, _, body = through(method=method, host=HERE, origin=origin)
    assert status == 403 and json.loads(body)["code"] == 403


def test_the_origin_must_be_ones_own_even_between_allowed_hosts():
    allowed = ("jobs.example", "other.example")
    assert through(allowed, host="jobs.example", origin="http://jobs.example")[0] == 200
    assert through(allowed, host="jobs.example", origin="http://other.example")[0] == 403


# What the gate does besides


def test_an_answer_to_head_has_no_body_even_when_it_is_refused():
    status, headers, body = through(method="HEAD", host="evil.example")
    assert (status, body) == (403, b"")
    assert int(dict(headers)["Content-Length"]) > 0


def test_headers_that_an_answer_has_are_neither_doubled_nor_changed():
    def own(environ, start_response):
        start_response(
            "200 OK", [("content-security-policy", "default-src 'self'"), ("X-Mine", "1")]
        )
        return []

    _, headers, _ = through(app=own, host=HERE)
    names = [name.lower() for name, _ in headers]
    assert sorted(names) == sorted({*names, *map(str.lower, HEADERS), "x-mine"})
    assert dict(headers)["content-security-policy"] == "default-src 'self'"


@pytest.mark.parametrize(
    ("query", "passed_on"),
    [
        ("a=1&b=%ff#;+", "a=1&b=%ff#;+"),
        ("q=\xff\xfe", "q=%FF%FE"),
        ("\xe9=\xe9&x=%20", "%E9=%E9&x=%20"),
    ],
)
def test_raw_bytes_in_a_query_are_passed_on_escaped(query, passed_on):
    assert through(host=HERE, query=query)[2].decode() == passed_on


# In front of the app


class Tags(HTMLParser):
    """Collects the tags of a page with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Return a client of an app in which whatever can be named, written or given is markup.

    `job_id` has a running and a failed step.
    """
    folder = tmp_path_factory.mktemp("hostile")
    app = make_app(folder)
    client = app.test_client()
    with app.app_context():
        hand = Hand(app, folder)
        definition = hand.define(
            f"id = \"d\"\nname = '''{MARKUP}'''\ndescription = '''{MARKUP}'''\n"
            f"tags = ['''{MARKUP}''']\n"
            f"[params.p]\ntype = 'string'\ndescription = '''{MARKUP}'''\ndefault = '''{MARKUP}'''\n"
            "[step.a]\ntype = 'by_hand'\non_error = 'continue'\n"
            "[step.b]\ntype = 'by_hand'\ndepends = 'a'\n"
        )
        (folder / "definitions" / "bad.toml").write_text(f"'''{MARKUP}''' = 1")
        client.job_id = lifecycle.submit(definition, {"p": MARKUP + " again"}, "api")
        hand.advance(client.job_id)
        hand.plan(client.job_id, 1)
        hand.fail(
            *hand.claim(),
            error=MARKUP,
            lines=[line(MARKUP, "error"), line("\x1b]8;;http://evil.example\x07link\x1b[2J")],
        )
        hand.advance(client.job_id)
        hand.advance(client.job_id)
        client.ended = lifecycle.submit(definition, {}, "api")
        lifecycle.cancel(client.ended)
    return client


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/jobs/{id}",
        "/jobs/{id}?open=a",
        "/definitions/d",
        "/definitions/d?from={id}",
        "/jobs/<img src=x onerror=alert(2)>",
    ],
)
def test_names_parameters_lines_and_errors_are_text_on_every_page(hostile, path):
    page = hostile.get(path.format(id=hostile.job_id)).get_data(as_text=True)
    assert "\x1b" not in page
    tags = Tags(page).found
    assert all(
        attributes.get("src", "/").startswith("/static/")
        for tag, attributes in tags
        if tag == "script"
    )
    assert not [
        attributes
        for tag, attributes in tags
        if tag == "img" or any(name.startswith("on") or name == "style" for name in attributes)
    ]
    assert "&lt;img src=x onerror=alert(2)&gt;" in page


def kinds_of_answers(client):
    """Yield `(what, response)` for every kind of answer there is."""
    job = f"/api/jobs/{client.job_id}"
    for path in (
        "/",
        f"/jobs/{client.job_id}",
        "/definitions/d",
        "/jobs/nope",
        "/nope",
        "/static/favicons/jobsync.svg",
        "/static/nope.js",
        "/static/../app.py",
    ):
        yield path, client.get(path)
    for path in (
        "/api/jobs",
        job,
        f"{job}/structure",
        f"{job}/logs?step=a",
        "/api/nope",
        "/api/openapi.json",
        "/api/docs",
        "/healthz",
        "/readyz",
    ):
        yield path, client.get(path)
    for ending in ("", "?format=jsonl"):
        yield f"download{ending}", client.get(f"{job}/logs/download{ending}")
    tag = client.get(f"{job}/structure").headers["ETag"]
    yield "304", client.get(f"{job}/structure", headers={"If-None-Match": tag})
    yield "400", client.post("/api/jobs", data="{", content_type="application/json")
    yield "405", client.delete("/api/jobs")
    yield "409", client.post(f"{job}/retry")
    yield (
        "413",
        client.post("/api/jobs", data=b"x" * (1024 * 1024 + 1), content_type="application/json"),
    )
    yield "422", client.get("/api/jobs?x=1")
    yield "403 host", client.get("/", headers={"Host": "evil.example"})
    yield "403 origin", client.get("/", headers={"Origin": "null"})
    yield "redirect", client.post("/definitions/d", data={"params.p": "x"})
    yield "head", client.head("/")
    yield "options", client.options("/api/jobs")
    yield "engine.io", client.get("/socket.io/?EIO=4&transport=polling")
    yield "engine.io 400", client.get("/socket.io/?EIO=1&transport=polling")


def test_every_kind_of_answer_has_the_headers_once_and_no_cookie(hostile):
    seen = set()
    for what, answer in kinds_of_answers(hostile):
        for name, value in HEADERS.items():
            assert answer.headers.getlist(name) == [value], (what, name)
        assert "Set-Cookie" not in answer.headers, what
        assert "Access-Control-Allow-Origin" not in answer.headers, what
        seen.add(answer.status_code)
        assert answer.get_data() is not None
        answer.close()
    assert seen == {200, 303, 304, 400, 403, 404, 405, 409, 413, 422, 503}


def test_the_policy_allows_own_files_and_nothing_inline():
    policy = dict(directive.split(" ", 1) for directive in CONTENT_SECURITY_POLICY.split("; "))
    assert (
        policy["default-src"] == "'none'"
        and policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    )
    assert (
        policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        and policy["form-action"] == "'self'"
    )
    assert not re.search(r"unsafe|\*|https?:", CONTENT_SECURITY_POLICY)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/vendor/../../config.py",
        "/static/",
    ],
)
def test_nothing_beyond_the_static_folder_is_served(hostile, path):
    answer = hostile.get(path, follow_redirects=True)
    assert answer.status_code == 404 and b"import" not in answer.data


WRITES = [
    ("POST", "/api/jobs", {"json": {"definition": "d"}}),
    ("POST", "/api/jobs/{id}/cancel", {}),
    ("POST", "/api/jobs/{id}/rerun", {}),
    ("DELETE", "/api/jobs/{ended}", {}),
    ("POST", "/definitions/d", {"data": {"params.p": "x"}}),
    ("POST", "/jobs/{id}/cancel", {"data": {}}),
    ("POST", "/jobs/{id}/rerun", {"data": {}}),
    ("POST", "/jobs/{ended}/delete", {"data": {"sure": "yes"}}),
]


@pytest.mark.parametrize(("method", "path", "options"), WRITES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
)
def test_no_other_site_can_write(hostile, method, path, options, headers):
    before = hostile.get("/api/jobs").get_json()
    answer = hostile.open(
        path.format(id=hostile.job_id, ended=hostile.ended),
        method=method,
        headers=headers,
        **options,
    )
    assert answer.status_code == 403
    assert set(answer.get_json()) == {"code", "status", "message", "errors"}
    assert hostile.get("/api/jobs").get_json() == before


# A real server


def test_the_secret_is_its_owners_alone_and_in_no_answer(shared_server):
    path = shared_server.folder / "data" / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = path.read_text().strip()
    assert len(secret) >= 32
    assert all(
        secret not in shared_server.get(place).text
        for place in ("/", "/api/jobs", "/readyz", "/api/openapi.json")
    )
    assert secret not in shared_server.log.read_text()


def test_a_server_that_listens_everywhere_because_it_is_told_to_still_refuses_foreign_hosts(server):
    server.environ |= {
        "JOBSYNC_HOST": "0.0.0.0",
        "JOBSYNC_TRUST_NETWORK": "1",
        "JOBSYNC_ALLOWED_HOSTS": "jobs.example",
        "JOBSYNC_WORKERS": "0",
    }
    server.start()
    port = urlsplit(server.url).port
    assert server.get("/healthz").status_code == 200
    for host, status in (
        ("jobs.example", 200),
        (f"jobs.example:{port}", 200),
        ("evil.example", 403),
        (f"0.0.0.0:{port}", 403),
    ):
        assert (
            requests.get(
                f"http://127.0.0.1:{port}/healthz", headers={"Host": host}, timeout=10
            ).status_code
            == status
        )
