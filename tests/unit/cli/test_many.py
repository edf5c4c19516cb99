"""`--all` of `flask jobs cancel`, `retry` and `delete`: many jobs at once."""

import json

import pytest

from helpers.ask import jobs_page
from helpers.terminal import only_errors, rows_of
from jobsync import lifecycle
from jobsync.lifecycle import bulk


@pytest.fixture
def jobs(hand):
    """A job of each status and one of another definition: `{name: id}`, the oldest first."""
    found = {}
    for name, outcome in (("completed", "complete"), ("failed", "fail")):
        found[name] = hand.begin()
        hand.run_out(found[name], outcome)
    found |= {"cancelled": hand.submit(), "running": hand.begin(), "pending": hand.submit()}
    lifecycle.cancel(found["cancelled"])
    hand.define('id = "other"\n[step.a]\ntype = "by_hand"')
    other = hand.app.extensions["jobsync.definitions"].find("other")
    found["other"] = lifecycle.submit(other, {}, "api")
    return found


def statuses(jobs):
    """Return `{name: status}` of the jobs that there are."""
    found = {job["id"]: job["status"] for job in jobs_page()["items"]}
    return {name: found[job_id] for name, job_id in jobs.items() if job_id in found}


@pytest.mark.parametrize(
    ("options", "cancelled"),
    [
        ([], {"running", "pending", "other"}),
        (["--status", "pending"], {"pending", "other"}),
        (["--status", "pending,running", "--definition", "d"], {"running", "pending"}),
        (["--definition", "nope"], set()),
    ],
)
def test_it_cancels_those_that_are_unfinished_and_wanted(flask, jobs, options, cancelled):
    before = statuses(jobs)
    result = flask("jobs", "cancel", "--all", "--yes", *options)
    number = len(cancelled)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{number} job{'s' * (number != 1)} cancelled.\n"
    assert statuses(jobs) == before | dict.fromkeys(cancelled, "cancelled")


def test_it_retries_those_that_did_not_complete(flask, jobs):
    before = statuses(jobs)
    assert flask("jobs", "retry", "--all", "--yes").stdout == "2 jobs retried.\n"
    assert statuses(jobs) == before | {"failed": "pending", "cancelled": "pending"}


def test_it_deletes_what_is_looked_for(flask, jobs):
    result = flask("jobs", "delete", "--all", "--yes", "--q", jobs["failed"][2:].upper())
    assert result.stdout == "1 job deleted.\n"
    assert jobs.keys() - statuses(jobs).keys() == {"failed"}


@pytest.mark.parametrize("action", ["cancel", "retry", "delete"])
def test_a_dry_run_lists_what_it_would_do_and_does_nothing(flask, jobs, action):
    before = statuses(jobs)
    listed = rows_of(flask("jobs", action, "--all", "--dry-run"))
    assert statuses(jobs) == before
    flask("jobs", action, "--all", "--yes")
    after = statuses(jobs)
    changed = [name for name in before if before[name] != after.get(name)]
    assert [row[0] for row in listed] == [jobs[name] for name in reversed(changed)]


@pytest.mark.parametrize("action", ["cancel", "retry", "delete"])
def test_without_somebody_to_ask_it_does_nothing(flask, jobs, action):
    before = statuses(jobs)
    lines = only_errors(flask("jobs", action, "--all"), 2)
    assert f"--yes {action}s without asking" in lines[-1]
    assert statuses(jobs) == before


def test_those_that_were_refused_are_named_and_the_others_are_done(flask, jobs, monkeypatch):
    def somebody_is_quicker(job_id):
        if job_id == jobs["failed"]:
            lifecycle.retry(job_id)
        lifecycle.delete(job_id)

    monkeypatch.setitem(bulk.ACTIONS, "delete", somebody_is_quicker)
    result = flask("jobs", "delete", "--all", "--yes")
    assert (result.exit_code, result.stdout) == (1, "2 jobs deleted.\n")
    assert result.stderr == (
        f"Error: {jobs['failed']}: Only a job that has ended can be deleted; this one is pending.\n"
    )
    assert {"completed", "cancelled"}.isdisjoint(statuses(jobs))
    assert not lifecycle.clear_deleted()  # what those owned is cleared away all the same


def test_with_json_it_prints_what_came_of_it(flask, jobs):
    result = flask("jobs", "cancel", "--all", "--yes", "--json")
    assert json.loads(result.stdout) == {"matched": 3, "done": 3, "refused": []}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["cancel", "ID", "--all"], "Either ID or --all, not both."),
        (["cancel", "--all", "--step", "a"], "--step is for one job"),
        (["cancel", "--all", "--wait"], "--wait is for one job"),
        (["retry", "--all", "--wait"], "--wait is for one job"),
        (["cancel", "ID", "--dry-run"], "--dry-run goes with --all only."),
        (["delete", "ID", "--status", "failed"], "--status goes with --all only."),
        (["retry", "ID", "--q", "x"], "--q goes with --all only."),
        (["cancel", "--all", "--status", "failed"], "'failed' is not one of: pending, running."),
        (["delete", "--all", "--q", "x" * 201], "at most 200 characters"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error_and_does_nothing(flask, jobs, command, words):
    before = statuses(jobs)
    result = flask("jobs", *(jobs["running"] if word == "ID" else word for word in command))
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert statuses(jobs) == before


def test_the_list_can_be_searched(flask, jobs):
    assert rows_of(flask("jobs", "list", "--q", jobs["other"]))[0][0] == jobs["other"]
    assert rows_of(flask("jobs", "list", "--q", "no such thing")) == []
