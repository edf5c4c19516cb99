"""The fixtures that carry the suite: an app on a fresh store, a client, and a real server."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import hypothesis
import pytest
import requests
from by_hand import hand_on
from definition_files import define as define
from sqlalchemy import make_url

import config
import jobsync
from jobsync.db.migrate import bring_up_to_date

ROOT = Path(__file__).resolve().parents[1]

# How long an example takes says nothing on a busy machine
hypothesis.settings.register_profile(
    "jobsync", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("jobsync")


def pytest_collection_modifyitems(items):
    """Have files of tests that mostly wait take turns with those that mostly compute.

    Two that compute side by side are too many for two processors, and two that wait leave them
    idle.
    """
    files = dict.fromkeys(item.path for item in items)
    waiting = [file for file in files if file.parent.name == "faults"]
    computing = [file for file in files if file not in waiting]
    place = {
        file: number / len(group)
        for group in (waiting, computing)
        for number, file in enumerate(group)
    }
    items.sort(key=lambda item: place[item.path])


def wait_for(condition, seconds=15, what="it"):
    """Return what `condition()` returns as soon as that is true."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)


def free_port():
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def settings_for(folder, **variables):
    """Return the Settings of a fresh data folder, with definitions of its own in
    `folder`/definitions.
    """
    (folder / "definitions").mkdir(exist_ok=True)
    environ = {
        "JOBSYNC_DATA_DIR": str(folder / "data"),
        "JOBSYNC_DEFINITIONS": str(folder / "definitions"),
        "JOBSYNC_WORKERS": "0",
    }
    return config.load({**environ, **variables})


# the bytes of a database that is up to date: to migrate one for each test would take most of the
# test's time
_migrated = []


def make_app(folder, **variables):
    """Return an app on a fresh store, or on the one that is in `folder` already."""
    settings = settings_for(folder, **variables)
    database = Path(make_url(settings.database_url).database)
    is_fresh = not database.exists()
    if _migrated and is_fresh:
        database.write_bytes(_migrated[0])
    app = jobsync.create_app(settings)
    with app.app_context():
        bring_up_to_date(app.config["DATA_DIR"])
    # one that was there may have jobs, which every later test would find in its own
    if is_fresh and not _migrated:
        _migrated.append(_bytes_of(database))
    return app


def _bytes_of(database):
    connection = sqlite3.connect(database)
    try:
        return connection.serialize()
    finally:
        connection.close()


@pytest.fixture
def app(tmp_path):
    return make_app(tmp_path)


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("core")


@pytest.fixture(scope="module")
def core(folder):
    """An app that the tests of a module share: making one takes long."""
    return make_app(folder)


@pytest.fixture
def hand(core, folder):
    """Monitor and workers played by hand on an empty store."""
    with hand_on(core, folder) as hand:
        yield hand


class Server:
    """`python app.py` on a data folder of its own, as a user has it."""

    def __init__(self, folder, **variables):
        self.folder = Path(folder)
        self.definitions = self.folder / "definitions"
        self.definitions.mkdir(parents=True, exist_ok=True)
        own = {
            "JOBSYNC_DATA_DIR": str(self.folder / "data"),
            "JOBSYNC_DEFINITIONS": str(self.definitions),
            "JOBSYNC_PORT": "0",
            "JOBSYNC_WORKERS": "2",
        }
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("JOBSYNC_")
        }
        self.environ = {**inherited, **own, **variables, "PYTHONUNBUFFERED": "1"}
        self.program = ROOT / "app.py"
        self.process = None
        self.url = None
        self.log = self.folder / "server.log"

    def start(self, wait=True):
        """Start it and wait until it answers, and with `wait` until its workers are there."""
        with open(self.log, "ab") as log:
            place = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, str(self.program)],
                cwd=ROOT,
                env=self.environ,
                stdout=log,
                stderr=log,
            )
        self.url = wait_for(lambda: self._printed_url(place), 30, "the server's start")
        port = self.url.rsplit(":", 1)[1]
        self.environ["JOBSYNC_PORT"] = port  # so that a restart listens where the tabs look
        if wait and self.environ["JOBSYNC_WORKERS"] != "0":
            wait_for(self._is_ready, 30, "readiness")
        return self

    def _printed_url(self, place):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended: {self.log.read_text()}")
        found = re.search(r"jobsync is at (http://\S+?)/ ", self.log.read_bytes()[place:].decode())
        return found and found.group(1)

    def _is_ready(self):
        return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200

    def stop(self):
        """End it as Ctrl-C does, and return the seconds that it took."""
        started = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
        return time.monotonic() - started

    def kill(self):
        """End it as `kill -9` does."""
        self.process.kill()
        self.process.wait()

    def get(self, path, **options):
        return requests.get(self.url + path, timeout=30, **options)

    def post(self, path, **options):
        return requests.post(self.url + path, timeout=30, **options)

    def submit(self, definition, **params):
        """Start a job and return its id."""
        answer = self.post("/api/jobs", json={"definition": definition, "params": params})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def structure(self, job_id):
        return self.get(f"/api/jobs/{job_id}/structure").json()

    def wait_for_end(self, job_id, seconds=60):
        """Return the structure of a job once it is terminal."""

        def ended():
            structure = self.structure(job_id)
            return structure["status"] not in ("pending", "running") and structure

        return wait_for(ended, seconds, f"the end of job {job_id}")


@pytest.fixture
def server(tmp_path):
    """A server that isn't started yet: a test starts it when its definitions and settings are
    there.
    """
    server = Server(tmp_path)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    """One running server with the definitions that ship, for tests that only add jobs to it."""
    server = Server(
        tmp_path_factory.mktemp("shared"), JOBSYNC_DEFINITIONS=str(ROOT / "definitions")
    ).start()
    yield server
    server.stop()
