"""The list moves by itself, calmly, and not at all under a pointer or a focus: then what is new
waits, and statuses go on in their places.
"""

import re
import shutil

import pytest
import requests
from playwright.sync_api import expect

from browser.gates import DEFINITIONS
from helpers.servers import Server

pytestmark = pytest.mark.browser

SOON = 5000  # ms
SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries())
    shifts.push([entry.value, ...entry.sources.map(({ node }) => node?.outerHTML ?? node?.data)]);
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """A server without workers: its jobs run until they are cancelled."""
    server = Server(tmp_path_factory.mktemp("still"), JOBSYNC_WORKERS="0")
    shutil.copy(DEFINITIONS / "picky.toml", server.definitions)
    yield server.start()
    server.stop()


class Jobs:
    """A test's own jobs on a server: no other test's are in the list at `address`."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        self.address = f"/?q=/{folder.name}/"
        self._number = 0

    def start(self, will_fail=False):
        """Start a job and return its id."""
        self._number += 1
        file = self.folder / str(self._number)
        if not will_fail:
            file.touch()
        return self.server.submit("picky", file=str(file))

    def cancel(self, job_id):
        assert self.server.post(f"/api/jobs/{job_id}/cancel").status_code == 202

    def delete(self, job_id):
        assert (
            requests.delete(f"{self.server.url}/api/jobs/{job_id}", timeout=10).status_code == 204
        )


@pytest.fixture
def jobs(site, tmp_path):
    return Jobs(site, tmp_path)


@pytest.fixture
def held(still, tmp_path):
    """Jobs that run until they are cancelled."""
    return Jobs(still, tmp_path)


def row(tab, job_id):
    return tab.find(f'[data-job-id="{job_id}"]')


def link(tab, job_id):
    return row(tab, job_id).locator("[data-stop]")


def fresh(tab):
    return tab.find("[data-part=fresh]")


def expect_status(tab, job_id, status):
    expect(row(tab, job_id)).to_have_attribute("data-status", status, timeout=SOON)


def expect_rows(tab, *job_ids):
    """Wait until these are the rows, from the top down."""
    expect(tab.find("[data-job-id]")).to_have_count(len(job_ids), timeout=SOON)
    assert tab.job_ids() == list(job_ids)


def expect_numbers(tab, **numbers):
    for name, number in numbers.items():
        expect(tab.find(f"[data-part=counts] [data-part={name}]")).to_have_text(
            str(number), timeout=SOON
        )


def opened(tabs, jobs, query="", **options):
    tab = tabs.new(jobs.server, **options).open(jobs.address + query)
    tab.wait_for_connection("live")
    return tab


# Calm


def watching_shifts(tabs, jobs, motion, width):
    tab = tabs.new(jobs.server, reduced_motion=motion, viewport={"width": width, "height": 900})
    tab.page.add_init_script(SHIFTS)
    tab.open(jobs.address).wait_for_connection("live")
    tab.page.evaluate("shifts.length = 0")
    return tab


def test_rows_that_come_and_go_shift_nothing(tabs, held):
    first = held.start()
    watching = [
        watching_shifts(tabs, held, motion, width)
        for motion in ("reduce", "no-preference")
        for width in (390, 1280)
    ]
    second = held.start()
    for tab in watching:
        expect_rows(tab, second, first)
    held.cancel(first)
    for tab in watching:
        expect_status(tab, first, "cancelled")
    for tab in watching:
        # one figure more
        expect(row(tab, second).locator("[data-part=took]")).to_have_text(
            re.compile("^1[1-9] s"), timeout=20_000
        )
    held.delete(first)
    for tab in watching:
        expect_rows(tab, second)
    assert [tab.page.evaluate("shifts") for tab in watching] == [[]] * 4


@pytest.mark.parametrize("width", [390, 1280])
def test_jobs_that_fail_and_complete_after_all_shift_nothing(tabs, jobs, width):
    job_id = jobs.start(will_fail=True)
    jobs.server.wait_for_end(job_id)
    tab = watching_shifts(tabs, jobs, "no-preference", width)
    error = row(tab, job_id).locator("[data-part=error]")
    expect(error).to_be_visible()
    (jobs.folder / "1").touch()
    assert jobs.server.post(f"/api/jobs/{job_id}/retry").status_code == 202
    expect_status(tab, job_id, "completed")
    expect(error).to_be_hidden()
    expect_status(tab, jobs.start(will_fail=True), "failed")
    assert tab.page.evaluate("shifts") == []
    tab.check_shown()


# Numbers


def test_the_numbers_follow_jobs_that_are_shown_and_those_that_are_not(tabs, jobs):
    every, failed = (opened(tabs, jobs, query) for query in ("", "&status=failed"))
    for tab in (every, failed):
        expect_numbers(tab, all=0, running=0, failed=0)
    good, bad = jobs.start(), jobs.start(will_fail=True)
    for tab in (every, failed):
        expect_numbers(tab, all=2, running=0, completed=1, failed=1)
    assert [tab.find("[data-part=total]").inner_text() for tab in (every, failed)] == [
        "2 jobs",
        "1 job",
    ]
    assert (every.job_ids(), failed.job_ids()) == ([bad, good], [bad])
    jobs.delete(good)
    for tab in (every, failed):
        expect_numbers(tab, all=1, completed=0, failed=1)


def test_the_numbers_are_asked_for_at_most_once_a_second(tabs, held):
    tab = opened(tabs, held, "&status=failed")
    for cancelled in (5, 10, 15):
        for _ in range(5):
            held.cancel(held.start())
        expect_numbers(tab, cancelled=cancelled)
    starts = [call["startedAt"] for call in tab.recorded("calls") if "/counts?" in call["url"]]
    assert len(starts) > 1 and all(
        later - earlier >= 990 for earlier, later in zip(starts, starts[1:], strict=False)
    ), starts


# Waiting


@pytest.fixture
def list_of_two(tabs, held):
    """A live tab with two jobs, and them: the newer first."""
    older, newer = held.start(), held.start()
    tab = opened(tabs, held)
    expect_rows(tab, newer, older)
    return tab, newer, older


def test_new_jobs_wait_while_the_list_is_pointed_at_and_come_when_it_is_let_go(held, list_of_two):
    tab, newer, older = list_of_two
    row(tab, older).hover()
    third = held.start()
    expect(fresh(tab)).to_have_text("1 new job ↑")
    fourth = held.start()
    expect(fresh(tab)).to_have_text("2 new jobs ↑")
    held.cancel(older)
    expect_status(tab, older, "cancelled")
    expect_numbers(tab, all=4, cancelled=1)
    assert tab.job_ids() == [newer, older]
    tab.find("h1").hover()
    expect_rows(tab, fourth, third, newer, older)
    expect(fresh(tab)).to_be_hidden()
    held.cancel(third)  # the list follows those that came too
    expect_status(tab, third, "cancelled")
    tab.check_shown()


def test_the_button_brings_new_jobs_and_goes_to_the_first(held, list_of_two):
    tab, newer, older = list_of_two
    row(tab, newer).hover()
    third = held.start()
    expect(fresh(tab)).to_be_visible()
    fresh(tab).click()
    expect_rows(tab, third, newer, older)
    expect(link(tab, third)).to_be_focused()


def test_new_jobs_wait_while_a_row_has_the_focus_and_are_reached_by_keyboard(held, list_of_two):
    tab, newer, older = list_of_two
    tab.page.keyboard.press("j")
    expect(link(tab, newer)).to_be_focused()
    third = held.start()
    expect(fresh(tab)).to_have_text("1 new job ↑")
    expect(link(tab, newer)).to_be_focused()
    tab.page.keyboard.press("Shift+Tab")  # the row's box
    tab.page.keyboard.press("Shift+Tab")
    expect(fresh(tab)).to_be_focused()
    tab.page.keyboard.press("Enter")
    expect_rows(tab, third, newer, older)
    expect(link(tab, third)).to_be_focused()
    fourth = held.start()
    expect(fresh(tab)).to_be_visible()
    tab.page.keyboard.press("/")
    expect_rows(tab, fourth, third, newer, older)


@pytest.mark.parametrize("width", [390, 1280])
def test_new_jobs_wait_while_the_list_is_scrolled_behind_a_button_that_stays_in_view(
    tabs, held, width
):
    seen = [held.start() for _ in range(4)][::-1]
    tab = opened(tabs, held, viewport={"width": width, "height": 260})
    tab.page.evaluate(
        "document.querySelector('[data-job-id]:last-child').scrollIntoView({ block: 'end' })"
    )
    place = row(tab, seen[-1]).bounding_box()
    new = held.start()
    expect(fresh(tab)).to_be_in_viewport()
    held.cancel(seen[0])
    expect_status(tab, seen[0], "cancelled")
    assert row(tab, seen[-1]).bounding_box() == place
    fresh(tab).click()
    expect(row(tab, new)).to_be_in_viewport()
    expect_rows(tab, new, *seen)


def test_what_matches_no_longer_stays_while_it_is_pointed_at_and_what_is_deleted_says_so(
    tabs, held
):
    older, newer = held.start(), held.start()
    tab = opened(tabs, held, "&status=pending,running")
    expect_rows(tab, newer, older)
    row(tab, newer).hover()
    held.cancel(older)
    expect_status(tab, older, "cancelled")
    expect_numbers(tab, running=1, cancelled=1)
    held.delete(older)
    expect_status(tab, older, "deleted")
    expect(row(tab, older).locator("[data-part=badge]")).to_have_text("deleted")
    assert tab.job_ids() == [newer, older]
    expect(fresh(tab)).to_be_hidden()
    tab.find("h1").hover()
    expect_rows(tab, newer)


# Clocks


def test_durations_go_on_by_the_servers_clock_while_the_list_is_live_and_stand_still_when_it_is_not(
    tabs, held
):
    job_id = held.start()
    tab = tabs.new(held.server)
    tab.page.add_init_script("const now = Date.now; Date.now = () => now() + 3600000")
    tab.open(held.address).wait_for_connection("live")
    took = row(tab, job_id).locator("[data-part=took]")
    for seconds in ("3", "4", "5"):
        expect(took).to_have_text(re.compile(rf"^{seconds} s$"), timeout=SOON)
    tab.may_miss_network = True
    tab.context.set_offline(True)
    tab.wait_for_connection("offline")
    stood = took.inner_text()
    tab.page.wait_for_timeout(2500)  # nothing is to happen
    assert took.inner_text() == stood
    tab.context.set_offline(False)
    held.cancel(job_id)
    expect(took).to_have_text(re.compile(r"^\d+\.\d s$"), timeout=20_000)
