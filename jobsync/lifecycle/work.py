"""What workers say: they take work, tell how it went, and give it back. They decide nothing about
steps or jobs.

Fencing: a unit of work (a child's attempt, a step's planning or summing up) carries the number of
the try. A worker's word counts only while the row still names that try; one that was taken for dead
and comes back is refused, its lines are kept.
"""

import logging
from contextlib import contextmanager
from dataclasses import dataclass

from flask import current_app
from sqlalchemy import delete, insert, or_, select, update

from jobsync import store
from jobsync.base.clock import now
from jobsync.base.text import storable
from jobsync.db.damage import Damaged
from jobsync.db.json import Encoded
from jobsync.db.models import Child, Job, Step, Worker
from jobsync.db.transactions import moment, read, write
from jobsync.lifecycle import rows
from jobsync.status import (
    BROKEN,
    CHILDREN,
    COMPLETED,
    DONE,
    FAILED,
    PENDING,
    PLAN,
    RUNNING,
    SUMMARY,
)
from jobsync.store import logs

_log = logging.getLogger(__name__)

UNIT_LOSSES = 2  # a planning or summing up whose worker died is begun again this often


# A step with more failures has failed at that moment. The step monitor says so at its next look and
# cancels its unfinished children; until then nothing more of them counts and none begins, or the
# number of failures would depend on who is quicker.
WITHIN_TOLERANCE = Step.failed <= Step.max_child_failures


@dataclass(frozen=True)
class Task:
    """A unit of work: `kind` is "plan", "summary" or "child" (then `child_pk` and what follows
    are set). Times in ms.
    """

    kind: str
    worker_id: str
    job_id: str
    step_pk: int
    step_name: str
    step_type: str
    options: dict
    params: dict
    depends: list
    timeout: int | None
    retries: int
    attempt: int
    child_pk: int | None = None
    key: str = ""
    input: dict | None = None

    @property
    def attempt_id(self):
        """Names this attempt among all of the database: what it has started carries it as a
        mark.
        """
        return f"{self.job_id}/{self.child_pk}/{self.attempt}"


@dataclass(frozen=True)
class End:
    """How a child's attempt ended. `status` is "completed" or "failed"; times in ms."""

    task: Task
    status: str
    result: object
    error: str | None
    started_at: int


@dataclass(frozen=True)
class NewChild:
    """A child to be added to a step; adding the same `key` again does nothing."""

    key: str
    name: str
    input: dict | Encoded


# Workers


def register_worker(worker_id, pid):
    """Make a worker known."""
    with write() as session:
        session.execute(insert(Worker).values(id=worker_id, pid=pid, beat=0, beat_at=now()))


def beat(worker_id):
    """Say that a worker lives. Returns False when it was taken for dead: it must stop."""
    with write() as session:
        query = (
            update(Worker).where(Worker.id == worker_id).values(beat=Worker.beat + 1, beat_at=now())
        )
        return session.execute(query).rowcount == 1


# Taking work


def claim(worker_id, appetite):
    """Take work for a worker: a list of Tasks of one step, empty when there is none.

    `appetite(step_pk)` says how many children the worker would take of a step. The first Task is
    begun, the other children are only put by for this worker: they stay pending until `record`
    begins or ends them. Of all steps the one with the fewest running children comes first, so that
    a long job doesn't keep a short one waiting.
    """
    with read() as session:
        if not store.steps.is_work_waiting(session):
            return []
    with write() as session:
        return _claim_unit(session, worker_id) or _claim_children(session, worker_id, appetite)


def claim_idle(task, appetite):
    """Take children of the step that `task` is planning, as `claim` does, if nobody is doing
    any of them.
    """
    idle = _steps(Step.pk == task.step_pk, Step.pending > 0, Step.running == 0)
    with read() as session:
        if session.execute(idle).first() is None:
            return []
    with write() as session:
        step = session.execute(idle).first()
        return _take_children(session, task.worker_id, step, appetite(step.pk)) if step else []


STEP_FIELDS = (
    Step.pk,
    Step.name,
    Step.type,
    Step.options,
    Step.depends,
    Step.timeout,
    Step.retries,
    Step.stage,
    Step.tries,
    Step.job_id,
    Job.params,
)


def _steps(*conditions):
    return (
        select(*STEP_FIELDS)
        .join(Job, Job.id == Step.job_id)
        .where(Step.status == RUNNING, *conditions)
    )


def _claim_unit(session, worker_id):
    waiting = (
        select(Step.pk)
        .where(Step.status == RUNNING, Step.stage.in_((PLAN, SUMMARY)), Step.worker_id.is_(None))
        .order_by(Step.pk)
        .limit(50)
    )
    for pk in session.execute(waiting).scalars().all():
        with _apart(pk):
            step = session.execute(_steps(Step.pk == pk)).first()
            if step:
                session.execute(
                    update(Step)
                    .where(Step.pk == step.pk)
                    .values(worker_id=worker_id, tries=Step.tries + 1)
                )
                return [_task(worker_id, step, step.stage, step.tries + 1)]
    return []


_odd = set()  # steps that couldn't be read, which the log has been told


@contextmanager
def _apart(step_pk):
    """Pass over a step whose rows can't be read, so that others get their turn.

    The log is told once.
    """
    try:
        yield
    except (ValueError, TypeError) as error:
        if step_pk not in _odd:
            _log.error(
                "Step %s can't be read and so can't be worked on; others are: %s", step_pk, error
            )
        _odd.add(step_pk)


def _task(worker_id, step, kind, attempt, **child):
    if any(
        isinstance(value, Damaged)
        for value in (step.options, step.params, step.depends, child.get("input"))
    ):
        raise ValueError("it, its job or a child of it holds JSON that is none")
    return Task(
        kind=kind,
        worker_id=worker_id,
        job_id=step.job_id,
        step_pk=step.pk,
        step_name=step.name,
        step_type=step.type,
        options=step.options,
        params=step.params,
        depends=step.depends,
        timeout=step.timeout,
        retries=step.retries,
        attempt=attempt,
        **child,
    )


def _claim_children(session, worker_id, appetite):
    waiting = (
        select(Step.pk)
        .where(Step.status == RUNNING, Step.pending > 0, WITHIN_TOLERANCE)
        .order_by(Step.running, Step.pk)
        .limit(50)
    )
    for pk in session.execute(waiting).scalars().all():
        with _apart(pk):
            step = session.execute(_steps(Step.pk == pk)).first()
            tasks = _take_children(session, worker_id, step, appetite(pk)) if step else []
            if tasks:
                return tasks
    return []


def _take_children(session, worker_id, step, number):
    """Take pending children that are nobody's.

    What is put by for this worker is free as well: a worker that asks has nothing in hand.
    """
    fields = (Child.pk, Child.key, Child.input, Child.attempt)
    free = or_(Child.worker_id.is_(None), Child.worker_id == worker_id)
    query = select(*fields).where(Child.step_pk == step.pk, Child.status == PENDING, free)
    found = session.execute(query.order_by(Child.pk).limit(number)).all()
    if not found:
        return []
    session.execute(
        update(Child).where(Child.pk.in_([child.pk for child in found])).values(worker_id=worker_id)
    )
    tasks = [
        _task(
            worker_id, step, "child", row.attempt + 1, child_pk=row.pk, key=row.key, input=row.input
        )
        for row in found
    ]
    _begin(session, tasks[0], rows.touch(session, step.job_id))
    return tasks


def _begin(session, task, revision):
    guards = (
        Child.worker_id == task.worker_id,
        Child.attempt == task.attempt - 1,
        _tolerated(task),
    )
    values = {"attempt": task.attempt, "started_at": moment(session)}
    begun = rows.move_child(session, task.child_pk, PENDING, RUNNING, *guards, **values)
    if begun:
        rows.count_children(session, task.step_pk, revision, [(PENDING, RUNNING)])
    return begun


# Telling how it goes


def is_current(task):
    """Say whether a task is still this worker's to do."""
    with read() as session:
        if task.kind == "child":
            query = select(Child.pk).where(Child.pk == task.child_pk, *_holds(task))
        else:
            query = select(Step.pk).where(*_unit_holds(task))
        return session.execute(query).first() is not None


def _holds(task):
    """A child's attempt is the worker's if it was begun for it, or if it is put by for it to be
    begun.
    """
    begun = (Child.status == RUNNING) & (Child.attempt == task.attempt)
    put_by = (Child.status == PENDING) & (Child.attempt == task.attempt - 1)
    return [Child.worker_id == task.worker_id, or_(begun, put_by), _tolerated(task)]


def _tolerated(task):
    """The step hasn't failed by its failed children, as a condition."""
    return select(Step.pk).where(Step.pk == task.step_pk, WITHIN_TOLERANCE).exists()


def _unit_holds(task):
    return [
        Step.pk == task.step_pk,
        Step.status == RUNNING,
        Step.stage == task.kind,
        Step.worker_id == task.worker_id,
        Step.tries == task.attempt,
    ]


def record(task, lines=(), ended=(), spawned=(), begin=None):
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
        _append(session, task, revision, lines)
        for spawner, child in spawned:
            _spawn(session, spawner, child, revision)
        for end in ended:
            _end_child(session, end, revision)
        return bool(begin) and _begin(session, begin, revision)


def _step_exists(session, step_pk):
    return session.execute(select(Step.job_id).where(Step.pk == step_pk)).scalar() is not None


def _append(session, task, revision, lines):
    logs.append(
        session,
        task.step_pk,
        revision,
        lines,
        current_app.config["LOG_LIMIT"],
        current_app.config["LOG_BYTES"],
    )


def _spawn(session, spawner, child, revision):
    query = (
        select(Child.pk)
        .join(Step, Step.pk == Child.step_pk)
        .where(Child.pk == spawner.child_pk, Step.status == RUNNING, *_holds(spawner))
    )
    if session.execute(query).first():
        _add(session, spawner.step_pk, [child], revision)


def _add(session, step_pk, children, revision):
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


def _end_child(session, end, revision):
    task = end.task
    old = session.execute(
        select(Child.status, Child.failures)
        .where(Child.pk == task.child_pk, *_holds(task))
        .with_for_update()
    ).first()
    if old is None:
        return
    if end.status == FAILED:
        _fail_child(session, task, old, revision, end.error, end.started_at)
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


def _fail_child(session, task, old, revision, error, started_at):
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
        _append(
            session, task, revision, logs.lines_of(text, "warning", moment(session), task.child_pk)
        )


# Planning and summing up


def planned_so_far(step_pk):
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


def add_planned(task, children, lines=()):
    """Store children (NewChild) that a planning has found, and its lines.

    Returns False when the planning isn't this worker's any more.
    """
    with write() as session:
        if not _step_exists(session, task.step_pk):
            return False
        current = (
            session.execute(select(Step.pk).where(*_unit_holds(task)).with_for_update()).first()
            is not None
        )
        if (children and current) or lines:
            revision = rows.touch(session, task.job_id)
            _append(session, task, revision, lines)
            if children and current:
                _add(session, task.step_pk, children, revision)
        return current


def finish_plan(task):
    """Say that a step's planning has ended: it gets no more children but those that its
    children spawn.
    """
    _finish_unit(task, stage=CHILDREN, planned=True)


def finish_summary(task, result):
    """Store a step's result."""
    _finish_unit(task, stage=DONE, result=result)


def break_unit(task, error):
    """Say that a step's planning or summing up has failed: the step will."""
    _finish_unit(task, stage=BROKEN, error=rows.short(error))


def _finish_unit(task, **values):
    with write() as session:
        query = update(Step).where(*_unit_holds(task)).values(worker_id=None, **values)
        if session.execute(query).rowcount == 1:
            rows.touch(session, task.job_id)


# Giving work back


def put_back(worker_id):
    """Let other workers have the children that are put by for this one."""
    with write() as session:
        session.execute(
            update(Child)
            .where(Child.worker_id == worker_id, Child.status == PENDING)
            .values(worker_id=None)
        )


def release(worker_id, reason=None):
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


def attempts_of(worker_id):
    """Return the ids of the attempts that a worker has begun and not ended (`Task.attempt_id`)."""
    with read() as session:
        return [task.attempt_id for task, _ in _begun_by(session, worker_id)]


def _begun_by(session, worker_id):
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
        step = session.execute(_steps(Step.pk == child.step_pk, WITHIN_TOLERANCE)).first()
        if step:
            yield (
                _task(
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


def _lose_child(session, task, old, revision, reason):
    _append(
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
    _fail_child(session, task, old, revision, reason, old.started_at)


def _give_back(session, task, revision):
    rows.move_child(session, task.child_pk, RUNNING, PENDING, worker_id=None, started_at=None)
    rows.count_children(session, task.step_pk, revision, [(RUNNING, PENDING)])
    text = "Stopped because the worker was shut down; it will run again."
    _append(session, task, revision, logs.lines_of(text, "warning", moment(session), task.child_pk))


def _release_units(session, worker_id, reason):
    for step in session.execute(
        select(Step.pk, Step.job_id, Step.losses, Step.stage).where(Step.worker_id == worker_id)
    ).all():
        values = {"worker_id": None}
        if reason:
            values["losses"] = step.losses + 1
        if reason and step.losses >= UNIT_LOSSES:
            values.update(
                stage=BROKEN,
                error=rows.short(
                    f"{_unit_name(step.stage)} was lost {step.losses + 1} times: {reason}"
                ),
            )
            rows.touch(session, step.job_id)
        session.execute(update(Step).where(Step.pk == step.pk).values(values))


def _unit_name(stage):
    return "planning" if stage == PLAN else "summing up"
