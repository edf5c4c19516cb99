"""`flask jobs cancel`, `retry` and `delete`: of a job, a step, a child."""

import json

import pytest
from sqlalchemy import func, select, update

from helpers.ask import ask
from helpers.by_hand import recount
from helpers.terminal import only_errors
from jobsync import lifecycle, store
from jobsync.cli.follow import NOBODY_STOPS
from jobsync.db.models import Attempt, Child, Job, Step, Worker
from jobsync.db.transactions import read, write
from jobsync.lifecycle import stops

TWO_STEPS = '[step.a]\n[step.b]\ndepends = "a"'


def job_of(job_id):
    return ask(store.jobs.get, job_id)


def ids(hand, job_id, step="a"):
    return [child["id"] for child in hand.children(job_id, step)]


def child_statuses(hand, job_id, step="a"):
    return [child["status"] for child in hand.children(job_id, step)]


@pytest.fixture
def failed_job(hand):
    """A job of whose three children one has completed and one has failed, which failed it."""
    job_id = hand.begin("[step.a]\nmax_child_failures = 0", 3)
    first, second = hand.claim(number=2)
    hand.complete(first)
    hand.fail(second)
    hand.advance(job_id)
    assert job_of(job_id)["status"] == "failed"
    return job_id


# Cancel


@pytest.mark.parametrize(
    ("number", "begun", "words"),
    [
        (3, 1, "Cancelled 2 queued and 1 running children, what ran is being stopped."),
        (1, 0, "Cancelled 1 queued child, no process left."),
        (2, 0, "Cancelled 2 queued children, no process left."),
        (1, 1, "Cancelled 1 running child, what ran is being stopped."),
    ],
)
def test_a_cancel_says_what_it_has_cancelled(hand, flask, number, begun, words):
    job_id = hand.begin(number=number)
    for _ in range(begun):
        hand.claim()
    result = flask("jobs", "cancel", job_id)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [f"{job_id} is cancelled.", words]
    assert job_of(job_id)["status"] == "cancelled"


def test_with_json_a_cancel_prints_the_job_with_its_receipt(hand, flask):
    job_id = hand.begin(number=2)
    job = json.loads(flask("jobs", "cancel", job_id, "--json").stdout)
    assert job["cancellation"]["children"] == {"pending": 2, "running": 0}
    assert [step["status"] for step in job["steps"]] == ["cancelled"]


@pytest.fixture
def stopping(hand, monkeypatch):
    """Begin a child that ends when the command has looked in vain: `stopping(stopped, left)`
    returns the job's id.
    """

    def begin(stopped=0, left=(), before=lambda: None):
        job_id = hand.begin(number=2)
        (task,) = hand.claim()

        def end_it(seconds):
            before()
            stops.confirm_stop(task, stopped, left)

        monkeypatch.setattr("jobsync.cli.interrupt.sleep", end_it)
        return job_id

    return begin


def test_a_cancel_can_be_waited_for_until_no_process_is_left(flask, stopping):
    job_id = stopping(stopped=3)
    result = flask("jobs", "cancel", job_id, "--wait")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"{job_id} is cancelled.",
        "Cancelled 1 queued and 1 running children, stopped 3 processes, no process left.",
    ]


LEFT = (
    {"host": "far", "pid": 12, "command": "sleep 9\x1b[2J"},
    {"host": None, "pid": None, "command": "c1, attempt 1: no word"},
)


def test_what_could_not_be_ended_is_named_with_its_place(flask, stopping):
    result = flask("jobs", "cancel", stopping(1, LEFT), "--wait")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1] == (
        "Cancelled 1 queued and 1 running children, stopped 1 process, 2 processes left."
    )
    assert result.stderr.splitlines() == [
        "Error: left: process 12 on far: sleep 9\\x1b[2J",
        "Error: left: a process: c1, attempt 1: no word",
    ]


def test_what_was_left_keeps_json_whole_and_the_exit_code_1(flask, stopping):
    result = flask("jobs", "cancel", stopping(1, LEFT), "--wait", "--json")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["cancellation"]["processes"]["left"]) == 2


def test_who_waits_for_a_cancel_is_told_that_no_worker_lives(flask, stopping):
    job_id = stopping()
    with write() as connection:
        connection.execute(update(Worker).values(beat_at=0))
    result = flask("jobs", "cancel", job_id, "--wait")
    assert (result.exit_code, result.stderr) == (0, NOBODY_STOPS + "\n")


def test_ctrl_c_ends_the_waiting_and_not_the_cancel(flask, stopping):
    def interrupted():
        raise KeyboardInterrupt

    job_id = stopping(before=interrupted)
    result = flask("jobs", "cancel", job_id, "--wait")
    assert (result.exit_code, result.stdout) == (130, f"{job_id} is cancelled.\n")
    assert result.stderr == "Not waited for any more; the job stays cancelled.\n"


def test_a_job_that_is_deleted_while_its_cancel_is_waited_for_is_one_line(flask, stopping):
    jobs = []
    jobs.append(stopping(before=lambda: lifecycle.delete(jobs[0])))
    result = flask("jobs", "cancel", jobs[0], "--wait")
    assert result.exit_code == 1
    assert result.stderr == f"Error: There is no job '{jobs[0]}'.\n"


def test_a_step_is_cancelled_by_itself(hand, flask):
    job_id = hand.begin("[step.a]\n[step.b]", 2)
    result = flask("jobs", "cancel", job_id, "--step", "a")
    assert result.stdout == f"The step a of {job_id} is cancelled.\n"
    assert hand.statuses(job_id) == {"a": "cancelled", "b": "running"}


def test_a_child_is_cancelled_by_itself(hand, flask):
    job_id = hand.begin(number=3)
    child = ids(hand, job_id)[1]
    result = flask("jobs", "cancel", job_id, "--step", "a", "--child", child)
    assert result.stdout == f"The child {child} of the step a of {job_id} is cancelled.\n"
    assert child_statuses(hand, job_id) == ["pending", "cancelled", "pending"]
    recount(job_id)


# Retry


def test_a_retried_step_runs_its_failed_and_cancelled_children_again(hand, flask, failed_job):
    result = flask("jobs", "retry", failed_job, "--step", "a")
    assert (result.exit_code, result.stdout) == (0, f"{failed_job}\n")
    assert child_statuses(hand, failed_job) == ["completed", "pending", "pending"]


def test_a_retried_child_runs_again_alone(hand, flask, failed_job):
    child = ids(hand, failed_job)[1]
    result = flask("jobs", "retry", failed_job, "--step", "a", "--child", child, "--json")
    assert json.loads(result.stdout)["status"] == "pending"
    assert child_statuses(hand, failed_job) == ["completed", "pending", "cancelled"]


# Mistakes


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_an_unknown_part_is_one_line(hand, flask, action):
    job_id = hand.begin()
    for options, line in (
        (["nope", "--step", "a"], "There is no job 'nope'."),
        ([job_id, "--step", "b"], "There is no step 'b'."),
        ([job_id, "--step", "a", "--child", "99999"], "There is no child '99999'."),
        ([job_id, "--step", "a", "--child", "c1"], "There is no child 'c1'."),
    ):
        assert only_errors(flask("jobs", action, *options)) == [f"Error: {line}"]
    assert child_statuses(hand, job_id) == ["pending"]


def test_a_part_in_the_wrong_state_is_one_line(hand, flask):
    job_id = hand.begin(number=2)
    step, child = ["--step", "a"], ["--child", ids(hand, job_id)[0]]
    assert only_errors(flask("jobs", "retry", job_id, *step)) == [
        "Error: Only a step that failed or was cancelled, or that has such children, can be "
        "retried; this one is running."
    ]
    assert only_errors(flask("jobs", "retry", job_id, *step, *child)) == [
        "Error: Only a child that failed or was cancelled can be retried; this one is pending."
    ]
    flask("jobs", "cancel", job_id)
    assert only_errors(flask("jobs", "cancel", job_id, *step)) == [
        "Error: The step is already cancelled."
    ]
    assert only_errors(flask("jobs", "cancel", job_id, *step, *child)) == [
        "Error: The child is already cancelled."
    ]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["cancel", "ID", "--child", "1"], "--child needs --step"),
        (["retry", "ID", "--child", "1"], "--child needs --step"),
        (["cancel", "ID", "--step", "a", "--wait"], "it doesn't go with --step"),
        (["cancel"], "Missing argument 'ID'"),
        (["retry"], "Missing argument 'ID'"),
        (["delete"], "Missing argument 'ID'"),
        (["run", "d", "--priority", "101"], "-100<=x<=100"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error_and_does_nothing(hand, flask, command, words):
    job_id = hand.begin()
    result = flask("jobs", *(job_id if word == "ID" else word for word in command))
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert child_statuses(hand, job_id) == ["pending"]


# Delete


def test_a_deleted_job_is_gone_with_all_it_owned(hand, flask, failed_job):
    assert flask("jobs", "delete", failed_job).stdout == f"{failed_job} is deleted.\n"
    with read() as connection:
        for table in (Job, Step, Child, Attempt):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 0, table
    assert only_errors(flask("jobs", "delete", failed_job)) == [
        f"Error: There is no job '{failed_job}'."
    ]


def test_a_job_that_has_not_ended_is_not_deleted(hand, flask):
    job_id = hand.begin()
    assert only_errors(flask("jobs", "delete", job_id)) == [
        "Error: Only a job that has ended can be deleted; this one is running."
    ]


# Run and show


@pytest.mark.parametrize(("options", "priority"), [([], 7), (["--priority", "-100"], -100)])
def test_a_job_has_the_priority_that_is_given_or_else_its_definitions(
    hand, flask, options, priority
):
    hand.submit(head="priority = 7")  # writes the definition
    job_id = flask("jobs", "run", "d", *options).stdout.strip()
    assert job_of(job_id)["priority"] == priority


def told_of(flask, job_id):
    """Return `{word: text}` of what `show` says of a job."""
    lines = flask("jobs", "show", job_id).stdout.splitlines()
    return {line[2:14].strip(): line[14:] for line in lines if line.startswith("  ")}


def test_show_tells_the_priority_what_the_job_waits_for_and_its_reruns(hand, flask):
    first = hand.begin(head='concurrency = 1\npriority = 5\nname = "One"')
    second = flask("jobs", "rerun", first).stdout.strip()
    hand.advance(second)
    told = told_of(flask, second)
    assert told["waiting for"] == "a place: at most 1 job of d may run at once"
    assert (told["priority"], told["rerun of"]) == ("5", first)
    told = told_of(flask, first)
    assert told["rerun as"] == second
    assert "waiting for" not in told


def test_show_tells_nothing_of_what_there_is_none_of(hand, flask):
    assert told_of(flask, hand.begin()).keys() <= {"id", "definition", "created", "time"}


def test_show_tells_the_receipt_and_what_is_left(hand, flask):
    job_id = hand.begin(number=2)
    (task,) = hand.claim()
    lifecycle.cancel(job_id)
    assert "what ran is being stopped" in told_of(flask, job_id)["stopped"]
    stops.confirm_stop(task, 4, LEFT[:1])
    told = told_of(flask, job_id)
    assert told["stopped"].endswith(
        ", cancelled 1 queued and 1 running children, stopped 4 processes, 1 process left"
    )
    assert told["left"] == "process 12 on far: sleep 9\\x1b[2J"
