"""The deciding half of the step monitor: moves steps and jobs on, and ends late ones.

One acts for a database. It compares what the store says with what follows from it, and writes the
difference. What it remembers is only what it has looked at: after a restart it looks again.
"""

import logging
import time
from functools import partial

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from jobsync import lifecycle, store
from jobsync.base.clock import now
from jobsync.base.errors import JobsyncError, StoreBusy
from jobsync.base.loop import in_turns
from jobsync.db.transactions import read
from jobsync.lifecycle import moves
from jobsync.status import RUNNING, TERMINAL

SWEEP = 5.0  # seconds between two looks at all unfinished jobs, whatever has changed
DELETIONS_KEPT = 60.0  # seconds that a deletion is kept for the notifiers of all processes
PAUSE = 0.01  # seconds between two transactions that clear away, for other writers

_log = logging.getLogger(__name__)


class Scheduler:
    """Moves steps and jobs on. clock: monotonic, in seconds."""

    def __init__(self, app, clock=time.monotonic):
        self._app = app
        self._clock = clock
        self._change = None  # jobs that changed up to here have been looked at
        self._swept_at = None
        self._deadlines = {}  # job id → (started_at, deadline by the clock, timeout in ms)
        self._deferred = set()  # jobs to be looked at again although they haven't changed
        self._broken = set()  # jobs that can't be moved on, which the log has been told
        self._deletions = {}  # change → when it was first seen
        self._is_clearing = False

    def tick(self):
        """Do what follows for the jobs that have changed, end those that are past their time, and
        clear away what deleted ones have left.

        Needs an app context. Raises StoreBusy or OperationalError when the database is locked.
        """
        self._move_on()
        self._end_late_jobs()
        self._note_deletions()

    @property
    def due(self):
        """When something must be done even if nothing changes: a list of times by the clock."""
        return [deadline for _, deadline, _ in self._deadlines.values()]

    # Moving on

    def _move_on(self):
        """Move on the jobs that changed since the last look, or each few seconds all that are
        unfinished.
        """
        if self._swept_at is None or self._clock() - self._swept_at >= SWEEP:
            self._sweep()
            return
        with read() as session:
            changed = store.jobs.changed_since(session, self._change)
        for job in in_turns(changed):
            self._move(job)
            self._change = job.change
        for job in in_turns(self._deferred_jobs(changed)):
            self._move(job)

    def _sweep(self):
        with read() as session:
            if self._change is None:
                self._change = store.jobs.last_change(session)
            unfinished = store.jobs.unfinished(session)
        self._swept_at = self._clock()
        self._broken &= {job.id for job in unfinished}
        for job in in_turns(unfinished):
            self._move(job)

    def _move(self, job):
        self._isolated(job.id, partial(self._note_deadline, job))
        if job.status not in TERMINAL and self._isolated(job.id, partial(moves.advance, job.id)):
            self._deferred.discard(job.id)

    def _deferred_jobs(self, changed):
        """Return the jobs that couldn't be moved last time and aren't among `changed`."""
        if not self._deferred:
            return []
        with read() as session:
            unfinished = store.jobs.unfinished(session)
        self._deferred &= {job.id for job in unfinished}
        ids = self._deferred - {job.id for job in changed}
        return [job for job in unfinished if job.id in ids]

    def _isolated(self, job_id, action):
        """Do something for one job, and say whether that went well.

        What is wrong with its rows is logged and must not stop the other jobs. What fails is tried
        again by the next tick.
        """
        try:
            action()
            return True
        except (StoreBusy, OperationalError):
            self._deferred.add(job_id)
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it is this job's alone
            if job_id not in self._broken:
                _log.exception("Job %s can't be moved on; the others are", job_id)
            self._broken.add(job_id)
            self._deferred.add(job_id)
            return False

    # Deadlines

    def _note_deadline(self, job):
        """Keep a job's deadline on the monotonic clock, so that a jump of the wall clock ends
        nothing.
        """
        known = self._deadlines.get(job.id)
        if job.status != RUNNING or job.timeout is None:
            self._deadlines.pop(job.id, None)
        elif known is None or known[0] != job.started_at:
            # it can't have begun in the future: a clock was set back
            left = min(job.started_at + job.timeout - now(), job.timeout) / 1000
            self._deadlines[job.id] = (job.started_at, self._clock() + left, job.timeout)

    def _end_late_jobs(self):
        for job_id, (_, deadline, timeout) in list(self._deadlines.items()):
            if self._clock() < deadline:
                continue
            reason = f"timed out after {timeout / 1000:g} s"
            if self._isolated(job_id, partial(lifecycle.time_out, job_id, reason)):
                del self._deadlines[job_id]

    # Deleted jobs

    def _note_deletions(self):
        """Clear away what was deleted, and forget what every process has had the time to tell."""
        moment = self._clock()
        with read() as session:
            seen = max(self._deletions, default=0)
            new = [deletion.change for deletion in store.jobs.deletions_since(session, seen)]
        self._deletions |= dict.fromkeys(new, moment)
        if new:
            self.clear_deleted()
        old = [change for change, at in self._deletions.items() if moment - at >= DELETIONS_KEPT]
        if old:
            moves.forget_deletions(max(old))  # they are seen in the order of their changes
        for change in old:
            del self._deletions[change]

    def clear_deleted(self):
        """Clear away in the background what deleted jobs have left."""
        if not self._is_clearing:
            self._is_clearing = True
            self._app.extensions["socketio"].start_background_task(self._clear_deleted)

    def _clear_deleted(self):
        try:
            while self._clear_some():
                time.sleep(PAUSE)
        except (SQLAlchemyError, JobsyncError) as error:
            _log.warning("What deleted jobs have left is cleared away later: %s", error)
        finally:
            self._is_clearing = False

    def _clear_some(self):
        with self._app.app_context():
            return lifecycle.clear_deleted()
