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
WORKERS_CAME = "workers are running now"


class Follower:
    """Follows one job and has a `screen` show it: `show(structure, trouble)`, `tick()`,
    `note(text)`.
    """

    def __init__(self, job_id, screen):
        self._job_id = job_id
        self._screen = screen
        self._version = None
        self._looked = time.monotonic()
        self._heartbeats = Heartbeats()
        self._workers_at = None
        self._without_workers = False
        self._trouble = {}
        self._counts = {}

    def run(self):
        """Return the status in which the job has ended.

        Raises NotFound when it is deleted meanwhile.
        """
        while True:
            status = self._look()
            if status in TERMINAL:
                return status
            self._look_for_workers()
            self._screen.tick()
            interrupt.sleep(INTERVAL)

    def _look(self):
        """Show the job if anything was committed since the last look, and return its status
        then.
        """
        try:
            version = changes.version()
            if version == self._version:
                return None
            with read() as session:
                structure = store.structure.structure_of(session, self._job_id)
                self._read_trouble(session, structure["steps"])
        # a server that starts or ends may lock readers out for a moment
        except (OperationalError, StoreUnreadable):
            if time.monotonic() - self._looked > PATIENCE:
                raise
            return None
        self._version, self._looked = version, time.monotonic()
        self._screen.show(
            structure,
            sorted(sum(self._trouble.values(), []), key=lambda line: line["at"])[-TROUBLE:],
        )
        return structure["status"]

    def _read_trouble(self, session, steps):
        """Read the latest warnings and errors of the steps that have new ones."""
        for step in steps:
            count = step["levels"]["warning"] + step["levels"]["error"]
            if count != self._counts.get(step["name"], 0):
                page = logs.page(
                    session, self._job_id, step["name"], limit=TROUBLE, level="warning"
                )
                self._trouble[step["name"]] = page["items"]
                self._counts[step["name"]] = count

    def _look_for_workers(self):
        moment = time.monotonic()
        if self._workers_at is not None and moment - self._workers_at < WORKERS:
            return
        self._workers_at = moment
        with read() as session:
            without = self._heartbeats.look(session) == 0
        if without != self._without_workers:
            self._without_workers = without
            self._screen.note(NO_WORKER if without else WORKERS_CAME)


def _lines_after(last, job_id, step_name, level):
    with read() as session:
        page = logs.page(session, job_id, step_name, after=last, limit=1000, level=level)
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
            with read() as session:
                ended = store.steps.get(session, job_id, step_name).status in TERMINAL
            while items := _lines_after(last, job_id, step_name, level):
                for item in items:
                    interrupt.heed()
                    yield item
                last = items[-1]["line"]
            if ended or not keep_on:
                return
        interrupt.sleep(INTERVAL)
