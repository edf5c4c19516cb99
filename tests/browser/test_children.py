"""The children of a step on the page of its job: as a table, at a glance, as a tree, each with what
can be done about it, and the graph of the steps. All of it live, on every open page.
"""

import pytest
from playwright.sync_api import expect

from browser.gates import Gates
from browser.tab import LOOKS, as_shown
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser


@pytest.fixture
def gates(site, tmp_path):
    gates = Gates(site, tmp_path)
    yield gates
    if site.structure(gates.job_id)["status"] in ("pending", "running"):
        site.post(f"/api/jobs/{gates.job_id}/cancel")


@pytest.fixture(scope="module")
def grown(site):
    """A job whose children have spawned others: 2, 4 and 8 of them."""
    job_id = site.submit("growing")
    site.wait_for_end(job_id)
    return job_id


def open_children(tab, job_id, step):
    tab.open_job(job_id)
    if tab.step(step).get_attribute("data-expanded") == "false":
        tab.toggle(step)
    tab.step(step).locator("[data-part=show-children]").click()
    expect(tab.step(step).locator("[data-square]").first).to_be_visible()
    return tab.step(step).locator("[data-part=children-panel]")


def rows(panel):
    """Return `(name, status)` of the children in the table."""
    return panel.locator("tr[data-child]").evaluate_all(
        "rows => rows.map((row) => [row.querySelector('.child-link').textContent, "
        "row.dataset.status])"
    )


def squares(panel):
    return panel.locator("[data-square]").evaluate_all(
        "squares => squares.map(({ dataset }) => dataset.status)"
    )


def test_children_are_shown_as_they_begin_and_end(site, tabs, gates):
    gates.wait_for_rest("running pending pending pending", 0)
    tab = tabs.new(site)
    panel = open_children(tab, gates.job_id, "one")
    expected = [["one-a", "running"], ["one-b", "running"]]
    wait_for(lambda: rows(panel) == expected and squares(panel) == ["running"] * 2, 10)
    gates.open("one-b")
    wait_for(lambda: squares(panel) == ["running", "completed"], 10, "growth is shown too")
    gates.open("one-a", "this will fail")
    site.wait_for_end(gates.job_id)
    statuses = ["failed", "completed"]
    wait_for(lambda: squares(panel) == statuses, 10, "the squares come right")
    wait_for(lambda: [status for _, status in rows(panel)] == statuses, 10)
    expect(panel.locator("[data-filter-status=failed]")).to_contain_text("1")
    tab.check_shown()


def test_a_child_opens_to_its_attempts_and_its_lines_and_stays_open(site, tabs, gates):
    gates.wait_for_rest("running pending pending pending", 0)
    gates.open("one-a", "this will fail")
    tab = tabs.new(site)
    panel = open_children(tab, gates.job_id, "one")
    panel.get_by_role("link", name="one-a", exact=True).click()
    details = panel.locator("[data-details]")
    expect(details.locator("[data-attempt-row]")).to_have_attribute("data-status", "failed")
    expect(details.locator(".lines")).to_contain_text("this will fail")
    opened = panel.locator("[data-toggle-child][aria-expanded=true]")
    expect(opened).to_be_focused()
    panel.locator("[data-filter-status=failed]").click()
    wait_for(lambda: rows(panel) == [["one-a", "failed"]], 10)
    expect(details).to_be_visible()
    details.locator("[data-attempt-row] a").click()
    expect(tab.find('[data-step=one] [data-line="1"]')).to_be_in_viewport()
    # what is shown is in the address
    tab.reload()
    tab.wait_for_connection("live")
    wait_for(lambda: rows(panel) == [["one-a", "failed"]], 10)
    expect(details).to_be_visible()


def test_a_child_is_cancelled_and_retried_and_every_page_shows_it(site, tabs, gates):
    gates.wait_for_rest("running pending pending pending", 0)
    tab, watching = tabs.new(site), tabs.new(site)
    panel, other = (open_children(one, gates.job_id, "one") for one in (tab, watching))
    panel.get_by_role("link", name="one-b", exact=True).click()
    panel.locator("[data-child-action=cancel]").click()
    dialog = tab.find("#ask")
    expect(dialog).to_contain_text("Stops attempt 1, which is running.")
    dialog.locator("[data-refuse]").click()
    expect(dialog).to_have_count(0)
    assert rows(panel)[1] == ["one-b", "running"]
    panel.locator("[data-child-action=cancel]").click()
    dialog.locator("[data-confirm=cancel]").click()
    for one in (panel, other):
        wait_for(lambda one=one: squares(one) == ["running", "cancelled"], 10)
        wait_for(lambda one=one: rows(one)[1] == ["one-b", "cancelled"], 10)
    expect(panel.locator("[data-child-action=retry]")).to_be_visible()
    expect(panel.get_by_text("Cancelled.")).to_be_visible()
    gates.open("one-b")
    panel.locator("[data-child-action=retry]").click()
    expect(dialog).to_contain_text("as attempt 2")
    dialog.locator("[data-confirm=retry]").click()
    for one in (panel, other):
        wait_for(lambda one=one: rows(one)[1] == ["one-b", "completed"], 20)
    expect(panel.locator("[data-attempt-row]")).to_have_count(2)
    expect(panel.get_by_text("It runs again")).to_have_count(0)
    # the log tells the attempts apart
    expect(tab.step("one").locator('[data-line][data-attempt="2"]')).to_have_count(1)


def test_of_two_who_cancel_a_step_each_has_one_clear_outcome(site, tabs, gates):
    gates.wait_for_rest("running pending pending pending", 0)
    one, other = (tabs.new(site).open_job(gates.job_id) for _ in range(2))
    other.may_miss_network = True
    for tab in (one, other):
        tab.step("one").locator("[data-step-action=cancel]").click()
        expect(tab.find("#ask")).to_contain_text("Cancels 2 running children of this step.")
    one.find("[data-confirm=cancel]").click()
    one.wait_for_step("one", status="cancelled")
    expect(one.step("one").locator("[data-part=step-said]")).to_have_text("Cancelled.")
    expect(other.find("#ask")).to_contain_text("The step is already cancelled.")
    expect(other.find("[data-confirm=cancel]")).to_be_hidden()
    other.find("[data-refuse]").click()
    other.wait_for_step("one", status="cancelled")
    for tab in (one, other):
        expect(tab.step("one").locator("[data-step-action=retry]")).to_be_visible()
        expect(tab.step("one").locator("[data-step-action=cancel]")).to_be_hidden()
    one.step("one").locator("[data-step-action=retry]").click()
    expect(one.find("#ask")).to_contain_text("Runs 2 cancelled children again.")
    one.find("[data-confirm=retry]").click()
    for tab in (one, other):
        tab.wait_for_step("one", status="running")
        tab.check_shown()


def test_a_step_that_is_cancelled_elsewhere_is_refused_with_its_reason_at_the_button(
    site, tabs, gates
):
    gates.wait_for_rest("running pending pending pending", 0)
    tab = tabs.new(site).open_job(gates.job_id)
    tab.may_miss_network = True
    tab.page.route("**/structure", lambda route: route.abort())
    assert site.post(f"/api/jobs/{gates.job_id}/steps/one/cancel").status_code == 202
    tab.step("one").locator("[data-step-action=cancel]").click()
    expect(tab.step("one").locator("[data-part=step-said]")).to_have_text(
        "The step is already cancelled."
    )
    tab.page.unroute("**/structure")
    tab.wait_for_step("one", status="cancelled")


def test_the_dialog_of_a_cancel_names_numbers_and_the_receipt_says_what_became_of_them(
    site, tabs, gates
):
    gates.wait_for_rest("running pending pending pending", 0)
    tab, watching = (tabs.new(site).open_job(gates.job_id) for _ in range(2))
    tab.action("cancel").click()
    expect(tab.find("#ask")).to_contain_text("Cancels 2 running children.")
    tab.find("[data-confirm=cancel]").click()
    for one in (tab, watching):
        one.wait_for_status("cancelled")
        receipt = one.find("[data-part=receipt]")
        expect(receipt).to_contain_text("Cancelled 2 running children; ")
        expect(receipt).to_contain_text("no process left")
        one.check_shown()


def test_what_a_job_waits_for_is_said_until_it_starts(site, tabs):
    first, second = (site.submit("one_at_a_time", delay_ms=20) for _ in range(2))
    tab = tabs.new(site).open_job(second)
    waiting = tab.find("[data-part=waiting]")
    expect(waiting).to_have_text(
        "Waiting for a place: at most 1 job of one_at_a_time may run at once"
    )
    site.wait_for_end(first)
    tab.wait_for_status("completed")
    expect(waiting).to_be_hidden()
    assert tab.snapshot()["job"] == as_shown(site.structure(second))


def test_what_others_have_spawned_is_opened_below_them(site, tabs, grown):
    panel = open_children(tabs.new(site), grown, "grow")
    wait_for(lambda: len(rows(panel)) == 2, 10, "the roots alone")
    panel.locator("[data-fold]").first.click()
    wait_for(lambda: len(rows(panel)) == 4, 10)
    panel.locator('[data-depth="1"] [data-fold]').first.click()
    wait_for(lambda: len(rows(panel)) == 6, 10)
    expect(panel.locator('[data-depth="2"]')).to_have_count(2)
    panel.locator("[data-fold]").first.click()
    wait_for(lambda: len(rows(panel)) == 2, 10)
    panel.locator("[data-view]").click()
    wait_for(lambda: len(rows(panel)) == 14, 10, "all in one list")


def test_a_square_leads_to_its_child_by_keyboard_alone(site, tabs, grown):
    tab = tabs.new(site)
    panel = open_children(tab, grown, "grow")
    first = panel.locator('[data-square="1"]')
    expect(panel.locator("[data-square][tabindex='0']")).to_have_count(1)
    first.focus()
    tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("End")
    last = panel.locator('[data-square="14"]')
    expect(last).to_be_focused()
    expect(panel.locator(".squares-said")).to_have_text("14: completed")
    tab.page.keyboard.press("Enter")
    expect(panel.locator("[data-details]")).to_be_visible()
    wait_for(lambda: len(rows(panel)) == 1, 10)
    expect(last).to_be_focused()
    panel.locator("[data-filter-status='']").press("Enter")
    wait_for(lambda: len(rows(panel)) == 14, 10)
    panel.locator("[data-sort=number]").press("Enter")
    wait_for(lambda: panel.locator("[aria-sort=descending]").count() == 1, 10)
    expect(panel.locator("[data-sort=number]")).to_be_focused()


def test_a_closed_table_and_a_closed_step_ask_for_nothing(site, tabs, gates):
    gates.wait_for_rest("running pending pending pending", 0)
    tab = tabs.new(site)
    panel = open_children(tab, gates.job_id, "one")

    def asked():
        return len([url for url in tab.requests if "/steps/one/" in url])

    tab.step("one").locator("[data-part=show-children]").click()
    expect(panel).to_be_hidden()
    before = asked()
    gates.open("one-a")
    tab.wait_for_step("one", seconds=10, child_count="2")
    expect(tab.step("one").locator("[data-count=completed] [data-part=number]")).to_have_text("1")
    assert asked() == before
    tab.step("one").locator("[data-part=show-children]").click()
    wait_for(lambda: rows(panel) == [["one-a", "completed"], ["one-b", "running"]], 10)
    tab.toggle("one")
    before = asked()
    gates.open("one-b")
    gates.wait_for_rest("completed running pending pending", 2)
    tab.wait_for_step("one", status="completed")
    assert asked() == before
    tab.toggle("one")
    wait_for(lambda: rows(panel)[1] == ["one-b", "completed"], 10)


def test_the_graph_of_the_steps_is_drawn_when_it_is_opened_and_goes_on(site, tabs, gates):
    gates.wait_for_rest("running pending pending pending", 0)
    tab = tabs.new(site).open_job(gates.job_id)
    assert not [url for url in tab.requests if url.endswith(("/graph", "graph.js", "parts.css"))]
    tab.find("[data-part=show-graph]").click()
    node = tab.find("[data-node=one]")
    expect(node).to_have_attribute("data-status", "running")
    gates.open("one-a")
    gates.open("one-b")
    expect(node).to_have_attribute("data-status", "completed")
    expect(node).to_contain_text("completed")
    expect(tab.find("[data-node=two]")).to_have_attribute("data-status", "running")
    node.click()
    expect(tab.find('[data-toggle-step="one"]')).to_be_focused()
    tab.wait_for_step("one", expanded="true")


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_is_wider_than_the_window(site, tabs, grown, look):
    tab = tabs.new(site, **LOOKS[look])
    panel = open_children(tab, grown, "grow")
    panel.locator("[data-toggle-child]").first.click()
    expect(panel.locator("[data-details]")).to_be_visible()
    panel.locator("[data-fold]").first.click()
    expect(panel.locator('[data-depth="1"]').first).to_be_visible()
    width = LOOKS[look]["viewport"]["width"]
    assert tab.page.evaluate("document.scrollingElement.scrollWidth") == width
