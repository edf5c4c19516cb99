"""Which workers live: those whose heartbeat has gone on within the last seconds of the looking
process's own, monotonic time.

The wall clock may jump by an hour either way, and would then let a dead worker live, or a living
one be dead, for as long.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from jobsync.base.clock import now
from jobsync.db.models import Worker

WORKERS = Worker.__table__.c
HEARTBEATS = select(WORKERS.id, WORKERS.pid, WORKERS.beat, WORKERS.beat_at)
STALE = 15.0  # seconds without a heartbeat


def heartbeats(session: Session) -> Sequence[Row]:
    """Return rows `(id, pid, beat, beat_at)` of all workers.

    `beat_at` is their wall clock's time, which may jump: see Heartbeats.
    """
    return session.execute(HEARTBEATS).all()


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

    def look(self, session: Session, excuse: bool = False) -> int:
        """Look at the heartbeats, and return the number of workers that live.

        excuse: no worker could have said that it lives (the database could not be written to), or
        this look comes late. All get their time anew.
        """
        moment = self._clock()
        self._seen = {row.id: self._judge(row, moment, excuse) for row in heartbeats(session)}
        return sum(
            not seen.is_doubtful and moment - seen.at < STALE for seen in self._seen.values()
        )

    def _judge(self, row: Any, moment: float, excuse: bool) -> _Seen:
        seen = self._seen.get(row.id)
        if seen is None:
            return _Seen(row.beat, moment, abs(now() - row.beat_at) >= STALE * 1000)
        if excuse or seen.beat != row.beat:
            return _Seen(row.beat, moment)
        return seen

    def silence(self, worker_id: str) -> float:
        """Return for how many seconds a worker has been seen to give no sign of life; 0 for one
        that hasn't been seen yet.
        """
        seen = self._seen.get(worker_id)
        return self._clock() - seen.at if seen else 0.0
