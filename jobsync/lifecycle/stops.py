"""Cancelled work that a worker still does, until it says that nothing of it runs any more.

Each piece is a row: a job's receipt is counted from them, and so is what still holds its place in a
limit.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Row, exists, select, update

from jobsync import store
from jobsync.db.models import Child, Job, Step, Stop, Worker
from jobsync.db.transactions import BRIEFLY, moment, write
from jobsync.lifecycle import rows
from jobsync.lifecycle.tasks import Task
from jobsync.status import PENDING

Left = dict[str, Any]  # {"host", "pid", "command"}


def confirm_stop(task: Task, stopped: int = 0, left: Sequence[Left] = ()) -> None:
    """Say that nothing of a task runs any more that was cancelled while it ran.

    stopped: how many processes were ended. left: those that could not be, each
    `{"host", "pid", "command"}`. Does nothing for a task that wasn't cancelled.
    """
    with write() as connection:
        if close(connection, task, stopped, left):
            finish(connection, [task.step_pk])


def close(connection: Connection, task: Task, stopped: int = 0, left: Sequence[Left] = ()) -> bool:
    """Close the row of what is stopped of a task, and say whether there was an open one.

    The caller calls `finish` for the steps of those that were closed.
    """
    child_pk = task.child_pk or 0
    query = (
        update(Stop)
        .where(
            Stop.step_pk == task.step_pk,
            Stop.child_pk == child_pk,
            Stop.attempt == task.attempt,
            Stop.done_at.is_(None),
        )
        .values(done_at=moment(connection), stopped=stopped, left=list(left))
    )
    if cast(CursorResult, connection.execute(query)).rowcount == 0:
        return False
    _let_go_on(connection, [child_pk])
    return True


def is_stopping(connection: Connection, job_id: str) -> bool:
    """Say whether something of a job is still being stopped."""
    query = select(Stop.step_pk).join(Step, Step.pk == Stop.step_pk)
    query = query.where(Step.job_id == job_id, Stop.done_at.is_(None)).limit(1)
    return connection.execute(query).first() is not None


def _let_go_on(connection: Connection, child_pks: Iterable[int]) -> None:
    """Make those children ready that were retried while their last attempt was being stopped."""
    connection.execute(
        update(Child)
        .where(Child.pk.in_(child_pks), Child.status == PENDING, Child.failures == 0)
        .values(due_at=None)
    )


def finish(connection: Connection, step_pks: Iterable[int]) -> None:
    """Do what follows for the jobs of steps where something has stopped: they have changed, and
    of one of which nothing runs any more the receipt is done, and the place in its limit is free.
    """
    jobs = select(Step.job_id).where(Step.pk.in_(step_pks), Step.job_id.is_not(None)).distinct()
    for job_id in filter(None, connection.execute(jobs).scalars().all()):
        rows.touch(connection, job_id)
        open_one = exists().where(
            Stop.step_pk == Step.pk, Step.job_id == job_id, Stop.done_at.is_(None)
        )
        connection.execute(
            update(Job)
            .where(
                Job.id == job_id,
                Job.cancel_requested_at.is_not(None),
                Job.cancel_done_at.is_(None),
                ~open_one,
            )
            .values(cancel_done_at=moment(connection))
        )
        rows.pass_place_on(connection, store.jobs.monitored(connection, job_id))


def close_of_worker(connection: Connection, worker_id: str, left: Sequence[Left] = ()) -> None:
    """Close all that a worker was stopping: it has ended, and what it had started with it."""
    found = connection.execute(
        select(*STOP_FIELDS).where(Stop.worker_id == worker_id, Stop.done_at.is_(None))
    ).all()
    _close_all(connection, found, left)


STOP_FIELDS = (Stop.step_pk, Stop.child_pk, Stop.attempt)


def give_up_late(deadline: int) -> int:
    """Close what should have stopped by a time (in ms) and hasn't: what it was is named as left.

    Returns how many there were.
    """
    query = (
        select(*STOP_FIELDS, Stop.worker_id, Worker.host, Worker.pid, Child.name)
        .outerjoin(Worker, Worker.id == Stop.worker_id)
        .outerjoin(Child, Child.pk == Stop.child_pk)
        .where(Stop.done_at.is_(None), Stop.deadline <= deadline)
    )
    with write(BRIEFLY) as connection:
        late = connection.execute(query).all()
        for row in late:
            _close_all(connection, [row], [_left_of(row)])
        return len(late)


def _left_of(row: Any) -> Left:
    what = f"{row.name}, attempt {row.attempt}" if row.name else "the planning of the step"
    return {
        "host": row.host,
        "pid": row.pid,
        "command": f"{what}: the worker {row.worker_id} did not say that it has ended",
    }


def _close_all(connection: Connection, found: Sequence[Row], left: Sequence[Left]) -> None:
    for row in found:
        connection.execute(
            update(Stop)
            .where(
                Stop.step_pk == row.step_pk,
                Stop.child_pk == row.child_pk,
                Stop.attempt == row.attempt,
            )
            .values(done_at=moment(connection), left=list(left))
        )
    if found:
        _let_go_on(connection, [row.child_pk for row in found])
        finish(connection, {row.step_pk for row in found})
