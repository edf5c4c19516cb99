"""Tells this process's loops that the store may have changed: at once for its own commits, within `POLL` for other processes'."""

import logging
import sqlite3
import threading
import time

from jobsync.extensions import db, open_watcher, socketio
from jobsync.trouble import Trouble

POLL = 0.005  # seconds between two looks while the store keeps changing; a look itself costs a few microseconds
REST = 0.05  # the same when nothing has changed for QUIET seconds: waking up is what costs an idle server
QUIET = 2.0

_log = logging.getLogger(__name__)


class Changes:
    """Wakes whoever waits. Losing a wake-up is impossible: a subscriber's event stays set until it looks."""

    def __init__(self):
        self._subscribers = []
        self._watcher = None
        self._trouble = Trouble(_log, "The database can't be watched for the moment")

    def init_app(self, app):
        """Open the connection that sees other connections' commits. Needs the database's folder to exist."""
        with app.app_context():
            self._watcher = open_watcher(db.engine)

    def subscribe(self):
        """Return an Event that is set after each change; the subscriber clears it before it looks at the store."""
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
        """Return a number that differs as soon as any connection has committed anything since it was last asked."""
        return self._watcher.execute("PRAGMA data_version").fetchone()[0]

    def watch(self):
        """Notify whenever the store has changed. Runs for ever: start it in the background."""
        seen, seen_at = None, 0.0
        while True:
            version = self._look()
            if version != seen:
                seen, seen_at = version, time.monotonic()
                self.notify()
            socketio.sleep(POLL if time.monotonic() - seen_at < QUIET else REST)

    def _look(self):
        """Return the version; one that can't be read counts as a change, so that nobody misses one."""
        try:
            version = self.version()
        except sqlite3.Error as error:
            self._trouble.note(error)
            return None
        self._trouble.over()
        return version


changes = Changes()
