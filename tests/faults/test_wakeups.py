"""Tabs that were hidden, left, asleep or without a network: each looks at once when that is
over.
"""

import os
import signal
import time
from contextlib import contextmanager

import pytest

from faults.healing import Healing
from faults.pages import open_both, wait_for_states
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser

SLEEP = 8  # seconds


def test_a_hidden_page_does_nothing_and_is_right_at_once_when_it_is_seen_again(
    site, proxy, tabs, gates
):
    job, listing = pages = open_both(tabs, proxy, gates.job_id)
    for tab in pages:
        tab.hide()
    asked = [len(tab.recorded("calls")) for tab in pages]
    heard = [len(tab.recorded("hints")) for tab in pages]
    gates.go_on()
    for tab, number in zip(pages, heard, strict=True):
        wait_for(
            lambda tab=tab, number=number: len(tab.recorded("hints")) > number + 2,
            what="hints, as it stays subscribed",
        )
    assert [len(tab.recorded("calls")) for tab in pages] == asked
    for tab in pages:
        tab.show()
    Healing(site, "seen again").check((job, gates.job_id), (listing, gates.job_id))
    for tab in pages:
        assert tab.check_all() == ["live"]


def test_a_page_that_the_back_button_brings_back_is_live_and_right(
    site, proxy, tabs_with_history, gates
):
    job, listing = open_both(tabs_with_history, proxy, gates.job_id)
    job.open("/")
    listing.open(f"/jobs/{gates.job_id}")
    gates.go_on()
    for tab in (job, listing):
        tab.come_back()
    Healing(site, "brought back").check((job, gates.job_id), (listing, gates.job_id))
    gates.go_further()
    Healing(site, "after that").check((job, gates.job_id), (listing, gates.job_id))
    for tab in (job, listing):
        tab.check_all()


def test_a_machine_that_slept_while_its_connections_died_has_right_pages_when_it_wakes(
    site, proxy, tabs, gates, chromium
):
    job, listing = open_both(tabs, proxy, gates.job_id)
    with asleep(chromium):
        proxy.cut()
        gates.go_on()
    Healing(site, "slept").check((job, gates.job_id), (listing, gates.job_id))
    for tab in (job, listing):
        tab.check_shown()
        tab.check_one_of_each_at_a_time()
        tab.check_calm()


@contextmanager
def asleep(chromium):
    """Stop all processes of the browser for as long as a page takes for sleep, as the machine
    would: Playwright can't be called meanwhile.
    """
    session = chromium.new_browser_cdp_session()
    pids = [process["id"] for process in session.send("SystemInfo.getProcessInfo")["processInfo"]]
    until = time.monotonic() + SLEEP
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
        time.sleep(max(0, until - time.monotonic()))
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        session.detach()


def test_pages_without_a_network_say_offline_at_once_and_look_as_soon_as_there_is_one(
    site, proxy, tabs, gates
):
    job, listing = pages = open_both(tabs, proxy, gates.job_id)
    # Playwright's offline leaves open connections alone, a network that is gone doesn't
    proxy.cut()
    for tab in pages:
        tab.context.set_offline(True)
    wait_for_states("offline", *pages, seconds=2)
    start = [tab.now() for tab in pages]
    gates.go_on()
    wait_for(lambda: job.now() > start[0] + 5000)
    for tab, since in zip(pages, start, strict=True):
        tab.check_frozen(since, tab.now())
        tab.context.set_offline(False)
    Healing(site, "a network again").check((job, gates.job_id), (listing, gates.job_id))
    for tab in pages:
        states = tab.check_all()
        assert states[:2] == ["live", "offline"] and states[-1] == "live", states
