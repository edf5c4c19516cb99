"""Workers come, say that they live, give work back and go."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from jobsync.base.clock import now
from jobsync.base.errors import NotFound
from jobsync.db.models import Child, Queue, Step, Stop, Worker
from jobsync.db.prepared import Prepared
from jobsync.db.transactions import read, write
from jobsync.lifecycle import rows, stops
from jobsync.lifecycle.recording import Recording, rules_of
from jobsync.lifecycle.stops import Left
from jobsync.lifecycle.tasks import attempt_id_of
from jobsync.status import BROKEN, PENDING, PLAN, RUNNING

UNIT_LOSSES = 2  # a planning or summing up whose worker died is begun again this often
DRAINING = "draining"
SHUT_DOWN = "the worker was shut down"

CHILDREN = Child.__table__


def register(worker_id: str, pid: int, queues: list[str] | None = None) -> None:
    """Make a worker of this machine known. queues: those that it serves, None for all."""
    values = {
        "id": worker_id,
        "pid": pid,
        "host": socket.gethostname(),
        "queues": queues,
        "started_at": now(),
        "beat": 0,
        "beat_at": now(),
    }
    with write() as connection:
        connection.execute(insert(Worker).values(values))


@dataclass(frozen=True)
class Figures:
    """What a worker has done since it started, and the memory that it has, in bytes."""

    completed: int = 0
    failed: int = 0
    memory_bytes: int | None = None


NOTHING = Figures()


def beat(worker_id: str, figures: Figures = NOTHING) -> str | None:
    """Say that a worker lives. Returns its state, None when it was taken for dead: it must stop."""
    values = {"beat": Worker.beat + 1, "beat_at": now(), **vars(figures)}
    with write() as connection:
        query = update(Worker).where(Worker.id == worker_id).values(values)
        return connection.execute(query.returning(Worker.state)).scalar()


def drain(worker_id: str) -> None:
    """Have a worker take nothing new, and end when it has nothing left.

    Raises NotFound. Does nothing to one that is draining already.
    """
    with write() as connection:
        query = update(Worker).where(Worker.id == worker_id).values(state=DRAINING)
        if connection.execute(query).rowcount == 0:
            raise NotFound(f"There is no worker {worker_id!r}.")


def is_draining(worker_id: str) -> bool:
    """Say whether a worker is to end when it has nothing left."""
    with read() as connection:
        return STATE.first(connection, {"worker": worker_id}) == (DRAINING,)


STATE = Prepared(
    select(Worker.__table__.c.state).where(Worker.__table__.c.id == bindparam("worker"))
)


def pause_queue(name: str, paused: bool = True) -> None:
    """Let workers take nothing from a queue any more, or something again."""
    with write() as connection:
        if connection.execute(
            update(Queue).where(Queue.name == name).values(paused=paused)
        ).rowcount:
            return
        connection.execute(insert(Queue).values(name=name, paused=paused))


def return_reserved(worker_id: str) -> None:
    """Let other workers have the children that are reserved for this one."""
    with write() as connection:
        connection.execute(
            update(Child)
            .where(Child.worker_id == worker_id, Child.status == PENDING)
            .values(worker_id=None)
        )


def release(worker_id: str, reason: str | None = None, left: Sequence[Left] = ()) -> None:
    """Take all work from a worker and forget it.

    With a `reason` it died: what it was doing is lost. Without one it gives it back in good order.
    What it was stopping has stopped, but for the processes that are `left`, each
    `{"host", "pid", "command"}`.
    """
    with write() as connection:
        for child in connection.execute(HELD, {"worker": worker_id}).all():
            _lose(connection, worker_id, child, reason)
        connection.execute(update(Child).where(Child.worker_id == worker_id).values(worker_id=None))
        _release_units(connection, worker_id, reason)
        stops.close_of_worker(connection, worker_id, left)
        connection.execute(delete(Worker).where(Worker.id == worker_id))


# Columns, not whole Childs: those would follow the updates that are made next, and the counters
# need to know what was before
HELD = select(
    CHILDREN.c.pk,
    CHILDREN.c.step_pk,
    CHILDREN.c.status,
    CHILDREN.c.attempt,
    CHILDREN.c.failures,
    CHILDREN.c.losses,
    CHILDREN.c.started_at,
).where(CHILDREN.c.worker_id == bindparam("worker"), CHILDREN.c.status == RUNNING)


def _lose(connection: Connection, worker_id: str, child: Any, reason: str | None) -> None:
    rules = rules_of(connection, child.step_pk)
    if rules is None:
        return
    recording = Recording(connection, rules, rows.touch(connection, rules.job_id))
    recording.lose(worker_id, child, reason or SHUT_DOWN, is_orderly=reason is None)
    recording.finish()


def attempts_of(worker_id: str) -> list[str]:
    """Return the ids of the attempts that a worker has begun and not ended, or is stopping
    (`Task.attempt_id`).
    """
    running = select(Step.job_id, Child.pk, Child.attempt).join(Step, Step.pk == Child.step_pk)
    stopping = select(Step.job_id, Stop.child_pk, Stop.attempt).join(Step, Step.pk == Stop.step_pk)
    with read() as connection:
        found = [
            *connection.execute(
                running.where(Child.worker_id == worker_id, Child.status == RUNNING)
            ),
            *connection.execute(
                stopping.where(Stop.worker_id == worker_id, Stop.done_at.is_(None))
            ),
        ]
    return [attempt_id_of(*row) for row in found]


def _release_units(connection: Connection, worker_id: str, reason: str | None) -> None:
    for step in connection.execute(
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
            rows.touch(connection, step.job_id)
        connection.execute(update(Step).where(Step.pk == step.pk).values(values))


def unit_name(stage: str) -> str:
    return "planning" if stage == PLAN else "summing up"
