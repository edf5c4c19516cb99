"""Many jobs of the list at once: selecting them by mouse and by keyboard while the list goes on,
being asked with numbers, and being told what was refused.
"""

import re
import shutil

import pytest
import requests
from playwright.sync_api import expect

from browser.gates import DEFINITIONS
from browser.tab import LOOKS
from helpers.servers import Server
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser

SOON = 6000  # ms


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """A server without workers: its jobs run until they are cancelled."""
    server = Server(tmp_path_factory.mktemp("still"), JOBSYNC_WORKERS="0")
    shutil.copy(DEFINITIONS / "picky.toml", server.definitions)
    yield server.start()
    server.stop()


@pytest.fixture
def jobs(still, tmp_path):
    """A test's own jobs: a function that starts one; its `address` is a list of them alone."""

    def start(number=1):
        ids = [still.submit("picky", file=str(tmp_path / "file")) for _ in range(number)]
        return ids if number > 1 else ids[0]

    start.address = f"/?q=/{tmp_path.name}/"
    return start


def opened(tabs, still, jobs, query="", **options):
    tab = tabs.new(still, **options).open(jobs.address + query)
    tab.wait_for_connection("live")
    return tab


def box(tab, job_id):
    return tab.find(f'[data-job-id="{job_id}"] [name=ids]')


def picked(tab):
    """Return the ids of the jobs whose boxes are ticked, from the top down."""
    return tab.find("[name=ids]").evaluate_all(
        "boxes => boxes.filter((box) => box.checked).map((box) => box.value)"
    )


def said(tab):
    return tab.find("[data-part=picked]")


def offered(tab):
    return tab.find(".bulk [name=action]:not([hidden])").evaluate_all(
        "buttons => buttons.map((button) => button.value)"
    )


def dialog(tab):
    return tab.find("#bulk-dialog")


def press(tab, action):
    tab.find(f".bulk [value={action}]").click()


def cancel(still, *job_ids):
    for job_id in job_ids:
        assert still.post(f"/api/jobs/{job_id}/cancel").status_code == 202


def delete(still, job_id):
    assert requests.delete(f"{still.url}/api/jobs/{job_id}", timeout=10).status_code == 204


def status(still, job_id):
    return still.structure(job_id).get("status")


def test_boxes_ranges_and_all_on_the_page(still, tabs, jobs):
    newest = jobs(6)[::-1]
    tab = opened(tabs, still, jobs)
    expect(tab.find(".bulk")).to_be_hidden()
    box(tab, newest[1]).click()
    expect(said(tab)).to_have_text("1 selected")
    box(tab, newest[4]).click(modifiers=["Shift"])
    assert picked(tab) == newest[1:5]
    box(tab, newest[3]).click(modifiers=["Shift"])
    assert picked(tab) == newest[1:3], "a range is unticked as it is ticked"
    # beside the box: what belongs to it is pressed as well
    tab.find(f'[data-job-id="{newest[5]}"] .row-pick').click(
        modifiers=["Shift"], position={"x": 3, "y": 3}
    )
    assert picked(tab) == newest[1:]
    page = tab.page.get_by_label("Select all on this page")
    assert page.evaluate("box => box.indeterminate")
    page.click()
    assert picked(tab) == newest
    expect(said(tab)).to_have_text("6 selected")
    page.click()
    assert picked(tab) == []
    expect(tab.find(".bulk")).to_be_hidden()


def test_by_keyboard_alone(still, tabs, jobs):
    newest = jobs(4)[::-1]
    tab = opened(tabs, still, jobs)
    keys = tab.page.keyboard
    keys.press("j")
    keys.press("x")
    keys.press("j")
    keys.press("j")
    keys.press("X")
    assert picked(tab) == newest[:3]
    keys.press("x")
    assert picked(tab) == newest[:2]
    box(tab, newest[3]).focus()
    keys.press("Space")
    keys.press("Enter")
    expect(tab.find(".bulk [value=cancel]")).to_be_focused()
    keys.press("Enter")
    expect(dialog(tab).locator("h2")).to_have_text("Cancel 3 jobs?")
    expect(dialog(tab).locator("[data-part=leave]")).to_be_focused()
    keys.press("Escape")
    expect(dialog(tab)).to_be_hidden()
    expect(tab.find(".bulk [value=cancel]")).to_be_focused()
    keys.press("Enter")
    expect(dialog(tab).locator("h2")).to_have_text("Cancel 3 jobs?")
    keys.press("Tab")
    keys.press("Enter")
    expect(tab.find("[data-part=said]")).to_have_text("Cancelled 3 jobs.")
    expect(tab.find("[data-part=said]")).to_be_focused()
    assert picked(tab) == []
    assert [status(still, job_id) for job_id in newest] == [
        "cancelled",
        "cancelled",
        "running",
        "cancelled",
    ]


def test_only_what_makes_sense_is_offered(still, tabs, jobs):
    ended, running = jobs(), jobs()
    cancel(still, ended)
    tab = opened(tabs, still, jobs)
    box(tab, running).click()
    assert offered(tab) == ["cancel"]
    box(tab, ended).click()
    assert offered(tab) == ["cancel", "retry", "delete"]
    box(tab, running).click()
    assert offered(tab) == ["retry", "delete"]
    still.post(f"/api/jobs/{ended}/retry")
    expect(tab.find(".bulk [value=cancel]")).to_be_visible(timeout=SOON)
    wait_for(lambda: offered(tab) == ["cancel"], what="a change of the selected job to show")


@pytest.mark.parametrize("look", LOOKS)
def test_rows_that_change_come_and_go_keep_the_selection(still, tabs, jobs, look):
    oldest, older, newer = jobs(3)
    tab = opened(tabs, still, jobs, "&limit=3", **LOOKS[look])
    box(tab, oldest).click()
    box(tab, older).click()
    tab.page.mouse.move(0, 0)
    tab.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    cancel(still, older)
    expect(tab.find(f'[data-job-id="{older}"]')).to_have_attribute(
        "data-status", "cancelled", timeout=SOON
    )
    assert picked(tab) == [older, oldest]
    fresh = jobs()
    expect(box(tab, fresh)).to_have_count(1, timeout=SOON)
    expect(box(tab, oldest)).to_have_count(0)
    assert picked(tab) == [older]
    expect(said(tab)).to_have_text("2 selected, 1 not on this page")
    delete(still, older)
    expect(said(tab)).to_have_text("1 selected", timeout=SOON)
    expect(box(tab, oldest)).to_be_checked()
    assert picked(tab) == [oldest]
    box(tab, newer).click()
    press(tab, "cancel")
    dialog(tab).get_by_role("button", name="Cancel 2 jobs").click()
    expect(tab.find("[data-part=said]")).to_have_text("Cancelled 2 jobs.")
    assert status(still, fresh) == "running"


def test_all_that_match_the_filter_and_not_one_more(still, tabs, jobs):
    ids = jobs(5)
    cancel(still, ids[0])
    tab = opened(tabs, still, jobs, "&status=running&limit=2")
    box(tab, ids[4]).click()
    tab.page.get_by_label("all 4 jobs that match").click()
    expect(said(tab)).to_have_text("All 4 jobs selected")
    assert len(picked(tab)) == 2 and offered(tab) == ["cancel"]
    press(tab, "cancel")
    go = dialog(tab).get_by_role("button", name="Cancel 4 jobs")
    expect(go).to_be_visible()
    later = jobs()  # matches too, but nobody was asked about it
    go.click()
    expect(tab.find("[data-part=said]")).to_have_text("Cancelled 4 jobs.")
    assert {status(still, job_id) for job_id in ids} == {"cancelled"}
    assert status(still, later) == "running"


def test_what_is_left_and_what_was_refused_is_told_with_reasons(still, tabs, jobs):
    ids = jobs(4)
    cancel(still, *ids[:3])
    tab = opened(tabs, still, jobs)
    tab.page.get_by_label("Select all on this page").click()
    press(tab, "delete")
    expect(dialog(tab).locator("h2")).to_have_text("Delete 3 jobs?")
    expect(dialog(tab)).to_contain_text("This can't be undone.")
    expect(dialog(tab)).to_contain_text("1 of 4 is left as it is:")
    expect(dialog(tab).locator("li")).to_contain_text(
        re.compile("1 job: Only a job that has ended can be deleted")
    )
    assert dialog(tab).locator("li a").get_attribute("href") == f"/jobs/{ids[3]}"
    delete(still, ids[0])  # somebody else is quicker
    still.post(f"/api/jobs/{ids[1]}/retry")
    dialog(tab).get_by_role("button", name="Delete 3 jobs").click()
    expect(dialog(tab).locator("h2")).to_have_text("Deleted 1 job")
    expect(dialog(tab)).to_contain_text("2 were refused:")
    expect(dialog(tab).locator("li")).to_have_count(2)
    expect(dialog(tab)).to_contain_text("1 job: There is no job.")
    dialog(tab).get_by_role("button", name="Close").click()
    expect(tab.find("[data-job-id]")).to_have_count(2, timeout=SOON)


def test_two_who_cancel_the_same_jobs_have_one_outcome_each(still, tabs, jobs):
    ids = jobs(3)
    one, other = opened(tabs, still, jobs), opened(tabs, still, jobs)
    for tab in (one, other):
        tab.page.get_by_label("Select all on this page").click()
        press(tab, "cancel")
        expect(dialog(tab).locator("h2")).to_have_text("Cancel 3 jobs?")
    one.find("[data-part=go]").click()
    expect(one.find("[data-part=said]")).to_have_text("Cancelled 3 jobs.")
    other.find("[data-part=go]").click()
    expect(dialog(other).locator("h2")).to_have_text("Cancelled 0 jobs")
    expect(dialog(other)).to_contain_text("3 jobs: The job is already cancelled.")
    dialog(other).get_by_role("button", name="Close").click()
    for tab in (one, other):
        for job_id in ids:
            expect(tab.find(f'[data-job-id="{job_id}"]')).to_have_attribute(
                "data-status", "cancelled", timeout=SOON
            )


def test_many_go_bit_by_bit_and_can_be_stopped(still, tabs, jobs):
    ids = jobs(120)
    tab = opened(tabs, still, jobs)
    tab.page.get_by_label("Select all on this page").click()
    expect(said(tab)).to_have_text("50 selected")
    tab.page.get_by_label("all 120 jobs that match").click()
    press(tab, "cancel")
    go = dialog(tab).get_by_role("button", name="Cancel 120 jobs")
    expect(go).to_be_visible()
    held = []
    tab.page.route("**/api/jobs/bulk", lambda route: held.append(route))
    go.click()
    wait_for(lambda: tab.page.evaluate("0") or held, what="the first call")
    expect(dialog(tab)).to_contain_text("0 of 120")
    held.pop().continue_()
    wait_for(lambda: tab.page.evaluate("0") or held, what="the second call")
    expect(dialog(tab)).to_contain_text("50 of 120")
    assert dialog(tab).locator("progress").evaluate("bar => [bar.value, bar.max]") == [50, 120]
    dialog(tab).get_by_role("button", name="Stop").click()
    held.pop().continue_()
    expect(dialog(tab).locator("h2")).to_have_text("Cancelled 100 jobs")
    expect(dialog(tab)).to_contain_text("Stopped: 20 jobs left as they are.")
    statuses = [status(still, job_id) for job_id in ids]
    assert statuses.count("cancelled") == 100
    tab.page.unroute("**/api/jobs/bulk")
    dialog(tab).get_by_role("button", name="Close").click()
    cancel(still, *(ids[place] for place, found in enumerate(statuses) if found == "running"))


def test_it_says_when_the_server_cannot_be_reached(still, tabs, jobs):
    ids = jobs(2)
    tab = opened(tabs, still, jobs)
    tab.may_miss_network = True
    tab.page.get_by_label("Select all on this page").click()
    press(tab, "cancel")
    go = dialog(tab).get_by_role("button", name="Cancel 2 jobs")
    expect(go).to_be_visible()
    tab.context.set_offline(True)
    go.click()
    expect(dialog(tab)).to_contain_text("can't be reached. Of 2 jobs it isn't known")
    dialog(tab).get_by_role("button", name="Close").click()
    box(tab, ids[0]).click()
    press(tab, "cancel")
    expect(tab.find("[data-part=said]")).to_contain_text("can't be reached. Nothing was done.")
    assert picked(tab) == [ids[0]]
    tab.context.set_offline(False)
    assert {status(still, job_id) for job_id in ids} == {"running"}


def test_what_a_job_waits_for_comes_and_goes_in_its_row(server, tabs):
    shutil.copy(DEFINITIONS / "endless.toml", server.definitions)
    server.start()
    server.post("/api/queues/default/pause")
    tab = tabs.new(server).open("/")
    tab.wait_for_connection("live")
    job_id = server.submit("endless")
    waiting = tab.find(f'[data-job-id="{job_id}"] [data-part=waiting]')
    expect(waiting).to_have_text("waiting for the queue default, which is paused", timeout=SOON)
    server.post("/api/queues/default/resume")
    expect(waiting).to_be_hidden(timeout=SOON)


def test_without_scripts_the_selected_are_cancelled_and_all_that_match_deleted(still, tabs, jobs):
    ids = jobs(3)
    tab = tabs.new(still, java_script_enabled=False).open(jobs.address)
    box(tab, ids[0]).check()
    box(tab, ids[2]).check()
    tab.follow(tab.page.get_by_role("button", name="Cancel…"))
    tab.follow(tab.page.get_by_role("button", name="Cancel 2 jobs"))
    assert [status(still, job_id) for job_id in ids] == ["cancelled", "running", "cancelled"]
    tab.open(jobs.address + "&status=cancelled")
    tab.page.get_by_label("all 2 jobs that match").check()
    tab.follow(tab.page.get_by_role("button", name="Delete…"))
    tab.follow(tab.page.get_by_role("button", name="Delete 2 jobs"))
    assert tab.find("[data-job-id]").count() == 0
    tab.open(jobs.address)
    assert tab.job_ids() == [ids[1]]
