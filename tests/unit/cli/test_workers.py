"""`flask jobs workers`, `queues`, `drain`, `pause` and `resume`."""

import json
import re

import pytest
from sqlalchemy import select, update

from helpers.terminal import drawn, only_errors, rows_of
from jobsync.base.clock import now
from jobsync.cli import tables
from jobsync.db.models import Queue, Worker
from jobsync.db.transactions import read, write
from jobsync.lifecycle import workers

MIB = 1024 * 1024


def test_no_worker_is_no_row(hand, flask):
    assert rows_of(flask("jobs", "workers")) == []
    assert json.loads(flask("jobs", "workers", "--json").stdout) == {"items": []}


def test_workers_are_shown_with_what_they_do(hand, flask):
    job_id = hand.begin(number=2)
    (task,) = hand.claim("w1")
    workers.register("w2", 77)
    workers.beat("w2", workers.Figures(5, 2, 40 * MIB))
    rows = rows_of(flask("jobs", "workers"))
    assert [row[:2] for row in rows] == [["w1", "running"], ["w2", "running"]]
    assert rows[0][-1] == f"{job_id}/a/{task.child_pk}"
    assert rows[1][3:7] == ["77", "5", "2", str(40 * MIB)]
    assert rows[1][-1] == ""
    items = json.loads(flask("jobs", "workers", "--json").stdout)["items"]
    assert items[0]["busy"][0]["child_id"] == str(task.child_pk)
    assert items[1]["memory_bytes"] == 40 * MIB


def test_a_planning_is_shown_without_a_child(hand, flask):
    job_id = hand.submit()
    hand.advance(job_id)
    hand.claim("w1")
    assert rows_of(flask("jobs", "workers"))[0][-1] == f"{job_id}/a"


@pytest.mark.parametrize(("age", "state"), [(14_000, "running"), (16_000, "lost")])
def test_a_worker_whose_last_heartbeat_is_old_is_lost(hand, flask, age, state):
    workers.register("w1", 1)
    with write() as connection:
        connection.execute(update(Worker).values(beat_at=now() - age))
    assert rows_of(flask("jobs", "workers"))[0][1] == state


def test_a_drained_worker_takes_nothing_new(hand, flask):
    job_id = hand.begin(number=2)
    hand.claim("w1")
    result = flask("jobs", "drain", "w1")
    assert result.stdout == "w1 takes nothing new, and ends when it has nothing left.\n"
    assert hand.claim("w1") == []
    assert rows_of(flask("jobs", "workers"))[0][1] == "draining"
    assert hand.statuses(job_id) == {"a": "running"}


def test_an_unknown_worker_is_one_line(hand, flask):
    assert only_errors(flask("jobs", "drain", "nope")) == ["Error: There is no worker 'nope'."]


def test_queues_are_shown_with_what_waits_in_them(hand, flask):
    hand.begin('[step.a]\nqueue = "gpu"', 3)
    hand.claim("w1")
    assert rows_of(flask("jobs", "queues")) == [
        ["default", "open", "0", "0", "1"],
        ["gpu", "open", "2", "1", "1"],
    ]
    items = json.loads(flask("jobs", "queues", "--json").stdout)["items"]
    assert items[1] == {"name": "gpu", "paused": False, "pending": 2, "running": 1, "workers": 1}


def test_nothing_is_taken_from_a_paused_queue_until_it_is_resumed(hand, flask):
    hand.begin()
    assert flask("jobs", "pause", "default").stdout == (
        "The queue default is paused; what runs goes on.\n"
    )
    assert rows_of(flask("jobs", "queues"))[0][:2] == ["default", "paused"]
    assert hand.claim("w1") == []
    assert flask("jobs", "resume", "default").stdout == "The queue default is open.\n"
    assert len(hand.claim("w1")) == 1


@pytest.mark.parametrize("name", ["", "a b", "ü", "x" * 65, "a\n"])
@pytest.mark.parametrize("command", ["pause", "resume"])
def test_what_is_no_name_of_a_queue_is_a_usage_error(hand, flask, command, name):
    result = flask("jobs", command, name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is not the name of a queue" in result.stderr
    with read() as connection:
        assert connection.execute(select(Queue.name)).all() == []


# The look


def busy(count):
    since = "2026-11-22T13:00:00.000Z"
    return [
        {"job_id": "5eed00000001", "step": "build", "child_id": "12", "since": since},
        {"job_id": "5eed00000001", "step": "build", "child_id": None, "since": since},
    ][:count]


def worker(**values):
    facts = {
        "id": "e6fecfb2d3ec5fe4",
        "host": "vm\x1b[2J",
        "pid": 4711,
        "state": "running",
        "busy": [],
        "completed": 1234,
        "failed": 5,
        "memory_bytes": 93 * MIB,
        "started_at": "2026-11-22T12:00:00.000Z",
    }
    return {**facts, **values}


AT = 1_795_352_403_200  # 2026-11-22 13:00:03.2 UTC


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_table_of_workers_keeps_within_the_terminal(width):
    shown = [worker(busy=busy(2)), worker(state="lost"), worker(state="draining", busy=busy(1))]
    lines = drawn(tables.worker_table(shown, AT), width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "\x1b" not in text
    assert re.search(r"● running.* 4711 .* 1,234 +5 +93 MiB +1:00 h", text)
    assert "✗ lost" in text and "◌ draining" in text
    if width == 200:
        assert "5eed00000001 build, child 12, 3.2 s, and 1 more" in text


def test_a_worker_that_plans_says_so():
    lines = drawn(tables.worker_table([worker(busy=busy(2)[1:])], AT), 200)
    assert "5eed00000001 build, planning or summing up, 3.2 s" in lines[-1]


def test_the_table_of_queues_says_which_are_paused():
    queue = {"name": "gpu", "paused": True, "pending": 12_000, "running": 3, "workers": 2}
    lines = drawn(tables.queue_table([queue, {**queue, "name": "default", "paused": False}]))
    assert re.search(r"^gpu +paused +12,000 +3 +2$", lines[-2])
    assert re.search(r"^default +open ", lines[-1])
