"""The step monitor under faults, as a user has it: a real server that is killed, locked out,
without room, or given another time.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest
import socketio
from sqlalchemy import update

from faults.faulty import (
    assert_done_right,
    locked,
    logged,
    make_server,
    readiness,
    reasons_with,
    wait_until_right,
)
from faults.viewers import Viewers
from helpers.apps import make_app
from helpers.ask import ask
from helpers.by_hand import line, recount
from helpers.paths import ROOT
from helpers.waiting import wait_for
from jobsync import lifecycle, store
from jobsync.db.models import Job, Step
from jobsync.db.transactions import write
from jobsync.lifecycle import moves
from jobsync.monitor import Monitor
from jobsync.monitor.scheduler import SWEEP

FAULTS = Path(__file__).parent
SOON = 5.0  # seconds within which readiness must tell, and pages must be right after a start
HOUR = 3600
HINT = 2.0  # seconds between two hints of a watched room (contract section 3)
NOISE = 1.0  # seconds more that this machine may need to wake whoever is due


@pytest.fixture
def server(tmp_path):
    server = make_server(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def viewers(request):
    """A function that makes the viewers of a server; they end with the test."""

    def make(server):
        viewers = Viewers(server.url)
        request.addfinalizer(viewers.close)
        return viewers

    return make


# Killed


@pytest.mark.parametrize("moment", ["read", "written", "committed", "told"])
def test_a_server_killed_between_read_commit_and_message_leaves_nothing_out(
    server, viewers, tmp_path, moment
):
    """It dies at that moment of the first step's end, again of the second's, and the pages are
    right within 5 s of each start.
    """
    order = tmp_path / "die"
    server.environ["FAULT_DIE"] = str(order)
    server.program = FAULTS / "dying.py"
    server.start()
    pages = viewers(server)
    job_id = server.submit("chain", lines=10, delay=50)
    pages.open(job_id)
    for _ in range(2):
        order.write_text(moment)
        assert server.process.wait(30) == -signal.SIGKILL
        server.start(wait=False)
        wait_until_right(pages, server, SOON + NOISE)
    assert server.wait_for_end(job_id)["status"] == "completed"
    wait_until_right(pages, server, SOON)
    assert pages.wrong == []
    assert_done_right(tmp_path, job_id)


def test_a_second_server_is_refused_and_harms_nothing_and_the_lock_of_a_killed_one_is_free_at_once(
    server,
):
    server.start()
    job_id = server.submit("chain", lines=10, delay=50)
    environ = {**server.environ, "JOBSYNC_PORT": "0"}
    second = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = (second.stdout + second.stderr).splitlines()
    assert (second.returncode, said) == (
        1,
        [f"Another jobsync server is running on the data folder {server.folder / 'data'}."],
    )
    server.kill()
    server.start(wait=False)  # fails if it is refused; the first one's workers are still ending
    assert server.wait_for_end(job_id)["status"] == "completed"


# Children's ends


@pytest.mark.parametrize("order", ["as begun", "backwards", "from the middle"])
def test_children_may_end_in_any_order_and_twice(hand, order):
    job_id = hand.begin("[step.a]\nretries = 1", 7)
    tasks = [hand.claim(f"w{number}")[0] for number in range(7)]
    tasks = {"as begun": tasks, "backwards": tasks[::-1], "from the middle": tasks[3:] + tasks[:3]}[
        order
    ]
    monitor = Monitor(hand.app)
    for task in tasks:
        for _ in range(2):
            hand.complete(task, {"by": task.worker_id})
        hand.fail(task, "too late")
        monitor.tick()
        recount(job_id)
    assert hand.step(job_id)["children"]["completed"] == 7
    assert ask(store.structure.structure_of, job_id)["status"] == "completed"
    assert sorted(child["result"]["by"] for child in hand.children(job_id)) == [
        f"w{number}" for number in range(7)
    ]


def test_children_that_all_end_at_once_end_their_step_once(hand):
    """Each from a thread of its own, each twice, while the monitor ticks."""
    number = 12
    job_id = hand.begin("[step.a]", number)
    tasks = [hand.claim(f"w{place}")[0] for place in range(number)]
    begin, errors = threading.Barrier(2 * number + 1), []

    def end(task):
        try:
            begin.wait(30)
            with hand.app.app_context():
                hand.complete(task, {"by": task.worker_id}, [line("last words")])
        except Exception as error:  # noqa: BLE001 - told below: a thread's own report is nobody's
            errors.append(error)

    threads = [threading.Thread(target=end, args=(task,)) for task in tasks for _ in range(2)]
    for thread in threads:
        thread.start()
    monitor = Monitor(hand.app)
    begin.wait(30)
    while any(thread.is_alive() for thread in threads):
        monitor.tick()
    for thread in threads:
        thread.join()
    monitor.tick()
    assert errors == []
    shown = ask(store.structure.structure_of, job_id)
    assert (shown["status"], shown["steps"][0]["children"]["completed"]) == ("completed", number)
    recount(job_id)


# One job's rows


@pytest.mark.parametrize(
    "values",
    [
        {"started_at": None, "timeout": 1000},
        {"timeout": "soon"},
        {"started_at": "yesterday", "timeout": 5},
    ],
    ids=["no start", "no time", "no number"],
)
def test_a_job_whose_own_row_is_wrong_does_not_stop_the_others_and_is_logged_once(
    hand, caplog, values
):
    odd, sound = hand.begin(), hand.begin()
    with write() as connection:
        connection.exec_driver_sql(_update(Job, values, id=odd))
    monitor = Monitor(hand.app)
    for task in [hand.claim()[0], hand.claim()[0]]:
        hand.complete(task)
    for _ in range(5):
        monitor.tick()
    assert ask(store.structure.structure_of, sound)["status"] == "completed"
    assert sum("can't be moved on" in message for message in caplog.messages) <= 1


def _update(table, values, **where):
    """Return an UPDATE that no type of a column has its say in."""
    quoted = {
        name: "NULL" if value is None else repr(value)
        for name, value in {**values, **where}.items()
    }
    sets = ", ".join(f"{name} = {quoted[name]}" for name in values)
    wheres = " AND ".join(f"{name} = {quoted[name]}" for name in where)
    return f"UPDATE {table.__tablename__} SET {sets} WHERE {wheres}"


def test_a_job_that_can_not_be_timed_out_does_not_keep_others_from_being_so(
    hand, monkeypatch, caplog
):
    jobs = [hand.begin(head='timeout = "1s"') for _ in range(2)]
    time_now = 1000.0
    monitor = Monitor(hand.app, clock=lambda: time_now)
    monitor.tick()
    real = lifecycle.time_out

    def time_out(job_id):
        if job_id == jobs[0]:
            raise ValueError("this job is odd")
        real(job_id)

    monkeypatch.setattr(lifecycle, "time_out", time_out)
    for _ in range(20):
        time_now += 1
        monitor.tick()
    assert [ask(store.structure.structure_of, job_id)["status"] for job_id in jobs] == [
        "running",
        "failed",
    ]
    assert sum("can't be moved on" in message for message in caplog.messages) == 1
    monkeypatch.setattr(lifecycle, "time_out", real)
    time_now += SWEEP
    monitor.tick()
    assert ask(store.structure.structure_of, jobs[0])["status"] == "failed"


def test_rows_of_a_step_that_can_not_be_read_stop_neither_the_other_jobs_nor_their_viewers(server):
    server.start()
    odd, sound = server.submit("chain", delay=50), server.submit("chain", delay=50)
    app = make_app(server.folder)
    with app.app_context(), write() as connection:
        connection.exec_driver_sql(_update(Step, {"depends": "no list"}, job_id=odd))
    assert server.wait_for_end(sound)["status"] == "completed"
    assert server.structure(odd)["status"] == "running"
    assert 1 <= len(logged(server, f"Job {odd} can't be moved on")) <= 2
    with app.app_context(), write() as connection:
        for name, depends in (("first", []), ("second", ["first"])):
            connection.execute(
                update(Step).where(Step.job_id == odd, Step.name == name).values(depends=depends)
            )
    assert server.wait_for_end(odd)["status"] == "completed", "it goes on once it is mended"
    assert_done_right(server.folder, odd)


# A locked database


class Listener:
    """Listens to one job and notes when it heard something."""

    def __init__(self, server, job_id):
        self.heard = []
        self._client = socketio.Client(reconnection=False)
        self._client.on(
            "job_update", lambda message: self.heard.append((time.monotonic(), message))
        )
        self._client.connect(server.url, transports=["websocket"])
        assert self._client.call("subscribe", {"job_id": job_id}, timeout=10)["ok"]

    @property
    def is_connected(self):
        return self._client.connected

    def longest_silence(self, since):
        moments = [since, *(at for at, _ in self.heard if at > since), time.monotonic()]
        return max(later - earlier for earlier, later in zip(moments, moments[1:], strict=False))

    def close(self):
        self._client.disconnect()


@pytest.fixture
def listen(request):
    """A function that makes a Listener, which ends with the test."""

    def listen(server, job_id):
        listener = Listener(server, job_id)
        request.addfinalizer(listener.close)
        return listener

    return listen


def hold(seconds, server, listener, words):
    """Let some seconds pass, and assert that readiness says these words soon and that hints go on.

    Returns what it said.
    """
    started = time.monotonic()
    said = wait_for(lambda: reasons_with(server, words), SOON, f"readiness saying {words!r}")
    code, _ = readiness(server)
    assert code == 503
    wait_for(lambda: time.monotonic() - started > seconds, seconds + 5)
    assert listener.longest_silence(started) < HINT + NOISE
    return said


@pytest.mark.slow
def test_a_database_that_is_locked_for_ten_seconds_is_waited_for_in_words_and_nothing_is_lost(
    server, listen, viewers
):
    server.start()
    job_id = server.submit("chain", lines=30, delay=20)
    listener = listen(server, job_id)
    pages = viewers(server)
    pages.open(job_id)
    wait_for(lambda: server.structure(job_id)["steps"][0]["log_count"], 30, "the first lines")
    with locked(server):
        hold(10, server, listener, "locked")
        assert server.structure(job_id)["status"] == "running"
    freed = time.monotonic()
    wait_for(lambda: readiness(server) == (200, []), SOON + NOISE, "readiness")
    assert server.wait_for_end(job_id, 30)["status"] == "completed"
    print(f"the job ended {time.monotonic() - freed:.1f} s after the lock was freed")
    wait_until_right(pages, server, SOON)
    assert pages.wrong == []
    assert_done_right(server.folder, job_id)
    assert len(logged(server, "The database can't be written to: The database is locked")) == 1
    assert 1 <= len(logged(server, "locked")) <= 6, (
        "each that has the trouble says so once: monitor, supervisor, two workers, a job's end"
    )
    assert not logged(server, "no sign of life") and not logged(server, "Traceback")


# A full disk


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 16 MB, as long as the test runs."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"a small file system can't be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place):
    """Fill a file system to the last byte, and return the file to be removed."""
    path = place / "filler"
    with open(path, "ab", buffering=0) as file:
        for size in (65536, 512, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                pass
    return path


@pytest.mark.slow
def test_a_full_disk_is_waited_for_in_words_and_the_work_goes_on_by_itself_when_there_is_room(
    small_disk, tmp_path, listen, viewers, request
):
    server = make_server(tmp_path, JOBSYNC_DATA_DIR=str(small_disk / "data"))
    request.addfinalizer(server.stop)
    server.start()
    job_id = server.submit("chain", workers=6, lines=200, delay=2)
    listener = listen(server, job_id)
    pages = viewers(server)
    pages.open(job_id)
    wait_for(lambda: server.structure(job_id)["steps"][0]["log_count"], 30, "the first lines")
    filler = fill(small_disk)
    seconds = 18  # longer than the lease of a worker that can't say that it lives
    wait_for(lambda: fill(small_disk) and reasons_with(server, "full"), 15, "a full disk")
    hold(seconds, server, listener, "full")
    assert server.get(f"/jobs/{job_id}").status_code == 200
    assert server.structure(job_id)["status"] == "running"
    filler.unlink()
    wait_for(lambda: readiness(server) == (200, []), SOON + NOISE, "readiness")
    assert server.wait_for_end(job_id, 60)["status"] == "completed"
    wait_until_right(pages, server, SOON)
    assert pages.wrong == []
    assert (
        1 <= len(logged(server, "The database can't be written to: database or disk is full")) <= 2
    )
    assert len(logged(server, "full")) <= 12 and not logged(server, "Traceback")
    assert not logged(server, "no sign of life")
    counts = [step["log_count"] for step in server.structure(job_id)["steps"]]
    assert counts == [1200, 1200], "no child ran twice, no line is missing"


# A clock that jumps


@pytest.mark.slow
def test_a_wall_clock_that_jumps_an_hour_either_way_disturbs_nobody(
    tmp_path, listen, viewers, request
):
    """Longer than a worker's lease and Engine.IO's pings take. Both are told by other clocks."""
    offset = tmp_path / "offset"
    timed = (
        'id = "timed"\ntimeout = "10m"\n[step.a]\ntype = "test_job_generator"\nworker_count = 2\n'
        'log_count = 900\nlog_delay_ms = 50\ntimeout = "5m"\n'
    )
    server = make_server(tmp_path, (timed,))
    path = os.pathsep.join(filter(None, [str(FAULTS / "clock"), server.environ.get("PYTHONPATH")]))
    server.environ |= {"PYTHONPATH": path, "FAULT_CLOCK": str(offset)}
    request.addfinalizer(server.stop)
    server.start()
    job_id = server.submit("timed")
    listener = listen(server, job_id)
    pages = viewers(server)
    page = pages.open(job_id)
    wait_for(lambda: server.structure(job_id)["steps"][0]["log_count"], 30, "the first lines")
    for jump in (HOUR, -HOUR):  # ahead, and to before the job began
        before = written_at(server, job_id)
        offset.write_text(str(jump))
        answers, silence = watch_for(18, server, listener)
        # where much else runs, a worker may be left without a processor while it writes
        odd = [reason for _, reasons in answers for reason in reasons if "locked" not in reason]
        assert odd == [] and answers.count((200, [])) > len(answers) / 2, answers
        assert silence < HINT + NOISE
        assert listener.is_connected and pages.states[page] == "live"
        jumped = (written_at(server, job_id) - before).total_seconds()
        assert jumped / jump > 1 / 2, "the clock did jump"
    assert server.wait_for_end(job_id, 60)["status"] == "completed"
    wait_until_right(pages, server, SOON)
    assert pages.wrong == []
    assert not logged(server, "another one is started") and not logged(server, "no sign of life")
    assert_done_right(tmp_path, job_id)


def written_at(server, job_id):
    """Return the time that stands at the last line of a job's step."""
    count = server.structure(job_id)["steps"][0]["log_count"]
    (line,) = server.get(f"/api/jobs/{job_id}/logs?step=a&after={count - 1}&limit=1").json()[
        "items"
    ]
    return datetime.fromisoformat(line["at"])


def watch_for(seconds, server, listener):
    """Return what readiness says in that time, and the listener's longest silence in it."""
    began, answers = time.monotonic(), []
    while time.monotonic() - began < seconds:
        answers.append(readiness(server))
        time.sleep(0.5)  # between two samples
    return answers, listener.longest_silence(began)


def test_a_monitor_that_begins_after_the_clock_was_set_back_gives_a_job_no_more_than_its_time(hand):
    job_id = hand.begin(head='timeout = "10s"')
    with write() as connection:
        connection.execute(
            update(Job).where(Job.id == job_id).values(started_at=Job.started_at + HOUR * 1000)
        )
    moment = 1000.0
    monitor = Monitor(hand.app, clock=lambda: moment)
    monitor.tick()
    moment += 9.9
    monitor.tick()
    assert ask(store.structure.structure_of, job_id)["status"] == "running"
    moment += 0.2
    monitor.tick()
    assert ask(store.structure.structure_of, job_id)["status"] == "failed"
    assert not moves.advance(job_id)
