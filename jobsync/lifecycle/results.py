"""Workers tell how their work goes and how it ended. They decide nothing about steps or jobs."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select, update

from jobsync.db.models import Child, Step
from jobsync.db.transactions import read, write
from jobsync.lifecycle import rows, stops
from jobsync.lifecycle.recording import (
    Progress,
    Recording,
    add_children,
    append_lines,
    rules_of,
)
from jobsync.lifecycle.tasks import End, NewChild, Task, holds, unit_holds
from jobsync.status import BROKEN, CHILDREN, DONE
from jobsync.store.logs import Line


def is_current(task: Task) -> bool:
    """Say whether a task is still this worker's to do."""
    with read() as connection:
        if task.kind == "child":
            query = select(Child.pk).where(Child.pk == task.child_pk, *holds(task))
        else:
            query = select(Step.pk).where(*unit_holds(task))
        return connection.execute(query).first() is not None


def record(
    task: Task,
    lines: Iterable[Line] = (),
    ended: Iterable[End] = (),
    spawned: Iterable[tuple[Task, NewChild]] = (),
    begin: Task | None = None,
    progress: Progress | None = None,
) -> bool:
    """Store what happened to children of `task`'s step in one transaction with the counters and the
    job's revision.

    lines: logs.Lines. ended: Ends, whose results are refused if the child isn't the worker's any
    more. spawned: `(task, NewChild)` pairs. progress: of the task, `(done, total)`.
    begin: the Task of the next child to begin. Returns whether that one was begun (False too when
    there is none).
    """
    lines, ended = list(lines), list(ended)
    with write() as connection:
        step = rules_of(connection, task.step_pk)
        if step is None:
            return False
        recording = Recording(connection, step, rows.touch(connection, task.job_id))
        recording.append(task, lines, ended)
        for spawner, child in spawned:
            recording.spawn(spawner, child)
        recording.end(ended)
        if progress:
            recording.note_progress(task, progress)
        is_begun = begin is not None and recording.begin(begin)
        recording.finish()
        return is_begun


def planned_so_far(step_pk: int) -> tuple[int, dict[str, Any] | None]:
    """Return `(number, input of the last one)` of the children that planning has stored for a
    step; `(0, None)` for none.
    """
    with read() as connection:
        query = (
            select(Child.key, Child.input)
            .where(Child.step_pk == step_pk, ~Child.key.contains("."))
            .order_by(Child.pk.desc())
            .limit(1)
        )
        last = connection.execute(query).first()
    return (int(last.key), last.input) if last else (0, None)


def add_planned(task: Task, children: Iterable[NewChild], lines: Iterable[Line] = ()) -> bool:
    """Store children (NewChild) that a planning has found, and its lines.

    Returns False when the planning isn't this worker's any more.
    """
    with write() as connection:
        if rules_of(connection, task.step_pk) is None:
            return False
        current = (
            connection.execute(select(Step.pk).where(*unit_holds(task)).with_for_update()).first()
            is not None
        )
        if (children and current) or lines:
            revision = rows.touch(connection, task.job_id)
            append_lines(connection, task.step_pk, revision, list(lines))
            if children and current:
                add_children(connection, task.step_pk, list(children), revision)
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
    with write() as connection:
        query = update(Step).where(*unit_holds(task)).values(worker_id=None, **values)
        if connection.execute(query).rowcount == 1:
            rows.touch(connection, task.job_id)
        elif stops.close(connection, task):
            stops.finish(connection, [task.step_pk])
