"""What a worker has started: the processes of its session, found through /proc (Linux; elsewhere these functions find nothing).

A worker and all that it starts carry a mark in their environment. The number of a dead worker may have been given to somebody else
since, and its session's too: a session is a worker's only if somebody in it carries the worker's mark.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

MARK = "STARTED_BY_WORKER"  # no JOBSYNC_…: commands get none of those


def members(session):
    """Return the process numbers of a session's members."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(int(entry.name)) == session:
                found.append(int(entry.name))
    return found


def kill_rest(session):
    """Kill the members of a session but its leader, which is a worker that is dead or about to end."""
    _kill(pid for pid in members(session) if pid != session)


def kill_own_rest(worker_id):
    """Kill what this process has started, if it is that worker and leads a session of its own."""
    if os.environ.get(MARK) == worker_id and os.getsid(0) == os.getpid():
        kill_rest(os.getpid())


def is_worker(pid, worker_id):
    """Say whether a process is that worker. A dead one that nobody has reaped is none."""
    return _is_marked(pid, worker_id)


def kill_left_behind(pid, worker_id):
    """Kill a worker that its server has left behind, and what it had started. Returns whether there was anything of it."""
    found = members(pid)
    if not any(_is_marked(member, worker_id) for member in found):
        return False
    _kill(found)
    return True


def _is_marked(pid, worker_id):
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # gone, or another user's
        return False
    return f"{MARK}={worker_id}".encode() in environment.split(b"\0")


def _kill(pids):
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
