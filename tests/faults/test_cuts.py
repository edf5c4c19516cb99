"""Connections that break, are refused, or stay without a word."""

import time

import pytest
from conftest import wait_for

from faults.healing import Healing, wait_for_states

pytestmark = pytest.mark.browser

AFTER_ONE = "completed running pending pending"


def open_both(tabs, proxy, job_id):
    """Return a live page of the job and a live list, both behind the proxy."""
    job = tabs.new(proxy).open_job(job_id)
    listing = tabs.new(proxy).open("/")
    listing.wait_for_connection("live")
    return job, listing


def go_on(gates):
    """Have the job end its first step behind the pages' backs."""
    gates.open("one-a")
    gates.open("one-b")
    gates.wait_for_rest(AFTER_ONE, 2)


def test_pages_that_are_cut_off_say_so_and_stand_still_until_they_catch_up(site, proxy, tabs, gates):
    job, listing = both = open_both(tabs, proxy, gates.job_id)
    proxy.shut()
    cut_at = [tab.now() for tab in both]
    go_on(gates)
    newcomer = site.submit("endless")  # waits for a worker, and is told of only while the pages are cut off
    wait_for_states(["reconnecting"], *both)
    time.sleep(2)
    until = [tab.now() for tab in both]
    for tab, start, end in zip(both, cut_at, until, strict=True):
        tab.check_frozen(start + 100, end)
    site.post(f"/api/jobs/{newcomer}/cancel")
    proxy.open()
    Healing(site, "cut off").check((job, gates.job_id), (listing, gates.job_id), (listing, newcomer))
    for tab in both:
        tab.check_all()
        assert tab.check_pauses() >= 3 or tab is listing
