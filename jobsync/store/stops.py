"""Queries of what is being stopped."""

from typing import Any

from sqlalchemy import Connection, func, select

from jobsync.base.clock import iso
from jobsync.db.damage import sound
from jobsync.db.models import Job, Step, Stop
from jobsync.db.prepared import Prepared
from jobsync.shapes import Cancellation

STOPS = Stop.__table__.c
NEXT_DEADLINE = Prepared(
    select(func.min(STOPS.deadline).label("at")).where(STOPS.done_at.is_(None))
)


def next_deadline(connection: Connection) -> int | None:
    """Return when the next stop is given up, in ms, None if nothing is being stopped."""
    return NEXT_DEADLINE.all(connection, {})[0].at


RECEIPT = (
    Job.cancel_requested_at,
    Job.cancel_done_at,
    Job.cancelled_pending,
    Job.cancelled_running,
)


def cancellation(connection: Connection, job_id: str) -> Cancellation | None:
    """Return the receipt of a job's last cancel or time-out, None for a job that had none."""
    found: Any = connection.execute(select(*RECEIPT).where(Job.id == job_id)).first()
    job = found and sound(found, Job.__table__)
    if job is None or job.cancel_requested_at is None:
        return None
    query = (
        select(Stop.stopped, Stop.left)
        .join(Step, Step.pk == Stop.step_pk)
        .where(Step.job_id == job_id, Stop.requested_at == job.cancel_requested_at)
    )
    stops = [sound(row, Stop.__table__) for row in connection.execute(query)]
    return {
        "requested_at": iso(job.cancel_requested_at),
        "done_at": iso(job.cancel_done_at),
        "children": {"pending": job.cancelled_pending, "running": job.cancelled_running},
        "processes": {
            "stopped": sum(stop.stopped for stop in stops),
            "left": [process for stop in stops for process in stop.left],
        },
    }
