"""What follows by itself: the moves of steps and jobs. Only the step monitor calls these."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.orm import aliased

from jobsync import store
from jobsync.base.loop import in_turns
from jobsync.base.text import one_line
from jobsync.db.models import Child, Deletion, Job, Step
from jobsync.db.transactions import BRIEFLY, moment, read, write
from jobsync.lifecycle import rows
from jobsync.lifecycle.jobs import end_values
from jobsync.status import (
    FAILED,
    PENDING,
    RUNNING,
    TERMINAL,
    Move,
    Turns,
    derive_job,
    derive_moves,
)
from jobsync.store import limits, waiting


@dataclass(frozen=True)
class Look:
    """What was seen of a job at a revision, and what follows from it: Moves of steps, as
    `[(name, Move)]`, the job's next status or None, and what it waits for then.
    """

    revision: int
    status: str
    steps: dict
    moves: list
    next_status: str | None
    waiting_for: str | None


def advance(job_id: str) -> bool:
    """Do what follows for a job and its steps. Returns whether anything did.

    1. Look, without a lock and letting others run, what follows: mostly nothing does.
    2. If something does, write it inside the write transaction, where nobody can come between.
       Should the job have another revision by now (all that anything follows from makes it grow),
       look again there.
    A crash before the commit loses nothing: the next look finds the same difference.
    """
    with read() as connection:
        look = _look(connection, job_id, in_turns)
    if look is None:
        return False
    with write(BRIEFLY) as connection:
        # a limit depends on other jobs, too
        if look.status == PENDING or _revision(connection, job_id) != look.revision:
            look = _look(connection, job_id, iter)
        if look is not None:
            _write(connection, job_id, look)
        return look is not None


def _revision(connection: Connection, job_id: str) -> int | None:
    return connection.execute(
        select(Job.revision).where(Job.id == job_id).with_for_update()
    ).scalar()


def _look(connection: Connection, job_id: str, turns: Turns) -> Look | None:
    """Return the Look at a job, or None when nothing follows. turns: what goes through many,
    `in_turns` or `iter`.
    """
    job = store.jobs.monitored(connection, job_id)
    if job is None or job.status in TERMINAL:
        return None
    before = store.steps.facts(connection, job_id, turns)
    steps = dict(before)
    moves, next_status = [], None
    waiting_for = _limit_of(connection, job) if job.status == PENDING else None
    if waiting_for is None:
        moves = list(derive_moves(steps, turns))
        next_status = derive_job(job.status, steps.values())
    if waiting_for is None and (next_status or job.status) == RUNNING:
        waiting_for = waiting.reason(connection, job_id, steps.values())
    if not (moves or next_status or waiting_for != job.waiting_for):
        return None
    return Look(job.revision, job.status, before, moves, next_status, waiting_for)


def _limit_of(connection: Connection, job: Any) -> str | None:
    """Say which limit keeps a pending job from starting, None if it may start."""
    found = limits.holders(connection, job)
    if not found:
        return None
    of = f" with {one_line(job.concurrency_value, 60)}" if job.concurrency_value else ""
    most = "1 job" if job.concurrency == 1 else f"{job.concurrency} jobs"
    return rows.short(f"a place: at most {most} of {job.definition}{of} may run at once")


def _write(connection: Connection, job_id: str, look: Look) -> None:
    revision = rows.touch(connection, job_id)
    rows.note_waiting(connection, job_id, look.waiting_for)
    if look.moves:
        _move_steps(connection, job_id, look, revision)
    if look.next_status:
        _move_job(connection, job_id, look.status, look.next_status)


def _move_steps(connection: Connection, job_id: str, look: Look, revision: int) -> None:
    """Write Moves, of which a step may make several, by as many statements for one as for 1,000."""
    keys = dict(connection.execute(select(Step.name, Step.pk).where(Step.job_id == job_id)).all())
    paths: dict[str, list[str]] = {}
    for name, move in look.moves:
        paths.setdefault(name, [look.steps[name].status]).append(move.status)
    # a later one in the place of an earlier one
    ends = {keys[name]: (paths[name], move) for name, move in look.moves}
    failed = [pk for pk, (_, move) in ends.items() if move.status == FAILED]
    reasons = _first_failures(connection, failed) if failed else {}
    if failed:
        rows.stop_units(connection, failed)
    rows.move_steps(
        connection,
        [
            rows.StepMove(pk, tuple(path), move.stage, _error(move, reasons.get(pk, "")))
            for pk, (path, move) in ends.items()
        ],
        revision,
    )
    if failed:
        rows.cancel_steps_children(connection, failed)


def _error(move: Move, reason: str) -> str | None:
    return rows.short((move.error or "") + reason) if move.status == FAILED else None


def _first_failures(connection: Connection, step_pks: Iterable[int]) -> dict[int, str]:
    """Return `{pk of a step: reason of its first child that failed}`, to be added to the steps'
    own.
    """
    child = aliased(Child)
    first = (
        select(child.pk)
        .where(child.step_pk == Step.pk, child.status == FAILED)
        .order_by(child.pk)
        .limit(1)
        .correlate(Step)
    )
    firsts = select(first.scalar_subquery()).where(Step.pk.in_(step_pks))
    query = select(Child.step_pk, Child.name, Child.error).where(Child.pk.in_(firsts))
    return {
        row.step_pk: f", first {one_line(row.name, rows.NAME)}: {row.error}"
        for row in connection.execute(query)
    }


def _move_job(connection: Connection, job_id: str, old: Any, new: str) -> None:
    """A retried job whose children had all completed goes from pending to its end in one move:
    it begins with that, too.
    """
    values = {"started_at": moment(connection)} if old == PENDING else {}
    if new in TERMINAL:
        values.update(end_values(connection, job_id, new))
    rows.move_job(connection, job_id, old, new, **values)


def forget_deletions(last: int) -> None:
    """Forget the deletions up to the change `last`: every web process has told its viewers."""
    with write(BRIEFLY) as connection:
        connection.execute(delete(Deletion).where(Deletion.change <= last))
