"""The writes that all of `lifecycle` is made of: each guarded by the status it starts from, each
leaving the counters right.

Every function works in the caller's write transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

from sqlalchemy import CursorResult, bindparam, func, insert, update
from sqlalchemy.orm import Session

from jobsync.base.text import one_line
from jobsync.db.models import Child, Counter, Job, JobWords, Step
from jobsync.db.transactions import execute_long, moment
from jobsync.status import (
    CANCELLED,
    FAILED,
    PENDING,
    RETRYABLE,
    RUNNING,
    TERMINAL,
    UNFINISHED,
    allowed,
)
from jobsync.store.listing import words_of

# In every transaction, while everybody else waits: made once, as those of the store
COUNTERS, JOBS, STEPS, CHILDREN = Counter.__table__, Job.__table__, Step.__table__, Child.__table__
NEXT_CHANGE = (
    update(COUNTERS)
    .where(COUNTERS.c.name == "change")
    .values(value=COUNTERS.c.value + 1)
    .returning(COUNTERS.c.value)
)
TOUCH = (
    update(JOBS)
    .where(JOBS.c.id == bindparam("job_id"))
    .values(
        revision=JOBS.c.revision + 1, change=bindparam("new_change"), updated_at=bindparam("moment")
    )
    .returning(JOBS.c.revision)
)


BATCH = 200  # rows given to a statement at a time: what SQLAlchemy makes of them takes a while too
NAME = 32  # bytes of a name within a reason, so that there is room for the reason


def next_change(session: Session) -> int:
    """Return the number of the change that is being made.

    It also makes other writers wait where the database has row locks.
    """
    return session.execute(NEXT_CHANGE).scalar_one()


def add_job(session: Session, values: Any) -> None:
    """Store a job's row, and the words that it is found by."""
    number = session.execute(insert(Job).values(values).returning(Job.number)).scalar_one()
    session.execute(
        insert(JobWords).values(
            number=number, words=words_of(values["id"], values["name"], values["params"])
        )
    )


def add_steps(session: Session, values: Any) -> None:
    """Store the rows of a new job's steps."""
    _execute_for_each(session, insert(STEPS), values)


def touch(session: Session, job_id: str) -> int:
    """Give a job its next revision and return it."""
    return session.execute(
        TOUCH, {"job_id": job_id, "new_change": next_change(session), "moment": moment(session)}
    ).scalar_one()


def move_job(session: Session, job_id: str, old: str, new: str, **values: Any) -> bool:
    """Move a job from status `old` to `new`.

    Returns False, and changes nothing, when it isn't in `old` any more.
    """
    _insist("job", old, new)
    values.update(status=new, **_end_time(session, new))
    return _changed(session, update(Job).where(Job.id == job_id, Job.status == old).values(values))


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


def move_steps(session: Session, moves: Iterable[StepMove], revision: int) -> int:
    """Make StepMoves, and return how many were made: a step that isn't in its old status any
    more stays as it is.
    """
    return sum(
        result.rowcount
        for result in _execute_for_each(
            session, MOVE_STEP, [_move_values(session, move, revision) for move in moves]
        )
    )


def _execute_for_each(session: Session, statement: Any, values: Any) -> list[Any]:
    """Execute a statement with each of the values, and return the results: in batches where
    there are many, and others run meanwhile.
    """
    if len(values) <= BATCH:
        return [session.execute(statement, values)]
    return [
        execute_long(session, statement, values[start : start + BATCH])
        for start in range(0, len(values), BATCH)
    ]


def _move_values(session: Session, move: StepMove, revision: int) -> dict[str, Any]:
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
        "new_started_at": moment(session) if old == PENDING and RUNNING in move.path else None,
        "new_revision": new_revision,
        "new_status_revision": new_revision,
        "end": _end_time(session, new)["finished_at"],
    }


def move_all_steps(
    session: Session, job_id: str, olds: Iterable[str], new: str, revision: int, **values: Any
) -> None:
    """Move all steps of a job that are in one of the statuses `olds` to status `new`, however
    many, by one statement.
    """
    for old in olds:
        _insist("step", old, new)
    values.update(
        status=new,
        revision=revision,
        status_revision=revision,
        worker_id=None,
        **_end_time(session, new),
    )
    session.execute(
        update(STEPS).where(STEPS.c.job_id == job_id, STEPS.c.status.in_(olds)).values(values)
    )


def move_child(
    session: Session, child_pk: int | None, old: str, new: str, *guards: Any, **values: Any
) -> bool:
    """Move a child from status `old` to `new` where `guards` hold. Returns False, and changes
    nothing, when they don't.

    The caller counts (`count_children`): several moves of a step are counted at once.
    """
    _insist("child", old, new)
    values.update(status=new, **_end_time(session, new))
    return _changed(
        session,
        update(Child).where(Child.pk == child_pk, Child.status == old, *guards).values(values),
    )


def _insist(kind: str, old: str, new: str) -> None:
    if not allowed(kind, old, new):
        raise ValueError(f"a {kind} never goes from {old} to {new}")


def _end_time(session: Session, status: str) -> dict[str, int | None]:
    return {"finished_at": moment(session) if status in TERMINAL else None}


def _changed(session: Session, statement: Any) -> bool:
    return cast(CursorResult, session.execute(statement)).rowcount == 1


def count_children(
    session: Session, step_pk: int, revision: int, moves: Iterable[tuple[str | None, str]]
) -> None:
    """Bring a step's counters along: `moves` is a list of `(old, new)` statuses, old None for a
    new child.
    """
    change: dict[str, int] = {}
    for old, new in moves:
        change[new] = change.get(new, 0) + 1
        if old:
            change[old] = change.get(old, 0) - 1
    values = {status: getattr(Step, status) + number for status, number in change.items() if number}
    session.execute(update(Step).where(Step.pk == step_pk).values(revision=revision, **values))


def cancel_children(session: Session, steps: Any) -> None:
    """Cancel the unfinished children of steps, and count them as that. steps: a list of pks, or
    a select of them.
    """
    values = {"status": CANCELLED, "finished_at": moment(session), "worker_id": None}
    execute_long(
        session,
        update(CHILDREN)
        .where(CHILDREN.c.step_pk.in_(steps), CHILDREN.c.status.in_(UNFINISHED))
        .values(values),
    )
    counters = {
        CANCELLED: STEPS.c.cancelled + STEPS.c.pending + STEPS.c.running,
        PENDING: 0,
        RUNNING: 0,
    }
    session.execute(update(STEPS).where(STEPS.c.pk.in_(steps)).values(counters))


def retry_children(session: Session, steps: Any) -> None:
    """Make the failed and cancelled children of steps pending again, and count them as that.
    steps: as `cancel_children` takes them.
    """
    again = {
        "status": PENDING,
        "failures": 0,
        "worker_id": None,
        "result": None,
        "error": None,
        "started_at": None,
        "finished_at": None,
    }
    execute_long(
        session,
        update(CHILDREN)
        .where(CHILDREN.c.step_pk.in_(steps), CHILDREN.c.status.in_(RETRYABLE))
        .values(again),
    )
    counters = {
        PENDING: STEPS.c.pending + STEPS.c.failed + STEPS.c.cancelled,
        FAILED: 0,
        CANCELLED: 0,
    }
    session.execute(update(STEPS).where(STEPS.c.pk.in_(steps)).values(counters))


def short(error: str | None) -> str | None:
    """Return an error as `structure` shows it, None for none: with the longest name and the
    longest counts a step stays under 600 bytes.
    """
    return one_line(error, 150) if error else None
