"""The database's engine, and the module that knows its dialect.

A dialect has `engine_options()`, `prepare(engine)`, `begin_write(connection, patience)`,
`is_busy(error)`, `unusable(error)`, `Watcher(engine)` and `upgrade_lock(data_dir)`: see
`sqlite.py`.
"""

from sqlalchemy import make_url

from jobsync.db import sqlite
from jobsync.db.damage import read_json
from jobsync.db.json import json_text

DIALECTS = {"sqlite": sqlite}


def dialect_of(engine):
    """Return the module for an engine's dialect."""
    return DIALECTS[engine.dialect.name]


def engine_options(url):
    """Return SQLAlchemy's engine options for a database URL."""
    dialect = DIALECTS[make_url(url).get_backend_name()]
    return {"json_serializer": json_text, "json_deserializer": read_json} | dialect.engine_options()
