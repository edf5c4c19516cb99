"""The deciding half of the step monitor: moves steps and jobs on, and ends late ones.

One acts for a database. It compares what the store says with what follows from it, and writes the
difference. What it remembers is only what it has looked at: after a restart it looks again.
"""

import logging
import time
from functools import partial

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from jobsync import lifecycle, store
from jobsync.base.errors import JobsyncError, StoreBusy
from jobsync.base.loop import in_turns
from jobsync.db.transactions import read
from jobsync.lifecycle import moves, parts, stops
from jobsync.monitor.deadlines import Deadlines
from jobsync.status import PENDING, RUNNING, TERMINAL

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
        self.changes = 0  # that the last tick has looked at
        self._swept_at = None
        self._deadlines = Deadlines(clock)
        self._version = None  # of the database, when it was last looked at
        self._engine = None  # which workers there were and which queues were paused
        self._deferred = set()  # jobs to be looked at again although they haven't changed
        self._broken = set()  # jobs that can't be moved on, which the log has been told
        self._deletions = {}  # change → when it was first seen
        self._is_clearing = False
        self._is_moved = False  # by the present tick

    def tick(self):
        """Do what follows for the jobs that have changed, end those that are past their time, and
        clear away what deleted ones have left.

        Needs an app context. Returns whether anything was moved on. Raises StoreBusy or
        OperationalError when the database is locked.
        """
        self._is_moved = False
        is_sweep, jobs, deletions = self._look()
        if is_sweep:
            self._sweep(jobs)
        else:
            self._move_on(jobs)
        self._do_due()
        self._note_deletions(deletions)
        return self._is_moved

    @property
    def due(self):
        """When something must be done even if nothing changes: a list of times by the clock."""
        return self._deadlines.times()

    # Moving on

    def _look(self):
        """Return `(is_sweep, jobs, deletions)`, rows of the jobs that changed and of those that
        were deleted since the last tick. Each few seconds it is a sweep, and the jobs are all that
        are unfinished.

        If anything has changed, see what the engine is like and what is due as well. All that in
        one transaction: a tick follows each change.
        """
        version = self._app.extensions["jobsync.changes"].version()
        with read() as connection:
            if version != self._version:
                self._note_engine(connection)
                self._note_due(connection)
                self._version = version
            if self._change is None:
                self._change = store.jobs.last_change(connection)
            is_sweep = self._swept_at is None or self._clock() - self._swept_at >= SWEEP
            if is_sweep:
                jobs, self.changes = store.jobs.unfinished(connection), 0
            else:
                jobs = store.jobs.changed_since(connection, self._change)
                self.changes = jobs[-1].change - self._change if jobs else 0
            seen = max(self._deletions, default=0)
            return is_sweep, jobs, store.jobs.deletions_since(connection, seen)

    def _note_engine(self, connection):
        """Have all unfinished jobs looked at when workers have come or gone or a queue was paused
        or resumed: what they wait for may be something else now.
        """
        engine = store.workers.engine(connection)
        if engine != self._engine:
            self._engine, self._swept_at = engine, None

    def _move_on(self, changed):
        """Move on the jobs that changed since the last look."""
        for job in in_turns(changed):
            self._move(job)
            if job.status in TERMINAL:
                self._start_next(job)
            self._change = job.change
        for job in in_turns(self._deferred_jobs(changed)):
            self._move(job)

    def _sweep(self, unfinished):
        self._swept_at = self._clock()
        self._broken &= {job.id for job in unfinished}
        limits = {}
        for job in in_turns(unfinished):
            if job.status == PENDING and job.concurrency is not None and job.waiting_for:
                # of thousands that wait for the same place only the first can have it
                limits.setdefault((job.definition, job.concurrency_value), job)
            else:
                self._move(job)
        for job in limits.values():
            self._start_next(job)

    def _start_next(self, job):
        """Start the jobs that wait for a place in the limit of `job`, if there is one."""
        with read() as connection:
            waiting = store.limits.next_in_line(connection, job)
        for other in waiting:
            self._move(other)

    def _move(self, job):
        self._isolated(job.id, partial(self._note_deadline, job))
        if job.status not in TERMINAL and self._isolated(job.id, partial(self._advance, job.id)):
            self._deferred.discard(job.id)

    def _advance(self, job_id):
        self._is_moved |= moves.advance(job_id)

    def _deferred_jobs(self, changed):
        """Return the jobs that couldn't be moved last time and aren't among `changed`."""
        if not self._deferred:
            return []
        with read() as connection:
            unfinished = store.jobs.unfinished(connection)
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

    # What is due

    def _note_deadline(self, job):
        is_timed = job.status == RUNNING and job.timeout is not None
        at = job.started_at + job.timeout if is_timed else None
        self._deadlines.note("job", job.id, at, job.timeout)

    def _note_due(self, connection):
        """Note when steps are too late, children may be tried again, and stops are given up."""
        steps = store.steps.timed(connection)
        retry = store.children.next_due(connection)
        stop = store.stops.next_deadline(connection)
        for step in steps:
            at = step.started_at + step.step_timeout
            self._deadlines.note("step", step.pk, at, step.step_timeout)
        self._deadlines.keep("step", {step.pk for step in steps})
        for kind, at in (("retry", retry), ("stop", stop)):
            self._deadlines.keep(kind, {at})
            self._deadlines.note(kind, at, at)

    def _do_due(self):
        for kind, key in self._deadlines.passed():
            if self._isolated(key, partial(self._do, kind, key)):
                self._deadlines.forget(kind, key)

    def _do(self, kind, key):
        self._is_moved = True
        if kind == "job":
            lifecycle.time_out(key)
        elif kind == "step":
            parts.time_out_step(key)
        elif kind == "retry":
            parts.make_ready(key)
        else:
            stops.give_up_late(key)

    # Deleted jobs

    def _note_deletions(self, deletions):
        """Clear away what was deleted, and forget what every process has had the time to tell."""
        moment = self._clock()
        new = [deletion.change for deletion in deletions]
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
