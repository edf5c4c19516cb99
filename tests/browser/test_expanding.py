"""A step opens by itself when it runs or fails, and stays as the user left it."""

import pytest

from browser.gates import Gates
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser


def expanded(tab):
    """Return the names of the steps that are open."""
    views = tab.snapshot()["views"]
    return [view["name"] for view in views if view["expanded"] == "true"]


def test_at_load_the_running_step_is_open(site, tabs):
    job_id = site.submit("endless")
    wait_for(lambda: site.structure(job_id)["steps"][1]["log_count"] > 1)
    tab = tabs.new(site).open(f"/jobs/{job_id}")
    assert expanded(tab) == ["ticking"] and len(tab.lines("ticking")) > 1
    site.post(f"/api/jobs/{job_id}/cancel")
    tab.wait_for_step("ticking", status="cancelled")
    assert expanded(tab) == ["ticking"]
    tab.check_shown()


def test_at_load_the_failed_step_is_open(site, tabs, tmp_path):
    job_id = site.submit("picky", file=str(tmp_path / "missing"))
    site.wait_for_end(job_id)
    tab = tabs.new(site).open(f"/jobs/{job_id}")
    assert expanded(tab) == ["hard"]
    assert [level for _, level, _ in tab.lines("hard")] == ["warning"]


def test_while_the_page_is_open_steps_open_when_they_start_and_stay_open(site, tabs, tmp_path):
    gates = Gates(site, tmp_path)
    tab = tabs.new(site).open_job(gates.job_id)
    tab.wait_for_step("one", status="running", expanded="true")
    gates.open("one-a")
    gates.open("one-b")
    tab.wait_for_step("two", status="running", expanded="true")
    gates.open("two")
    tab.wait_for_step("three", status="running", expanded="true")
    gates.open("three", "fail")
    tab.wait_for_status("failed")
    assert expanded(tab) == ["one", "two", "three"], "the fourth was skipped"
    opened = [
        {view["name"] for view in snapshot["views"] if view["open"]}
        for snapshot in tab.check_shown()
    ]
    assert all(earlier <= later for earlier, later in zip(opened, opened[1:], strict=False)), opened
    tab.reload()
    assert expanded(tab) == ["three"], "at load only what runs or has failed is"


def test_what_is_opened_before_there_are_scripts_stays_open(site, tabs):
    job_id = site.submit("short")
    site.wait_for_end(job_id)
    tab = tabs.new(site)
    held = []
    tab.page.route("**/page.js", lambda route: held.append(route))
    tab.open(f"/jobs/{job_id}", wait_until="commit")
    tab.toggle("left")
    tab.wait_for_step("left", expanded="false")
    wait_for(lambda: held, what="the page's script asked for")
    held[0].continue_()
    tab.wait_for_connection("live")
    tab.wait_for_last_line("left", 30)
    assert expanded(tab) == ["left"]
    tab.page.unroute("**/page.js")
    tab.reload()
    tab.wait_for_last_line("left", 30)


def test_what_the_user_opens_and_closes_stays_so_through_a_failure_and_a_reload(
    site, tabs, tmp_path
):
    job_id = site.submit("picky", file=str(tmp_path / "missing"))
    revision = site.wait_for_end(job_id)["revision"]
    tab = tabs.new(site).open_job(job_id)
    tab.toggle("hard")
    tab.toggle("easy")
    assert expanded(tab) == ["easy"]
    site.post(f"/api/jobs/{job_id}/retry")
    after = wait_for(
        lambda: site.structure(job_id)["status"] == "failed" and site.structure(job_id)["revision"]
    )
    assert after > revision
    tab.wait_for_revision(after)
    assert tab.snapshot()["job"]["status"] == "failed"
    assert expanded(tab) == ["easy"]
    tab.check_shown()
    tab.reload()
    tab.wait_for_connection("live")
    assert expanded(tab) == ["easy"] and tab.lines("hard") == []
    tab.wait_for_last_line("easy", 1)
    other = tabs.new(site).open_job(job_id)
    assert expanded(other) == ["hard"], "another user's page isn't touched by it"
