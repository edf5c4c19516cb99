"""Cancel at any moment: every reader sees it at once, and soon no process of the job is left."""

import os
import random
import time

import pytest

from faults.faulty import at_this_load
from helpers.apps import make_app
from helpers.by_hand import recount
from helpers.definition_files import define
from helpers.servers import Server
from helpers.waiting import wait_for
from jobsync.base import processes

MOMENTS = int(os.environ.get("JOBSYNC_CANCELS", "40"))  # `make soak` does more
CHILDREN = 1000
GRACE = 0.5
# Each starts something in a process group and a session of its own, and a daemon. Every third one
# doesn't end when it is asked to.
SCRIPT = r"""
n=$PARAM_ITEM
[ $((n % 3)) = 0 ] && trap "" TERM
sleep 300 &
setsid sleep 301 &
(setsid sh -c "sleep 302 & sleep 303" &)
[ $((n % 4)) = 0 ] && exit 0
[ $((n % 5)) = 0 ] && exit 1
wait
"""
DEFINITION = f"""
id = "wild"
[step.a]
type = "command"
run = ["sh", "-c", '''{SCRIPT}''']
for_each = {list(range(CHILDREN))}
cancel_grace = "{int(1000 * GRACE)}ms"
max_child_failures = 1000
[step.after]
type = "test_job_generator"
depends = "a"
always_run = true
"""


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A running server whose jobs have commands that spread."""
    folder = tmp_path_factory.mktemp("cancel")
    define(folder, DEFINITION)
    server = Server(folder, JOBSYNC_WORKERS="3").start()
    yield server
    server.stop()


def processes_of(job_id):
    """Return the numbers of the processes that carry a mark of this job."""
    mark = f"{processes.ATTEMPT_MARK}={job_id}/".encode()
    return [
        pid
        for pid in processes.living()
        if any(variable.startswith(mark) for variable in processes.environment(pid))
    ]


def children(server, job_id, **query):
    answer = server.get(f"/api/jobs/{job_id}/steps/a/children", params={"limit": 1000, **query})
    return answer.json()["items"]


@pytest.mark.slow
def test_after_a_cancel_at_any_moment_nothing_is_left_and_the_receipt_says_so(busy):
    for seed in range(MOMENTS):
        chance = random.Random(seed)
        job_id = busy.submit("wild")
        # the moment itself: some come before the job has started, or while it is planned
        time.sleep(chance.choice([0, chance.uniform(0, 0.3), chance.uniform(0, 1.5)]))
        answer = busy.post(f"/api/jobs/{job_id}/cancel")
        asked = time.monotonic()
        assert answer.status_code == 202, answer.text
        job = answer.json()
        assert job["status"] == "cancelled"
        assert_all_cancelled(busy, job_id)
        # a second one is refused, and changes nothing
        assert busy.post(f"/api/jobs/{job_id}/cancel").status_code == 409
        receipt = wait_for(
            lambda job_id=job_id: finished_receipt(busy, job_id),
            at_this_load(GRACE + 1),
            f"the receipt (seed {seed})",
        )
        assert processes_of(job_id) == [], f"seed {seed}, {time.monotonic() - asked:.2f} s"
        assert_receipt_agrees(busy, job_id, receipt)
    with make_app(busy.folder).app_context():
        recount()


def assert_all_cancelled(server, job_id):
    structure = server.structure(job_id)
    assert {step["status"] for step in structure["steps"]} <= {"cancelled", "completed", "failed"}
    counts = structure["steps"][0]["children"]
    assert (counts["pending"], counts["running"]) == (0, 0)
    unfinished = children(server, job_id, status="pending,running")
    assert unfinished == []


def finished_receipt(server, job_id):
    receipt = server.get(f"/api/jobs/{job_id}").json()["cancellation"]
    return receipt["done_at"] and receipt


def assert_receipt_agrees(server, job_id, receipt):
    """Assert that the receipt says what the attempts say: those that ran were stopped, the others
    never began.
    """
    assert receipt["processes"]["left"] == []
    cancelled = children(server, job_id, status="cancelled")
    begun = [child for child in cancelled if child["started_at"]]
    assert receipt["children"]["running"] <= 3
    assert sum(receipt["children"].values()) == len(cancelled)
    assert len(begun) == receipt["children"]["running"]
    assert not any(child["stopping"] for child in cancelled)
    for child in begun:
        path = f"/api/jobs/{job_id}/steps/a/children/{child['id']}"
        assert server.get(path).json()["attempts"][-1]["status"] == "cancelled"


@pytest.mark.slow
def test_a_worker_killed_while_it_stops_something_leaves_nothing_running(busy):
    for seed in range(3):
        job_id = busy.submit("wild")
        running = wait_for(
            lambda job_id=job_id: children(busy, job_id, status="running"), 30, "running children"
        )
        busy.post(f"/api/jobs/{job_id}/cancel")
        workers = busy.get("/api/workers").json()["items"]
        os.kill(random.Random(seed).choice(workers)["pid"], 9)
        wait_for(lambda job_id=job_id: finished_receipt(busy, job_id), 30, "the receipt")
        assert processes_of(job_id) == [] and running
        wait_for(lambda: len(busy.get("/api/workers").json()["items"]) == 3, 30, "its successor")


@pytest.mark.slow
def test_a_restart_of_the_server_while_something_is_stopped_leaves_nothing_running(tmp_path):
    define(tmp_path, DEFINITION)
    server = Server(tmp_path, JOBSYNC_WORKERS="3").start()
    try:
        job_id = server.submit("wild")
        wait_for(lambda: children(server, job_id, status="running"), 30, "running children")
        server.post(f"/api/jobs/{job_id}/cancel")
        server.kill()
        server.start()
        receipt = wait_for(lambda: finished_receipt(server, job_id), 30, "the receipt")
        assert processes_of(job_id) == []
        assert receipt["processes"]["left"] == []
        assert_all_cancelled(server, job_id)
    finally:
        server.stop()
