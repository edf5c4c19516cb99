"""Workers come, say that they live, give work back and go."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.orm import Session

from jobsync.base.clock import now
from jobsync.db.models import Child, Step, Worker
from jobsync.db.transactions import moment, read, write
from jobsync.lifecycle import rows
from jobsync.lifecycle.results import append_lines, fail_child
from jobsync.lifecycle.tasks import WITHIN_TOLERANCE, Task, steps_with, task_of
from jobsync.status import BROKEN, PENDING, PLAN, RUNNING
from jobsync.store import logs

UNIT_LOSSES = 2  # a planning or summing up whose worker died is begun again this often


def register(worker_id: str, pid: int) -> None:
    """Make a worker known."""
    with write() as session:
        session.execute(insert(Worker).values(id=worker_id, pid=pid, beat=0, beat_at=now()))


def beat(worker_id: str) -> bool:
    """Say that a worker lives. Returns False when it was taken for dead: it must stop."""
    with write() as session:
        query = (
            update(Worker).where(Worker.id == worker_id).values(beat=Worker.beat + 1, beat_at=now())
        )
        return session.execute(query).rowcount == 1


def return_reserved(worker_id: str) -> None:
    """Let other workers have the children that are reserved for this one."""
    with write() as session:
        session.execute(
            update(Child)
            .where(Child.worker_id == worker_id, Child.status == PENDING)
            .values(worker_id=None)
        )


def release(worker_id: str, reason: str | None = None) -> None:
    """Take all work from a worker and forget it.

    With a `reason` it died: what it was doing counts as a failed try, and runs again if tries are
    left. Without one it stopped in good
    order: what it was doing runs again in any case.
    """
    with write() as session:
        for task, old in _begun_by(session, worker_id):
            revision = rows.touch(session, task.job_id)
            if reason:
                _lose_child(session, task, old, revision, reason)
            else:
                _give_back(session, task, revision)
        session.execute(update(Child).where(Child.worker_id == worker_id).values(worker_id=None))
        _release_units(session, worker_id, reason)
        session.execute(delete(Worker).where(Worker.id == worker_id))


def attempts_of(worker_id: str) -> list[str]:
    """Return the ids of the attempts that a worker has begun and not ended (`Task.attempt_id`)."""
    with read() as session:
        return [task.attempt_id for task, _ in _begun_by(session, worker_id)]


def _begun_by(session: Session, worker_id: str) -> Iterator[tuple[Task, Row]]:
    # Columns, not whole Childs: those would follow the updates that are made next, and the counters
    # need to know what was before
    fields = (
        Child.pk,
        Child.step_pk,
        Child.key,
        Child.input,
        Child.status,
        Child.attempt,
        Child.failures,
        Child.started_at,
    )
    for child in session.execute(
        select(*fields).where(Child.worker_id == worker_id, Child.status == RUNNING)
    ).all():
        step = session.execute(steps_with(Step.pk == child.step_pk, WITHIN_TOLERANCE)).first()
        if step:
            yield (
                task_of(
                    worker_id,
                    step,
                    "child",
                    child.attempt,
                    child_pk=child.pk,
                    key=child.key,
                    input=child.input,
                ),
                child,
            )


def _lose_child(session: Session, task: Task, old: Any, revision: int, reason: str) -> None:
    append_lines(
        session,
        task,
        revision,
        logs.lines_of(
            f"Lost during attempt {task.attempt}: {reason}.",
            "error",
            moment(session),
            task.child_pk,
        ),
    )
    fail_child(session, task, old, revision, reason, old.started_at)


def _give_back(session: Session, task: Task, revision: int) -> None:
    rows.move_child(session, task.child_pk, RUNNING, PENDING, worker_id=None, started_at=None)
    rows.count_children(session, task.step_pk, revision, [(RUNNING, PENDING)])
    text = "Stopped because the worker was shut down; it will run again."
    append_lines(
        session, task, revision, logs.lines_of(text, "warning", moment(session), task.child_pk)
    )


def _release_units(session: Session, worker_id: str, reason: str | None) -> None:
    for step in session.execute(
        select(Step.pk, Step.job_id, Step.losses, Step.stage).where(Step.worker_id == worker_id)
    ).all():
        values: dict[str, Any] = {"worker_id": None}
        if reason:
            values["losses"] = step.losses + 1
        if reason and step.losses >= UNIT_LOSSES:
            values.update(
                stage=BROKEN,
                error=rows.short(
                    f"{unit_name(step.stage)} was lost {step.losses + 1} times: {reason}"
                ),
            )
            rows.touch(session, step.job_id)
        session.execute(update(Step).where(Step.pk == step.pk).values(values))


def unit_name(stage: str) -> str:
    return "planning" if stage == PLAN else "summing up"
