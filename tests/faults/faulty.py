"""What the tests of the server's faults share: definitions, a server to go with them, and
counting again from the rows.
"""

import os
import re
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path

import requests

from helpers.apps import make_app
from helpers.ask import ask
from helpers.by_hand import recount
from helpers.servers import Server
from helpers.waiting import wait_for
from jobsync import store

TERMINAL = ("completed", "failed", "cancelled")

# Two steps of some seconds, the second after the first; each child writes `lines` lines, `delay` ms
# apart.
CHAIN = """
id = "chain"
[params.lines]
type = "integer"
default = 20
[params.delay]
type = "integer"
default = 20
[params.workers]
type = "integer"
default = 4
[step.first]
type = "test_job_generator"
worker_count = "{workers}"
log_count = "{lines}"
log_delay_ms = "{delay}"
retries = 3
[step.second]
type = "test_job_generator"
depends = "first"
worker_count = "{workers}"
log_count = "{lines}"
log_delay_ms = "{delay}"
retries = 3
"""


def make_server(folder, definitions=(CHAIN,), **variables):
    """Return a server, not yet started, that knows these definitions."""
    server = Server(folder, **variables)
    for text in definitions:
        name = text.split('id = "', 1)[1].split('"', 1)[0]
        (server.definitions / f"{name}.toml").write_text(text)
    return server


def assert_done_right(folder, job_id, status="completed"):
    """Assert that a job has ended so, with all counters what the rows say, and nothing left to
    do.
    """
    app = make_app(folder)
    with app.app_context():
        assert ask(store.structure.structure_of, job_id)["status"] == status
        recount(job_id)


def readiness(server):
    """Return `(status code, reasons)`."""
    answer = server.get("/readyz")
    return answer.status_code, answer.json()["reasons"]


def reasons_with(server, words):
    return [reason for reason in readiness(server)[1] if words in reason]


def logged(server, words):
    """Return the lines of the server's log, its workers' included, that contain these words."""
    return [line for line in server.log.read_text().splitlines() if words in line]


@contextmanager
def locked(server):
    """Hold the database's write lock, as another process would."""
    other = sqlite3.connect(server.folder / "data" / "jobsync.db", isolation_level=None, timeout=30)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


def wait_until_right(viewers, server, seconds):
    """Wait until every viewer shows what the server says, and return the seconds that took."""
    started = time.monotonic()

    def all_right():
        try:
            return not viewers.behind(server.structure)
        except requests.ConnectionError:
            return False

    wait_for(all_right, seconds, "all viewers' being right")
    return time.monotonic() - started


def stat(pid):
    """Return `(state, parent)` of a process, or None."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1])


def is_alive(pid):
    found = stat(pid)
    return found is not None and found[0] not in "ZX"


def workers_of(server):
    """Return the process numbers of a server's workers, in ascending order."""
    pids = sorted(int(entry.name) for entry in Path("/proc").glob("[0-9]*"))
    return [
        pid
        for pid in pids
        if (found := stat(pid)) and found[1] == server.process.pid and found[0] not in "ZX"
    ]


def at_this_load(seconds):
    """Return `seconds`, or more where so much else is running that this machine can't be held
    to them.
    """
    return seconds * max(1.0, os.getloadavg()[0] / os.cpu_count())


def said_in_order(messages):
    """Return how many runs of "line 1 of n", "line 2 of n" … there are in a child's messages, and
    the length of the last.

    Asserts that each begins with its first line and leaves none out: an attempt may end early, but
    nothing is there twice or missing.
    """
    runs, last = 0, 0
    for message in messages:
        found = re.search(r" · line (\d+) of \d+ · ", message)
        if found:
            number = int(found.group(1))
            assert number in (1, last + 1), f"line {number} after {last}"
            runs, last = runs + (number == 1), number
    return runs, last
