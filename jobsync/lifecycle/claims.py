"""Workers take work: a step's planning or summing up, or children of one step."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import current_app
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from jobsync import store
from jobsync.base.trouble import Once
from jobsync.db.models import Child, Step
from jobsync.db.transactions import moment, read, write
from jobsync.lifecycle import rows
from jobsync.lifecycle.tasks import WITHIN_TOLERANCE, Task, steps_with, task_of, tolerated
from jobsync.status import PENDING, PLAN, RUNNING, SUMMARY

KEY = "jobsync.unreadable_steps"  # those that the log has been told of

_log = logging.getLogger(__name__)


def claim(worker_id: str, batch_size: Callable[[int], int]) -> list[Task]:
    """Take work for a worker: a list of Tasks of one step, empty when there is none.

    `batch_size(step_pk)` says how many children the worker would take of a step. The first Task is
    begun, the other children are only reserved for this worker: they stay pending until `record`
    begins or ends them. Of all steps the one with the fewest running children comes first, so that
    a long job doesn't keep a short one waiting.
    """
    with read() as session:
        if not store.steps.is_work_waiting(session):
            return []
    with write() as session:
        return _claim_unit(session, worker_id) or _claim_children(session, worker_id, batch_size)


def claim_idle(task: Task, batch_size: Callable[[int], int]) -> list[Task]:
    """Take children of the step that `task` is planning, as `claim` does, if nobody is doing
    any of them.
    """
    idle = steps_with(Step.pk == task.step_pk, Step.pending > 0, Step.running == 0)
    with read() as session:
        if session.execute(idle).first() is None:
            return []
    with write() as session:
        step = session.execute(idle).first()
        return _take_children(session, task.worker_id, step, batch_size(step.pk)) if step else []


def _claim_unit(session: Session, worker_id: str) -> list[Task]:
    waiting = (
        select(Step.pk)
        .where(Step.status == RUNNING, Step.stage.in_((PLAN, SUMMARY)), Step.worker_id.is_(None))
        .order_by(Step.pk)
        .limit(50)
    )
    for pk in session.execute(waiting).scalars().all():
        with isolated(pk):
            step = session.execute(steps_with(Step.pk == pk)).first()
            if step:
                # made first: where it can't be, nothing has been claimed
                task = task_of(worker_id, step, step.stage, step.tries + 1)
                session.execute(
                    update(Step)
                    .where(Step.pk == step.pk)
                    .values(worker_id=worker_id, tries=Step.tries + 1)
                )
                return [task]
    return []


def _claim_children(
    session: Session, worker_id: str, batch_size: Callable[[int], int]
) -> list[Task]:
    waiting = (
        select(Step.pk)
        .where(Step.status == RUNNING, Step.pending > 0, WITHIN_TOLERANCE)
        .order_by(Step.running, Step.pk)
        .limit(50)
    )
    for pk in session.execute(waiting).scalars().all():
        with isolated(pk):
            step = session.execute(steps_with(Step.pk == pk)).first()
            tasks = _take_children(session, worker_id, step, batch_size(pk)) if step else []
            if tasks:
                return tasks
    return []


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


def _take_children(session: Session, worker_id: str, step: Any, number: int) -> list[Task]:
    """Take pending children that are nobody's.

    What is reserved for this worker is free as well: a worker that asks has nothing in hand.
    """
    fields = (Child.pk, Child.key, Child.input, Child.attempt)
    free = or_(Child.worker_id.is_(None), Child.worker_id == worker_id)
    query = select(*fields).where(Child.step_pk == step.pk, Child.status == PENDING, free)
    found = session.execute(query.order_by(Child.pk).limit(number)).all()
    if not found:
        return []
    # made first: where they can't be, nothing has been claimed
    tasks = [
        task_of(
            worker_id, step, "child", row.attempt + 1, child_pk=row.pk, key=row.key, input=row.input
        )
        for row in found
    ]
    session.execute(
        update(Child).where(Child.pk.in_([child.pk for child in found])).values(worker_id=worker_id)
    )
    begin_child(session, tasks[0], rows.touch(session, step.job_id))
    return tasks


def begin_child(session: Session, task: Task, revision: int) -> bool:
    guards = (
        Child.worker_id == task.worker_id,
        Child.attempt == task.attempt - 1,
        tolerated(task),
    )
    values = {"attempt": task.attempt, "started_at": moment(session)}
    begun = rows.move_child(session, task.child_pk, PENDING, RUNNING, *guards, **values)
    if begun:
        rows.count_children(session, task.step_pk, revision, [(PENDING, RUNNING)])
    return begun
