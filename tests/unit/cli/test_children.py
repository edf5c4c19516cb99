"""`flask jobs children` and `flask jobs child`."""

import json
import re

import pytest

from helpers.ask import ask
from helpers.by_hand import line
from helpers.terminal import drawn, only_errors, rows_of
from jobsync import store
from jobsync.base.clock import iso, now
from jobsync.cli import tables
from jobsync.lifecycle import results
from jobsync.lifecycle.tasks import End, NewChild
from jobsync.status import CHILD_SORTS

TOLERANT = "[step.a]\nmax_child_failures = 9\nretries = 1"


def end(task, status, error=None, exit_code=None, took=0, lines=()):
    at = now()
    ended = End(task, status, None, error, at - took, at, exit_code)
    results.record(task, lines, [ended])


@pytest.fixture
def job_id(hand):
    """A job of whose four children one has completed, one has failed twice and one runs."""
    job_id = hand.begin(TOLERANT, 4)
    first, second, third = (hand.claim(f"w{number}")[0] for number in (1, 2, 3))
    results.record(third, progress=(37, 120))
    end(first, "completed", took=9000)
    end(second, "failed", "exit code 3", 3, lines=[line("one", "info", second.child_pk)] * 2)
    (again,) = hand.claim("w2")
    assert again.child_pk == second.child_pk
    end(again, "failed", "it broke", 4, took=2000, lines=[line("two", "info", again.child_pk)])
    return job_id


def test_children_in_a_pipe_are_rows_with_tabs(hand, flask, job_id):
    rows = rows_of(flask("jobs", "children", job_id, "a"))
    shown = hand.children(job_id)
    assert [row[:3] for row in rows] == [
        [shown[0]["id"], "completed", "1"],
        [shown[1]["id"], "failed", "2"],
        [shown[2]["id"], "running", "1"],
        [shown[3]["id"], "pending", "0"],
    ]
    assert rows[1][3:] == [
        shown[1]["started_at"],
        shown[1]["finished_at"],
        "4",
        "c2",
        "it broke",
    ]
    assert rows[3][3:] == ["", "", "", "c4", ""]


def names(flask, job_id, *options):
    return [row[6] for row in rows_of(flask("jobs", "children", job_id, "a", *options))]


def test_children_can_be_limited_by_status_and_sorted(flask, job_id):
    assert names(flask, job_id, "--status", "failed,running") == ["c2", "c3"]
    assert names(flask, job_id, "--sort", "-number", "--limit", "2") == ["c4", "c3"]
    assert names(flask, job_id, "--sort", "status") == ["c4", "c3", "c1", "c2"]
    assert names(flask, job_id, "--sort", "-duration")[0] == "c1"


def test_children_can_be_limited_to_those_that_one_has_spawned(hand, flask, job_id):
    (task,) = hand.claim("w4")
    results.record(task, spawned=[(task, NewChild("4.1", "spawned", {}, task.child_pk))])
    assert names(flask, job_id, "--parent", task.child_pk) == ["spawned"]
    assert names(flask, job_id, "--parent", "none") == ["c1", "c2", "c3", "c4"]


@pytest.mark.parametrize("sort", [sign + name for name in CHILD_SORTS for sign in ("", "-")])
def test_more_children_than_one_page_come_in_one_list(flask, job_id, monkeypatch, sort):
    moment = now()  # else the durations of those that run grow from page to page
    monkeypatch.setattr("jobsync.store.children.now", lambda: moment)
    whole = names(flask, job_id, "--sort", sort)
    monkeypatch.setattr("jobsync.cli.children.PAGE", 2)
    assert names(flask, job_id, "--sort", sort) == whole
    assert names(flask, job_id, "--sort", sort, "--limit", "3") == whole[:3]


def test_children_as_json_are_a_page_of_the_api(flask, job_id):
    page = json.loads(flask("jobs", "children", job_id, "a", "--limit", "2", "--json").stdout)
    assert page == ask(store.children.page, job_id, "a", limit=2)
    assert page["total"] == 4 and page["next_cursor"] and page["items"][0]["input"] == {"n": 1}


@pytest.mark.parametrize(
    "options",
    [
        ["--status", "skipped"],
        ["--sort", "name"],
        ["--parent", "c1"],
        ["--limit", "0"],
        ["--limit", "100001"],
    ],
)
def test_what_makes_no_sense_is_a_usage_error(flask, job_id, options):
    result = flask("jobs", "children", job_id, "a", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Invalid value for '{options[0]}'" in result.stderr


def test_what_there_is_not_is_one_line(flask, job_id):
    for command, words in (
        (["children", "nope", "a"], "There is no job 'nope'."),
        (["children", job_id, "nope"], "There is no step 'nope'."),
        (["child", "nope", "a", "1"], "There is no job 'nope'."),
        (["child", job_id, "nope", "1"], "There is no step 'nope'."),
        (["child", job_id, "a", "nope"], "There is no child 'nope'."),
    ):
        assert only_errors(flask("jobs", *command)) == [f"Error: {words}"]


def test_a_child_is_shown_with_its_attempts(hand, flask, job_id):
    child = hand.children(job_id)[1]["id"]
    first, *told = flask("jobs", "child", job_id, "a", child).stdout.splitlines()
    assert first == "c2: failed"
    assert told[:5] == [
        f"  id          {child}",
        "  time        2.0 s",
        "  exit code   4",
        '  input       {"n": 2}',
        "  error       it broke",
    ]
    assert [re.sub(r"[0-9]\.[0-9] s", "N s", line) for line in told[5:]] == [
        "attempt 1 failed on w2, N s, exit code 3, lines 1 to 3, exit code 3",
        "attempt 2 failed on w2, N s, exit code 4, lines 4, it broke",
    ]
    as_json = json.loads(flask("jobs", "child", job_id, "a", child, "--json").stdout)
    assert as_json == ask(store.children.details, job_id, "a", child)


def test_a_running_child_is_shown_with_its_progress_and_a_stopping_one_as_that(hand, flask, job_id):
    child = hand.children(job_id)[2]["id"]
    command = ("jobs", "child", job_id, "a", child)
    assert "  progress    37/120" in flask(*command).stdout
    flask("jobs", "cancel", job_id)
    assert flask(*command).stdout.startswith("c3: cancelled (stopping)\n")


def test_a_large_result_is_cut_for_people_and_whole_for_programs(hand, flask):
    job_id = hand.begin()
    (task,) = hand.claim()
    hand.complete(task, {"text": "x" * 5000})
    command = ("jobs", "child", job_id, "a", task.child_pk)
    (told,) = re.findall("^  result +(.*)$", flask(*command).stdout, re.MULTILINE)
    assert told.endswith("…") and len(told.encode()) <= 200
    assert len(json.loads(flask(*command, "--json").stdout)["result"]["text"]) == 5000


# The look


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_of_children_keeps_within_the_terminal(hand, job_id, width):
    children = hand.children(job_id)
    children[1]["error"] = "it broke \x1b[2J" * 20
    lines = drawn(tables.child_table(children, now()), width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "\x1b" not in text
    assert re.search(r"c1 +✓ completed +1 +9\.0 s", text)
    if width > 60:
        assert re.search(r"c2 +✗ failed +2 +2\.0 s +4 +it br.*…", text)
    assert re.search(r"c3 +● running +1 +37/120 ", text)
    assert re.search(r"c4 +○ pending *$", text, re.MULTILINE)


def test_progress_has_a_column_only_where_there_is_some(hand, job_id):
    some = drawn(tables.child_table(hand.children(job_id), now()))
    none = drawn(tables.child_table(hand.children(job_id)[:2], now()))
    assert "progress" in some[0] and "progress" not in none[0]


def test_a_child_that_is_being_stopped_says_so_in_the_table(hand, flask, job_id):
    flask("jobs", "cancel", job_id)
    assert "■ cancelled (stopping)" in "\n".join(
        drawn(tables.child_table(hand.children(job_id), now()), 120)
    )


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_attempts_keeps_within_the_terminal(width):
    attempt = {
        "attempt": 1,
        "status": "failed",
        "worker": "\x1b[1mw" * 20,
        "started_at": iso(1000),
        "finished_at": iso(3500),
        "error": "it broke " * 20,
        "exit_code": -9,
        "first_line": 3,
        "last_line": 3,
    }
    lines = drawn(tables.attempt_table([attempt], 0), width)
    assert max(map(len, lines)) <= width
    assert "\x1b" not in "".join(lines)
    assert re.search(r" 1 +✗ failed .*2\.5 s +-9 +3 ", lines[-1])
