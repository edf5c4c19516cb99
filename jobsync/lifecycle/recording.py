"""One transaction that tells of children of a step: what a worker says of them, and what becomes of
those whose worker is gone.
"""

import random
from collections.abc import Sequence
from typing import Any

from flask import current_app
from sqlalchemy import Connection, bindparam, func, insert, select, text, update

from jobsync.base.text import storable
from jobsync.db.models import Attempt, Child, Step
from jobsync.db.prepared import Prepared
from jobsync.db.transactions import moment
from jobsync.lifecycle import rows, stops
from jobsync.lifecycle.tasks import End, NewChild, Task, holds
from jobsync.status import CANCELLED, COMPLETED, FAILED, PENDING, RUNNING, UNFINISHED
from jobsync.store import logs
from jobsync.store.logs import Line

MOST_LOSSES = 2  # how often a child of a step that says `rerun_when_lost` is begun again

STEPS, CHILDREN, ATTEMPTS = Step.__table__, Child.__table__, Attempt.__table__
RULES = Prepared(
    select(
        STEPS.c.pk,
        STEPS.c.job_id,
        STEPS.c.status,
        STEPS.c.failed,
        STEPS.c.old_failures,
        STEPS.c.max_child_failures,
        STEPS.c.retries,
        STEPS.c.retry_delay,
        STEPS.c.retry_backoff,
        STEPS.c.retry_max_delay,
        STEPS.c.retry_on,
        STEPS.c.rerun_when_lost,
    ).where(STEPS.c.pk == bindparam("step"))
)
KNOWN_KEYS = select(CHILDREN.c.key).where(
    CHILDREN.c.step_pk == bindparam("step"), CHILDREN.c.key.in_(bindparam("keys", expanding=True))
)
_OLD_CHILDREN = select(
    CHILDREN.c.pk,
    CHILDREN.c.status,
    CHILDREN.c.attempt,
    CHILDREN.c.failures,
    CHILDREN.c.losses,
    CHILDREN.c.worker_id,
)
OLD_CHILDREN = _OLD_CHILDREN.where(CHILDREN.c.pk.in_(bindparam("children", expanding=True)))
OLD_CHILD = Prepared(_OLD_CHILDREN.where(CHILDREN.c.pk == bindparam("child")))
NEW_VALUES = (
    "status",
    "attempt",
    "failures",
    "losses",
    "due_at",
    "result",
    "error",
    "exit_code",
    "started_at",
    "finished_at",
)
END_CHILD = Prepared(
    update(CHILDREN)
    .where(CHILDREN.c.pk == bindparam("child"))
    .values(
        worker_id=None,
        progress_done=None,
        progress_total=None,
        **{name: bindparam(f"new_{name}", type_=CHILDREN.c[name].type) for name in NEW_VALUES},
    )
)
BEGIN_CHILD = Prepared(
    update(CHILDREN)
    .where(
        CHILDREN.c.pk == bindparam("child"),
        CHILDREN.c.status == PENDING,
        CHILDREN.c.worker_id == bindparam("worker"),
        CHILDREN.c.attempt == bindparam("number") - 1,
    )
    .values(
        status=RUNNING,
        attempt=bindparam("number"),
        started_at=bindparam("start"),
        exit_code=None,
        progress_done=None,
        progress_total=None,
    )
)
# An attempt that was begun has its row already; a short one gets it when it ends
STORE_ATTEMPT = Prepared(
    text(
        "INSERT INTO attempts (child_pk, attempt, status, worker_id, started_at, finished_at,"
        " error, exit_code, first_line, last_line)"
        " VALUES (:child, :number, :status, :worker, :start, :end, :error, :exit_code, :first,"
        " :last)"
        " ON CONFLICT (child_pk, attempt) DO UPDATE SET status = excluded.status,"
        " started_at = excluded.started_at,"
        " finished_at = excluded.finished_at, error = excluded.error,"
        " exit_code = excluded.exit_code,"
        " first_line = coalesce(attempts.first_line, excluded.first_line),"
        " last_line = coalesce(excluded.last_line, attempts.last_line)"
    )
)
NOTE_LINES = Prepared(
    update(ATTEMPTS)
    .where(ATTEMPTS.c.child_pk == bindparam("child"), ATTEMPTS.c.attempt == bindparam("number"))
    .values(
        first_line=func.coalesce(ATTEMPTS.c.first_line, bindparam("first")),
        last_line=bindparam("last"),
    )
)
Progress = tuple[float, float | None]  # what is done, and of how much where that is known
Lines = tuple[int | None, int | None]  # the first and the last line of an attempt
NO_LINES: Lines = (None, None)


def rules_of(connection: Connection, step_pk: int) -> Any:
    """Return a step's row with what decides about its children, or None if its job is deleted."""
    step = RULES.first(connection, {"step": step_pk})
    return step if step and step.job_id is not None else None


class Recording:
    """One transaction that tells of children of one step.

    What it finds of the step is true for all of it: nobody else can write meanwhile.
    """

    def __init__(self, connection: Connection, step: Any, revision: int) -> None:
        self._connection = connection
        self._step = step
        self._revision = revision
        self._moves: list[tuple[str | None, str]] = []
        self._failed = step.failed
        self._lines: dict[tuple[int, int], Lines] = {}  # by child and attempt, not yet stored
        self._closed = False

    def append(self, task: Task, lines: Sequence[Line], ended: Sequence[End]) -> None:
        """Append lines to the step's log. They are of the task, or of an attempt in `ended`."""
        attempts = {end.task.child_pk: end.task.attempt for end in ended}
        attempts.setdefault(task.child_pk, task.attempt)
        self._append(lines, attempts)

    def _append(self, lines: Sequence[Line], attempts: dict[int | None, int]) -> None:
        if not lines:
            return
        numbers = append_lines(self._connection, self._step.pk, self._revision, lines)
        for number, line in zip(numbers, lines, strict=False):  # not all where a limit is reached
            if line.child_pk is not None and line.child_pk in attempts:
                self._note_line(line.child_pk, attempts[line.child_pk], number)

    def _note_line(self, child_pk: int, attempt: int, number: int) -> None:
        known = self._lines.get((child_pk, attempt), NO_LINES)
        self._lines[child_pk, attempt] = (known[0] or number, number)

    def spawn(self, spawner: Task, child: NewChild) -> None:
        """Add a child, if the one that spawned it is still its worker's."""
        query = (
            select(Child.pk)
            .join(Step, Step.pk == Child.step_pk)
            .where(Child.pk == spawner.child_pk, Step.status == RUNNING, *holds(spawner))
        )
        if self._connection.execute(query).first():
            add_children(self._connection, spawner.step_pk, [child], self._revision)

    # Ends

    @property
    def _is_open(self) -> bool:
        """Say whether children of the step may still begin and end.

        One that has failed by its failed children hasn't been moved yet perhaps, but nothing more
        of it counts: see WITHIN_TOLERANCE.
        """
        step = self._step
        return (
            step.status == RUNNING and self._failed - step.old_failures <= step.max_child_failures
        )

    def end(self, ended: Sequence[End]) -> None:
        """End attempts. Those of children that aren't the worker's any more are refused."""
        if not ended:
            return
        old = {row.pk: row for row in self._find([end.task.child_pk for end in ended])}
        children, attempts = [], []
        for end in ended:
            child = old.pop(end.task.child_pk, None)  # a second end of it is refused
            if not (child and self._is_open and _is_held(child, end.task)):
                self._refuse(end)
                continue
            values = self._new_values(child, end)
            children.append(_prefixed(end.task.child_pk, values))
            attempts.append(self._ended_attempt(end))
            self._moves.append((child.status, values["status"]))
        if children:
            END_CHILD.change_each(self._connection, children)
            STORE_ATTEMPT.change_each(self._connection, attempts)

    def _find(self, children: list[int | None]) -> Any:
        if len(children) == 1:
            return OLD_CHILD.all(self._connection, {"child": children[0]})
        return self._connection.execute(OLD_CHILDREN, {"children": children})

    def _refuse(self, end: End) -> None:
        """Pass over the end of what isn't the worker's any more. If it was cancelled, it has
        stopped now.
        """
        self._closed |= stops.close(self._connection, end.task, end.stopped, end.left)

    def _new_values(self, child: Any, end: End) -> dict[str, Any]:
        values = {
            "status": COMPLETED,
            "attempt": end.task.attempt,
            "failures": child.failures,
            "losses": child.losses,
            "due_at": None,
            "result": end.result,
            "error": None,
            "exit_code": end.exit_code,
            "started_at": end.started_at,
            "finished_at": end.finished_at or moment(self._connection),
        }
        if end.status == FAILED:
            values |= {"error": storable(end.error or ""), "result": None}
            values |= self._after_failure(child, end)
        return values

    def _after_failure(self, child: Any, end: End) -> dict[str, Any]:
        """Return what changes for a child whose attempt failed: it waits for another, or has
        failed.
        """
        step, task = self._step, end.task
        if child.failures < step.retries and is_worth_retrying(step.retry_on, end):
            delay = delay_of(step, child.failures)
            left = step.retries - child.failures
            self._say(
                end.task.child_pk,
                task.attempt,
                f"Attempt {task.attempt} failed: {end.error}. "
                f"It will be tried again{_in_words(delay)} ({left} left).",
                "warning",
            )
            return {
                "status": PENDING,
                "failures": child.failures + 1,
                "started_at": None,
                "finished_at": None,
                "due_at": moment(self._connection) + delay if delay else None,
            }
        self._failed += 1
        return {"status": FAILED, "failures": child.failures + 1}

    def _ended_attempt(self, end: End) -> dict[str, Any]:
        task = end.task
        return {
            **self._attempt(task.child_pk, task.attempt, task.worker_id, end.started_at),
            "status": end.status,
            "end": end.finished_at or moment(self._connection),
            "error": end.error and storable(end.error),
            "exit_code": end.exit_code,
        }

    def _attempt(
        self, child_pk: int | None, number: int, worker_id: str, start: int | None
    ) -> dict[str, Any]:
        """Return what STORE_ATTEMPT needs, of an attempt that runs."""
        first, last = self._lines.pop((child_pk or 0, number), NO_LINES)
        return {
            "child": child_pk,
            "number": number,
            "status": RUNNING,
            "worker": worker_id,
            "start": start,
            "end": None,
            "error": None,
            "exit_code": None,
            "first": first,
            "last": last,
        }

    # Losses

    def lose(self, worker_id: str, child: Any, reason: str, is_orderly: bool = False) -> None:
        """End the attempt of a running child whose worker is gone.

        child: its row before (`workers.HELD`). It is begun again if the step says
        `rerun_when_lost`, a few times at most, or if it has retries left, of which that uses up
        one. Else it has failed: nobody knows how far it came. is_orderly: the worker gives it back
        because it ends, which is no fault of the work.
        """
        if not self._is_open:
            return  # the step monitor is about to cancel it
        error = f"lost: {reason}"
        moves = self._after_loss(child, is_orderly)
        is_again = moves["status"] == PENDING
        said = "Stopped" if is_orderly else f"Lost during attempt {child.attempt}"
        self._say(
            child.pk,
            child.attempt,
            f"{said}: {reason}." + (" It will run again." if is_again else ""),
            "warning" if is_orderly and is_again else "error",
        )
        end = moment(self._connection)
        END_CHILD.change(
            self._connection,
            _prefixed(
                child.pk,
                {
                    "attempt": child.attempt,
                    "failures": child.failures,
                    "losses": child.losses,
                    "due_at": None,
                    "result": None,
                    "error": None if is_orderly and is_again else error,
                    "exit_code": None,
                    "started_at": None if is_again else child.started_at,
                    "finished_at": None if is_again else end,
                    **moves,
                },
            ),
        )
        STORE_ATTEMPT.change(
            self._connection,
            {
                **self._attempt(child.pk, child.attempt, worker_id, child.started_at),
                "status": CANCELLED if is_orderly else FAILED,
                "end": end,
                "error": error,
            },
        )
        self._moves.append((child.status, moves["status"]))

    def _after_loss(self, child: Any, is_orderly: bool) -> dict[str, Any]:
        step = self._step
        if step.rerun_when_lost and (is_orderly or child.losses < MOST_LOSSES):
            return {"status": PENDING, "losses": child.losses + (not is_orderly)}
        if child.failures < step.retries:
            delay = 0 if is_orderly else delay_of(step, child.failures)
            return {
                "status": PENDING,
                "failures": child.failures + 1,
                "due_at": moment(self._connection) + delay if delay else None,
            }
        self._failed += 1
        return {"status": FAILED, "failures": child.failures + 1}

    # What else

    def _say(self, child_pk: int | None, attempt: int, message: str, level: str) -> None:
        """Append lines of the engine's own to the log of an attempt."""
        lines = logs.lines_of(message, level, moment(self._connection), child_pk)
        self._append(lines, {child_pk: attempt})

    def note_progress(self, task: Task, progress: Progress) -> None:
        """Store how much of a child's work is done."""
        done, total = progress
        self._connection.execute(
            update(Child)
            .where(Child.pk == task.child_pk, *holds(task))
            .values(progress_done=done, progress_total=total)
        )
        self._moves.append((RUNNING, RUNNING))  # the step has changed, though no number has

    def begin(self, task: Task) -> bool:
        """Begin a child's attempt, if it is still reserved for the worker. Returns whether it is
        begun.
        """
        if not self._is_open:
            return False
        start = moment(self._connection)
        values = {
            "child": task.child_pk,
            "worker": task.worker_id,
            "number": task.attempt,
            "start": start,
        }
        if BEGIN_CHILD.change(self._connection, values) == 0:
            return False
        attempt = self._attempt(task.child_pk, task.attempt, task.worker_id, start)
        STORE_ATTEMPT.change(self._connection, attempt)
        self._moves.append((PENDING, RUNNING))
        return True

    def finish(self) -> None:
        """Store what was gathered: the step's counters, and where the lines of attempts are."""
        if self._lines:
            NOTE_LINES.change_each(
                self._connection,
                [
                    {"child": child, "number": number, "first": first, "last": last}
                    for (child, number), (first, last) in self._lines.items()
                ],
            )
        if self._moves:
            rows.count_children(self._connection, self._step.pk, self._revision, self._moves)
        if self._closed:
            stops.finish(self._connection, [self._step.pk])


def append_lines(
    connection: Connection, step_pk: int, revision: int, lines: Sequence[Line]
) -> range:
    """Append lines to a step's log, and return their numbers: fewer where a limit is reached."""
    config = current_app.config
    return logs.append(
        connection, step_pk, revision, list(lines), config["LOG_LIMIT"], config["LOG_BYTES"]
    )


def add_children(
    connection: Connection, step_pk: int, children: Sequence[NewChild], revision: int
) -> None:
    """Add those children to a step whose keys aren't there yet."""
    values = [
        {
            "step_pk": step_pk,
            "key": child.key,
            "name": storable(child.name),
            "input": child.input,
            "parent_pk": child.parent_pk,
            "status": PENDING,
        }
        for child in children
    ]
    known = set(
        connection.execute(
            KNOWN_KEYS, {"step": step_pk, "keys": [child.key for child in children]}
        ).scalars()
    )
    new = [value for value in values if value["key"] not in known]
    if new:
        connection.execute(insert(CHILDREN), new)
        rows.count_children(connection, step_pk, revision, [(None, PENDING)] * len(new))


def _is_held(child: Any, task: Task) -> bool:
    """Say whether a child's attempt is the worker's: it was begun for it, or is reserved for it
    to be begun.
    """
    attempt = task.attempt if child.status == RUNNING else task.attempt - 1
    return (
        child.worker_id == task.worker_id
        and child.status in UNFINISHED
        and child.attempt == attempt
    )


def _prefixed(child_pk: int | None, values: dict[str, Any]) -> dict[str, Any]:
    return {"child": child_pk, **{f"new_{name}": value for name, value in values.items()}}


def is_worth_retrying(retry_on: list | None, end: End) -> bool:
    """Say whether a step's `retry_on` names how an attempt failed: by its exit code, or by the
    name of its exception or of a base class. None: any failure is worth another attempt.
    """
    if retry_on is None:
        return True
    return any(
        end.exit_code == wanted if isinstance(wanted, int) else wanted in end.names
        for wanted in retry_on
    )


def delay_of(step: Any, failures: int) -> int:
    """Return the ms that a child waits before it is tried again, after so many failures before
    this one: the contract's formula, give or take 20 % at random.
    """
    if not step.retry_delay:
        return 0
    # an exponent that no float can hold stands for a delay beyond all limits
    growth = step.retry_backoff ** min(failures, 100)
    return round(min(step.retry_delay * growth, step.retry_max_delay) * random.uniform(0.8, 1.2))


def _in_words(delay: int) -> str:
    return f" in {delay / 1000:.3g} s" if delay else ""
