"""Workers that die, stand still, or come back from the dead, as real processes of a real server."""

import os
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import select

from faults.faulty import at_this_load, is_alive, logged, make_server, said_in_order, workers_of
from helpers.apps import make_app
from helpers.ask import ask
from helpers.by_hand import messages, recount
from helpers.paths import ROOT
from helpers.waiting import wait_for
from jobsync import store
from jobsync.base.processes import WORKER_MARK as MARK
from jobsync.db.models import Child
from jobsync.db.transactions import read
from jobsync.engine import supervisor
from jobsync.lifecycle import workers

NOTICED = 5.0  # seconds within which the death of a worker is noticed

# One child that writes a line each 50 ms; "many" has thirty short ones, which a worker takes
# together.
SLOW = """
id = "slow"
[step.a]
type = "test_job_generator"
worker_count = 1
log_count = 60
log_delay_ms = 50
RETRIES
[step.many]
type = "test_job_generator"
depends = "a"
worker_count = 30
log_count = 3
log_delay_ms = 5
RETRIES
"""
SLEEPS = """
id = "sleeps"
[params.out]
type = "path"
[step.a]
type = "command"
run = ["sh", "-c", '''
echo "$$" >> "$PARAM_OUT/pids"
if [ "$(wc -l < "$PARAM_OUT/pids")" -gt 1 ]; then exit 0; fi
sleep 1000 &
echo "$!" > "$PARAM_OUT/background"
sleep 1000
''']
retries = 1
"""
NO_BATCH = "rerun_when_lost = false"  # as steps that aren't of a `batch` type have it
DEFINITIONS = [
    SLOW.replace("RETRIES", keys).replace('"slow"', f'"{name}"')
    for name, keys in {
        "slow": "",
        "tried": f"retries = 2\n{NO_BATCH}",
        "once": NO_BATCH,
    }.items()
]


@pytest.fixture
def server(tmp_path, request):
    """A running server with one worker or as many as the test's `server` parameter says."""
    server = make_server(
        tmp_path, (*DEFINITIONS, SLEEPS), JOBSYNC_WORKERS=str(getattr(request, "param", 1))
    ).start()
    yield server
    server.stop()


def children(server, job_id, step="a"):
    return server.get(f"/api/jobs/{job_id}/steps/{step}/children?limit=1000").json()["items"]


def lines(server, job_id, step="a"):
    return [
        line["message"]
        for line in server.get(f"/api/jobs/{job_id}/logs?step={step}&limit=5000").json()["items"]
    ]


def count(server, job_id, step=0):
    return server.structure(job_id)["steps"][step]


def wait_for_lines(server, job_id, number=10):
    wait_for(lambda: count(server, job_id)["log_count"] >= number, 30, "the child's first lines")


def assert_each_line_once(server, job_id, step, number):
    """Assert that each child has its last attempt's lines, all of them, and those of the
    attempts before, as far as these came.
    """
    with make_app(server.folder).app_context():
        recount(job_id)
        pk = ask(store.steps.get, job_id, step).pk
        with read() as connection:
            found = connection.execute(
                select(Child.pk, Child.attempt).where(Child.step_pk == pk)
            ).all()
    items = server.get(f"/api/jobs/{job_id}/logs?step={step}&limit=5000").json()["items"]
    for child in found:
        runs, last = said_in_order(
            [line["message"] for line in items if line["child_id"] == str(child.pk)]
        )
        assert runs <= child.attempt and last == number


# Killed


@pytest.mark.parametrize("definition", ["slow", "tried", "once"])
def test_a_worker_killed_in_the_middle_of_a_child_is_noticed_and_what_it_had_written_is_kept(
    server, definition
):
    job_id = server.submit(definition)
    wait_for_lines(server, job_id)
    (worker,) = workers_of(server)
    os.kill(worker, signal.SIGKILL)
    before = lines(server, job_id)
    lost = "Lost during attempt 1: the worker was killed by SIGKILL."
    lost += " It will run again." if definition != "once" else ""
    wait_for(lambda: lost in lines(server, job_id), at_this_load(NOTICED), "its being noticed")
    structure = server.wait_for_end(job_id)
    said = lines(server, job_id)
    assert said[: len(before)] == before and len(before) >= 10
    (child,) = children(server, job_id)
    if definition == "once":
        assert structure["status"] == "failed"
        assert (child["status"], child["attempt"], child["error"]) == (
            "failed",
            1,
            "lost: the worker was killed by SIGKILL",
        )
        assert (
            structure["error"]
            == "a: 1 child failed, first worker 1: lost: the worker was killed by SIGKILL"
        )
    else:
        assert (structure["status"], child["attempt"], child["error"]) == ("completed", 2, None)
        assert child["result"]["lines"] == 60
        assert_each_line_once(server, job_id, "a", 60)


@pytest.mark.parametrize("definition", ["slow", "tried"])
def test_a_child_whose_worker_is_killed_each_time_fails_at_its_third_attempt(server, definition):
    """When its two retries are used up, or as it may be work that kills workers."""
    job_id = server.submit(definition)
    for attempt in range(1, 4):
        wait_for(
            lambda attempt=attempt: children(server, job_id)[:1] and _runs(server, job_id, attempt),
            30,
            f"attempt {attempt}",
        )
        for pid in workers_of(server):
            os.kill(pid, signal.SIGKILL)
    assert server.wait_for_end(job_id)["status"] == "failed"
    (child,) = children(server, job_id)
    assert (child["attempt"], child["error"]) == (3, "lost: the worker was killed by SIGKILL")
    assert count(server, job_id)["children"] == {
        "pending": 0,
        "running": 0,
        "completed": 0,
        "failed": 1,
        "cancelled": 0,
    }


def _runs(server, job_id, attempt):
    (child,) = children(server, job_id)
    return child["status"] == "running" and child["attempt"] == attempt


@pytest.mark.parametrize("server", [2], indirect=True)
def test_short_children_whose_workers_are_killed_again_and_again_count_once_each(server):
    job_id = server.submit("slow")
    wait_for(
        lambda: count(server, job_id, 1)["children"]["completed"],
        60,
        "the first short children's ends",
    )
    os.kill(workers_of(server)[0], signal.SIGKILL)
    assert server.wait_for_end(job_id)["status"] == "completed"
    assert count(server, job_id, 1)["children"]["completed"] == 30
    found = children(server, job_id, "many")
    assert [child["result"]["lines"] for child in found] == [3] * 30
    assert_each_line_once(server, job_id, "many", 3)


# Stopped for a while


@pytest.mark.slow
def test_a_worker_that_only_stands_still_for_a_while_is_left_alone_and_goes_on(server):
    job_id = server.submit("slow")
    wait_for_lines(server, job_id)
    (worker,) = workers_of(server)
    os.kill(worker, signal.SIGSTOP)
    try:
        time.sleep(supervisor.LEASE / 2)  # the standing still itself: there is nothing to wait for
    finally:
        os.kill(worker, signal.SIGCONT)
    assert server.wait_for_end(job_id)["status"] == "completed"
    assert workers_of(server) == [worker]
    assert children(server, job_id)[0]["attempt"] == 1
    assert said_in_order(lines(server, job_id)) == (1, 60)


@pytest.mark.slow
@pytest.mark.parametrize("server", [2], indirect=True)
def test_a_worker_that_stands_still_for_longer_than_its_lease_is_taken_for_dead(server):
    job_id = server.submit("slow")
    wait_for_lines(server, job_id)
    with make_app(server.folder).app_context(), read() as connection:
        owner = connection.execute(
            select(Child.worker_id).where(Child.status == "running")
        ).scalar_one()
        pid = {row.id: row.pid for row in store.workers.heartbeats(connection)}[owner]
    os.kill(pid, signal.SIGSTOP)
    assert server.wait_for_end(job_id, 90)["status"] == "completed"
    assert not is_alive(pid)
    assert len(logged(server, f"Worker {owner} gave no sign of life")) == 1
    assert children(server, job_id)[0]["attempt"] == 2
    lost = "Lost during attempt 1: the worker was killed by SIGKILL. It will run again."
    assert lost in lines(server, job_id)
    assert_each_line_once(server, job_id, "a", 60)


def start_worker(folder, name):
    """Start a worker process that no server watches over, in a session of its own.

    Its standard input keeps it alive.
    """
    environ = {
        **os.environ,
        "JOBSYNC_DATA_DIR": str(folder / "data"),
        "JOBSYNC_DEFINITIONS": str(folder / "definitions"),
        MARK: name,
    }
    command = [sys.executable, "-m", "flask", "--app", str(ROOT / "app.py"), "worker", name]
    return subprocess.Popen(
        command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, start_new_session=True
    )


def test_one_that_was_taken_for_dead_and_comes_back_can_not_write_over_its_successor_s_result(
    hand, folder, request
):
    """It stands still in the middle of a child, which another worker does meanwhile; then it
    goes on.
    """
    job_id = hand.submit(
        '[step.a] #\ntype = "test_job_generator"\nworker_count = 1\nlog_count = 40\n'
        "log_delay_ms = 50\nretries = 1"
    )
    hand.advance(job_id)
    old = start_worker(folder, "old")
    request.addfinalizer(lambda: (old.stdin.close(), old.kill(), old.wait()))
    wait_for(
        lambda: (hand.advance(job_id), len(messages(job_id)) >= 5)[1],
        30,
        "the old one's first lines",
    )
    old.send_signal(signal.SIGSTOP)
    workers.release("old", "the worker gave no sign of life")
    (task,) = hand.claim("new")
    assert task.attempt == 2
    hand.complete(task, {"by": "new"})
    hand.advance(job_id)
    before, structure = hand.children(job_id), ask(store.structure.structure_of, job_id)
    old.send_signal(signal.SIGCONT)
    assert old.wait(30) == 3
    assert hand.children(job_id) == before and before[0]["result"] == {"by": "new"}
    after = ask(store.structure.structure_of, job_id)
    assert after["steps"][0]["children"] == structure["steps"][0]["children"]
    recount(job_id)


# Those of a server that was killed


def pids_in(file):
    return list(map(int, file.read_text().split())) if file.exists() else []


def start_sleeping(server, out):
    """Start a job whose command sleeps; return its id and the process numbers of the command
    and of what it has in the background.
    """
    job_id = server.submit("sleeps", out=str(out))
    (script,) = wait_for(lambda: pids_in(out / "pids"), 30, "the command's start")
    (background,) = wait_for(lambda: pids_in(out / "background"), 30, "the background process")
    return job_id, (script, background)


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_what_workers_of_a_killed_server_have_left_running_is_ended_by_the_next_one(
    server, tmp_path, fate
):
    job_id, commands = start_sleeping(server, tmp_path)
    (worker,) = workers_of(server)
    os.kill(worker, signal.SIGSTOP)
    server.kill()
    os.kill(worker, fate)
    assert all(map(is_alive, commands)), "nobody is there to end them"
    server.start()
    wait_for(
        lambda: not any(map(is_alive, (worker, *commands))),
        at_this_load(supervisor.ORPHANS + NOTICED),
        "the end of all that was left",
    )
    assert server.wait_for_end(job_id)["status"] == "completed"
    lost = "Lost during attempt 1: the worker was gone when the server started. It will run again."
    assert lost in lines(server, job_id)
    assert len(logged(server, "had left something running")) == 1


def test_a_process_that_has_a_dead_worker_s_number_by_now_is_left_alone(server):
    """As after the machine was started again: the row names a number that is a stranger's, who
    leads a session.
    """
    server.kill()
    stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        with make_app(server.folder).app_context():
            workers.register("long-gone", stranger.pid)
        server.start()
        with make_app(server.folder).app_context():
            wait_for(
                lambda: "long-gone" not in {row.id for row in ask(store.workers.heartbeats)},
                at_this_load(supervisor.ORPHANS),
                "its being forgotten",
            )
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
