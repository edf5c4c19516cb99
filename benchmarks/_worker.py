"""Workers that a benchmark plays itself."""

import os
import secrets
import threading
import time

from sqlalchemy import update

from jobsync.base.clock import now
from jobsync.db.models import Worker
from jobsync.db.transactions import write
from jobsync.lifecycle import workers

BEAT = 2.0  # seconds between heartbeats
# seconds in which a server that has just started takes the workers that it finds for those of an
# earlier one, which are gone
SETTLE = 0.75


class Workers:
    """Workers that are known to the store, and whose heartbeats are sent. Use it in a `with`, in
    an app context, when the server has started. queues: those that they serve, None for all.
    """

    def __init__(self, app, queues=None):
        self._app = app
        self._queues = queues
        self._ids = []
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self):
        time.sleep(SETTLE)
        self._beating.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._beating.join()
        for worker_id in self._ids:
            workers.release(worker_id)

    def add(self):
        """Return the id of one more worker."""
        worker_id = secrets.token_hex(8)
        workers.register(worker_id, os.getpid(), self._queues)
        self._ids.append(worker_id)
        return worker_id

    def _beat(self):
        """Send the heartbeats of all of them in one transaction: they are not what is measured."""
        with self._app.app_context():
            while not self._ended.wait(BEAT):
                with write() as connection:
                    connection.execute(
                        update(Worker)
                        .where(Worker.id.in_(list(self._ids)))
                        .values(beat=Worker.beat + 1, beat_at=now())
                    )
