"""The pages as served: complete and right before any script runs, and usable without one."""

import gzip
import hashlib
import json
import re

import pytest

from helpers.ask import ask, jobs_page
from helpers.by_hand import line
from helpers.html import Reader, hooks, numbers
from helpers.paths import ROOT
from jobsync import lifecycle, store
from jobsync.web import filters, result

STATIC = ROOT / "static"


def write_lines(hand, job_id, number, level="info", message="line"):
    """Have a worker write so many lines in the job's first step."""
    (task,) = hand.claim()
    hand.complete(task, lines=[line(f"{message} {place}", level) for place in range(1, number + 1)])


# The list


def test_an_empty_list_says_so_and_offers_the_definitions(hand, browser):
    hand.define('id = "d"\nname = "Do it"\n[step.a]\ntype = "by_hand"')
    page = browser.get("/")
    assert "No jobs yet" in page.one(data_part="empty").text
    assert page.one("a", href="/definitions/d").text == "Do it no run has ended yet"
    assert page.all(data_job_id=True) == []


def test_the_list_shows_each_job_once_newest_first_with_its_hooks(hand, browser):
    ids = [hand.begin(), hand.submit()]
    rows = browser.get("/").all(data_job_id=True)
    shown = [(row["data-job-id"], row["data-status"], row["data-revision"]) for row in rows]
    heads = [ask(store.structure.structure_of, job_id) for job_id in reversed(ids)]
    assert shown == [(head["job_id"], head["status"], str(head["revision"])) for head in heads]
    assert [row["data-status"] for row in rows] == ["pending", "running"]
    assert rows[1].one("a", href=f"/jobs/{ids[0]}").text == "d"


def test_a_status_in_the_list_is_icon_word_and_colour(hand, browser):
    hand.begin("[step.a]\n[step.b]\ndepends = 'a'")
    badge, *segments = browser.get("/").all(class_="badge is-running") + browser.get("/").all(
        data_segment=True
    )
    assert (badge.one("use")["href"], badge.text) == ("#i-running", "running")
    assert [
        (segment.one("use")["href"], segment.text, segment["title"]) for segment in segments
    ] == [
        ("#i-running", "a: running", "a: running"),
        ("#i-pending", "b: pending", "b: pending"),
    ]


def test_the_list_filters_by_status_definition_and_words(hand, browser):
    running, pending = hand.begin(), hand.submit()

    def ids(query):
        return [row["data-job-id"] for row in browser.get(f"/?{query}").all(data_job_id=True)]

    assert ids("status=running") == [running]
    assert ids("status=running,pending") == ids("status=&q=&definition=") == [pending, running]
    assert ids("definition=other") == []
    assert ids(f"q={running}") == [running]
    page = browser.get("/?status=running&q=x&definition=d")
    assert page.one("a", aria_current="true").text == "running 0"
    assert (page.one("input", name="q")["value"], page.one("option", selected=True)["value"]) == (
        "x",
        "d",
    )
    assert "No job matches" in page.one(data_part="empty").text


def test_the_list_goes_on_by_a_link(hand, browser):
    ids = [hand.submit() for _ in range(3)]
    page = browser.get("/?limit=2&q=d")
    assert page.one(data_part="total").text == "3 jobs"
    (older,) = page.one(data_part="pager").all("a")
    assert [row["data-job-id"] for row in browser.get(older["href"]).all(data_job_id=True)] == ids[
        :1
    ]


@pytest.mark.parametrize(
    "query", ["status=odd", "limit=0", "limit=x", "cursor=%21", "q=" + "x" * 201]
)
def test_a_bad_filter_is_said_and_breaks_nothing(browser, query):
    page = browser.get(f"/?{query}", 422)
    assert page.all("li")[0].text.startswith(query.partition("=")[0])


def test_the_mistakes_in_definitions_are_shown_with_file_key_and_reason(hand, browser, folder):
    (folder / "definitions" / "bad.toml").write_text(
        'id = "bad"\nodd = 1\n[step.a]\ntype = "by_hand"'
    )
    (problem,) = browser.get("/").one(class_="notice is-problem").all("li")
    assert problem.text.startswith("bad.toml odd: ")


def test_an_unchanged_list_is_not_sent_again_and_a_changed_one_is(hand, browser):
    job_id = hand.submit()
    page = browser.get("/")
    etag = browser.response.headers["ETag"]
    assert page.one(data_list=True)["data-etag"] == etag
    again = browser.client.get("/", headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")
    hand.advance(job_id)
    assert browser.client.get("/", headers={"If-None-Match": etag}).status_code == 200


def test_a_definition_that_changes_makes_another_list(hand, browser):
    hand.define('id = "one"\n[step.a]\ntype = "by_hand"')
    browser.get("/")
    etag = browser.response.headers["ETag"]
    hand.define('id = "two"\n[step.a]\ntype = "by_hand"')
    assert browser.client.get("/", headers={"If-None-Match": etag}).status_code == 200


# One job


def test_the_page_of_a_job_is_its_structure(hand, browser):
    job_id = hand.begin("[step.a]\n[step.b]\ndepends = 'a'", number=3)
    write_lines(hand, job_id, 7, "warning")
    page = browser.get(f"/jobs/{job_id}")
    structure = ask(store.structure.structure_of, job_id)
    job, steps = hooks(page)
    assert job == (job_id, "running", str(structure["revision"]))
    assert steps == [
        (step["name"], step["status"], str(step["log_count"]), str(step["child_count"]))
        for step in structure["steps"]
    ]
    assert steps == [("a", "running", "7", "3"), ("b", "pending", "0", "0")]
    step = page.one(data_step="a")
    shown = {
        count["data-count"]: count.one(data_part="number").text
        for count in step.all(data_count=True)
        if count.is_shown
    }
    assert shown == {"completed": "1", "pending": "2", "warning": "7"}
    assert [toggle["data-toggle-step"] for toggle in page.all(data_toggle_step=True)] == ["a", "b"]


def test_running_and_failed_steps_are_expanded_and_hold_their_lines_others_hold_none(hand, browser):
    job_id = hand.begin("[step.a]\n[step.b]\ndepends = 'a'\nalways_run = true")
    (task,) = hand.claim()
    hand.fail(task, "it broke", [line("before the end", "error")])
    hand.advance(job_id)
    hand.plan(job_id, 1)
    page = browser.get(f"/jobs/{job_id}")
    assert {
        step["data-step"]: (step["data-status"], step["data-expanded"], step["open"])
        for step in page.all(data_step=True)
    } == {
        "a": ("failed", "true", True),
        "b": ("running", "true", True),
    }
    assert page.one(data_step="a").one(data_line=True)["data-level"] == "error"
    hand.run_out(job_id)
    page = browser.get(f"/jobs/{job_id}")
    assert [step["data-expanded"] for step in page.all(data_step=True)] == ["true", "false"]
    assert page.one(data_step="b")["open"] is None
    assert page.one(data_step="b").all(data_line=True) == []


def test_an_expanded_step_holds_the_last_500_lines_and_links_to_those_before(hand, browser):
    job_id = hand.begin(number=2)
    write_lines(hand, job_id, 1203)
    page = browser.get(f"/jobs/{job_id}")
    assert numbers(page) == list(range(704, 1204))
    (earlier,) = page.one(data_part="earlier").all("a")
    page = browser.get(earlier["href"].partition("#")[0])
    assert numbers(page) == list(range(204, 704))
    (earlier,) = page.one(data_part="earlier").all("a")
    page = browser.get(earlier["href"].partition("#")[0])
    assert numbers(page) == list(range(1, 204))
    assert not page.one(data_part="earlier").is_shown
    later = page.one(data_part="later")
    assert later.is_shown
    assert numbers(browser.get(later["href"].partition("#")[0]))[-1] == 1203


def test_a_step_that_has_ended_is_opened_by_its_address(hand, browser):
    job_id = hand.begin()
    write_lines(hand, job_id, 3)
    hand.advance(job_id)
    assert numbers(browser.get(f"/jobs/{job_id}")) == []
    page = browser.get(f"/jobs/{job_id}?open=a")
    assert (page.one(data_step="a")["data-expanded"], numbers(page)) == ("true", [1, 2, 3])


@pytest.mark.parametrize(
    "query",
    [
        "before=x",
        "before=-5",
        "before=0",
        "before=99999999999999999999",
        "open=no",
        "open=a&before=2&open=a",
    ],
)
def test_an_odd_address_breaks_nothing(hand, browser, query):
    job_id = hand.begin(number=2)
    write_lines(hand, job_id, 3)
    assert numbers(browser.get(f"/jobs/{job_id}?open=a&{query}")) in ([1, 2, 3], [1], [])


def test_lines_and_counts_of_a_page_are_of_one_moment(hand, browser, monkeypatch):
    job_id = hand.begin(number=2)
    write_lines(hand, job_id, 5)

    def structure_then_more_lines(session, wanted, query=store.structure.structure_of):
        found = query(session, wanted)
        with hand.app.app_context():  # another process
            write_lines(hand, job_id, 4)
        return found

    monkeypatch.setattr(store.structure, "structure_of", structure_then_more_lines)
    page = browser.get(f"/jobs/{job_id}")
    assert (page.one(data_step="a")["data-log-count"], numbers(page)) == ("5", [1, 2, 3, 4, 5])


def test_many_expanded_steps_do_not_make_a_page_without_end(hand, browser):
    job_id = hand.submit("\n".join(f"[step.s{place}]" for place in range(25)))
    hand.advance(job_id)
    for task in [hand.claim() for _ in range(25)]:
        hand.complete(task[0], lines=[line("x")]) if task[
            0
        ].kind == "child" else lifecycle.results.add_planned(task[0], [], [line("x")])
    page = browser.get(f"/jobs/{job_id}")
    assert len(page.all(data_line=True)) == 20
    assert [step["data-expanded"] for step in page.all(data_step=True)] == ["true"] * 25


def test_what_is_written_is_text_and_never_markup(hand, browser):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
    text = json.dumps(hostile)
    job_id = hand.begin(
        number=2,
        head=f'name = {text}\ntags = [{text}]\n[params.p]\ntype = "string"\ndefault = {text}',
    )
    (task,) = hand.claim()
    hand.fail(task, hostile, [line(hostile), line("\x1b[31mred\x1b[0m\x07")])
    hand.advance(job_id)
    for path in ("/", f"/jobs/{job_id}", "/definitions/d", "/jobs/%3Cscript%3E"):
        page = browser.get(path, 404 if "script" in path else 200)
        assert not page.all("img") and all(script["src"] for script in page.all("script"))
    page = browser.get(f"/jobs/{job_id}")
    texts = ["".join(text.texts) for text in page.all(class_="line-text")]
    assert texts == [hostile, "red\u2407", ""]  # the last is of the pattern for scripts
    assert hostile in page.one(data_part="deleted").parent.text


def test_no_page_needs_what_the_content_security_policy_forbids(hand, browser):
    job_id = hand.begin(number=2)
    write_lines(hand, job_id, 3)
    for path in ("/", f"/jobs/{job_id}", f"/jobs/{job_id}/result", "/definitions/d"):
        for element in browser.get(path).walk():
            assert not [
                name for name in element.attributes if name == "style" or name.startswith("on")
            ], element.tag
            assert element.tag != "style" and (
                element.tag != "script" or element["src"].startswith("/static/")
            )
            for name in ("src", "href", "action"):
                assert element[name] is None or re.match("[/#]", element[name]), element[name]


def test_a_job_that_is_not_there_is_a_page_that_says_so(browser):
    assert "There is no job 'nope'" in browser.get("/jobs/nope", 404).one("main").text
    browser.get("/jobs/nope/result", 404)
    browser.get("/nowhere", 404)
    for action in ("cancel", "retry", "rerun", "delete"):
        browser.post(f"/jobs/nope/{action}", 404)


def test_without_scripts_nothing_claims_to_be_live(hand, browser):
    page = browser.get(f"/jobs/{hand.submit()}")
    assert not page.one(data_connection=True).is_shown
    assert "reload" in page.one("noscript").text


def test_the_buttons_are_those_that_the_status_allows(hand, browser):
    job_id = hand.begin()

    def actions():
        return {
            button["data-action"]
            for button in browser.get(f"/jobs/{job_id}").all(data_action=True)
            if button.is_shown
        }

    assert actions() == {"cancel", "rerun"}
    hand.run_out(job_id, "fail")
    assert actions() == {"retry", "rerun", "delete"}
    lifecycle.retry(job_id)
    hand.run_out(job_id)
    assert actions() == {"rerun", "delete"}


def test_the_result_is_shown_once_the_job_has_ended_and_alone_for_open_pages(hand, browser):
    job_id = hand.begin("[step.a] #\ntype = 'by_hand_summed'")
    assert browser.get(f"/jobs/{job_id}").one(data_part="result").text == ""
    hand.run_out(job_id)
    for result_part in (
        browser.get(f"/jobs/{job_id}").one(data_part="result"),
        browser.get(f"/jobs/{job_id}/result"),
    ):
        assert (result_part.one("dt").text, result_part.one("dd").text) == ("Of", "a")


# Starting


FORM = """id = "form"
[params.count]
type = "integer"
default = 3
minimum = 1
maximum = 9
description = "How many"
[params.word]
type = "string"
default = "x"
choices = ["x", "y"]
[params.note]
type = "string"
default = ""
[params.loud]
type = "boolean"
default = true
[params.where]
type = "path"
[step.a]
type = "by_hand"
"""
GOOD = {
    "params.count": "4",
    "params.word": "y",
    "params.note": "",
    "params.loud": "false",
    "params.where": "/",
}


def params_of(address):
    return ask(store.jobs.get, address.rsplit("/", 1)[1])["params"]


def test_the_form_has_a_field_for_each_parameter_filled_with_its_default(hand, browser):
    hand.define(FORM)
    form = browser.get("/definitions/form").one("form", method="post")
    assert form.one("input", name="params.count")["value"] == "3"
    assert form.one("select", name="params.word").one("option", selected=True).text == "x"
    assert form.one("input", type="checkbox", name="params.loud")["checked"]
    assert "required" in form.one("label", for_="field-where").text
    assert (
        form.one(id=form.one("input", name="params.count")["aria-describedby"]).text == "How many"
    )


def test_the_form_starts_a_job_and_goes_to_its_page(hand, browser):
    hand.define(FORM)
    address = browser.follow("/definitions/form", **GOOD)
    assert params_of(address) == {"count": 4, "word": "y", "note": "", "loud": False, "where": "/"}
    assert browser.get(address).one(data_job_id=True)["data-status"] == "pending"
    assert ask(store.jobs.get, address.rsplit("/", 1)[1])["source"] == "web"


def test_a_field_left_empty_means_the_default(hand, browser):
    hand.define(FORM)
    assert (
        params_of(browser.follow("/definitions/form", **{**GOOD, "params.count": " "}))["count"]
        == 3
    )


def test_a_ticked_box_is_true(hand, browser):
    hand.define(FORM)
    assert (
        params_of(
            browser.follow("/definitions/form", **{**GOOD, "params.loud": ["false", "true"]})
        )["loud"]
        is True
    )


def test_mistakes_stand_at_their_fields_and_what_was_written_stays(hand, browser):
    hand.define(FORM)
    bad = {
        **GOOD,
        "params.count": "many",
        "params.where": "/no/such/place",
        "params.note": "two\nlines",
        "params.odd": "1",
    }
    page = browser.post("/definitions/form", 422, **bad)
    count = page.one("input", name="params.count")
    assert (count["value"], count["aria-invalid"]) == ("many", "true")
    assert page.one(id="mistake-count").text == "must be a whole number"
    assert "mistake-count" in count["aria-describedby"].split()
    assert "does not exist" in page.one(id="mistake-where").text
    assert page.one("input", name="params.where")["value"] == "/no/such/place"
    assert page.one("textarea", name="params.note").text == "two lines"
    assert page.one("select", name="params.word")["aria-invalid"] is None
    assert "odd: there is no such parameter" in page.one(role="alert").text
    assert jobs_page()["total"] == 0


def test_a_choice_that_is_none_stays_visible(hand, browser):
    hand.define(FORM)
    select = browser.post("/definitions/form", 422, **{**GOOD, "params.word": "z"}).one(
        "select", name="params.word"
    )
    assert select.one("option", selected=True)["value"] == "z"


def test_a_job_is_run_again_with_changes(hand, browser):
    hand.define(FORM)
    old = browser.follow("/definitions/form", **GOOD)
    (change,) = browser.get(old).all(data_part="change")
    page = browser.get(change["href"])
    assert page.one("input", name="params.count")["value"] == "4"
    assert page.all("input", type="checkbox")[0]["checked"] is None
    new = browser.follow(
        "/definitions/form",
        **{**GOOD, "params.count": "5"},
        rerun_of=page.one("input", name="rerun_of")["value"],
    )
    job = ask(store.jobs.get, new.rsplit("/", 1)[1])
    assert (job["rerun_of"], job["params"]["count"]) == (old.rsplit("/", 1)[1], 5)
    assert browser.get(new).all("a", href=old) and browser.get(old).all("a", href=new)


def test_a_definition_that_is_not_there_or_bad_is_said(hand, browser, folder):
    assert "no definition" in browser.get("/definitions/nope", 404).one("main").text
    (folder / "definitions" / "bad.toml").write_text('id = "bad"\n[step.a]\ntype = "no_such_type"')
    assert "has mistakes" in browser.get("/definitions/bad", 404).one("main").text
    assert browser.client.post("/definitions/nope").status_code == 404


# Steering


def test_forms_cancel_retry_and_run_again(hand, browser):
    job_id = hand.begin()
    assert browser.follow(f"/jobs/{job_id}/cancel", sure="yes") == f"/jobs/{job_id}"
    assert ask(store.jobs.get, job_id)["status"] == "cancelled"
    assert browser.follow(f"/jobs/{job_id}/retry", sure="yes") == f"/jobs/{job_id}"
    assert ask(store.jobs.get, job_id)["status"] == "pending"
    again = browser.follow(f"/jobs/{job_id}/rerun")
    assert ask(store.jobs.get, again.rsplit("/", 1)[1])["rerun_of"] == job_id


def test_a_wrong_state_is_a_page_that_says_so_and_leads_back(hand, browser):
    job_id = hand.begin()
    page = browser.post(f"/jobs/{job_id}/retry", 409)
    assert "this one is running" in page.one("main").text
    assert page.one("a", href=f"/jobs/{job_id}")
    assert "this one is running" in browser.post(f"/jobs/{job_id}/delete", 409).one("main").text


def test_deleting_takes_a_second_yes(hand, browser):
    job_id = hand.begin()
    hand.run_out(job_id)
    page = browser.post(f"/jobs/{job_id}/delete")
    assert ask(store.jobs.get, job_id)
    sure = page.one("input", name="sure")
    assert browser.follow(f"/jobs/{job_id}/delete", sure=sure["value"]) == "/"
    browser.get(f"/jobs/{job_id}", 404)


def test_a_job_whose_definition_is_gone_can_not_be_run_again_and_says_so(hand, browser, folder):
    job_id = hand.begin()
    (folder / "definitions" / "d.toml").unlink()
    assert "can't be run again" in browser.post(f"/jobs/{job_id}/rerun", 409).one("main").text
    assert browser.get(f"/jobs/{job_id}").one(data_job_id=True)


# How values look


CASES = json.loads((ROOT / "tests" / "js" / "shown.json").read_text())


def test_durations_look_as_they_do_where_scripts_show_them():
    assert [filters.took(start, end) for start, end, _ in CASES["took"]] == [
        text for _, _, text in CASES["took"]
    ]


def test_lines_are_rid_of_terminal_escapes_as_they_are_where_scripts_show_them():
    assert [filters.plain(raw) for raw, _ in CASES["plain"]] == [text for _, text in CASES["plain"]]


def cells(table):
    return [name for name, _ in table.columns], [[cell.text for cell in row] for row in table.rows]


def test_a_report_becomes_facts_and_tables():
    report = {
        "files": 1234,
        "cut": False,
        "share": 0.5,
        "languages": {"Python": {"files": 2, "lines": 3000}, "C": {"files": 1}},
    }
    section = result.sections(report)
    assert [(name, cell.text) for name, cell in section.figures] == [
        ("Files", "1,234"),
        ("Share", "0.5"),
        ("Languages", "2"),
    ]
    assert [(name, cell.text) for name, cell in section.facts] == [("Cut", "no")]
    (languages,) = section.sections
    assert languages.title == "Languages"
    assert cells(languages.table) == (
        ["", "Files", "Lines"],
        [["Python", "2", "3,000"], ["C", "1", "–"]],
    )
    assert [is_number for _, is_number in languages.table.columns] == [False, True, False]


def test_lists_become_tables_and_what_is_nested_in_a_cell_is_said_in_short():
    section = result.sections(
        {"largest": [{"path": "a", "bytes": 1}, {"path": "b", "bytes": 22}], "names": ["x", "y"]}
    )
    assert [cells(inner.table) for inner in section.sections] == [
        (["Path", "Bytes"], [["a", "1"], ["b", "22"]]),
        ([""], [["x"], ["y"]]),
    ]
    rows = {
        name: {"files": 1, "levels": {"info": 7, "error": 0}, "by": {"C": {"n": 1}}, "of": [1, [2]]}
        for name in "ab"
    }
    assert cells(result.sections(rows).table)[1][0] == ["a", "1", "info 7, error 0", "C", "1, …"]


def test_a_large_table_is_cut_and_says_so():
    table = result.sections([{"n": place} for place in range(1000)]).table
    assert (len(table.rows), table.left_out) == (200, 800)


def deep(levels):
    return {"x": deep(levels - 1), "y": [levels]} if levels else None


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "text",
        True,
        [],
        {},
        [[]],
        [{}],
        {"a": {}},
        {"a": [[1, 2], {"b": []}]},
        {"": {"": {"": [1]}}},
        deep(40),
    ],
)
def test_any_result_can_be_shown(web_app, value):
    with web_app.test_request_context():
        html = web_app.jinja_env.get_template("jobs/_result.html").render(
            result=result.sections(value), job={"id": "j"}
        )
    assert len(Reader(html).root.all(class_="result")) == (value is not None)


# What is shipped


def test_scripts_and_styles_of_a_page_weigh_less_than_40_kib_gzipped(hand, web_app, browser):
    def weight(file):
        return len(gzip.compress(web_app.test_client().get(f"/{file.relative_to(ROOT)}").data))

    for path in ("/", f"/jobs/{hand.submit()}"):
        page = browser.get(path)
        start = [script["src"] for script in page.all("script")] + [
            link["href"] for link in page.all("link", rel="stylesheet")
        ]
        files = reachable([ROOT / address.lstrip("/") for address in start])
        assert sum(map(weight, files)) < 40 * 1024, sorted(files)


def reachable(files):
    """Return the files and all that they import."""
    found, left = set(), list(files)
    while left:
        file = left.pop().resolve()
        if file not in found:
            found.add(file)
            left += [
                file.parent / name
                for name in re.findall(
                    r'^import .* from "(\..*)";$', file.read_text(), re.MULTILINE
                )
            ]
    return found


def test_the_vendored_files_are_those_that_their_sums_were_made_of():
    listed = dict(
        reversed(entry.split("  "))
        for entry in (STATIC / "vendor" / "SHA256SUMS").read_text().splitlines()
    )
    present = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (STATIC / "vendor").iterdir()
        if path.name != "SHA256SUMS"
    }
    assert listed == present
    assert any(name.endswith("LICENSE") for name in listed)


# the namespace of SVG and the banner of the client: nobody fetches them
NAMES = {"www.w3.org", "socket.io"}


def test_nothing_that_is_shipped_names_an_outside_host():
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text(), (
        "where packages come from is the machine's business"
    )
    for file in [*STATIC.rglob("*"), *(ROOT / "templates").rglob("*")]:
        if file.is_file() and not file.name.endswith("LICENSE"):
            hosts = set(re.findall(r"https?://([\w.-]+)", file.read_text())) - NAMES
            assert not hosts, (file, hosts)
