"""Everything essential works with scripts off: real links, real forms, pages that are complete
as served.
"""

import pytest

from helpers.waiting import wait_for

pytestmark = pytest.mark.browser


@pytest.fixture
def tab(site, tabs):
    return tabs.new(site, java_script_enabled=False)


def status(tab):
    return tab.find("[data-job-id]").get_attribute("data-status")


def reload_until(tab, wanted):
    def is_there():
        tab.reload()
        return status(tab) == wanted

    wait_for(is_there, what=wanted)


def numbers(tab):
    return [number for number, *_ in tab.lines("talk")]


def test_a_job_is_started_its_lines_are_paged_through_and_its_result_is_seen(site, tab):
    tab.open("/")
    tab.follow(tab.find('a[href="/definitions/wordy"]'))
    tab.page.get_by_label("lines").fill("1200")
    tab.follow(tab.page.get_by_role("button", name="Start"))
    reload_until(tab, "completed")
    assert tab.step("talk").get_attribute("data-expanded") == "false"
    tab.toggle("talk")
    tab.follow(tab.step("talk").get_by_text("Show the last lines"))
    assert tab.step("talk").get_attribute("data-expanded") == "true"
    assert numbers(tab) == list(range(701, 1201))
    tab.follow(tab.step("talk").get_by_text("Show earlier lines"))
    assert numbers(tab) == list(range(201, 701))
    tab.follow(tab.step("talk").get_by_text("Show earlier lines"))
    assert numbers(tab) == list(range(1, 201))
    assert not tab.step("talk").get_by_text("Show earlier lines").is_visible()
    assert "1,200" in tab.find("[data-part=result]").inner_text()


def test_a_job_is_found_by_filter_cancelled_and_deleted(site, tab):
    job_id = site.submit("endless")
    wait_for(lambda: site.structure(job_id)["status"] == "running")
    tab.open("/?definition=endless")
    tab.follow(
        tab.page.get_by_role("navigation", name="Filter by status").get_by_role(
            "link", name="running"
        )
    )
    tab.follow(tab.find(f'[data-job-id="{job_id}"] a'))
    assert status(tab) == "running"
    tab.follow(tab.action("cancel"))
    tab.follow(tab.action("cancel"))
    assert status(tab) == "cancelled"
    assert not tab.action("cancel").is_visible()
    tab.open("/?status=cancelled")
    assert job_id in tab.job_ids()
    tab.follow(tab.find(f'[data-job-id="{job_id}"] a'))
    tab.follow(tab.action("delete"))
    tab.follow(tab.action("delete"))
    assert tab.find(f'[data-job-id="{job_id}"]').count() == 0
    assert site.get(f"/api/jobs/{job_id}").status_code == 404


def test_no_page_claims_to_be_live(site, tab):
    tab.open("/")
    assert not tab.find("[data-connection]").is_visible()
    assert tab.find("noscript p").is_visible()


def test_children_are_filtered_opened_and_retried(site, tab, tmp_path):
    job_id = site.submit("picky", file=str(tmp_path / "file"))
    site.wait_for_end(job_id)
    tab.open(f"/jobs/{job_id}")
    step = tab.step("hard")
    tab.follow(step.locator("[data-part=show-children]"))
    assert step.locator("[data-child]").get_attribute("data-status") == "failed"
    assert step.locator("[data-square]").get_attribute("data-status") == "failed"
    tab.follow(step.locator("[data-filter-status=failed]"))
    tab.follow(step.locator("[data-toggle-child]"))
    assert step.locator("[data-attempt-row]").count() == 1
    (tmp_path / "file").write_text("here\n")
    tab.follow(step.locator("[data-child-action=retry]"))
    assert "as attempt 2" in tab.find("main").inner_text()
    tab.follow(tab.action("retry"))
    site.wait_for_end(job_id)
    tab.reload()
    assert step.locator("[data-attempt-row]").count() == 2
    assert status(tab) == "completed"
