"""Queries of jobs. Shapes are the contract's, times as ISO 8601 texts.

What is asked again and again is a statement in capitals, made once and of the tables' own columns:
making one anew, through the classes, takes five times as long as its answer.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from jobsync.db.models import Counter, Deletion, Job
from jobsync.db.prepared import Prepared
from jobsync.shapes import ShownJob
from jobsync.status import UNFINISHED, actions
from jobsync.store import stops
from jobsync.store.answers import found, with_times

JOB_TABLE = Job.__table__
JOBS = JOB_TABLE.c

JOB_FIELDS = (
    "id",
    "definition",
    "name",
    "status",
    "revision",
    "params",
    "result",
    "error",
    "tags",
    "source",
    "rerun_of",
)
JOB_TIMES = ("created_at", "started_at", "finished_at", "updated_at")
JOB_COLUMNS = [getattr(Job, name) for name in (*JOB_FIELDS, *JOB_TIMES)]


def get(connection: Connection, job_id: str) -> ShownJob:
    """Return a job as the contract shows it, with its `actions`. Raises NotFound."""
    columns = (*JOB_COLUMNS, Job.priority, Job.waiting_for)
    row = connection.execute(select(*columns).where(Job.id == job_id)).first()
    shown: Any = with_times(found(row, "job", job_id), JOB_TIMES, JOB_TABLE)
    shown["cancellation"] = stops.cancellation(connection, job_id)
    shown["actions"] = actions(shown["status"])
    return shown


HEAD = Prepared(select(JOBS.status, JOBS.revision).where(JOBS.id == bindparam("job_id")))


def head(connection: Connection, job_id: str) -> Row | None:
    """Return `(status, revision)` of a job, or None."""
    return HEAD.first(connection, {"job_id": job_id})


def require(connection: Connection, job_id: str) -> None:
    """Raise NotFound when there is no such job."""
    found(head(connection, job_id), "job", job_id)


LAST_CHANGED = select(JOBS.id, JOBS.status, JOBS.revision).order_by(JOBS.change.desc()).limit(1)


def last_changed(connection: Connection) -> Row | None:
    """Return `(id, status, revision)` of the job that changed last, or None when there is no
    job.
    """
    return connection.execute(LAST_CHANGED).first()


def reruns_of(connection: Connection, job_id: str) -> list[str]:
    """Return the ids of the jobs that are reruns of this one, oldest first."""
    return list(
        connection.execute(
            select(Job.id).where(Job.rerun_of == job_id).order_by(Job.number)
        ).scalars()
    )


LAST_CHANGE = select(Counter.__table__.c.value).where(Counter.__table__.c.name == "change")
MONITORED = select(
    JOBS.id,
    JOBS.number,
    JOBS.definition,
    JOBS.status,
    JOBS.revision,
    JOBS.change,
    JOBS.started_at,
    JOBS.updated_at,
    JOBS.timeout,
    JOBS.priority,
    JOBS.concurrency,
    JOBS.concurrency_value,
    JOBS.waiting_for,
)
MONITORED_JOB = Prepared(MONITORED.where(JOBS.id == bindparam("job_id")))
CHANGED_JOBS = Prepared(MONITORED.where(JOBS.change > bindparam("change")).order_by(JOBS.change))
UNFINISHED_JOBS = MONITORED.where(JOBS.status.in_(UNFINISHED)).order_by(JOBS.number)


DELETIONS = Deletion.__table__.c
DELETIONS_SINCE = Prepared(
    select(DELETIONS.change, DELETIONS.job_id, DELETIONS.revision)
    .where(DELETIONS.change > bindparam("change"))
    .order_by(DELETIONS.change)
)


def deletions_since(connection: Connection, change: int) -> Sequence[Row]:
    """Return rows `(change, job_id, revision)` of the jobs deleted after `change`, in that order.

    A deletion is kept for a minute, so that every web process can tell its viewers.
    """
    return DELETIONS_SINCE.all(connection, {"change": change})


def last_change(connection: Connection) -> int:
    """Return the number of the latest change of all jobs, 0 for none."""
    return connection.execute(LAST_CHANGE).scalar() or 0


def changed_since(connection: Connection, change: int) -> Sequence[Row]:
    """Return rows (MONITORED) of the jobs that changed after `change`, in that order.

    Rows whose own number is damaged are left out: SQLite sorts a text behind all numbers, and who
    went on from there would see no other change.
    """
    rows = CHANGED_JOBS.all(connection, {"change": change})
    return [row for row in rows if isinstance(row.change, int)]


def monitored(connection: Connection, job_id: str) -> Any:
    """Return such a row of one job, or None."""
    return MONITORED_JOB.first(connection, {"job_id": job_id})


def unfinished(connection: Connection) -> Sequence[Row]:
    """Return such rows of all jobs that aren't terminal."""
    return connection.execute(UNFINISHED_JOBS).all()


def count_unfinished(connection: Connection) -> dict[str, int]:
    """Return `{status: number}` of the jobs that aren't terminal."""
    query = select(Job.status, func.count()).where(Job.status.in_(UNFINISHED)).group_by(Job.status)
    return dict(connection.execute(query).all())


def heads(connection: Connection, job_ids: Iterable[str]) -> Sequence[Row]:
    """Return rows `(id, status, revision)` of those of the jobs that exist."""
    return connection.execute(
        select(Job.id, Job.status, Job.revision).where(Job.id.in_(job_ids))
    ).all()
