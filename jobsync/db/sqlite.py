"""SQLite: the one module that knows it.

Its rules here (each was measured): WAL; `BEGIN IMMEDIATE` for whatever writes, so that nobody reads
before another's write and then writes over it; a short busy time-out, because SQLite sleeps in C
and would stall every greenlet of the web process.
"""

import os
import random
import sqlite3
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from jobsync.base import loop
from jobsync.base.errors import SettingsError, StoreUnreadable
from jobsync.base.private_files import locked, make_file
from jobsync.db.prepared import Prepared

BUSY_SECONDS = 0.1
OPENING_SECONDS = 5.0  # that opening a file waits for who has it locked: nobody is served yet
BUSY_TIMEOUT = f"PRAGMA busy_timeout = {1000 * BUSY_SECONDS:.0f}"
# seconds between two tries to get the write lock: at first, and at most later
PAUSE, LONGEST_PAUSE = 0.0001, 0.004
SHORT = 0.01  # seconds that "at first" lasts
IMMEDIATE = "BEGIN IMMEDIATE"
BEGIN, BEGIN_IMMEDIATE = Prepared(text("BEGIN")), Prepared(text(IMMEDIATE))
# What SQLite says of a file that can't be used now but may be later: it is locked, on a full disk,
# read-only, or the disk is broken
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


def engine_options():
    """Return SQLAlchemy's engine options."""
    return {"connect_args": {"timeout": BUSY_SECONDS}}


def prepare(engine):
    """Have each connection of `engine` follow the rules above, and make its file if there is none.

    Call it once per engine.
    """
    with suppress(OSError):  # whoever opens it next says why it can't be
        # SQLite gives its other files (-wal, -shm) the rights of this one
        make_file(engine.url.database)
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "do_execute", partial(_execute, sqlite3.Cursor.execute))
    event.listen(engine, "do_executemany", partial(_execute, sqlite3.Cursor.executemany))


def _prepare_connection(connection, _record):
    # Python 3.11's sqlite3 would begin by itself, and never IMMEDIATE
    connection.isolation_level = None
    connection.text_factory = _text
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _text(data):
    """Return stored text.

    Of what isn't UTF-8 as much as can be read: one such value would take all rows of an answer with
    it.
    """
    return str(data, "utf-8", "replace")


def _begin(connection):
    patience = connection.get_execution_options().get("write_patience")
    if patience is None:
        BEGIN.change(connection, {})
    else:
        _take_write_lock(connection, patience)


def _take_write_lock(connection, patience):
    """Begin a transaction that writes, and wait for the lock for so many seconds at most.

    SQLite itself would wait for 1, 2, 5, 10 ms and more between two tries: that is several
    transactions of other workers, after which nobody has the lock. It took a fifth of the time of
    a worker that runs short programs. Who has waited for longer tries less often, at times that
    differ from those of others.
    """
    driver = connection.connection.driver_connection
    began = time.monotonic()
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        while (waited := time.monotonic() - began) < patience:
            try:
                driver.execute(IMMEDIATE)
                return
            except sqlite3.Error as error:
                if not is_busy(error):
                    break
            time.sleep(PAUSE if waited < SHORT else random.uniform(PAUSE, LONGEST_PAUSE))
        BEGIN_IMMEDIATE.change(connection, {})  # once more, for an error that others understand
    finally:
        driver.execute(BUSY_TIMEOUT)


def _execute(method, cursor, statement, parameters, context):
    """Run a statement outside of the event loop if it has the option `outside`.

    It may take long, and holds up nobody but other writers.
    """
    if not context.execution_options.get("outside"):
        return False
    loop.outside(method, cursor, statement, parameters)
    return True


# Writing


def begin_write(connection, patience):
    """Take the one write lock of the file. Returns False when other processes have it for all of
    `patience` seconds. Waiting lets other greenlets run.
    """
    try:
        connection.execution_options(write_patience=patience).begin()
        return True
    except OperationalError as error:
        if not is_busy(error):
            raise
        return False


def is_busy(error):
    """Say whether an error says that another process holds a lock."""
    return "locked" in str(getattr(error, "orig", error))


def unusable(error):
    """Return the database's own error when `error` says that the file can't be used now, else None.

    error: SQLAlchemy's, or the driver's own.
    """
    orig = getattr(error, "orig", error)
    code = getattr(orig, "sqlite_errorcode", None)
    # the higher bits say more exactly what
    return orig if code is not None and code & 0xFF in UNUSABLE else None


# Others' commits


class Watcher:
    """Sees the commits of all connections, by one of its own outside of all pools.

    Raises SettingsError for a database that can't be opened.
    """

    def __init__(self, engine):
        path = engine.url.database
        self.folder = os.path.dirname(path)  # where every commit writes something
        try:
            # Another process may be making the file at this moment
            self._connection = sqlite3.connect(
                path, timeout=OPENING_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA data_version")
            self._connection.execute(BUSY_TIMEOUT)
        except sqlite3.Error as error:
            raise SettingsError(f"The database {path} can't be opened: {error}.") from error

    def version(self):
        """Return a number that differs as soon as any connection has committed anything since it
        was last asked.

        Raises StoreUnreadable.
        """
        try:
            return self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            raise StoreUnreadable(f"The database can't be read: {error}.") from error


# Upgrading


def upgrade_lock(data_dir):
    """Let one process at a time bring the file up to date: a context manager."""
    return locked(Path(data_dir) / "upgrade.lock")
