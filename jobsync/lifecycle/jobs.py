"""What people ask of a job: submit, cancel, retry, rerun, delete.

Each is done at once, in one transaction.
"""

import secrets
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update
from sqlalchemy import delete as delete_rows

from jobsync import store
from jobsync.base.errors import NotFound, WrongState
from jobsync.base.text import one_line
from jobsync.db.models import Attempt, Child, Deletion, Job, LogLine, Step, Stop
from jobsync.db.transactions import BRIEFLY, execute_long, moment, read, write
from jobsync.definitions import Bound, Definition
from jobsync.lifecycle import keys, rows, stops
from jobsync.status import (
    CANCELLED,
    COMPLETED,
    FAILED,
    PENDING,
    SKIPPED,
    TERMINAL,
    UNFINISHED,
    WAITING,
    actions,
)

REFUSALS = {
    "cancel": "The job is already {status}.",
    "retry": "Only a failed or cancelled job can be retried; this one is {status}.",
    "delete": "Only a job that has ended can be deleted; this one is {status}.",
}
AGAIN = (FAILED, CANCELLED, SKIPPED)  # the statuses of steps that a retry runs again
# lines of a deleted job cleared away in one transaction: other writers wait for some 20 ms
CLEARED = 5000
CLEARED_BYTES = 1024 * 1024  # of lines, where they are long
CLEARED_CHILDREN = 200  # the same of children, whose results may be large

STEPS, CHILDREN, LINES = Step.__table__, Child.__table__, LogLine.__table__
ATTEMPTS = Attempt.__table__


def check_allowed(action: str, status: str) -> None:
    """Raise WrongState unless a job of that status allows the action."""
    if action not in actions(status):
        raise WrongState(REFUSALS[action].format(status=status))


def submit(
    definition: Definition,
    params: dict[str, Any],
    source: str,
    rerun_of: str | None = None,
    priority: int | None = None,
    request: keys.Request | None = None,
) -> str:
    """Store a new job of `definition` (a Definition) with `params` and return its id. It starts
    when the monitor sees it.

    source: who asks ("api", "web", "cli", "seed"). priority: None for the definition's. Raises
    BadInput with the mistakes in `params`, and AlreadySubmitted for a `request` that a job was
    started by before.
    """
    bound = definition.bind(params)
    job_id = secrets.token_hex(6)
    steps = [
        {**step, "job_id": job_id, "position": position, "status": PENDING, "stage": WAITING}
        for position, step in enumerate(bound.steps)
    ]
    with write() as connection:
        if request:
            keys.claim(connection, request, job_id)
        values = _job_values(connection, job_id, definition, bound)
        asked: dict[str, Any] = {"source": source, "rerun_of": rerun_of}
        if priority is not None:
            asked["priority"] = priority
        rows.add_job(connection, {**values, **asked})
        rows.add_steps(connection, steps)
    return job_id


def _job_values(
    connection: Connection, job_id: str, definition: Definition, bound: Bound
) -> dict[str, Any]:
    created_at = moment(connection)
    return {
        "id": job_id,
        "definition": definition.id,
        "name": definition.name,
        "status": PENDING,
        "change": rows.next_change(connection),
        "params": bound.params,
        "tags": list(definition.tags),
        "timeout": definition.timeout and definition.timeout.ms,
        "priority": definition.priority,
        "concurrency": definition.concurrency,
        "concurrency_value": bound.concurrency_value,
        "created_at": created_at,
        "updated_at": created_at,
    }


def rerun(job_id: str, definition: Definition, params: dict[str, Any], source: str) -> str:
    """Submit a new job like `job_id`, with its priority; `params` replace its own.

    Returns the new id. Raises NotFound, BadInput.
    """
    with read() as connection:
        old = find_job(connection, job_id)
    if not isinstance(old.params, dict):
        raise WrongState(
            "The job can't be run again: its parameters in the database can't be read."
        )
    return submit(definition, {**old.params, **params}, source, job_id, old.priority)


def cancel(job_id: str) -> None:
    """Cancel a job, its unfinished steps and their unfinished children.

    Raises NotFound, WrongState for a terminal job.
    """
    with write() as connection:
        job = find_job(connection, job_id)
        check_allowed("cancel", job.status)
        _stop(connection, job, CANCELLED, None)


def time_out(job_id: str) -> None:
    """End a job that is past its time as a cancel does, but as failed, with the reason.

    Does nothing to one that is terminal or gone.
    """
    with write(BRIEFLY) as connection:
        job = _find(connection, job_id)
        if job and job.timeout and job.status not in TERMINAL:
            reason = f"timed out after {job.timeout / 1000:g} s (timeout of the job)"
            _stop(connection, job, FAILED, reason)


def _stop(connection: Connection, job: Any, status: str, error: str | None) -> None:
    revision = rows.touch(connection, job.id)
    unfinished = _steps_in(job.id, UNFINISHED)
    counts = connection.execute(
        select(func.sum(STEPS.c.pending), func.sum(STEPS.c.running)).where(
            STEPS.c.pk.in_(unfinished)
        )
    ).one()
    rows.stop_units(connection, unfinished)
    rows.cancel_steps_children(connection, unfinished)
    rows.move_all_steps(connection, STEPS.c.job_id == job.id, UNFINISHED, CANCELLED, revision)
    at = moment(connection)
    receipt = {
        "cancel_requested_at": at,
        "cancel_done_at": None if stops.is_stopping(connection, job.id) else at,
        "cancelled_pending": counts[0] or 0,
        "cancelled_running": counts[1] or 0,
    }
    rows.move_job(connection, job.id, job.status, status, error=error, waiting_for=None, **receipt)


def retry(job_id: str) -> None:
    """Make a failed or cancelled job pending again, its failed, cancelled and skipped steps too;
    completed children are kept.

    Raises NotFound, WrongState.
    """
    with write() as connection:
        job = find_job(connection, job_id)
        check_allowed("retry", job.status)
        revision = rows.touch(connection, job_id)
        rows.retry_steps_children(connection, _steps_in(job_id, AGAIN))
        rows.begin_steps_again(connection, STEPS.c.job_id == job_id, AGAIN, revision)
        rows.begin_job_again(connection, job)


def _steps_in(job_id: str, statuses: Iterable[str]) -> Select:
    return select(Step.pk).where(Step.job_id == job_id, Step.status.in_(statuses))


def delete(job_id: str) -> None:
    """Delete a terminal job with all it owns: it is gone at once, its lines and children are
    cleared away bit by bit.

    Raises NotFound, WrongState.
    """
    with write() as connection:
        job = find_job(connection, job_id)
        check_allowed("delete", job.status)
        limited = store.jobs.monitored(connection, job_id)
        connection.execute(
            insert(Deletion).values(
                change=rows.next_change(connection), job_id=job_id, revision=job.revision + 1
            )
        )
        execute_long(connection, update(STEPS).where(STEPS.c.job_id == job_id).values(job_id=None))
        connection.execute(delete_rows(Job).where(Job.id == job_id))
        rows.pass_place_on(connection, limited)


def clear_deleted() -> bool:
    """Clear away a bit of what deleted jobs have left. Returns whether there may be more."""
    with write() as connection:
        step = connection.execute(
            select(Step.pk, Step.log_count, Step.log_bytes).where(Step.job_id.is_(None)).limit(1)
        ).first()
        if step is None:
            return False
        first = connection.execute(
            select(LogLine.line).where(LogLine.step_pk == step.pk).order_by(LogLine.line).limit(1)
        ).scalar()
        if first is not None:
            number = min(CLEARED, max(1, CLEARED_BYTES * step.log_count // max(step.log_bytes, 1)))
            execute_long(
                connection,
                delete_rows(LINES).where(LINES.c.step_pk == step.pk, LINES.c.line < first + number),
            )
            return True
        query = select(Child.pk).where(Child.step_pk == step.pk).limit(CLEARED_CHILDREN)
        some = connection.execute(query).scalars().all()
        if some:
            execute_long(connection, delete_rows(ATTEMPTS).where(ATTEMPTS.c.child_pk.in_(some)))
            execute_long(connection, delete_rows(CHILDREN).where(CHILDREN.c.pk.in_(some)))
        else:
            connection.execute(delete_rows(Stop).where(Stop.step_pk == step.pk))
            connection.execute(delete_rows(Step).where(Step.pk == step.pk))
        return True


def _find(connection: Connection, job_id: str) -> Row | None:
    return connection.execute(
        select(Job.id, Job.status, Job.revision, Job.params, Job.priority, Job.timeout)
        .where(Job.id == job_id)
        .with_for_update()
    ).first()


def find_job(connection: Connection, job_id: str) -> Row:
    """Return a job's row, locked where the database has row locks. Raises NotFound."""
    job = _find(connection, job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id!r}.")
    return job


def end_values(connection: Connection, job_id: str, status: str) -> dict[str, Any]:
    """Return the `result` and `error` of a job that ends with `status`, from its steps.

    The result is that of the last step that has one; those of the others stand in its `steps`.
    Should it have something else of that name, it stands there too, whole.
    """
    query = (
        select(Step.name, Step.status, Step.on_error, Step.error, Step.result)
        .where(Step.job_id == job_id)
        .order_by(Step.position)
    )
    steps = connection.execute(query).all()
    return {"result": _result(steps), "error": _error(steps) if status == FAILED else None}


def _result(steps: Any) -> dict[str, Any] | None:
    results = {
        step.name: step.result
        for step in steps
        if step.status == COMPLETED and step.result is not None
    }
    if not results:
        return None
    name, last = results.popitem()
    if "steps" in last and results:
        results[name] = last
    return {**last, "steps": results} if results else last


def _error(steps: Any) -> str | None:
    failed = next(step for step in steps if step.status == FAILED and step.on_error == "fail")
    return rows.short(f"{one_line(failed.name, rows.NAME)}: {failed.error}")
