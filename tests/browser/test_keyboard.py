"""All that people do with the pages, by keyboard alone: each control is reached by Tab, is seen
to have the focus, and does what a click does.
"""

import pytest
from playwright.sync_api import expect

from browser.tab import LATEST
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser

MOST_TABS = 150  # the list may be long
ACTIVE = """selector => {
  const { activeElement: active } = document;
  const { outlineStyle, outlineWidth } = getComputedStyle(active);
  const { top, bottom } = active.getBoundingClientRect();
  // a date's calendar button has one of its own
  const ring = active.type === "date" || (outlineStyle !== "none" && parseFloat(outlineWidth) > 0);
  return { there: active.matches(selector), lost: active === document.body, ring,
           inView: bottom > 0 && top < innerHeight, html: active.outerHTML.slice(0, 100) };
}"""


class Keys:
    """What fingers do on a tab's page.

    `click()` presses Enter, as `Tab.follow` asks of a control.
    """

    def __init__(self, tab):
        self.press = tab.page.keyboard.press
        self.type = tab.page.keyboard.type
        self._tab = tab

    def go_to(self, selector, key="Tab"):
        """Wait until such an element is shown, and press Tab until it has the focus; all on the way
        there must be seen to have it.
        """
        expect(self._tab.find(selector).filter(visible=True).first).to_be_visible()
        way = []
        for _ in range(MOST_TABS):
            self.press(key)
            active = self._tab.page.evaluate(ACTIVE, selector)
            assert active["lost"] or (active["ring"] and active["inView"]), active["html"]
            way.append(active["html"][:45])
            if active["there"]:
                return self
        raise AssertionError(f"{selector} isn't reached by {MOST_TABS} times {key}: {way}")

    def click(self):
        self.press("Enter")


@pytest.fixture
def keyboard(tabs, site):
    """Return a function that opens a path and returns its tab and its Keys."""

    def open_at(path):
        tab = tabs.new(site).open(path)
        tab.wait_for_connection("live")
        return tab, Keys(tab)

    return open_at


def has_focus(tab):
    return tab.page.evaluate("document.activeElement !== document.body")


def test_from_the_list_to_a_job_that_is_started_read_and_started_again(keyboard):
    tab, keys = keyboard("/")
    tab.follow(keys.go_to('a[href="/definitions/wordy"]'))
    keys.go_to('[name="params.lines"]')
    keys.type("1100")
    tab.follow(keys)
    tab.wait_for_connection("live")
    tab.wait_for_status("completed")
    if tab.step("talk").get_attribute("data-expanded") == "false":
        keys.go_to('[data-toggle-step="talk"]').click()
    tab.wait_for_last_line("talk", 1100)
    keys.go_to('[data-step="talk"] [data-part="earlier"] a').click()
    wait_for(lambda: len(tab.lines("talk")) > LATEST, 10, "earlier lines")
    assert has_focus(tab)
    job = tab.page.url
    tab.follow(keys.go_to('[data-action="rerun"]', "Shift+Tab"))
    assert tab.page.url != job
    tab.wait_for_status("completed")


def test_a_step_is_opened_closed_and_limited_to_a_level(keyboard, site):
    job_id = site.submit("wordy", lines=40)
    site.wait_for_end(job_id)
    tab, keys = keyboard(f"/jobs/{job_id}")
    keys.go_to('[data-toggle-step="talk"]').press("Enter")
    tab.wait_for_last_line("talk", 40)
    keys.press("Space")
    tab.wait_for_step("talk", expanded="false")
    keys.press("Space")
    tab.wait_for_last_line("talk", 40)
    keys.go_to('[data-step="talk"] [data-level-of="warning"]').press("Enter")
    wait_for(
        lambda: {level for _, level, _ in tab.lines("talk")} <= {"warning", "error"},
        10,
        "no lines below warnings",
    )
    assert has_focus(tab)
    keys.press("Enter")
    tab.wait_for_last_line("talk", 40)
    assert len(tab.lines("talk")) == 40 and has_focus(tab)


def focused_line(tab):
    return tab.page.evaluate("Number(document.activeElement.closest('li')?.dataset.line)")


def test_a_log_is_one_stop_and_its_lines_are_gone_through_by_arrows(keyboard, site):
    job_id = site.submit("wordy", lines=1100)
    site.wait_for_end(job_id)
    tab, keys = keyboard(f"/jobs/{job_id}")
    keys.go_to('[data-toggle-step="talk"]').press("Enter")
    tab.wait_for_last_line("talk", 1100)
    with tab.page.expect_response("**/line_keys.js"):
        keys.go_to('[data-step="talk"] [data-part="log"]')
    wait_for(lambda: keys.press("Enter") or focused_line(tab) > 0, 10, "the focus on a line")
    first = focused_line(tab)
    assert first > 1000, "the first one in view"
    for key, line in (("ArrowDown", first + 1), ("ArrowDown", first + 2), ("ArrowUp", first + 1)):
        keys.press(key)
        assert focused_line(tab) == line
    keys.press("Tab")
    assert tab.page.evaluate("document.activeElement.dataset.part") in ("later", "download"), (
        "behind the log"
    )


@pytest.mark.parametrize("level", ["debug", "info"])
def test_lines_that_were_served_are_no_stops_either(keyboard, site, level):
    job_id = site.submit("wordy", lines=40)
    site.wait_for_end(job_id)
    tab, _ = keyboard(f"/jobs/{job_id}?open=talk&level={level}")
    tab.wait_for_last_line("talk", 40)
    assert tab.find('[data-step="talk"] .line-number').evaluate_all(
        "links => links.length > 0 && links.every((link) => link.tabIndex === -1)"
    )


def test_lines_that_come_take_no_line_away_that_has_the_focus(keyboard, site):
    job_id = site.submit("fast")
    tab, keys = keyboard(f"/jobs/{job_id}")
    tab.wait_for_last_line("talk", 20)
    line = tab.find('[data-step="talk"] [data-line="20"] a')
    line.focus()
    wait_for(
        lambda: len(tab.lines("talk")) > 600, 30, "more lines than a log keeps that nobody reads"
    )
    expect(line).to_be_focused()
    tab.find('[data-step="talk"] [data-part="log"]').focus()
    tab.step("talk").get_by_text("Show the last lines").press("Enter")
    wait_for(lambda: len(tab.lines("talk")) == LATEST, 10, "the latest lines alone")
    site.post(f"/api/jobs/{job_id}/cancel")


def test_a_running_job_is_cancelled_and_then_deleted(keyboard, site):
    job_id = site.submit("endless")
    tab, keys = keyboard(f"/jobs/{job_id}")
    tab.wait_for_step("ticking", status="running")
    keys.go_to('[data-action="cancel"]').press("Enter")
    keys.go_to("[data-confirm=cancel]").press("Enter")
    tab.wait_for_status("cancelled")
    # what is asked while a job is deleted is answered by 404, which a browser calls an error
    expect(tab.find("[data-receipt=done]")).to_be_visible()
    keys.go_to('[data-action="delete"]').press("Enter")
    expect(tab.find("#ask")).to_be_visible()
    assert tab.page.evaluate("document.querySelector('#ask').contains(document.activeElement)"), (
        "the focus is in the dialog"
    )
    keys.press("Escape")
    expect(tab.find("#ask")).to_have_count(0)
    expect(tab.action("delete")).to_be_focused()
    keys.press("Enter")
    keys.go_to("[data-confirm=delete]").press("Enter")
    expect(tab.find("[data-part=deleted]")).to_be_focused()
    assert site.get(f"/api/jobs/{job_id}").status_code == 404


def test_the_list_is_gone_through_and_a_job_opened(keyboard, site):
    jobs = [site.submit("short") for _ in range(2)]
    for job_id in jobs:
        site.wait_for_end(job_id)
    tab, keys = keyboard("/?definition=short")
    first, second = (f'[data-job-id="{job_id}"] a' for job_id in tab.job_ids()[:2])
    for key, focused in (("j", first), ("j", second), ("k", first), ("k", first)):
        keys.press(key)
        expect(tab.find(focused).first).to_be_focused()
    tab.follow(keys)
    tab.wait_for_status("completed")


def test_a_bar_of_the_timeline_and_the_link_over_the_page_are_reached(keyboard, site):
    job_id = site.submit("short")
    site.wait_for_end(job_id)
    tab, keys = keyboard(f"/jobs/{job_id}")
    keys.press("Tab")
    assert tab.page.evaluate("document.activeElement.className") == "skip", (
        "the first key leads past the frame"
    )
    keys.go_to('.time-row[href="#step-left"]').press("Enter")
    tab.wait_for_step("left", expanded="true")
    expect(tab.find('[data-toggle-step="left"]')).to_be_focused()


def test_a_child_is_opened_and_cancelled_and_its_step_retried(keyboard, site):
    job_id = site.submit("endless")
    tab, keys = keyboard(f"/jobs/{job_id}")
    tab.wait_for_step("ticking", status="running", child_count="1")
    step = '[data-step="ticking"]'
    keys.go_to(f"{step} [data-part=show-children]").press("Enter")
    expect(tab.find(f"{step} [data-square]")).to_have_count(1)
    keys.go_to(f"{step} [data-square]")
    keys.go_to(f"{step} [data-toggle-child]").press("Enter")
    expect(tab.find(f"{step} [data-details]")).to_be_visible()
    cancel = f"{step} [data-child-action=cancel]"
    keys.go_to(cancel).press("Enter")
    expect(tab.find("#ask")).to_be_visible()
    keys.press("Escape")
    expect(tab.find(cancel)).to_be_focused()
    keys.press("Enter")
    keys.go_to("[data-confirm=cancel]").press("Enter")
    expect(tab.find(f"{step} [data-child]")).to_have_attribute("data-status", "cancelled")
    tab.wait_for_step("ticking", status="completed")
    assert tab.page.evaluate("document.activeElement !== document.body"), "the focus isn't lost"
    keys.go_to(f"{step} [data-step-action=retry]", "Shift+Tab").press("Enter")
    keys.go_to("[data-confirm=retry]").press("Enter")
    tab.wait_for_step("ticking", status="running")
    site.post(f"/api/jobs/{job_id}/cancel")


def test_the_graph_of_the_steps_is_opened_and_left_for_a_step(keyboard, site):
    job_id = site.submit("short")
    site.wait_for_end(job_id)
    tab, keys = keyboard(f"/jobs/{job_id}")
    keys.go_to("[data-part=show-graph]").press("Enter")
    expect(tab.find("[data-node=right]")).to_be_visible()
    keys.go_to("[data-node=right]").press("Enter")
    tab.wait_for_step("right", expanded="true")
    expect(tab.find('[data-toggle-step="right"]')).to_be_focused()
