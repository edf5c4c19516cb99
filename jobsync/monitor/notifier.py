"""The telling half of the step monitor: tells the viewers of this web process what has changed.

It reads and sends, and never writes. What it remembers only keeps it from telling the same twice:
after a restart it may tell something again, which a hint may be, but can't leave anything out.
"""

import time
from dataclasses import dataclass, field
from operator import itemgetter

from jobsync import store
from jobsync.base.clock import now
from jobsync.base.loop import in_turns
from jobsync.base.metrics import metrics
from jobsync.db.transactions import read
from jobsync.live import broadcast
from jobsync.status import TERMINAL

# seconds between two messages about the growth of one step (contract section 3)
GROWTH = 1.0
# seconds without a message after which a room gets a hint: with the time that a tick may take it
# stays under the contract's 2 s
HEARTBEAT = 1.2
# the same for a room that somebody has joined, who then need not wait to know that the page is live
GREETING = 0.3
# seconds after its last change that a terminal job is remembered: its processes may still write
# lines
MEMORY = 60.0
# steps told of without a break: a job may have 1,000 that change at once, and each viewer gets a
# message for each
CHUNK = 50


@dataclass
class ViewerState:
    """What viewers of a job were told last: its status and revision, and the lines of each step.

    `waiting` has the names of the steps whose growth waits to be told, None for the feed's.
    """

    status: str | None = None
    revision: int = 1  # a job's steps are born at revision 1: nothing to tell of
    lines: dict = field(default_factory=dict)
    grown_at: dict = field(default_factory=dict)
    waiting: set = field(default_factory=set)
    at: float = 0.0


class Notifier:
    """Tells this process's viewers. clock: monotonic, in seconds."""

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._change = None  # jobs that changed up to here have been told of
        self._deletion = 0  # the change of the last deletion that was told
        self._feed_change = 0  # that the feed's last message carried
        self._has_news = False  # in the present tick
        self._viewers = {}  # job id → ViewerState
        self._messages_at = {}  # room → when it had its last message
        self._newcomers = set()  # rooms that somebody has joined who may have had no message yet

    def tick(self):
        """Tell what has changed, what has waited long enough, and give quiet rooms their hint.

        Needs an app context. Returns whether any status has changed.
        """
        self._has_news = False
        self._tell_changes()
        self._tell_growth()
        self._tell_quiet_rooms()
        return self._has_news

    @property
    def due(self):
        """When something must be told even if nothing changes: a list of times by the clock."""
        return [
            viewers.grown_at.get(name, 0) + GROWTH
            for viewers in self._viewers.values()
            for name in viewers.waiting
        ]

    # Changes

    def _tell_changes(self):
        """Tell which jobs have changed and which were deleted, in the order of these changes."""
        with read() as connection:
            if self._change is None:
                self._change = self._feed_change = store.jobs.last_change(connection)
            changed = store.jobs.changed_since(connection, self._change)
            deletions = store.jobs.deletions_since(connection, self._deletion)
        to_tell = [(job.change, self._tell_changed, job) for job in changed]
        to_tell += [(deletion.change, self._tell_deleted, deletion) for deletion in deletions]
        for _, tell, row in in_turns(sorted(to_tell, key=itemgetter(0))):
            tell(row)

    def _tell_changed(self, job):
        self._tell_job(job)
        self._change = job.change

    def _tell_deleted(self, deletion):
        job_id, revision = deletion.job_id, deletion.revision
        self._send_job(job_id, broadcast.DELETED, revision, False)
        self._send_feed(job_id, broadcast.DELETED, revision, False, deletion.change)
        self._viewers.pop(job_id, None)
        self._deletion = deletion.change

    def _tell_job(self, job):
        """Tell what changed in one job, CHUNK steps at a time.

        Each time reads one moment, and nothing yields before all of that is told: revisions can't
        fall. Of what changes in between the next time tells, the steps being in the order of their
        changes. Only when all is told is that remembered.
        """
        viewers = self._viewers.setdefault(job.id, ViewerState())
        place, has_news, is_over = (viewers.revision,), False, False
        is_of_steps = False
        while not is_over:
            with read() as connection:
                head = store.jobs.head(connection, job.id)
                steps = store.steps.changed_since(connection, job.id, *place, limit=CHUNK)
            if head is None:
                return
            moved = [step for step in steps if step.status_revision > viewers.revision]
            for step in moved:
                self._send_step(job.id, step, head.revision, viewers, True)
            is_of_steps = is_of_steps or bool(steps)
            if steps and not moved:
                viewers.waiting.add(None)
            viewers.waiting |= {step.name for step in steps} - {step.name for step in moved}
            has_news, is_over = has_news or bool(moved), len(steps) < CHUNK
            if not is_over:
                place = (steps[-1].revision, steps[-1].position)
                time.sleep(0)  # green in the web process
        if head.status != viewers.status:
            self._send_job(job.id, head.status, head.revision, True)
        elif not is_of_steps and head.revision > viewers.revision:
            # of the job alone: what it waits for, or the receipt of a cancel
            self._send_job(job.id, head.status, head.revision, False)
        if has_news or head.status != viewers.status:
            self._send_feed(job.id, head.status, head.revision, True, job.change)
            viewers.waiting.discard(None)
            self._has_news = True
            metrics.broadcast.observe(max(0, now() - job.updated_at) / 1000)
        viewers.status, viewers.revision, viewers.at = head.status, head.revision, self._clock()

    # Growth

    def _tell_growth(self):
        """Tell of growth that waited: of each step at most once in GROWTH seconds.

        The feed (key None) is told of each job likewise.
        """
        moment = self._clock()
        for job_id, viewers in list(self._viewers.items()):
            due = {
                name
                for name in viewers.waiting
                if moment - viewers.grown_at.get(name, -GROWTH) >= GROWTH
            }
            if due:
                self._tell_grown(job_id, viewers, due, moment)
            is_idle = viewers.status in TERMINAL and not viewers.waiting
            if is_idle and moment - viewers.at > MEMORY:
                del self._viewers[job_id]

    def _tell_grown(self, job_id, viewers, due, moment):
        names = sorted(due - {None})
        for start in range(0, len(names), CHUNK):
            self._tell_grown_steps(job_id, viewers, names[start : start + CHUNK])
            time.sleep(0)  # green in the web process
        if None in due:
            with read() as connection:
                head = store.jobs.head(connection, job_id)
            if head:
                self._send_feed(job_id, head.status, head.revision, True)
        viewers.waiting -= due  # only now: what could not be sent is sent by the next tick
        viewers.grown_at |= dict.fromkeys(due, moment)

    def _tell_grown_steps(self, job_id, viewers, names):
        with read() as connection:
            head = store.jobs.head(connection, job_id)
            steps = store.steps.named(connection, job_id, names)
        for step in steps if head else ():
            has_lines = step.log_count != viewers.lines.get(step.name, 0)
            self._send_step(job_id, step, head.revision, viewers, has_lines)

    # Quiet rooms

    def _tell_quiet_rooms(self):
        watched = broadcast.watched_jobs()
        self._newcomers |= broadcast.take_joined()
        quiet = [job_id for job_id in watched if self._is_quiet(broadcast.room_of(job_id))]
        is_feed_quiet = broadcast.is_feed_watched() and self._is_quiet(broadcast.FEED)
        if quiet or is_feed_quiet:
            with read() as connection:
                heads = store.jobs.heads(connection, quiet) if quiet else ()
                last = store.jobs.last_changed(connection) if is_feed_quiet else None
            for job in heads:
                self._send_job(job.id, job.status, job.revision, False)
            if last:
                self._send_feed(last.id, last.status, last.revision, False)
        self._forget_rooms({broadcast.room_of(job_id) for job_id in watched} | {broadcast.FEED})

    def _is_quiet(self, room):
        rest = GREETING if room in self._newcomers else HEARTBEAT
        return self._clock() - self._messages_at.get(room, -HEARTBEAT) >= rest

    def _forget_rooms(self, watched):
        for room in self._messages_at.keys() - watched:
            del self._messages_at[room]
        self._newcomers &= watched

    # Sending

    def _send_step(self, job_id, step, revision, viewers, refresh_logs):
        broadcast.tell_step(job_id, step.name, step.status, revision, refresh_logs)
        self._note_message(broadcast.room_of(job_id))
        viewers.lines[step.name] = step.log_count
        viewers.waiting.discard(step.name)

    def _send_job(self, job_id, status, revision, refresh_logs):
        broadcast.tell_job(job_id, status, revision, refresh_logs)
        self._note_message(broadcast.room_of(job_id))

    def _send_feed(self, job_id, status, revision, refresh_logs, change=0):
        """Tell the feed of a job.

        Of the news of a job that a list doesn't show nothing else would tell, so each message
        carries the change up to which the feed has been told (`change`: the one that it is about),
        and the one of the message before.
        """
        since, self._feed_change = self._feed_change, max(self._feed_change, change)
        broadcast.tell_feed(job_id, status, revision, refresh_logs, self._feed_change, since)
        self._note_message(broadcast.FEED)

    def _note_message(self, room):
        self._messages_at[room] = self._clock()
        self._newcomers.discard(room)
