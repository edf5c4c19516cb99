"""Runs one program, hands out its output as it comes, and leaves nothing behind of all that it has
started (Linux).

The program has a process group of its own, and may make others, and sessions. What it starts stays
in its tree all the same: orphans become children of this process. A program that may leave
something running has a session of its own, since its worker's ends with the worker. Without /proc
(not Linux) the program's group is all that is known of it.
"""

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress

from jobsync.base import processes
from jobsync.base.errors import StepFailed
from jobsync.steps.command.pipes import OutputReader

# seconds from SIGTERM to SIGKILL for what a program that has ended by itself left running
GRACE = 1.5
LINGER = 1.0  # seconds that background processes may go on after the program itself has ended
# seconds to wait for killed processes to be gone; more would help only against a broken disk
KILLED = 2.0
TICK = 0.05  # seconds between looks whether something is left
BURST = 0.02  # seconds of killing children as they come, without a look at all processes
REAP = 1.0  # seconds between two looks at orphans that have ended while the program goes on


class Program:
    """One run of a program. `on_line(text, pipe)` is called in the thread that runs it; `pipe` is
    "stdout" or "stderr".

    merged: stderr's lines come as stdout's, in the exact order in which both were written.
    may_leave_running: what it has started goes on after it has ended by itself with exit code 0.
    grace: a function that returns the seconds from SIGTERM to SIGKILL after `stop`, 0 for no
    SIGTERM at all. It is called again and again until they are over: a shutdown may shorten them.
    """

    # marks of programs of this process that run, or have left something running: what carries one
    # is that program's
    _attempts = set()
    _left = set()  # numbers of children of this process that nobody waits for any more

    def __init__(
        self,
        argv,
        env,
        cwd,
        on_line,
        merged=False,
        may_leave_running=False,
        grace=lambda: GRACE,
    ):
        # names the processes that it left running and that were ended after it
        self.left_behind = ""
        self.not_ended = ""  # names those that could not be ended
        self.left = []  # the same, as `processes.listed` has them
        # the numbers of those that were asked to end, or killed, because of `stop`
        self.stopped = set()
        self._how = {"args": argv, "env": env, "cwd": cwd}
        self._on_line = on_line
        self._may_leave_running = may_leave_running
        self._grace = grace
        self._attempt = env.get(processes.ATTEMPT_MARK, "")
        self._before = set()
        self._asked = set()
        self._leaves = False
        self._groups = processes.Groups()
        self._process = None
        self._is_to_stop = False
        self._exited = False
        self._broken = None
        self._output = OutputReader(self._take_line, merged)

    def stop(self):
        """Have the program ended. From any thread, at any time, before `run` and after it too."""
        self._is_to_stop = True
        self._output.wake()

    @property
    def _stopping(self):
        return self._is_to_stop or self._broken is not None

    def run(self):
        """Run the program to its end and return its exit code: minus the signal's number if one
        killed it, None if nothing could end it.

        1. Hand out lines until the program has ended or is to be stopped. 2. After an end of its
        own, let what it has started go on for LINGER at most. 3. SIGTERM to all that is left of its
        tree, SIGKILL after the grace until nothing is left. 4. Hand out what is left in the pipes;
        who still holds one is not waited for. Raises StepFailed when the program can't be started,
        and what `on_line` raised, once the tree is gone.
        """
        Program._attempts.add(self._attempt)
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
            if not self._leaves:
                Program._attempts.discard(self._attempt)
        if self._broken:
            raise self._broken
        return self._process.returncode

    def _start(self):
        name = f"the program {self._how['args'][0]!r}"
        try:
            processes.adopt_orphans()
            Program._left = processes.reap(Program._left)
            self._before = processes.children()
            stdout, stderr = self._output.write_ends()
            own = {"start_new_session": True} if self._may_leave_running else {"process_group": 0}
            return subprocess.Popen(
                **self._how, **own, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
            )
        except FileNotFoundError as error:
            raise StepFailed(f"{name} was not found (or the interpreter that it names)") from error
        except OSError as error:
            raise StepFailed(f"{name} can't be run: {error.strerror}") from error
        except ValueError as error:
            raise StepFailed(
                f"{name} can't be run: an argument or a variable is not text that a program "
                "can be given"
            ) from error

    def _watch(self):
        """Have the end of the program noticed without reaping it: until then its number, which is
        its group's, can't be another's.
        """
        self._output.close_write_ends()
        try:
            self._watch_descriptor(os.pidfd_open(self._process.pid))
        except (AttributeError, OSError):  # a kernel without them, or no descriptor to be had
            threading.Thread(target=self._await_exit, name="await-exit", daemon=True).start()

    def _watch_descriptor(self, pidfd):
        try:
            self._output.watch(pidfd, self._note_exit)
        except OSError:
            os.close(pidfd)
            raise

    def _await_exit(self):
        with suppress(ChildProcessError):  # reaped already, so it has ended
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        self._note_exit()
        self._output.wake()

    def _note_exit(self):
        self._exited = True

    def _follow(self):
        reaped_at = time.monotonic()
        while not (self._exited or self._stopping):
            self._output.read(REAP)
            # or orphans that have ended would pile up, each with its number
            if time.monotonic() - reaped_at >= REAP:
                self._children()
                reaped_at = time.monotonic()
        if self._may_leave():
            return
        deadline = time.monotonic() + LINGER
        while not (self._stopping or self._is_gone()) and time.monotonic() < deadline:
            self._output.read(TICK)

    def _may_leave(self):
        """Say whether the program has ended so that what it has started may go on.

        One that failed is tried again, and alone then.
        """
        return (
            self._may_leave_running
            and not self._stopping
            and self._process is not None
            and self._process.poll() == 0
        )

    def _take_line(self, line, pipe):
        if self._broken:
            return
        try:
            self._on_line(line, pipe)
        except Exception as error:  # noqa: BLE001 - `run` raises it when the program has ended
            self._broken = error

    def _end_rest(self):
        """End what is still there of the program's tree, and note what it left running by
        itself.
        """
        self._leaves = self._may_leave()
        if self._leaves:
            Program._left |= self._children()
            return
        if self._exited and self._is_gone():
            return
        if self._exited and not self._stopping:
            self.left_behind = processes.shown(self._tree())
        if not self._is_gone_in_time():
            self._kill()

    def _is_gone_in_time(self):
        """Ask all that is left to end, and say whether it has when the grace is over."""
        if self._seconds_to_end() <= 0:
            return self._is_gone()
        is_news = self._ask()
        asked_at = time.monotonic()
        while not self._is_gone():
            rest = asked_at + self._seconds_to_end() - time.monotonic()
            if rest <= 0:
                return False
            self._output.read(min(rest, TICK))
            is_news = is_news and self._ask()
        return True

    def _seconds_to_end(self):
        return self._grace() if self._is_to_stop else GRACE

    def _ask(self):
        """Send SIGTERM to what hasn't had it, and say whether there was any.

        A look may miss what was being started, so the next one finds it. What is started by who was
        asked is how that tidies up.
        """
        tree = self._tree()
        new = {
            pid
            for pid, process in tree.items()
            if pid not in self._asked and process.parent not in self._asked
        }
        processes.send(signal.SIGTERM, new)
        self._asked |= new
        self._count_stopped(new)
        return bool(new)

    def _count_stopped(self, pids):
        if self._is_to_stop:
            self.stopped.update(pids)

    def _kill(self):
        """Kill until nothing is left.

        What forks and ends faster than a look at all processes takes is met as an orphan, or by its
        group.
        """
        deadline = time.monotonic() + KILLED
        while not self._is_gone():
            if time.monotonic() > deadline:
                self._give_up()
                return
            tree = self._tree()
            self._count_stopped(tree)
            self._groups.note(process.group for process in tree.values())
            processes.send(signal.SIGKILL, tree)
            self._groups.kill()
            self._kill_orphans()
            self._output.read(TICK)

    def _give_up(self):
        left = self._tree() or self._children()
        self.not_ended, self.left = processes.shown(left), processes.listed(left)
        self.stopped.difference_update(left)
        Program._left |= self._children()

    def _kill_orphans(self):
        until = time.monotonic() + BURST
        # whose dead ones can't be told from this program's
        are_others = Program._attempts != {self._attempt}
        while (orphans := self._children(reaped=are_others)) and time.monotonic() < until:
            self._count_stopped(pid for pid in orphans - self.stopped if processes.is_alive(pid))
            for pid in orphans:
                with suppress(ProcessLookupError):
                    # a dead one's too: what it has forked is still in it
                    self._groups.note([os.getpgid(pid)])
            processes.send(signal.SIGKILL, orphans)
            self._groups.kill()
            self._children()

    def _is_gone(self):
        """Say whether nothing is left of the program and what it has started. Reaps what has ended.

        While any of it lives, one of it is a child of this process: whoever's parent ends becomes
        one. So a look at these tells for certain.
        """
        if self._process.poll() is None:
            return False
        return not self._children() and (
            processes.is_known() or not processes.as_group(self._process.pid)
        )

    def _children(self, reaped=True):
        """Return the set of this process's children that are the program's. Those that have ended
        are reaped, if so wished.

        Empty only if there were none at one moment. Where all that were listed have ended, one that
        lived then may have forked since, and its child have come to this process: what a second
        list has is returned, dead or not.
        """
        listed = self._list_children()
        if not (reaped and listed):
            return listed
        return processes.reap(listed) or self._list_children()

    def _list_children(self):
        """All children of this process but those from before, and the program itself, which
        `_is_gone` reaps.
        """
        new = processes.children() - self._before - Program._left - {self._process.pid}
        return {pid for pid in new if not self._is_of_another_attempt(pid)}

    def _is_of_another_attempt(self, pid):
        others = Program._attempts - {self._attempt}
        return bool(others) and processes.is_marked(pid, processes.ATTEMPT_MARK, *others)

    def _tree(self):
        """Return `{pid: Process}` of what lives of the program: whatever descends from it, in
        whatever group or session.
        """
        if not processes.is_known():
            return processes.as_group(self._process.pid)
        roots = self._children() | (
            {self._process.pid} if self._process.returncode is None else set()
        )
        return processes.tree(roots, processes.living())

    def _read_rest(self):
        # a process that can't be ended may go on writing for ever
        deadline = time.monotonic() + LINGER
        while self._output.is_open and time.monotonic() < deadline and self._output.read(0):
            pass
        self._output.end()
