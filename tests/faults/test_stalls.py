"""Connections that stand but bring nothing, or little."""

import signal

import pytest

from faults.healing import Healing
from faults.pages import CUT_OFF, CUT_OFF_LONGER, let_pass, open_both, wait_for_states

pytestmark = pytest.mark.browser


def test_where_nothing_passes_in_one_direction_or_both_pages_say_so_and_catch_up_when_it_flows(
    site, proxies, tabs, gates
):
    nothing, no_answers, no_questions, dead = (proxies() for _ in range(4))
    pages = [*open_both(tabs, nothing, gates.job_id), tabs.new(no_answers).open_job(gates.job_id)]
    hearing = tabs.new(no_questions).open_job(gates.job_id)
    forgotten = open_both(tabs, dead, gates.job_id)
    for proxy, ways in (
        (nothing, ("up", "down")),
        (no_answers, ("down",)),
        (no_questions, ("up",)),
        (dead, ("up", "down")),
    ):
        # where only questions are stalled hints come, so by the contract the page is live
        proxy.stall(*ways)
    gates.go_on()
    wait_for_states("reconnecting", *pages, *forgotten)
    let_pass(pages[0], 1500)
    for tab in (*pages, *forgotten):
        tab.check_frozen(tab.left_live_at(), tab.now())
    dead.flow(lose=True)
    for proxy in (nothing, no_answers, no_questions):
        proxy.flow()
    healing = Healing(site, "stalled")
    healing.check(*((tab, gates.job_id) for tab in (*pages, hearing)))
    # Of dead connections nobody is told: an answer is waited for 4 s and then asked for again after
    # a pause of at most 3 s
    healing.check_right(*((tab, gates.job_id) for tab in forgotten), within=8)
    wait_for_states("live", *forgotten, seconds=15)
    for tab in (*pages, *forgotten):
        assert tab.check_all() in (CUT_OFF, CUT_OFF_LONGER)
    assert hearing.check_all() == ["live"]


def test_on_a_slow_line_pages_are_live_and_follow(site, proxy, tabs, gates):
    job, listing = open_both(tabs, proxy, gates.job_id)
    proxy.slow(speed=10_000, latency=0.4)
    gates.go_on()
    Healing(site, "on a slow line").check((job, gates.job_id), (listing, gates.job_id))
    gates.go_further()
    Healing(site, "on a slow line").check((job, gates.job_id), (listing, gates.job_id))
    proxy.hurry()
    for tab in (job, listing):
        assert tab.check_all() == ["live"]


def test_a_server_that_stands_still_is_noticed_and_followed_again_when_it_goes_on(
    site, tabs, gates
):
    job, listing = open_both(tabs, site, gates.job_id)
    site.process.send_signal(signal.SIGSTOP)
    try:
        gates.open("one-a")
        gates.open("one-b")
        wait_for_states("reconnecting", job, listing)
        let_pass(job, 1500)
        for tab in (job, listing):
            tab.check_frozen(tab.left_live_at(), tab.now())
    finally:
        site.process.send_signal(signal.SIGCONT)
    Healing(site, "server stood still").check((job, gates.job_id), (listing, gates.job_id))
    gates.wait_for_rest("completed running pending pending", 2)
    Healing(site, "server goes on").check((job, gates.job_id), (listing, gates.job_id))
    for tab in (job, listing):
        assert tab.check_all() in (CUT_OFF, CUT_OFF_LONGER)
