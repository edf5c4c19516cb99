"""What keeps a running job from going on, in words that follow "waiting for"."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, exists, or_, select, text

from jobsync.db.models import READY, Child, Queue, Step, Worker
from jobsync.status import PENDING, PLAN, RUNNING, SUMMARY, StepFacts

CHILDREN = Child.__table__.c
IS_HELD = CHILDREN.worker_id.is_not(None)


def reason(connection: Connection, job_id: str, steps: Iterable[StepFacts]) -> str | None:
    """Return what keeps a running job from going on, None if nothing does.

    steps: its StepFacts. Nothing does while anything of it is being done, or could be by a worker
    that there is.
    """
    wanted = {step.name: step for step in steps if step.status == RUNNING and _has_work(step)}
    if not wanted or any(step.children.get(RUNNING) for step in wanted.values()):
        return None
    query = select(Step.pk, Step.name, Step.queue, Step.worker_id)
    found = connection.execute(query.where(Step.job_id == job_id, Step.name.in_(wanted))).all()
    if any(step.worker_id for step in found):
        return None
    queues = {step.queue for step in found}
    return _of_queues(connection, queues) or _of_delays(
        connection, [step.pk for step in found if not _is_unit(wanted[step.name])], len(found)
    )


def _has_work(step: StepFacts) -> bool:
    return _is_unit(step) or step.children.get(PENDING, 0) > 0


def _is_unit(step: StepFacts) -> bool:
    return step.stage in (PLAN, SUMMARY)


def _of_queues(connection: Connection, queues: set[str]) -> str | None:
    paused = set(connection.execute(select(Queue.name).where(Queue.paused)).scalars())
    if queues <= paused:
        is_one = len(queues) == 1
        names = ", ".join(sorted(queues))
        return f"the queue{'' if is_one else 's'} {names}, which {'is' if is_one else 'are'} paused"
    workers = (
        connection.execute(select(Worker.queues).where(Worker.state == "running")).scalars().all()
    )
    if not workers:
        return "a worker: none is running"
    served: set[str] = set().union(*(_served(mine, queues) for mine in workers))
    if not served & (queues - paused):
        return f"a worker: none serves the queue {', '.join(sorted(queues - paused))}"
    return None


def _served(mine: list[str] | None, queues: set[str]) -> set[str]:
    return queues if mine is None else set(mine)


def _of_delays(connection: Connection, step_pks: list[int], number: int) -> str | None:
    """Say that all that is left waits for its next attempt. number: of all steps with work."""
    if len(step_pks) < number or not step_pks:
        return None
    of_steps: Any = CHILDREN.step_pk.in_(step_pks)
    is_ready = exists().where(of_steps, text(READY))
    # of those that are held, which are few
    is_held = exists().where(IS_HELD, (CHILDREN.step_pk + 0).in_(step_pks))
    if connection.execute(select(or_(is_ready, is_held))).scalar():
        return None
    return "the delay before the next attempt"
