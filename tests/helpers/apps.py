"""Apps on stores of their own, in this process."""

import sqlite3
from pathlib import Path

from sqlalchemy import make_url

import config
import jobsync
from jobsync.db.migrate import bring_up_to_date


def settings_for(folder, **variables):
    """Return the Settings of a fresh data folder, with definitions of its own in
    `folder`/definitions.
    """
    (folder / "definitions").mkdir(exist_ok=True)
    environ = {
        "JOBSYNC_DATA_DIR": str(folder / "data"),
        "JOBSYNC_DEFINITIONS": str(folder / "definitions"),
        "JOBSYNC_WORKERS": "0",
    }
    return config.load({**environ, **variables})


# the bytes of a database that is up to date: to migrate one for each test would take most of the
# test's time
_migrated = []


def make_app(folder, **variables):
    """Return an app on a fresh store, or on the one that is in `folder` already."""
    settings = settings_for(folder, **variables)
    database = Path(make_url(settings.database_url).database)
    is_fresh = not database.exists()
    if _migrated and is_fresh:
        database.write_bytes(_migrated[0])
    app = jobsync.create_app(settings)
    with app.app_context():
        bring_up_to_date(app.config["DATA_DIR"])
    # one that was there may have jobs, which every later test would find in its own
    if is_fresh and not _migrated:
        _migrated.append(_bytes_of(database))
    return app


def _bytes_of(database):
    connection = sqlite3.connect(database)
    try:
        return connection.serialize()
    finally:
        connection.close()
