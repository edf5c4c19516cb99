"""The embedded engine as a user has it: a real server, its worker processes, and what becomes
of them and their commands.
"""

import fcntl
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import func, select

from helpers.apps import make_app
from helpers.ask import ask
from helpers.by_hand import messages, recount
from helpers.paths import ROOT
from helpers.servers import Server
from helpers.waiting import wait_for
from jobsync import store
from jobsync.base import processes
from jobsync.db.models import Child, LogLine, Step
from jobsync.db.transactions import read
from jobsync.engine import supervisor
from jobsync.lifecycle import workers
from jobsync.store.workers import Heartbeats

PROMPTLY = 5.0  # seconds within which a killed worker's work is somebody else's or has failed
STOP = 3.0  # seconds within which a stop has ended everything
GRACE = 1.5  # seconds: the `cancel_grace` of those scripts that don't end when they are asked to


def at_this_load(seconds):
    """Return `seconds`, or more where so much else is running that this machine can't be held
    to them.
    """
    return seconds * max(1.0, os.getloadavg()[0] / os.cpu_count())


# Each run writes its mark's line, and the numbers of processes in groups and sessions of their own;
# the second run only says so.
ESCAPING = """
id = "escaping"
[params.out]
type = "path"
[step.sleep]
type = "command"
retries = 1
cancel_grace = "1500ms"
leave_running = LEAVE
run = ["bash", "-c", '''
if [ -e "$PARAM_OUT/pids" ]; then
  for pid in $(cat "$PARAM_OUT/numbers"); do
    case "$(sed -n "s/^State:[[:space:]]*//p" /proc/$pid/status 2>/dev/null)" in \
""|Z*|X*) ;; *) echo "$pid still runs" ;; esac
  done
  echo again; exit 0
fi
set -m
timeout 600 sleep 600 & numbers="$! $$"
setsid sleep 600 & numbers="$numbers $!"
(trap "" TERM; exec sleep 600) & numbers="$numbers $!"
echo $numbers > "$PARAM_OUT/numbers"
echo "$PPID $$" > "$PARAM_OUT/pids"
wait
''']
"""

# Each run of a script writes "PARENT OWN" process numbers into the folder `out`, parent being the
# worker.
SCRIPTS = """
id = "scripts"
[params.out]
type = "path"
[step.sleep]
type = "command"
KEYS
run = ["sh", "-c", '''
echo "$PPID $$" >> "$PARAM_OUT/pids"
echo "begun"
if [ "$(wc -l < "$PARAM_OUT/pids")" -gt 1 ]; then echo "again"; exit 0; fi
sleep 1000 &
echo "0 $!" >> "$PARAM_OUT/background"
sleep 1000
''']
"""

STUBBORN = """
id = "stubborn"
[params.out]
type = "path"
[step.sleep]
type = "command"
cancel_grace = "1500ms"
rerun_when_lost = RERUN
run = ["sh", "-c", '''
trap "" TERM INT HUP
echo "$PPID $$" >> "$PARAM_OUT/pids"
while true; do sleep 0.2; done
''']
"""

GATED = """
id = "gated"
[params.out]
type = "path"
[step.sleep]
type = "command"
run = ["sh", "-c", '''
echo "$PPID $$" >> "$PARAM_OUT/pids"
until [ -e "$PARAM_OUT/gate" ]; do sleep 0.05; done
''']
"""

LATE = """
id = "late"
[params.out]
type = "path"
[step.sleep]
type = "command"
timeout = "500ms"
run = ["sh", "-c", 'echo "$PPID $$" >> "$PARAM_OUT/pids"; sleep 1000']
"""

BUSY = """
id = "busy"
[params.delay]
type = "integer"
default = 0
[step.a]
type = "test_job_generator"
worker_count = 12
log_count = 20
log_delay_ms = "{delay}"
child_count = 2
recursion_depth = 1
failure_rate = 0.3
retries = 1
max_child_failures = 1000
[step.b]
type = "test_job_generator"
worker_count = 6
log_count = 40
log_delay_ms = "{delay}"
failure_rate = 0.5
on_error = "continue"
[step.c]
type = "test_job_generator"
depends = "a, b"
worker_count = 4
log_count = 5
log_delay_ms = 0
"""


def make_server(folder, **variables):
    server = Server(folder, **variables)
    definitions = {
        "scripts": SCRIPTS.replace("KEYS", ""),
        "tried_again": SCRIPTS.replace("KEYS", "retries = 1").replace('"scripts"', '"tried_again"'),
        "repeatable": SCRIPTS.replace("KEYS", "rerun_when_lost = true").replace(
            '"scripts"', '"repeatable"'
        ),
        "escaping": ESCAPING.replace("LEAVE", "false"),
        "leaving": ESCAPING.replace("LEAVE", "true").replace('"escaping"', '"leaving"'),
        "late_escaping": ESCAPING.replace("LEAVE", 'false\ntimeout = "3s"').replace(
            '"escaping"', '"late_escaping"'
        ),
        "stubborn": STUBBORN.replace("RERUN", "false"),
        "repeatable_stubborn": STUBBORN.replace("RERUN", "true").replace(
            '"stubborn"', '"repeatable_stubborn"'
        ),
        "gated": GATED,
        "late": LATE,
        "late_job": LATE.replace('"late"', '"late_job"\ntimeout = "1s"').replace(
            'timeout = "500ms"\n', ""
        ),
        "busy": BUSY,
    }
    for name, text in definitions.items():
        (server.definitions / f"{name}.toml").write_text(text)
    return server


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One server for the tests that don't end it."""
    server = make_server(tmp_path_factory.mktemp("engine")).start()
    yield server
    server.stop()


@pytest.fixture
def fresh(tmp_path, request):
    """A server for a test that ends it, with one worker or as many as the test's `fresh`
    parameter says.
    """
    server = make_server(tmp_path, JOBSYNC_WORKERS=str(getattr(request, "param", 1))).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def inside(running):
    """An app on the running server's store."""
    return make_app(running.folder)


# Processes


def stat(pid):
    """Return `(state, parent, connection)` of a process, or None."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0].decode(), int(fields[1]), int(fields[3])


def is_alive(pid):
    found = stat(pid)
    return found is not None and found[0] not in "ZX"


def all_pids():
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def workers_of(server):
    return [
        pid
        for pid in all_pids()
        if (found := stat(pid)) and found[1] == server.process.pid and found[0] not in "ZX"
    ]


def in_sessions(sessions):
    return [
        pid
        for pid in all_pids()
        if (found := stat(pid)) and found[2] in sessions and found[0] not in "ZX"
    ]


def pids_in(file):
    """Return the `(parent, own)` process numbers that scripts have written."""
    return (
        [tuple(map(int, line.split())) for line in file.read_text().splitlines()]
        if file.exists()
        else []
    )


def start_script(server, definition, out):
    """Start a job whose script sleeps, and return `(job_id, worker's pid, script's pid)` once
    it does.
    """
    job_id = server.submit(definition, out=str(out))
    (worker, script), *_ = wait_for(lambda: pids_in(out / "pids"), 30, "the script's start")
    return job_id, worker, script


def children(server, job_id, step="sleep"):
    return server.get(f"/api/jobs/{job_id}/steps/{step}/children?limit=1000").json()["items"]


def lines(server, job_id, step="sleep"):
    return server.get(f"/api/jobs/{job_id}/logs?step={step}&limit=5000").json()["items"]


# Workers


def test_the_workers_are_direct_children_of_the_server_each_in_a_session_of_its_own(running):
    workers = wait_for(
        lambda: len(workers_of(running)) == 2 and workers_of(running), 30, "two workers"
    )
    assert [stat(pid)[2] for pid in workers] == workers


def test_the_workers_let_the_web_process_come_first(running):
    def stands_back(pid):
        niceness = os.getpriority(os.PRIO_PROCESS, pid) - os.getpriority(
            os.PRIO_PROCESS, running.process.pid
        )
        # where there is one, niceness counts within a session only
        session = Path(f"/proc/{pid}/autogroup")
        return niceness == 10 and (
            not session.exists() or session.read_text().endswith(" nice 10\n")
        )

    wait_for(lambda: all(map(stands_back, workers_of(running))), 10, "the workers' standing back")


def test_a_killed_worker_s_child_fails_with_the_reason_and_its_commands_are_ended(
    running, tmp_path
):
    job_id, worker, script = start_script(running, "scripts", tmp_path)
    ((_, background),) = wait_for(
        lambda: pids_in(tmp_path / "background"), 30, "the background process"
    )
    os.kill(worker, signal.SIGKILL)
    structure = running.wait_for_end(job_id, at_this_load(PROMPTLY))
    assert structure["status"] == "failed"
    (child,) = children(running, job_id)
    assert (child["status"], child["error"]) == ("failed", "lost: the worker was killed by SIGKILL")
    assert (
        structure["steps"][0]["error"]
        == "1 child failed, first sleep: lost: the worker was killed by SIGKILL"
    )
    wait_for(
        lambda: not is_alive(script) and not is_alive(background),
        at_this_load(PROMPTLY),
        "the end of the commands",
    )
    assert [line["message"] for line in lines(running, job_id)][
        -1
    ] == "Lost during attempt 1: the worker was killed by SIGKILL."
    wait_for(lambda: len(workers_of(running)) == 2, 30, "another worker")
    assert pids_in(tmp_path / "pids") == [(worker, script)], "it was begun twice"


@pytest.mark.parametrize("definition", ["tried_again", "repeatable"])
def test_a_killed_worker_s_child_runs_again_where_there_are_retries_or_its_step_allows_it(
    definition, running, tmp_path
):
    job_id, worker, _ = start_script(running, definition, tmp_path)
    os.kill(worker, signal.SIGKILL)
    structure = running.wait_for_end(job_id, at_this_load(PROMPTLY))
    assert structure["status"] == "completed"
    assert [(child["status"], child["attempt"]) for child in children(running, job_id)] == [
        ("completed", 2)
    ]
    said = [line["message"] for line in lines(running, job_id)]
    assert said[-1] == "again"
    assert "Lost during attempt 1: the worker was killed by SIGKILL. It will run again." in said
    assert len({parent for parent, _ in pids_in(tmp_path / "pids")}) == 2


def test_a_worker_that_somebody_ends_gives_its_work_back_and_another_one_comes(running, tmp_path):
    job_id, worker, _ = start_script(running, "repeatable", tmp_path)
    os.kill(worker, signal.SIGTERM)
    assert running.wait_for_end(job_id, at_this_load(2 * PROMPTLY))["status"] == "completed"
    said = [line["message"] for line in lines(running, job_id)]
    assert "Stopped: the worker was shut down. It will run again." in said
    wait_for(lambda: len(workers_of(running)) == 2, 30, "another worker")
    assert worker not in workers_of(running)


@pytest.mark.parametrize("fresh", [2], indirect=True)
def test_a_worker_that_is_drained_ends_what_it_does_and_no_other_one_comes(fresh, tmp_path):
    job_id, worker, _ = start_script(fresh, "gated", tmp_path)
    (drained,) = [item for item in workers_shown(fresh) if item["pid"] == worker]
    assert [busy["job_id"] for busy in drained["busy"]] == [job_id]
    assert fresh.post(f"/api/workers/{drained['id']}/drain").status_code == 202
    (idle,) = set(workers_of(fresh)) - {worker}
    assert [item["state"] for item in workers_shown(fresh) if item["pid"] == worker] == ["draining"]
    other = fresh.submit("busy")
    assert fresh.wait_for_end(other)["status"] == "completed"
    assert is_alive(worker) and fresh.structure(job_id)["status"] == "running"
    (tmp_path / "gate").write_text("open")
    assert fresh.wait_for_end(job_id, at_this_load(PROMPTLY))["status"] == "completed"
    wait_for(lambda: not is_alive(worker), at_this_load(PROMPTLY), "its end")
    wait_for(lambda: len(workers_shown(fresh)) == 1, at_this_load(PROMPTLY), "its being forgotten")
    job_id = fresh.submit("busy")
    assert fresh.wait_for_end(job_id)["status"] == "completed"
    assert workers_of(fresh) == [idle]


def workers_shown(server):
    return server.get("/api/workers").json()["items"]


def said_to_run_again(server, job_id):
    """Say whether the second run of an escaping script found nothing of the first one.

    A shell tells of its jobs when they are stopped.
    """
    said = [line["message"] for line in lines(server, job_id)]
    return said[-1] == "again" and not any("still runs" in text for text in said)


@pytest.mark.parametrize("definition", ["escaping", "leaving"])
def test_what_a_killed_worker_had_started_is_gone_before_its_child_runs_again(
    definition, running, tmp_path
):
    """Whatever groups and sessions it made, and also where a completed command may leave
    something running: this one wasn't.
    """
    job_id, worker, _ = start_script(running, definition, tmp_path)
    os.kill(worker, signal.SIGKILL)
    assert running.wait_for_end(job_id, at_this_load(PROMPTLY))["status"] == "completed"
    assert said_to_run_again(running, job_id)
    assert not any(is_alive(int(pid)) for pid in (tmp_path / "numbers").read_text().split())


def of_job(job_id):
    """Return the numbers of the living processes that carry the mark of one of the job's
    attempts.
    """
    start = f"{processes.ATTEMPT_MARK}={job_id}/".encode()
    return [
        pid
        for pid in processes.living()
        if any(variable.startswith(start) for variable in processes.environment(pid))
    ]


def test_within_the_grace_and_a_second_after_a_cancel_no_process_of_the_job_is_left(
    running, tmp_path
):
    job_id, _, _ = start_script(running, "escaping", tmp_path)
    assert len(of_job(job_id)) >= 4
    assert running.post(f"/api/jobs/{job_id}/cancel").status_code == 202
    wait_for(lambda: not of_job(job_id), at_this_load(GRACE + 1), "the end of all its processes")
    assert not any(is_alive(int(pid)) for pid in (tmp_path / "numbers").read_text().split())


def test_an_attempt_after_one_that_was_out_of_time_begins_when_nothing_of_that_runs_any_more(
    running, tmp_path
):
    job_id, _, _ = start_script(running, "late_escaping", tmp_path)
    assert running.wait_for_end(job_id, at_this_load(2 * PROMPTLY))["status"] == "completed"
    assert said_to_run_again(running, job_id)


@pytest.mark.parametrize("definition", ["escaping", "leaving"])
def test_a_retry_of_a_cancelled_job_begins_when_nothing_of_it_runs_any_more(
    definition, running, tmp_path
):
    job_id, _, _ = start_script(running, definition, tmp_path)
    assert running.post(f"/api/jobs/{job_id}/cancel").status_code == 202
    assert running.post(f"/api/jobs/{job_id}/retry").status_code == 202
    assert running.wait_for_end(job_id, at_this_load(2 * PROMPTLY))["status"] == "completed"
    assert said_to_run_again(running, job_id)


def test_workers_that_are_killed_again_and_again_are_replaced_and_the_job_comes_to_its_end(
    running, inside
):
    """Waking a worker that has just died must not hold up whoever watches over them."""
    job_id = running.submit("busy", delay=5)
    killed = set()
    for _ in range(2):
        for pid in wait_for(lambda: set(workers_of(running)) - killed, 30, "other workers"):
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    assert running.wait_for_end(job_id)["status"] == "completed"
    with inside.app_context():
        recount(job_id)


RING = """
import warnings
warnings.filterwarnings("ignore")
import eventlet
eventlet.monkey_patch()
import sys
sys.path.insert(0, {root!r})
from types import SimpleNamespace
from jobsync.db.changes import Changes
from jobsync.engine import supervisor
sys.executable = {program!r}
app = SimpleNamespace(extensions={{"jobsync.changes": Changes(None)}})
supervisor = supervisor.Supervisor(app, 1)
supervisor._fill_up()
(worker,) = supervisor._workers
if {dead}:
    worker.process.wait()
with eventlet.Timeout(10):
    for _ in range(3 if {dead} else 100_000):
        supervisor._wake_workers()
worker.process.kill()
"""


@pytest.mark.parametrize(
    ("does", "dead"), [("exit 1", True), ("exec sleep 100", False)], ids=["dead", "deaf"]
)
def test_waking_a_worker_that_is_dead_or_deaf_does_not_hold_up_who_watches_over_them(
    tmp_path, does, dead
):
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    code = RING.format(root=str(ROOT), program=str(program), dead=dead)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


class Process:
    """Stands in for a worker's process."""

    pid, killed = 0, False

    def kill(self):
        self.killed = True


class Time:
    """Stands in for the module, with a clock that is set by hand."""

    def __init__(self):
        self.moment = 1000.0

    def monotonic(self):
        return self.moment


@pytest.fixture
def watched(app, monkeypatch):
    """A function that lets a supervisor look at the beats for some seconds; it has one worker,
    `watched.process`, that never beats again.
    """
    clock = Time()
    monkeypatch.setattr(supervisor, "time", clock)
    app.extensions["jobsync.heartbeats"] = Heartbeats(clock.monotonic)
    watching = supervisor.Supervisor(app, 1)
    process = Process()
    with app.app_context():
        workers.register("w1", 1)
    watching._workers.append(supervisor.WorkerProcess("w1", process, None, clock.moment))

    def watch(seconds, step=supervisor.BEATS):
        for _ in range(int(seconds / step)):
            clock.moment += step
            watching._watch_beats()

    watch.process = process
    return watch


def test_a_worker_that_gives_no_sign_of_life_is_taken_for_dead(watched):
    watched(supervisor.LEASE)
    assert not watched.process.killed
    watched(3 * supervisor.BEATS)
    assert watched.process.killed


def test_a_worker_is_not_taken_for_dead_when_the_looks_at_it_come_late(watched):
    watched(5 * supervisor.LEASE, step=supervisor.LEASE)
    assert not watched.process.killed


def test_a_worker_is_not_taken_for_dead_while_the_database_is_locked_and_it_could_not_say_it_lives(
    watched, app
):
    other = sqlite3.connect(Path(app.config["DATA_DIR"]) / "jobsync.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    watched(2 * supervisor.LEASE)
    other.close()
    assert not watched.process.killed


def test_who_watches_the_beats_writes_only_when_one_is_overdue_and_until_all_is_well_again(
    watched, app, monkeypatch
):
    asked, found = [], "the disk is full"
    monkeypatch.setattr(
        app.extensions["jobsync.write_probe"], "why_not", lambda: asked.append(1) or found
    )
    with app.app_context():
        for _ in range(20):
            workers.beat("w1")
            watched(supervisor.BEATS)
        assert asked == []
        watched(2 * supervisor.LEASE)
        assert len(asked) > 5 and not watched.process.killed
        found = None
        for _ in range(3):
            workers.beat("w1")
            watched(supervisor.BEATS)
        asked.clear()
        workers.beat("w1")
        watched(supervisor.BEATS)
        assert asked == []


def test_cancelling_ends_the_processes_and_the_worker_goes_on(running, tmp_path):
    job_id, worker, script = start_script(running, "scripts", tmp_path)
    ((_, background),) = wait_for(
        lambda: pids_in(tmp_path / "background"), 30, "the background process"
    )
    assert running.post(f"/api/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    assert running.structure(job_id)["steps"][0]["status"] == "cancelled"
    wait_for(
        lambda: not is_alive(script) and not is_alive(background),
        at_this_load(PROMPTLY),
        "the end of the processes",
    )
    assert is_alive(worker)


def test_cancelling_ends_even_what_does_not_want_to_end(running, tmp_path):
    job_id, _, script = start_script(running, "stubborn", tmp_path)
    running.post(f"/api/jobs/{job_id}/cancel")
    wait_for(lambda: not is_alive(script), at_this_load(PROMPTLY), "the end of the script")


def test_an_attempt_that_is_out_of_time_is_ended_and_fails_with_that(running, tmp_path):
    job_id, _, script = start_script(running, "late", tmp_path)
    structure = running.wait_for_end(job_id, at_this_load(PROMPTLY))
    assert (structure["status"], children(running, job_id)[0]["error"]) == (
        "failed",
        "timed out after 0.5 s (timeout)",
    )
    assert not is_alive(script)


def test_a_job_that_is_out_of_time_is_ended_and_fails_with_that(running, tmp_path):
    job_id, _, script = start_script(running, "late_job", tmp_path)
    structure = running.wait_for_end(job_id, at_this_load(PROMPTLY))
    assert (structure["status"], structure["error"]) == (
        "failed",
        "timed out after 1 s (timeout of the job)",
    )
    assert structure["steps"][0]["status"] == "cancelled"
    wait_for(lambda: not is_alive(script), at_this_load(PROMPTLY), "the end of the script")


# Lines and counters


def test_lines_are_numbered_without_gaps_and_each_child_s_are_in_its_order(running):
    job_id = running.submit("busy")
    running.wait_for_end(job_id)
    for step in ("a", "b", "c"):
        found = lines(running, job_id, step)
        assert [line["line"] for line in found] == list(range(1, len(found) + 1))
        for child in {line["child_id"] for line in found}:
            said = [
                line["message"]
                for line in found
                if line["child_id"] == child and " · line " in line["message"]
            ]
            numbers = [int(message.split(" · line ")[1].split()[0]) for message in said]
            length = max(numbers)
            assert numbers == list(range(1, length + 1)) * (len(numbers) // length)


def test_a_child_s_lines_are_stored_before_its_end_is(running, inside):
    job_id = running.submit("busy", delay=3)
    seen = 0
    with inside.app_context():
        step = ask(store.steps.get, job_id, "a")
        query = (
            select(Child.pk, Child.input, func.count(LogLine.line))
            .outerjoin(LogLine, (LogLine.step_pk == Child.step_pk) & (LogLine.child_pk == Child.pk))
            .where(Child.step_pk == step.pk, Child.status == "completed")
            .group_by(Child.pk)
        )
        while seen < 300 and running.structure(job_id)["status"] in ("pending", "running"):
            with read() as connection:
                for _, unit, number in connection.execute(query):
                    seen += 1
                    assert number >= unit["lines"]
    assert seen > 20
    running.post(f"/api/jobs/{job_id}/cancel")


def test_after_a_busy_run_all_counters_are_what_the_rows_say(running, inside):
    """Children that fail, are tried again, spawned, cancelled and lost with their worker."""
    jobs = [running.submit("busy", delay=2) for _ in range(3)]
    cancelled, retried = jobs[1], jobs[2]
    wait_for(
        lambda: running.structure(cancelled)["steps"][0]["children"]["completed"],
        30,
        "a completed child",
    )
    running.post(f"/api/jobs/{cancelled}/cancel")
    wait_for(
        lambda: running.structure(retried)["steps"][0]["children"]["completed"],
        30,
        "a completed child",
    )
    running.post(f"/api/jobs/{retried}/cancel")
    assert running.post(f"/api/jobs/{retried}/retry").status_code == 202
    os.kill(workers_of(running)[0], signal.SIGKILL)
    ends = [running.wait_for_end(job_id)["status"] for job_id in jobs]
    assert ends[1] == "cancelled" and ends.count("completed") == 2
    with inside.app_context():
        statuses, said = set(), []
        for job_id in jobs:
            assert recount(job_id) == 3
            statuses |= {
                child["status"]
                for step in ("a", "b", "c")
                for child in ask(store.children.page, job_id, step, limit=1000)["items"]
            }
            said += messages(job_id)
        assert statuses == {"completed", "failed", "cancelled"}
        assert any("will be tried again" in message for message in said)
        assert not ask(store.steps.is_work_waiting)


def test_short_jobs_do_not_wait_for_long_ones(running):
    long = running.submit("busy", delay=40)
    wait_for(
        lambda: running.structure(long)["steps"][0]["children"]["running"],
        30,
        "the long one's start",
    )
    short = running.submit("busy")
    assert running.wait_for_end(short)["status"] == "completed"
    assert running.structure(long)["status"] == "running"
    running.post(f"/api/jobs/{long}/cancel")


# Starting, stopping


def run_app(environ, seconds=60):
    """Run `python app.py` to its end. Returns `(exit code, what it wrote)`."""
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_a_second_server_on_the_same_data_folder_is_refused_in_one_line(running):
    code, (line,) = run_app({**running.environ, "JOBSYNC_PORT": "0"})
    assert code == 1
    assert (
        line == f"Another jobsync server is running on the data folder {running.folder / 'data'}."
    )


def test_a_port_that_is_taken_is_told_in_one_line(running, tmp_path):
    code, (line,) = run_app({**running.environ, "JOBSYNC_DATA_DIR": str(tmp_path)})
    assert code == 1
    port = running.environ["JOBSYNC_PORT"]
    assert line.startswith(f"JOBSYNC_PORT={port} ") and "Address already in use" in line


def assert_nothing_is_left(server, sessions):
    assert in_sessions(sessions) == []
    with open(server.folder / "data" / "server.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(server.environ["JOBSYNC_PORT"])))


@pytest.mark.parametrize("fresh", [2], indirect=True)
def test_a_stop_in_the_middle_of_work_ends_everything_within_3_s_and_the_next_start_goes_on(
    fresh, tmp_path
):
    stubborn, _, script = start_script(fresh, "repeatable_stubborn", tmp_path)
    busy = fresh.submit("busy", delay=20)
    wait_for(
        lambda: fresh.structure(busy)["steps"][0]["children"]["running"], 30, "the busy one's start"
    )
    sessions = workers_of(fresh)
    seconds = fresh.stop()
    assert seconds <= at_this_load(STOP)
    assert fresh.process.returncode == 0
    assert not is_alive(script)
    assert_nothing_is_left(fresh, sessions)
    assert "Traceback" not in fresh.log.read_text()
    with make_app(fresh.folder).app_context():
        assert [
            child["status"] for child in ask(store.children.page, stubborn, "sleep")["items"]
        ] == ["pending"]
        with read() as connection:
            assert connection.execute(select(func.sum(Step.running))).scalar() == 0
    fresh.start()
    wait_for(lambda: len(pids_in(tmp_path / "pids")) == 2, 30, "the script's second start")
    fresh.post(f"/api/jobs/{stubborn}/cancel")
    fresh.post(f"/api/jobs/{busy}/cancel")


def test_ctrl_c_ends_an_idle_server_at_once(fresh):
    sessions = workers_of(fresh)
    started = time.monotonic()
    fresh.process.send_signal(signal.SIGINT)
    assert fresh.process.wait(60) == 0
    assert time.monotonic() - started <= at_this_load(STOP)
    assert_nothing_is_left(fresh, sessions)


def test_workers_of_a_killed_server_end_by_themselves_and_a_restart_goes_on_with_the_job(
    fresh, tmp_path
):
    job_id, worker, script = start_script(fresh, "repeatable", tmp_path)
    sessions = workers_of(fresh)
    fresh.kill()
    wait_for(
        lambda: not in_sessions(sessions),
        at_this_load(PROMPTLY),
        "the end of the workers and their commands",
    )
    assert not is_alive(worker) and not is_alive(script)
    fresh.start()
    assert fresh.wait_for_end(job_id)["status"] == "completed"
    assert [child["attempt"] for child in children(fresh, job_id)] == [2]


def send(pids, number):
    """Send a signal to processes.

    One that a worker's script had started may have ended by itself.
    """
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def kill_with_workers(server):
    """End a server and its workers at once, as when the machine goes off: nobody gives anything
    back.
    """
    pids = in_sessions(workers_of(server))
    # or they would notice that the server is gone before their turn comes
    send(pids, signal.SIGSTOP)
    server.kill()
    send(pids, signal.SIGKILL)


def test_what_died_with_its_server_is_found_by_the_next_one(fresh, tmp_path):
    job_id, *_ = start_script(fresh, "tried_again", tmp_path)
    kill_with_workers(fresh)
    fresh.start()
    assert fresh.wait_for_end(job_id)["status"] == "completed"
    assert (
        "Lost during attempt 1: the worker was gone when the server started. It will run again."
        in [line["message"] for line in lines(fresh, job_id)]
    )


ENDS = [
    (Server.stop, "Stopped: the worker was shut down.", "the worker was shut down"),
    (Server.kill, "Stopped: the worker was shut down.", "the worker was shut down"),
    (
        kill_with_workers,
        "Lost during attempt 1: the worker was gone when the server started.",
        "the worker was gone when the server started",
    ),
]


@pytest.mark.parametrize(("end", "line", "reason"), ENDS, ids=["stop", "kill", "kill all"])
def test_a_command_that_does_not_say_that_it_may_be_is_never_begun_twice(
    fresh, tmp_path, end, line, reason
):
    """Whatever becomes of the server: it fails instead, as lost."""
    job_id, worker, script = start_script(fresh, "stubborn", tmp_path)
    sessions = workers_of(fresh)
    end(fresh)
    wait_for(lambda: not in_sessions(sessions), at_this_load(PROMPTLY), "the end of all")
    fresh.start()
    structure = fresh.wait_for_end(job_id, at_this_load(PROMPTLY))
    assert structure["status"] == "failed"
    (child,) = children(fresh, job_id)
    assert (child["status"], child["attempt"], child["error"]) == ("failed", 1, f"lost: {reason}")
    assert [(said["level"], said["message"]) for said in lines(fresh, job_id)][-1] == (
        "error",
        line,
    )
    assert pids_in(tmp_path / "pids") == [(worker, script)]
