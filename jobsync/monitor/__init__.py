"""The step monitor: moves steps and jobs on, and tells viewers what changed. One greenlet of the
web process.

A tick is a comparison of what the store says with what follows from it. Everything the monitor
remembers between ticks only keeps it from telling the same twice; after a restart it may tell
something again, which a hint may be, but can't leave anything out.
"""

import logging
import time
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from jobsync import lifecycle, store
from jobsync.base import metrics
from jobsync.base.clock import now
from jobsync.base.errors import JobsyncError, StoreBusy, StoreUnwritable
from jobsync.base.loop import in_turns
from jobsync.base.trouble import Trouble
from jobsync.db.changes import changes
from jobsync.db.extensions import socketio
from jobsync.lifecycle import moves
from jobsync.live import broadcast
from jobsync.status import TERMINAL

GROWTH = 1.0  # seconds between two messages about the growth of one step (contract section 3)
# seconds without a message after which a room gets a hint: under the contract's 2 s with LOOK and
# `store.BRIEFLY`
HEARTBEAT = 1.2
# the same for a room that somebody has joined, who then need not wait to know that the page is live
GREETING = 0.3
LOOK = 0.4  # seconds between two looks at what is due
PAUSE = 0.2  # seconds after a tick that failed: viewers go on getting their hints in time
# seconds after its last change that a terminal job is remembered: its processes may still write
# lines
MEMORY = 60.0
# steps told of without a break: a job may have 1,000 that change at once, and each viewer gets a
# message for each
SOME = 50
# seconds without a turn to write after which that is a trouble: a write that changes 100,000 rows
# takes a moment, and is none
BUSY = 2.0
SWEEP = 5.0  # seconds between two looks at all unfinished jobs, whatever was told

_log = logging.getLogger(__name__)


@dataclass
class Told:
    """What viewers of a job were told last: its status and revision, per step the number of
    lines, and what growth waits.
    """

    status: str | None = None
    revision: int = 1  # a job's steps are born at revision 1: nothing to tell of
    lines: dict = field(default_factory=dict)
    grown_at: dict = field(default_factory=dict)
    waiting: set = field(default_factory=set)
    at: float = 0.0


class Monitor:
    """Watches the store.

    `tick` does one step and can be called by a test; `run` does it for ever.
    """

    def __init__(self, app, clock=time.monotonic):
        self._app = app
        self._clock = clock
        self._wake = changes.subscribe()
        self._moved = None
        self._change = None
        self._told = {}
        self._messages_at = {}
        self._newcomers = set()  # rooms that somebody has joined who may have had no message yet
        self._news = 0  # that the feed was told of
        self._deadlines = {}
        self._unmoved = set()
        self._odd = set()  # jobs whose rows are wrong, which the log has been told
        self._swept_at = None
        self._clearing = False
        self._busy_since = None
        self.trouble = Trouble(_log, "The step monitor can't work")

    def run(self):
        """Tick whenever the store changes or something is due.

        An error is logged and kept in `trouble`, and the next tick tries again.
        """
        while True:
            self._wake.wait(self._until_due())
            self._wake.clear()
            try:
                self.tick()
                self.trouble.over()
                self._busy_since = None
            except StoreUnwritable as error:
                self.trouble.note(error)
                socketio.sleep(PAUSE)
            # it has waited for that one long enough, and viewers wait for their hints
            except StoreBusy as error:
                self._busy_since = self._busy_since or self._clock()
                if self._clock() - self._busy_since >= BUSY:
                    self.trouble.note(error)
            except Exception as error:  # noqa: BLE001 - whatever it is: a monitor that has ended would be worse
                self.trouble.note(error, exc_info=not isinstance(error, SQLAlchemyError | OSError))
                socketio.sleep(PAUSE)

    def tick(self):
        """Look at the store once.

        1. Move on the jobs that changed, and each a few seconds all that aren't terminal.
        2. End those that are past their time.
        3. Tell what has changed, from what is committed by now.
        4. Tell what has waited long enough, and give quiet rooms their hint.
        """
        with self._app.app_context():
            try:
                self._move_on()
                self._end_late_jobs()
            finally:  # a database that is locked for writers can still be read, and told of
                self._tell_changes()
                self._tell_growth()
                self._tell_quiet_rooms()
                self._tell_deletions()

    # Moving on

    def _move_on(self):
        """Move on the jobs that changed since the last look, or each few seconds all that are
        unfinished.

        `_moved` is how far this has come, `_change` how far `_tell_changes` has: a job that changes
        between the two of one tick is told of at once and has still to be moved on.
        """
        if self._change is None:
            self._change = self._moved = store.last_change()
        if self._swept_at is None or self._clock() - self._swept_at >= SWEEP:
            self._swept_at = self._clock()
            unfinished = store.unfinished_jobs()
            self._odd &= {job.id for job in unfinished}
            for job in in_turns(unfinished):
                self._move(job)
            return
        jobs = store.jobs_changed_since(self._moved)
        for job in in_turns(jobs):
            self._move(job)
            self._moved = job.change
        for job in in_turns(self._still_unmoved(jobs)):
            self._move(job)

    def _move(self, job):
        self._apart(job.id, partial(self._note_deadline, job))
        if job.status not in TERMINAL:
            self._advance(job.id)

    def _still_unmoved(self, jobs):
        """Return the jobs that couldn't be moved last time and aren't among `jobs`."""
        if not self._unmoved:
            return []
        unfinished = store.unfinished_jobs()
        self._unmoved &= {job.id for job in unfinished}
        names = self._unmoved - {job.id for job in jobs}
        return [job for job in unfinished if job.id in names]

    def _advance(self, job_id):
        """Move one job on. What can't be moved now is tried again by the next tick."""
        if self._apart(job_id, partial(moves.advance, job_id)):
            self._unmoved.discard(job_id)

    def _apart(self, job_id, action):
        """Do something for one job, and say whether that went well.

        What is wrong with its rows is logged and must not stop the other jobs.
        """
        try:
            action()
            return True
        except (StoreBusy, OperationalError):
            self._unmoved.add(job_id)
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it is this job's alone
            if job_id not in self._odd:
                _log.exception("Job %s can't be moved on; the others are", job_id)
            self._odd.add(job_id)
            self._unmoved.add(job_id)
            return False

    def _note_deadline(self, job):
        """Keep a job's deadline on the monotonic clock, so that a jump of the wall clock ends
        nothing.
        """
        known = self._deadlines.get(job.id)
        if job.status != "running" or job.timeout is None:
            self._deadlines.pop(job.id, None)
        elif known is None or known[0] != job.started_at:
            # it can't have begun in the future: a clock was set back
            left = min(job.started_at + job.timeout - now(), job.timeout) / 1000
            self._deadlines[job.id] = (job.started_at, self._clock() + left, job.timeout)

    def _end_late_jobs(self):
        for job_id, (_, deadline, timeout) in list(self._deadlines.items()):
            if self._clock() >= deadline and self._apart(
                job_id, partial(_time_out, job_id, timeout)
            ):
                del self._deadlines[job_id]

    # Telling

    def _tell_changes(self):
        for job in in_turns(store.jobs_changed_since(self._change)):
            self._apart(job.id, partial(self._note_deadline, job))
            self._tell_job(job)
            self._change = job.change

    def _tell_job(self, job):
        """Tell what changed in one job, SOME steps at a time.

        Each time reads one moment, and nothing yields before all of that is told: revisions can't
        fall. Of what changes in between the next time tells, the steps being in the order of their
        changes. Only when all is told is that remembered.
        """
        told = self._told.setdefault(job.id, Told())
        place, news, is_over = (told.revision,), False, False
        while not is_over:
            with store.read():
                head = store.job_head(job.id)
                steps = store.steps_changed_since(job.id, *place, limit=SOME)
            if head is None:
                return
            moved = [step for step in steps if step.status_revision > told.revision]
            for step in moved:
                self._send_step(job.id, step, head.revision, told, True)
            if steps and not moved:
                told.waiting.add(None)
            told.waiting |= {step.name for step in steps} - {step.name for step in moved}
            news, is_over = news or bool(moved), len(steps) < SOME
            if not is_over:
                place = (steps[-1].revision, steps[-1].position)
                socketio.sleep(0)
        if head.status != told.status:
            self._send_job(job.id, head.status, head.revision, True)
        if news or head.status != told.status:
            self._send_feed(job.id, head.status, head.revision, True)
            told.waiting.discard(None)
            metrics.BROADCAST.observe(max(0, now() - job.updated_at) / 1000)
        told.status, told.revision, told.at = head.status, head.revision, self._clock()

    def _send_step(self, job_id, step, revision, told, refresh_logs):
        broadcast.tell_step(job_id, step.name, step.status, revision, refresh_logs)
        self._note_message(broadcast.room_of(job_id))
        told.lines[step.name] = step.log_count
        told.waiting.discard(step.name)

    def _send_job(self, job_id, status, revision, refresh_logs):
        broadcast.tell_job(job_id, status, revision, refresh_logs)
        self._note_message(broadcast.room_of(job_id))

    def _send_feed(self, job_id, status, revision, refresh_logs):
        """Tell the feed.

        Of the news of a job that a list doesn't show nothing else would tell, so they are counted;
        hints at rest are no news.
        """
        self._news += refresh_logs or status == broadcast.DELETED
        broadcast.tell_feed(job_id, status, revision, refresh_logs, self._news)
        self._note_message(broadcast.FEED)

    def _tell_growth(self):
        """Tell of growth that waited: of each step at most once in GROWTH seconds; to the feed
        (key None) of each job likewise.
        """
        moment = self._clock()
        for job_id, told in list(self._told.items()):
            due = {
                name for name in told.waiting if moment - told.grown_at.get(name, -GROWTH) >= GROWTH
            }
            if due:
                self._tell_grown(job_id, told, due, moment)
            if told.status in TERMINAL and not told.waiting and moment - told.at > MEMORY:
                del self._told[job_id]

    def _until_due(self):
        """Return the seconds until the monitor must look again even if nothing changes."""
        due = [
            told.grown_at.get(name, 0) + GROWTH
            for told in self._told.values()
            for name in told.waiting
        ]
        due += [deadline for _, deadline, _ in self._deadlines.values()]
        return max(0.001, min([LOOK, *(moment - self._clock() for moment in due)]))

    def _tell_grown(self, job_id, told, due, moment):
        names = sorted(due - {None})
        for start in range(0, len(names), SOME):
            self._tell_grown_steps(job_id, told, names[start : start + SOME])
            socketio.sleep(0)
        head = store.job_head(job_id)
        if head and None in due:
            self._send_feed(job_id, head.status, head.revision, True)
        told.waiting -= due  # only now: what could not be sent is sent by the next tick
        told.grown_at |= dict.fromkeys(due, moment)

    def _tell_grown_steps(self, job_id, told, names):
        with store.read():
            head = store.job_head(job_id)
            steps = store.steps_named(job_id, names)
        for step in steps if head else ():
            self._send_step(
                job_id, step, head.revision, told, step.log_count != told.lines.get(step.name, 0)
            )

    def _tell_quiet_rooms(self):
        watched = broadcast.watched_jobs()
        self._newcomers |= broadcast.take_joined()
        quiet = [job_id for job_id in watched if self._is_quiet(broadcast.room_of(job_id))]
        for job in store.job_heads(quiet) if quiet else ():
            self._send_job(job.id, job.status, job.revision, False)
        if broadcast.is_feed_watched() and self._is_quiet(broadcast.FEED):
            job = store.last_changed_job()
            if job:
                self._send_feed(job.id, job.status, job.revision, False)
        self._forget_rooms({broadcast.room_of(job_id) for job_id in watched} | {broadcast.FEED})

    def _is_quiet(self, room):
        rest = GREETING if room in self._newcomers else HEARTBEAT
        return self._clock() - self._messages_at.get(room, -HEARTBEAT) >= rest

    def _note_message(self, room):
        self._messages_at[room] = self._clock()
        self._newcomers.discard(room)

    def _forget_rooms(self, watched):
        for room in self._messages_at.keys() - watched:
            del self._messages_at[room]
        self._newcomers &= watched

    def _tell_deletions(self):
        deletions = moves.untold_deletions()
        if not deletions:
            return
        for deletion in deletions:
            for send in (self._send_job, self._send_feed):
                send(deletion.job_id, broadcast.DELETED, deletion.revision, False)
            self._told.pop(deletion.job_id, None)
        moves.deletions_told([deletion.change for deletion in deletions])
        self.clear_deleted()

    # Clearing away

    def clear_deleted(self):
        """Clear away in the background what deleted jobs have left."""
        if not self._clearing:
            self._clearing = True
            socketio.start_background_task(self._clear_deleted)

    def _clear_deleted(self):
        try:
            while self._clear_some():
                socketio.sleep(0.01)
        except (SQLAlchemyError, JobsyncError) as error:
            _log.warning("What deleted jobs have left is cleared away later: %s", error)
        finally:
            self._clearing = False

    def _clear_some(self):
        with self._app.app_context():
            return lifecycle.clear_deleted()


def _time_out(job_id, timeout):
    lifecycle.time_out(job_id, f"timed out after {timeout / 1000:g} s")
