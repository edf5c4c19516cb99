"""Runs one program in a process group of its own, hands out its output as it comes, and leaves nothing of the group behind (Linux).

The group stays in the worker's session: by that, whoever clears up after a killed worker finds what it had started. A process that leaves
the group on purpose (a daemon) is out of reach.
"""

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress

from jobsync.errors import StepFailed
from jobsync.steps._pipes import OutputReader

GRACE = 1.5  # seconds from SIGTERM to SIGKILL
LINGER = 1.0  # seconds that background processes may go on after the program itself has ended
KILLED = 2.0  # seconds to wait for killed processes to be gone; more would help only against a broken disk
TICK = 0.05  # seconds between looks whether a group still exists


class Program:
    """One run of a program. `on_line(text, pipe)` is called in the thread that runs it; `pipe` is "stdout" or "stderr".

    merged: stderr's lines come as stdout's, in the exact order in which both were written.
    """

    def __init__(self, argv, env, cwd, on_line, merged=False):
        self.left_behind = False  # processes in the background had to be ended
        self._how = {"args": argv, "env": env, "cwd": cwd}
        self._on_line = on_line
        self._process = None
        self._stopping = False
        self._exited = False
        self._broken = None
        self._output = OutputReader(self._take_line, merged)

    def stop(self):
        """Have the program ended. From any thread, at any time, before `run` and after it too."""
        self._stopping = True
        self._output.wake()

    def run(self):
        """Run the program to its end and return its exit code: minus the signal's number if one killed it, None if nothing could end it.

        1. Hand out lines until the program has ended or is to be stopped. 2. After an end of its own, let the rest of its group go on for
        LINGER at most. 3. SIGTERM to the group, SIGKILL after GRACE. 4. Hand out what is left in the pipes; who still holds one is not
        waited for. Raises StepFailed when the program can't be started, and what `on_line` raised, once the group is gone.
        """
        try:
            self._process = self._start()
            try:
                self._watch()
                self._follow()
            finally:
                self._end_group()
            self._read_rest()
        finally:
            self._output.close()
        if self._broken:
            raise self._broken
        return self._process.returncode

    def _start(self):
        name = f"the program {self._how['args'][0]!r}"
        try:
            stdout, stderr = self._output.write_ends()
            return subprocess.Popen(**self._how, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, process_group=0)
        except FileNotFoundError as error:
            raise StepFailed(f"{name} was not found (or the interpreter that it names)") from error
        except OSError as error:
            raise StepFailed(f"{name} can't be run: {error.strerror}") from error
        except ValueError as error:
            raise StepFailed(f"{name} can't be run: an argument or a variable is not text that a program can be given") from error

    def _watch(self):
        self._output.close_write_ends()
        threading.Thread(target=self._await_exit, name="await-exit", daemon=True).start()

    def _await_exit(self):
        """Notice the end of the program without reaping it: until then its number, which is its group's, can't be another's."""
        with suppress(ChildProcessError):  # reaped already, so it has ended
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        self._exited = True
        self._output.wake()

    def _follow(self):
        while not (self._exited or self._stopping):
            self._output.read()
        deadline = time.monotonic() + LINGER
        while not (self._stopping or self._is_gone()) and time.monotonic() < deadline:
            self._output.read(TICK)

    def _take_line(self, line, pipe):
        if self._broken:
            return
        try:
            self._on_line(line, pipe)
        except Exception as error:  # noqa: BLE001 - `run` raises it when the group has ended
            self._broken, self._stopping = error, True

    def _end_group(self):
        if self._exited and self._is_gone():
            return
        self.left_behind = self._exited and not self._stopping
        self._signal(signal.SIGTERM)
        if not self._is_gone_within(GRACE):
            self._signal(signal.SIGKILL)
            self._is_gone_within(KILLED)

    def _is_gone_within(self, seconds):
        deadline = time.monotonic() + seconds
        while not self._is_gone():
            if time.monotonic() > deadline:
                return False
            self._output.read(TICK)
        return True

    def _is_gone(self):
        """Say whether nothing living is left of the group. Reaps the program: from then on only its group can have its number."""
        return self._process.poll() is not None and not (self._signal(0) and _has_living(self._process.pid))

    def _signal(self, number):
        """Send a signal to the group, and say whether there is one."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True  # it runs as another user; the exit code None tells
        return True

    def _read_rest(self):
        deadline = time.monotonic() + LINGER  # a process that has left the group may go on writing for ever
        while self._output.is_open and time.monotonic() < deadline and self._output.read(0):
            pass
        self._output.end()


def _has_living(group):
    """Say whether a process group has a member that isn't dead and merely unreaped, as orphans stay in a container without an init."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, _, its_group = file.read().rpartition(b")")[2].split()[:3]
        except OSError:
            continue  # gone meanwhile
        if int(its_group) == group and state not in (b"Z", b"X"):
            return True
    return False
