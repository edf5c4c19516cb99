"""Processes of this machine, found through /proc (Linux; elsewhere these functions find nothing), and ended for certain.

Two marks in the environment tell later, and to another process, what a process belongs to: the worker that started it, and the attempt. A
number alone doesn't: it may have been given to somebody else since.
"""

import ctypes
import os
import signal
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

WORKER_MARK = "STARTED_BY_WORKER"  # no JOBSYNC_…: commands get none of those
ATTEMPT_MARK = "STARTED_BY_ATTEMPT"
KILLED = 2.0  # seconds to wait for killed processes to be gone; more would help only against a broken disk
TICK = 0.02  # seconds between two looks at processes that are to end
SHOWN = 200  # characters of a command in a message
SET_CHILD_SUBREAPER = 36  # of prctl(2)


@dataclass(frozen=True)
class Process:
    """What /proc/PID/stat says of a process. `is_dead`: it has ended, and nobody has reaped it."""

    pid: int
    is_dead: bool
    parent: int
    group: int
    session: int


def adopt_orphans():
    """Have descendants of this process whose parent ends become its own children (Linux's child subreaper), instead of init's.

    What a program puts into the background, into a session of its own or behind a double fork, then stays in this process's tree.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def living():
    """Return `{pid: Process}` of all processes that live."""
    return {pid: process for pid, process in table().items() if not process.is_dead}


def table():
    """Return `{pid: Process}` of all processes."""
    found = {}
    for pid in _numbers():
        with suppress(OSError, ValueError):
            stat = Path(f"/proc/{pid}/stat").read_bytes()
            state, *family = stat.rpartition(b")")[2].split()[:4]
            found[pid] = Process(pid, state in (b"Z", b"X"), *map(int, family))
    return found


def _numbers():
    with suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return []


def has_children():
    """Say whether this process has any child, dead ones that it hasn't reaped included. Costs one call of the system."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def children():
    """Return the set of the numbers of this process's living children."""
    if not has_children():
        return set()
    own = os.getpid()
    return {process.pid for process in living().values() if process.parent == own}


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


def marked(mark, *values):
    """Return `{pid: Process}` of the living processes that carry a mark with one of these values."""
    wanted = {f"{mark}={value}".encode() for value in values}
    if not wanted:
        return {}
    return {pid: process for pid, process in living().items() if wanted.intersection(environment(pid))}


def of_worker(worker_id, session=None):
    """Return `{pid: Process}` of a worker and what it has started: who carries its mark, and who is in a session that it made.

    session: the worker's session where the caller knows that no other can have that number by now.
    """
    found = marked(WORKER_MARK, worker_id)
    sessions = {process.session for process in found.values() if process.session in found} | {session}
    return found | {pid: process for pid, process in living().items() if process.session in sessions}


def environment(pid):
    """Return the environment that a process was started with, as `[b"NAME=value"]`; [] if it is gone or another user's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def reap_orphans(known):
    """Reap what has ended of this process's children but the `known` ones, which somebody else waits for."""
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in known:
            os.waitpid(ended.si_pid, 0)


def send(number, processes):
    """Send a signal to processes. Those of other users, and those that are gone, are left alone."""
    for pid in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end_all(find, grace, sleep=time.sleep):
    """Ask what `find()` finds to end, and kill what is left of it after `grace` seconds. Returns what can't be killed."""
    deadline = time.monotonic() + grace
    send(signal.SIGTERM, find())
    while find() and time.monotonic() < deadline:
        sleep(TICK)
    return kill_all(find, sleep)


def kill_all(find, sleep=time.sleep):
    """Kill what `find()` finds, `{pid: Process}`, again and again until it finds nothing. Returns what can't be killed."""
    groups = Groups()
    deadline = time.monotonic() + KILLED
    while (found := find()) or groups.are_alive():
        if time.monotonic() > deadline:
            return found
        groups.note(found)
        groups.kill()
        send(signal.SIGKILL, found)
        sleep(TICK)
    return {}


class Groups:
    """The process groups of what is to be killed, this process's own left out.

    A program that forks and ends faster than /proc can be read is never found there alive. Its group is, and is killed at one stroke.
    """

    def __init__(self):
        self._numbers = set()

    def note(self, processes):
        self._numbers |= {process.group for process in processes.values()} - {os.getpgid(0), 0}

    def kill(self):
        for group in self._numbers:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)

    def are_alive(self):
        """Say whether any has a member. Dead ones that nobody has reaped count."""
        for group in list(self._numbers):
            try:
                os.killpg(group, 0)
                return True
            except ProcessLookupError:
                self._numbers.discard(group)
            except PermissionError:
                return True
        return False


def shown(processes):
    """Return one line that names processes: `123 (sleep 600), 124 (…)`, five of them at most."""
    names = [f"{pid} ({_command(pid)})" for pid in sorted(processes)[:5]]
    more = len(processes) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _command(pid):
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ")
        return words.decode("utf-8", "replace")[:SHOWN] or Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "gone"
