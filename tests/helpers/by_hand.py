"""Drives jobs by hand: what workers say and what the monitor does, one call at a time, with no
process, thread or clock.
"""

from contextlib import contextmanager
from types import SimpleNamespace

from sqlalchemy import String, bindparam, event, func, select

from helpers.ask import ask
from helpers.definition_files import define
from helpers.waiting import wait_for
from jobsync import store
from jobsync.base.clock import now
from jobsync.base.errors import StoreBusy, StoreUnwritable
from jobsync.db import prepared
from jobsync.db.extensions import db
from jobsync.db.models import Attempt, Child, Job, LogLine, Step, Stop, Worker
from jobsync.db.transactions import read, write
from jobsync.lifecycle import claims, moves, results, submit, workers
from jobsync.lifecycle.tasks import WITHIN_TOLERANCE, End, NewChild
from jobsync.registry import NoOptions, step
from jobsync.status import CHILD_STATUSES, COMPLETED, FAILED, LEVELS, RUNNING, TERMINAL
from jobsync.store.logs import Line


@step("by_hand", options=NoOptions)
def by_hand(context, unit):
    """A step type that has no summary; nobody ever runs it here."""


@step("by_hand_summed", options=NoOptions)
def by_hand_summed(context, unit):
    """The same with a summary."""


@by_hand_summed.summarize
def sum_up(context, results):
    """Sum up nothing."""
    return {}


class Hand:
    """The monitor's and the workers' parts, played by hand on an app's store.

    Needs an app context.
    """

    def __init__(self, app, folder):
        app.extensions["jobsync.registry"].register(by_hand, by_hand_summed)
        self.app, self.folder = app, folder

    def define(self, text):
        """Write a definition and return it, read and checked."""
        return self.app.extensions["jobsync.definitions"].find(define(self.folder, text))

    def submit(self, steps="[step.a]", head=""):
        """Submit a job with these steps (TOML; of type by_hand where none is given) and return
        its id.
        """
        lines = [
            line + '\ntype = "by_hand"'
            if line.startswith("[step.") and not line.endswith("#")
            else line
            for line in steps.splitlines()
        ]
        definition = self.define('id = "d"\n' + head + "\n" + "\n".join(lines))
        return submit(definition, {}, "api")

    def advance(self, job_id):
        """Do all that follows by itself, as the monitor's ticks would. Should a worker keep the
        database locked meanwhile, the next tick comes, as the monitor's does.
        """
        while wait_for(lambda: _tick(job_id), 20, "a turn to write").is_moved:
            pass

    def claim(self, worker="w1", number=1):
        """Take work for a worker, which is made known first."""
        if worker not in [row.id for row in ask(store.workers.heartbeats)]:
            workers.register(worker, 1)
        return claims.claim(worker, lambda step_pk: number)

    def plan(self, job_id, number, worker="w1", lines=()):
        """Claim a planning, find `number` children, end it, and return their names."""
        (task,) = self.claim(worker)
        assert task.kind == "plan", task
        assert results.add_planned(
            task,
            [NewChild(str(place), f"c{place}", {"n": place}) for place in range(1, number + 1)],
            lines,
        )
        results.finish_plan(task)
        self.advance(job_id)
        return task

    def begin(self, steps="[step.a]", number=1, head=""):
        """Submit a job and plan its first step. Returns the job's id."""
        job_id = self.submit(steps, head)
        self.advance(job_id)
        self.plan(job_id, number)
        return job_id

    def complete(self, task, result=None, lines=()):
        results.record(task, lines, [End(task, COMPLETED, result, None, now())])

    def fail(self, task, error="it broke", lines=()):
        results.record(task, lines, [End(task, FAILED, None, error, now())])

    def run_out(self, job_id, outcome="complete"):
        """Do everything that is left of a job in the plainest way: one child a step, all with
        the same outcome.
        """
        self.advance(job_id)
        while claimed := self.claim():
            for task in claimed:
                if task.kind == "plan":
                    results.add_planned(task, [NewChild("1", "c1", {})])
                    results.finish_plan(task)
                elif task.kind == "summary":
                    results.finish_summary(task, {"of": task.step_name})
                else:
                    getattr(self, outcome)(task)
            self.advance(job_id)
        return ask(store.structure.structure_of, job_id)["status"]

    def children(self, job_id, step_name="a"):
        return ask(store.children.page, job_id, step_name)["items"]

    def statuses(self, job_id):
        """Return `{step: status}`."""
        return {
            step["name"]: step["status"]
            for step in ask(store.structure.structure_of, job_id)["steps"]
        }

    def step(self, job_id, name="a"):
        return next(
            step
            for step in ask(store.structure.structure_of, job_id)["steps"]
            if step["name"] == name
        )


def line(message, level="info", child_pk=None):
    return Line(now(), level, message, child_pk)


def messages(job_id, step_name="a"):
    """Return the messages of all lines of a step."""
    query = (
        select(LogLine.message)
        .join(Step, Step.pk == LogLine.step_pk)
        .where(Step.job_id == job_id, Step.name == step_name)
    )
    with read() as connection:
        return list(connection.execute(query.order_by(LogLine.line)).scalars())


# What `recount` looks at, of one job or (job_id None) of all. Made once: histories are recounted
# after each event
OF_JOB = Step.job_id == func.coalesce(bindparam("job_id", type_=String), Step.job_id)
STEPS = select(Step.__table__, Job.status.label("job_status")).join(Job).where(OF_JOB)
COUNTED = (
    select(Child.step_pk, Child.status, func.count())
    .join(Step, Step.pk == Child.step_pk)
    .where(OF_JOB)
    .group_by(Child.step_pk, Child.status)
)
LINES = (
    select(
        LogLine.step_pk,
        LogLine.level,
        func.count().label("number"),
        func.min(LogLine.line).label("first"),
        func.max(LogLine.line).label("last"),
    )
    .join(Step, Step.pk == LogLine.step_pk)
    .where(OF_JOB)
    .group_by(LogLine.step_pk, LogLine.level)
)
CHILDREN = (
    select(Child.pk, Child.status, Child.attempt, Child.worker_id, Step.name)
    .join(Step, Step.pk == Child.step_pk)
    .where(OF_JOB)
)
STORED = (
    select(
        Attempt.child_pk,
        func.count().label("number"),
        func.max(Attempt.attempt).label("last"),
    )
    .group_by(Attempt.child_pk)
    .subquery()
)
MISCOUNTED = CHILDREN.outerjoin(STORED, STORED.c.child_pk == Child.pk).where(
    (func.coalesce(STORED.c.number, 0) != Child.attempt)
    | (func.coalesce(STORED.c.last, 0) != Child.attempt)
)
ATTEMPTS = (
    select(Attempt.child_pk, Attempt.attempt, Attempt.worker_id)
    .join(Child, Child.pk == Attempt.child_pk)
    .join(Step, Step.pk == Child.step_pk)
    .where(OF_JOB)
)
BEGUN = ATTEMPTS.where(Attempt.status == RUNNING)
TIMED_WRONGLY = ATTEMPTS.where((Attempt.status == RUNNING) != Attempt.finished_at.is_(None))
RUN = CHILDREN.where(Child.status == RUNNING)
# those of a step that has failed by its children may have been let go: see WITHIN_TOLERANCE
RUN_BY_NOBODY = (
    RUN.where(WITHIN_TOLERANCE)
    .outerjoin(Worker, Worker.id == Child.worker_id)
    .where(Worker.id.is_(None))
)
NOT_LEFT = CHILDREN.where(
    Child.status.in_(TERMINAL), Child.worker_id.is_not(None) | Child.due_at.is_not(None)
)
STOPPED_BY_NOBODY = (
    select(Stop.step_pk, Stop.child_pk, Stop.attempt, Stop.worker_id)
    .join(Step, Step.pk == Stop.step_pk)
    .outerjoin(Worker, Worker.id == Stop.worker_id)
    .where(OF_JOB, Stop.done_at.is_(None), Worker.id.is_(None))
)
RECEIPTS = (
    select(
        Job.id,
        Job.cancel_done_at,
        func.count(Stop.step_pk).label("all"),
        # what was cancelled after the job was retried is in no receipt
        func.count().filter(Stop.requested_at <= Job.cancel_requested_at).label("of_cancel"),
    )
    .join(Step, Step.job_id == Job.id)
    .outerjoin(Stop, (Stop.step_pk == Step.pk) & Stop.done_at.is_(None))
    .where(OF_JOB, Job.cancel_requested_at.is_not(None))
    .group_by(Job.id)
)


def recount(job_id=None):
    """Assert that all counters are what the rows say, that lines have no gaps, and that the
    contract's invariants hold, of attempts and stops too. Returns the number of steps.
    """
    given = {"job_id": job_id}
    with read() as connection:  # all of one moment
        find = connection.execute
        steps = find(STEPS, given).all()
        children, lines = {}, {}
        for pk, status, number in find(COUNTED, given):
            children.setdefault(pk, {})[status] = number
        for row in find(LINES, given):
            lines.setdefault(row.step_pk, []).append(row)
        for found in steps:
            assert_ended_rightly(found)
            assert_counted_rightly(found, children.get(found.pk, {}), lines.get(found.pk, []))
        assert_attempts_right(find, given)
        assert_stops_right(find, given)
    return len(steps)


def assert_ended_rightly(found):
    """found: a step's row with its job's status."""
    if found.job_status in TERMINAL:
        assert found.status in TERMINAL, (found.name, found.status)
    if found.status in TERMINAL:
        assert (found.pending, found.running) == (0, 0), found.name
        assert found.worker_id is None and found.finished_at is not None


def assert_counted_rightly(found, children, lines):
    """found: a step's row. children: how many there are, by status. lines: rows of LINES."""
    assert {status: getattr(found, status) for status in CHILD_STATUSES} == {
        status: children.get(status, 0) for status in CHILD_STATUSES
    }, found.name
    assert 0 <= found.old_failures <= found.failed, found.name
    levels = {row.level: row.number for row in lines}
    counted = [found.debug, found.info, found.warning, found.error_count]
    assert counted == [levels.get(place, 0) for place in range(len(LEVELS))], found.name
    last = max((row.last for row in lines), default=0)
    assert found.log_count == sum(levels.values()) == last, found.name
    assert min((row.first for row in lines), default=1) == 1, found.name


def assert_attempts_right(find, given):
    """Assert that each attempt of each child has its row, that those and only those are running
    that their children say, and that a live worker has each.
    """
    assert find(MISCOUNTED, given).all() == [], "attempts are missing, or too many"
    assert {(row.child_pk, row.attempt) for row in find(BEGUN, given)} == {
        (row.pk, row.attempt) for row in find(RUN, given)
    }, "not those attempts are running whose children are"
    assert find(TIMED_WRONGLY, given).all() == [], "an attempt has its end when it has ended"
    assert find(RUN_BY_NOBODY, given).all() == [], "these are run by nobody"
    assert find(NOT_LEFT, given).all() == [], "these have ended and are somebody's, or due"


def assert_stops_right(find, given):
    """Assert that who stops something lives, and that receipts are done when all has stopped."""
    assert find(STOPPED_BY_NOBODY, given).all() == [], "nobody stops these any more"
    for job in find(RECEIPTS, given):
        if job.cancel_done_at is None:
            assert job.all, f"the receipt of job {job.id} is never done"
        else:
            assert job.of_cancel == 0, f"the receipt of job {job.id} was done too early"


def _tick(job_id):
    """Return whether anything was moved, as `is_moved`; None without a turn to write."""
    try:
        return SimpleNamespace(is_moved=moves.advance(job_id))
    except StoreUnwritable:
        raise
    except StoreBusy:
        return None


@contextmanager
def hand_on(app, folder):
    """Give a Hand on an empty store within an app context.

    `folder` is the app's own: one app may serve many tests, since making one takes long.
    """
    with app.app_context():
        with write() as connection:
            for table in reversed(db.metadata.sorted_tables):
                if table.name != "counters":
                    connection.execute(table.delete())
        yield Hand(app, folder)


@contextmanager
def statements():
    """Gather the SQL statements that are sent meanwhile, the transactions' own aside."""
    sent = []

    def note(connection, cursor, statement, *_):
        if not statement.startswith("BEGIN"):
            sent.append(statement)

    def begin(self, connection, made, arguments):
        note(connection, None, made.text)
        begin_prepared(self, connection, made, arguments)

    event.listen(db.engine, "before_cursor_execute", note)
    begin_prepared, prepared._Run.__init__ = prepared._Run.__init__, begin
    try:
        yield sent
    finally:
        prepared._Run.__init__ = begin_prepared
        event.remove(db.engine, "before_cursor_execute", note)
