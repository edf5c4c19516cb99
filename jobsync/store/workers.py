"""Which workers live: those whose heartbeat has gone on within the last seconds of the looking
process's own, monotonic time.

The wall clock may jump by an hour either way, and would then let a dead worker live, or a living
one be dead, for as long.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, null, select, union_all

from jobsync.base.clock import iso, now
from jobsync.db.models import Child, Job, Queue, Step, Worker
from jobsync.db.prepared import Prepared
from jobsync.shapes import Busy, ShownQueue, ShownWorker
from jobsync.status import RUNNING, UNFINISHED

WORKERS, QUEUES = Worker.__table__.c, Queue.__table__.c
ALL = select(Worker.__table__)
HEARTBEATS = select(WORKERS.id, WORKERS.pid, WORKERS.beat, WORKERS.beat_at)
DEFAULT_QUEUE = "default"
STALE = 15.0  # seconds without a heartbeat


def heartbeats(connection: Connection) -> Sequence[Row]:
    """Return rows `(id, pid, beat, beat_at)` of all workers.

    `beat_at` is their wall clock's time, which may jump: see Heartbeats.
    """
    return connection.execute(HEARTBEATS).all()


ENGINE = Prepared(select(WORKERS.id, WORKERS.state, WORKERS.queues).order_by(WORKERS.id))
PAUSED = Prepared(select(QUEUES.name).where(QUEUES.paused).order_by(QUEUES.name))


def engine(connection: Connection) -> tuple[Any, ...]:
    """Return what differs as soon as workers have come, gone or changed, or a queue was paused or
    resumed.
    """
    workers = [(row.id, row.state, str(row.queues)) for row in ENGINE.all(connection, {})]
    return tuple(workers), tuple(PAUSED.all(connection, {}))


@dataclass
class _Seen:
    beat: int
    at: float  # when it was first seen to be that
    # it was old already, so the wall clock says, when it was first looked at
    is_doubtful: bool = False


class Heartbeats:
    """What one process has seen of the workers' heartbeats.

    Somebody must `look` every few seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, _Seen] = {}

    def look(self, connection: Connection, excuse: bool = False) -> int:
        """Look at the heartbeats, and return the number of workers that live.

        excuse: no worker could have said that it lives (the database could not be written to), or
        this look comes late. All get their time anew.
        """
        moment = self._clock()
        self._seen = {row.id: self._judge(row, moment, excuse) for row in heartbeats(connection)}
        return sum(self._is_alive(seen) for seen in self._seen.values())

    def _judge(self, row: Any, moment: float, excuse: bool) -> _Seen:
        seen = self._seen.get(row.id)
        if seen is None:
            return _Seen(row.beat, moment, abs(now() - row.beat_at) >= STALE * 1000)
        if excuse or seen.beat != row.beat:
            return _Seen(row.beat, moment)
        return seen

    def is_alive(self, worker_id: str) -> bool:
        """Say whether a worker lives, as far as is known."""
        seen = self._seen.get(worker_id)
        return seen is None or self._is_alive(seen)

    def _is_alive(self, seen: _Seen) -> bool:
        return not seen.is_doubtful and self._clock() - seen.at < STALE

    def silent(self, seconds: float) -> list[str]:
        """Return the ids of the workers that have given no sign of life for longer than this."""
        return [worker_id for worker_id in self._seen if self.silence(worker_id) > seconds]

    def silence(self, worker_id: str) -> float:
        """Return for how many seconds a worker has been seen to give no sign of life; 0 for one
        that hasn't been seen yet.
        """
        seen = self._seen.get(worker_id)
        return self._clock() - seen.at if seen else 0.0


# As the contract shows them


def shown(connection: Connection, heartbeats: Heartbeats) -> list[ShownWorker]:
    """Return all workers with what each one does, in the order in which they started.

    heartbeats: of this process, which has looked just now.
    """
    names = [queue["name"] for queue in queues(connection)]
    busy = _busy(connection)
    rows = connection.execute(ALL.order_by(WORKERS.started_at, WORKERS.id))
    return [
        {
            "id": row.id,
            "host": row.host,
            "pid": row.pid,
            "state": row.state if heartbeats.is_alive(row.id) else "lost",
            "queues": names if row.queues is None else row.queues,
            "slots": row.slots,
            "busy": busy.get(row.id, []),
            "completed": row.completed,
            "failed": row.failed,
            "memory_bytes": row.memory_bytes,
            "started_at": iso(row.started_at),
            "beat_at": iso(row.beat_at),
        }
        for row in rows
    ]


def _busy(connection: Connection) -> dict[str, list[Busy]]:
    """Return what each worker does: children, and planning and summing up."""
    children = (
        select(Child.worker_id, Step.job_id, Step.name, Child.pk, Child.started_at)
        .join(Step, Step.pk == Child.step_pk)
        .where(Child.worker_id.is_not(None), Child.status == RUNNING, Step.job_id.is_not(None))
    )
    units = select(
        Step.worker_id, Step.job_id, Step.name, null().label("pk"), Step.started_at
    ).where(Step.status == RUNNING, Step.worker_id.is_not(None), Step.job_id.is_not(None))
    found: dict[str, list[Busy]] = {}
    rows: Sequence[Row] = connection.execute(union_all(children, units)).all()
    for row in rows:
        found.setdefault(row.worker_id, []).append(
            {
                "job_id": row.job_id,
                "step": row.name,
                "child_id": None if row.pk is None else str(row.pk),
                "since": iso(row.started_at),
            }
        )
    return found


def names(connection: Connection, workers: Iterable[ShownWorker]) -> dict[str, str]:
    """Return the names of the jobs and of the children that workers are busy with, by id.

    A job's id is never a child's: the one has twelve signs, the other is a short number.
    """
    busy = [each for worker in workers for each in worker["busy"]]
    jobs = {each["job_id"] for each in busy}
    children = {int(each["child_id"]) for each in busy if each["child_id"]}
    of_jobs = select(Job.id, Job.name).where(Job.id.in_(jobs))
    of_children = select(Child.pk, Child.name).where(Child.pk.in_(children))
    found = [*connection.execute(of_jobs), *connection.execute(of_children)]
    return {str(key): name for key, name in found}


def queues(connection: Connection) -> list[ShownQueue]:
    """Return all queues by name: those that steps or workers name, or that were ever paused."""
    query = (
        select(Step.queue, func.sum(Step.pending), func.sum(Step.running))
        .where(Step.status.in_(UNFINISHED), Step.job_id.is_not(None))
        .group_by(Step.queue)
    )
    counts = {name: (pending, running) for name, pending, running in connection.execute(query)}
    paused = {
        row.name: row.paused for row in connection.execute(select(QUEUES.name, QUEUES.paused))
    }
    serving = connection.execute(select(WORKERS.queues).where(WORKERS.state == "running")).scalars()
    served = list(serving)
    named = {name for mine in served if mine is not None for name in mine}
    return [
        {
            "name": name,
            "paused": paused.get(name, False),
            "pending": counts.get(name, (0, 0))[0],
            "running": counts.get(name, (0, 0))[1],
            "workers": sum(mine is None or name in mine for mine in served),
        }
        for name in sorted({DEFAULT_QUEUE, *counts, *paused, *named})
    ]
