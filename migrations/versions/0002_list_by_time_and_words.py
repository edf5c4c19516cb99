"""List jobs by the time they were created, and find them by their words

Revision: 0002, after: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OLD = {
    "ix_jobs_status_number": ["status", "number"],
    "ix_jobs_definition_number": ["definition", "number"],
}
NEW = {
    "ix_jobs_created": ["created_at", "number"],
    "ix_jobs_status_created": ["status", "created_at", "number"],
    "ix_jobs_definition_created": ["definition", "created_at", "number"],
    "ix_jobs_definition_status_created": ["definition", "status", "created_at", "number"],
}
AT_ONCE = 1000  # jobs


def upgrade():
    for name in OLD:
        op.drop_index(name, "jobs")
    for name, columns in NEW.items():
        op.create_index(name, "jobs", columns)
    words = op.create_table(
        "job_words",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["number"], ["jobs.number"], name=op.f("fk_job_words_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_job_words")),
    )
    _fill(op.get_bind(), words)


def _fill(connection, words):
    """Give each job that there is its words, as `listing.words_of` made them when this was
    written.
    """
    jobs = sa.table("jobs", *map(sa.column, ("number", "id", "name")), sa.column("params", sa.JSON))
    last = 0
    while rows := connection.execute(
        sa.select(jobs).where(jobs.c.number > last).order_by(jobs.c.number).limit(AT_ONCE)
    ).all():
        connection.execute(
            words.insert(), [{"number": row.number, "words": _words_of(row)} for row in rows]
        )
        last = rows[-1].number


def _words_of(job):
    texts = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in job.params.items()
    }
    return "\n".join(
        [job.name, job.id, *(f"{name} {text}" for name, text in texts.items())]
    ).casefold()


def downgrade():
    op.drop_table("job_words")
    for name in NEW:
        op.drop_index(name, "jobs")
    for name, columns in OLD.items():
        op.create_index(name, "jobs", columns)
