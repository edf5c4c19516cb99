"""Results: what is drawn of them, and what can be taken away."""

import csv
import io
import json

import pytest

from helpers.html import Reader
from jobsync import lifecycle
from jobsync.lifecycle import results
from jobsync.web import charts, result, tables

LANGUAGES = {
    "Python": {"files": 3, "lines": 60},
    "C": {"files": 1, "lines": 40},
    "(binary)": {"files": 2, "lines": 0},
}
REPORT = {
    "summary": "Six files.",
    "files": 6,
    "bytes": 2_012_076,
    "lines": 100,
    "languages": LANGUAGES,
    "cut": False,
    "skipped": 0,
}


def finish(hand, value):
    """Return the id of a job that has ended with this result."""
    job_id = hand.begin("[step.a] #\ntype = 'by_hand_summed'")
    while tasks := hand.claim():
        for task in tasks:
            results.finish_summary(task, value) if task.kind == "summary" else hand.complete(task)
        hand.advance(job_id)
    return job_id


def render(web_app, value):
    with web_app.test_request_context():
        html = web_app.jinja_env.get_template("jobs/_result.html").render(
            result=result.sections(value), job={"id": "j"}
        )
    return Reader(html).root


# What is drawn


def test_the_numbers_of_a_report_come_first_and_noughts_among_the_facts(web_app):
    page = render(web_app, REPORT)
    figures = [
        (part.one("dt").text, part.one("dd").text) for part in page.one(class_="figures").all("div")
    ]
    assert figures == [("Files", "6"), ("Bytes", "2.0 MB"), ("Lines", "100"), ("Languages", "2")]
    assert page.all("dd", title=True)[0]["title"] == "2,012,076 bytes"
    assert [
        (part.one("dt").text, part.one("dd").text) for part in page.one(class_="about").all("div")
    ] == [("Cut", "no"), ("Skipped", "0")]
    assert page.one(class_="lead").text == "Six files."


def test_a_part_in_which_nothing_was_found_is_left_out_but_one_that_says_so_in_numbers_is_not(
    web_app,
):
    unknown = {"files": 0, "examples": [], "rules": []}
    page = render(
        web_app,
        {
            "unknown": unknown,
            "errors": {"lint": 0},
            "copies": {"files": 2, "examples": []},
            "text": {"a": None, "b": "x"},
        },
    )
    assert [heading.text for heading in page.all("h3")] == ["Errors", "Copies", "Text"]


def test_lines_by_language_are_a_bar_whose_legend_says_it_all_in_words(web_app):
    page = render(web_app, REPORT)
    legend = page.one(class_="legend small")
    assert legend["aria-label"] == "Languages by lines"
    assert [entry.text for entry in legend.all("li")] == ["Python 60 %", "C 40 %"]
    parts = page.one(class_="chart").all("svg")
    assert [(part["x"], part["width"], part.one("rect")["class"]) for part in parts] == [
        ("0%", "60.0%", "c1"),
        ("60.0%", "40.0%", "c2"),
    ]
    assert [part.text for part in parts] == ["Python: 60 lines, 60 %Python", "C: 40 lines, 40 %C"]
    assert [
        swatch["class"]
        for swatch in page.one("tbody").all(class_="swatch c1")
        + page.one("tbody").all(class_="swatch c2")
    ] == ["swatch c1", "swatch c2"]


def test_what_is_beyond_six_parts_is_one_part_in_the_colour_of_the_rest():
    bar = charts.stacked([(f"p{place}", 10 - place) for place in range(9)], "lines")
    assert [(part.name, part.value, part.colour) for part in bar.parts[-2:]] == [
        ("p5", 5, "c6"),
        ("3 more", 9, "c7"),
    ]
    assert "3 more" not in bar.colours and bar.colours["p0"] == "c1"
    assert sum(part.share for part in bar.parts) == pytest.approx(100, abs=0.01)
    assert [part.start for part in bar.parts] == sorted(part.start for part in bar.parts)


def test_a_share_that_rounds_to_nothing_is_said_to_be_small():
    assert [part.percent for part in charts.stacked([("a", 999), ("b", 1)], "lines").parts] == [
        "100 %",
        "under 1 %",
    ]


@pytest.mark.parametrize(
    "amounts",
    [
        [],
        [("a", 0)],
        [("a", None)],
        [("a", "5")],
        [("a", True)],
        [("a", 3), ("b", "x")],
        [("a", 3), ("b", -1)],
    ],
)
def test_what_is_no_share_of_a_whole_is_not_drawn(amounts):
    assert charts.stacked(amounts, "lines") is None


def test_an_address_becomes_a_link_and_a_script_never_does(web_app):
    value = {
        "page": "https://example.org/a?b=1&c=2",
        "bad": "javascript:alert(1)",
        "odd": "https://a.example/ b",
        "rows": [{"at": "http://b.example/"}, {"at": "data:text/html,x"}],
    }
    page = render(web_app, value)
    links = [link for link in page.all("a") if link["rel"]]
    assert [link["href"] for link in links] == [
        "https://example.org/a?b=1&c=2",
        "http://b.example/",
    ]
    assert {link["rel"] for link in links} == {"noopener noreferrer"}
    assert "javascript:alert(1)" in page.text


def test_longer_text_keeps_its_lines_in_a_place_of_its_own(web_app):
    page = render(web_app, {"note": "one\n  two <b>", "long": "x" * 200, "short": "y"})
    assert ["".join(pre.texts) for pre in page.all("pre")] == ["one\n  two <b>", "x" * 200]
    assert page.one("dt").text == "Short"


def test_the_results_of_other_steps_and_lesser_parts_are_folded_and_named(web_app):
    parts = {f"part_{place}": {f"of_{place}": 1} for place in range(6)}
    page = render(web_app, {**parts, "steps": {"scan": {"files": 3}, "map": {"files": 4}}})
    more, others = page.all("details")
    assert more.one("summary").text == "More: Part 4, Part 5"
    assert others.one("summary").text == "Results of the other steps: Scan, Map"
    assert [heading.text for heading in others.all("h3")] == ["Scan", "Map"]
    assert [heading.text for heading in page.all("h3")] == [
        "Part 0",
        "Part 1",
        "Part 2",
        "Part 3",
        "Part 4",
        "Part 5",
        "Scan",
        "Map",
    ]


def test_many_counts_are_a_table_and_a_few_are_facts(web_app):
    page = render(
        web_app,
        {
            "rules": {f"rule {place}": place for place in range(9)},
            "levels": {"info": 3, "error": 0},
        },
    )
    assert [head.text for head in page.one("thead").all("th")] == ["Name", "Number"]
    assert len(page.one("tbody").all("tr")) == 9
    assert page.all("dd")[-1].text == "0"


def test_texts_of_several_lines_in_a_table_are_one_block_below_it_to_be_copied_at_once(web_app):
    rules = [
        {"files": 2, "for": "*.a", "rule": '[[rule]]\nname = "<a>"\n'},
        {"files": 1, "for": "b", "rule": None},
        {"files": 1, "for": "*.c", "rule": "[[rule]]\nname = 1"},
    ]
    page = render(web_app, {"unknown": {"rules": rules}})
    assert [head.text for head in page.one("thead").all("th")] == ["Files", "For"]
    assert ["".join(pre.texts) for pre in page.all("pre")] == [
        '[[rule]]\nname = "<a>"\n\n[[rule]]\nname = 1\n'
    ]
    (button,) = page.all("button")
    assert button.text == "Copy Rule of Rules"
    assert result.grid(rules)[0] == ["files", "for", "rule"], "the CSV has all"


@pytest.mark.parametrize("texts", [["a\nb", "c"], ["a", "b"], [None, None], [1, "a\nb"]])
def test_a_column_in_which_not_all_texts_have_several_lines_stays_a_column(web_app, texts):
    page = render(web_app, {"rows": [{"n": 1, "text": text} for text in texts]})
    assert [head.text for head in page.one("thead").all("th")] == ["N", "Text"]
    assert page.all("pre") == []


def test_many_alike_parts_of_which_some_lack_a_nested_one_are_rows_of_a_table(web_app):
    folders = {
        f"dir{place}": {"files": place, "languages": {"Python": {"files": 1}}} for place in range(8)
    } | {"empty": {"files": 0}}
    page = render(web_app, {"directories": folders})
    assert [heading.text for heading in page.all("h3")] == ["Directories"]
    assert [cell.text for cell in page.one("tbody").all("tr")[-1].all("td")] == ["empty", "0", "–"]
    assert page.one("tbody").all("td")[2].text == "Python"


def test_what_only_a_program_can_draw_is_not_shown(web_app):
    page = render(
        web_app,
        {"treemap": [{"path": ".", "parent": None, "code": 1}], "directories": {"a": {"files": 1}}},
    )
    assert [heading.text for heading in page.all("h3")] == ["Directories"]


def test_no_two_regions_have_the_same_name(web_app):
    page = render(
        web_app,
        {
            "languages": LANGUAGES,
            "steps": {"map": {"languages": LANGUAGES, "out": "a\nb"}, "scan": {"out": "a\nb"}},
        },
    )
    names = [region["aria-label"] for region in page.all(role="region")]
    assert names == ["Table of Languages", "Out of Map", "Table of Languages of map", "Out of Scan"]


# What can be taken away


def rows_of(response):
    text = response.data.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_each_table_is_a_csv_with_all_its_rows(hand, browser):
    files = [
        {"path": f"f{place}", "size": place, "tags": ["a", "b"], "ok": True, "note": None}
        for place in range(300)
    ]
    job_id = finish(
        hand,
        {"languages": LANGUAGES, "files": files, "a/b~c": {"x": {"n": 1.5}}, "names": ["x", "y"]},
    )
    links = [
        link["href"]
        for link in browser.get(f"/jobs/{job_id}").one(data_part="result").all("a", download=True)
        if ".csv" in link["href"]
    ]
    found = [rows_of(browser.client.get(link)) for link in links]
    assert found[0] == [
        ["name", "files", "lines"],
        ["Python", "3", "60"],
        ["C", "1", "40"],
        ["(binary)", "2", "0"],
    ]
    assert found[1][:2] == [
        ["path", "size", "tags", "ok", "note"],
        ["f0", "0", '["a", "b"]', "true", ""],
    ]
    assert len(found[1]) == 301
    assert found[2:] == [[["name", "n"], ["x", "1.5"]], [["value"], ["x"], ["y"]]]


def test_a_csv_is_a_download_that_spreadsheets_take_for_utf_8(hand, browser):
    job_id = finish(hand, {"languages": {"Привет": {"lines": 1}}})
    response = browser.client.get(f"/jobs/{job_id}/result.csv?table=/languages")
    assert (
        response.headers["Content-Disposition"]
        == f'attachment; filename="d-{job_id}-languages.csv"'
    )
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.data.startswith(b'\xef\xbb\xbf"name","lines"\r\n') and rows_of(response)[1] == [
        "Привет",
        "1",
    ]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", '=HYPERLINK("x","y")', "\uff1d1"]
)
def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(text):
    written = tables.as_csv([[text, "n"], [text, -5], [f"x{text}", 2.5]])
    assert list(csv.reader(io.StringIO(written, newline=""))) == [
        [f"'{text}", "n"],
        [f"'{text}", "-5"],
        [f"x{text}", "2.5"],
    ]


SEPARATORS = (",", ";", "\t", "|", "\n", "\r\n")


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
@pytest.mark.parametrize("between", ["", " ", '"', "'", '" '])
def test_no_spreadsheet_runs_a_cell_whichever_separator_it_cuts_the_file_at(
    separator, sign, between
):
    texts = [
        f"a{separator}{between}{sign}cmd|' /C calc'!A0",
        f"{sign}x{separator}{sign}y",
        f"a{separator}b",
        f"{separator}{separator}{sign}x",
    ]
    written = tables.as_csv([["name", "n"], *([text, -5] for text in texts), texts])
    for read_as in SEPARATORS[:4]:  # with its quotes minded or not
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            for row in csv.reader(
                io.StringIO(written, newline=""), delimiter=read_as, quoting=quoting
            ):
                run = [
                    cell
                    for cell in row
                    if cell.lstrip('" ').startswith(sign) and cell.strip('"') != "-5"
                ]
                assert run == [], (read_as, row)
    assert f'"a{separator}b"' in written, "nothing is put before what isn't run"


def test_what_looks_like_csv_stays_in_its_cell():
    row = ['a "b", c', "two\nlines", "'quoted'", "a;b", ""]
    assert list(csv.reader(io.StringIO(tables.as_csv([list("abcde"), row]), newline="")))[1] == row


def test_the_whole_result_is_a_json_file(hand, browser):
    job_id = finish(hand, {**REPORT, "name": "Привет"})
    response = browser.client.get(f"/jobs/{job_id}/result.json")
    assert response.headers["Content-Disposition"] == f'attachment; filename="d-{job_id}.json"'
    assert response.mimetype == "application/json"
    assert json.loads(response.data) == {**REPORT, "name": "Привет"}
    assert "Привет".encode() in response.data


def test_every_file_that_a_step_lists_is_in_one_csv(hand, browser):
    job_id = hand.begin("[step.a]", number=3)
    files = [{"path": f"{number}.py", "rule": "=python"} for number in range(4)]
    for task, found in zip(
        hand.claim(number=3),
        ({"files": files[:1]}, {"files": []}, {"files": files[1:]}),
        strict=True,
    ):
        hand.complete(task, found)
    hand.advance(job_id)
    answer = browser.client.get(f"/jobs/{job_id}/steps/a/files.csv")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="d-{job_id}-files.csv"'
    assert answer.data.startswith(b"\xef\xbb\xbf")
    assert rows_of(answer) == [
        ["path", "rule"],
        *([f"{number}.py", "'=python"] for number in range(4)),
    ]
    assert browser.client.get(f"/jobs/{job_id}/steps/b/files.csv").status_code == 404


def test_a_result_that_names_a_step_which_lists_all_files_links_to_that_list(web_app):
    def links(value):
        return [
            link["href"]
            for link in render(web_app, {**REPORT, "files_listed_by": value}).all("a")
            if "files.csv" in link["href"]
        ]

    assert links("classify") == ["/jobs/j/steps/classify/files.csv"]
    assert links(None) == links({"a": 1}) == []


def test_what_a_report_does_not_know_is_left_out_of_its_facts(web_app):
    assert "Changed" not in [
        term.text for term in render(web_app, {**REPORT, "changed": None}).all("dt")
    ]
    assert "Changed" in [
        term.text for term in render(web_app, {**REPORT, "changed": "1 added"}).all("dt")
    ]


@pytest.mark.parametrize(
    "table",
    [
        "",
        "/",
        "/nope",
        "languages",
        "/languages/Python",
        "/languages/Python/files",
        "/summary",
        "/languages/~2",
        "%00",
        "%ff",
        "//",
        "/" * 3000,
    ],
)
def test_a_table_that_is_not_there_is_not_found(hand, browser, table):
    job_id = finish(hand, REPORT)
    browser.get(f"/jobs/{job_id}/result.csv?table={table}", 404)


def test_a_job_without_a_result_has_nothing_to_take_away(hand, browser):
    job_id = hand.begin()
    for path in (f"/jobs/{job_id}/result.json", f"/jobs/{job_id}/result.csv?table=/a"):
        assert "has no result" in browser.get(path, 404).one("main").text
    lifecycle.cancel(job_id)
    browser.get(f"/jobs/{job_id}/result.json", 404)
    browser.get("/jobs/nope/result.json", 404)
    browser.get("/jobs/nope/result.csv", 404)


@pytest.mark.parametrize(
    "value",
    [
        {"a": float("nan")},
        {"a": "\ud800"},
        {"": {"": {"x": 1}}},
        {"steps": 5},
        {"steps": []},
        {"steps": {"a": 5}},
        {"bytes": -1},
        {"bytes": 1.5},
        {"languages": {"a": {"lines": "x"}}},
    ],
)
def test_an_odd_result_is_shown_all_the_same(web_app, value):
    assert len(render(web_app, value).all(class_="result")) == 1
