"""Count the bytes of a step's lines, and have a row to write that tells whether anything can be
written

Lines that were there before are not counted.

Revision: 0004, after: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "probes",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_probes")),
    )
    op.execute("DELETE FROM counters WHERE name = 'probe'")
    op.add_column(
        "steps", sa.Column("log_bytes", sa.BigInteger(), server_default="0", nullable=False)
    )


def downgrade():
    op.drop_column("steps", "log_bytes")
    op.drop_table("probes")
