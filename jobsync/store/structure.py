"""A job's `structure`: what a page needs to be right, from one moment."""

from typing import Any

from sqlalchemy import Connection, bindparam, select

from jobsync.base.clock import iso
from jobsync.base.loop import in_turns
from jobsync.db.damage import sound
from jobsync.db.models import Job, Step
from jobsync.shapes import ShownStep, Structure
from jobsync.status import CHILD_STATUSES
from jobsync.status import LEVELS as LOG_LEVELS
from jobsync.store.answers import found
from jobsync.store.steps import COUNTS, LEVELS, OF_JOB, PARTITION

JOB_TABLE, STEP_TABLE = Job.__table__, Step.__table__
JOBS, STEPS = JOB_TABLE.c, STEP_TABLE.c
SHOWN_HEAD = select(
    JOBS.id,
    JOBS.status,
    JOBS.revision,
    JOBS.error,
    JOBS.waiting_for,
    JOBS.updated_at,
    JOBS.started_at,
    JOBS.finished_at,
).where(JOBS.id == bindparam("job_id"))
SHOWN_STEPS = (
    select(
        STEPS.name,
        STEPS.status,
        STEPS.log_count,
        *COUNTS,
        *LEVELS,
        STEPS.error,
        STEPS.started_at,
        STEPS.finished_at,
    )
    .where(OF_JOB)
    .order_by(STEPS.position)
)


def structure_of(connection: Connection, job_id: str) -> Structure:
    """Return a job's `structure`: what a page needs to be right, from one moment. Raises NotFound.

    It reads one job row and its step rows: the same cost whatever number of children and lines
    there are. Others run in between.
    """
    head = sound(
        found(connection.execute(SHOWN_HEAD, {"job_id": job_id}).first(), "job", job_id), JOB_TABLE
    )
    parts = connection.execute(SHOWN_STEPS, {"job_id": job_id}).partitions(PARTITION)
    steps = [_step_shown(sound(row, STEP_TABLE)) for part in in_turns(parts) for row in part]
    return {
        "job_id": head.id,
        "status": head.status,
        "revision": head.revision,
        "error": head.error,
        "waiting_for": head.waiting_for,
        "updated_at": iso(head.updated_at),
        "started_at": iso(head.started_at),
        "finished_at": iso(head.finished_at),
        "steps": steps,
    }


def _step_shown(row: Any) -> ShownStep:
    # by place, as of `_facts`
    name, status, log_count, *numbers, error, started_at, finished_at = row
    counts, levels = numbers[: len(CHILD_STATUSES)], numbers[len(CHILD_STATUSES) :]
    by_status: Any = dict(zip(CHILD_STATUSES, counts, strict=True))
    by_level: Any = dict(zip(LOG_LEVELS, levels, strict=True))
    return {
        "name": name,
        "status": status,
        "log_count": log_count,
        "child_count": sum(counts),
        "children": by_status,
        "levels": by_level,
        "error": error,
        "started_at": iso(started_at),
        "finished_at": iso(finished_at),
    }
