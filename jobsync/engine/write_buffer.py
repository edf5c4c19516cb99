"""What a worker has to tell the store, gathered for a moment and told in one transaction."""

import logging
import threading
import time
from contextlib import contextmanager, nullcontext

from flask import has_app_context
from sqlalchemy.exc import OperationalError

from jobsync.base.errors import StoreBusy
from jobsync.base.trouble import OngoingError
from jobsync.lifecycle import results

MOST_LINES = 500
LONGEST = 0.2  # seconds that a line may wait
# seconds that a child that planning found stays here: other workers may have nothing to do
WAITED_FOR = 0.02
SHORT = 0.05  # seconds: children that end faster than this may share a transaction

_log = logging.getLogger(__name__)


def insist(call):
    """Return what `call()` returns.

    A locked database is waited for, however long: what is to be stored must not get lost.
    """
    trouble = OngoingError(_log, "A worker can't use the database; it tries again")
    while True:
        try:
            answer = call()
            trouble.over()
            return answer
        except (StoreBusy, OperationalError) as error:
            trouble.note(error)
            time.sleep(0.5)


class WriteBuffer:
    """Gathers the lines, ends, spawned and planned children of one step's tasks. Two threads use
    it: the one that works and the one that watches.

    Whatever is gathered is stored in the order in which it came, and kept until the store has taken
    it.
    """

    def __init__(self, app):
        self._app = app
        self._lock = threading.RLock()
        self._clear()
        self.task = None
        self.begun = True

    def _clear(self):
        self._lines, self._ended, self._spawned, self._planned = [], [], [], []
        self._progress = None
        self._since = None

    def begin_task(self, task, begun):
        """Say which task is being worked on, and whether the store knows that it was begun."""
        with self._lock:
            self.task, self.begun = task, begun
            self._progress = None  # of the task before, which has ended

    def add_lines(self, lines):
        """Gather lines. The five-hundredth stores them all."""
        self._gather("_lines", lines)
        if len(self._lines) >= MOST_LINES:
            with self._lock:
                if self._since:  # the other thread may just have stored them
                    insist(self._store_and_begin)

    def add_end(self, end):
        """Gather the end of a child."""
        self._gather("_ended", [end])

    def add_spawned(self, task, child):
        """Gather a child that `task` spawned."""
        self._gather("_spawned", [(task, child)])

    def add_planned(self, child):
        """Gather a child that planning found."""
        self._gather("_planned", [child])
        if len(self._planned) >= MOST_LINES or self.age() >= WAITED_FOR:
            self.flush()

    def set_progress(self, progress):
        """Remember how far the present task is: `(done, total)`. The latest is stored."""
        with self._lock:
            self._progress = progress
            self._since = self._since or time.monotonic()

    def _gather(self, box, items):
        with self._lock:
            # looked up under the lock: the other thread may just have emptied the box
            getattr(self, box).extend(items)
            self._since = self._since or time.monotonic()

    def age(self):
        """Return for how many seconds the oldest thing in it has waited."""
        since = self._since
        return time.monotonic() - since if since else 0.0

    def flush(self, begin=None):
        """Store all there is and begin the task `begin`.

        Returns whether that was begun. A locked database is waited for.
        """
        with self._lock:
            if not (begin or self._since):
                return False
            begun = insist(lambda: self._store(begin))
            self._clear()
            return begun

    # What the watching thread does: it has heartbeats to send as well, and so never insists

    def try_flush(self):
        """Store all there is, unless the other thread is about to.

        Raises StoreBusy or OperationalError; all is kept then.
        """
        with self._if_free() as is_free:
            if is_free and self._since:
                self._store_and_begin()

    def begin_current(self):
        """Have the store show the present task as running, if it isn't yet.

        Otherwise like `try_flush`.
        """
        with self._if_free() as is_free:
            if is_free and not self.begun:
                self._store_and_begin()

    @contextmanager
    def _if_free(self):
        is_free = self._lock.acquire(blocking=False)
        try:
            yield is_free
        finally:
            if is_free:
                self._lock.release()

    def _store_and_begin(self):
        """Store all there is, and that the present task was begun.

        A line of an attempt that the store doesn't know of would be counted as one of the next
        attempt, if the worker died now.
        """
        self._store(None if self.begun else self.task)
        self._clear()
        self.begun = True

    def _store(self, begin):
        # the working thread has one, and a second one would cost a fiftieth of a short child
        with nullcontext() if has_app_context() else self._app.app_context():
            if self.task.kind == "child":
                return results.record(
                    self.task, self._lines, self._ended, self._spawned, begin, self._progress
                )
            results.add_planned(self.task, self._planned, self._lines)
            return False
