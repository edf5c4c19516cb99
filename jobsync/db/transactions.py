"""The transactions that everything reads and writes in. A door opens one, and queries take its
connection.

A reader sees one moment: what it reads of a job, its steps and its revision belongs together.
"""

import os
import threading
import time
from contextlib import contextmanager, nullcontext

from flask import current_app, g
from sqlalchemy import bindparam
from sqlalchemy.exc import SQLAlchemyError

from jobsync.base.clock import now
from jobsync.base.errors import StoreBusy, StoreUnwritable
from jobsync.base.trouble import reason
from jobsync.db.changes import changes
from jobsync.db.engine import dialect_of
from jobsync.db.extensions import db
from jobsync.db.models import Probe

PATIENCE = 10.0  # seconds that a writer waits for other writers
BRIEFLY = 0.25  # the same for the monitor, who has viewers waiting and comes again
# the same for who only wants to know: a writer that has no processor for a while isn't a trouble
# yet
PROBED = 1.0
# more than a usual transaction writes: of a nearly full disk one page may be free, and a job not
# fit
PROBE_BYTES = 64 * 1024
PROBE_REST = 1.0  # seconds between two probes, however many ask

OUTSIDE = {"outside": True}  # the option of a statement that is run outside of the event loop
KEY = "jobsync.writers"


class Writers:
    """The writers of one process: they take turns here instead of spinning on the database's lock.

    `present` is the thread or greenlet that has the turn.
    """

    def __init__(self):
        self.turn = threading.Lock()  # green in the web process
        self.present = None


def init_app(app):
    """Let the app's transactions take turns."""
    app.extensions[KEY] = Writers()


@contextmanager
def write(patience=PATIENCE):
    """Open the one write transaction of this process: commit at the end, roll back on an error,
    then tell `changes`.

    Never let another greenlet run inside: everybody else would wait. `execute_long` alone does,
    while the database works. Raises StoreBusy when other writers keep the lock for `patience`
    seconds; waiting lets other greenlets run. Raises StoreUnwritable when the database can't be
    written to, and RuntimeError inside `read` or `write`.
    """
    writers = current_app.extensions[KEY]
    _refuse_nesting(writers, "write")
    deadline = time.monotonic() + patience
    if not writers.turn.acquire(timeout=patience):
        raise StoreBusy()
    writers.present = threading.get_ident()
    g.transaction = "write"
    try:
        with db.engine.connect() as connection:
            if not dialect_of(db.engine).begin_write(connection, deadline - time.monotonic()):
                raise StoreBusy()
            connection.info.update(moment=now(), is_long=False)
            yield connection
            _commit(connection)
    except BaseException as error:
        raise_as_store_error(error)
        raise
    finally:
        g.transaction = writers.present = None
        writers.turn.release()
    changes.notify()


@contextmanager
def read():
    """Open a read transaction: all queries inside see the same moment.

    Raises RuntimeError inside `read` or `write`.
    """
    _refuse_nesting(current_app.extensions[KEY], "read")
    g.transaction = "read"
    try:
        with db.engine.connect() as connection:
            connection.begin()
            yield connection
    finally:
        g.transaction = None


def chunked_read(read_chunk, place, connection=None):
    """Yield all that a long scan finds, and let others run after each chunk.

    read_chunk(connection, place): returns `(items, next place)`, the next place None at the end.
    connection: that of a transaction that the caller has open, for a scan of one moment. Without it
    each chunk has a short transaction of its own, none is open while the caller uses the items, and
    what is found is not of one moment.
    """
    while place is not None:
        with read() if connection is None else nullcontext(connection) as present:
            items, place = read_chunk(present, place)
        yield from items
        if place is not None:
            time.sleep(0)  # green in the web process


def _refuse_nesting(writers, wanted):
    """Refuse a transaction inside another one: it would not see what that has written, or wait for
    it without end.
    """
    is_writing = wanted == "write" and writers.present == threading.get_ident()
    present = g.get("transaction") or ("write" if is_writing else None)
    if present:
        raise RuntimeError(
            f"{wanted}() inside {present}(): transactions don't nest. "
            "Work with the connection of the outer one."
        )


def raise_as_store_error(error):
    """Raise StoreUnwritable for what the database raised because it can't be written to now,
    StoreBusy for a lock; do nothing for the rest.
    """
    if not isinstance(error, SQLAlchemyError):
        return
    dialect = dialect_of(db.engine)
    orig = dialect.unusable(error)
    if orig is not None:
        raise StoreBusy() if dialect.is_busy(orig) else StoreUnwritable(orig) from error


def execute_long(connection, statement, parameters=None):
    """Run a statement that may take long, as one that changes 100,000 rows does, in a write
    transaction, and return its result.

    Everybody but other writers goes on meanwhile: readers see what was before. So does the commit,
    which then has much to write too.
    """
    connection.info["is_long"] = True
    return connection.execute(statement, parameters, execution_options=OUTSIDE)


def _commit(connection):
    if connection.info["is_long"]:
        connection.exec_driver_sql("COMMIT", execution_options=OUTSIDE)
    connection.commit()


def moment(connection):
    """Return the time of a write transaction in ms.

    One for all that it writes, so that no step starts before its job.
    """
    return connection.info["moment"]


# Can it be written to?

WRITE_PROBE = Probe.__table__.update().values(content=bindparam("content"))
FIRST_PROBE = Probe.__table__.insert()


def why_not_writable():
    """Return in one line why nothing can be written now or within a second, None if it can.

    It writes something that takes room and differs each time: a lock can be had on a full disk as
    well, and what is as it was isn't written.
    """
    content = {"content": os.urandom(PROBE_BYTES)}
    try:
        with write(PROBED) as connection:
            if connection.execute(WRITE_PROBE, content).rowcount == 0:
                connection.execute(FIRST_PROBE, {"number": 1, **content})
    except (StoreBusy, SQLAlchemyError) as error:
        return reason(error)
    return None


class WriteProbe:
    """What one process knows of whether the database can be written to.

    Asked however often, it looks at most once in PROBE_REST seconds.
    """

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._found, self._at = None, None

    def why_not(self):
        """Return what `why_not_writable` does."""
        with self._lock:
            if self._at is None or self._clock() - self._at >= PROBE_REST:
                self._found = why_not_writable()
                self._at = self._clock()
            return self._found
