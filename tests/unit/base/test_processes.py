"""What belongs to a worker and to an attempt, looked up in the real process table."""

import os
import secrets
import signal
import subprocess
import sys
import time

import pytest

from jobsync.base import processes

PATIENCE = 20  # seconds until a test gives up
NOBODY = 2**22 + 1  # a number that no process has: Linux gives none above 2**22


@pytest.fixture
def worker_id():
    """A worker's id of which whatever carries it is gone after the test."""
    worker_id = secrets.token_hex(8)
    yield worker_id
    assert not processes.kill_all(lambda: processes.marked(processes.WORKER_MARK, worker_id))


def start(worker_id, script, **how):
    """Start `sh -c script` with a worker's mark, in a session of its own.

    Returns it, and the number that it prints first.
    """
    environ = {**os.environ, processes.WORKER_MARK: worker_id}
    process = subprocess.Popen(
        ["sh", "-c", script], env=environ, stdout=subprocess.PIPE, start_new_session=True, **how
    )
    with process.stdout:
        return process, int(process.stdout.readline())


UNMARKED = {
    "in a session of its own, below who carries the mark": (
        "env -i setsid sh -c 'echo $$; exec sleep 600' & wait"
    ),
    "in the session, below who carries the mark": "env -i sh -c 'echo $$; exec sleep 600' & wait",
}


@pytest.mark.parametrize("script", UNMARKED.values(), ids=UNMARKED)
def test_what_a_worker_s_command_started_without_the_mark_is_the_worker_s(script, worker_id):
    process, pid = start(worker_id, script)
    try:
        assert processes.of_worker(worker_id, NOBODY).keys() >= {process.pid, pid}
        assert not processes.kill_all(lambda: processes.of_worker(worker_id, NOBODY))
        assert pid not in processes.living()
    finally:
        process.kill()
        process.wait()


def test_an_orphan_without_the_mark_is_found_by_its_worker_s_session(worker_id):
    """Where one in it carries the mark, or the caller knows that the session is the worker's; a
    number alone says nothing.
    """
    process, pid = start(
        worker_id, "env -i sh -c 'echo $$; exec sleep 600' & (exec sleep 600) & exit"
    )
    session = process.pid
    process.wait()  # the worker is dead, its number may be given to others
    assert pid in processes.of_worker(worker_id, session)
    processes.send(signal.SIGKILL, processes.marked(processes.WORKER_MARK, worker_id))
    assert not processes.await_end(
        lambda: processes.marked(processes.WORKER_MARK, worker_id), PATIENCE
    )
    assert pid not in processes.of_worker(worker_id, session)
    assert pid in processes.of_worker(worker_id, session, leads_session=True)
    assert not processes.kill_all(lambda: processes.of_worker(worker_id, session, True))
    assert pid not in processes.living()


@pytest.mark.parametrize("leads_session", [False, True])
def test_what_is_in_no_session_of_this_container_is_never_a_worker_s(
    leads_session, worker_id, monkeypatch
):
    """Its session's number is 0: the kernel's threads and whatever was started from outside.

    Looked up in a table made by hand, nothing is sent.
    """
    system, marked = processes.Process(10, False, 0, 0, 0), processes.Process(11, False, 10, 11, 0)
    monkeypatch.setattr(processes, "living", lambda: {10: system, 11: marked})
    monkeypatch.setattr(
        processes,
        "environment",
        lambda pid: [f"{processes.WORKER_MARK}={worker_id}".encode()] if pid == 11 else [],
    )
    assert processes.of_worker(worker_id, 0, leads_session).keys() == {11}
    monkeypatch.undo()


def test_what_a_living_worker_was_allowed_to_leave_running_is_not_among_what_is_ended_with_it(
    worker_id,
):
    """It has neither the worker's mark nor its session, and may have become its child."""
    process, pid = start(
        worker_id, f"env -u {processes.WORKER_MARK} setsid sh -c 'echo $$; exec sleep 600' & wait"
    )
    try:
        assert pid not in processes.of_worker(worker_id, process.pid)
        assert process.pid in processes.of_worker(worker_id, process.pid)
    finally:
        processes.send(signal.SIGKILL, [pid, process.pid])
        process.wait()


def test_children_are_told_exactly_dead_ones_too():
    before = processes.children()
    alive, dead = subprocess.Popen(["sleep", "600"]), subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
        assert processes.children() - before == {alive.pid, dead.pid}
        assert processes.reap({alive.pid, dead.pid}) == {alive.pid}
        assert processes.children() - before == {alive.pid}
    finally:
        alive.kill()
        alive.wait()
        dead.wait()
    assert processes.children() - before == set()


def test_dead_members_that_nobody_reaps_do_not_keep_a_group_from_being_gone():
    """As in a container without an init: two seconds were lost with each worker that died."""
    process = subprocess.Popen(["sleep", "600"], process_group=0)
    table = {process.pid: processes.living()[process.pid]}
    started = time.monotonic()
    assert not processes.kill_all(
        lambda: {pid: found for pid, found in table.items() if pid in processes.living()}
    )
    assert time.monotonic() - started < processes.KILLED
    os.killpg(process.pid, 0)  # it is still there
    process.wait()


def test_what_is_given_time_is_not_asked_and_what_is_left_is_returned():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        found = {process.pid: processes.living()[process.pid]}
        assert processes.await_end(lambda: found, 0.1) == found
        assert process.poll() is None
        assert processes.await_end(dict, PATIENCE) == {}
    finally:
        process.kill()
        process.wait()


def test_processes_are_listed_with_their_commands_and_told_from_dead_ones():
    alive, dead = subprocess.Popen(["sleep", "600"]), subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
        assert processes.is_alive(alive.pid)
        assert not processes.is_alive(dead.pid)
        assert not processes.is_alive(NOBODY)
        known = processes.table()
        found = {pid: known[pid] for pid in (alive.pid, dead.pid)}
        assert processes.listed(found) == [
            {"pid": alive.pid, "command": "sleep 600"},
            {"pid": dead.pid, "command": "true"},
        ]
        assert processes.shown(found) == f"{alive.pid} (sleep 600), {dead.pid} (true)"
    finally:
        alive.kill()
        alive.wait()
        dead.wait()


def test_a_group_and_a_process_that_is_gone_are_listed_too():
    gone = {NOBODY: processes.Process(NOBODY, False, 1, 1, 1)}
    assert processes.listed(gone) == [{"pid": NOBODY, "command": "gone"}]
    assert processes.listed({-12: processes.Process(-12, False, 0, 12, 0)}) == [
        {"pid": 12, "command": "a process group"}
    ]
