"""The tables. Times are integer milliseconds since 1970, UTC.

A job's `revision` grows with every commit that changes what `structure` returns. `change` is the
same event's place among all changes of all jobs: with its index a reader finds what changed since
it last looked, however many jobs are at rest.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from jobsync.db.extensions import db

Key = BigInteger().with_variant(Integer, "sqlite")


class Job(db.Model):
    """One run of a definition.

    `concurrency` is the most jobs of its definition, with its `concurrency_value`, that may be
    running when it starts. `waiting_for` says what keeps it from going on. `served` is the change
    at which a worker last took work of it: jobs take turns by it. The columns that begin with
    `cancel` are the receipt of its last cancel or time-out, with its rows in `stops`.
    """

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
    priority: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    concurrency: Mapped[int | None] = mapped_column(Integer)
    concurrency_value: Mapped[str | None] = mapped_column(Text)
    waiting_for: Mapped[str | None] = mapped_column(Text)
    served: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    cancel_requested_at: Mapped[int | None] = mapped_column(BigInteger)
    cancel_done_at: Mapped[int | None] = mapped_column(BigInteger)
    cancelled_pending: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    cancelled_running: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
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
        Index(
            "ix_jobs_limited",
            "definition",
            "status",
            sqlite_where=text("concurrency IS NOT NULL"),
        ),
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
    (`lifecycle.clear_deleted`). `old_failures` is how many children had failed when the step was
    last retried: those don't fail it again before its end. `worker_id` is the worker that plans or
    sums up, `tries` how often that was begun; a worker's word counts only for the try it began.
    `revision` is the job's when the step last changed, `status_revision` the job's when its status
    last did.
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
    old_failures: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    queue: Mapped[str] = mapped_column(String(64), default="default", server_default="default")
    concurrency: Mapped[int | None] = mapped_column(Integer)
    # times in ms
    retries: Mapped[int] = mapped_column(Integer)
    retry_delay: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    retry_backoff: Mapped[float] = mapped_column(Float, default=2.0, server_default="2")
    retry_max_delay: Mapped[int] = mapped_column(
        BigInteger, default=3_600_000, server_default="3600000"
    )
    retry_on: Mapped[list | None] = mapped_column(JSON(none_as_null=True))
    rerun_when_lost: Mapped[bool] = mapped_column(default=False, server_default="0")
    timeout: Mapped[int | None] = mapped_column(BigInteger)  # of each attempt of each child
    step_timeout: Mapped[int | None] = mapped_column(BigInteger)
    stall_timeout: Mapped[int | None] = mapped_column(BigInteger)
    cancel_grace: Mapped[int] = mapped_column(BigInteger, default=10_000, server_default="10000")
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


READY = "status = 'pending' AND worker_id IS NULL AND due_at IS NULL"


class Child(db.Model):
    """One unit of work of a step.

    `key` says where it came from (`3`: the plan's third; `3.1`: what that one spawned first), so
    that a repeated planning or attempt adds nothing twice. `attempt` fences: a worker's word counts
    only for the attempt it began. `failures` counts the tries used up since the last retry,
    `losses` those of them whose worker died. A pending child with a `worker_id` is reserved for
    that worker; one with `due_at` waits until then before it is tried again. `parent_pk` is the
    child that spawned it.
    """

    __tablename__ = "children"
    pk: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=True)
    step_pk: Mapped[int] = mapped_column(ForeignKey("steps.pk"))
    key: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(10))
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    losses: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    parent_pk: Mapped[int | None] = mapped_column(BigInteger)
    due_at: Mapped[int | None] = mapped_column(BigInteger)
    exit_code: Mapped[int | None] = mapped_column(Integer)
    progress_done: Mapped[float | None] = mapped_column(Float)
    progress_total: Mapped[float | None] = mapped_column(Float)
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
        # what a worker may take, whatever number of children there is
        Index("ix_children_ready", "step_pk", "pk", sqlite_where=text(READY)),
        Index("ix_children_due", "due_at", sqlite_where=text("due_at IS NOT NULL")),
        Index("ix_children_worker", "worker_id", sqlite_where=text("worker_id IS NOT NULL")),
        Index("ix_children_parent", "parent_pk", sqlite_where=text("parent_pk IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )


class Attempt(db.Model):
    """One attempt of a child.

    `status` is a child's, never pending: cancelled where it was stopped and not its child's
    failure. `first_line` and `last_line` are the step's lines that it wrote.
    """

    __tablename__ = "attempts"
    child_pk: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(10))
    worker_id: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[int] = mapped_column(BigInteger)
    finished_at: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)
    exit_code: Mapped[int | None] = mapped_column(Integer)
    first_line: Mapped[int | None] = mapped_column(BigInteger)
    last_line: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = ({"sqlite_with_rowid": False},)


class Stop(db.Model):
    """Work that was cancelled while a worker did it: a child's attempt, or a step's planning or
    summing up (`child_pk` is 0).

    `done_at` is when the worker said that nothing of it runs any more, or when it was given up.
    Until then it holds its place in the limits. `deadline` is when it is given up. `left` are the
    processes that could not be ended, `[{"host", "pid", "command"}]`.
    """

    __tablename__ = "stops"
    step_pk: Mapped[int] = mapped_column(ForeignKey("steps.pk"), primary_key=True)
    child_pk: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    worker_id: Mapped[str] = mapped_column(String(32))
    requested_at: Mapped[int] = mapped_column(BigInteger)
    deadline: Mapped[int] = mapped_column(BigInteger)
    done_at: Mapped[int | None] = mapped_column(BigInteger)
    stopped: Mapped[int] = mapped_column(Integer, default=0)
    left: Mapped[list] = mapped_column(JSON, default=list)

    __table_args__ = (
        Index("ix_stops_open", "worker_id", sqlite_where=text("done_at IS NULL")),
        {"sqlite_with_rowid": False},
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

    `beat` grows while it lives; who watches it goes by that, not by anybody's clock. `state` is
    "running", or "draining": it takes nothing new. `queues` are those that it serves, None for all.
    """

    __tablename__ = "workers"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    pid: Mapped[int] = mapped_column(Integer)
    beat: Mapped[int] = mapped_column(BigInteger, default=0)
    beat_at: Mapped[int] = mapped_column(BigInteger)
    host: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10), default="running", server_default="running")
    queues: Mapped[list | None] = mapped_column(JSON(none_as_null=True))
    slots: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    completed: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    failed: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    started_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class Queue(db.Model):
    """A queue that somebody has paused or resumed. One without a row isn't paused."""

    __tablename__ = "queues"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    paused: Mapped[bool]


class IdempotencyKey(db.Model):
    """A key that a job was submitted with, for a day. `digest` is its body's."""

    __tablename__ = "idempotency_keys"
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[int] = mapped_column(BigInteger, index=True)


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
