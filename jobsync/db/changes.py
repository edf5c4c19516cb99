"""Tells this process's loops that the store may have changed: at once for its own commits, and for
other processes' as soon as they are written.

Where the system doesn't tell of writings (`jobsync.db.file_watch`) they are looked for every
`POLL`.
"""

import logging
import threading
import time

from flask import current_app
from werkzeug.local import LocalProxy

from jobsync.base.errors import StoreUnreadable
from jobsync.base.trouble import OngoingError
from jobsync.db.engine import dialect_of
from jobsync.db.extensions import db
from jobsync.db.file_watch import FileWatch

# seconds to the next looks after a writing: its commit may take a moment yet
SETTLING = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016)
# seconds after a change: busy workers commit hundreds of times a second
PAUSE = 0.003
# seconds between two looks while the store keeps changing, without a file watch; a look itself
# costs a few microseconds
POLL = 0.02
# the same when nothing has changed for QUIET seconds, and with a file watch, lest it be missed:
# waking up is what costs an idle server
REST = 0.05
QUIET = 2.0

_log = logging.getLogger(__name__)


class Changes:
    """Wakes whoever waits.

    Losing a wake-up is impossible: a subscriber's event stays set until it looks.
    """

    def __init__(self, watcher):
        self._subscribers = []
        self._watcher = watcher
        self._seen, self._seen_at = None, 0.0
        self._trouble = OngoingError(_log, "The database can't be watched for the moment")

    def subscribe(self):
        """Return an Event that is set after each change; the subscriber clears it before it
        looks at the store.
        """
        event = threading.Event()
        self._subscribers.append(event)
        return event

    def unsubscribe(self, event):
        """Set an event of `subscribe` no more."""
        self._subscribers.remove(event)

    def notify(self):
        """Say that this process has committed something."""
        for event in self._subscribers:
            event.set()

    def version(self):
        """Return a number that differs as soon as any connection has committed anything since
        it was last asked. Raises StoreUnreadable.
        """
        return self._watcher.version()

    def watch(self):
        """Notify whenever the store has changed. Runs for ever: start it in the background."""
        files = self._watch_files()
        self._see()
        while True:
            if files is None:
                time.sleep(POLL if time.monotonic() - self._seen_at < QUIET else REST)
                self._see()
            elif files.wait(REST):
                self._see_soon()
                time.sleep(PAUSE)
            else:
                self._see()

    def _watch_files(self):
        try:
            return FileWatch(self._watcher.folder)
        except OSError as error:
            _log.info(
                "Other processes' commits are looked for every %.0f ms: %s", 1000 * POLL, error
            )
            return None

    def _see_soon(self):
        """Look until the commit is seen that something written belongs to."""
        for seconds in SETTLING:
            time.sleep(seconds)
            if self._see():
                break

    def _see(self):
        """Notify if the store has changed since the last look, and return whether it has."""
        version = self._look()
        if version == self._seen:
            return False
        self._seen, self._seen_at = version, time.monotonic()
        self.notify()
        return True

    def _look(self):
        """Return the version; one that can't be read counts as a change, so that nobody misses
        one.
        """
        try:
            version = self.version()
        except StoreUnreadable as error:
            self._trouble.note(error)
            return None
        self._trouble.over()
        return version


KEY = "jobsync.changes"
changes = LocalProxy(lambda: current_app.extensions[KEY])  # those of the present app


def init_app(app):
    """Let the app see commits. Needs the folder of its database to exist. Raises SettingsError."""
    with app.app_context():
        app.extensions[KEY] = Changes(dialect_of(db.engine).Watcher(db.engine))
