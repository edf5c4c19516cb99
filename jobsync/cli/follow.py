"""Following a job on the store, without a server: looks as soon as anything is committed, until
the job has ended.
"""

import time

from sqlalchemy.exc import OperationalError

from jobsync import store
from jobsync.base.errors import StoreUnreadable
from jobsync.cli import interrupt
from jobsync.db.changes import changes
from jobsync.db.transactions import read
from jobsync.status import TERMINAL
from jobsync.store import logs
from jobsync.store.workers import Heartbeats

INTERVAL = 0.05  # seconds between two looks whether anything was committed
WORKERS = 1.0  # seconds between two looks whether any worker lives
PATIENCE = 10.0  # seconds that a database is put up with which another process has locked
TROUBLE = 5  # warnings and errors told of
NO_WORKER = "no worker is running: start `python app.py`; the job waits"
NOBODY_STOPS = (
    "no worker is running: start `python app.py`, so that what is left of the job is ended"
)
WORKERS_CAME = "workers are running now"


class _Watch:
    """Reads the store whenever anything was committed."""

    def __init__(self):
        self._version = None
        self._looked = time.monotonic()

    def read(self, query):
        """Return what `query(connection)` answers, None if nothing was committed since the last
        time.

        A database that is locked for a moment is put up with: None too.
        """
        try:
            version = changes.version()
            if version == self._version:
                self._looked = time.monotonic()
                return None
            with read() as connection:
                answer = query(connection)
        # a server that starts or ends may lock readers out for a moment
        except (OperationalError, StoreUnreadable):
            if time.monotonic() - self._looked > PATIENCE:
                raise
            return None
        self._version, self._looked = version, time.monotonic()
        return answer


class _WorkerWatch:
    """Tells by `note(text)` when no worker lives, and when some do again. without: what it says
    then.
    """

    def __init__(self, note, without):
        self._note = note
        self._without = without
        self._heartbeats = Heartbeats()
        self._looked = None
        self._is_without = False

    def look(self):
        """Look once in a while."""
        moment = time.monotonic()
        if self._looked is not None and moment - self._looked < WORKERS:
            return
        self._looked = moment
        with read() as connection:
            is_without = self._heartbeats.look(connection) == 0
        if is_without != self._is_without:
            self._is_without = is_without
            self._note(self._without if is_without else WORKERS_CAME)


class Follower:
    """Follows one job and has a `screen` show it: `show(structure, trouble)`, `tick()`,
    `note(text)`.
    """

    def __init__(self, job_id, screen):
        self._job_id = job_id
        self._screen = screen
        self._watch = _Watch()
        self._workers = _WorkerWatch(screen.note, NO_WORKER)
        self._trouble = {}
        self._counts = {}

    def run(self):
        """Return the status in which the job has ended.

        Raises NotFound when it is deleted meanwhile.
        """
        while True:
            structure = self._watch.read(self._read)
            if structure:
                self._show(structure)
                if structure["status"] in TERMINAL:
                    return structure["status"]
            self._workers.look()
            self._screen.tick()
            interrupt.sleep(INTERVAL)

    def _read(self, connection):
        structure = store.structure.structure_of(connection, self._job_id)
        self._read_trouble(connection, structure["steps"])
        return structure

    def _show(self, structure):
        lines = sorted(sum(self._trouble.values(), []), key=lambda line: line["at"])
        self._screen.show(structure, lines[-TROUBLE:])

    def _read_trouble(self, connection, steps):
        """Read the latest warnings and errors of the steps that have new ones."""
        for step in steps:
            count = step["levels"]["warning"] + step["levels"]["error"]
            if count != self._counts.get(step["name"], 0):
                page = logs.page(
                    connection, self._job_id, step["name"], limit=TROUBLE, level="warning"
                )
                self._trouble[step["name"]] = page["items"]
                self._counts[step["name"]] = count


def wait_until_stopped(job_id, note):
    """Return the receipt of a job that was cancelled, once nothing of it is being stopped any more.

    note(text): tells when no worker lives. Raises NotFound when the job is deleted meanwhile.
    """
    watch, workers = _Watch(), _WorkerWatch(note, NOBODY_STOPS)
    while True:
        receipt = watch.read(lambda connection: store.jobs.get(connection, job_id)["cancellation"])
        if receipt and receipt["done_at"]:
            return receipt
        workers.look()
        interrupt.sleep(INTERVAL)


def _lines_after(last, job_id, step_name, level):
    with read() as connection:
        page = logs.page(connection, job_id, step_name, after=last, limit=1000, level=level)
    return page["items"]


def follow_lines(job_id, step_name, level, keep_on):
    """Yield a step's lines as `logs.page` shows them; with `keep_on` those to come too, until
    the step has ended. Raises NotFound.
    """
    last, version = 0, None
    while True:
        present = changes.version()
        if version is None or present != version:
            version = present
            # before its lines are read: none comes after that
            with read() as connection:
                ended = store.steps.get(connection, job_id, step_name).status in TERMINAL
            while items := _lines_after(last, job_id, step_name, level):
                for item in items:
                    interrupt.heed()
                    yield item
                last = items[-1]["line"]
            if ended or not keep_on:
                return
        interrupt.sleep(INTERVAL)
