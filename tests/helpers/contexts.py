"""A registry.Context by hand: what a step type's functions are given, with no store, no worker
and no monitor behind it.
"""

import json
import os
import threading
import time

from jobsync.base.errors import Stopped

PATIENCE = 20  # seconds until a test gives up
SHUTDOWN_GRACE = 1.5  # seconds, as the engine has it


class FakeContext:
    """A Context that keeps what it is told.

    lines: [(level, message)]; times: when each came, by the monotonic clock; steps: [(done, total)]
    of `progress`; stopped: [(number, left)] of `note_stopped`; spawned: Units; checks: a number.
    `on_log(message)` may be set, to be called at each line. options: the step's own, checked and
    through JSON as the store would have it. stop_after: calls of `check` that don't raise.
    """

    def __init__(
        self,
        step_type,
        params=None,
        attempt=1,
        step_name=None,
        last_input=None,
        cancel_grace=10.0,
        stop_after=None,
        **options,
    ):
        self.job_id, self.step_name, self.depends = "job", step_name or step_type.name, []
        self.attempt, self.attempt_id = attempt, f"job-{os.getpid()}/1/{attempt}"
        self.options = json.loads(json.dumps(step_type.options().load(options)))
        self.params = params or {}
        self.last_input = last_input
        self.cancel_grace = cancel_grace
        self.exit_code = self.stop_reason = None
        self.lines, self.times, self.steps, self.stopped, self.spawned = [], [], [], [], []
        self.on_log = lambda message: None
        self._stop_after = stop_after
        self.checks = 0
        self._callbacks = []
        self._news = threading.Condition()

    def log(self, message, level="info", at=None):
        self.on_log(message)
        with self._news:
            self.lines.append((level, message))
            self.times.append(time.monotonic())
            self._news.notify_all()

    def progress(self, done, total=None):
        self.steps.append((done, total))

    def check(self):
        self.checks += 1
        is_over = self._stop_after is not None and self.checks > self._stop_after
        if self.stop_reason or is_over:
            raise Stopped

    def on_stop(self, callback):
        if self.stop_reason:
            callback()
        else:
            self._callbacks.append(callback)

    def grace(self):
        if self.stop_reason == "shutdown":
            return min(self.cancel_grace, SHUTDOWN_GRACE)
        return self.cancel_grace

    def note_stopped(self, number, left):
        self.stopped.append((number, left))

    def spawn(self, unit):
        self.spawned.append(unit)

    def stop(self, reason="cancelled"):
        """Ask the work to stop, as the engine does."""
        self.stop_reason = reason
        for callback in self._callbacks:
            callback()

    def messages(self):
        return [message for _, message in self.lines]

    def warnings(self):
        return [message for level, message in self.lines if level in ("warning", "error")]

    def await_line(self, start=""):
        """Return the rest of the first line that begins with `start`, once it is there."""
        with self._news:
            assert self._news.wait_for(
                lambda: any(text.startswith(start) for text in self.messages()), PATIENCE
            ), self.lines
        return next(text.removeprefix(start) for text in self.messages() if text.startswith(start))
