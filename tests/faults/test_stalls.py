"""Connections that stand but bring nothing, or little."""

import signal

import pytest

from faults.healing import Healing
from faults.pages import CUT_OFF, CUT_OFF_LONGER, let_pass, open_both, wait_for_states

pytestmark = pytest.mark.browser


def test_where_nothing_passes_in_one_direction_or_both_pages_say_so_and_catch_up_when_it_flows_again(site, proxies, tabs, gates):
    nothing, no_answers, no_questions = proxies(), proxies(), proxies()
    pages = [*open_both(tabs, nothing, gates.job_id), *open_both(tabs, no_answers, gates.job_id)]
    hearing = tabs.new(no_questions).open_job(gates.job_id)
    nothing.stall("up", "down")
    no_answers.stall("down")
    no_questions.stall("up")  # hints come, so by the contract it is live, and what they tell of can't be asked for
    gates.go_on()
    wait_for_states("reconnecting", *pages)
    let_pass(pages[0], 1500)
    for tab in pages:
        tab.check_frozen(tab.left_live_at(), tab.now())
    for proxy in (nothing, no_answers, no_questions):
        proxy.flow()
    Healing(site, "stalled").check(*((tab, gates.job_id) for tab in (*pages, hearing)))
    for tab in pages:
        assert tab.check_all() in (CUT_OFF, CUT_OFF_LONGER)
    assert hearing.check_all() == ["live"]


def test_connections_that_stay_dead_without_a_word_are_given_up_for_new_ones(site, proxy, tabs, gates):
    job, listing = open_both(tabs, proxy, gates.job_id)
    proxy.stall()
    gates.go_on()
    wait_for_states("reconnecting", job, listing)
    proxy.flow(lose=True)
    Healing(site, "dead connections").check_right((job, gates.job_id), (listing, gates.job_id))
    wait_for_states("live", job, listing, seconds=15)
    for tab in (job, listing):
        tab.check_all()


def test_on_a_slow_line_pages_are_live_and_follow(site, proxy, tabs, gates):
    job, listing = open_both(tabs, proxy, gates.job_id)
    proxy.slow(speed=10_000, latency=0.4)
    gates.go_on()
    Healing(site, "on a slow line").check((job, gates.job_id), (listing, gates.job_id))
    gates.go_further()
    Healing(site, "on a slow line").check((job, gates.job_id), (listing, gates.job_id))
    let_pass(job, 3000)
    proxy.hurry()
    for tab in (job, listing):
        assert tab.check_all() == ["live"]


def test_a_server_that_stands_still_is_noticed_and_followed_again_when_it_goes_on(site, tabs, gates):
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
