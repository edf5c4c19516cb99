"""`python app.py`, as a user has it."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests

from helpers.paths import ROOT
from helpers.waiting import wait_for


def free_port():
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


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
