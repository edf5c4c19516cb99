import sqlite3
import threading
import time

import pytest

from helpers.apps import make_app
from jobsync.base.errors import StoreBusy, StoreUnwritable
from jobsync.db import sqlite
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


@pytest.fixture
def keeper(tmp_path):
    """Return an app, and the connection of another process that keeps its database locked."""
    app = make_app(tmp_path)
    with app.app_context():
        other = sqlite3.connect(
            db.engine.url.database, isolation_level=None, check_same_thread=False
        )
        other.execute("BEGIN IMMEDIATE")
        yield app, other
        other.close()


def test_a_writer_waits_for_as_long_as_it_is_patient_and_tries_less_often_in_time(
    keeper, monkeypatch
):
    pauses, sleep = [], time.sleep
    monkeypatch.setattr(
        sqlite.time, "sleep", lambda seconds: (pauses.append(seconds), sleep(seconds))
    )
    began = time.monotonic()
    with pytest.raises(StoreBusy), write(0.5):
        pass
    assert time.monotonic() - began >= 0.5
    assert pauses[0] == sqlite.PAUSE
    assert max(pauses) > 10 * sqlite.PAUSE
    # each try takes processor time: without a growing pause there would be 5,000 of them at most
    assert sum(pauses) / len(pauses) > 5 * sqlite.PAUSE


def test_a_writer_that_waits_has_its_turn_when_the_other_one_ends(keeper):
    app, other = keeper
    threading.Timer(0.3, other.execute, ["COMMIT"]).start()
    began = time.monotonic()
    with write(10):
        assert 0.2 < time.monotonic() - began < 5
