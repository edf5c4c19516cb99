"""Runs one program, hands out its output as it comes, and leaves nothing behind of all that it has started (Linux).

The program has a process group of its own, and may make others, and sessions. What it starts stays in its tree all the same: orphans become
children of this process. A program that may leave something running has a session of its own, since its worker's ends with the worker.
"""

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress

from jobsync import processes
from jobsync.errors import StepFailed
from jobsync.steps._pipes import OutputReader

GRACE = 1.5  # seconds from SIGTERM to SIGKILL
LINGER = 1.0  # seconds that background processes may go on after the program itself has ended
KILLED = 2.0  # seconds to wait for killed processes to be gone; more would help only against a broken disk
UNSEEN = 3  # looks in a row that find nothing of a program, where this process has other children too
TICK = 0.05  # seconds between looks whether something is left


class Program:
    """One run of a program. `on_line(text, pipe)` is called in the thread that runs it; `pipe` is "stdout" or "stderr".

    merged: stderr's lines come as stdout's, in the exact order in which both were written. may_leave_running: what it has started goes on
    after it has ended by itself.
    """

    def __init__(self, argv, env, cwd, on_line, merged=False, may_leave_running=False):
        self.left_behind = ""  # names the processes that it left running and that were ended after it
        self.not_ended = ""  # names those that could not be ended
        self._how = {"args": argv, "env": env, "cwd": cwd}
        self._on_line = on_line
        self._may_leave_running = may_leave_running
        self._before = set()
        self._groups = processes.Groups()
        self._has_others = False
        self._times_unseen = 0
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

        1. Hand out lines until the program has ended or is to be stopped. 2. After an end of its own, let what it has started go on for
        LINGER at most. 3. SIGTERM to all that is left of its tree, SIGKILL after GRACE until nothing is left. 4. Hand out what is left in the
        pipes; who still holds one is not waited for. Raises StepFailed when the program can't be started, and what `on_line` raised, once
        the tree is gone.
        """
        try:
            self._process = self._start()
            try:
                self._watch()
                self._follow()
            finally:
                self._end_rest()
            self._read_rest()
        finally:
            self._output.close()
        if self._broken:
            raise self._broken
        return self._process.returncode

    def _start(self):
        name = f"the program {self._how['args'][0]!r}"
        try:
            processes.adopt_orphans()
            self._before = processes.children()
            stdout, stderr = self._output.write_ends()
            own = {"start_new_session": True} if self._may_leave_running else {"process_group": 0}
            return subprocess.Popen(**self._how, **own, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
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
        if self._may_leave_running:
            return
        deadline = time.monotonic() + LINGER
        while not (self._stopping or self._is_gone()) and time.monotonic() < deadline:
            self._output.read(TICK)

    def _take_line(self, line, pipe):
        if self._broken:
            return
        try:
            self._on_line(line, pipe)
        except Exception as error:  # noqa: BLE001 - `run` raises it when the program has ended
            self._broken, self._stopping = error, True

    def _end_rest(self):
        """End what is still there of the program's tree, and note what it left running by itself."""
        if self._exited and self._is_gone():
            return
        if self._exited and not self._stopping:
            if self._may_leave_running:
                return
            self.left_behind = processes.shown(self._tree())
        processes.send(signal.SIGTERM, self._tree())
        if not self._is_gone_within(GRACE):
            self._kill()

    def _kill(self):
        deadline = time.monotonic() + KILLED
        while not self._is_gone():
            if time.monotonic() > deadline:
                self.not_ended = processes.shown(self._tree())
                return
            processes.send(signal.SIGKILL, self._tree())
            self._groups.kill()
            self._output.read(TICK)

    def _is_gone_within(self, seconds):
        deadline = time.monotonic() + seconds
        while not self._is_gone():
            if time.monotonic() > deadline:
                return False
            self._output.read(TICK)
        return True

    def _is_gone(self):
        """Say whether nothing is left of the program and what it has started. Reaps what has ended."""
        if self._process.poll() is None:
            return False
        is_seen = bool(self._tree())
        processes.reap_orphans(self._before)
        if not processes.has_children():
            return True
        self._times_unseen = 0 if is_seen or self._groups.are_alive() else self._times_unseen + 1
        return self._has_others and self._times_unseen >= UNSEEN

    def _tree(self):
        """Return `{pid: Process}` of what lives of the program: whatever descends from it, in whatever group or session.

        Orphans among its descendants become this process's own children: all children but those from before are the program's. Who carries
        another attempt's mark isn't: that one was allowed to leave it running. Dead ones tell the groups of what forks and ends too fast to
        be seen alive.
        """
        found = processes.table()
        children = {pid: process for pid, process in found.items() if process.parent == os.getpid()}
        own = {pid: process for pid, process in children.items() if pid not in self._before and not self._is_of_another_attempt(pid)}
        self._has_others = len(own) < len(children)
        living = {pid: process for pid, process in processes.tree(own, found).items() if not process.is_dead}
        self._groups.note(own | living)
        return living

    def _is_of_another_attempt(self, pid):
        mark = f"{processes.ATTEMPT_MARK}=".encode()
        own = mark + self._how["env"].get(processes.ATTEMPT_MARK, "").encode()
        return any(variable.startswith(mark) and variable != own for variable in processes.environment(pid))

    def _read_rest(self):
        deadline = time.monotonic() + LINGER  # a process that can't be ended may go on writing for ever
        while self._output.is_open and time.monotonic() < deadline and self._output.read(0):
            pass
        self._output.end()
