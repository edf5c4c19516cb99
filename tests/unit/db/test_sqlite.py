import sqlite3

import pytest

from helpers.apps import make_app
from jobsync.base.errors import StoreBusy, StoreUnwritable
from jobsync.db.extensions import db
from jobsync.db.transactions import read, why_not_writable, write


def test_a_file_that_is_none_any_more_can_not_be_written_to(tmp_path):
    """SQLite tells of that when a transaction begins, by no OperationalError."""
    app = make_app(tmp_path)
    with app.app_context():
        with write():
            pass
        path = db.engine.url.database
        other = sqlite3.connect(path)
        other.execute("UPDATE counters SET value = value + 1")
        other.commit()
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.close()
        with open(path, "r+b") as file:
            file.write(b"x" * 100)
        with pytest.raises(StoreUnwritable, match="not a database"), write():
            pass
        assert "not a database" in why_not_writable()


def test_a_writer_that_is_refused_leaves_the_connection_as_it_was(tmp_path):
    app = make_app(tmp_path)
    with app.app_context():
        other = sqlite3.connect(db.engine.url.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy), write(0.2):
            pass
        other.execute("COMMIT")
        with read() as connection:
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 100
        with write():
            pass
