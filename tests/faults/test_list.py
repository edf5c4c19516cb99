"""What the list alone could miss: jobs that begin to exist or cease to while another one keeps
the feed busy.
"""

import pytest
import requests

from browser.gates import Gates
from faults.healing import Healing
from faults.pages import open_list
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser


@pytest.fixture
def busy(site):
    """A job that has something to tell every second."""
    job_id = site.submit("endless")
    wait_for(lambda: site.structure(job_id)["steps"][1]["log_count"], what="the first lines")
    yield job_id
    site.post(f"/api/jobs/{job_id}/cancel")


def test_a_new_job_of_which_all_messages_are_lost_appears_within_5_s(
    site, proxy, tabs, busy, tmp_path
):
    listing = open_list(tabs, proxy)
    proxy.copy_events(lambda packet: busy in packet)
    gates = Gates(site, tmp_path)
    try:
        wait_for(lambda: site.structure(gates.job_id)["status"] == "running")
        wait_for(lambda: proxy.lost >= 2, what="lost messages")
        Healing(site, "a new job's messages lost").check_right((listing, gates.job_id))
    finally:
        site.post(f"/api/jobs/{gates.job_id}/cancel")
    assert set(listing.check_all()) == {"live"}


def test_a_deletion_of_which_the_message_is_lost_shows_within_5_s(site, proxy, tabs, busy):
    job_id = site.submit("short")
    site.wait_for_end(job_id)
    listing = open_list(tabs, proxy)
    assert job_id in listing.job_ids()
    proxy.copy_events(lambda packet: "deleted" not in packet)
    assert requests.delete(f"{site.url}/api/jobs/{job_id}", timeout=10).status_code == 204
    wait_for(lambda: job_id not in listing.job_ids(), 5, "the row's end")
    assert proxy.lost > 0
    assert set(listing.check_all()) == {"live"}
