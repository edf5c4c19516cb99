"""Processes of this machine, found through /proc (Linux; elsewhere these functions find nothing),
and ended for certain.

Two marks in the environment tell later, and to another process, what a process belongs to: the
worker that started it, and the attempt. A number alone doesn't: it may have been given to somebody
else since.
"""

import ctypes
import os
import signal
import socket
import time
from collections import defaultdict
from contextlib import suppress
from functools import cache
from typing import NamedTuple

WORKER_MARK = "STARTED_BY_WORKER"  # no JOBSYNC_…: commands get none of those
ATTEMPT_MARK = "STARTED_BY_ATTEMPT"
# seconds to wait for killed processes to be gone; more would help only against a broken disk
KILLED = 2.0
TICK = 0.02  # seconds between two looks at processes that are being killed
PATIENT_TICK = 0.1  # seconds between two looks at processes that are given time
TRIES = 3  # to list the children of threads that end meanwhile
SHOWN = 200  # characters of a command in a message
SET_CHILD_SUBREAPER = 36  # of prctl(2)


class Process(NamedTuple):
    """What /proc/PID/stat says of a process.

    `is_dead`: all its threads have ended, and nobody has reaped it.
    """

    pid: int
    is_dead: bool
    parent: int
    group: int
    session: int


def adopt_orphans():
    """Have descendants of this process whose parent ends become its own children (Linux's child
    subreaper), instead of init's.

    What a program puts into the background, into a session of its own or behind a double fork, then
    stays in this process's tree. What a fork makes doesn't have it.
    """
    _adopt_orphans(os.getpid())


@cache
def _adopt_orphans(_pid):
    with suppress(OSError, AttributeError):
        _libc().prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@cache
def _libc():
    return ctypes.CDLL(None)


@cache
def is_known():
    """Say whether this system tells of its processes in /proc, as Linux does."""
    return os.path.exists("/proc/self/stat")


def living():
    """Return `{pid: Process}` of all processes that live."""
    return {pid: process for pid, process in table().items() if not process.is_dead}


def table():
    """Return `{pid: Process}` of all processes."""
    found = ((pid, _look_up(pid)) for pid in _numbers())
    return {pid: process for pid, process in found if process}


def is_alive(pid):
    """Say whether a process lives: one that only waits to be reaped doesn't."""
    process = _look_up(pid)
    return process is not None and not process.is_dead


def _look_up(pid):
    """Return the Process of a number, None if there is none."""
    try:
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        # the first thread may end before others do
        is_dead = fields[0] in (b"Z", b"X") and int(fields[17]) <= 1
        return Process(pid, is_dead, int(fields[1]), int(fields[2]), int(fields[3]))
    except (OSError, ValueError, IndexError):  # gone meanwhile
        return None


def _read(path):
    """Return the bytes of a file of /proc.

    Without a file object, which takes twice as long: a table is hundreds of files.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while part := os.read(descriptor, 64 * 1024):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _numbers():
    with suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return []


def children():
    """Return the set of the numbers of this process's children, dead ones that it hasn't reaped
    included.

    Costs one call of the system where there are none, and a small file for each thread where there
    are. Those files are exact for one's own children, as long as no other thread reaps any
    meanwhile.
    """
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return set()
    for _ in range(TRIES):
        # a thread may end meanwhile, which hands its children to another one
        with suppress(OSError):
            return {
                int(pid)
                for thread in os.listdir("/proc/self/task")
                for pid in _read(f"/proc/self/task/{thread}/children").split()
            }
    # a kernel without these files
    return {process.pid for process in table().values() if process.parent == os.getpid()}


def reap(pids):
    """Reap those children of this process that have ended. Returns the set of the others."""
    return {pid for pid in pids if not _is_reaped(pid)}


def _is_reaped(pid):
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def tree(roots, processes):
    """Return `{pid: Process}` of `roots` and all their descendants among `processes`."""
    by_parent = defaultdict(list)
    for process in processes.values():
        by_parent[process.parent].append(process)
    found, waiting = {}, [processes[pid] for pid in roots if pid in processes]
    while waiting:
        process = waiting.pop()
        if process.pid not in found:
            found[process.pid] = process
            waiting += by_parent[process.pid]
    return found


def marked(mark, *values, among=None):
    """Return `{pid: Process}` of the living processes (of all, or of those `among` which to
    look) that carry a mark with one of these values.
    """
    wanted = {f"{mark}={value}".encode() for value in values}
    if not wanted:
        return {}
    among = living() if among is None else among
    return {pid: process for pid, process in among.items() if wanted.intersection(environment(pid))}


def is_marked(pid, mark, *values):
    """Say whether a process carries a mark with one of these values."""
    return not {f"{mark}={value}".encode() for value in values}.isdisjoint(environment(pid))


def of_worker(worker_id, pid, leads_session=False):
    """Return `{pid: Process}` of what a worker has started, and of the worker itself: who carries
    its mark or is in its session.

    What descends from these is too, whatever it has done to its environment. What descends from
    nobody but the worker isn't: it may have been left running on purpose. pid: the worker's number,
    and its session's, which somebody else may have by now unless one of the session carries the
    mark, or the caller knows that it `leads_session`.
    """
    processes = living()
    found = marked(WORKER_MARK, worker_id, among=processes)
    sessions = {
        process.session
        for process in found.values()
        if process.session in found or process.session == pid
    }
    sessions |= {pid} if leads_session else set()
    # of what was started outside of a container: the system's own, and anybody's
    sessions.discard(0)
    found |= {process.pid: process for process in processes.values() if process.session in sessions}
    return found | tree(found.keys() - {pid}, processes)


def as_group(group):
    """Return a process group as `{-group: Process}`, {} if it has no member: what there is to
    send signals to where there is no /proc.
    """
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return {}
    except PermissionError:
        pass  # of another user, or only dead ones, as macOS says
    return {-group: Process(-group, False, 0, group, 0)}


def environment(pid):
    """Return the environment that a process was started with, as `[b"NAME=value"]`; [] if it is
    gone or another user's.
    """
    try:
        return _read(f"/proc/{pid}/environ").split(b"\0")
    except OSError:
        return []


def send(number, processes):
    """Send a signal to processes. Those of other users, and those that are gone, are left alone."""
    for pid in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def await_end(find, seconds, sleep=time.sleep):
    """Wait until `find()` finds nothing, `seconds` at most. Returns what it finds then."""
    deadline = time.monotonic() + seconds
    while (found := find()) and time.monotonic() < deadline:
        sleep(PATIENT_TICK)
    return found


def kill_all(find, sleep=time.sleep):
    """Kill what `find()` finds, `{pid: Process}`, again and again until it finds nothing.

    Returns what can't be killed.
    """
    groups = Groups()
    deadline = time.monotonic() + KILLED
    while (found := find()) or groups.are_alive():
        if time.monotonic() > deadline:
            return found
        groups.note(process.group for process in found.values())
        groups.kill()
        send(signal.SIGKILL, found)
        sleep(TICK)
    return {}


class Groups:
    """The process groups of what is to be killed, this process's own left out.

    A program that forks and ends faster than /proc can be read is never found there alive. Its
    group is, and is killed at one stroke.
    """

    def __init__(self):
        self._numbers = set()

    def note(self, groups):
        """Add groups, by their numbers."""
        self._numbers |= set(groups) - {os.getpgid(0), 0}

    def kill(self):
        """Kill all of them.

        One that is gone is forgotten: its number may become somebody else's.
        """
        for group in list(self._numbers):
            try:
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                self._numbers.discard(group)
            except PermissionError:
                pass

    def are_alive(self):
        """Say whether any has a living member."""
        return bool(self._numbers) and any(
            process.group in self._numbers for process in living().values()
        )


def shown(processes):
    """Return one line that names processes: `123 (sleep 600), 124 (…)`, five of them at most."""
    names = [
        f"{pid} ({_command(pid)})" if pid > 0 else f"group {-pid}" for pid in sorted(processes)[:5]
    ]
    more = len(processes) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def listed(processes):
    """Return `[{"pid": number, "command": text}]` of processes, in the order of their numbers.

    Where there is no /proc it is the number of a group, which has no command.
    """
    return [
        {"pid": pid, "command": _command(pid)}
        if pid > 0
        else {"pid": -pid, "command": "a process group"}
        for pid in sorted(processes)
    ]


def named(processes):
    """Return what `listed` does, each with the name of this machine as its "host"."""
    host = socket.gethostname()
    return [{"host": host, **process} for process in listed(processes)]


def _command(pid):
    """Return a process's command on one line; arguments may have line ends, and a name any
    bytes.
    """
    try:
        words = (
            _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").split()
            or _read(f"/proc/{pid}/comm").split()
        )
    except OSError:
        return "gone"
    return b" ".join(words).decode("utf-8", "replace")[:SHOWN]
