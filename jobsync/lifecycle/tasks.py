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
WITHIN_TOLERANCE = Step.failed - Step.old_failures <= Step.max_child_failures


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
    stall_timeout: int | None
    cancel_grace: int
    attempt: int
    child_pk: int | None = None
    key: str = ""
    input: dict | None = None

    @property
    def attempt_id(self) -> str:
        """Names this attempt among all of the database: what it has started carries it as a
        mark.
        """
        return attempt_id_of(self.job_id, self.child_pk, self.attempt)


def attempt_id_of(job_id: str, child_pk: int | None, attempt: int) -> str:
    """Return what `Task.attempt_id` does."""
    return f"{job_id}/{child_pk}/{attempt}"


@dataclass(frozen=True)
class End:
    """How a child's attempt ended. `status` is "completed" or "failed"; times in ms.

    finished_at: None for the time of the transaction that stores it. names: of the exception that
    failed it and of its base classes, which `retry_on` may hold.
    stopped, left: as `confirm_stop` takes them, should it have been cancelled meanwhile.
    """

    task: Task
    status: str
    result: object
    error: str | None
    started_at: int
    finished_at: int | None = None
    exit_code: int | None = None
    names: tuple = ()
    stopped: int = 0
    left: tuple = ()


@dataclass(frozen=True)
class NewChild:
    """A child to be added to a step; adding the same `key` again does nothing."""

    key: str
    name: str
    input: dict | Encoded
    parent_pk: int | None = None


STEP_FIELDS = (
    Step.pk,
    Step.name,
    Step.type,
    Step.options,
    Step.depends,
    Step.timeout,
    Step.stall_timeout,
    Step.cancel_grace,
    Step.concurrency,
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
        stall_timeout=step.stall_timeout,
        cancel_grace=step.cancel_grace,
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
