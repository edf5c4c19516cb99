"""Workers take work: a step's planning or summing up, or children of one step."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import current_app
from sqlalchemy import Connection, bindparam, func, or_, select, text, update

from jobsync import store
from jobsync.base.trouble import Once
from jobsync.db.models import READY, Child, Job, Queue, Step, Worker
from jobsync.db.prepared import Prepared
from jobsync.db.transactions import read, write
from jobsync.lifecycle import rows
from jobsync.lifecycle.recording import Recording, rules_of
from jobsync.lifecycle.tasks import WITHIN_TOLERANCE, Task, steps_with, task_of
from jobsync.status import PENDING, PLAN, RUNNING, SUMMARY
from jobsync.store import limits

KEY = "jobsync.unreadable_steps"  # those that the log has been told of

JOBS, STEPS, CHILDREN, QUEUES = (
    Job.__table__,
    Step.__table__,
    Child.__table__,
    Queue.__table__,
)

_log = logging.getLogger(__name__)


def claim(worker_id: str, batch_size: Callable[[int], int]) -> list[Task]:
    """Take work for a worker: a list of Tasks of one step, empty when there is none.

    `batch_size(step_pk)` says how many children the worker would take of a step. The first Task is
    begun, the other children are only reserved for this worker: they stay pending until `record`
    begins or ends them. A higher priority comes first; jobs of the same priority take turns. A
    worker that is to end, or that was taken for dead, gets nothing.
    """
    with read() as connection:
        if not store.steps.is_work_waiting(connection):
            return []
    with write() as connection:
        worker = _worker_that_takes(connection, worker_id)
        if worker is None:
            return []
        _return_reserved(connection, worker_id)
        for step in _candidates(connection, worker.queues):
            with isolated(step.pk):
                tasks = _take_of(connection, worker_id, step, batch_size)
                if tasks:
                    return tasks
        return []


def _worker_that_takes(connection: Connection, worker_id: str) -> Any:
    """Return the `queues` of a worker that may take something, in a row; else None."""
    worker = WORKER.first(connection, {"worker": worker_id})
    return worker if worker and worker.state == "running" else None


def _return_reserved(connection: Connection, worker_id: str) -> None:
    """Make those children ready that are still reserved for this worker: one that asks has
    nothing in hand.
    """
    RETURN.change(connection, {"worker": worker_id})


WORKER = Prepared(
    select(Worker.__table__.c.state, Worker.__table__.c.queues).where(
        Worker.__table__.c.id == bindparam("worker")
    )
)
RETURN = Prepared(
    update(CHILDREN)
    .where(CHILDREN.c.worker_id == bindparam("worker"), CHILDREN.c.status == PENDING)
    .values(worker_id=None)
)
OTHERS = STEPS.alias("others")
IS_UNIT = STEPS.c.stage.in_((PLAN, SUMMARY)) & STEPS.c.worker_id.is_(None)
# The index that SQLite uses only where its condition stands in the query word by word
IS_READY = text(READY)
HAS_READY = (
    (STEPS.c.pending > 0)
    & WITHIN_TOLERANCE
    & select(CHILDREN.c.pk).where(CHILDREN.c.step_pk == STEPS.c.pk, IS_READY).exists()
)
# of all of the job's steps: a job with many steps at work is served enough
RUNNING_OF_JOB = (
    select(func.sum(OTHERS.c.running))
    .where(OTHERS.c.job_id == STEPS.c.job_id)
    .correlate(STEPS)
    .scalar_subquery()
)
IS_PAUSED = select(QUEUES.c.name).where(QUEUES.c.name == STEPS.c.queue, QUEUES.c.paused).exists()
CANDIDATES = (
    select(STEPS.c.pk, STEPS.c.queue, IS_UNIT.label("is_unit"))
    .join(JOBS, JOBS.c.id == STEPS.c.job_id)
    .where(STEPS.c.status == RUNNING, or_(IS_UNIT, HAS_READY), ~IS_PAUSED)
    .order_by(
        JOBS.c.priority.desc(),
        IS_UNIT.desc(),
        RUNNING_OF_JOB,
        JOBS.c.served,
        JOBS.c.number,
        STEPS.c.running,
        STEPS.c.position,
    )
    .limit(50)
)
ALL_CANDIDATES = Prepared(CANDIDATES)


def _candidates(connection: Connection, queues: list[str] | None) -> list[Any]:
    """Return rows `(pk, queue, is_unit)` of the steps that have work for a worker which serves
    these queues (None: all), in the order in which they get it.
    """
    if queues is None:
        return ALL_CANDIDATES.all(connection, {})
    return list(connection.execute(CANDIDATES.where(STEPS.c.queue.in_(queues))).all())


def _take_of(
    connection: Connection, worker_id: str, step: Any, batch_size: Callable[[int], int]
) -> list[Task]:
    found = STEP.first(connection, {"step": step.pk})
    if found is None:
        return []
    if step.is_unit:
        return _take_unit(connection, worker_id, found)
    return _take_children(connection, worker_id, found, batch_size(step.pk))


def claim_idle(task: Task, batch_size: Callable[[int], int]) -> list[Task]:
    """Take children of the step that `task` is planning, as `claim` does, if nobody is doing
    any of them.
    """
    idle = steps_with(Step.pk == task.step_pk, Step.pending > 0, Step.running == 0)
    with read() as connection:
        if connection.execute(idle).first() is None:
            return []
    with write() as connection:
        worker = _worker_that_takes(connection, task.worker_id)
        if worker is None:
            return []
        if not any(step.pk == task.step_pk for step in _candidates(connection, worker.queues)):
            return []
        step = connection.execute(idle).first()
        return _take_children(connection, task.worker_id, step, batch_size(step.pk)) if step else []


def _take_unit(connection: Connection, worker_id: str, step: Any) -> list[Task]:
    # made first: where it can't be, nothing has been claimed
    task = task_of(worker_id, step, step.stage, step.tries + 1)
    connection.execute(
        update(Step).where(Step.pk == step.pk).values(worker_id=worker_id, tries=Step.tries + 1)
    )
    rows.serve(connection, step.job_id)
    return [task]


@contextmanager
def isolated(step_pk: int) -> Iterator[None]:
    """Pass over a step whose rows can't be read, so that others get their turn.

    The log is told once.
    """
    try:
        yield
    except (ValueError, TypeError) as error:
        if current_app.extensions.setdefault(KEY, Once()).is_first(step_pk):
            _log.error(
                "Step %s can't be read and so can't be worked on; others are: %s", step_pk, error
            )


FREE = Prepared(
    select(CHILDREN.c.pk, CHILDREN.c.key, CHILDREN.c.input, CHILDREN.c.attempt)
    .where(CHILDREN.c.step_pk == bindparam("step"), IS_READY)
    .order_by(CHILDREN.c.pk)
    .limit(bindparam("number"))
)
RESERVE = Prepared(
    update(CHILDREN)
    .where(CHILDREN.c.pk == bindparam("child"))
    .values(worker_id=bindparam("worker"))
)
STEP = Prepared(steps_with(Step.pk == bindparam("step")))


def _take_children(connection: Connection, worker_id: str, step: Any, number: int) -> list[Task]:
    """Take pending children that are nobody's, if the step's limit leaves a place for a worker."""
    if step.concurrency is not None and limits.workers_on(connection, step.pk) >= step.concurrency:
        return []
    found = FREE.all(connection, {"step": step.pk, "number": number})
    if not found:
        return []
    # made first: where they can't be, nothing has been claimed
    tasks = [
        task_of(
            worker_id, step, "child", row.attempt + 1, child_pk=row.pk, key=row.key, input=row.input
        )
        for row in found
    ]
    RESERVE.change_each(connection, [{"child": row.pk, "worker": worker_id} for row in found])
    revision = rows.touch(connection, step.job_id, is_served=True)
    rules = rules_of(connection, step.pk)
    if rules is not None:
        recording = Recording(connection, rules, revision)
        recording.begin(tasks[0])
        recording.finish()
    return tasks
