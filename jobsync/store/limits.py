"""What holds a place in a limit, counted from rows: a counter could drift, and would then hold
places for ever.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select, union

from jobsync.db.models import Child, Job, Step, Stop
from jobsync.status import PENDING, RUNNING
from jobsync.store.jobs import MONITORED


def workers_on(connection: Connection, step_pk: int) -> int:
    """Return how many workers do children of a step, have some reserved, or are still stopping
    one.
    """
    # Of all children that are held, which are few, those of the step: the sum keeps the database
    # from doing it the other way round
    held = select(Child.worker_id).where(
        Child.worker_id.is_not(None), (Child.step_pk + 0) == step_pk
    )
    stopping = select(Stop.worker_id).where(
        Stop.step_pk == step_pk, Stop.child_pk > 0, Stop.done_at.is_(None)
    )
    both = union(held, stopping).subquery()
    return connection.execute(select(func.count()).select_from(both)).scalar_one()


def holders(connection: Connection, job: Any) -> Sequence[Row]:
    """Return rows `(id, status)` of jobs that keep a pending one from starting; none if it may.

    They run, or are still being stopped, though they may have been retried already, or wait too and
    come first: with a higher priority, or for longer with the same. As many of them as the limit
    has places.

    job: a row with `id`, `number`, `definition`, `priority`, `concurrency` and `concurrency_value`.
    """
    if job.concurrency is None:
        return []
    before = (Job.priority > job.priority) | (
        (Job.priority == job.priority) & (Job.number < job.number)
    )
    running = select(Job.id, Job.status).where(*_same_limit(job), Job.status == RUNNING)
    waiting = select(Job.id, Job.status).where(*_same_limit(job), Job.status == PENDING, before)
    # those of all definitions are few
    stopping = select(Job.id, Job.status).where(
        Job.id.in_(
            select(Step.job_id)
            .join(Stop, Stop.step_pk == Step.pk)
            .where(Stop.done_at.is_(None), Step.job_id.is_not(None))
        ),
        Job.status != RUNNING,
        Job.id != job.id,
        *_same_limit(job),
    )
    found: list[Row] = []
    for query in (running, stopping, waiting):
        others = query.where(Job.id.not_in([row.id for row in found]))
        found += connection.execute(others.limit(job.concurrency - len(found))).all()
        if len(found) == job.concurrency:
            return found
    return []


def _same_limit(job: Any) -> tuple[Any, ...]:
    return (
        Job.definition == job.definition,
        Job.concurrency.is_not(None),
        Job.concurrency_value.is_not_distinct_from(job.concurrency_value),
    )


def next_in_line(connection: Connection, job: Any) -> Sequence[Row]:
    """Return rows (`jobs.MONITORED`) of the jobs that wait in the same limit as `job`, or are it,
    and come next: as many as it has places for any of them, since each goes by the limit that its
    definition had when it was submitted. job: as of `holders`.
    """
    if job.concurrency is None:
        return []
    waiting = (*_same_limit(job), Job.status == PENDING)
    places = connection.execute(select(func.max(Job.concurrency)).where(*waiting)).scalar()
    query = MONITORED.where(*waiting).order_by(Job.priority.desc(), Job.number)
    return connection.execute(query.limit(places)).all() if places else []
