"""The page of a definition: its steps drawn, values of earlier runs, recent runs, and the
commands that do what the form does.
"""

import json
import shlex
import subprocess
from dataclasses import dataclass

import pytest

from helpers.ask import ask
from helpers.paths import ROOT
from jobsync import lifecycle, store
from jobsync.web import graph, shown_commands

CASES = json.loads((ROOT / "tests" / "js" / "commands.json").read_text())
COUNT = (
    'id = "d"\n[params.count]\ntype = "integer"\ndefault = 3\n'
    '[params.word]\ntype = "string"\ndefault = "x"\n[step.a]\ntype = "by_hand"'
)


# Steps, drawn


@dataclass
class Step:
    name: str
    depends: tuple = ()
    type: str = "t"


def drawn(*steps):
    drawing = graph.draw([Step(name, tuple(depends.split())) for name, depends in steps])
    return drawing, {node.name: node for node in drawing.nodes}


def test_each_step_stands_to_the_right_of_all_that_it_depends_on():
    steps = [("d", "b c"), ("a", ""), ("b", "a"), ("c", "a"), ("e", "a d")]
    drawing, at = drawn(*steps)
    for name, depends in steps:
        for before in depends.split():
            assert at[before].x + at[before].width < at[name].x, (before, name)
    assert at["b"].x == at["c"].x and at["b"].y != at["c"].y
    assert len(drawing.edges) == 6
    assert drawing.width == max(node.x + node.width for node in drawing.nodes)


def test_no_two_steps_overlap_and_all_are_within_the_picture():
    drawing, at = drawn(
        *(
            (
                f"s{place}",
                " ".join(f"s{before}" for before in range(place) if (place * 7 + before) % 3 == 0),
            )
            for place in range(20)
        )
    )
    boxes = {(node.x, node.y) for node in drawing.nodes}
    assert len(boxes) == 20
    for column in {node.x for node in drawing.nodes}:
        ys = sorted(node.y for node in drawing.nodes if node.x == column)
        assert all(
            later - earlier > graph.HEIGHT for earlier, later in zip(ys, ys[1:], strict=False)
        )
    assert all(node.y >= 0 and node.y + node.height <= drawing.height for node in drawing.nodes)


def test_an_arrow_over_several_columns_passes_the_steps_between():
    drawing, at = drawn(("a", ""), ("b", "a"), ("c", "b"), ("d", "a c"))
    (long,) = [edge for edge in drawing.edges if "H" in edge]
    rows = {float(part.split()[-1]) for part in long.replace("H", "C").split("C")[1::2]}
    assert at["b"].middle not in rows


def test_a_long_name_is_shortened_in_the_picture_and_whole_in_the_list(hand, browser):
    name = "a" * 60
    hand.define(
        f'id = "d"\n[step.{name}]\ntype = "by_hand"\n[step.b]\ntype = "by_hand"\ndepends = "{name}"'
    )
    page = browser.get("/definitions/d")
    labels = [text.text for node in page.all(class_="node") for text in node.all("text")]
    assert labels[0] == "a" * 25 + "…"
    assert name in page.one(class_="outline").text


@pytest.mark.parametrize("dense", [False, True])
def test_too_many_steps_or_arrows_are_not_drawn(dense):
    def steps(number):
        return [
            (
                f"s{place}",
                " ".join(f"s{other}" for other in range(place) if dense or other == place - 1),
            )
            for place in range(number)
        ]

    assert drawn(*steps(20))[0] is not None
    assert (
        graph.draw(
            [
                Step(name, tuple(depends.split()))
                for name, depends in steps(1000 if not dense else 60)
            ]
        )
        is None
    )


def test_one_step_is_not_drawn(hand, browser):
    hand.define(COUNT)
    assert browser.get("/definitions/d").all(class_="graph") == []


def test_the_list_of_steps_says_what_each_does_and_when(hand, browser):
    hand.define(
        'id = "d"\n[step.a]\ntype = "command"\nrun = ["echo", "hi"]\nretries = 2\ntimeout = "5m"\n'
        "max_child_failures = 1500\n"
        '[step.b]\ntype = "by_hand"\ndepends = "a"\non_error = "continue"\nalways_run = true\n'
        "retries = 1"
    )
    first, second = [
        entry.text for entry in browser.get("/definitions/d").one(class_="outline").all("li")
    ]
    assert (
        "2 more tries for each child that fails · at most 5 min a try · up to 1,500 failed "
        "children don't fail it"
    ) in first
    assert 'run["echo", "hi"]' in first
    assert (
        "after a · runs even if those failed · one more try for each child that fails · the "
        "job goes on if it fails"
    ) in second


# Earlier runs


def run(hand, definition, **params):
    return lifecycle.submit(definition, params, "api")


def test_values_of_earlier_runs_are_offered_the_latest_first(hand, browser):
    definition = hand.define(COUNT)
    for count in (9, 7, 3, 7):
        run(hand, definition, count=count, word="two\nlines")
    page = browser.get("/definitions/d")
    field = page.one("input", name="params.count")
    assert [option["value"] for option in page.one("datalist", id=field["list"]).all("option")] == [
        "7",
        "3",
        "9",
    ]
    buttons = page.all("button", data_fill="field-count")
    assert [button.text for button in buttons] == ["7", "9"], (
        "what stands in the field is not offered beside it"
    )
    assert all(button["disabled"] for button in buttons), (
        "without scripts there is nothing to press"
    )
    assert page.one("input", name="params.word")["list"] is None


def test_the_last_runs_are_listed_with_what_was_different(hand, browser):
    definition = hand.define(COUNT)
    ids = [run(hand, definition, count=place) for place in range(7)]
    hand.run_out(ids[-1])
    page = browser.get("/definitions/d")
    runs = page.one(class_="runs")
    assert [link["href"] for link in runs.one("ol").all("a")] == [
        f"/jobs/{job_id}" for job_id in reversed(ids[2:])
    ]
    entries = runs.all("li")
    assert entries[0].text.startswith("completed") and entries[0].text.endswith("count 6")
    assert entries[1].text.startswith("pending") and "count 3" not in entries[3].text
    assert runs.all("a", href="/?definition=d")[0].text == "All 7 runs"


def test_a_definition_that_has_not_run_says_so(hand, browser):
    hand.define(COUNT)
    assert "not run yet" in browser.get("/definitions/d").one(class_="runs").text


# Commands


@pytest.mark.parametrize("case", CASES, ids=[case["about"] for case in CASES])
def test_the_commands_are_right(case):
    values = shown_commands.given(dict(case["values"]), case["types"])
    rest = (case["rerun_of"], case.get("priority", ""))
    host = "http://127.0.0.1:5000"
    made = shown_commands.curl(host, case["definition"], values, case["types"], *rest)
    assert made == case["curl"]
    assert shown_commands.cli(case["definition"], values, *rest) == case["cli"]


@pytest.mark.parametrize("case", CASES, ids=[case["about"] for case in CASES])
def test_a_shell_takes_each_value_to_the_letter(case):
    for command in (case["cli"], case["curl"]):
        words = ["sh", "-c", f'set -- {command}\nprintf "%s\\0" "$@"']
        seen = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\0")[
            :-1
        ]
        assert seen == shlex.split(command.replace("\\\n", " "))
    sent = json.loads(seen[-1])["params"]
    expected = {
        name: value
        for name, value in case["values"]
        if value.strip() or case["types"][name] == "string"
    }
    assert {
        name: json.dumps(value) if not isinstance(value, str) else value
        for name, value in sent.items()
    } == {
        name: value.strip() if name != "g" and not isinstance(sent[name], str) else value
        for name, value in expected.items()
    }


def test_what_curl_sends_starts_the_job_that_the_form_would_start(hand, browser, web_app):
    hand.define(COUNT)
    page = browser.post("/definitions/d", 422, **{"params.count": "x", "params.word": "it's <b>"})
    words = shlex.split(page.one(data_part="curl").text.replace("\\ ", " "))
    assert json.loads(words[-1]) == {
        "definition": "d",
        "params": {"count": "x", "word": "it's <b>"},
    }
    body = json.loads(words[-1])
    body["params"]["count"] = "4"
    answer = web_app.test_client().post("/api/jobs", json=body)
    assert answer.status_code == 202 and answer.json["params"] == {"count": 4, "word": "it's <b>"}


def test_the_commands_of_a_page_are_those_of_the_values_that_it_serves(hand, browser):
    definition = hand.define(COUNT)
    page = browser.get("/definitions/d")
    assert page.one(data_part="cli").text == "flask jobs run d -p count=3 -p word=x --wait"
    assert page.one(data_part="curl").text.startswith("curl http://localhost/api/jobs ")
    job_id = run(hand, definition, count=8)
    assert (
        browser.get(f"/definitions/d?from={job_id}").one(data_part="cli").text
        == f"flask jobs rerun {job_id} -p count=8 -p word=x --wait"
    )


# Priority


def test_a_job_starts_with_the_priority_that_was_typed_or_the_definitions(hand, browser):
    hand.define("priority = 4\n" + COUNT)

    def start(**fields):
        job_id = browser.follow("/definitions/d", **fields).rsplit("/", 1)[1]
        return ask(store.jobs.get, job_id)["priority"]

    assert [start(priority=text) for text in ("", " 100 ", "-100", "0")] == [4, 100, -100, 0]
    assert start() == 4
    page = browser.get("/definitions/d")
    assert "default 4" in page.one("label", for_="start-priority").text
    assert "priority 4" in page.text


@pytest.mark.parametrize("text", ["101", "-101", "high", "1.5", "+5", "0x5", "٣", "9" * 5000])
def test_a_priority_that_is_none_is_told_at_its_field_with_all_other_mistakes(hand, browser, text):
    hand.define(COUNT)
    page = browser.post("/definitions/d", 422, priority=text)
    field = page.one("input", name="priority")
    assert field["value"] == text and field["aria-invalid"] == "true" and field["autofocus"]
    assert field.parent.parent["open"], "what is wrong can be seen"
    assert "must be a whole number from -100 to 100" in page.text
    assert [link["href"] for link in page.one(role="alert").all("a")] == ["#start-priority"]
    page = browser.post("/definitions/d", 422, priority=text, **{"params.count": "x"})
    links = [link["href"] for link in page.one(role="alert").all("a")]
    assert links == ["#field-count", "#start-priority"]
    assert [field["name"] for field in page.all(autofocus=True)] == ["params.count"]


def test_a_rerun_has_the_priority_of_the_earlier_run_and_says_so(hand, browser):
    definition = hand.define(COUNT)
    job_id = lifecycle.submit(definition, {}, "api", priority=9)
    page = browser.get(f"/definitions/d?from={job_id}")
    assert page.all("input", name="priority") == []
    assert "Its priority is that of the earlier run: 9." in page.text
    assert "priority" not in page.one(data_part="curl").text
    address = browser.follow("/definitions/d", rerun_of=job_id)
    assert ask(store.jobs.get, address.rsplit("/", 1)[1])["priority"] == 9


# Mistakes


def test_the_focus_is_on_the_first_wrong_field_and_all_are_linked(hand, browser):
    hand.define(
        'id = "d"\n[params.a]\ntype = "string"\ndefault = ""\n[params.b]\ntype = "integer"\n'
        '[params.c]\ntype = "number"\n[step.s]\ntype = "by_hand"'
    )
    page = browser.post("/definitions/d", 422, **{"params.a": "", "params.b": "x", "params.c": "y"})
    assert [field["name"] for field in page.all(autofocus=True)] == ["params.b"]
    assert [link["href"] for link in page.one(role="alert").all("a")] == ["#field-b", "#field-c"]
    assert browser.get("/definitions/d").all(autofocus=True) == []


def test_lines_of_a_text_end_as_everywhere_else(hand, browser):
    hand.define(COUNT)
    address = browser.follow("/definitions/d", **{"params.word": "one\r\ntwo"})
    assert ask(store.jobs.get, address.rsplit("/", 1)[1])["params"]["word"] == "one\ntwo"
