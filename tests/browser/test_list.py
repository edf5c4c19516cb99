"""The list of jobs follows the store by itself: jobs appear, change, fit a filter no more, and
disappear.
"""

import shutil

import pytest
import requests
from playwright.sync_api import expect

from browser.gates import DEFINITIONS, Gates
from browser.tab import as_row
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser

SOON = 5000  # ms: the list has seen it by itself, and not when it looked again


def row(tab, job_id):
    return tab.find(f'[data-job-id="{job_id}"]')


def expect_status(tab, job_id, status):
    expect(row(tab, job_id)).to_have_attribute("data-status", status, timeout=SOON)


def expect_gone(tab, job_id):
    expect(row(tab, job_id)).to_have_count(0, timeout=SOON)


def test_an_empty_list_is_live_and_follows_its_first_job_from_appearing_to_disappearing(
    server, tabs, tmp_path
):
    shutil.copy(DEFINITIONS / "gated.toml", server.definitions)
    server.environ["JOBSYNC_WORKERS"] = "1"
    server.start()
    tab = tabs.new(server).open("/")
    tab.wait_for_connection("live")
    assert tab.find("[data-job-id]").count() == 0
    gates = Gates(server, tmp_path)
    expect_status(tab, gates.job_id, "running")
    for gate in ("one-a", "one-b", "two", "three", "four"):
        gates.open(gate)
    structure = server.wait_for_end(gates.job_id)
    expect_status(tab, gates.job_id, "completed")
    wait_for(
        lambda: tab.snapshot(gates.job_id)["job"] == as_row(structure), what="the same as the API's"
    )
    assert len(tab.check_shown()) >= 2
    assert requests.delete(f"{server.url}/api/jobs/{gates.job_id}", timeout=10).status_code == 204
    expect_gone(tab, gates.job_id)
    tab.wait_for_connection("live")


def test_a_filtered_list_takes_in_what_comes_to_match_and_drops_what_no_longer_does(site, tabs):
    site.wait_for_end(site.submit("short"))  # an empty list would look every 2 s
    running = tabs.new(site).open("/?status=running&definition=endless")
    cancelled = tabs.new(site).open("/?status=cancelled,failed")
    other = tabs.new(site).open("/?definition=short")
    everything = tabs.new(site).open("/")
    for tab in (running, cancelled, other, everything):
        tab.wait_for_connection("live")
    job_id = site.submit("endless")
    expect_status(running, job_id, "running")
    expect_status(everything, job_id, "running")
    assert site.post(f"/api/jobs/{job_id}/cancel").status_code == 202
    expect_status(cancelled, job_id, "cancelled")
    expect_status(everything, job_id, "cancelled")
    expect_gone(running, job_id)
    assert row(other, job_id).count() == 0
    assert requests.delete(f"{site.url}/api/jobs/{job_id}", timeout=10).status_code == 204
    for tab in (cancelled, everything):
        expect_gone(tab, job_id)
    for tab in (running, cancelled, other, everything):
        tab.check_shown()


def test_a_list_found_by_search_shows_the_job_of_that_name_and_no_other(site, tabs):
    job_id = site.submit("short")
    site.wait_for_end(job_id)
    tab = tabs.new(site).open(f"/?q={job_id}")
    tab.wait_for_connection("live")
    assert tab.job_ids() == [job_id]
    assert tab.snapshot(job_id)["job"] == as_row(site.structure(job_id))
    site.wait_for_end(site.submit("short"))
    assert tab.find("[data-job-id]").count() == 1
