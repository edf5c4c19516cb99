"""The terminal door: `flask jobs …` and `flask seed`, on real stores; followed jobs are worked
on by a real worker's own parts.
"""

import io
import json
import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live
from sqlalchemy import func, insert, update
from sqlalchemy import select as select_rows
from sqlalchemy.exc import OperationalError

from helpers.apps import make_app
from helpers.ask import ask, fetch, jobs_page
from helpers.definition_files import define
from helpers.paths import ROOT
from helpers.terminal import only_errors
from helpers.waiting import wait_for
from jobsync import lifecycle, store
from jobsync.base import server_address
from jobsync.base.clock import iso, now
from jobsync.base.errors import StoreBusy
from jobsync.cli import formatting, screens
from jobsync.cli import seed as seeding
from jobsync.cli.follow import NO_WORKER, WORKERS_CAME, Follower
from jobsync.db.models import Attempt, Child, Job, LogLine, Step, Stop, Worker
from jobsync.db.transactions import write
from jobsync.engine import runner
from jobsync.engine.write_buffer import WriteBuffer
from jobsync.lifecycle import claims, moves, workers
from jobsync.status import (
    CHILD_STATUSES,
    LEVELS,
    RUNNING,
    TERMINAL,
    StepFacts,
    derive_job,
    derive_step,
)

TWO_STEPS = """
id = "two_steps"
name = "Two steps"
tags = ["demo"]

[params.lines]
type = "integer"
default = 3

[params.failure_rate]
type = "number"
default = 0

[params.note]
type = "string"
default = "none"

[step.first]
type = "test_job_generator"
worker_count = 2
log_count = "{lines}"
log_delay_ms = 0
failure_rate = "{failure_rate}"

[step.second]
type = "test_job_generator"
depends = "first"
worker_count = 1
log_count = "{lines}"
log_delay_ms = 0
"""

SLOW = """
id = "slow"

[step.wait]
type = "test_job_generator"
worker_count = 1
log_count = 100000
log_delay_ms = 20
"""

TIMED = """
id = "timed"
timeout = "4s"

[step.wait]
type = "test_job_generator"
"""

LOOK = """
id = "look"

[params.folder]
type = "path"

[step.look]
type = "local_dir"
dir_path = "{folder}"
"""


@pytest.fixture
def flask(app, tmp_path):
    """Run a command in this process: `flask("jobs", "list")` returns click's result."""
    for text in (TWO_STEPS, SLOW, LOOK):
        define(tmp_path, text)
    cli = app.test_cli_runner()
    return lambda *args, **options: cli.invoke(args=[str(arg) for arg in args], **options)


@pytest.fixture
def started(flask):
    """Start a job of a definition and return its id."""

    def start(*args):
        result = flask("jobs", "run", *args)
        assert result.exit_code == 0, result.stderr
        return result.stdout.strip()

    return start


def read_store(app, query, *args):
    with app.app_context():
        return ask(query, *args)


def call(app, function, *args):
    """Call what opens its transactions itself."""
    with app.app_context():
        return function(*args)


class Engine(threading.Thread):
    """Does in this process what the step monitor and a worker do, one thing after the other."""

    def __init__(self, app):
        super().__init__(daemon=True)
        self._app = app
        self._stop_now = threading.Event()
        self.context = None

    def run(self):
        buffer = WriteBuffer(self._app)
        with self._app.app_context():
            workers.register("engine", os.getpid())
        while not self._stop_now.is_set():
            with self._app.app_context(), suppress(StoreBusy):  # the monitor too comes again then
                for job in ask(store.jobs.unfinished):
                    moves.advance(job.id)
                tasks = claims.claim("engine", lambda step_pk: 1)
                if tasks:
                    self._do(tasks[0], buffer)
                else:
                    self._stop_now.wait(0.02)

    def _do(self, task, buffer):
        buffer.begin_task(task, begun=True)
        self.context = runner.TaskContext(task, buffer)
        run = {"plan": runner.run_plan, "summary": runner.run_summary, "child": runner.run_child}[
            task.kind
        ]
        run(self.context, buffer)
        buffer.flush()

    def finish(self):
        self._stop_now.set()
        if self.context:
            self.context.stop("the test is over")
        self.join(20)
        assert not self.is_alive()


@contextmanager
def engine(app):
    thread = Engine(app)
    thread.start()
    try:
        yield thread
    finally:
        thread.finish()


def finished(app, job_id):
    """Have a job run to its end."""
    with engine(app):
        wait_for(lambda: read_store(app, store.jobs.get, job_id)["status"] in TERMINAL)
    return job_id


def end_ago(app, job_id, days):
    """Put the end of a job back by some days."""
    with app.app_context(), write() as connection:
        connection.execute(
            update(Job).where(Job.id == job_id).values(finished_at=now() - days * 24 * 3600 * 1000)
        )


# run


def test_it_prints_the_id_of_the_new_job_and_nothing_else(app, flask):
    result = flask("jobs", "run", "two_steps", "-p", "lines=7", "-p", "note=a=b")
    assert re.fullmatch("[0-9a-f]{12}\n", result.stdout)
    assert result.stderr == ""
    job = read_store(app, store.jobs.get, result.stdout.strip())
    assert (job["definition"], job["source"], job["status"]) == ("two_steps", "cli", "pending")
    assert job["params"] == {"lines": 7, "failure_rate": 0, "note": "a=b"}


def test_it_prints_the_new_job_as_json(flask):
    job = json.loads(flask("jobs", "run", "two_steps", "--json").stdout)
    assert job["status"] == "pending"
    assert [step["name"] for step in job["steps"]] == ["first", "second"]


def test_a_path_is_relative_to_the_folder_of_the_caller(app, started, tmp_path, monkeypatch):
    (tmp_path / "here" / "project").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    job = read_store(app, store.jobs.get, started("look", "-p", "folder=project"))
    assert job["params"]["folder"] == str(tmp_path / "here" / "project")


def test_an_unknown_definition_is_one_line_that_says_what_there_is(flask):
    assert only_errors(flask("jobs", "run", "nope")) == [
        "Error: There is no definition 'nope'. There are: look, slow, two_steps."
    ]


def test_a_definition_with_mistakes_says_which(flask, tmp_path):
    define(tmp_path, 'id = "bad"\n[step.a]\ntype = "nonsense"\n')
    (line,) = only_errors(flask("jobs", "run", "bad"))
    assert "bad.toml: step.a.type" in line


def test_each_bad_parameter_is_a_line_of_its_own(app, flask):
    lines = only_errors(flask("jobs", "run", "two_steps", "-p", "lines=many", "-p", "strange=1"))
    assert sorted(lines) == [
        "Error: lines: must be a whole number",
        "Error: strange: there is no such parameter; there are: lines, failure_rate, note",
    ]
    assert call(app, jobs_page)["total"] == 0


@pytest.mark.parametrize("given", [["lines"], ["=3"], ["lines=1", "-p", "lines=2"]])
def test_a_parameter_in_another_form_is_a_usage_error(app, flask, given):
    result = flask("jobs", "run", "two_steps", "-p", *given)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr and "Invalid value for '-p'" in result.stderr
    assert call(app, jobs_page)["total"] == 0


def test_names_that_are_not_unicode_are_no_traceback(flask):
    for command in (
        ["show", "\udcff"],
        ["run", "\udcff"],
        ["run", "two_steps", "-p", "note=\udcff"],
        ["list", "--definition", "\udcff"],
    ):
        result = flask("jobs", *command)
        assert "Traceback" not in result.output and not isinstance(result.exception, UnicodeError)


# --wait


def test_it_follows_a_job_line_by_line_and_exits_0_when_it_completed(app, flask):
    with engine(app):
        result = flask("jobs", "run", "two_steps", "--wait")
    assert result.exit_code == 0, result.stderr
    job_id, *lines = result.stdout.splitlines()
    assert read_store(app, store.jobs.get, job_id)["status"] == "completed"
    told = [line.partition(" ")[2] for line in lines]
    assert all(
        re.match(r"\d\d:\d\d:\d\d ", line) for line in lines if "first" in line or "second" in line
    )
    assert re.fullmatch(
        r"first completed, 2/2 children, 6 lines, \d+\.\d s",
        next(line for line in told if line.startswith("first completed")),
    )
    assert [line for line in told if line.startswith("second completed")]
    assert any(re.fullmatch(r"job completed in \d+\.\d s", line) for line in told)
    assert lines[-2:] == ["workers: 1", "lines: 3"]


def test_it_exits_1_and_tells_why_when_the_job_failed(app, flask):
    with engine(app):
        result = flask(
            "jobs", "run", "two_steps", "-p", "failure_rate=1", "-p", "lines=40", "--wait"
        )
    assert result.exit_code == 1
    assert "first failed, 2/2 children, " in result.stdout
    assert " second skipped\n" in result.stdout
    assert " job failed in " in result.stdout
    reasons = result.stdout.partition("\nfirst failed: ")[2].splitlines()
    assert reasons[0].startswith("1 child failed")
    assert reasons[1] == "  worker 1: worker 1 failed as it was told to (failure_rate 1)"
    assert all(
        re.match(r"    \d\d:\d\d:\d\d (info|warning|error) worker 1", line) for line in reasons[2:7]
    )
    assert "line 40 of 40" in reasons[6]
    assert "Traceback" not in result.output


TALKING = """
id = "talking"

[step.talk]
type = "command"
for_each = [{items}]
run = ["sh", "-c", \
'seq -f "line %g of $PARAM_ITEM" 1 20; echo "$PARAM_ITEM has no luck" >&2; exit 3']
max_child_failures = 100
[step.end]
type = "command"
depends = "talk"
run = ["sh", "-c", "echo over; exit 1"]
"""


def test_each_failed_child_is_shown_with_its_last_lines_and_no_more_than_a_few(
    app, flask, tmp_path
):
    define(
        tmp_path,
        TALKING.replace("{items}", ", ".join(f'"item {number}"' for number in range(1, 8))).replace(
            "max_child_failures = 100\n", ""
        ),
    )
    with engine(app):
        result = flask("jobs", "run", "talking", "--wait")
    assert result.exit_code == 1
    told = result.stdout.partition("\ntalk failed: ")[2].splitlines()[1:]
    failed = [
        place for place, line in enumerate(told) if re.match("  item [0-9]+: exit code 3", line)
    ]
    assert 1 <= len(failed) <= 5
    for place in failed:
        name = told[place].split(":")[0].strip()
        lines = told[place + 1 : place + 6]
        assert [line.split(" info ")[1] for line in lines[:-1]] == [
            f"line {number} of {name}" for number in range(17, 21)
        ]
        assert lines[-1].endswith(f" warning {name} has no luck")
    assert len(told) <= 5 * 6 + 1


def test_the_address_of_a_page_is_that_of_a_server_that_lives(tmp_path, flask):
    assert server_address.find(tmp_path) is None
    with server_address.announced(tmp_path, "http://127.0.0.1:5000/"):
        find = (
            "from jobsync.base import server_address; "
            f"print(server_address.find({str(tmp_path)!r}))"
        )
        found = subprocess.run(
            [sys.executable, "-c", find], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert found.stdout == "http://127.0.0.1:5000/\n", found.stderr
    assert server_address.find(tmp_path) is None
    for odd in (os.mkfifo, os.mkdir):
        (tmp_path / "server.address").unlink(missing_ok=True)
        odd(tmp_path / "server.address")
        assert server_address.find(tmp_path) is None
        {os.mkdir: os.rmdir, os.mkfifo: os.unlink}[odd](tmp_path / "server.address")


def test_an_address_that_can_not_be_written_is_no_reason_not_to_serve(tmp_path, caplog):
    (tmp_path / "server.address").symlink_to("/dev/full")
    with server_address.announced(tmp_path, "http://127.0.0.1:5000/"):
        assert "can't be noted" in caplog.text
    (tmp_path / "server.address").unlink()
    (tmp_path / "server.address").mkdir()
    with server_address.announced(tmp_path, "http://127.0.0.1:5000/"):
        assert "Is a directory" in caplog.text


def test_it_exits_1_when_the_job_was_cancelled_meanwhile(app, flask):
    def cancel_when_it_runs():
        job = wait_for(lambda: next(iter(call(app, jobs_page, ["running"])["items"]), None))
        call(app, lifecycle.cancel, job["id"])

    canceller = threading.Thread(target=cancel_when_it_runs)
    canceller.start()
    with engine(app):
        result = flask("jobs", "run", "slow", "--wait")
    canceller.join()
    assert result.exit_code == 1
    assert " job cancelled in " in result.stdout


def test_with_json_stdout_is_one_document_and_progress_goes_to_stderr(app, flask):
    with engine(app):
        result = flask("jobs", "run", "two_steps", "--wait", "--json")
    job = json.loads(result.stdout)
    assert (result.exit_code, job["status"], job["result"]["lines"]) == (0, "completed", 3)
    assert [step["status"] for step in job["steps"]] == ["completed", "completed"]
    assert "first completed" in result.stderr


class FakeScreen:
    """Keeps what it is shown. `on_note` is called with each note."""

    def __init__(self, on_note=lambda text: None):
        self.structures, self.trouble, self.notes = [], [], []
        self._on_note = on_note

    def show(self, structure, trouble):
        self.structures.append(structure)
        self.trouble.append(trouble)

    def tick(self):
        pass

    def note(self, text):
        self.notes.append(text)
        self._on_note(text)


def test_it_says_once_that_no_worker_runs_and_when_they_come(app, started):
    job_id = started("two_steps")
    thread = Engine(app)
    screen = FakeScreen(lambda text: thread.start() if text == NO_WORKER else None)
    with app.app_context():
        assert Follower(job_id, screen).run() == "completed"
    thread.finish()
    assert screen.notes[0] == NO_WORKER
    # a short job may be done before the next look at the workers
    assert screen.notes[1:] in ([], [WORKERS_CAME])


def test_it_says_when_workers_have_come(app, started):
    job_id = started("slow")
    thread = Engine(app)

    def answer(text):
        if text == NO_WORKER:
            thread.start()
        else:
            call(app, lifecycle.cancel, job_id)

    screen = FakeScreen(answer)
    with app.app_context():
        assert Follower(job_id, screen).run() == "cancelled"
    thread.finish()
    assert screen.notes == [NO_WORKER, WORKERS_CAME]


def test_following_never_shows_an_older_revision_and_ends_with_the_last(app, started):
    job_id = started("two_steps", "-p", "lines=50")
    screen = FakeScreen()
    with engine(app), app.app_context():
        Follower(job_id, screen).run()
        assert screen.structures[-1] == ask(store.structure.structure_of, job_id)
    revisions = [structure["revision"] for structure in screen.structures]
    assert revisions == sorted(revisions)
    assert [line["level"] for line in screen.trouble[-1]] and len(screen.trouble[-1]) <= 5
    assert {line["level"] for line in screen.trouble[-1]} <= {"warning", "error"}


def test_following_survives_a_database_that_is_locked_for_a_moment(app, started, monkeypatch):
    job_id = started("two_steps")
    call(app, lifecycle.cancel, job_id)
    answers = [OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked"))]
    structure = store.structure.structure_of

    def locked_at_first(connection, asked):
        if answers:
            raise answers.pop()
        return structure(connection, asked)

    monkeypatch.setattr(store.structure, "structure_of", locked_at_first)
    with app.app_context():
        assert Follower(job_id, FakeScreen()).run() == "cancelled"
    assert not answers


def test_a_job_that_is_deleted_while_it_is_followed_is_one_line(app, flask, started):
    job_id = finished(app, started("two_steps", "-p", "failure_rate=1"))

    def retried_then_deleted():
        wait_for(lambda: read_store(app, store.jobs.get, job_id)["status"] == "pending")
        call(app, lifecycle.cancel, job_id)
        call(app, lifecycle.delete, job_id)

    class Deleting(FakeScreen):
        def show(self, structure, trouble):
            if structure["status"] == "pending":
                retried_then_deleted()

    call(app, lifecycle.retry, job_id)
    with app.app_context(), pytest.raises(Exception, match=f"There is no job '{job_id}'"):
        Follower(job_id, Deleting()).run()


# list, show, logs


def test_the_list_in_a_pipe_has_tabs_and_the_newest_first(app, flask, started):
    first = finished(app, started("two_steps"))
    second = started("slow")
    rows = [line.split("\t") for line in flask("jobs", "list").stdout.splitlines()]
    job = read_store(app, store.jobs.get, first)
    assert rows[0][:3] == [second, "pending", "slow"] and rows[0][4:] == ["", "slow"]
    assert rows[1] == [
        first,
        "completed",
        "two_steps",
        job["created_at"],
        job["finished_at"],
        "Two steps",
    ]


def test_the_list_can_be_filtered_and_cut(app, flask, started):
    done = finished(app, started("two_steps"))
    waiting = [started("slow"), started("two_steps")]

    def ids(*options):
        return [line.split("\t")[0] for line in flask("jobs", "list", *options).stdout.splitlines()]

    assert ids("--status", "completed,failed") == [done]
    assert ids("--status", "pending") == waiting[::-1]
    assert ids("--definition", "slow") == waiting[:1]
    assert ids("--limit", "1") == waiting[1:]
    page = json.loads(flask("jobs", "list", "--limit", "1", "--json").stdout)
    assert (len(page["items"]), page["total"]) == (1, 3)


def test_a_status_that_is_none_is_a_usage_error(flask):
    result = flask("jobs", "list", "--status", "done")
    assert result.exit_code == 2
    assert "'done' is not one of: pending, running, completed, failed, cancelled." in result.stderr


def test_it_shows_a_job_with_its_steps_and_result(app, flask, started):
    job_id = finished(app, started("two_steps"))
    shown = flask("jobs", "show", job_id).stdout
    assert shown.startswith("Two steps: completed\n")
    for text in (
        job_id,
        "by cli",
        "demo",
        "lines = 3",
        "first completed, 2/2 children, 6 lines, ",
        "workers: 1\n",
    ):
        assert text in shown
    assert json.loads(flask("jobs", "show", job_id, "--json").stdout) == {
        **read_store(app, store.jobs.get, job_id),
        "steps": read_store(app, store.structure.structure_of, job_id)["steps"],
    }


def test_an_unknown_job_is_one_line(flask):
    for command in ("show", "cancel", "retry", "rerun"):
        assert only_errors(flask("jobs", command, "nope")) == ["Error: There is no job 'nope'."]
    assert only_errors(flask("jobs", "logs", "nope", "first")) == ["Error: There is no job 'nope'."]


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_terminal_escapes_never_reach_the_terminal(app, flask, started, status):
    job_id = started("two_steps", "-p", "note=\x1b[31mred\x9b31m\nnext")
    with app.app_context(), write() as connection:
        evil = {
            "name": "\x1b]0;title\x07",
            "error": "\x1b[2J",
            "result": {"a\x1bb": "\x1b[5m"},
            "status": status,
        }
        connection.execute(update(Job).where(Job.id == job_id).values(evil))
        connection.execute(
            update(Step)
            .where(Step.job_id == job_id)
            .values(error="\x1b[1m", status=status, log_count=1)
        )
        for step_pk in (
            connection.execute(select_rows(Step.pk).where(Step.job_id == job_id)).scalars().all()
        ):
            connection.execute(
                insert(LogLine).values(
                    step_pk=step_pk, line=1, at=now(), level=3, message="\x1b[8mhidden"
                )
            )
            connection.execute(
                insert(Child).values(
                    step_pk=step_pk,
                    key="1",
                    name="\x1b[9m",
                    status="failed",
                    input={},
                    error="\x1b[7m",
                )
            )
    for command in (
        ["show", job_id],
        ["show", job_id, "--json"],
        ["list"],
        ["list", "--json"],
        ["logs", job_id, "first"],
    ):
        result = flask("jobs", *command)
        assert result.exit_code == 0, result.output
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", result.output)
    assert "note = \\x1b[31mred\\x9b31m\\nnext" in flask("jobs", "show", job_id).stdout
    assert "error \\x1b[8mhidden" in flask("jobs", "logs", job_id, "first").stdout


def test_a_job_that_failed_as_a_whole_says_why(app, flask, started, tmp_path):
    define(tmp_path, TIMED)
    job_id = started("timed")
    call(app, lifecycle.time_out, job_id)
    assert flask("jobs", "show", job_id).stdout.endswith(
        "\nThe job failed: timed out after 4 s (timeout of the job)\n"
    )


def test_logs_prints_the_lines_of_a_step_from_a_level_up(app, flask, started):
    job_id = finished(app, started("two_steps", "-p", "lines=1200"))
    lines = flask("jobs", "logs", job_id, "first").stdout.splitlines()
    assert len(lines) == 2400
    assert re.fullmatch(r"\S+Z (info|warning|error) worker \d/2 · line 1 of 1200 .*", lines[0])
    levels = read_store(app, store.structure.structure_of, job_id)["steps"][0]["levels"]
    assert (
        len(flask("jobs", "logs", job_id, "first", "--level", "warning").stdout.splitlines())
        == levels["warning"] + levels["error"]
    )


def test_logs_follows_a_step_until_it_has_ended(app, flask, started):
    job_id = started("two_steps", "-p", "lines=300")
    with engine(app):
        result = flask("jobs", "logs", job_id, "first", "--follow")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 600


# cancel, retry, rerun


def test_it_cancels_a_job_once(app, flask, started):
    job_id = started("slow")
    assert flask("jobs", "cancel", job_id).stdout == f"{job_id} is cancelled.\n"
    assert read_store(app, store.jobs.get, job_id)["status"] == "cancelled"
    assert only_errors(flask("jobs", "cancel", job_id)) == ["Error: The job is already cancelled."]


def test_it_retries_a_job_and_follows_it(app, flask, started):
    job_id = started("two_steps")
    assert only_errors(flask("jobs", "retry", job_id)) == [
        "Error: Only a failed or cancelled job can be retried; this one is pending."
    ]
    flask("jobs", "cancel", job_id)
    with engine(app):
        result = flask("jobs", "retry", job_id, "--wait")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == job_id
    assert read_store(app, store.jobs.get, job_id)["status"] == "completed"


def test_a_rerun_is_a_new_job_with_the_old_parameters_but_those_given(app, flask, started):
    old = started("two_steps", "-p", "lines=9", "-p", "note=mine")
    result = flask("jobs", "rerun", old, "-p", "lines=5")
    job = read_store(app, store.jobs.get, result.stdout.strip())
    assert (job["rerun_of"], job["source"]) == (old, "cli")
    assert job["params"] == {"lines": 5, "failure_rate": 0, "note": "mine"}
    assert only_errors(flask("jobs", "rerun", old, "-p", "lines=x")) == [
        "Error: lines: must be a whole number"
    ]


def test_a_rerun_whose_definition_is_gone_is_one_line(flask, started, tmp_path):
    old = started("slow")
    (tmp_path / "definitions" / "slow.toml").unlink()
    assert only_errors(flask("jobs", "rerun", old)) == [
        "Error: There is no definition 'slow'. There are: look, two_steps."
    ]


# prune


@pytest.fixture
def old_jobs(app, flask, started):
    """Jobs that were cancelled so many days ago, newest first: `{days: id}`; and one that waits."""
    jobs = {}
    for days in (90, 40, 20, 0):
        jobs[days] = started("two_steps")
        flask("jobs", "cancel", jobs[days])
        end_ago(app, jobs[days], days)
    jobs["waiting"] = started("slow")
    return jobs


def left(app):
    return {job["id"] for job in call(app, jobs_page)["items"]}


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        ([], {90, 40}),
        (["--older-than", "60d"], {90}),
        (["--older-than", "1h"], {90, 40, 20}),
        (["--keep", "1"], {90, 40, 20}),
        (["--keep", "3", "--older-than", "30d"], {90}),
        (["--keep", "0"], {90, 40, 20, 0}),
        (["--status", "completed,failed", "--keep", "0"], set()),
    ],
)
def test_prune_deletes_what_ended_long_ago(app, flask, old_jobs, options, gone):
    result = flask("jobs", "prune", "--yes", *options)
    assert result.stdout == (
        f"{len(gone)} job deleted.\n" if len(gone) == 1 else f"{len(gone)} jobs deleted.\n"
    )
    assert left(app) == {job_id for days, job_id in old_jobs.items() if days not in gone}


def test_prune_clears_away_what_the_jobs_owned(app, flask, started):
    job_id = finished(app, started("two_steps", "-p", "lines=4000"))
    assert flask("jobs", "prune", "--keep", "0", "--yes").stdout == "1 job deleted.\n"
    with app.app_context():
        assert [
            fetch(select_rows(func.count()).select_from(table)).scalar()
            for table in (Job, Step, Child, LogLine)
        ] == [0] * 4
    assert only_errors(flask("jobs", "show", job_id))


def test_prune_looks_at_more_jobs_than_one_page(app, flask, started, monkeypatch):
    monkeypatch.setattr("jobsync.cli.many.PAGE", 2)
    for _ in range(5):
        flask("jobs", "cancel", started("two_steps"))
    assert flask("jobs", "prune", "--keep", "1", "--yes").stdout == "4 jobs deleted.\n"


def test_a_dry_run_lists_and_deletes_nothing(app, flask, old_jobs):
    rows = [
        line.split("\t")[:2] for line in flask("jobs", "prune", "--dry-run").stdout.splitlines()
    ]
    assert rows == [[old_jobs[40], "cancelled"], [old_jobs[90], "cancelled"]]
    assert left(app) == set(old_jobs.values())


def test_prune_asks_nobody_where_there_is_nobody(app, flask, old_jobs):
    result = flask("jobs", "prune")
    assert result.exit_code == 2
    assert "--yes deletes without asking, --dry-run only lists." in result.stderr
    assert left(app) == set(old_jobs.values())


@pytest.mark.parametrize(
    "options", [["--older-than", "soon"], ["--status", "running"], ["--keep", "-1"]]
)
def test_prune_refuses_what_makes_no_sense(app, flask, old_jobs, options):
    assert flask("jobs", "prune", "--yes", *options).exit_code == 2
    assert left(app) == set(old_jobs.values())


def test_a_job_that_runs_again_is_not_pruned(app, flask, old_jobs, monkeypatch):
    delete = lifecycle.delete

    def retried_just_before(job_id):
        if job_id == old_jobs[90]:
            lifecycle.retry(job_id)
        delete(job_id)

    monkeypatch.setattr(lifecycle, "delete", retried_just_before)
    assert flask("jobs", "prune", "--yes").stdout == "1 job deleted.\n"
    assert old_jobs[90] in left(app)


# When the store is in trouble


def test_a_locked_database_is_one_line(flask, started, monkeypatch):
    def locked(job_id):
        raise StoreBusy

    job_id = started("slow")
    monkeypatch.setattr(lifecycle, "cancel", locked)
    assert only_errors(flask("jobs", "cancel", job_id)) == [
        "Error: The database is locked by another process."
    ]


def test_a_file_that_is_no_database_is_one_line(tmp_path):
    (tmp_path / "jobsync.db").write_bytes(os.urandom(9000))
    result = subprocess.run(
        [*FLASK, "jobs", "list"], cwd=ROOT, env=environ(tmp_path), capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(
        f"JOBSYNC_DATABASE_URL='sqlite:///{tmp_path}/jobsync.db' is not possible: it must be "
        "sqlite:///PATH, a SQLite file"
    )


def test_every_command_brings_the_database_up_to_date(tmp_path):
    result = subprocess.run(
        [*FLASK, "jobs", "list"], cwd=ROOT, env=environ(tmp_path), capture_output=True, text=True
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


# The look


def step_of(name="first", status="running", **values):
    children = dict.fromkeys(CHILD_STATUSES, 0) | values.pop("children", {})
    times = {"started_at": iso(1000), "finished_at": None}
    facts = {
        "name": name,
        "status": status,
        "log_count": 0,
        "children": children,
        "child_count": sum(children.values()),
        "error": None,
    }
    return {**facts, **times, **values}


def structure_of(*steps, status="running"):
    return {
        "status": status,
        "started_at": iso(1000),
        "finished_at": None,
        "revision": 1,
        "waiting_for": None,
        "steps": list(steps),
    }


def picture(width, height, structure, trouble=()):
    """Return what the live screen shows, as lines."""
    console = Console(
        file=io.StringIO(), force_terminal=True, color_system=None, width=width, height=height
    )
    screen = screens.LiveScreen(
        "A job with quite a long name", Live(console=console, auto_refresh=False)
    )
    screen.show(structure, list(trouble))
    console.print(screen._picture(63_000))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


LONG_MESSAGE = {
    "at": iso(2000),
    "level": "error",
    "step": "first",
    "message": "could not read it " * 20,
}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_table_keeps_within_the_terminal(width):
    steps = [
        step_of(
            "import_files",
            "completed",
            children={"completed": 8},
            log_count=1234,
            finished_at=iso(7200),
        )
    ]
    steps += [
        step_of("rule_classify_files", children={"completed": 1, "failed": 2, "pending": 5}),
        step_of("report", "pending", started_at=None),
    ]
    lines = picture(width, 30, structure_of(*steps), [LONG_MESSAGE])
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("● running  A job with quite a long name") and lines[0].endswith(
        "1:02 min"
    )
    text = "\n".join(lines)
    assert re.search(r"import_files +✓ completed +8/8 +1,234 +6.2 s", text)
    assert re.search(r"rule_class\S+ +● running +3/8 ", text)
    assert re.search(r"report +○ pending", text)
    assert re.search(r"error +first +could not .*…", text)


def test_the_live_table_keeps_its_widths_while_figures_grow():
    few = picture(80, 30, structure_of(step_of(children={"pending": 1}, log_count=1)))
    many = picture(
        80,
        30,
        structure_of(step_of(children={"completed": 1000, "pending": 999}, log_count=99_999)),
    )
    assert [line for line in few if "status" in line] == [line for line in many if "status" in line]


def test_the_live_table_shows_why_a_step_failed():
    lines = picture(
        80,
        30,
        structure_of(step_of(status="failed", error="3 children failed", finished_at=iso(5000))),
    )
    assert any("failed: 3 children failed" in line for line in lines)


def test_of_many_steps_the_live_table_shows_those_where_something_happens():
    steps = [step_of(f"done_{number}", "completed", finished_at=iso(2000)) for number in range(100)]
    steps[60] = step_of("broken", "failed", finished_at=iso(2000), error="no")
    steps[70] = step_of("at_work")
    lines = picture(80, 20, structure_of(*steps))
    assert len(lines) <= 20
    text = "\n".join(lines)
    assert "broken" in text and "at_work" in text
    shown = text.count("done_")
    assert f"and {98 - shown} more: {98 - shown} completed" in text


def test_markup_in_names_and_messages_is_only_text():
    lines = picture(
        80, 20, structure_of(step_of("[red]")), [{**LONG_MESSAGE, "message": "[bold]x[/bold]"}]
    )
    assert any(line.startswith("[red] ") for line in lines)
    assert any("[bold]x[/bold]" in line for line in lines)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0.0 s"),
        (59_940, "59.9 s"),
        (60_000, "1:00 min"),
        (3_599_000, "59:59 min"),
        (3_600_000, "1:00 h"),
        (-5, "0.0 s"),
    ],
)
def test_durations_are_short(ms, text):
    assert formatting.duration(ms) == text


# As users have it: real processes, a real terminal


FLASK = [sys.executable, "-m", "flask", "--app", "app"]


def environ(folder, **variables):
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("JOBSYNC_")
    }
    definitions = {
        "JOBSYNC_DATA_DIR": str(folder),
        "JOBSYNC_DEFINITIONS": str(ROOT / "definitions"),
    }
    return {**inherited, **definitions, "TERM": "xterm", "COLUMNS": "80", **variables}


def read_terminal(descriptor, until, seconds=60):
    """Return what a terminal is sent, up to when `until` stands in it (None: up to its end)."""
    seen, deadline = b"", time.monotonic() + seconds
    while until is None or until not in seen:
        assert time.monotonic() < deadline, seen.decode(errors="replace")
        if select.select([descriptor], [], [], 0.1)[0]:
            try:
                piece = os.read(descriptor, 65536)
            except OSError:  # Linux's word for: nobody has it open any more
                piece = b""
            if not piece:
                assert until is None, seen.decode(errors="replace")
                break
            seen += piece
    return seen.decode()


def test_ctrl_c_ends_the_following_and_not_the_job(app, tmp_path):
    command = [*FLASK, "jobs", "run", "test_job", "--wait"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environ(tmp_path / "data"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    job_id = process.stdout.readline().strip()
    assert process.stderr.readline() == NO_WORKER + "\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert f"flask jobs cancel {job_id}" in err and "Traceback" not in err
    assert read_store(app, store.jobs.get, job_id)["status"] == "pending"


def test_a_job_is_followed_live_on_a_terminal_and_its_report_shown(shared_server, tmp_path):
    (tmp_path / "project").mkdir()
    for name in ("main.py", "README.md", "data.csv"):
        (tmp_path / "project" / name).write_text("one\ntwo\n")
    command = [
        *FLASK,
        "jobs",
        "run",
        "codebase_classify",
        "-p",
        f"folder={tmp_path / 'project'}",
        "--wait",
    ]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=shared_environ(shared_server),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    seen = read_terminal(ours, None)
    os.close(ours)
    assert process.wait(20) == 0
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert re.search(r"✓ completed\s+Codebase Classify", last)
    assert re.search(r"rule_classify_files +✓ completed +1/1", last)
    assert re.search(r"files +3 *\r\n", last) and re.search(
        r"categories +files +bytes +lines", last
    )
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")  # the cursor is back


def shared_environ(server):
    return environ(server.folder / "data", JOBSYNC_WORKERS="0")


def test_a_failed_job_is_followed_in_a_pipe(shared_server):
    command = [
        *FLASK,
        "jobs",
        "run",
        "test_job",
        "-p",
        "failure_rate=1",
        "-p",
        "lines=20",
        "--wait",
    ]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=shared_environ(shared_server),
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert (result.returncode, result.stderr) == (1, "")
    assert re.search(r"^\d\d:\d\d:\d\d build failed, ", result.stdout, re.MULTILINE)
    assert re.search(r"^\d\d:\d\d:\d\d publish skipped$", result.stdout, re.MULTILINE)
    assert "\x1b" not in result.stdout
    job_id = result.stdout.splitlines()[0]
    assert result.stdout.splitlines()[-1] == f"Its page: {shared_server.url}/jobs/{job_id}"
    last = [
        line["message"]
        for line in shared_server.get(f"/api/jobs/{job_id}/logs?step=build").json()["items"]
    ][-1]
    assert any(line.endswith(last) for line in result.stdout.splitlines())


def run_on(server, *command):
    """Run a command on the store of a running server."""
    return subprocess.run(
        [*FLASK, *command],
        cwd=ROOT,
        env=shared_environ(server),
        capture_output=True,
        text=True,
        timeout=90,
    )


def test_a_cancel_is_waited_for_until_real_workers_have_ended_what_they_did(shared_server):
    job_id = shared_server.submit("test_job", workers=4, lines=1000, delay_ms=50)

    def running():
        return shared_server.structure(job_id)["steps"][0]["children"]["running"] == 2

    wait_for(running, 30)
    result = run_on(shared_server, "jobs", "cancel", job_id, "--wait")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"{job_id} is cancelled.",
        "Cancelled 2 queued and 2 running children, no process left.",
    ]
    shown = shared_server.get(f"/api/jobs/{job_id}").json()["cancellation"]
    assert shown["done_at"] and shown["processes"]["left"] == []


def test_children_workers_and_queues_are_tables_on_a_terminal(shared_server):
    job_id = shared_server.submit(
        "test_job", workers=2, lines=5, delay_ms=0, failure_rate=1, seed=1
    )
    shared_server.wait_for_end(job_id)
    step = next(
        step for step in shared_server.structure(job_id)["steps"] if step["status"] == "failed"
    )
    path = f"/api/jobs/{job_id}/steps/{step['name']}/children?status=failed"
    child = shared_server.get(path).json()["items"][0]
    commands = {
        f"children {job_id} {step['name']} --status failed --limit 1": rf"{child['id']} .*✗ failed",
        f"children {job_id} {step['name']} --status running": "There are no such children",
        f"child {job_id} {step['name']} {child['id']}": r"attempt .*\n.*\n +1 +✗ failed",
        "workers": r"● running .* MiB",
        "queues": "default +open",
    }
    for command, words in commands.items():
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [*FLASK, "jobs", *command.split()],
            cwd=ROOT,
            env=shared_environ(shared_server),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            seen = re.sub(r"\x1b\[[0-9;]*m|\r", "", read_terminal(ours, None))
            os.close(ours)
        assert process.returncode == 0, seen
        assert re.search(words, seen), seen
        assert max(map(len, seen.splitlines())) <= 80


def without(stream, command):
    """Return a command line that runs a command with its standard output closed or full."""
    return [
        "sh",
        "-c",
        {"closed": 'exec "$@" >&-', "full": 'exec "$@" >/dev/full'}[stream],
        "sh",
        *FLASK,
        *command,
    ]


@pytest.mark.parametrize(
    ("stream", "codes"),
    [
        ("closed", {"list": 0, "show": 0, "logs": 0, "seed": 0, "--help": 0, "wait": 0}),
        ("full", {"list": 1, "show": 1, "--help": 1}),
    ],
)
def test_without_an_output_it_ends_quietly(stream, codes, shared_server):
    job_id = shared_server.submit("test_job", workers=1, lines=5, delay_ms=0)
    shared_server.wait_for_end(job_id)
    commands = {
        "list": ["jobs", "list"],
        "show": ["jobs", "show", job_id],
        "logs": ["jobs", "logs", job_id, "build"],
        "seed": ["seed"],
        "--help": ["jobs", "--help"],
        "wait": [
            "jobs",
            "run",
            "test_job",
            "-p",
            "workers=1",
            "-p",
            "lines=5",
            "-p",
            "delay_ms=0",
            "--wait",
        ],
    }
    running = {
        name: subprocess.Popen(
            without(stream, commands[name]),
            cwd=ROOT,
            env=shared_environ(shared_server),
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in codes
    }
    ended = {
        name: (process.communicate(timeout=120)[1], process.returncode)
        for name, process in running.items()
    }
    assert {name: code for name, (_, code) in ended.items()} == codes
    assert {error for error, _ in ended.values()} == {
        "" if stream == "closed" else "Error: No space left on device\n"
    }
    with sqlite3.connect(shared_server.folder / "data" / "jobsync.db") as connection:
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]


def test_a_reader_that_leaves_ends_it_quietly(shared_server):
    command = [*FLASK, "jobs", "run", "test_job", "-p", "workers=1", "-p", "lines=500", "--wait"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=shared_environ(shared_server),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == (b"", 1)
    process.stderr.close()


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_prune_asks_on_a_terminal(app, flask, started, tmp_path, answer, code):
    flask("jobs", "cancel", started("two_steps"))
    ours, theirs = pty.openpty()
    command = [*FLASK, "jobs", "prune", "--keep", "0"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environ(tmp_path / "data"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    read_terminal(ours, b"Delete 1 job? [y/N]: ")
    os.write(ours, f"{answer}\n".encode())
    read_terminal(ours, None)
    os.close(ours)
    assert process.wait(20) == code
    assert len(left(app)) == code


def test_the_worker_command_is_not_listed(flask):
    listed = flask("--help").stdout
    assert re.search(r"^  jobs ", listed, re.MULTILINE) and re.search(
        r"^  seed ", listed, re.MULTILINE
    )
    assert not re.search(r"^  worker ", listed, re.MULTILINE)


# seed


def seed(app):
    """Seed a store and return the ids of the new jobs, the oldest first."""
    result = app.test_cli_runner().invoke(args=["seed"])
    assert result.exit_code == 0, result.output
    return [line.split()[0] for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def seeded_app(tmp_path_factory):
    """An app on a store that was seeded, for tests that only formatting."""
    folder = tmp_path_factory.mktemp("seeded")
    app = make_app(folder)
    define(folder, TWO_STEPS)
    other = app.test_cli_runner().invoke(args=["jobs", "run", "two_steps"]).stdout.strip()
    finished(app, other)  # so that nothing has the same keys here as where the history was played
    app.seeded = seed(app)
    call(app, lifecycle.delete, other)
    while call(app, lifecycle.clear_deleted):
        pass
    return app


def rows_of(app, table, *conditions):
    with app.app_context():
        return fetch(select_rows(table.__table__).where(*conditions)).all()


def test_seeding_gives_a_job_for_each_way_to_end_and_a_long_one_that_waits(seeded_app):
    jobs = call(seeded_app, jobs_page)["items"]
    assert [job["id"] for job in jobs] == seeded_app.seeded[::-1]
    assert {job["status"] for job in jobs} == {"completed", "failed", "cancelled", "pending"}
    assert (jobs[0]["status"], jobs[0]["definition"]) == ("pending", "test_job")
    assert {job["source"] for job in jobs} == {"seed"}
    steps = rows_of(seeded_app, Step)
    assert {step.status for step in steps} == {
        "pending",
        "completed",
        "failed",
        "cancelled",
        "skipped",
    }
    assert {child.status for child in rows_of(seeded_app, Child)} == {
        "completed",
        "failed",
        "cancelled",
    }
    assert {LEVELS[line.level] for line in rows_of(seeded_app, LogLine)} >= {
        "info",
        "warning",
        "error",
    }


def test_the_seeded_jobs_keep_the_invariants_and_their_counts(seeded_app):
    for job_id in seeded_app.seeded[:-1]:
        job = read_store(seeded_app, store.jobs.get, job_id)
        steps = rows_of(seeded_app, Step, Step.job_id == job_id)
        facts = read_store(seeded_app, store.steps.facts, job_id)
        assert all(step.status in TERMINAL and step.worker_id is None for step in steps)
        ends = (
            {derive_job(RUNNING, facts.values())} if job["status"] != "cancelled" else {"cancelled"}
        )
        assert ends == {job["status"]}
        assert not call(seeded_app, moves.advance, job_id)
        for step in steps:
            children = rows_of(seeded_app, Child, Child.step_pk == step.pk)
            lines = sorted(
                rows_of(seeded_app, LogLine, LogLine.step_pk == step.pk), key=lambda line: line.line
            )
            assert all(child.status in TERMINAL and child.worker_id is None for child in children)
            for status in CHILD_STATUSES:
                assert getattr(step, status) == sum(child.status == status for child in children)
            assert [line.line for line in lines] == list(range(1, step.log_count + 1))
            assert [step.debug, step.info, step.warning, step.error_count] == [
                sum(line.level == level for line in lines) for level in range(4)
            ]
            assert {line.child_pk for line in lines} - {None} <= {child.pk for child in children}
            assert step.revision <= job["revision"]
            assert derive_step(facts[step.name], facts) is None


def test_the_seeded_children_have_their_attempts_and_those_their_lines(seeded_app):
    jobs = seeded_app.seeded[:-1]
    steps = rows_of(seeded_app, Step, Step.job_id.in_(jobs))
    attempts = rows_of(seeded_app, Attempt)
    assert {attempt.status for attempt in attempts} == {"completed", "failed", "cancelled"}
    for step in steps:
        lines = {
            line.line: line.child_pk
            for line in rows_of(seeded_app, LogLine, LogLine.step_pk == step.pk)
        }
        for child in rows_of(seeded_app, Child, Child.step_pk == step.pk):
            mine = [attempt for attempt in attempts if attempt.child_pk == child.pk]
            assert [attempt.attempt for attempt in mine] == list(range(1, child.attempt + 1))
            assert not mine or mine[-1].status == child.status
            for attempt in mine:
                assert step.started_at <= attempt.started_at <= attempt.finished_at
                assert attempt.finished_at <= step.finished_at
                wrote = filter(None, (attempt.first_line, attempt.last_line))
                assert {lines[line] for line in wrote} <= {child.pk}


def test_the_seeded_cancel_has_a_receipt_that_is_done(seeded_app):
    (job,) = rows_of(seeded_app, Job, Job.status == "cancelled")
    receipt = read_store(seeded_app, store.stops.cancellation, job.id)
    steps = select_rows(Step.pk).where(Step.job_id == job.id)
    cancelled = rows_of(seeded_app, Child, Child.status == "cancelled", Child.step_pk.in_(steps))
    assert receipt["done_at"] and sum(receipt["children"].values()) == len(cancelled)
    assert receipt["children"]["running"] == len(rows_of(seeded_app, Stop)) == 1
    assert receipt["processes"] == {"stopped": 0, "left": []}


def test_the_steps_of_the_seeded_jobs_ended_as_the_rules_say(seeded_app):
    """Take each step back to before its end: the rules must end it in the same way."""
    for job_id in seeded_app.seeded[:-1]:
        facts = read_store(seeded_app, store.steps.facts, job_id)
        for step in facts.values():
            before = {"completed": RUNNING, "failed": RUNNING, "skipped": "pending"}.get(
                step.status
            )
            if before:
                again = StepFacts(**{**step.__dict__, "status": before, "error": None})
                assert derive_step(again, facts).status == step.status


def test_the_times_of_the_seeded_jobs_are_in_order_and_in_the_past(seeded_app):
    lasted = {story.id: story.lasted for story in seeding.stories("")}
    for job in rows_of(seeded_app, Job, Job.id.in_(seeded_app.seeded[:-1])):
        assert job.finished_at - job.started_at == lasted[job.id]
        assert job.created_at <= job.started_at <= job.finished_at <= now() - 12 * 3600 * 1000
        for step in rows_of(seeded_app, Step, Step.job_id == job.id):
            times = [line.at for line in rows_of(seeded_app, LogLine, LogLine.step_pk == step.pk)]
            assert all(job.created_at <= time <= job.finished_at for time in times)
            if step.started_at:
                assert job.started_at <= step.started_at <= step.finished_at <= job.finished_at


def test_a_seeded_job_has_a_report_worth_looking_at(seeded_app):
    (report,) = [
        job.result for job in rows_of(seeded_app, Job, Job.definition == "codebase_classify")
    ]
    assert report["files"] == sum(row["files"] for row in report["categories"].values()) > 90
    assert {"source", "test", "docs", "config", "build", "data", "asset"} <= report[
        "categories"
    ].keys()
    assert len(report["languages"]) > 5


def test_seeding_twice_adds_nothing(seeded_app):
    result = seeded_app.test_cli_runner().invoke(args=["seed"])
    assert (result.exit_code, result.stdout) == (0, "The jobs are there already.\n")
    assert call(seeded_app, jobs_page)["total"] == len(seeded_app.seeded)


def test_seeding_again_brings_back_what_was_deleted(app):
    ids = seed(app)
    call(app, lifecycle.cancel, ids[-1])
    call(app, lifecycle.delete, ids[-1])
    call(app, lifecycle.delete, ids[1])
    brought_back = seed(app)
    assert brought_back[0] == ids[1] and brought_back[1:] not in ([], ids[-1:])
    assert {job.id for job in rows_of(app, Job)} == {*ids[:-1], brought_back[-1]}


def test_two_that_seed_at_once_add_the_jobs_once(tmp_path):
    command = [*FLASK, "seed"]
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in "12"
    ]
    answers = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    assert sorted(out.count("\n") for out, _ in answers) == [1, len(seeding.stories("")) + 1]


def test_workers_at_work_leave_the_seeded_history_alone(app, flask):
    with engine(app):
        result = flask("seed")
        *history, long_job = [line.split()[:2] for line in result.stdout.splitlines()]
        wait_for(lambda: read_store(app, store.jobs.get, long_job[0])["status"] == "running")
        call(app, lifecycle.cancel, long_job[0])
    for job_id, status in history:
        assert read_store(app, store.jobs.get, job_id)["status"] == status
    assert {worker.id for worker in rows_of(app, Worker)} == {"engine"}


def test_the_real_long_job_runs_for_a_minute_or_so(seeded_app):
    job = read_store(seeded_app, store.jobs.get, seeded_app.seeded[-1])
    workers, lines, delay = (job["params"][name] for name in ("workers", "lines", "delay_ms"))
    # four steps' worth of lines, one after the other
    at_most_side_by_side = lines * 4 * delay / 1000
    assert workers > 1 and 30 <= at_most_side_by_side <= 120


def test_a_seeded_job_can_be_run_again(app, flask):
    ids = seed(app)
    call(app, lifecycle.cancel, ids[-1])
    with engine(app):
        result = flask("jobs", "retry", ids[2], "--wait")
    assert result.exit_code == 0, result.output


def test_seeding_takes_less_than_5_seconds_of_computing(tmp_path):
    before = os.times()
    subprocess.run(
        [*FLASK, "seed"], cwd=ROOT, env=environ(tmp_path), check=True, capture_output=True
    )
    after = os.times()
    assert (
        after.children_user + after.children_system - before.children_user - before.children_system
        < 5
    )


def test_a_sample_that_was_left_half_written_is_completed(tmp_path):
    draft = Path(tmp_path / "shop.new")
    (draft / "docs").mkdir(parents=True)
    (draft / "docs/latest.md").symlink_to("../CHANGELOG.md")
    seeding.write_sample(tmp_path / "shop")
    assert (tmp_path / "shop" / "README.md").read_text().startswith("# Bookshop")
    assert not draft.exists()
