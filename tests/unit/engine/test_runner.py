"""The runner and the buffer, in this process: what step types do and misdo, and that what is
gathered is stored, once and in order.
"""

import os
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from helpers.apps import make_app
from helpers.ask import ask
from helpers.by_hand import hand_on, messages, recount
from helpers.paths import ROOT
from helpers.waiting import wait_for
from jobsync import lifecycle, store
from jobsync.base.clock import milliseconds
from jobsync.base.errors import StepFailed, StoreBusy
from jobsync.db.extensions import db
from jobsync.engine import runner, worker, write_buffer
from jobsync.engine.runner import TaskContext
from jobsync.engine.worker import Worker
from jobsync.engine.write_buffer import MOST_LINES, WriteBuffer
from jobsync.lifecycle import results, workers
from jobsync.lifecycle.tasks import End
from jobsync.registry import Unit, step

ODD = '[step.a] #\ntype = "odd"'


class Behaviour:
    """What the step type `odd` does in the present test: functions, set by it."""

    def __init__(self):
        self.run = lambda context, unit: None
        self.plan = lambda context: [Unit("c1")]
        self.sum_up = lambda context, results: {"results": list(results)}


behaviour = Behaviour()


@step("odd")
def odd(context, unit):
    """Do what the test says."""
    return behaviour.run(context, unit)


@odd.plan
def plan(context):
    """Plan what the test says."""
    yield from behaviour.plan(context)


@odd.summarize
def sum_up(context, results):
    """Sum up as the test says."""
    return behaviour.sum_up(context, results)


@pytest.fixture(scope="module")
def core(folder):
    app = make_app(folder)
    app.extensions["jobsync.registry"].register(odd)
    return app


@pytest.fixture
def hand(core, folder):
    behaviour.__init__()
    with hand_on(core, folder) as hand:
        yield hand


@pytest.fixture
def buffer(core):
    return WriteBuffer(core)


def do(hand, buffer, job_id, stop=None):
    """Claim one unit of work, do it as a worker does, and have the job moved on.

    Returns its context.
    """
    (task,) = hand.claim()
    buffer.begin_task(task, begun=True)
    context = TaskContext(task, buffer)
    if stop:
        context.stop(stop)
    {"plan": runner.run_plan, "child": runner.run_child, "summary": runner.run_summary}[task.kind](
        context, buffer
    )
    buffer.flush()
    hand.advance(job_id)
    return context


def start(hand, buffer, text=ODD):
    job_id = hand.submit(text)
    hand.advance(job_id)
    do(hand, buffer, job_id)
    return job_id


# Children


def test_a_child_runs_and_its_result_and_lines_are_stored(hand, buffer):
    behaviour.plan = lambda context: [Unit("first", {"n": 1})]

    def run(context, unit):
        context.log("hello\nworld", "warning")
        return {"got": unit}

    behaviour.run = run
    job_id = start(hand, buffer)
    do(hand, buffer, job_id)
    (child,) = hand.children(job_id)
    assert (child["name"], child["result"]) == ("first", {"got": {"n": 1}})
    assert messages(job_id) == ["hello", "world"]
    do(hand, buffer, job_id)
    assert ask(store.jobs.get, job_id)["result"] == {"results": [{"got": {"n": 1}}]}


def raising(error):
    def run(context, unit):
        raise error

    return run


@pytest.mark.parametrize(
    "error",
    [ValueError("bad"), SystemExit(0), KeyboardInterrupt(), RecursionError(), MemoryError()],
)
def test_whatever_a_step_type_raises_fails_its_child_with_the_traceback_in_the_log(
    hand, buffer, error
):
    behaviour.run = raising(error)
    job_id = start(hand, buffer)
    do(hand, buffer, job_id)
    (child,) = hand.children(job_id)
    assert child["status"] == "failed" and child["error"].startswith(type(error).__name__)
    assert messages(job_id)[0] == "Traceback (most recent call last):"
    assert hand.step(job_id)["levels"]["error"] == len(messages(job_id))


def test_a_failure_that_a_step_type_tells_of_has_no_traceback(hand, buffer):
    behaviour.run = raising(StepFailed("no such folder"))
    job_id = start(hand, buffer)
    do(hand, buffer, job_id)
    assert (hand.children(job_id)[0]["error"], messages(job_id)) == ("no such folder", [])


@pytest.mark.parametrize(
    "result", [{"path": Path("/")}, {"n": float("nan")}, {1, 2}, object(), b"bytes"]
)
def test_a_result_that_json_can_not_say_fails_the_child(hand, buffer, result):
    behaviour.run = lambda context, unit: result
    job_id = start(hand, buffer)
    do(hand, buffer, job_id)
    assert hand.children(job_id)[0]["status"] == "failed"
    recount(job_id)


@pytest.mark.parametrize("level", ["INFO", "", None, 7])
def test_a_level_that_is_none_fails_the_child_with_those_there_are(hand, buffer, level):
    behaviour.run = lambda context, unit: context.log("x", level)
    job_id = start(hand, buffer)
    do(hand, buffer, job_id)
    assert "debug, info, warning, error" in hand.children(job_id)[0]["error"]


def test_what_an_attempt_spawns_again_is_the_same_child(hand, buffer):
    outcomes = iter([StepFailed("once"), None, None, None])

    def run(context, unit):
        if unit == {}:
            context.spawn(Unit("x", {"n": 1}))
            context.spawn(Unit("y", {"n": 2}))
        outcome = next(outcomes)
        if outcome:
            raise outcome

    behaviour.run = run
    job_id = start(hand, buffer, ODD + "\nretries = 1")
    for _ in range(4):
        do(hand, buffer, job_id)
    assert [(child["name"], child["status"]) for child in hand.children(job_id)] == [
        (name, "completed") for name in ("c1", "x", "y")
    ]
    recount(job_id)


def test_a_child_that_is_asked_to_stop_has_no_end(hand, buffer):
    behaviour.run = lambda context, unit: context.check()
    job_id = start(hand, buffer)
    do(hand, buffer, job_id, stop=runner.SHUTDOWN)
    assert hand.children(job_id)[0]["status"] == "running"


def test_a_child_that_ends_well_though_it_was_asked_to_stop_has_no_end_either(hand, buffer):
    job_id = start(hand, buffer)
    do(hand, buffer, job_id, stop=runner.CANCELLED)
    assert hand.children(job_id)[0]["status"] == "running"


def test_a_child_that_is_out_of_time_fails_with_that(hand, buffer):
    behaviour.run = lambda context, unit: context.check()
    job_id = start(hand, buffer, ODD + '\ntimeout = "90s"')
    do(hand, buffer, job_id, stop=runner.LATE)
    assert hand.children(job_id)[0]["error"] == "timed out after 90 s (timeout)"


def test_callbacks_are_called_once_at_the_stop_or_at_once_after_it(hand, buffer):
    calls = []
    behaviour.run = lambda context, unit: context.on_stop(lambda: calls.append("late"))
    job_id = start(hand, buffer)
    context = do(hand, buffer, job_id)
    context.stop(runner.CANCELLED)
    context.stop(runner.LATE)
    context.on_stop(lambda: calls.append("at once"))
    assert (calls, context.stop_reason) == (["late", "at once"], runner.CANCELLED)


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(2), OSError("closed")])
def test_a_callback_that_raises_costs_a_line_and_stops_no_other(hand, buffer, error):
    calls = []

    def fail():
        raise error

    def run(context, unit):
        context.on_stop(fail)
        context.on_stop(lambda: calls.append("next"))
        context.stop(runner.CANCELLED)
        context.on_stop(fail)

    behaviour.run = run
    job_id = start(hand, buffer)
    do(hand, buffer, job_id)
    buffer.flush()
    assert calls == ["next"]
    assert (
        len(
            [
                text
                for text in messages(job_id)
                if text == "A callback for the stop of this work failed:"
            ]
        )
        == 2
    )


@pytest.mark.slow
def test_a_watching_thread_that_fails_ends_its_worker(hand, stubborn):
    """Without it there were no heartbeats, and nobody would notice that the server has ended."""
    # only when the line that is waited for is stored
    fail = "looks = []; worker.results.is_current = lambda task: looks.append(1) or len(looks) < 5"
    job_id, process = stubborn(watch=f"{fail} or 1 / 0")
    assert process.wait(10) == 4


def test_what_a_child_asks_of_other_steps_leaves_no_transaction_open(hand, buffer):
    seen = {}

    def run(context, unit):
        seen["ids"] = list(context.children("a"))
        seen["results"] = [context.result(child) for child in seen["ids"]]
        seen["of the step"] = context.step_result("a")
        seen["type"] = context.step_type("a")
        seen["open"] = db.engine.pool.checkedout()

    job_id = hand.submit(ODD.replace("step.a", "step.b") + '\ndepends = "a"\n' + ODD)
    behaviour.run = lambda context, unit: (
        run(context, unit) if context.step_name == "b" else {"n": 1}
    )
    hand.advance(job_id)
    for _ in range(5):
        do(hand, buffer, job_id)
    assert hand.children(job_id, "b")[0]["status"] == "completed"
    assert (seen["results"], seen["of the step"], seen["type"]) == (
        [{"n": 1}],
        {"results": [{"n": 1}]},
        "odd",
    )
    assert seen["ids"] == [hand.children(job_id, "a")[0]["id"]]
    assert not seen["open"]


def test_the_last_run_is_the_latest_of_the_same_options_that_was_done_in_full_by_another_job(
    hand, buffer
):
    found = []
    behaviour.plan = lambda context: [Unit("c1", {"n": 1}), Unit("c2", {"n": 2})]

    def run(context, unit):
        run = context.last_run()
        found.append(
            run
            and (
                run["job_id"],
                run["child_count"],
                [given for _, given in context.run_children(run["id"])],
            )
        )
        found.append(
            run and [context.result(child) for child, _ in context.run_children(run["id"])]
        )
        return {"of": context.job_id, **unit}

    def look_back(text=ODD):
        """Run a job to its end and return its id and what its first child found."""
        found.clear()
        behaviour.run = run
        job_id = hand.submit(text)
        hand.advance(job_id)
        for _ in range(4):
            do(hand, buffer, job_id)
        assert hand.statuses(job_id) == {"a": "completed"}
        return job_id, *found[:2]

    first, about, _ = look_back()
    assert about is None
    second, about, results = look_back()
    assert about == (first, 2, [{"n": 1}, {"n": 2}]) and results == [
        {"of": first, "n": 1},
        {"of": first, "n": 2},
    ]
    failing = hand.submit(ODD + "\nmax_child_failures = 1")
    behaviour.run = lambda context, unit: {} if unit["n"] == 1 else 1 / 0
    hand.advance(failing)
    for _ in range(4):
        do(hand, buffer, failing)
    assert hand.statuses(failing) == {"a": "completed"}, "with a child that failed"
    third, about, _ = look_back()
    assert about[0] == second
    lifecycle.delete(third)
    assert look_back()[1][0] == second, "a deleted job is none"


def test_a_summary_may_want_one_part_of_each_result_only(hand, buffer, monkeypatch):
    monkeypatch.setattr(odd, "sums", "small")
    behaviour.run = lambda context, unit: {"small": {"n": 1}, "large": "x"}
    job_id = start(hand, buffer)
    for _ in range(2):
        do(hand, buffer, job_id)
    assert ask(store.jobs.get, job_id)["result"] == {"results": [{"n": 1}]}


def test_a_step_type_that_this_worker_does_not_know_fails_with_its_name(hand, buffer, monkeypatch):
    job_id = hand.submit(ODD)
    hand.advance(job_id)
    monkeypatch.setattr(hand.app.extensions["jobsync.registry"], "find", lambda name: None)
    do(hand, buffer, job_id)
    assert hand.step(job_id)["error"] == "planning failed: This worker knows no step type 'odd'."


# Planning and summing up


@pytest.mark.parametrize(
    "units",
    [
        [Unit("x", {"path": Path("/")})],
        [Unit("x", {"n": float("inf")})],
        ["x"],
        [None],
        [Unit("ok"), Unit("x", {"s": {1}})],
    ],
)
def test_units_that_can_not_be_stored_break_the_planning_and_not_the_worker(hand, buffer, units):
    behaviour.plan = lambda context: units
    job_id = start(hand, buffer)
    assert hand.step(job_id)["status"] == "failed"
    assert hand.step(job_id)["error"].startswith("planning failed: ")
    recount(job_id)


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", "two\nlines", 7, None, "x" * 5000, ""])
def test_a_child_may_have_any_name(hand, buffer, name):
    behaviour.plan = lambda context: [Unit(name)]
    job_id = start(hand, buffer)
    (child,) = hand.children(job_id)
    assert "\n" not in child["name"] and len(child["name"]) <= 1000


def test_a_unit_that_can_not_be_stored_fails_the_child_that_spawned_it(hand, buffer):
    behaviour.run = lambda context, unit: context.spawn(Unit("x", {"path": Path("/")}))
    job_id = start(hand, buffer)
    do(hand, buffer, job_id)
    assert [child["status"] for child in hand.children(job_id)] == ["failed"]


def test_a_planning_that_raises_keeps_the_children_that_it_had_found_in_the_count(hand, buffer):
    def plan(context):
        yield Unit("one")
        context.log("looking")
        raise StepFailed("no more")

    behaviour.plan = plan
    job_id = start(hand, buffer)
    assert (hand.step(job_id)["error"], hand.step(job_id)["children"]["cancelled"]) == (
        "planning failed: no more",
        1,
    )
    assert messages(job_id) == ["looking"]


def test_an_interrupted_planning_goes_on_after_what_it_had_stored(hand, buffer):
    def plan(context):
        for number in range(1, 6):
            if number == 4 and context.last_input is None:
                context.stop(runner.SHUTDOWN)
            yield Unit(f"c{number}", {"n": number})

    behaviour.plan = plan
    job_id = start(hand, buffer)
    assert (hand.step(job_id)["status"], hand.step(job_id)["child_count"]) == ("running", 3)
    workers.release("w1")
    do(hand, buffer, job_id)
    assert [child["name"] for child in hand.children(job_id)] == ["c1", "c2", "c3", "c4", "c5"]


def test_a_planning_stores_children_before_it_has_ended(hand, buffer, monkeypatch):
    monkeypatch.setattr(write_buffer, "WAITED_FOR", 60)  # it is their number that counts here
    seen = []

    def plan(context):
        for number in range(MOST_LINES + 1):
            yield Unit(f"c{number}")
        seen.append(hand.step(job_id)["child_count"])

    behaviour.plan = plan
    job_id = hand.submit(ODD)
    hand.advance(job_id)
    do(hand, buffer, job_id)
    assert seen == [MOST_LINES]
    assert hand.step(job_id)["child_count"] == MOST_LINES + 1


@pytest.mark.parametrize("summary", [None, [], 7, {"p": Path("/")}])
def test_a_summary_that_is_no_table_fails_the_step_with_the_reason(hand, buffer, summary):
    behaviour.sum_up = lambda context, results: summary
    job_id = start(hand, buffer)
    do(hand, buffer, job_id)
    do(hand, buffer, job_id)
    assert hand.step(job_id)["error"].startswith("summing up failed: ")


@pytest.mark.parametrize(
    "error", [StoreBusy(), OperationalError("", {}, Exception("database is locked"))]
)
@pytest.mark.parametrize("word", ["planned_so_far", "finish_plan", "break_unit", "finish_summary"])
def test_a_word_that_meets_a_locked_database_is_said_again(hand, buffer, monkeypatch, word, error):
    monkeypatch.setattr(write_buffer.time, "sleep", lambda seconds: None)
    real, errors = getattr(results, word), [error, error]

    def say(*args):
        if errors:
            raise errors.pop()
        return real(*args)

    monkeypatch.setattr(results, word, say)
    if word == "break_unit":
        behaviour.plan = raising_generator
    job_id = start(hand, buffer)
    for _ in range(0 if word == "break_unit" else 2):
        do(hand, buffer, job_id)
    assert not errors
    assert ask(store.jobs.get, job_id)["status"] == (
        "failed" if word == "break_unit" else "completed"
    )


def raising_generator(context):
    raise StepFailed("no")
    yield


# The buffer


def running_task(hand, buffer, number=1):
    hand.begin(number=number)
    (task, *others) = hand.claim(number=number)
    buffer.begin_task(task, begun=True)
    return (task, *others) if others else task


def test_the_five_hundredth_line_stores_them_all(hand, buffer):
    task = running_task(hand, buffer)
    context = TaskContext(task, buffer)
    for number in range(MOST_LINES - 1):
        context.log(f"{number}")
    assert messages(task.job_id) == []
    context.log("last")
    assert len(messages(task.job_id)) == MOST_LINES
    assert buffer.age() == 0


def test_an_attempt_that_is_given_up_as_late_began_when_it_began(hand, buffer, monkeypatch):
    task = running_task(hand, buffer)
    context, moment = TaskContext(task, buffer), time.time_ns()
    monkeypatch.setattr("jobsync.base.clock.time.time_ns", lambda: moment + 60 * 10**9)
    buffer.add_end(runner.late_end(context))
    buffer.flush()
    (child,) = hand.children(task.job_id)
    assert milliseconds(child["started_at"]) == context.started_at
    assert 59_000 < milliseconds(child["finished_at"]) - context.started_at <= 60_000


def test_lines_are_stored_with_or_before_the_end_of_their_child(hand, buffer):
    task = running_task(hand, buffer)
    TaskContext(task, buffer).log("my only line")
    buffer.add_end(End(task, "completed", None, None, 0))
    buffer.flush()
    assert (
        hand.step(task.job_id)["log_count"] == hand.step(task.job_id)["children"]["completed"] == 1
    )


def test_what_can_not_be_stored_now_is_kept_and_stored_once(hand, buffer, monkeypatch):
    task = running_task(hand, buffer)
    real, errors = results.record, [StoreBusy(), StoreBusy()]

    def record(*args):
        if errors:
            raise errors.pop()
        return real(*args)

    monkeypatch.setattr(results, "record", record)
    monkeypatch.setattr(write_buffer.time, "sleep", lambda seconds: None)
    TaskContext(task, buffer).log("once")
    buffer.flush()
    buffer.flush()
    assert messages(task.job_id) == ["once"]


def test_who_must_not_wait_keeps_what_can_not_be_stored_and_leaves_the_buffer_to_who_is_at_it(
    hand, buffer, monkeypatch
):
    task = running_task(hand, buffer)
    TaskContext(task, buffer).log("once")
    buffer.begin_task(task, begun=False)
    with monkeypatch.context() as patches:
        patches.setattr(results, "record", raise_busy)
        for look in (buffer.try_flush, buffer.begin_current):
            with pytest.raises(StoreBusy):
                look()
    with buffer._lock:
        thread = threading.Thread(target=lambda: (buffer.try_flush(), buffer.begin_current()))
        thread.start()
        thread.join(10)
        assert not thread.is_alive() and buffer.age() and not buffer.begun
    buffer.try_flush()
    buffer.try_flush()
    assert messages(task.job_id) == ["once"]


def raise_busy(*args):
    raise StoreBusy()


def test_two_threads_that_use_the_buffer_lose_and_double_nothing(hand, buffer):
    task = running_task(hand, buffer)
    context, done = TaskContext(task, buffer), threading.Event()

    def watch():
        while not done.is_set():
            buffer.flush()

    thread = threading.Thread(target=watch)
    thread.start()
    for number in range(1500):
        context.log(str(number))
    done.set()
    thread.join()
    buffer.flush()
    assert messages(task.job_id) == [str(number) for number in range(1500)]


def test_a_child_that_was_put_by_is_begun_when_it_turns_out_to_be_no_short_one(hand, buffer):
    first, second = running_task(hand, buffer, 2)
    buffer.add_end(End(first, "completed", None, None, 0))
    buffer.begin_task(second, begun=False)
    buffer.begin_current()
    buffer.begin_current()
    assert [child["status"] for child in hand.children(first.job_id)] == ["completed", "running"]
    recount(first.job_id)


@pytest.mark.parametrize("lines", [1, MOST_LINES])
def test_no_line_of_an_attempt_is_stored_before_its_begin(hand, buffer, lines):
    first, second = running_task(hand, buffer, 2)
    buffer.add_end(End(first, "completed", None, None, 0))
    buffer.begin_task(second, begun=False)
    context = TaskContext(second, buffer)
    for number in range(lines):
        context.log(str(number))
    buffer.try_flush()
    assert len(messages(first.job_id)) == lines
    child = hand.children(first.job_id)[1]
    assert (child["status"], child["attempt"]) == ("running", 1)
    recount(first.job_id)


def test_an_empty_buffer_writes_nothing(hand, buffer):
    task = running_task(hand, buffer)
    before = ask(store.structure.structure_of, task.job_id)
    assert buffer.flush() is False
    assert ask(store.structure.structure_of, task.job_id) == before


# A worker process, with a step type that doesn't stop when it is asked to

WORKER = """
import sys, time
from pathlib import Path
sys.path[:0] = [{root!r}, {root!r} + "/tests"]
from unit.engine import test_runner
from helpers.apps import make_app
from jobsync.engine import worker
worker.MARGIN, worker.SHUTDOWN_GRACE = 0.2, 0.2
{watch}
test_runner.behaviour.run = lambda context, unit: [context.log("busy")] + \
[time.sleep(0.1) for _ in range(300)]
app = make_app(Path({folder!r}))
app.extensions["jobsync.registry"].register(test_runner.odd)
worker.Worker(app, {name!r}).run()
"""


@pytest.fixture
def stubborn(hand, folder):
    """Return a function that starts a worker process and waits until it does a stubborn child
    of a new job. Returns `(job_id, process)`.
    """
    processes = []

    def start_one(text=ODD, watch=""):
        job_id = hand.submit(text)
        hand.advance(job_id)
        code = WORKER.format(
            root=str(ROOT), folder=str(folder), name=f"stubborn{len(processes)}", watch=watch
        )
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
        processes.append(process)
        wait_for(lambda: (hand.advance(job_id), messages(job_id))[1], 30, "the child's line")
        return job_id, process

    yield start_one
    for process in processes:
        process.stdin.close()
        process.kill()
        process.wait()


@pytest.mark.slow
def test_work_that_does_not_stop_when_it_is_cancelled_takes_its_worker_with_it(hand, stubborn):
    job_id, process = stubborn(ODD + '\ncancel_grace = "0s"')
    lifecycle.cancel(job_id)
    assert process.wait(10) == 1
    assert hand.children(job_id)[0]["status"] == "cancelled"
    assert ask(store.workers.heartbeats) == []


@pytest.mark.slow
def test_work_that_does_not_stop_when_it_is_out_of_time_fails_with_that(hand, stubborn):
    job_id, process = stubborn(ODD + '\ntimeout = "100ms"\ncancel_grace = "0s"')
    assert process.wait(10) == 1
    hand.advance(job_id)
    assert hand.children(job_id)[0]["error"] == "timed out after 0.1 s (timeout)"
    recount(job_id)


def test_a_late_attempt_s_end_is_stored_after_what_it_had_started_has_ended(
    hand, buffer, core, monkeypatch
):
    """Stored before, it would let the next attempt begin beside that."""
    job_id = start(hand, buffer, ODD + '\ntimeout = "100ms"\nretries = 1')
    (task,) = hand.claim("w")
    order = []
    late = worker.Worker(core, "w")
    context = late._enter(task, begun=True)
    monkeypatch.setattr(
        late,
        "_end_own",
        lambda: order.append((hand.children(job_id)[0]["status"], list(late._buffer._ended))),
    )
    monkeypatch.setattr(worker.os, "_exit", order.append)
    context.started -= 10
    late._check(context)
    context.stopped_at -= 11
    late._check(context)
    assert order == [("running", []), 1]
    assert (hand.children(job_id)[0]["status"], hand.children(job_id)[0]["error"]) == (
        "pending",
        "timed out after 0.1 s (timeout)",
    )


@pytest.mark.slow
def test_work_that_does_not_stop_when_its_worker_is_to_is_given_back(hand, stubborn):
    job_id, process = stubborn(ODD + "\nrerun_when_lost = true")
    process.terminate()
    assert process.wait(10) == 1
    (child,) = hand.children(job_id)
    assert (child["status"], child["error"]) == ("pending", None)
    assert messages(job_id)[-1] == "Stopped: the worker was shut down. It will run again."
    assert ask(store.workers.heartbeats) == []
    recount(job_id)


@pytest.mark.slow
def test_a_worker_that_was_taken_for_dead_ends_and_changes_nothing(hand, stubborn):
    job_id, process = stubborn(ODD + "\nretries = 1")
    workers.release("stubborn0", "no sign of life")
    assert process.wait(10) != 0
    assert hand.children(job_id)[0]["status"] == "pending"
    recount(job_id)


def test_a_worker_that_is_alone_begins_with_children_before_planning_has_ended(core, folder, hand):
    ran, ended = threading.Event(), threading.Event()
    seen = []

    def plan(context):
        for number in range(1, 1000):
            yield Unit(f"c{number}")
            if ran.wait(0.02):
                break
        seen.append((ran.is_set(), number))
        ended.set()

    behaviour.plan = plan
    behaviour.run = lambda context, unit: ran.set() or {"n": 1}
    job_id = hand.submit(ODD)
    hand.advance(job_id)
    alone = Worker(core, "alone")
    workers.register("alone", os.getpid())
    alone._work_once()
    assert ended.is_set()
    (was_run, planned) = seen[0]
    assert was_run and planned < 999
    step = ask(store.structure.structure_of, job_id)["steps"][0]
    assert step["children"]["completed"] >= 1
    assert step["child_count"] == planned
    recount(job_id)


@pytest.mark.parametrize("was_idle", [False, True])
def test_work_is_watched_over_at_once_whatever_the_watching_thread_waits_for(
    core, hand, monkeypatch, was_idle
):
    """It may look between two pieces of work, when there is none."""
    job_id = hand.submit(ODD)
    hand.advance(job_id)
    (task,) = hand.claim("w")
    read_end, write_end = os.pipe()
    kept = []
    with open(read_end) as stdin, open(write_end, "w"):
        monkeypatch.setattr(worker.sys, "stdin", stdin)
        busy = worker.Worker(core, "w")
        busy._is_idle = was_idle

        def look(context):
            kept.append(context)
            raise SystemExit  # it ends the thread

        monkeypatch.setattr(busy, "_beat", lambda: None)
        monkeypatch.setattr(busy, "_keep_up", look)

        def watch():
            with suppress(SystemExit):
                busy._watch_on()

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        time.sleep(0.3)  # it waits by now
        context = busy._enter(task, begun=True)
        watching.join(0.5)
        assert kept == [context] and not watching.is_alive()


def test_a_parent_that_says_nothing_more_stops_its_worker_at_work_at_once(core, monkeypatch):
    """It may have closed its end for writing only, as an ended one does not."""
    parent, child_end = socket.socketpair()
    with parent, child_end, child_end.makefile("rb", buffering=0) as stdin:
        monkeypatch.setattr(worker.sys, "stdin", stdin)
        busy = worker.Worker(core, "w")
        poll = select.poll()
        poll.register(stdin, select.POLLRDHUP)
        parent.send(b"!")
        busy._await(poll)
        assert not busy._is_stopping, "a word is no end"
        parent.shutdown(socket.SHUT_WR)
        busy._await(poll)
        assert busy._is_stopping


def test_a_worker_can_be_stopped_by_a_signal_within_anything(core):
    """The handler runs in the working thread, between any two instructions of it: it must not wait
    for what that thread holds.
    """
    stopped = worker.Worker(core, "w")
    for _ in range(3):
        stopped._stop()
    assert stopped._is_stopping
    ready, _, _ = select.select([stopped._wakeup, stopped._busy], [], [], 0)
    assert len(ready) == 2, "both threads are woken"
