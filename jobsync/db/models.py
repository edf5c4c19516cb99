"""The tables. Times are integer milliseconds since 1970, UTC.

A job's `revision` grows with every commit that changes what `structure` returns. `change` is the
same event's place among all changes of all jobs: with its index a reader finds what changed since
it last looked, however many jobs are at rest.
"""

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from jobsync.db.extensions import db

Key = BigInteger().with_variant(Integer, "sqlite")


class Job(db.Model):
    """One run of a definition."""

    __tablename__ = "jobs"
    number: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(16), unique=True)
    definition: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(10))
    revision: Mapped[int] = mapped_column(BigInteger, default=1)
    change: Mapped[int] = mapped_column(BigInteger, index=True)
    params: Mapped[dict] = mapped_column(JSON)
    result: Mapped[dict | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list] = mapped_column(JSON)
    source: Mapped[str] = mapped_column(String(16))
    rerun_of: Mapped[str | None] = mapped_column(String(16))
    timeout: Mapped[int | None] = mapped_column(BigInteger)  # ms
    created_at: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[int | None] = mapped_column(BigInteger)
    finished_at: Mapped[int | None] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index("ix_jobs_created", "created_at", "number"),
        Index("ix_jobs_status_created", "status", "created_at", "number"),
        Index("ix_jobs_definition_created", "definition", "created_at", "number"),
        Index("ix_jobs_definition_status_created", "definition", "status", "created_at", "number"),
        Index("ix_jobs_rerun_of", "rerun_of", sqlite_where=text("rerun_of IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )


class JobWords(db.Model):
    """What a job is found by, folded for searching (`listing.words_of`): beside the jobs, so
    that looking through many reads little.
    """

    __tablename__ = "job_words"
    number: Mapped[int] = mapped_column(
        ForeignKey("jobs.number", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    words: Mapped[str] = mapped_column(Text)


class Step(db.Model):
    """A named stage of a job, as its definition said when the job was submitted, with the counters
    of what it owns.

    `job_id` becomes NULL when the job is deleted: what is left is cleared away bit by bit
    (`lifecycle.clear_deleted`). `worker_id` is the worker that plans or sums up, `tries` how often
    that was begun; a worker's word counts only for the try it began. `revision` is the job's when
    the step last changed, `status_revision` the job's when its status last did.
    """

    __tablename__ = "steps"
    pk: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=True)
    job_id: Mapped[str | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"), index=True
    )
    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(64))
    type: Mapped[str] = mapped_column(String(64))
    options: Mapped[dict] = mapped_column(JSON)
    depends: Mapped[list] = mapped_column(JSON)
    on_error: Mapped[str] = mapped_column(String(8))
    always_run: Mapped[bool]
    max_child_failures: Mapped[int] = mapped_column(Integer)
    retries: Mapped[int] = mapped_column(Integer)
    timeout: Mapped[int | None] = mapped_column(BigInteger)  # ms, of each attempt of each child
    has_summary: Mapped[bool]
    status: Mapped[str] = mapped_column(String(10))
    stage: Mapped[str] = mapped_column(String(10))
    planned: Mapped[bool] = mapped_column(default=False)
    worker_id: Mapped[str | None] = mapped_column(String(32))
    tries: Mapped[int] = mapped_column(Integer, default=0)
    losses: Mapped[int] = mapped_column(Integer, default=0)
    error: Mapped[str | None] = mapped_column(Text)
    result: Mapped[dict | None] = mapped_column(JSON(none_as_null=True))
    revision: Mapped[int] = mapped_column(BigInteger, default=1)
    status_revision: Mapped[int] = mapped_column(BigInteger, default=1)
    log_count: Mapped[int] = mapped_column(BigInteger, default=0)
    # of the lines' texts in UTF-8
    log_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    debug: Mapped[int] = mapped_column(BigInteger, default=0)
    info: Mapped[int] = mapped_column(BigInteger, default=0)
    warning: Mapped[int] = mapped_column(BigInteger, default=0)
    error_count: Mapped[int] = mapped_column(BigInteger, default=0)
    pending: Mapped[int] = mapped_column(BigInteger, default=0)
    running: Mapped[int] = mapped_column(BigInteger, default=0)
    completed: Mapped[int] = mapped_column(BigInteger, default=0)
    failed: Mapped[int] = mapped_column(BigInteger, default=0)
    cancelled: Mapped[int] = mapped_column(BigInteger, default=0)
    started_at: Mapped[int | None] = mapped_column(BigInteger)
    finished_at: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        Index("uq_steps_job_name", "job_id", "name", unique=True),
        Index("ix_steps_status", "status"),
        # a worker that comes back late must not meet another step under the same key
        {"sqlite_autoincrement": True},
    )


class Child(db.Model):
    """One unit of work of a step.

    `key` says where it came from (`3`: the plan's third; `3.1`: what that one spawned first), so
    that a repeated planning or attempt adds nothing twice. `attempt` fences: a worker's word counts
    only for the attempt it began. `failures` counts the tries used up since the last retry. A
    pending child with a `worker_id` is reserved for that worker.
    """

    __tablename__ = "children"
    pk: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=True)
    step_pk: Mapped[int] = mapped_column(ForeignKey("steps.pk"))
    key: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(10))
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    worker_id: Mapped[str | None] = mapped_column(String(32))
    input: Mapped[dict] = mapped_column(JSON)
    result: Mapped[dict | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[int | None] = mapped_column(BigInteger)
    finished_at: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        Index("uq_children_step_key", "step_pk", "key", unique=True),
        Index("ix_children_step_status", "step_pk", "status", "pk"),
        Index("ix_children_step", "step_pk", "pk"),
        Index("ix_children_worker", "worker_id", sqlite_where=text("worker_id IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )


class LogLine(db.Model):
    """One line of a step's log. `level` is the place in `status.LEVELS`."""

    __tablename__ = "log_lines"
    step_pk: Mapped[int] = mapped_column(ForeignKey("steps.pk"), primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)
    level: Mapped[int] = mapped_column(Integer)
    message: Mapped[str] = mapped_column(Text)
    child_pk: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        Index("ix_log_lines_level", "step_pk", "level", "line"),
        {"sqlite_with_rowid": False},
    )


class Worker(db.Model):
    """A worker process.

    `beat` grows while it lives; who watches it goes by that, not by anybody's clock.
    """

    __tablename__ = "workers"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    pid: Mapped[int] = mapped_column(Integer)
    beat: Mapped[int] = mapped_column(BigInteger, default=0)
    beat_at: Mapped[int] = mapped_column(BigInteger)


class Deletion(db.Model):
    """A deleted job.

    It is kept for a minute, so that the notifier of each web process can tell its viewers.
    """

    __tablename__ = "deletions"
    change: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    job_id: Mapped[str] = mapped_column(String(16))
    revision: Mapped[int] = mapped_column(BigInteger)


class Counter(db.Model):
    """Numbers that only grow.

    `change` numbers all changes of all jobs, in the order of their commits.
    """

    __tablename__ = "counters"
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class Probe(db.Model):
    """One row that is written only to see that it can be (`store.why_not_writable`)."""

    __tablename__ = "probes"
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)
