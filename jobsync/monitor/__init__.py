"""The step monitor: a scheduler that decides and writes, and a notifier that reads and tells.

One greenlet of the web process runs both. They don't know each other: each looks at the store.
"""

import logging
import time

from sqlalchemy.exc import SQLAlchemyError

from jobsync.base.errors import StoreBusy, StoreUnwritable
from jobsync.base.trouble import OngoingError
from jobsync.monitor.notifier import Notifier
from jobsync.monitor.scheduler import Scheduler

INTERVAL = 0.4  # seconds between two looks at what is due
# Seconds of rest, for each change, after a tick that found nothing but growth: busy workers commit
# hundreds of times a second, and a look at each would take a processor from them
REST = 0.002
LONGEST_REST = 0.03  # a change of a status may come meanwhile
PAUSE = 0.2  # seconds after a tick that failed: viewers go on getting their hints in time
# seconds without a turn to write after which that is a trouble: a write that changes 100,000 rows
# takes a moment, and is none
BUSY = 2.0

_log = logging.getLogger(__name__)


class Monitor:
    """Runs both halves. `tick` does one step and can be called by a test; `run` does it for ever.

    clock: monotonic, in seconds.
    """

    def __init__(self, app, clock=time.monotonic):
        self._app = app
        self._clock = clock
        self._wakeup = app.extensions["jobsync.changes"].subscribe()
        self._busy_since = None
        self.scheduler = Scheduler(app, clock)
        self.notifier = Notifier(clock)
        self.trouble = OngoingError(_log, "The step monitor can't work")

    def run(self):
        """Tick whenever the store changes or something is due.

        An error is logged and kept in `trouble`, and the next tick tries again.
        """
        while True:
            self._wakeup.wait(self.until_due())
            self._wakeup.clear()
            try:
                is_news = self.tick()
                self.trouble.over()
                self._busy_since = None
                if not is_news:
                    time.sleep(min(LONGEST_REST, REST * self.scheduler.changes))
            except StoreUnwritable as error:
                self.trouble.note(error)
                time.sleep(PAUSE)
            # it has waited for that one long enough, and viewers wait for their hints
            except StoreBusy as error:
                self._busy_since = self._busy_since or self._clock()
                if self._clock() - self._busy_since >= BUSY:
                    self.trouble.note(error)
            except Exception as error:  # noqa: BLE001 - whatever it is: a monitor that has ended would be worse
                self.trouble.note(error, exc_info=not isinstance(error, SQLAlchemyError | OSError))
                time.sleep(PAUSE)

    def tick(self):
        """Look at the store once: do what follows, and tell what is committed by then.

        Returns whether any status has changed.
        """
        with self._app.app_context():
            try:
                is_moved = self.scheduler.tick()
            finally:  # a database that is locked for writers can still be read, and told of
                is_told = self.notifier.tick()
        return is_moved or is_told

    def until_due(self):
        """Return the seconds until the monitor must look again even if nothing changes."""
        due = [*self.scheduler.due, *self.notifier.due]
        return max(0.001, min([INTERVAL, *(at - self._clock() for at in due)]))

    def close(self):
        """Be woken no more."""
        self._app.extensions["jobsync.changes"].unsubscribe(self._wakeup)
