"""The writes that all of `lifecycle` is made of: each guarded by the status it starts from, each
leaving the counters right.

Every function works in the caller's write transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, bindparam, func, insert, literal, select, update

from jobsync import store
from jobsync.base.text import one_line
from jobsync.db.models import Attempt, Child, Counter, Job, JobWords, Step, Stop
from jobsync.db.prepared import Prepared
from jobsync.db.transactions import execute_long, moment
from jobsync.status import (
    CANCELLED,
    CHILD_STATUSES,
    FAILED,
    PENDING,
    RETRYABLE,
    RUNNING,
    TERMINAL,
    UNFINISHED,
    WAITING,
    allowed,
)
from jobsync.store import limits
from jobsync.store.listing import words_of

# In every transaction, while everybody else waits: made once, as those of the store
COUNTERS, JOBS, STEPS, CHILDREN = Counter.__table__, Job.__table__, Step.__table__, Child.__table__
ATTEMPTS, STOPS = Attempt.__table__, Stop.__table__
NEXT_CHANGE = Prepared(
    update(COUNTERS)
    .where(COUNTERS.c.name == "change")
    .values(value=COUNTERS.c.value + 1)
    .returning(COUNTERS.c.value)
)
_TOUCH = (
    update(JOBS)
    .where(JOBS.c.id == bindparam("job_id"))
    .values(
        revision=JOBS.c.revision + 1, change=bindparam("new_change"), updated_at=bindparam("moment")
    )
    .returning(JOBS.c.revision)
)
TOUCH = Prepared(_TOUCH)
SERVE = Prepared(_TOUCH.values(served=bindparam("new_change")))
COUNT_CHILDREN = Prepared(
    update(STEPS)
    .where(STEPS.c.pk == bindparam("step"))
    .values(
        revision=bindparam("new_revision"),
        **{status: STEPS.c[status] + bindparam(f"new_{status}") for status in CHILD_STATUSES},
    )
)
CANCEL_ATTEMPT = (
    update(ATTEMPTS)
    .where(ATTEMPTS.c.child_pk == bindparam("child"), ATTEMPTS.c.attempt == bindparam("number"))
    .values(status=CANCELLED, finished_at=bindparam("end"))
)


BATCH = 200  # rows given to a statement at a time: what SQLAlchemy makes of them takes a while too
STOP_MARGIN = 5000  # ms after its grace until work that doesn't stop is given up
NAME = 32  # bytes of a name within a reason, so that there is room for the reason


def next_change(connection: Connection) -> int:
    """Return the number of the change that is being made.

    It also makes other writers wait where the database has row locks.
    """
    return NEXT_CHANGE.first(connection, {}).value


def add_job(connection: Connection, values: Any) -> None:
    """Store a job's row, and the words that it is found by."""
    number = connection.execute(insert(Job).values(values).returning(Job.number)).scalar_one()
    connection.execute(
        insert(JobWords).values(
            number=number, words=words_of(values["id"], values["name"], values["params"])
        )
    )


def add_steps(connection: Connection, values: Any) -> None:
    """Store the rows of a new job's steps."""
    _execute_for_each(connection, insert(STEPS), values)


def touch(connection: Connection, job_id: str, is_served: bool = False) -> int:
    """Give a job its next revision and return it. is_served: a worker takes work of it."""
    values = {"job_id": job_id, "new_change": next_change(connection), "moment": moment(connection)}
    (row,) = (SERVE if is_served else TOUCH).all(connection, values)
    return row.revision


def serve(connection: Connection, job_id: str) -> None:
    """Note that a worker has taken work of a job that nobody is told of: its revision stays."""
    last = select(COUNTERS.c.value).where(COUNTERS.c.name == "change").scalar_subquery()
    connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(served=last))


def note_waiting(connection: Connection, job_id: str, waiting_for: str | None) -> None:
    """Store what keeps a job from going on. The caller touches it."""
    connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(waiting_for=waiting_for))


def move_job(connection: Connection, job_id: str, old: str, new: str, **values: Any) -> bool:
    """Move a job from status `old` to `new`.

    Returns False, and changes nothing, when it isn't in `old` any more.
    """
    _insist("job", old, new)
    values.update(status=new, **_end_time(connection, new))
    return _changed(
        connection, update(Job).where(Job.id == job_id, Job.status == old).values(values)
    )


@dataclass(frozen=True)
class StepMove:
    """What becomes of one step. path: the statuses that it goes through, its present one first.
    error: the reason of a failure.
    """

    pk: int
    path: tuple
    stage: str
    error: str | None = None


MOVE_STEP = (
    update(STEPS)
    .where(STEPS.c.pk == bindparam("step"), STEPS.c.status == bindparam("old"))
    .values(
        status=bindparam("new"),
        stage=bindparam("new_stage"),
        worker_id=None,
        finished_at=bindparam("end"),
    )
    .values(
        {
            name: func.coalesce(bindparam(f"new_{name}"), STEPS.c[name])
            for name in ("error", "started_at", "revision", "status_revision")
        }
    )
)


def move_steps(connection: Connection, moves: Iterable[StepMove], revision: int) -> int:
    """Make StepMoves, and return how many were made: a step that isn't in its old status any
    more stays as it is.
    """
    return sum(
        result.rowcount
        for result in _execute_for_each(
            connection, MOVE_STEP, [_move_values(connection, move, revision) for move in moves]
        )
    )


def _execute_for_each(connection: Connection, statement: Any, values: Any) -> list[Any]:
    """Execute a statement with each of the values, and return the results: in batches where
    there are many, and others run meanwhile.
    """
    if len(values) <= BATCH:
        return [connection.execute(statement, values)]
    return [
        execute_long(connection, statement, values[start : start + BATCH])
        for start in range(0, len(values), BATCH)
    ]


def _move_values(connection: Connection, move: StepMove, revision: int) -> dict[str, Any]:
    old, new = move.path[0], move.path[-1]
    for before, after in pairwise(move.path):
        if before != after:  # else only its stage changes
            _insist("step", before, after)
    new_revision = revision if old != new else None
    return {
        "step": move.pk,
        "old": old,
        "new": new,
        "new_stage": move.stage,
        "new_error": move.error,
        "new_started_at": moment(connection) if old == PENDING and RUNNING in move.path else None,
        "new_revision": new_revision,
        "new_status_revision": new_revision,
        "end": _end_time(connection, new)["finished_at"],
    }


def move_all_steps(
    connection: Connection, which: Any, olds: Iterable[str], new: str, revision: int, **values: Any
) -> None:
    """Move all of some steps that are in one of the statuses `olds` to status `new`, however
    many, by one statement. which: a condition on steps that finds them.
    """
    for old in olds:
        _insist("step", old, new)
    values.update(
        status=new,
        revision=revision,
        status_revision=revision,
        worker_id=None,
        **_end_time(connection, new),
    )
    connection.execute(update(STEPS).where(which, STEPS.c.status.in_(olds)).values(values))


def begin_steps_again(
    connection: Connection, which: Any, olds: Iterable[str], revision: int
) -> None:
    """Make steps pending again that are in one of the statuses `olds`. which: a condition on steps
    that finds them.
    """
    values = {"stage": WAITING, "losses": 0, "error": None, "started_at": None}
    move_all_steps(connection, which, olds, PENDING, revision, **values)


def begin_job_again(connection: Connection, job: Any) -> None:
    """Make a job pending again if it has ended. job: its row."""
    if job.status in TERMINAL:
        values = {"error": None, "result": None, "started_at": None}
        move_job(connection, job.id, job.status, PENDING, **values)
        pass_place_on(connection, store.jobs.monitored(connection, job.id))


def pass_place_on(connection: Connection, job: Any) -> None:
    """Have the monitor look at those that may start now in the limit of a job: of one that was
    deleted or retried just after its end it may not have seen that. job: as of `limits.holders`.
    """
    for other in limits.next_in_line(connection, job):
        if not limits.holders(connection, other):
            touch(connection, other.id)


def move_child(
    connection: Connection, child_pk: int | None, old: str, new: str, *guards: Any, **values: Any
) -> bool:
    """Move a child from status `old` to `new` where `guards` hold. Returns False, and changes
    nothing, when they don't.

    The caller counts (`count_children`): several moves of a step are counted at once.
    """
    _insist("child", old, new)
    values.update(status=new, **_end_time(connection, new))
    return _changed(
        connection,
        update(Child).where(Child.pk == child_pk, Child.status == old, *guards).values(values),
    )


def _insist(kind: str, old: str, new: str) -> None:
    if not allowed(kind, old, new):
        raise ValueError(f"a {kind} never goes from {old} to {new}")


def _end_time(connection: Connection, status: str) -> dict[str, int | None]:
    return {"finished_at": moment(connection) if status in TERMINAL else None}


def _changed(connection: Connection, statement: Any) -> bool:
    return cast(CursorResult, connection.execute(statement)).rowcount == 1


def count_children(
    connection: Connection, step_pk: int, revision: int, moves: Iterable[tuple[str | None, str]]
) -> None:
    """Bring a step's counters along: `moves` is a list of `(old, new)` statuses, old None for a
    new child.
    """
    change = dict.fromkeys(CHILD_STATUSES, 0)
    for old, new in moves:
        change[new] += 1
        if old:
            change[old] -= 1
    COUNT_CHILDREN.change(
        connection,
        {"step": step_pk, "new_revision": revision, **{f"new_{k}": n for k, n in change.items()}},
    )


def cancel_children(connection: Connection, which: Any) -> None:
    """Cancel unfinished children, and have those that run stopped.

    which: a condition on children that finds them. The caller counts them.
    """
    stop_running(connection, which)
    values = {
        "status": CANCELLED,
        "finished_at": moment(connection),
        "worker_id": None,
        "due_at": None,
    }
    execute_long(
        connection,
        update(CHILDREN).where(which, CHILDREN.c.status.in_(UNFINISHED)).values(values),
    )


# the counters of steps whose children were all cancelled
CANCELLED_COUNTS = {
    CANCELLED: STEPS.c.cancelled + STEPS.c.pending + STEPS.c.running,
    PENDING: 0,
    RUNNING: 0,
}


def cancel_steps_children(connection: Connection, steps: Any) -> None:
    """Cancel the unfinished children of steps, and count them as that. steps: a list of pks, or
    a select of them.
    """
    cancel_children(connection, CHILDREN.c.step_pk.in_(steps))
    connection.execute(update(STEPS).where(STEPS.c.pk.in_(steps)).values(CANCELLED_COUNTS))


def stop_running(connection: Connection, which: Any) -> None:
    """Note that the running ones of these children are to be stopped, and end their attempts."""
    query = (
        select(
            CHILDREN.c.pk,
            CHILDREN.c.step_pk,
            CHILDREN.c.attempt,
            CHILDREN.c.worker_id,
            STEPS.c.cancel_grace,
        )
        .join(STEPS, STEPS.c.pk == CHILDREN.c.step_pk)
        .where(which, CHILDREN.c.status == RUNNING)
    )
    running = connection.execute(query).all()
    if running:
        ends = [{"child": row.pk, "number": row.attempt} for row in running]
        connection.execute(CANCEL_ATTEMPT, [{**end, "end": moment(connection)} for end in ends])
        _add_stops(connection, running)


def stop_units(connection: Connection, steps: Any) -> None:
    """Note that the planning or summing up of these steps is to be stopped where a worker does it.

    steps: a list of pks, or a select of them.
    """
    query = select(
        literal(0).label("pk"),
        STEPS.c.pk.label("step_pk"),
        STEPS.c.tries.label("attempt"),
        STEPS.c.worker_id,
        STEPS.c.cancel_grace,
    ).where(STEPS.c.pk.in_(steps), STEPS.c.worker_id.is_not(None), STEPS.c.status == RUNNING)
    units = connection.execute(query).all()
    if units:
        _add_stops(connection, units)


def _add_stops(connection: Connection, running: Any) -> None:
    at = moment(connection)
    values = [
        {
            "step_pk": row.step_pk,
            "child_pk": row.pk,
            "attempt": row.attempt,
            "worker_id": row.worker_id or "",
            "requested_at": at,
            "deadline": at + row.cancel_grace + STOP_MARGIN,
            "done_at": None if row.worker_id else at,  # its worker is gone
        }
        for row in running
    ]
    connection.execute(insert(Stop), values)


def retry_children(connection: Connection, *which: Any) -> None:
    """Make failed and cancelled children pending again. which: conditions on children that find
    them.

    One whose last attempt is still being stopped waits until that is over. The caller counts.
    """
    again = {
        "status": PENDING,
        "failures": 0,
        "losses": 0,
        "worker_id": None,
        "due_at": select(STOPS.c.deadline)
        .where(
            STOPS.c.step_pk == CHILDREN.c.step_pk,
            STOPS.c.child_pk == CHILDREN.c.pk,
            STOPS.c.attempt == CHILDREN.c.attempt,
            STOPS.c.done_at.is_(None),
        )
        .scalar_subquery(),
        "result": None,
        "error": None,
        "exit_code": None,
        "progress_done": None,
        "progress_total": None,
        "started_at": None,
        "finished_at": None,
    }
    execute_long(
        connection,
        update(CHILDREN).where(*which, CHILDREN.c.status.in_(RETRYABLE)).values(again),
    )


def retry_steps_children(connection: Connection, steps: Any) -> None:
    """Make the failed and cancelled children of steps pending again, and count them as that.
    steps: a list of pks, or a select of them.
    """
    retry_children(connection, CHILDREN.c.step_pk.in_(steps))
    counters = {
        PENDING: STEPS.c.pending + STEPS.c.failed + STEPS.c.cancelled,
        FAILED: 0,
        CANCELLED: 0,
        "old_failures": 0,
    }
    connection.execute(update(STEPS).where(STEPS.c.pk.in_(steps)).values(counters))


def short(error: str | None) -> str | None:
    """Return an error as `structure` shows it, None for none: with the longest name and the
    longest counts a step stays under 600 bytes.
    """
    return one_line(error, 150) if error else None
