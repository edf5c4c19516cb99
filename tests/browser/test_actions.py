"""What can be done with a job from its page, and that every open page of it shows the outcome
without a reload.
"""

import pytest
from playwright.sync_api import expect

from browser.tab import as_shown
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser

SILENCE = 6000  # ms for which a page of a deleted job is watched


def offered(tab):
    """Return the actions whose buttons can be seen."""
    return {
        name for name in ("cancel", "retry", "rerun", "delete") if tab.action(name).is_visible()
    }


def test_cancel_and_retry_and_cancel_again(site, tabs):
    job_id = site.submit("endless")
    tab = tabs.new(site).open_job(job_id)
    watching = tabs.new(site).open_job(job_id)
    tab.wait_for_step("ticking", status="running")
    assert offered(tab) == {"cancel", "rerun"}
    tab.act("cancel")
    for one in (tab, watching):
        one.wait_for_status("cancelled")
        assert [step["status"] for step in one.snapshot()["job"]["steps"]] == [
            "completed",
            "cancelled",
            "cancelled",
        ]
        assert offered(one) == {"retry", "rerun", "delete"}
    expect(tab.page.get_by_text("Cancelled.")).to_be_visible()
    tab.act("retry")
    for one in (tab, watching):
        one.wait_for_status("running")
        one.wait_for_step("ticking", status="running")
        assert offered(one) == {"cancel", "rerun"}
    watching.act("cancel")
    tab.wait_for_status("cancelled")
    wait_for(
        lambda: tab.snapshot()["job"] == as_shown(site.structure(job_id)),
        5,
        "the same as the API's",
    )
    for one in (tab, watching):
        one.check_shown()


def test_a_retry_that_was_asked_for_elsewhere_shows_on_an_open_page_of_a_failed_job(
    site, tabs, tmp_path
):
    file = tmp_path / "file"
    job_id = site.submit("picky", file=str(file))
    site.wait_for_end(job_id)
    tab = tabs.new(site).open_job(job_id)
    assert tab.snapshot()["job"]["status"] == "failed"
    file.write_text("here I am\n")
    assert site.post(f"/api/jobs/{job_id}/retry").status_code == 202
    tab.wait_for_status("completed")
    tab.wait_for_last_line("hard", site.structure(job_id)["steps"][1]["log_count"])
    tab.wait_for_step("last", expanded="true")
    assert "here I am" in [text for _, _, text in tab.lines("hard")]
    assert tab.snapshot()["job"] == as_shown(site.structure(job_id))
    expect(tab.find("[data-part=result]")).to_contain_text("Easy")
    tab.check_shown()


def focused(tab):
    """Return the name of the part or action that has the focus."""
    return tab.page.evaluate(
        "(({ dataset, tagName }) => dataset.action ?? dataset.part ?? "
        "tagName)(document.activeElement)"
    )


def test_by_keyboard_the_focus_stays_with_the_actions_and_what_is_said_goes_when_it_is_untrue(
    site, tabs
):
    job_id = site.submit("endless")
    tab = tabs.new(site).open_job(job_id)
    tab.wait_for_step("ticking", status="running")
    tab.action("cancel").focus()
    tab.page.keyboard.press("Enter")
    tab.find("[data-confirm=cancel]").press("Enter")
    tab.wait_for_status("cancelled")
    assert focused(tab) == "actions"
    expect(tab.find("[data-part=said]")).to_have_text("Cancelled.")
    tab.page.keyboard.press("Tab")
    assert focused(tab) in offered(tab)
    assert site.post(f"/api/jobs/{job_id}/retry").status_code == 202
    tab.wait_for_status("running")
    expect(tab.find("[data-part=said]")).to_be_empty()
    assert focused(tab) == "actions", "the button went, though nobody pressed it here"
    site.post(f"/api/jobs/{job_id}/cancel")
    tab.wait_for_status("cancelled")
    tab.action("delete").focus()
    tab.page.keyboard.press("Enter")
    tab.find("[data-confirm=delete]").press("Enter")
    expect(tab.find("[data-part=deleted]")).to_contain_text("deleted")
    assert focused(tab) == "deleted"


def test_a_press_that_fails_says_so_and_the_next_one_is_done(site, tabs):
    job_id = site.submit("endless")
    tab = tabs.new(site).open_job(job_id)
    tab.wait_for_step("ticking", status="running")
    tab.may_miss_network = True
    tab.page.route("**/cancel*", lambda route: route.abort())
    tab.action("cancel").click()
    expect(tab.find("[data-part=said]")).to_contain_text("can't be reached")
    tab.page.unroute("**/cancel*")
    assert tab.action("cancel").get_attribute("aria-disabled") == "false"
    tab.act("cancel")
    tab.wait_for_status("cancelled")


def test_a_page_that_the_browser_had_kept_has_its_buttons_back(site, tabs):
    """One that was left by a rerun had them switched off."""
    job_id = site.submit("short")
    site.wait_for_end(job_id)
    tab = tabs.new(site).open_job(job_id)
    tab.action("rerun").evaluate("button => button.setAttribute('aria-disabled', true)")
    tab.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    assert tab.action("rerun").get_attribute("aria-disabled") == "false"


def test_a_double_click_starts_one_job(site, tabs):
    def number():
        return site.get("/api/jobs?definition=short").json()["total"]

    tab = tabs.new(site).open("/definitions/short")
    before = number()
    tab.follow(Double(tab.page.get_by_role("button", name="Start")))
    tab.wait_for_status("completed")
    assert number() == before + 1
    tab.wait_for_connection("live")
    tab.follow(Double(tab.action("rerun")))
    tab.wait_for_status("completed")
    assert number() == before + 2


class Double:
    def __init__(self, button):
        self.click = button.dblclick


def test_rerun_leads_to_the_new_job(site, tabs):
    job_id = site.submit("short")
    site.wait_for_end(job_id)
    tab = tabs.new(site).open_job(job_id)
    tab.follow(tab.action("rerun"))
    expect(tab.find("[data-job-id]")).not_to_have_attribute("data-job-id", job_id)
    new_id = tab.find("[data-job-id]").get_attribute("data-job-id")
    assert site.get(f"/api/jobs/{new_id}").json()["rerun_of"] == job_id
    tab.wait_for_status("completed")
    tab.check_shown()


def test_a_deleted_job_is_called_deleted_on_every_page_and_nothing_more_is_asked(site, tabs):
    job_id = site.submit("short")
    site.wait_for_end(job_id)
    tab, watching = (tabs.new(site).open_job(job_id) for _ in range(2))
    tab.toggle("left")
    tab.wait_for_last_line("left", 30)
    tab.action("delete").click()
    tab.page.get_by_text("Keep it").click()
    assert site.get(f"/api/jobs/{job_id}").status_code == 200
    tab.action("delete").click()
    tab.find("[data-confirm=delete]").click()
    for one in (tab, watching):
        expect(one.find("[data-part=deleted]")).to_contain_text("deleted")
        assert offered(one) == set()
    assert site.get(f"/api/jobs/{job_id}").status_code == 404
    asked = [requests_of(one) for one in (tab, watching)]
    tab.page.wait_for_timeout(SILENCE)
    assert [requests_of(one) for one in (tab, watching)] == asked
    lines = tab.lines("left")
    assert len(lines) == 30
    for _ in range(2):  # closed, and opened again
        tab.toggle("left")
    tab.toggle("right")
    tab.page.evaluate("location.hash = '#right:3'")
    expect(tab.step("right").get_by_role("status")).to_contain_text("deleted")
    # the numbers of the lines: nothing to fetch any more
    expect(tab.step("left").get_by_role("link")).to_have_count(30)
    assert tab.lines("left") == lines
    assert requests_of(tab) == asked[0]


def requests_of(tab):
    """Return what a page has asked for.

    A favicon is fetched by the browser, when it finds the time.
    """
    return [url for url in tab.requests if "/favicons/" not in url]


def test_the_reason_for_a_refusal_is_said_and_the_page_comes_right(site, tabs):
    job_id = site.submit("endless")
    tab = tabs.new(site).open_job(job_id)
    tab.wait_for_step("ticking", status="running")
    tab.may_miss_network = True
    tab.page.route("**/structure", lambda route: route.abort())
    assert site.post(f"/api/jobs/{job_id}/cancel").status_code == 202
    tab.action("cancel").click()
    expect(tab.find("[data-part=said]")).to_contain_text("cancelled")
    tab.page.unroute("**/structure")
    tab.wait_for_status("cancelled", 5)
    tab.check_shown()
