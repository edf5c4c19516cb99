"""A store that can't be written to: locked, full, read-only or broken.

Every door says 503 and why, and all goes on by itself afterwards.
"""

import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from faults.faulty import readiness
from faults.test_monitor_faults import fill, small_disk  # noqa: F401 - a fixture
from helpers.apps import make_app
from helpers.ask import ask
from helpers.by_hand import hand_on
from helpers.paths import ROOT
from helpers.waiting import wait_for
from jobsync import lifecycle, store
from jobsync.base.errors import StoreBusy, StoreUnwritable
from jobsync.db.extensions import db
from jobsync.db.transactions import PROBE_REST, WriteProbe, why_not_writable, write
from jobsync.monitor import Monitor

DEFINITION = 'id = "d"\n[step.a]\ntype = "by_hand"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("unwritable")


@pytest.fixture(scope="module")
def core(folder):
    return make_app(folder)


@pytest.fixture
def hand(core, folder, monkeypatch):
    # seconds that a lock is waited for
    monkeypatch.setattr(write.__wrapped__, "__defaults__", (0.2,))
    core.extensions["jobsync.write_probe"] = WriteProbe()
    with hand_on(core, folder) as hand:
        hand.define(DEFINITION)
        yield hand
    with core.app_context():
        db.engine.dispose()


@contextmanager
def locked(database):
    """Hold the write lock, as another process would."""
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@contextmanager
def full(database):
    """Have SQLite refuse to let the file grow, which it tells of as of a full disk.

    There is no free page in it.
    """
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("VACUUM")
    with _with_pragma(lambda pages: f"max_page_count={pages}", "max_page_count=1073741823"):
        yield


@contextmanager
def read_only(database):
    with _with_pragma(lambda pages: "query_only=ON", "query_only=OFF"):
        yield


@contextmanager
def _with_pragma(pragma, undo):
    """Have all connections follow a pragma meanwhile."""

    def follow(connection, *_):
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA {pragma(pages)}")

    def unfollow(connection, *_):
        connection.execute(f"PRAGMA {undo}")

    event.listen(db.engine, "checkout", follow)
    event.listen(db.engine, "checkin", unfollow)
    try:
        yield
    finally:
        event.remove(db.engine, "checkout", follow)
        event.remove(db.engine, "checkin", unfollow)


@contextmanager
def broken(database):
    """Have every write to the database's log fail, as on a broken disk.

    The log begins anew, so that it has to grow.
    """
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))  # bytes: less than a page
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


TROUBLES = [
    (locked, "The database is locked by another process."),
    (full, "The database can't be written to: database or disk is full."),
    (read_only, "The database can't be written to: attempt to write a readonly database."),
    (broken, "The database can't be written to: disk I/O error."),
]
troubles = pytest.mark.parametrize(
    ("trouble", "said"), TROUBLES, ids=[trouble.__name__ for trouble, _ in TROUBLES]
)


def database_of(hand):
    return Path(hand.app.config["DATA_DIR"]) / "jobsync.db"


def large_job(client, **options):
    """Start a job that doesn't fit into what is free of the file."""
    return client.post("/api/jobs", json={"definition": "d", **options})


def calls(client, running, ended):
    """Return every call that writes, of the API and of the pages, as functions."""
    return {
        "submit": lambda: client.post("/api/jobs", json={"definition": "d"}),
        "cancel": lambda: client.post(f"/api/jobs/{running}/cancel"),
        "retry": lambda: client.post(f"/api/jobs/{ended}/retry"),
        "rerun": lambda: client.post(f"/api/jobs/{ended}/rerun"),
        "delete": lambda: client.delete(f"/api/jobs/{ended}"),
        "start a job": lambda: client.post("/definitions/d"),
        "cancel a job": lambda: client.post(f"/jobs/{running}/cancel", data={"sure": "yes"}),
        "retry a job": lambda: client.post(f"/jobs/{ended}/retry", data={"sure": "yes"}),
        "rerun a job": lambda: client.post(f"/jobs/{ended}/rerun"),
        "delete a job": lambda: client.post(f"/jobs/{ended}/delete", data={"sure": "yes"}),
    }


@troubles
def test_every_call_that_writes_answers_503_with_the_reason_and_works_again_afterwards(
    hand, trouble, said
):
    running, ended = hand.begin(number=40), hand.submit()
    lifecycle.cancel(ended)
    client = hand.app.test_client()
    before = ask(store.structure.structure_of, running), ask(store.structure.structure_of, ended)
    with trouble(database_of(hand)):
        grown = large_job(client) if trouble is full else None  # until no free page is left
        while grown is not None and grown.status_code == 202:
            grown = large_job(client)
        for name, call in calls(client, running, ended).items():
            if trouble is full and name not in ("submit", "rerun", "start a job", "rerun a job"):
                continue  # needs no new page
            answer = call()
            assert answer.status_code == 503, name
            if answer.is_json:
                assert answer.json == {
                    "code": 503,
                    "status": "Service Unavailable",
                    "message": said,
                    "errors": {},
                }, name
            else:
                assert said.replace("'", "&#39;") in answer.get_data(as_text=True), name
        assert client.get(f"/jobs/{running}").status_code == client.get("/").status_code == 200
        assert (
            ask(store.structure.structure_of, running),
            ask(store.structure.structure_of, ended),
        ) == before
    assert [
        call().status_code
        for name, call in calls(client, running, ended).items()
        if name in ("submit", "cancel", "retry")
    ] == [202] * 3


# below is a disk that is
@pytest.mark.parametrize(("trouble", "said"), [found for found in TROUBLES if found[0] is not full])
def test_readiness_says_so_and_is_well_again_by_itself(hand, trouble, said):
    client = hand.app.test_client()
    moment = 0.0
    hand.app.extensions["jobsync.write_probe"] = WriteProbe(clock=lambda: moment)
    hand.app.extensions["jobsync.monitor"] = Monitor(hand.app)

    def reasons():
        return [
            reason for reason in client.get("/readyz").json["reasons"] if "worker" not in reason
        ]

    with trouble(database_of(hand)):
        assert reasons() == [
            f"The database can't be written to: {said.partition(': ')[2].rstrip('.') or said}"
        ]
        assert client.get("/readyz").status_code == 503
    moment += PROBE_REST
    assert reasons() == []


@troubles
def test_what_a_writer_raises_is_a_busy_store_that_names_the_reason(hand, trouble, said):
    hand.begin()
    with trouble(database_of(hand)):
        with pytest.raises(StoreBusy) as caught:
            for _ in range(50):  # until no free page is left
                hand.submit()
        assert caught.value.message == said
        assert isinstance(caught.value, StoreUnwritable) == (trouble is not locked)
    assert hand.submit()


def test_any_other_error_of_the_database_stays_what_it_is(hand):
    with pytest.raises(OperationalError, match="no such table"), write() as connection:
        connection.execute(db.text("SELECT * FROM no_table"))


def test_a_store_that_can_not_be_read_is_503_with_the_reason_too(hand, monkeypatch):
    job_id, client = hand.submit(), hand.app.test_client()
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ

    def fail(*_):
        raise OperationalError("SELECT", {}, error)

    def fail_in_sqlite(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(store.jobs, "get", fail)
        assert_unreadable(client, f"/api/jobs/{job_id}", f"/jobs/{job_id}")
    watcher = hand.app.extensions["jobsync.changes"]._watcher
    monkeypatch.setattr(watcher, "_connection", SimpleNamespace(execute=fail_in_sqlite))
    assert_unreadable(client, f"/api/jobs/{job_id}/structure")


def assert_unreadable(client, *paths):
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 503
        assert "The database can't be read: disk I/O error." in unescape(answer.text)


# The probe


def test_readiness_writes_at_most_once_a_second_however_often_it_is_asked(hand):
    moment, writes = 0.0, []
    probe = WriteProbe(clock=lambda: moment)
    event.listen(db.engine, "commit", lambda connection: writes.append(1))
    for _ in range(20):
        assert probe.why_not() is None
    first = len(writes)
    moment += PROBE_REST
    probe.why_not()
    assert 0 < first < len(writes) <= 2 * first


def test_the_probe_writes_more_pages_than_a_usual_transaction_does(hand):
    wal = Path(f"{database_of(hand)}-wal")

    def written():
        """Return the pages in the log of what was written, which begins anew here."""
        with sqlite3.connect(database_of(hand)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = wal.stat().st_size
        yield
        yield (wal.stat().st_size - before) // 4096

    def pages_of(action):
        counted = written()
        next(counted)
        action()
        return next(counted)

    assert why_not_writable() is None
    probe, job = pages_of(why_not_writable), pages_of(hand.submit)
    assert probe >= 16 and probe > job / 2, (probe, job)


# As a user has it


def test_a_full_disk_is_said_by_every_door_of_a_server_and_is_over_when_there_is_room(
    small_disk,  # noqa: F811
    server,
):
    server.environ |= {"JOBSYNC_DATA_DIR": str(small_disk / "data"), "JOBSYNC_WORKERS": "0"}
    (server.definitions / "d.toml").write_text(
        'id = "d"\n[step.a]\ntype = "command"\nrun = ["true"]\n'
    )
    server.start()
    job_id = server.submit("d")
    filler = fill(small_disk)
    full = "The database can't be written to: database or disk is full"

    def refused():
        fill(small_disk)
        return server.post("/api/jobs", json={"definition": "d"}).status_code == 503

    wait_for(refused, 15, "a full disk")  # what its log has room for yet is taken
    answers = [
        server.post(f"/api/jobs/{job_id}/cancel"),
        server.post(f"/jobs/{job_id}/cancel", data={"sure": "yes"}),
        server.post("/definitions/d"),
    ]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert answers[0].json()["message"] == f"{full}." and all(
        "disk is full" in answer.text for answer in answers
    )
    wait_for(lambda: full in readiness(server)[1], 3, "readiness that says so")
    assert server.get(f"/jobs/{job_id}").status_code == server.get("/").status_code == 200
    told = run_flask(server, "jobs", "cancel", job_id)
    assert (told.returncode, told.stderr.splitlines(), told.stdout) == (1, [f"Error: {full}."], "")
    filler.unlink()
    wait_for(
        lambda: not any("written" in reason for reason in readiness(server)[1]), 3, "readiness"
    )
    assert server.post(f"/api/jobs/{job_id}/cancel").status_code == 202
    assert server.submit("d")
    assert "Traceback" not in server.log.read_text()


def run_flask(server, *arguments):
    command = [sys.executable, "-m", "flask", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **server.environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
