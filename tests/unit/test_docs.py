"""The documents: as files, whose links lead somewhere, and as pages at `/docs`. They name all that
there is to name.
"""

import os
import re
from functools import cache
from urllib.parse import urljoin, urlsplit

import click
import pytest
from markdown_it import MarkdownIt

from helpers.apps import make_app
from helpers.paths import ROOT
from jobsync.base.errors import NotFound
from jobsync.definitions import shapes
from jobsync.status import JOB_STATUSES, LEVELS, STEP_STATUSES
from jobsync.steps import BUILT_IN
from jobsync.web.docs import LARGEST, Documents, document_of, heading_ids

FOLDER = ROOT / "docs"
FILES = sorted(FOLDER.glob("*.md"))
NAMES = [file.stem for file in FILES if file.stem != "README"]
ADDRESSES = ["/docs", *(f"/docs/{name}" for name in NAMES)]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    return make_app(tmp_path_factory.mktemp("docs")).test_client()


# As files


def tokens_of(file):
    return MarkdownIt("commonmark").enable("table").parse(file.read_text())


def links_of(file):
    """Return where the links and pictures of a document lead, as written."""
    return [
        token.attrs.get("href") or token.attrs["src"]
        for inline in tokens_of(file)
        if inline.type == "inline"
        for token in inline.children
        if token.type in ("link_open", "image")
    ]


@cache
def anchors_of(file):
    tokens = tokens_of(file)
    headings = [
        "".join(child.content for child in tokens[place + 1].children)
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    return set(heading_ids(headings))


def is_elsewhere(link):
    return re.match("https?:", link)


@pytest.mark.parametrize(
    "file", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *FILES], ids=lambda file: file.name
)
def test_every_link_of_a_document_leads_to_a_file_and_a_heading_that_are_there(file):
    for link in filter(lambda link: not is_elsewhere(link), links_of(file)):
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors_of(target), link


@pytest.mark.parametrize("file", [*FILES, ROOT / "tests" / "README.md"], ids=lambda file: file.name)
def test_every_file_of_the_project_that_a_document_names_is_there(file):
    names = re.findall(
        r"`((?:tests|jobsync|static|templates|scripts|benchmarks)/[\w./-]+)`", file.read_text()
    )
    # folders that a reader makes: for pages of their own, for figures
    assert [name for name in names if not (ROOT / name).exists()] in (
        [],
        ["static/own/"],
        ["benchmarks/results/"],
    )


def test_every_document_is_reached_from_the_readme_by_links():
    waiting, found = [ROOT / "README.md"], set()
    while waiting:
        file = waiting.pop()
        found.add(file)
        targets = {
            (file.parent / link.partition("#")[0]).resolve()
            for link in links_of(file)
            if not is_elsewhere(link) and link.partition("#")[0].endswith(".md")
        }
        waiting += targets - found
    assert set(FILES) <= found


def test_the_readme_is_short():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120
    assert max(map(len, lines)) <= 120


def test_the_readme_names_every_document_and_so_does_their_index():
    for file in (ROOT / "README.md", FOLDER / "README.md"):
        linked = {(file.parent / link.partition("#")[0]).resolve() for link in links_of(file)}
        assert set(FILES) - {FOLDER / "README.md"} <= linked, file


# As pages


def page_of(client, address):
    answer = client.get(address)
    assert answer.status_code == 200, address
    assert answer.mimetype == "text/html"
    return answer.get_data(as_text=True)


def article_of(page):
    return re.search(r"<article.*?</article>", page, re.DOTALL).group()


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_document_is_a_page_that_needs_nothing_that_the_policy_forbids(client, address):
    page = page_of(client, address)
    title = (FOLDER / f"{address.removeprefix('/docs').strip('/') or 'README'}.md").read_text()
    assert f'<h1 id="{next(heading_ids([title.splitlines()[0][2:]]))}">' in page
    article = article_of(page)
    assert "<script" not in article and "style=" not in page and "<style" not in page
    assert not re.search(r' (?:src|on\w+)="(?:https?:)?//', page)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_link_of_a_page_leads_somewhere_on_the_server_or_to_another_host(client, address):
    page = page_of(client, address)
    for link in re.findall(r' (?:href|src)="([^"]+)"', page):
        goal = urlsplit(urljoin(f"http://localhost{address}", link))
        if goal.hostname != "localhost":
            assert re.match("https?:", link)
            continue
        answer = client.get(goal.path)
        assert answer.status_code == 200, link
        if goal.fragment and goal.fragment != "main":
            assert f' id="{goal.fragment}"' in answer.get_data(as_text=True), link


def test_every_document_is_reached_from_the_index_by_links_of_the_documents_themselves(client):
    waiting, found = ["/docs"], set()
    while waiting:
        address = waiting.pop()
        found.add(address)
        links = re.findall(r'href="(/docs[^"#]*)', article_of(page_of(client, address)))
        waiting += set(links) - found
    assert found == set(ADDRESSES)


def test_every_page_leads_to_the_docs(client):
    for path in ("/", "/nothing", "/api/docs", *ADDRESSES):
        assert 'href="/docs">Docs</a>' in client.get(path).get_data(as_text=True), path


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "README",
        "README.md",
        "definitions.md",
        "Definitions",
        "../README",
        "..%2fREADME",
        "%2e%2e/CONTRIBUTING",
        "%00",
        "x" * 300,
        "x" * 300 + ".png",
        "examples/own_step/word_count.py",
        "screenshots",
        "screenshots/nothing.png",
        "../static/favicons/jobsync.svg",
        "%00.png",
    ],
)
def test_what_is_no_document_is_the_usual_page_with_404(client, name):
    answer = client.get(f"/docs/{name}")
    assert answer.status_code == 404
    assert "Not Found" in answer.get_data(as_text=True)


def test_a_picture_is_sent_as_one_and_not_again_when_it_is_the_same(client):
    answer = client.get("/docs/screenshots/job.png")
    assert answer.status_code == 200 and answer.mimetype == "image/png"
    again = {"If-None-Match": answer.headers["ETag"]}
    assert client.get("/docs/screenshots/job.png", headers=again).status_code == 304


def test_a_document_that_has_changed_is_shown_as_it_is_now(tmp_path):
    documents = Documents(tmp_path)
    (tmp_path / "ours.md").write_text("# Ours\n\nfirst\n")
    assert "first" in documents.get("ours").html
    (tmp_path / "ours.md").write_text("# Theirs\n\nother\n")
    assert documents.get("ours").title == "Theirs"
    assert "other" in documents.get("ours").html
    (tmp_path / "ours.md").unlink()
    with pytest.raises(NotFound):
        documents.get("ours")


def test_what_has_taken_the_place_of_a_document_holds_nothing_up(tmp_path):
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "folder.md").mkdir()
    (tmp_path / "huge.md").write_text("x" * (LARGEST + 1))
    for name in ("pipe", "folder", "huge"):
        with pytest.raises(NotFound):
            Documents(tmp_path).get(name)


def test_text_that_is_not_utf_8_and_no_text_at_all_are_shown_too(tmp_path):
    (tmp_path / "odd.md").write_bytes(b"caf\xe9")
    (tmp_path / "empty.md").write_bytes(b"")
    assert "caf\ufffd" in Documents(tmp_path).get("odd").html
    assert Documents(tmp_path).get("empty").html == ""


# What becomes of Markdown


def html_of(text):
    return str(document_of(text, "/docs").html)


def test_html_in_a_document_stays_text():
    html = html_of("# A <b>title</b>\n\n<script>alert(1)</script>\n\na <img src=x> b\n")
    assert "<script" not in html and "<b>" not in html and "<img" not in html
    assert "&lt;script&gt;" in html


def test_a_link_that_would_run_something_stays_text():
    assert "<a" not in html_of("[here](javascript:alert(1)) [there](data:text/html,x)")


def test_links_between_documents_lead_to_pages_and_those_to_other_files_become_text():
    html = html_of(
        "[a](definitions.md) [b](definitions.md#steps) [c](README.md) [d](#here) "
        "[e](../CONTRIBUTING.md) [`f`](examples/x.py) [g](https://example.org/x.md)"
    )
    assert re.findall('href="([^"]+)"', html) == [
        "/docs/definitions",
        "/docs/definitions#steps",
        "/docs",
        "#here",
        "https://example.org/x.md",
    ]
    assert "</a> e <code>f</code> <a" in html


def test_headings_have_the_ids_that_links_between_files_use():
    texts = ["What isn't promised", "A command's `environment`!", "Steps", "Steps", "snake_case-x"]
    assert list(heading_ids(texts)) == [
        "what-isnt-promised",
        "a-commands-environment",
        "steps",
        "steps-1",
        "snake_case-x",
    ]


def test_a_table_scrolls_in_a_frame_and_has_no_styles_of_its_own():
    html = html_of("| a | b |\n|---|--:|\n| 1 | 2 |\n")
    assert html.startswith('<div class="table-frame" tabindex="0"><table>')
    assert html.rstrip().endswith("</table></div>")
    assert "style" not in html


# They name all that there is


def text_of(name):
    return (FOLDER / f"{name}.md").read_text()


def test_every_key_of_a_definition_is_described():
    text = text_of("definitions")
    for table in (shapes.FileTable, shapes.ParamTable, shapes.StepTable, shapes.ToleranceTable):
        for key in table().fields:
            assert f"`{key}`" in text, (table.__name__, key)


@pytest.mark.parametrize("step_type", BUILT_IN, ids=lambda step_type: step_type.name)
def test_every_option_of_a_step_type_is_described_with_its_default(step_type):
    text = text_of("step-types")
    section = re.search(rf"^## {step_type.name}\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE)
    assert section, step_type.name
    found = section.group(1)
    if "Its options are those of" in found:
        found += re.search(r"^## local_dir\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE).group(1)
    for name, field in step_type.options().fields.items():
        row = re.search(rf"^\| `{name}` \|.*\| (.+) \|$", found, re.MULTILINE)
        assert row, name
        if field.required:
            assert row.group(1) == "required", name
        elif isinstance(field.load_default, bool | int | float):
            default = format(field.load_default, "g").lower()
            if isinstance(field.load_default, bool):
                default = str(field.load_default).lower()
            elif isinstance(field.load_default, int):
                default = str(field.load_default)
            assert row.group(1) == f"`{default}`", name


def test_every_setting_is_described():
    known = set(
        re.findall(
            "JOBSYNC_[A-Z_]+",
            (ROOT / "config.py").read_text() + (ROOT / ".env.example").read_text(),
        )
    )
    rows = "".join(line for line in text_of("settings").splitlines() if line.startswith("| `"))
    assert known == set(re.findall("`(JOBSYNC_[A-Z_]+)`", rows))


def test_every_call_of_the_api_is_described(client):
    def plain(path):
        return re.sub(r"\{\w+\}", "{}", path)

    text = plain(text_of("api"))
    for path, item in client.get("/api/openapi.json").get_json()["paths"].items():
        for method in item.keys() & {"get", "post", "put", "patch", "delete"}:
            assert f"`{method.upper()} {plain(path)}`" in text


def commands_of(group, words):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{words} {name}")
        elif not command.hidden:
            yield f"{words} {name}", command


def test_every_command_and_option_is_described(client):
    ours = {
        name: command
        for name, command in client.application.cli.commands.items()
        if name in ("jobs", "seed")
    }
    rows = text_of("command-line").splitlines()
    found = list(commands_of(click.Group(commands=ours), "flask"))
    assert len(found) > 8
    for words, command in found:
        row = next((row for row in rows if re.match(rf"\| `{words}[ `]", row)), None)
        assert row, words
        for option in command.params:
            if isinstance(option, click.Option):
                for name in option.opts:
                    assert f"`{name}`" in row, (words, name)


def terms():
    """Return the first cells of the glossary's tables, in small letters, one by one."""
    rows = re.findall(r"^\| (.+?) \|", text_of("glossary"), re.MULTILINE)
    cells = [term.strip(" `") for row in rows for term in row.lower().split(",")]
    return [cell for cell in cells if cell != "term"]


def test_the_glossary_has_every_status_stage_level_and_state_of_a_connection():
    text = text_of("glossary").lower()
    stages = ("waiting", "plan", "children", "summary", "done", "broken")
    for word in (*STEP_STATUSES, *JOB_STATUSES, *stages):
        assert word in terms(), word
    for word in (*LEVELS, "live", "polling", "reconnecting", "offline"):
        assert word in text, word


def test_the_glossary_has_no_term_twice():
    assert len(terms()) == len(set(terms()))
