"""What people ask of a part of a job: cancel or retry a step or a child.

Each is done at once, in one transaction.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, select, update

from jobsync.base.errors import NotFound, WrongState
from jobsync.db.models import Child, Job, Step
from jobsync.db.transactions import BRIEFLY, write
from jobsync.lifecycle import rows
from jobsync.lifecycle.jobs import find_job
from jobsync.status import (
    BROKEN,
    CANCELLED,
    CHILD_STATUSES,
    COMPLETED,
    DONE,
    FAILED,
    PENDING,
    RUNNING,
    SKIPPED,
    SUMMARY,
    child_actions,
    step_actions,
)
from jobsync.status import CHILDREN as CHILDREN_STAGE

STEPS, CHILDREN = Step.__table__, Child.__table__
STEP_REFUSALS = {
    "cancel": "The step is already {status}.",
    "retry": "Only a step that failed or was cancelled, or that has such children, can be retried; "
    "this one is {status}.",
}
CHILD_REFUSALS = {
    "cancel": "The child is already {status}.",
    "retry": "Only a child that failed or was cancelled can be retried; this one is {status}.",
}


def cancel_step(job_id: str, name: str) -> None:
    """Cancel a step and its unfinished children. The job goes on with the others.

    Raises NotFound, WrongState for a terminal step.
    """
    with write() as connection:
        step = _step(connection, job_id, name)
        _check(STEP_REFUSALS, "cancel", step.status, step_actions(step.status, _counts(step)))
        _end_step(connection, step, CANCELLED, None)


def time_out_step(step_pk: int) -> None:
    """Fail a running step that is past its time, and cancel its unfinished children. Does nothing
    to one that doesn't run any more.
    """
    with write(BRIEFLY) as connection:
        step = connection.execute(STEP.where(STEPS.c.pk == step_pk)).first()
        if step and step.job_id and step.step_timeout and step.status == RUNNING:
            reason = f"timed out after {step.step_timeout / 1000:g} s (step_timeout)"
            _end_step(connection, step, FAILED, reason)


def make_ready(due_at: int) -> None:
    """Let workers have the children that wait for another attempt until a time (in ms) or an
    earlier one. Jobs that waited for nothing else have changed.
    """
    is_due = (CHILDREN.c.due_at.is_not(None), CHILDREN.c.due_at <= due_at)
    with write(BRIEFLY) as connection:
        waiting = (
            select(Job.id)
            .join(Step, Step.job_id == Job.id)
            .join(Child, Child.step_pk == Step.pk)
            .where(*is_due, Job.waiting_for.is_not(None))
            .distinct()
        )
        jobs = connection.execute(waiting).scalars().all()
        connection.execute(update(CHILDREN).where(*is_due).values(due_at=None))
        for job_id in jobs:
            rows.touch(connection, job_id)


def _end_step(connection: Connection, step: Any, status: str, error: str | None) -> None:
    revision = rows.touch(connection, step.job_id)
    rows.stop_units(connection, [step.pk])
    rows.cancel_steps_children(connection, [step.pk])
    which = STEPS.c.pk == step.pk
    rows.move_all_steps(connection, which, [step.status], status, revision, error=error)


def retry_step(job_id: str, name: str) -> None:
    """Run a step's failed and cancelled children again, and what was skipped because of it; its
    completed children are kept.

    Raises NotFound, WrongState.
    """
    with write() as connection:
        job = find_job(connection, job_id)
        step = _step(connection, job_id, name)
        _check(STEP_REFUSALS, "retry", step.status, step_actions(step.status, _counts(step)))
        revision = rows.touch(connection, job_id)
        again = [step.pk, *_skipped_after(connection, job_id, name)]
        rows.retry_steps_children(connection, again)
        rows.begin_steps_again(connection, STEPS.c.pk.in_(again), AGAIN, revision)
        rows.begin_job_again(connection, job)


AGAIN = (COMPLETED, FAILED, CANCELLED, SKIPPED)


def _skipped_after(connection: Connection, job_id: str, name: str) -> list[int]:
    """Return the pks of the steps after this one, however far, that never began: skipped, or
    cancelled with the job.
    """
    query = select(STEPS.c.pk, STEPS.c.name, STEPS.c.depends, STEPS.c.status, STEPS.c.started_at)
    steps = connection.execute(query.where(STEPS.c.job_id == job_id)).all()
    found: dict[str, int] = {}
    waiting = [name]
    while waiting:
        before = waiting.pop()
        for step in steps:
            is_untouched = step.status == SKIPPED or (
                step.status == CANCELLED and step.started_at is None
            )
            if before in step.depends and is_untouched and step.name not in found:
                found[step.name] = step.pk
                waiting.append(step.name)
    return list(found.values())


def cancel_child(job_id: str, name: str, child_id: str) -> None:
    """Cancel one unfinished child. Its step goes on with the others.

    Raises NotFound, WrongState for a terminal child.
    """
    with write() as connection:
        step = _step(connection, job_id, name)
        child = _child(connection, step, child_id)
        _check(CHILD_REFUSALS, "cancel", child.status, child_actions(child.status))
        revision = rows.touch(connection, job_id)
        rows.cancel_children(connection, CHILDREN.c.pk == child.pk)
        rows.count_children(connection, step.pk, revision, [(child.status, CANCELLED)])


def retry_child(job_id: str, name: str, child_id: str) -> None:
    """Run one failed or cancelled child again, and what was skipped because its step failed.

    The step's other failed children stay as they are: they count again when it ends. Raises
    NotFound, WrongState.
    """
    with write() as connection:
        job = find_job(connection, job_id)
        step = _step(connection, job_id, name)
        child = _child(connection, step, child_id)
        _check(CHILD_REFUSALS, "retry", child.status, child_actions(child.status))
        has_failed = step.status == RUNNING and _has_failed(step)
        if has_failed:
            # what the monitor is about to say. Else nobody would end children whose ends were
            # refused: a step that has failed takes none
            _end_step(connection, step, FAILED, None)
        is_running = step.status == RUNNING and not has_failed
        revision = rows.touch(connection, job_id)
        rows.retry_children(connection, CHILDREN.c.pk == child.pk)
        rows.count_children(connection, step.pk, revision, [(child.status, PENDING)])
        _forgive(connection, step.pk, not is_running)
        if is_running:
            _go_back_to_children(connection, step)
            return
        skipped = _skipped_after(connection, job_id, name)
        rows.retry_steps_children(connection, skipped)
        rows.begin_steps_again(connection, STEPS.c.pk.in_([step.pk, *skipped]), AGAIN, revision)
        rows.begin_job_again(connection, job)


def _has_failed(step: Any) -> bool:
    """Say whether a running step has failed, though the monitor hasn't said so yet."""
    return step.stage == BROKEN or step.failed - step.old_failures > step.max_child_failures


def _go_back_to_children(connection: Connection, step: Any) -> None:
    """Have a running step whose children had all ended end again after those that it has now. What
    is made of their results is stopped.
    """
    if step.stage in (SUMMARY, DONE):
        rows.stop_units(connection, [step.pk])
        connection.execute(
            update(STEPS).where(STEPS.c.pk == step.pk).values(stage=CHILDREN_STAGE, worker_id=None)
        )


def _forgive(connection: Connection, step_pk: int, is_all: bool) -> None:
    """Let a step's present failures fail it at its end only, or it would have no time to run.

    is_all: False for a step that runs: of those that were forgiven, one may be retried now.
    """
    condition = STEPS.c.old_failures > (-1 if is_all else STEPS.c.failed)
    connection.execute(
        update(STEPS).where(STEPS.c.pk == step_pk, condition).values(old_failures=STEPS.c.failed)
    )


STEP = select(
    STEPS.c.pk,
    STEPS.c.job_id,
    STEPS.c.status,
    STEPS.c.stage,
    STEPS.c.step_timeout,
    STEPS.c.old_failures,
    STEPS.c.max_child_failures,
    *(STEPS.c[status] for status in CHILD_STATUSES),
)


def _step(connection: Connection, job_id: str, name: str) -> Row:
    """Return a step's row. Raises NotFound for the job or the step."""
    find_job(connection, job_id)
    query = STEP.where(STEPS.c.job_id == job_id, STEPS.c.name == name)
    step = connection.execute(query).first()
    if step is None:
        raise NotFound(f"There is no step {name!r}.")
    return step


def _counts(step: Any) -> dict[str, int]:
    return {status: getattr(step, status) for status in CHILD_STATUSES}


def _child(connection: Connection, step: Any, child_id: str) -> Row:
    query = select(CHILDREN.c.pk, CHILDREN.c.status).where(CHILDREN.c.step_pk == step.pk)
    is_number = child_id.isascii() and child_id.isdigit() and len(child_id) < 19
    child = (
        connection.execute(query.where(CHILDREN.c.pk == int(child_id))).first()
        if is_number
        else None
    )
    if child is None:
        raise NotFound(f"There is no child {child_id!r}.")
    return child


def _check(refusals: dict[str, str], action: str, status: str, allowed: Iterable[str]) -> None:
    if action not in allowed:
        raise WrongState(refusals[action].format(status=status))
