"""Two apps in one process don't know each other, though their databases hold the same jobs."""

from contextlib import closing
from types import SimpleNamespace

import pytest

from helpers.apps import make_app
from helpers.ask import ask
from helpers.by_hand import Hand
from jobsync import lifecycle, store
from jobsync.db.changes import changes
from jobsync.db.extensions import db, socketio
from jobsync.db.models import Job
from jobsync.db.transactions import read, write
from jobsync.live import broadcast
from jobsync.monitor import Monitor
from jobsync.store.listing import Wanted


@pytest.fixture
def one(tmp_path):
    """An app with a job, `job_id`."""
    folder = tmp_path / "one"
    folder.mkdir()
    app = make_app(folder)
    with app.app_context():
        job_id = Hand(app, folder).submit()
    return SimpleNamespace(app=app, folder=folder, job_id=job_id)


@pytest.fixture
def two(one, tmp_path):
    """Another app, on a copy of the database of `one`."""
    folder = tmp_path / "two"
    (folder / "data").mkdir(parents=True)
    with one.app.app_context():
        connection = db.engine.raw_connection()
        with closing(connection):
            (folder / "data" / "jobsync.db").write_bytes(connection.serialize())
    return SimpleNamespace(app=make_app(folder), folder=folder, job_id=one.job_id)


def cancel(at):
    with at.app.app_context():
        lifecycle.cancel(at.job_id)


def status_of(at):
    return at.app.test_client().get(f"/api/jobs/{at.job_id}/structure").json["status"]


def test_each_has_its_own_of_all_that_a_process_keeps(one, two):
    names = {name for name in one.app.extensions if name.startswith("jobsync.")} | {"socketio"}
    assert names >= {
        "jobsync.changes",
        "jobsync.counts",
        "jobsync.definitions",
        "jobsync.heartbeats",
        "jobsync.joined",
        "jobsync.structures",
        "jobsync.write_probe",
        "jobsync.writers",
    }
    for name in names - {"jobsync.joined"}:  # sets, that are equal while they are empty
        assert one.app.extensions[name] != two.app.extensions[name], name
    assert one.app.extensions["jobsync.joined"] is not two.app.extensions["jobsync.joined"]


def test_the_present_app_s_are_those_of_the_innermost_context(one, two):
    with one.app.app_context():
        with two.app.app_context():
            assert changes == two.app.extensions["jobsync.changes"]
            assert socketio == two.app.extensions["socketio"]
        assert changes == one.app.extensions["jobsync.changes"]
        assert socketio == one.app.extensions["socketio"]


def test_a_change_wakes_those_who_have_subscribed_to_its_app_only(one, two):
    events = [at.app.extensions["jobsync.changes"].subscribe() for at in (one, two)]
    versions = [at.app.extensions["jobsync.changes"].version() for at in (one, two)]
    cancel(one)
    assert [event.is_set() for event in events] == [True, False]
    changed = [at.app.extensions["jobsync.changes"].version() for at in (one, two)]
    assert changed[0] != versions[0] and changed[1] == versions[1]
    events[0].clear()
    cancel(two)
    assert [event.is_set() for event in events] == [False, True]


def test_a_kept_structure_is_given_to_those_who_ask_its_app_only(one, two):
    assert [status_of(at) for at in (one, two) for _ in range(2)] == ["pending"] * 4
    cancel(one)
    assert [status_of(at) for at in (one, two, one, two)] == ["cancelled", "pending"] * 2
    cancel(two)
    assert [status_of(at) for at in (one, two)] == ["cancelled", "cancelled"]


def test_the_numbers_of_a_list_are_those_of_its_app(one, two):
    def counted(at):
        with at.app.app_context():
            counts = at.app.extensions["jobsync.counts"].get(Wanted())[1]
        return {status: number for status, number in counts.items() if number}

    assert [counted(at) for at in (one, two)] == [{"pending": 1}] * 2
    cancel(one)
    assert [counted(at) for at in (one, two)] == [{"cancelled": 1}, {"pending": 1}]


def test_who_writes_to_one_does_not_keep_the_other_waiting_and_is_no_nested_transaction(one, two):
    with one.app.app_context(), write(), two.app.app_context():
        with write(0.1) as connection:
            connection.execute(db.update(Job).values(name="written"))
        with read() as connection:
            assert connection.execute(db.select(Job.name)).scalar() == "written"
    with one.app.app_context():
        assert ask(store.jobs.get, one.job_id)["name"] == "d"


def test_who_has_joined_a_room_is_known_to_its_app_only(one, two):
    with one.app.app_context():
        broadcast.note_joined(broadcast.room_of(one.job_id))
    with two.app.app_context():
        assert broadcast.take_joined() == set()
        broadcast.note_joined(broadcast.FEED)
    with one.app.app_context():
        assert broadcast.take_joined() == {broadcast.room_of(one.job_id)}
        assert broadcast.take_joined() == set()
    with two.app.app_context():
        assert broadcast.take_joined() == {broadcast.FEED}


def connect(at, *payloads):
    client = at.app.extensions["socketio"].test_client(at.app)
    for payload in payloads:
        assert client.emit("subscribe", payload, callback=True)["ok"]
    return client


def heard(client):
    return [packet["args"][0]["status"] for packet in client.get_received()]


def test_a_message_comes_to_the_viewers_of_its_app_only(one, two):
    clients = [connect(at, {"job_id": at.job_id}, {}) for at in (one, two)]
    with one.app.app_context():
        broadcast.tell_job(one.job_id, "cancelled", 2, True)
        broadcast.tell_feed(one.job_id, "cancelled", 2, True, 2, 1)
    assert [heard(client) for client in clients] == [["cancelled"] * 2, []]
    with two.app.app_context():
        broadcast.tell_job(two.job_id, "failed", 2, True)
    assert [heard(client) for client in clients] == [[], ["failed"]]


def test_a_room_is_watched_in_the_app_whose_viewer_has_joined_it(one, two):
    client = connect(one, {"job_id": one.job_id}, {})
    for at, jobs, is_feed_watched in ((one, [one.job_id], True), (two, [], False)):
        with at.app.app_context():
            assert broadcast.watched_jobs() == jobs
            assert broadcast.is_feed_watched() is is_feed_watched
    client.disconnect()
    with one.app.app_context():
        assert broadcast.watched_jobs() == [] and not broadcast.is_feed_watched()


def test_each_monitor_moves_the_jobs_and_tells_the_viewers_of_its_own_app(one, two):
    monitors = [Monitor(at.app) for at in (one, two)]
    for monitor in monitors:
        monitor.tick()
    clients = [connect(at, {"job_id": at.job_id}) for at in (one, two)]
    assert [status_of(at) for at in (one, two)] == ["running", "running"]
    cancel(one)
    for monitor in monitors:
        monitor.tick()
    assert ["cancelled" in heard(client) for client in clients] == [True, False]
    assert [status_of(at) for at in (one, two)] == ["cancelled", "running"]
    for monitor in monitors:
        monitor.close()
