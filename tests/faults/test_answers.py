"""Answers that come too late, or are out of date."""

import pytest

from faults.healing import Healing
from faults.pages import let_pass, open_both
from helpers.waiting import wait_for

# begun here, judged in test_cuts.py: 30 s go by meanwhile
pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("long_cut")]


def is_structure(path):
    return path.endswith("/structure")


def test_an_answer_that_comes_after_the_next_one_changes_nothing(site, proxy, tabs, gates):
    job, listing = open_both(tabs, proxy, gates.job_id)
    hold = proxy.hold(is_structure, most=2)  # one of each page
    gates.go_on()
    wait_for(lambda: len(hold.held) == 2, what="two answers that are held back")
    gates.go_further()
    healing = Healing(site, "an answer held back")
    # 4 s until an answer isn't waited for any more, and a pause
    healing.check((job, gates.job_id), (listing, gates.job_id), within=8)
    hold.release()
    let_pass(job, 500)
    Healing(site, "held answer let go").check((job, gates.job_id), (listing, gates.job_id))
    for tab in (job, listing):
        assert tab.check_all() == ["live"]


def test_a_page_that_is_woken_while_an_answer_is_held_back_asks_anew_and_ignores_the_old_one(
    site, proxy, tabs, gates
):
    job = tabs.new(proxy).open_job(gates.job_id)
    hold = proxy.hold(is_structure)
    gates.go_on()
    wait_for(lambda: hold.held, what="an answer that is held back")
    let_pass(job, 1100)  # what was asked for longer than a second ago isn't waited for
    job.page.evaluate("dispatchEvent(new Event('online'))")
    Healing(site, "woken").check((job, gates.job_id))
    hold.release()
    let_pass(job, 500)
    Healing(site, "held answer let go").check((job, gates.job_id))
    assert job.check_all() == ["live"]
    first = next(one for one in job.watched("tries") if one["url"].endswith("/structure"))
    assert first["endedAt"] - first["at"] < 3800, "it was given up before its time was over"


def test_a_cache_that_gives_old_answers_turns_no_page_back_and_is_not_asked_ever_faster(
    site, proxy, tabs, gates
):
    job, listing = open_both(tabs, proxy, gates.job_id)
    address = f"/api/jobs/{gates.job_id}/structure"
    kept = proxy.keep(address)
    gates.go_on()
    Healing(site, "before").check((job, gates.job_id), (listing, gates.job_id))
    proxy.serve_stale(kept)
    gates.go_further()
    fruitless = wait_for(
        lambda: _fruitless(job) if len(_fruitless(job)) >= 4 else None, what="four old answers"
    )
    proxy.serve_fresh()
    Healing(site, "an old cache").check((job, gates.job_id), (listing, gates.job_id))
    gaps = [
        after["startedAt"] - one["endedAt"]
        for one, after in zip(fruitless, fruitless[1:], strict=False)
    ]
    assert all(gap >= least for gap, least in zip(gaps, (110, 235, 485), strict=False)), gaps
    for tab in (job, listing):
        assert tab.check_all() == ["live"]


def test_while_structure_fails_it_is_asked_for_in_growing_pauses_whatever_hints_come(
    site, proxy, tabs, gates
):
    job, listing = open_both(tabs, proxy, gates.job_id)
    proxy.refuse(lambda path, _: is_structure(path))
    gates.go_on()
    wait_for(lambda: all(tab.check_pauses() >= 2 for tab in (job, listing)), what="tries")
    gates.go_further()
    wait_for(lambda: all(tab.check_pauses() >= 4 for tab in (job, listing)), what="more tries")
    proxy.accept()
    Healing(site, "structure failed").check((job, gates.job_id), (listing, gates.job_id))
    for tab in (job, listing):
        assert tab.check_all() == ["live"]


def _fruitless(tab):
    """Return the calls of `structure` that were answered with nothing newer than was shown."""
    seen, found = -1, []
    for call in tab.calls("structure"):
        if call["structure"] and call["structure"]["revision"] <= seen:
            found.append(call)
        elif call["structure"]:
            seen = call["structure"]["revision"]
    return found


def test_a_page_that_is_born_from_an_old_copy_comes_right(site, proxy, tabs, gates):
    address = f"/jobs/{gates.job_id}"
    proxy.serve_stale(proxy.keep(address, "/"))
    gates.go_on()
    job, listing = tabs.new(proxy).open(address), tabs.new(proxy).open("/")
    assert job.recorded("shown")[0]["job"]["status"] == "running"
    healing = Healing(site, "born from an old copy")
    healing.check((job, gates.job_id), (listing, gates.job_id))
    assert job.recorded("shown")[0]["job"]["steps"][0]["status"] == "running", "it was born old"
    for tab in (job, listing):
        tab.check_all()


@pytest.mark.parametrize("what", ["/static/js/sync/live.js", "transport=websocket"])
def test_a_commit_between_the_page_and_its_subscription_is_not_missed(
    site, proxy, tabs, gates, what
):
    hold = proxy.hold(lambda path: what in path, most=2)
    job = tabs.new(proxy).begin(f"/jobs/{gates.job_id}")
    listing = tabs.new(proxy).begin("/")
    wait_for(lambda: len(hold.held) == 2, what="what is held back")
    gates.go_on()
    hold.release()
    Healing(site, f"born before {what}").check((job, gates.job_id), (listing, gates.job_id))
    for tab in (job, listing):
        tab.check_all()
