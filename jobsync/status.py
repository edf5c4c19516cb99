"""Statuses and what follows from them: pure functions over plain facts, standard library only.

The rules are those of the contract's section 1. Nothing else in the system decides how a step or a
job ends.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# What goes through many items and may let others run in between: `iter`, or `loop.in_turns`
Turns = Callable[[Iterable[Any]], Iterable[Any]]

PENDING, RUNNING = "pending", "running"
COMPLETED, FAILED, CANCELLED, SKIPPED = "completed", "failed", "cancelled", "skipped"

JOB_STATUSES = (PENDING, RUNNING, COMPLETED, FAILED, CANCELLED)
CHILD_STATUSES = JOB_STATUSES
STEP_STATUSES = (*JOB_STATUSES, SKIPPED)
TERMINAL = frozenset({COMPLETED, FAILED, CANCELLED, SKIPPED})
UNFINISHED = (PENDING, RUNNING)
RETRYABLE = (FAILED, CANCELLED)
ACTIONS = ("cancel", "retry", "rerun", "delete")
BULK_ACTIONS = ("cancel", "retry", "delete")  # those that may be done to many jobs at a time
CHILD_SORTS = ("number", "duration", "status")  # what children may be sorted by
# A draining worker takes nothing new; a lost one gives no sign of life
WORKER_STATES = ("running", "draining", "lost")

LEVELS = ("debug", "info", "warning", "error")

# The stages inside a running step. A worker takes PLAN and SUMMARY as units of work; BROKEN is its
# word that one of them failed.
WAITING, PLAN, CHILDREN, SUMMARY, DONE, BROKEN = (
    "waiting",
    "plan",
    "children",
    "summary",
    "done",
    "broken",
)

# A terminal status never changes, save by a retry (to pending). A completed step, and its job, may
# be retried where children of it failed and were tolerated, or were cancelled by themselves.
TRANSITIONS = {
    "job": {
        PENDING: {RUNNING, COMPLETED, FAILED, CANCELLED},
        RUNNING: {COMPLETED, FAILED, CANCELLED},
        COMPLETED: {PENDING},
        FAILED: {PENDING},
        CANCELLED: {PENDING},
    },
    "step": {
        PENDING: {RUNNING, SKIPPED, CANCELLED},
        RUNNING: {COMPLETED, FAILED, CANCELLED},
        COMPLETED: {PENDING},
        FAILED: {PENDING},
        CANCELLED: {PENDING},
        SKIPPED: {PENDING},
    },
    # A short child may end in the transaction that starts it; one that is to be tried again goes
    # back to pending.
    "child": {
        PENDING: {RUNNING, COMPLETED, FAILED, CANCELLED},
        RUNNING: {PENDING, COMPLETED, FAILED, CANCELLED},
        FAILED: {PENDING},
        CANCELLED: {PENDING},
    },
}


def allowed(kind: str, old: str, new: str) -> bool:
    """Say whether a `kind` ("job", "step", "child") may go from status `old` to `new`."""
    return new in TRANSITIONS[kind].get(old, ())


def actions(status: str) -> list[str]:
    """Return which of ACTIONS a job of that status allows, in their order."""
    allowed = {
        "cancel": status not in TERMINAL,
        "retry": status in RETRYABLE,
        "rerun": True,
        "delete": status in TERMINAL,
    }
    return [action for action in ACTIONS if allowed[action]]


def step_actions(status: str, children: Mapping[str, int]) -> list[str]:
    """Return which of "cancel" and "retry" a step of that status allows, given the number of its
    children by status.

    A step that completed can be retried where children of it didn't complete.
    """
    has_incomplete = any(children.get(each, 0) for each in RETRYABLE)
    is_retryable = status in RETRYABLE or (status == COMPLETED and has_incomplete)
    return ["cancel"] * (status not in TERMINAL) + ["retry"] * is_retryable


def child_actions(status: str) -> list[str]:
    """Return which of "cancel" and "retry" a child of that status allows."""
    return ["cancel"] * (status not in TERMINAL) + ["retry"] * (status in RETRYABLE)


@dataclass(frozen=True)
class DoneCount:
    """How much of some steps is done.

    `share` is how much of the whole, 0 to 1: each step counts the same, one that isn't done by its
    children.
    """

    steps: int
    all_steps: int
    children: int
    all_children: int
    share: float

    @property
    def words(self) -> str:
        """`2 of 4 steps · 37 of 1,200 children`."""
        words = f"{self.steps:,} of {_amount(self.all_steps, 'step', 'steps')}"
        if not self.all_children:
            return words
        return f"{words} · {self.children:,} of {_amount(self.all_children, 'child', 'children')}"


def count_done(
    steps: Iterable[tuple[str, Mapping[str, int]]], done: Collection[str] = TERMINAL
) -> DoneCount:
    """Return the DoneCount of `steps`: `(status, children)` of each, where `children` counts by
    status.

    done: the statuses in which a step or a child counts. TERMINAL counts what has ended,
    `(COMPLETED,)` what has completed.
    """
    number = finished = children = all_children = 0
    share = 0.0
    for status, counts in steps:
        mine = sum(counts[each] for each in CHILD_STATUSES if each in done)
        whole = sum(counts[each] for each in CHILD_STATUSES)
        number += 1
        finished += status in done
        children += mine
        all_children += whole
        share += 1 if status in done else mine / (whole or 1)
    return DoneCount(finished, number, children, all_children, share / (number or 1))


def _amount(count: int, noun: str, plural: str) -> str:
    return f"{count:,} {noun if count == 1 else plural}"


@dataclass(frozen=True)
class StepFacts:
    """What is known of a step when it is asked what follows. `children` counts by status.

    old_failures: how many of the failed children had failed before the last retry. They fail the
    step at its end, and not before.
    """

    name: str
    status: str = PENDING
    depends: tuple = ()
    on_error: str = "fail"
    always_run: bool = False
    stage: str = WAITING
    planned: bool = False
    has_summary: bool = False
    children: dict = field(default_factory=dict)
    max_child_failures: int = 0
    error: str | None = None
    old_failures: int = 0

    @property
    def unfinished_children(self) -> int:
        return sum(self.children.get(status, 0) for status in UNFINISHED)


@dataclass(frozen=True)
class Move:
    """What a step does next: its new status and stage, and the reason for a failure."""

    status: str
    stage: str
    error: str | None = None


def derive_step(step: StepFacts, steps: dict[str, StepFacts]) -> Move | None:
    """Return the Move that follows for `step` (StepFacts), or None when nothing does.

    `steps` maps names to StepFacts.
    """
    if step.status == PENDING:
        return _derive_pending(step, [steps[name] for name in step.depends])
    if step.status == RUNNING:
        return _derive_running(step)
    return None


def _derive_pending(step: StepFacts, dependencies: list[StepFacts]) -> Move | None:
    if not step.always_run and any(_blocks(dependency) for dependency in dependencies):
        return Move(SKIPPED, WAITING)
    if all(dependency.status in TERMINAL for dependency in dependencies):
        return Move(RUNNING, CHILDREN if step.planned else PLAN)
    return None


def _blocks(dependency: StepFacts) -> bool:
    """Say whether a dependency ended in a way that skips those that wait for it."""
    if dependency.status == FAILED:
        return dependency.on_error != "continue"
    return dependency.status in (CANCELLED, SKIPPED)


def _derive_running(step: StepFacts) -> Move | None:
    if step.stage == BROKEN:
        return Move(FAILED, BROKEN, step.error or "the step failed")
    failures = step.children.get(FAILED, 0)
    is_at_end = step.stage == CHILDREN and not step.unfinished_children
    counted = failures if is_at_end else failures - step.old_failures
    if counted > step.max_child_failures:
        return Move(FAILED, DONE, _too_many(failures, step.max_child_failures))
    if is_at_end:
        return Move(RUNNING, SUMMARY) if step.has_summary else Move(COMPLETED, DONE)
    if step.stage == DONE:
        return Move(COMPLETED, DONE)
    return None


def _too_many(failures: int, limit: int) -> str:
    noun = "child" if failures == 1 else "children"
    return f"{failures} {noun} failed" + (f", {limit} tolerated" if limit else "")


def derive_job(status: str, steps: Iterable[StepFacts]) -> str | None:
    """Return the status that follows for a job from its steps (an iterable of StepFacts), or
    None when nothing does.
    """
    if status in TERMINAL:
        return None
    steps = list(steps)
    if all(step.status in TERMINAL for step in steps):
        return _end_of_job(steps)
    if status == PENDING and any(step.status != PENDING for step in steps):
        return RUNNING
    return None


def _end_of_job(steps: list[StepFacts]) -> str:
    if any(step.status == FAILED and step.on_error == "fail" for step in steps):
        return FAILED
    if any(step.status == CANCELLED for step in steps):
        return CANCELLED
    return COMPLETED


def derive_moves(steps: dict[str, StepFacts], turns: Turns = iter) -> Iterator[tuple[str, Move]]:
    """Yield `(name, Move)` until nothing more follows, each move seen by the next. `steps` maps
    names to StepFacts and is brought along.

    One pass: each step is looked at after those that it depends on, until nothing more follows for
    it. Nothing does later then, since what follows for a step depends on itself and on those alone.
    Raises ValueError for a cycle. turns: what goes through many steps, so that a caller can do
    something else in between.
    """
    for name in turns(_in_order(steps)):
        while move := _new_move(steps[name], steps):
            steps[name] = _moved(steps[name], move)
            yield name, move


def _in_order(steps: dict[str, StepFacts]) -> Iterator[str]:
    """Yield the names of the steps, each after those that it depends on."""
    begun, done = set(), set()
    for first in steps:
        path = [first]
        while path:
            name = path[-1]
            before = (
                [other for other in steps[name].depends if other not in done]
                if name not in done
                else []
            )
            if before and name in begun:
                raise ValueError(f"step {name!r} depends on itself")
            if before:
                begun.add(name)
                path += before
                continue
            if name not in done:
                done.add(name)
                yield name
            path.pop()


def _new_move(step: StepFacts, steps: dict[str, StepFacts]) -> Move | None:
    move = derive_step(step, steps)
    return move if move and (move.status, move.stage) != (step.status, step.stage) else None


def _moved(step: StepFacts, move: Move) -> StepFacts:
    children = _cancelled(step.children) if move.status == FAILED else step.children
    return replace(
        step,
        status=move.status,
        stage=move.stage,
        error=move.error or step.error,
        children=children,
    )


def _cancelled(children: dict[str, int]) -> dict[str, int]:
    unfinished = sum(children.get(status, 0) for status in UNFINISHED)
    return {**children, PENDING: 0, RUNNING: 0, CANCELLED: children.get(CANCELLED, 0) + unfinished}
