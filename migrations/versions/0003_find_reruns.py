"""Find the reruns of a job without looking at all jobs

Revision: 0003, after: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

IS_RERUN = sa.text("rerun_of IS NOT NULL")


def upgrade():
    op.create_index("ix_jobs_rerun_of", "jobs", ["rerun_of"], sqlite_where=IS_RERUN)


def downgrade():
    op.drop_index("ix_jobs_rerun_of", "jobs")
