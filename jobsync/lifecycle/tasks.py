"""Units of work as workers hold them, and whether they still do.

Fencing: a unit of work (a child's attempt, a step's planning or summing up) carries the number of
the try. What a worker says counts only while the row still names that try. One that was taken for
dead and comes back is refused; its lines are kept.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, or_, select

from jobsync.db.damage import Damaged
from jobsync.db.json import Encoded
from jobsync.db.models import Child, Job, Step
from jobsync.status import PENDING, RUNNING

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
    def attempt_id(self) -> str:
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


def steps_with(*conditions: Any) -> Select:
    return (
        select(*STEP_FIELDS)
        .join(Job, Job.id == Step.job_id)
        .where(Step.status == RUNNING, *conditions)
    )


def task_of(worker_id: str, step: Any, kind: str, attempt: int, **child: Any) -> Task:
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


def holds(task: Task) -> list[Any]:
    """A child's attempt is the worker's if it was begun for it, or if it is reserved for it to be
    begun.
    """
    begun = (Child.status == RUNNING) & (Child.attempt == task.attempt)
    reserved = (Child.status == PENDING) & (Child.attempt == task.attempt - 1)
    return [Child.worker_id == task.worker_id, or_(begun, reserved), tolerated(task)]


def tolerated(task: Task) -> Any:
    """The step hasn't failed by its failed children, as a condition."""
    return select(Step.pk).where(Step.pk == task.step_pk, WITHIN_TOLERANCE).exists()


def unit_holds(task: Task) -> list[Any]:
    return [
        Step.pk == task.step_pk,
        Step.status == RUNNING,
        Step.stage == task.kind,
        Step.worker_id == task.worker_id,
        Step.tries == task.attempt,
    ]
