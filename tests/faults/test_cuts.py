"""Connections that break and are refused: pages say so, stand still and catch up."""

import pytest
import requests
from playwright.sync_api import expect

from faults.conftest import WatchedTabs, port_of
from faults.healing import Healing
from faults.pages import CUT_OFF, CUT_OFF_LONGER, check_gone, let_pass, open_both, wait_for_states
from faults.proxy import Proxy

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def cut_for_long(site, chromium):
    """`(proxy, tabs)`: a page of a job and a list that are cut off while the other tests here run."""
    proxy, tabs = Proxy(port_of(site)), WatchedTabs(chromium)
    job_id = site.submit("short")
    site.wait_for_end(job_id)
    both = open_both(tabs, proxy, job_id)
    proxy.shut()
    yield proxy, job_id, both
    tabs.close()
    tabs.check()
    proxy.close()


def test_pages_that_are_cut_off_say_so_and_stand_still_until_they_catch_up(site, proxy, tabs, gates, cut_for_long):
    job, listing = both = open_both(tabs, proxy, gates.job_id)
    proxy.shut()
    gates.go_on()
    newcomer = site.submit("endless")  # begun and ended while the pages are cut off
    site.post(f"/api/jobs/{newcomer}/cancel")
    wait_for_states("reconnecting", *both)
    let_pass(job, 2000)
    for tab in both:
        tab.check_frozen(tab.left_live_at(), tab.now())
    proxy.open()
    Healing(site, "cut off").check((job, gates.job_id), (listing, gates.job_id), (listing, newcomer))
    for tab in both:
        assert tab.check_all() in (CUT_OFF, CUT_OFF_LONGER)
        assert tab.check_pauses() >= 3


@pytest.mark.parametrize("with_reset", [True, False], ids=["by RST", "by FIN"])
def test_after_a_cut_that_is_over_at_once_pages_come_back_by_themselves(site, proxy, tabs, gates, with_reset):
    job, listing = open_both(tabs, proxy, gates.job_id)
    proxy.cut(with_reset)
    gates.go_on()
    Healing(site, "a short cut").check((job, gates.job_id), (listing, gates.job_id))
    for tab in (job, listing):
        tab.check_all()


def test_a_job_that_is_deleted_while_its_page_is_cut_off_is_called_deleted_and_asked_for_no_more(site, proxy, tabs, gates):
    job, listing = open_both(tabs, proxy, gates.job_id)
    proxy.shut()
    site.post(f"/api/jobs/{gates.job_id}/cancel")
    assert requests.delete(f"{site.url}/api/jobs/{gates.job_id}", timeout=10).status_code == 204
    let_pass(job, 1000)
    proxy.open()
    expect(listing.find(f'[data-job-id="{gates.job_id}"]')).to_have_count(0, timeout=5000)
    check_gone(job)
    for tab in (job, listing):
        tab.check_all()


def test_after_30_s_without_a_word_pages_say_offline_and_then_catch_up(site, cut_for_long):
    proxy, job_id, both = cut_for_long
    wait_for_states("offline", *both, seconds=32)
    site.post(f"/api/jobs/{job_id}/rerun")
    proxy.open()
    Healing(site, "cut off for long").check(*((tab, job_id) for tab in both))
    for tab in both:
        assert tab.check_all() == ["live", "reconnecting", "offline", "live"]
