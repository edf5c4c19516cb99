"""A server that is killed and started again, on its own database or on another one."""

import shutil
import sqlite3
from contextlib import closing

import pytest
import requests

from browser.gates import DEFINITIONS
from faults.conftest import RunningJob
from faults.healing import Healing
from faults.pages import check_gone, open_both, wait_for_states
from helpers.servers import Server
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def mortal(tmp_path_factory):
    """A server that tests may kill."""
    server = Server(tmp_path_factory.mktemp("mortal"))
    for name in ("gated", "short"):
        shutil.copy(DEFINITIONS / f"{name}.toml", server.definitions)
    yield server.start()
    server.stop()


@pytest.fixture
def running(mortal, tmp_path):
    job = RunningJob(mortal, tmp_path)
    job.wait_for_rest("running pending pending pending", 0)
    yield job
    mortal.post(f"/api/jobs/{job.job_id}/cancel")


def start_again(server):
    """Start the server on its old port and return as soon as that answers."""
    server.start(wait=False)
    wait_for(lambda: is_answering(server), 30, "the port's answer")


def is_answering(server):
    try:
        return requests.get(f"{server.url}/healthz", timeout=1).ok
    except requests.RequestException:
        return False


def test_all_tabs_are_live_and_right_within_5_s_of_a_killed_servers_return(mortal, running, tabs):
    ended = mortal.submit("short")
    mortal.post(f"/api/jobs/{ended}/cancel")
    job, listing = open_both(tabs, mortal, running.job_id)
    other = tabs.new(mortal, beside=job).open_job(running.job_id)
    over = tabs.new(mortal, beside=job).open_job(ended)
    pages = [
        (job, running.job_id),
        (other, running.job_id),
        (over, ended),
        (listing, running.job_id),
        (listing, ended),
    ]
    mortal.kill()
    wait_for_states("reconnecting", *(tab for tab, _ in pages))
    for tab, _ in pages:
        tab.check_frozen(tab.left_live_at(), tab.now())
    start_again(mortal)
    healing = Healing(mortal, "server killed and started")
    healing.check(*pages)
    running.go_on()
    Healing(mortal, "and the job goes on").check(*pages)
    for tab, _ in pages:
        states = tab.check_all()
        assert "reconnecting" in states and states[-1] == "live", states


def test_a_job_of_which_the_database_holds_an_older_state_than_is_shown_is_said_to_be_replaced(
    mortal, running, tabs
):
    mortal.post(f"/api/jobs/{running.job_id}/cancel")
    backup = saved_database(mortal)
    mortal.post(f"/api/jobs/{running.job_id}/retry")
    running.wait_for_rest("running pending pending pending", 0)
    job = tabs.new(mortal).open_job(running.job_id)
    mortal.kill()
    replace_database(mortal, backup)
    start_again(mortal)
    check_gone(job, "replaced")
    job.check_all()


def test_a_list_takes_back_what_another_database_does_not_say_even_of_jobs_that_had_ended(
    mortal, running, tabs
):
    listing = tabs.new(mortal).open("/")
    listing.wait_for_connection("live")
    wait_for(lambda: listing.snapshot(running.job_id)["job"]["status"] == "running")
    backup = saved_database(mortal)
    mortal.post(f"/api/jobs/{running.job_id}/cancel")
    wait_for(
        lambda: listing.snapshot(running.job_id)["job"]["status"] == "cancelled",
        what="the end, from `structure`",
    )
    mortal.kill()
    replace_database(mortal, backup)
    start_again(mortal)
    Healing(mortal, "an older database").check((listing, running.job_id))
    assert mortal.structure(running.job_id)["status"] != "cancelled", (
        "its child was lost with its worker, and that is what it says"
    )


def saved_database(server):
    """Return the bytes of the database of a server that runs."""
    with closing(sqlite3.connect(server.folder / "data" / "jobsync.db")) as connection:
        return connection.serialize()


def replace_database(server, content=None):
    """Put another database, a new one for None, in the place of that of a server that doesn't
    run.
    """
    path = server.folder / "data" / "jobsync.db"
    for file in path.parent.glob("jobsync.db*"):
        file.unlink()
    if content:
        path.write_bytes(content)


def test_a_job_that_another_database_does_not_know_is_shown_as_gone_and_asked_for_no_more(
    mortal, tabs
):
    job_id = mortal.submit("short")
    mortal.wait_for_end(job_id)
    job, listing = open_both(tabs, mortal, job_id)
    mortal.kill()
    replace_database(mortal)
    start_again(mortal)
    newcomer = mortal.submit("short")
    Healing(mortal, "another database").check((listing, newcomer))
    assert listing.job_ids() == [newcomer]
    check_gone(job)
    for tab in (job, listing):
        tab.check_all()
