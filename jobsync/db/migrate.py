"""Brings the embedded database up to date, once however many processes start at a time."""

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import upgrade

from jobsync.base.errors import SettingsError
from jobsync.db.engine import dialect_of
from jobsync.db.extensions import db

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def bring_up_to_date(data_dir):
    """Apply the migrations that the database lacks. Needs an app context. A second caller waits for
    the first and finds nothing to do.

    Raises SettingsError for a database of a version that isn't known here.
    """
    with dialect_of(db.engine).upgrade_lock(data_dir):
        if not _is_current():
            upgrade(directory=str(MIGRATIONS))


def _is_current():
    with db.engine.connect() as connection:
        present = set(MigrationContext.configure(connection).get_current_heads())
    script = ScriptDirectory(str(MIGRATIONS))
    unknown = present - {revision.revision for revision in script.walk_revisions()}
    if unknown:
        raise SettingsError(
            f"The database {db.engine.url.database} was made by another version of jobsync: "
            f"{', '.join(sorted(unknown))}."
        )
    return present == set(script.get_heads())
