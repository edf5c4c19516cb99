"""The unbound `db`, `socketio` and `migrate`, and how this process talks to SQLite.

SQLite's rules here (each was measured): WAL; `BEGIN IMMEDIATE` for whatever writes, so that nobody reads before another's write and
then writes over it; a short busy time-out, because SQLite sleeps in C and would stall every greenlet of the web process.
"""

import json
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from flask_migrate import Migrate
from flask_socketio import SocketIO
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData, event

from jobsync import loop
from jobsync.errors import SettingsError
from jobsync.private import make_file
from jobsync.sound import read_json
from jobsync.text import storable

BUSY_SECONDS = 0.1
OPENING_SECONDS = 5.0  # that opening a database waits for who has it locked: nobody is served yet
# What SQLite says of a file that can't be used now but may be later: it is locked, on a full disk, read-only, or the disk is broken
UNUSABLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}

db = SQLAlchemy(
    metadata=MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
)
socketio = SocketIO()
migrate = Migrate()


@dataclass(frozen=True)
class Encoded:
    """A value that is JSON already: a large one needn't be encoded once to see that it can be, and again to store it."""

    text: str


def encoded(value):
    """Return a value as Encoded; None, which is stored as NULL, as it is. Raises as `json_text`."""
    return None if value is None else Encoded(json_text(value))


def json_text(value):
    """Return `value` as the JSON that is stored. Raises TypeError or ValueError (NaN too) for what JSON can't say."""
    if isinstance(value, Encoded):
        return value.text
    return storable(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def engine_options(url):
    """Return SQLAlchemy's engine options for a database URL."""
    options = {"json_serializer": json_text, "json_deserializer": read_json}
    if url.startswith("sqlite"):
        options["connect_args"] = {"timeout": BUSY_SECONDS}
    return options


def prepare_engine(engine):
    """Have each connection of `engine` follow the rules above, and make its file if there is none. Call it once per engine."""
    if engine.dialect.name == "sqlite":
        with suppress(OSError):  # whoever opens it next says why it can't be
            make_file(engine.url.database)  # SQLite gives its other files (-wal, -shm) the rights of this one
        event.listen(engine, "connect", _prepare_connection)
        event.listen(engine, "begin", _begin)
        event.listen(engine, "do_execute", partial(_execute, sqlite3.Cursor.execute))
        event.listen(engine, "do_executemany", partial(_execute, sqlite3.Cursor.executemany))


def open_watcher(engine):
    """Return a connection outside of all pools that only asks for `PRAGMA data_version`, or None where there is no such thing.

    Raises SettingsError for a database that can't be opened.
    """
    if engine.dialect.name != "sqlite":
        return None
    path = engine.url.database
    try:
        # Another process may be making the file at this moment
        watcher = sqlite3.connect(path, timeout=OPENING_SECONDS, isolation_level=None, check_same_thread=False)
        watcher.execute("PRAGMA data_version")
        watcher.execute(f"PRAGMA busy_timeout = {1000 * BUSY_SECONDS:.0f}")
        return watcher
    except sqlite3.Error as error:
        raise SettingsError(f"The database {path} can't be opened: {error}.") from error


def unusable(error):
    """Return the database's own error when `error` (SQLAlchemy's or sqlite3's) says that the file can't be used now, else None."""
    orig = getattr(error, "orig", error)
    code = getattr(orig, "sqlite_errorcode", None)
    return orig if code is not None and code & 0xFF in UNUSABLE else None  # the higher bits say more exactly what


def _prepare_connection(connection, _record):
    connection.isolation_level = None  # Python 3.11's sqlite3 would begin by itself, and never IMMEDIATE
    connection.text_factory = _text
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection):
    connection.exec_driver_sql("BEGIN " + connection.get_execution_options().get("begin", ""))


def _execute(method, cursor, statement, parameters, context):
    """Run a statement outside of the event loop if it has the option `outside`: it may take long, and holds up nobody but other writers."""
    if not context.execution_options.get("outside"):
        return False
    loop.outside(method, cursor, statement, parameters)
    return True


def _text(data):
    """Return stored text; of what isn't UTF-8 as much as can be read, since one such value would take all rows of an answer with it."""
    return str(data, "utf-8", "replace")
