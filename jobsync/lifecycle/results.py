"""Workers tell how their work goes and how it ended. They decide nothing about steps or jobs."""

from collections.abc import Iterable, Sequence
from typing import Any

from flask import current_app
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from jobsync.base.text import storable
from jobsync.db.models import Child, Step
from jobsync.db.transactions import moment, read, write
from jobsync.lifecycle import rows
from jobsync.lifecycle.claims import begin_child
from jobsync.lifecycle.tasks import End, NewChild, Task, holds, unit_holds
from jobsync.status import BROKEN, CHILDREN, COMPLETED, DONE, FAILED, PENDING, RUNNING
from jobsync.store import logs
from jobsync.store.logs import Line


def is_current(task: Task) -> bool:
    """Say whether a task is still this worker's to do."""
    with read() as session:
        if task.kind == "child":
            query = select(Child.pk).where(Child.pk == task.child_pk, *holds(task))
        else:
            query = select(Step.pk).where(*unit_holds(task))
        return session.execute(query).first() is not None


def record(
    task: Task,
    lines: Iterable[Line] = (),
    ended: Iterable[End] = (),
    spawned: Iterable[tuple[Task, NewChild]] = (),
    begin: Task | None = None,
) -> bool:
    """Store what happened to children of `task`'s step in one transaction with the counters and the
    job's revision.

    lines: logs.Lines. ended: Ends, whose results are refused if the child isn't the worker's any
    more. spawned: `(task, NewChild)` pairs.
    begin: the Task of the next child to begin. Returns whether that one was begun (False too when
    there is none).
    """
    with write() as session:
        if not _step_exists(session, task.step_pk):
            return False
        revision = rows.touch(session, task.job_id)
        append_lines(session, task, revision, lines)
        for spawner, child in spawned:
            _spawn(session, spawner, child, revision)
        for end in ended:
            _end_child(session, end, revision)
        return begin is not None and begin_child(session, begin, revision)


def _step_exists(session: Session, step_pk: int) -> bool:
    return session.execute(select(Step.job_id).where(Step.pk == step_pk)).scalar() is not None


def append_lines(session: Session, task: Task, revision: int, lines: Iterable[Line]) -> None:
    logs.append(
        session,
        task.step_pk,
        revision,
        list(lines),
        current_app.config["LOG_LIMIT"],
        current_app.config["LOG_BYTES"],
    )


def _spawn(session: Session, spawner: Task, child: NewChild, revision: int) -> None:
    query = (
        select(Child.pk)
        .join(Step, Step.pk == Child.step_pk)
        .where(Child.pk == spawner.child_pk, Step.status == RUNNING, *holds(spawner))
    )
    if session.execute(query).first():
        _add(session, spawner.step_pk, [child], revision)


def _add(session: Session, step_pk: int, children: Sequence[NewChild], revision: int) -> None:
    """Add those children whose keys aren't there yet."""
    values = [
        {
            "step_pk": step_pk,
            "key": child.key,
            "name": storable(child.name),
            "input": child.input,
            "status": PENDING,
        }
        for child in children
    ]
    before = session.execute(
        select(Child.key).where(
            Child.step_pk == step_pk, Child.key.in_([child.key for child in children])
        )
    ).all()
    known = {row.key for row in before}
    new = [value for value in values if value["key"] not in known]
    if new:
        session.execute(insert(Child), new)
        rows.count_children(session, step_pk, revision, [(None, PENDING)] * len(new))


def _end_child(session: Session, end: End, revision: int) -> None:
    task = end.task
    old = session.execute(
        select(Child.status, Child.failures)
        .where(Child.pk == task.child_pk, *holds(task))
        .with_for_update()
    ).first()
    if old is None:
        return
    if end.status == FAILED:
        fail_child(session, task, old, revision, end.error, end.started_at)
        return
    values = {
        "attempt": task.attempt,
        "result": end.result,
        "error": None,
        "worker_id": None,
        "started_at": end.started_at,
    }
    rows.move_child(session, task.child_pk, old.status, COMPLETED, **values)
    rows.count_children(session, task.step_pk, revision, [(old.status, COMPLETED)])


def fail_child(
    session: Session, task: Task, old: Any, revision: int, error: str | None, started_at: int | None
) -> None:
    """Fail a child's attempt; while it has retries left it goes back to pending."""
    again = old.failures < task.retries
    error = storable(error)
    values = {
        "attempt": task.attempt,
        "failures": old.failures + 1,
        "worker_id": None,
        "error": error,
        "started_at": started_at,
    }
    new = PENDING if again else FAILED
    if old.status == new:  # a short child that was never shown as running
        session.execute(update(Child).where(Child.pk == task.child_pk).values(values))
    else:
        rows.move_child(session, task.child_pk, old.status, new, **values)
        rows.count_children(session, task.step_pk, revision, [(old.status, new)])
    if again:
        text = (
            f"Attempt {task.attempt} failed: {error}. "
            f"It will be tried again ({task.retries - old.failures} left)."
        )
        append_lines(
            session, task, revision, logs.lines_of(text, "warning", moment(session), task.child_pk)
        )


def planned_so_far(step_pk: int) -> tuple[int, dict[str, Any] | None]:
    """Return `(number, input of the last one)` of the children that planning has stored for a
    step; `(0, None)` for none.
    """
    with read() as session:
        query = (
            select(Child.key, Child.input)
            .where(Child.step_pk == step_pk, ~Child.key.contains("."))
            .order_by(Child.pk.desc())
            .limit(1)
        )
        last = session.execute(query).first()
    return (int(last.key), last.input) if last else (0, None)


def add_planned(task: Task, children: Iterable[NewChild], lines: Iterable[Line] = ()) -> bool:
    """Store children (NewChild) that a planning has found, and its lines.

    Returns False when the planning isn't this worker's any more.
    """
    with write() as session:
        if not _step_exists(session, task.step_pk):
            return False
        current = (
            session.execute(select(Step.pk).where(*unit_holds(task)).with_for_update()).first()
            is not None
        )
        if (children and current) or lines:
            revision = rows.touch(session, task.job_id)
            append_lines(session, task, revision, lines)
            if children and current:
                _add(session, task.step_pk, list(children), revision)
        return current


def finish_plan(task: Task) -> None:
    """Say that a step's planning has ended: it gets no more children but those that its
    children spawn.
    """
    _finish_unit(task, stage=CHILDREN, planned=True)


def finish_summary(task: Task, result: Any) -> None:
    """Store a step's result."""
    _finish_unit(task, stage=DONE, result=result)


def break_unit(task: Task, error: str) -> None:
    """Say that a step's planning or summing up has failed: the step will."""
    _finish_unit(task, stage=BROKEN, error=rows.short(error))


def _finish_unit(task: Task, **values: Any) -> None:
    with write() as session:
        query = update(Step).where(*unit_holds(task)).values(worker_id=None, **values)
        if session.execute(query).rowcount == 1:
            rows.touch(session, task.job_id)
