"""Keep each attempt, limits, priorities, delays, queues and what is being stopped

Of children from before the latest attempt becomes a row. Which worker did it isn't known.

Revision: 0005, after: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
INDEXES = [
    ("ix_jobs_limited", "jobs", ["definition", "status"], "concurrency IS NOT NULL"),
    (
        "ix_children_ready",
        "children",
        ["step_pk", "pk"],
        "status = 'pending' AND worker_id IS NULL AND due_at IS NULL",
    ),
    ("ix_children_due", "children", ["due_at"], "due_at IS NOT NULL"),
    ("ix_children_parent", "children", ["parent_pk"], "parent_pk IS NOT NULL"),
]


def new_columns():
    return {
        "jobs": [
            sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
            sa.Column("concurrency", sa.Integer()),
            sa.Column("concurrency_value", sa.Text()),
            sa.Column("waiting_for", sa.Text()),
            sa.Column("served", BIG, server_default="0", nullable=False),
            sa.Column("cancel_requested_at", BIG),
            sa.Column("cancel_done_at", BIG),
            sa.Column("cancelled_pending", BIG, server_default="0", nullable=False),
            sa.Column("cancelled_running", BIG, server_default="0", nullable=False),
        ],
        "steps": [
            sa.Column("old_failures", BIG, server_default="0", nullable=False),
            sa.Column("queue", sa.String(64), server_default="default", nullable=False),
            sa.Column("concurrency", sa.Integer()),
            sa.Column("retry_delay", BIG, server_default="0", nullable=False),
            sa.Column("retry_backoff", sa.Float(), server_default="2", nullable=False),
            sa.Column("retry_max_delay", BIG, server_default="3600000", nullable=False),
            sa.Column("retry_on", sa.JSON()),
            sa.Column("rerun_when_lost", sa.Boolean(), server_default="0", nullable=False),
            sa.Column("step_timeout", BIG),
            sa.Column("stall_timeout", BIG),
            sa.Column("cancel_grace", BIG, server_default="10000", nullable=False),
        ],
        "children": [
            sa.Column("losses", sa.Integer(), server_default="0", nullable=False),
            sa.Column("parent_pk", BIG),
            sa.Column("due_at", BIG),
            sa.Column("exit_code", sa.Integer()),
            sa.Column("progress_done", sa.Float()),
            sa.Column("progress_total", sa.Float()),
        ],
        "workers": [
            sa.Column("host", sa.Text()),
            sa.Column("state", sa.String(10), server_default="running", nullable=False),
            sa.Column("queues", sa.JSON()),
            sa.Column("slots", sa.Integer(), server_default="1", nullable=False),
            sa.Column("completed", BIG, server_default="0", nullable=False),
            sa.Column("failed", BIG, server_default="0", nullable=False),
            sa.Column("memory_bytes", BIG),
            sa.Column("started_at", BIG, server_default="0", nullable=False),
        ],
    }


def upgrade():
    for table, columns in new_columns().items():
        for column in columns:
            op.add_column(table, column)
    for name, table, columns, condition in INDEXES:
        op.create_index(name, table, columns, sqlite_where=sa.text(condition))
    _create_attempts()
    _create_stops()
    op.create_table(
        "queues",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_queues")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(16), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"])


def _create_attempts():
    op.create_table(
        "attempts",
        sa.Column("child_pk", BIG, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("worker_id", sa.String(32), nullable=False),
        sa.Column("started_at", BIG, nullable=False),
        sa.Column("finished_at", BIG),
        sa.Column("error", sa.Text()),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("first_line", BIG),
        sa.Column("last_line", BIG),
        sa.PrimaryKeyConstraint("child_pk", "attempt", name=op.f("pk_attempts")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO attempts"
        " (child_pk, attempt, status, worker_id, started_at, finished_at, error)"
        " SELECT pk, attempt, CASE status WHEN 'pending' THEN 'failed' ELSE status END,"
        " coalesce(worker_id, ''), started_at, finished_at, error"
        " FROM children WHERE attempt > 0 AND started_at IS NOT NULL"
    )


def _create_stops():
    op.create_table(
        "stops",
        sa.Column("step_pk", BIG.with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("child_pk", BIG, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("worker_id", sa.String(32), nullable=False),
        sa.Column("requested_at", BIG, nullable=False),
        sa.Column("deadline", BIG, nullable=False),
        sa.Column("done_at", BIG),
        sa.Column("stopped", sa.Integer(), nullable=False),
        sa.Column("left", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["step_pk"], ["steps.pk"], name=op.f("fk_stops_step_pk")),
        sa.PrimaryKeyConstraint("step_pk", "child_pk", "attempt", name=op.f("pk_stops")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_stops_open", "stops", ["worker_id"], sqlite_where=sa.text("done_at IS NULL")
    )


def downgrade():
    for table in ("idempotency_keys", "queues", "stops", "attempts"):
        op.drop_table(table)
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
    for table, columns in new_columns().items():
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.drop_column(column.name)
