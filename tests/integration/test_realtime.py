"""The Socket.IO door, by real clients on a real server.

The server has no workers: what workers do, this process does on its store.
"""

import json
import socket
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import engineio
import pytest
import requests
import socketio
import websocket
from sqlalchemy import insert, select, text

from helpers.apps import make_app
from helpers.ask import ask
from helpers.by_hand import Hand, line
from helpers.servers import Server
from helpers.waiting import wait_for
from jobsync import lifecycle, store
from jobsync.db.models import Job, Step
from jobsync.db.transactions import write
from jobsync.live import broadcast
from jobsync.store import logs

HEARTBEAT = 2.0  # seconds, of the contract
LATE = 0.5  # seconds that a loaded machine may add to any of its times
STEP_KEYS = {"context", "job_id", "step_name", "status", "refresh_logs", "revision"}
JOB_KEYS = STEP_KEYS - {"step_name"}
NUMBERS = {"revision", "change", "since"}
FEED = {}


class InOrder(engineio.Client):
    """Hands messages on in the order in which they come; as it is, each has a thread of its own
    and they overtake each other.
    """

    def _trigger_event(self, event, *args, **options):
        return super()._trigger_event(event, *args, **{**options, "run_async": False})


class Client(socketio.Client):
    def _engineio_client_class(self):
        return InOrder


class Viewer:
    """A Socket.IO client.

    `heard` has all that it was told, acks of `subscribe` too (`context: "ack"`), as `(seconds,
    message)`, in order.
    """

    def __init__(self, url, transport="websocket"):
        self.heard = []
        self._session = requests.Session()
        self._client = Client(reconnection=False, http_session=self._session)
        self._client.on("job_update", self._hear)
        self._client.connect(url, transports=[transport], wait_timeout=10)
        self._websocket = self._client.eio.ws
        self.sid = self._client.sid

    def _hear(self, message):
        self.heard.append((time.monotonic(), message))

    def ask(self, event, *payload):
        """Send an event with any number of arguments and return its ack."""
        answers, answered = [], threading.Event()

        def note(*answer):
            answers.append(answer)
            if event == "subscribe" and answer[0].get("job_id"):
                self._hear({"context": "ack", **answer[0]})
            answered.set()

        self._client.emit(event, payload, callback=note)
        assert answered.wait(10), f"{event} {payload!r} was not acked"
        assert len(answers) == len(answers[0]) == 1
        return answers[0][0]

    def subscribe(self, job_id=None):
        ack = self.ask("subscribe", {"job_id": job_id} if job_id else FEED)
        assert ack["ok"], ack
        return ack

    def messages(self, **wanted):
        """Return the messages that have these values."""
        return [message for _, message in list(self.heard) if wanted.items() <= message.items()]

    def wait_for(self, seconds=10, **wanted):
        """Return the first message that has these values, once it is there."""
        return wait_for(
            lambda: next(iter(self.messages(**wanted)), None), seconds, f"a message with {wanted}"
        )

    def is_connected(self):
        return self._client.connected and self._client.sid == self.sid

    def close(self):
        self._client.disconnect()
        self._client.wait()
        self._session.close()
        if self._websocket:
            # which the client leaves to the garbage collector where the server was the first to
            # close
            self._websocket.shutdown()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server without workers."""
    server = Server(tmp_path_factory.mktemp("realtime"), JOBSYNC_WORKERS="0").start()
    yield server
    server.stop()
    assert "Traceback" not in server.log.read_text()


class Worker:
    """Plays the workers' part on a server's store.

    Each call has an app context of its own: nothing is remembered.
    """

    def __init__(self, folder):
        self._app = make_app(folder)
        with self._app.app_context():
            self._hand = Hand(self._app, folder)

    @contextmanager
    def at_the_store(self):
        with self._app.app_context():
            yield self._hand

    def submit(self, steps="[step.a]"):
        with self.at_the_store() as hand:
            return hand.submit(steps)

    def copy(self, job_id, number):
        """Return the ids of `number` more jobs that are like a job, without steps."""
        with self.at_the_store(), write() as connection:
            job = connection.execute(select(Job.__table__).where(Job.id == job_id)).one()._asdict()
            del job["number"]
            names = [f"{job_id[:8]}{place:04}" for place in range(number)]
            connection.execute(
                insert(Job),
                [
                    {**job, "id": name, "change": lifecycle.rows.next_change(connection)}
                    for name in names
                ],
            )
        return names

    def claim(self, kind, job_id):
        """Return the next work of a job once the monitor has brought it that far."""

        def take():
            with self.at_the_store() as hand:
                return next((task for task in hand.claim() if task.job_id == job_id), None)

        task = wait_for(take, 10, f"work for {job_id}")
        assert task.kind == kind
        return task

    def begin(self, steps="[step.a]", children=1):
        """Return the id of a job whose first step runs and has children."""
        job_id = self.submit(steps)
        self.plan(job_id, children)
        return job_id

    def plan(self, job_id, children=1):
        task = self.claim("plan", job_id)
        with self.at_the_store():
            units = [
                lifecycle.tasks.NewChild(str(place), f"c{place}", {})
                for place in range(1, children + 1)
            ]
            assert lifecycle.results.add_planned(task, units)
            lifecycle.results.finish_plan(task)

    def complete(self, job_id, **options):
        task = self.claim("child", job_id)
        with self.at_the_store() as hand:
            hand.complete(task, **options)

    def end(self, job_id):
        """Complete a job of one step, whatever it has come to."""
        with self.at_the_store():
            lifecycle.cancel(job_id)

    def turn_over(self, job_id):
        """Cancel a job and retry it: two changes of status of each of its steps."""
        with self.at_the_store():
            lifecycle.cancel(job_id)
            lifecycle.retry(job_id)

    def write(self, job_id, *messages, step="a"):
        """Add lines to a step and return the job's revision after that."""
        with self.at_the_store(), write() as connection:
            step_pk = connection.execute(
                select(Step.pk).where(Step.job_id == job_id, Step.name == step)
            ).scalar_one()
            revision = lifecycle.rows.touch(connection, job_id)
            logs.append(
                connection, step_pk, revision, [line(message) for message in messages], 10**6, 10**9
            )
        return revision

    def revision(self, job_id):
        with self.at_the_store():
            return ask(store.jobs.head, job_id).revision

    def delete(self, job_id):
        with self.at_the_store():
            lifecycle.delete(job_id)


@pytest.fixture(scope="module")
def worker(server):
    return Worker(server.folder)


@pytest.fixture
def connect(server):
    """Return a function that connects a Viewer, which is disconnected at the end of the test."""
    viewers = []

    def connect(transport="websocket", url=server.url):
        viewers.append(Viewer(url, transport))
        return viewers[-1]

    yield connect
    close(viewers)


def close(viewers):
    """Disconnect viewers, all at once: each waits for the server's goodbye."""
    closing = [threading.Thread(target=viewer.close) for viewer in viewers]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join()


def falls(viewer, job_id):
    """Return the pairs of successive messages about a job, its acks among them, where the
    revision falls.
    """
    told = [message["revision"] for _, message in list(viewer.heard) if message["job_id"] == job_id]
    return [pair for pair in zip(told, told[1:], strict=False) if pair[1] < pair[0]]


# Acks


def test_a_job_is_acked_with_its_status_and_revision_and_the_feed_with_ok(connect, server, worker):
    job_id = worker.begin()
    viewer = connect()
    structure = server.structure(job_id)
    assert viewer.ask("subscribe", {"job_id": job_id}) == {
        "ok": True,
        "job_id": job_id,
        "status": "running",
        "revision": structure["revision"],
    }
    assert viewer.ask("subscribe", {}) == {"ok": True}
    assert viewer.ask("unsubscribe", {"job_id": job_id}) == {"ok": True, "job_id": job_id}
    assert viewer.ask("unsubscribe", {}) == {"ok": True}


def test_a_job_of_any_status_can_be_subscribed_to(connect, worker):
    viewer = connect()
    job_id = worker.submit()
    worker.end(job_id)
    assert viewer.subscribe(job_id)["status"] == "cancelled"


NO_PAYLOAD = [
    (),
    (None,),
    (True,),
    (False,),
    (0,),
    (1.5,),
    ("",),
    ("JOB",),
    ([],),
    (["JOB"],),
    ([{"job_id": "JOB"}],),
    ({"job_id": None},),
    ({"job_id": 1},),
    ({"job_id": True},),
    ({"job_id": ["JOB"]},),
    ({"job_id": {"$ne": 1}},),
    ({"job_id": ""},),
    ({"job_id": "x" * 65},),
    ({"job_id": "x" * 50_000},),
    ({"job_id": b"JOB"},),
    (b"JOB",),
    ({"job_id": "JOB", "more": 1},),
    ({"id": "JOB"},),
    ({"JOB_ID": "JOB"},),
    ({"": "JOB"},),
    ({"job_id": "JOB"}, {"job_id": "JOB"}),
    ({"job_id": "JOB"}, None),
    ({}, {}),
    ({"job_id": "JOB"}, 1, 2, 3),
]
UNKNOWN = [
    "nope",
    " JOB",
    "JOB ",
    "JOB%",
    "feed",
    "job:JOB",
    "\ud800",
    "a\x00b",
    "JOB\x00",
    "\U0001f600",
    "' OR 1=1 --",
    "0",
]


def with_job(value, job_id):
    """Return a payload with the id of a real job where it says JOB."""
    if isinstance(value, str):
        return value.replace("JOB", job_id)
    if isinstance(value, (list, tuple)):
        return type(value)(with_job(inner, job_id) for inner in value)
    return (
        {with_job(key, job_id): with_job(inner, job_id) for key, inner in value.items()}
        if isinstance(value, dict)
        else value
    )


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_what_is_no_payload_is_always_acked_joins_nothing_and_costs_no_connection(
    connect, worker, transport
):
    job_id = worker.begin()
    viewer = connect(transport)
    asked = [(event, payload) for event in ("subscribe", "unsubscribe") for payload in NO_PAYLOAD]
    asked += [("subscribe", ({"job_id": unknown},)) for unknown in UNKNOWN]
    for event, payload in asked:
        ack = viewer.ask(event, *with_job(payload, job_id))
        assert set(ack) == {"ok", "error"} and ack["ok"] is False and ack["error"].strip(), (
            event,
            payload,
        )
        assert "\n" not in ack["error"] and "Traceback" not in ack["error"]
    assert viewer.is_connected()
    other = connect()
    other.subscribe(job_id)
    worker.write(job_id, "said to those who asked")
    other.wait_for(job_id=job_id, refresh_logs=True)
    assert viewer.heard == []
    assert viewer.subscribe(job_id)["ok"]


def test_leaving_what_was_not_joined_is_no_error(connect):
    assert connect().ask("unsubscribe", {"job_id": "nope"}) == {"ok": True, "job_id": "nope"}


def test_an_unknown_event_does_no_harm(connect, worker):
    viewer = connect()
    for event in ("job_update", "subscribed", "", "connect_error"):
        assert viewer.ask(event, {"job_id": "x"})["ok"] is False
    assert viewer.ask("subscribe", {}) == {"ok": True}


RAW = {
    "an integer of 5,000 digits": '{"job_id": ' + "9" * 5000 + "}",
    "an integer of 150 digits": '{"job_id": ' + "9" * 150 + "}",
    "lists nested 1,500 deep": "[" * 1500 + "]" * 1500,
    "lists nested 30,000 deep": "[" * 30_000 + "]" * 30_000,
    "no JSON": '{"job_id": ',
    "NaN": '{"job_id": NaN}',
    "60,000 bytes": '{"job_id": "' + "x" * 60_000 + '"}',
}


@pytest.mark.parametrize("payload", RAW.values(), ids=RAW)
def test_what_python_can_not_hold_is_acked_too(server, payload):
    with closing(raw_connection(server)) as connection:
        connection.send(f'427["subscribe",{payload}]')
        (ack,) = json.loads(connection.recv().removeprefix("437"))
        assert ack["ok"] is False and ack["error"]
        connection.send('428["subscribe",{}]')
        assert json.loads(connection.recv().removeprefix("438")) == [{"ok": True}]


def raw_connection(server, **options):
    """Return a websocket that has just been let in by Socket.IO."""
    connection = websocket.create_connection(
        f"ws://{urlsplit(server.url).netloc}/socket.io/?EIO=4&transport=websocket",
        timeout=10,
        **options,
    )
    connection.recv()
    connection.send("40")
    connection.recv()
    return connection


def test_one_connection_may_be_in_200_rooms_and_no_more(connect, worker):
    refused, late = worker.begin(), worker.begin()
    others = worker.copy(late, 200)
    viewer = connect()
    for job_id in others:
        viewer.subscribe(job_id)
    for payload in ({"job_id": refused}, {}):
        ack = viewer.ask("subscribe", payload)
        assert ack["ok"] is False and "200" in ack["error"]
    assert viewer.ask("subscribe", {"job_id": "nope"})["ok"] is False
    assert viewer.subscribe(others[0])["ok"], (
        "asking again for a room that one is in takes no place"
    )
    viewer.ask("unsubscribe", {"job_id": others[0]})
    viewer.subscribe(late)
    assert viewer.ask("subscribe", {"job_id": others[0]})["ok"] is False
    assert viewer.is_connected()
    for job_id in (refused, late):
        worker.end(job_id)
    viewer.wait_for(context="job", job_id=late, status="cancelled")
    assert viewer.messages(job_id=refused) == []


def test_a_subscription_that_the_database_refuses_is_acked_and_leaves_the_room(app, tmp_path):
    with app.app_context():
        job_id = Hand(app, tmp_path).submit()
        with write() as connection:
            connection.execute(text("ALTER TABLE jobs RENAME TO gone"))
    client = app.extensions["socketio"].test_client(app)
    ack = client.emit("subscribe", {"job_id": job_id}, callback=True)
    assert ack == {"ok": False, "error": "The database can't be read at the moment."}
    with app.app_context():
        assert broadcast.watched_jobs() == []
        with write() as connection:
            connection.execute(text("ALTER TABLE gone RENAME TO jobs"))
    assert client.emit("subscribe", {"job_id": job_id}, callback=True)["ok"] is True
    with app.app_context():
        assert broadcast.watched_jobs() == [job_id]
    client.disconnect()


def test_a_handler_that_breaks_is_acked_all_the_same(app, monkeypatch, caplog):
    def break_down(connection, job_id):
        raise RuntimeError("never thought of")

    monkeypatch.setattr(store.jobs, "head", break_down)
    client = app.extensions["socketio"].test_client(app)
    ack = client.emit("subscribe", {"job_id": "x"}, callback=True)
    assert ack["ok"] is False and "never thought of" not in ack["error"]
    assert "never thought of" in caplog.text
    with app.app_context():
        assert broadcast.watched_jobs() == []
    client.disconnect()


# Rooms


def test_each_viewer_hears_of_what_it_asked_for_and_of_nothing_else(connect, worker):
    one, two = worker.begin(), worker.begin()
    viewers = {
        "one": connect(),
        "two": connect(),
        "both": connect(),
        "feed": connect(),
        "none": connect(),
    }
    viewers["one"].subscribe(one)
    viewers["two"].subscribe(two)
    for job_id in (one, two):
        viewers["both"].subscribe(job_id)
    viewers["feed"].subscribe()
    for job_id in (one, two):
        worker.write(job_id, "x")
        worker.end(job_id)
    for name, job_id in (
        ("one", one),
        ("two", two),
        ("both", one),
        ("both", two),
        ("feed", one),
        ("feed", two),
    ):
        viewers[name].wait_for(context="job", job_id=job_id, status="cancelled")
    heard = {
        name: {message["job_id"] for _, message in viewer.heard} for name, viewer in viewers.items()
    }
    assert (
        heard["one"] == {one}
        and heard["two"] == {two}
        and heard["both"] == {one, two}
        and heard["none"] == set()
    )
    assert {message["context"] for _, message in viewers["feed"].heard} == {"job"}
    assert {"job", "job_step"} <= {message["context"] for _, message in viewers["one"].heard}


def test_who_unsubscribes_hears_no_more(connect, worker):
    job_id = worker.begin()
    leaving, staying = connect(), connect()
    for viewer in (leaving, staying):
        viewer.subscribe(job_id)
        viewer.subscribe()
    worker.write(job_id, "x")
    for viewer in (leaving, staying):
        viewer.wait_for(context="job_step", job_id=job_id)
    leaving.ask("unsubscribe", {"job_id": job_id})
    leaving.ask("unsubscribe", {})
    before = len(leaving.heard)
    worker.end(job_id)
    staying.wait_for(context="job", status="cancelled", job_id=job_id)
    staying.wait_for(context="job", refresh_logs=False, job_id=job_id)
    assert leaving.heard[before:] == []


def test_messages_have_just_the_fields_of_the_contract(connect, worker):
    job_id = worker.submit()
    viewer, feed = connect(), connect()
    viewer.subscribe(job_id)
    feed.subscribe()
    worker.plan(job_id)
    worker.complete(job_id, lines=[line("x")])
    viewer.wait_for(context="job", status="completed")
    feed.wait_for(context="job", status="completed", job_id=job_id)
    for keys, messages in (
        (STEP_KEYS, viewer.messages(context="job_step")),
        (JOB_KEYS, viewer.messages(context="job")),
        (JOB_KEYS | {"change", "since"}, feed.messages()),
    ):
        assert messages
        for message in messages:
            assert set(message) == keys
            assert type(message["refresh_logs"]) is bool
            assert {type(message[key]) for key in keys & NUMBERS} == {int}
    assert {message["step_name"] for message in viewer.messages(context="job_step")} == {"a"}


# When


def test_a_status_change_is_told_at_once_with_refresh_logs_and_its_revision(
    connect, server, worker
):
    job_id = worker.begin('[step.a]\n[step.b]\ndepends = "a"')
    viewer, feed = connect(), connect()
    viewer.subscribe(job_id)
    feed.subscribe()
    worker.write(job_id, "growth just before must not hold a status back")
    viewer.wait_for(context="job_step", step_name="a", refresh_logs=True)
    worker.complete(job_id)
    committed = time.monotonic()
    completed = viewer.wait_for(context="job_step", step_name="a", status="completed")
    running = viewer.wait_for(context="job_step", step_name="b", status="running")
    assert time.monotonic() - committed < LATE
    assert completed["refresh_logs"] and running["refresh_logs"]
    assert completed["revision"] <= server.structure(job_id)["revision"]
    with worker.at_the_store():
        lifecycle.cancel(job_id)
        cancelled = ask(store.jobs.head, job_id).revision
    for message in (
        viewer.wait_for(context="job", status="cancelled"),
        viewer.wait_for(context="job_step", step_name="b", status="cancelled"),
    ):
        assert message["refresh_logs"] and message["revision"] == cancelled
    assert feed.wait_for(job_id=job_id, status="cancelled")["refresh_logs"]
    assert not viewer.messages(context="job_step", step_name="a", status="cancelled")


def test_commits_of_other_processes_are_told_long_before_the_next_hint(connect, worker):
    viewer, delays = connect(), []
    for _ in range(9):
        job_id = worker.begin()
        viewer.subscribe(job_id)
        worker.end(job_id)
        committed = time.monotonic()
        viewer.wait_for(context="job", job_id=job_id, status="cancelled")
        delays.append(time.monotonic() - committed)
    assert sorted(delays)[4] < 0.3, delays  # the median; on an idle machine it is a tenth of that


def test_growth_is_told_at_most_once_a_second_for_each_step_and_the_last_is_always_told(
    connect, worker
):
    job_id = worker.begin("[step.a]\n[step.b]")
    worker.plan(job_id)
    viewer, feed = connect(), connect()
    viewer.subscribe(job_id)
    feed.subscribe()
    time.sleep(1.1)  # what planning let grow is told by then, and a second old
    started, revisions = time.monotonic(), {}
    viewer.heard.clear()
    feed.heard.clear()
    while time.monotonic() - started < 3.4:
        for step in ("a", "b"):
            revisions[step] = worker.write(job_id, "x", step=step)
    for step in ("a", "b"):
        wait_for(
            lambda: viewer.messages(step_name=step)[-1]["revision"] >= revisions[step],  # noqa: B023
            3,
            "the last growth",
        )
        told = [(at, message) for at, message in viewer.heard if message.get("step_name") == step]
        times = [at for at, _ in told]
        assert times[0] - started < LATE, "the first comes at once"
        assert_a_second_apart(times)
        assert all(
            message["refresh_logs"] and message["status"] == "running" for _, message in told
        )
    fed = [
        at for at, message in feed.heard if message["job_id"] == job_id and message["refresh_logs"]
    ]
    assert_a_second_apart(fed)


def assert_a_second_apart(times):
    """Assert that messages which came at `times` were sent a second apart; each may have been
    late.
    """
    assert len(times) >= 3
    assert times[-1] - times[0] > len(times) - 1 - LATE, times
    assert all(
        later - earlier > 1 - LATE for earlier, later in zip(times, times[1:], strict=False)
    ), times


def test_growth_of_counts_alone_asks_for_no_lines(connect, worker):
    job_id = worker.begin(children=3)
    viewer = connect()
    viewer.subscribe(job_id)
    worker.complete(job_id)
    worker.complete(job_id)
    revision = worker.revision(job_id)
    wait_for(
        lambda: [
            message
            for message in viewer.messages(context="job_step")
            if message["revision"] >= revision
        ],
        5,
        "growth",
    )
    assert not viewer.messages(context="job_step", refresh_logs=True)


def test_late_lines_of_a_job_that_has_ended_are_told(connect, worker):
    job_id = worker.begin()
    worker.end(job_id)
    viewer = connect()
    viewer.subscribe(job_id)
    viewer.wait_for(context="job", job_id=job_id)
    revision = worker.write(job_id, "written while the process was being ended")
    assert (
        viewer.wait_for(context="job_step", refresh_logs=True, revision=revision)["status"]
        == "cancelled"
    )


def test_a_room_at_rest_gets_a_hint_every_two_seconds_and_so_does_the_feed(connect, worker):
    job_id = worker.begin()
    worker.end(job_id)
    viewer, feed, waiting = connect(), connect(), connect()
    viewer.subscribe(job_id)
    viewer.wait_for(context="job", job_id=job_id)
    feed.subscribe()
    still = worker.submit()
    worker.end(still)
    waiting.subscribe(still)
    started = time.monotonic()
    wait_for(lambda: time.monotonic() - started > 4.5, 10, "some time")
    hint = {
        "context": "job",
        "job_id": job_id,
        "status": "cancelled",
        "refresh_logs": False,
        "revision": worker.revision(job_id),
    }
    assert [message for at, message in viewer.heard if at > started] == [hint] * len(
        [at for at, _ in viewer.heard if at > started]
    )
    for heard in (viewer.heard, feed.heard, waiting.heard):
        times = [started] + [at for at, _ in heard if at > started] + [time.monotonic()]
        assert (
            max(later - earlier for earlier, later in zip(times, times[1:], strict=False))
            < HEARTBEAT + LATE
        )
    last = feed.heard[-1][1]
    assert last == {
        **hint,
        "job_id": still,
        "revision": worker.revision(still),
        "change": last["change"],
        "since": last["change"],
    }


def test_who_joins_hears_something_long_before_the_next_hint(connect, worker):
    job_id = worker.begin()
    worker.end(job_id)
    delays = []
    for room in (job_id, None) * 3:
        viewer = connect()
        viewer.subscribe(*([room] if room else []))
        joined = time.monotonic()
        # the feed hears of the job that has changed last, perhaps one of another test
        viewer.wait_for(context="job", **({"job_id": job_id} if room else {}))
        delays.append(time.monotonic() - joined)
    assert sorted(delays)[3] < 0.8, delays  # the median


def test_a_deleted_job_is_told_once_to_its_room_and_the_feed(connect, worker):
    job_id = worker.begin()
    worker.end(job_id)
    viewer, feed, other = connect(), connect(), connect()
    viewer.subscribe(job_id)
    feed.subscribe()
    other.subscribe(worker.submit())
    viewer.wait_for(context="job", job_id=job_id)
    revision = worker.revision(job_id)
    worker.delete(job_id)
    for hearing in (viewer, feed):
        told = hearing.wait_for(job_id=job_id, status="deleted")
        assert told == {
            "context": "job",
            "job_id": job_id,
            "status": "deleted",
            "refresh_logs": False,
            "revision": told["revision"],
            **({name: told[name] for name in ("change", "since")} if hearing is feed else {}),
        }
        assert told["revision"] >= revision
    heard = len(other.heard)
    wait_for(lambda: len(other.heard) >= heard + 2, 10, "two more hints")
    for hearing in (viewer, feed):
        assert [message["status"] for message in hearing.messages(job_id=job_id)].count(
            "deleted"
        ) == 1
        assert hearing.messages(job_id=job_id)[-1]["status"] == "deleted"
    assert viewer.ask("subscribe", {"job_id": job_id})["ok"] is False
    assert falls(viewer, job_id) == []


def test_revisions_never_fall_for_viewers_that_come_and_go_while_a_job_runs(
    connect, server, worker
):
    job_id = worker.begin("[step.a]\n[step.b]", children=40)
    worker.plan(job_id)
    ended = threading.Event()
    viewers = []

    def work():
        try:
            for number in range(40):
                worker.complete(job_id, lines=[line(f"{number}.{place}") for place in range(3)])
                worker.write(job_id, "and b", step="b")
            deadline = time.monotonic() + 30
            # however long a viewer takes to come
            while len(viewers) <= 3 and time.monotonic() < deadline:
                worker.write(job_id, "and b again", step="b")
        finally:
            ended.set()

    busy = threading.Thread(target=work)
    busy.start()
    try:
        while not ended.is_set():
            viewers.append(connect("polling" if len(viewers) % 4 == 3 else "websocket"))
            viewers[-1].subscribe(job_id)
            viewers[0].subscribe(job_id)
            time.sleep(0.05)  # so that they come throughout its run
    finally:
        busy.join()
    revision = worker.revision(job_id)
    for viewer in viewers:
        wait_for(lambda: viewer.heard[-1][1]["revision"] >= revision, 5, "the last revision")  # noqa: B023
        assert falls(viewer, job_id) == []
    assert len(viewers) > 3


def test_ten_viewers_of_a_job_with_real_workers_agree(shared_server):
    job_id = shared_server.submit("test_job", workers=2, lines=20, delay_ms=2)
    viewers = [Viewer(shared_server.url) for _ in range(10)]
    try:
        for viewer in viewers:
            viewer.subscribe(job_id)
        structure = shared_server.wait_for_end(job_id)
        assert structure["status"] == "completed"
        for viewer in viewers:
            viewer.wait_for(context="job", status="completed", job_id=job_id)
            wait_for(
                lambda: viewer.heard[-1][1]["revision"] == structure["revision"],  # noqa: B023
                5,
                "the last revision",
            )
            assert falls(viewer, job_id) == []
        for step in structure["steps"]:
            told = [
                [message["status"] for message in viewer.messages(step_name=step["name"])]
                for viewer in viewers
            ]
            assert {statuses[-1] for statuses in told} == {step["status"]}
            assert all(Counter(statuses)["completed"] == 1 for statuses in told)
    finally:
        close(viewers)


def test_a_client_may_fall_back_to_long_polling(connect, worker):
    job_id = worker.begin()
    viewer = connect("polling")
    viewer.subscribe(job_id)
    worker.end(job_id)
    assert viewer.wait_for(context="job", status="cancelled")["job_id"] == job_id


# Who may connect

FOREIGN = [
    "http://evil.example",
    "null",
    "",
    "https://127.0.0.1",
    "http://localhost:1",
    "file://",
    "http://127.0.0.1.evil.example",
    "http://[::1]",
]


def own_and_foreign(server):
    """Return an Origin that is right but for what precedes the host, and foreign ones."""
    netloc = urlsplit(server.url).netloc
    return f"http://{netloc}", [
        *FOREIGN,
        f"http://{netloc}@evil.example",
        f"http://evil.example#{netloc}",
        f"http://user@{netloc}",
        f"ws://{netloc}",
        netloc,
    ]


def handshake(server, **options):
    """Return the status with which a websocket handshake ends."""
    url = server.url.replace("http://", "ws://") + "/socket.io/?EIO=4&transport=websocket"
    try:
        with closing(websocket.create_connection(url, timeout=10, **options)) as connection:
            assert json.loads(connection.recv()[1:])["sid"]
            return 101
    except websocket.WebSocketBadStatusException as error:
        return error.status_code


def test_a_websocket_from_another_origin_is_refused(server):
    own, foreign = own_and_foreign(server)
    assert handshake(server, origin=own) == 101
    assert handshake(server, suppress_origin=True) == 101, "what is no browser sends none"
    for origin in foreign:
        options = {"origin": origin} if origin else {"suppress_origin": True, "header": ["Origin:"]}
        assert handshake(server, **options) == 403, origin


def test_long_polling_from_another_origin_is_refused(server):
    own, foreign = own_and_foreign(server)
    path = "/socket.io/?EIO=4&transport=polling"
    answer = server.get(path, headers={"Origin": own})
    assert answer.status_code == 200 and "Access-Control-Allow-Origin" not in answer.headers
    session = f"{path}&sid={json.loads(answer.text[1:])['sid']}"
    for origin in foreign:
        for refused in (
            server.get(path, headers={"Origin": origin}),
            server.post(session, data="40", headers={"Origin": origin}),
            requests.options(server.url + session, headers={"Origin": origin}, timeout=10),
        ):
            assert refused.status_code == 403 and refused.json()["code"] == 403, origin
            assert "Access-Control-Allow-Origin" not in refused.headers


def test_a_foreign_host_is_refused_before_engine_io_sees_the_request(server):
    port = urlsplit(server.url).port
    assert handshake(server, host=f"localhost:{port}", suppress_origin=True) == 101
    for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1.evil.example:{port}"):
        assert handshake(server, host=host, suppress_origin=True) == 403
        assert handshake(server, host=host, origin=f"http://{host}") == 403
        assert (
            server.get("/socket.io/?EIO=4&transport=polling", headers={"Host": host}).status_code
            == 403
        )


def test_bytes_that_are_no_socket_io_harm_nobody_else(connect, shared_server):
    viewer = connect(url=shared_server.url)
    url = shared_server.url.replace("http://", "ws://") + "/socket.io/?EIO=4&transport=websocket"
    for packet in (
        "42",
        "42[",
        "42{}",
        "42[]",
        "42[1]",
        "42[null,{}]",
        '420["subscribe"',
        "4",
        "9",
        "x",
        "451-",
        '451-["subscribe",{"_placeholder":true,"num":0}]',
        "40/other,",
        "41",
        "43",
        "44",
        "42" + "[" * 50_000,
        '42["subscribe",' + "9" * 5000 + "]",
        "4" * 200_000,
    ):
        with closing(
            websocket.create_connection(url, timeout=10, suppress_origin=True)
        ) as connection:
            connection.recv()
            connection.send("40")
            connection.recv()
            connection.send(packet)
    job_id = shared_server.submit("test_job", workers=1, lines=1, delay_ms=0)
    assert viewer.subscribe(job_id)["ok"]
    assert viewer.wait_for(30, context="job", job_id=job_id, status="completed")


# Slow viewers


class Deaf:
    """A viewer that subscribes over a raw websocket and then reads nothing: its own buffer is
    as small as the kernel allows.
    """

    def __init__(self, server, job_id):
        address = urlsplit(server.url)
        connection = self._connection = socket.create_connection(
            (address.hostname, address.port), timeout=10
        )
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self._websocket = raw_connection(server, socket=connection)
        self._websocket.send("42" + json.dumps(["subscribe", {"job_id": job_id}]))

    def read_to_the_end(self):
        """Read on until the server has closed the connection."""
        with suppress(websocket.WebSocketException, ConnectionError):
            while self._websocket.recv():
                pass

    def close(self):
        self._websocket.shutdown()
        self._connection.close()


def figure(server, name):
    """Return the value of a figure of the server's."""
    return next(
        float(line.split()[-1])
        for line in server.get("/metrics").text.splitlines()
        if line.startswith(f"{name} ")
    )


def test_a_viewer_that_does_not_read_is_cut_off_while_the_others_hear_all_in_time(
    connect, server, worker
):
    job_id = worker.submit("\n".join(f"[step.s{number}]" for number in range(60)))
    viewer = connect()
    viewer.subscribe(job_id)
    cut_off = figure(server, "jobsync_viewers_cut_off_total")
    with closing(Deaf(server, job_id)) as deaf:
        for _ in range(60):
            worker.turn_over(job_id)
            wait_for(lambda: viewer.heard[-1][1]["revision"] >= worker.revision(job_id))
            if figure(server, "jobsync_viewers_cut_off_total") > cut_off:
                break
        wait_for(lambda: figure(server, "jobsync_viewers_cut_off_total") == cut_off + 1)
        assert "is cut off: it has left" in server.log.read_text()
        deaf.read_to_the_end()
    again = connect()
    assert again.subscribe(job_id)["revision"] == worker.revision(job_id)
    assert not falls(viewer, job_id)
