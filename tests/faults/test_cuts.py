"""Connections that break and are refused: pages say so, stand still and catch up."""

import pytest
import requests

from faults.healing import Healing
from faults.pages import CUT_OFF, CUT_OFF_LONGER, check_gone, let_pass, open_both, wait_for_states

pytestmark = pytest.mark.browser


def test_pages_that_are_cut_off_say_so_and_stand_still_until_they_catch_up(
    site, proxy, tabs, gates
):
    job, listing = both = open_both(tabs, proxy, gates.job_id)
    proxy.shut()
    gates.go_on()
    newcomer = site.submit("endless")  # begun and ended while the pages are cut off
    site.post(f"/api/jobs/{newcomer}/cancel")
    wait_for_states("reconnecting", *both)
    let_pass(job, 6000)  # long enough for several tries
    for tab in both:
        tab.check_frozen(tab.left_live_at(), tab.now())
    proxy.open()
    Healing(site, "cut off").check(
        (job, gates.job_id), (listing, gates.job_id), (listing, newcomer)
    )
    for tab in both:
        assert tab.check_all() in (CUT_OFF, CUT_OFF_LONGER)
        assert tab.check_pauses() >= 3


@pytest.mark.parametrize("with_reset", [True, False], ids=["by RST", "by FIN"])
def test_after_a_cut_that_is_over_at_once_pages_come_back_by_themselves(
    site, proxy, tabs, gates, with_reset
):
    job, listing = open_both(tabs, proxy, gates.job_id)
    proxy.cut(with_reset)
    gates.go_on()
    Healing(site, "a short cut").check((job, gates.job_id), (listing, gates.job_id))
    for tab in (job, listing):
        tab.check_all()


def test_after_30_s_without_a_word_pages_say_offline_and_then_catch_up_or_learn_their_job_is_gone(
    site, long_cut
):
    pages = (long_cut.job, long_cut.listing, long_cut.doomed)
    wait_for_states("offline", *pages, seconds=32)
    assert (
        requests.delete(f"{site.url}/api/jobs/{long_cut.doomed_id}", timeout=10).status_code == 204
    )
    newcomer = site.post(f"/api/jobs/{long_cut.job_id}/rerun").json()["id"]
    site.wait_for_end(newcomer)
    long_cut.proxy.open()
    Healing(site, "cut off for long").check(
        (long_cut.job, long_cut.job_id),
        (long_cut.listing, long_cut.job_id),
        (long_cut.listing, newcomer),
    )
    assert long_cut.doomed_id not in long_cut.listing.job_ids()
    check_gone(long_cut.doomed)
    for tab in pages:
        assert tab.check_all()[:3] == ["live", "reconnecting", "offline"]
