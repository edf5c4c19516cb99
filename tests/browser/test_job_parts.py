"""The parts of a job's page: what failed, the timeline, the levels of a step's lines, times
that go on, and what is announced.
"""

import pytest
from playwright.sync_api import expect

from browser.gates import Gates
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser

SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => window.shifts.push(...list.getEntries()
  .filter((entry) => !entry.hadRecentInput)
  .map((entry) => [entry.value, entry.sources.map(({ node }) =>
    (node?.outerHTML ?? node?.textContent)?.slice(0, 120))])
)).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def gates(site, tmp_path):
    """A job that goes on when the test says so, and is cancelled after it: it would keep the
    workers waiting.
    """
    gates = Gates(site, tmp_path)
    yield gates
    site.post(f"/api/jobs/{gates.job_id}/cancel")


@pytest.fixture
def failed(site, tmp_path):
    """The id of a job whose step "hard" has failed."""
    job_id = site.submit("picky", file=str(tmp_path / "missing"))
    site.wait_for_end(job_id)
    return job_id


# What failed


def test_what_fails_while_the_page_is_open_is_told_with_its_lines_and_goes_with_a_retry(
    tabs, site, gates
):
    tab = tabs.new(site).open_job(gates.job_id)
    gates.wait_for_rest("running pending pending pending", 0)
    gates.open("one-a", "this will fail")
    panel = tab.find("[data-failure=one]")
    expect(panel).to_contain_text("1 of 2 children failed")
    expect(panel.locator(".lines")).to_contain_text("this will fail")
    expect(panel.locator("ol a").first).to_have_attribute("href", "#one:1")
    expect(tab.step("one").locator("[data-part=failed-children]")).to_contain_text("one-a")
    assert site.wait_for_end(gates.job_id)["status"] == "failed"
    gates.shut("one-a")
    tab.act("retry")
    expect(panel).to_have_count(0)
    expect(tab.find("[data-part=failed-children] li")).to_have_count(0)
    tab.check_shown()


def test_the_link_to_the_line_goes_there_by_mouse_and_by_keyboard(tabs, site, failed):
    tab = tabs.new(site).open_job(failed)
    tab.toggle("hard")
    tab.wait_for_step("hard", expanded="false")
    link = tab.find("[data-failure=hard] .failed-children a")
    link.click()
    tab.wait_for_step("hard", expanded="true")
    expect(tab.find('[data-line="1"]')).to_be_in_viewport()
    tab.toggle("hard")
    link.focus()
    tab.page.keyboard.press("Enter")  # the address is there already
    tab.wait_for_step("hard", expanded="true")


def test_the_focus_stays_on_a_link_of_what_failed_when_more_fails(tabs, site, gates):
    tab = tabs.new(site).open_job(gates.job_id)
    gates.open("one-a")
    gates.open("one-b")
    gates.open("two", "fail")
    link = tab.find("[data-failure=two] h3 a")
    link.focus()
    gates.open("three", "fail")
    expect(tab.find("[data-failure=three]")).to_be_visible()
    assert tab.page.evaluate("document.activeElement.textContent") == "two"


# The timeline


def test_the_timeline_follows_the_job_and_tells_exact_times(tabs, site, gates):
    tab = tabs.new(site).open_job(gates.job_id)
    gates.wait_for_rest("running pending pending pending", 0)
    rows = tab.find("[data-row]")
    expect(rows.nth(0)).to_have_class("time-row is-running")
    width = tab.page.evaluate(
        "document.querySelector('[data-row=one] rect + rect').width.baseVal.value"
    )
    wait_for(
        lambda: tab.page.evaluate("document.querySelector('[data-part=now]').x1.baseVal.value") > 0
    )
    assert width >= 0
    gates.open("one-a")
    gates.open("one-b")
    expect(rows.nth(0)).to_have_class("time-row is-completed")
    expect(rows.nth(1)).to_have_class("time-row is-running")
    said = tab.find("[data-part=time-said]")
    rest = said.inner_text()
    rows.nth(0).hover()
    expect(said).to_contain_text("one: completed, waited ")
    expect(said).to_contain_text(", took ")
    tab.find("h1").hover()
    expect(said).to_have_text(rest)
    rows.nth(1).focus()
    expect(said).to_contain_text("two: running, waited ")


def test_a_click_on_a_bar_opens_its_step_and_so_does_the_key(tabs, site, gates):
    tab = tabs.new(site).open_job(gates.job_id)
    tab.find("[data-row=four]").click()
    tab.wait_for_step("four", expanded="true")
    assert tab.page.url.endswith("#step-four")
    tab.find("[data-row=three]").focus()
    tab.page.keyboard.press("Enter")
    tab.wait_for_step("three", expanded="true")
    assert tab.page.evaluate("document.activeElement.dataset.toggleStep") == "three"


# Times


def test_times_tick_by_the_servers_clock_stand_still_when_cut_off_and_are_final_at_the_end(
    tabs, site, gates
):
    tab = tabs.new(site)
    tab.may_miss_network = True
    tab.page.add_init_script("Date.now = () => 0")
    tab.open_job(gates.job_id)
    gates.wait_for_rest("running pending pending pending", 0)
    elapsed, of_step = tab.find("[data-part=elapsed]"), tab.step("one").locator("[data-part=took]")

    def seconds():
        return int(elapsed.inner_text().split()[0])

    before = wait_for(seconds, what="a second")
    wait_for(lambda: seconds() >= before + 2, what="two seconds more")
    assert of_step.inner_text().endswith(" s")
    tab.context.set_offline(True)
    tab.wait_for_connection("offline")
    standing = elapsed.inner_text()
    indicator = tab.find("[data-part=as-of]")
    said = indicator.inner_text()
    expect(indicator).not_to_have_text(said)
    assert elapsed.inner_text() == standing
    tab.context.set_offline(False)
    tab.wait_for_connection("live")
    tab.act("cancel")
    tab.wait_for_status("cancelled")
    expect(tab.find("[data-part=progress]")).to_have_text(
        "0 of 4 steps · 0 of 2 children completed"
    )
    assert "." in elapsed.inner_text() or "min" in elapsed.inner_text()


# Levels


def levels(tab, step):
    return [level for _, level, _ in tab.lines(step)]


def test_a_level_that_is_pressed_shows_its_lines_and_those_above_and_again_all(tabs, site):
    job_id = site.submit("test_job", delay_ms=0, lines=100)
    structure = site.wait_for_end(job_id)
    counts = structure["steps"][0]["levels"]
    tab = tabs.new(site).open_job(job_id)
    tab.toggle("prepare")
    filters = tab.step("prepare").locator("[data-part=filter]")
    filters.get_by_role("link", name="warning").click()
    worse = counts["warning"] + counts["error"]
    said = tab.step("prepare").locator("[data-part=level-said]")
    expect(said).to_contain_text(
        f"Showing warnings and errors only: {worse} of {structure['steps'][0]['log_count']} lines."
    )
    wait_for(lambda: len(levels(tab, "prepare")) == worse, what="the lines")
    assert set(levels(tab, "prepare")) == {"warning", "error"}
    numbers = [number for number, *_ in tab.lines("prepare")]
    assert numbers == sorted(numbers)
    filters.get_by_role("link", name="error").focus()
    tab.page.keyboard.press("Enter")
    wait_for(lambda: levels(tab, "prepare") == ["error"] * counts["error"], what="the errors")
    said.get_by_text("Show all").click()
    expect(said).to_be_hidden()
    wait_for(
        lambda: len(levels(tab, "prepare")) == structure["steps"][0]["log_count"], what="all lines"
    )
    tab.check_shown()


def test_the_lines_of_a_level_keep_coming_at_most_once_a_second(tabs, site):
    job_id = site.submit("test_job", delay_ms=15, lines=300)
    tab = tabs.new(site).open_job(job_id)
    tab.wait_for_step("prepare", status="running", expanded="true")
    tab.step("prepare").locator("[data-part=filter]").get_by_role("link", name="warning").click()
    pressed = tab.now()
    tab.wait_for_step("prepare", status="completed", seconds=60)
    counts = site.structure(job_id)["steps"][0]["levels"]
    wait_for(
        lambda: len(levels(tab, "prepare")) == counts["warning"] + counts["error"],
        what="all of the level",
    )
    starts = [call["startedAt"] for call in tab.calls("logs", "prepare", since=pressed)]
    # on a busy machine the page may be stopped between its look at the clock and the call
    assert all(
        later - earlier >= 900 for earlier, later in zip(starts, starts[1:], strict=False)
    ), starts
    tab.check_shown()
    site.post(f"/api/jobs/{job_id}/cancel")  # the tests to come need the workers


def test_a_level_in_the_address_is_kept_by_scripts_and_a_link_to_a_line_ends_it(tabs, site):
    job_id = site.submit("test_job", delay_ms=0, lines=50)
    site.wait_for_end(job_id)
    tab = tabs.new(site).open_job(job_id, "?open=build&level=error")
    assert set(levels(tab, "build")) == {"error"}
    tab.page.evaluate("location.hash = '#build:1'")
    expect(tab.find('[data-step="build"] [data-line="1"]')).to_be_in_viewport()
    expect(tab.step("build").locator("[data-part=level-said]")).to_be_hidden()


# Everybody


def test_changes_of_status_are_announced_politely_and_lines_are_not(tabs, site, gates):
    tab = tabs.new(site).open_job(gates.job_id)
    gates.wait_for_rest("running pending pending pending", 0)
    news = tab.find("[data-part=news]")
    assert news.get_attribute("role") == "status"
    tab.page.evaluate("""() => {
        window.news = [];
        const node = document.querySelector("[data-part=news]");
        new MutationObserver(() => window.news.push(node.textContent))
            .observe(node, { childList: true, subtree: true, characterData: true });
    }""")
    gates.open("one-a")
    gates.open("one-b")
    gates.open("two", "fail")
    gates.open("three", "fail")
    tab.wait_for_status("failed")
    told = wait_for(
        lambda: "the job failed" in (said := tab.page.evaluate("window.news.join('; ')")) and said
    )
    assert "three failed" in told and "one completed" in told
    assert not any(word in told for word in ("line", "child"))


def test_the_end_is_told_by_a_notification_that_was_asked_for_even_while_the_page_is_hidden(
    tabs, site, gates
):
    tab = tabs.new(site)
    tab.page.add_init_script("""
        window.told = [];
        window.asked = 0;
        window.Notification = class {
          static async requestPermission() { window.asked += 1; return "granted"; }
          constructor(title) { window.told.push(title); }
          close() {}
        };
    """)
    tab.open_job(gates.job_id)
    assert tab.page.evaluate("window.asked") == 0
    tab.find("[data-part=notify]").click()
    expect(tab.find("[data-part=said]")).to_have_text("You will be told when it ends.")
    tab.page.evaluate("""() => {
        Object.defineProperty(document, "hidden", { value: true, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    site.post(f"/api/jobs/{gates.job_id}/cancel")
    wait_for(lambda: tab.page.evaluate("window.told"), what="the notification")
    assert tab.page.evaluate("window.told") == ["A gated job: cancelled"]
    expect(tab.find("[data-part=notify]")).to_be_hidden()


def test_nothing_moves_while_a_job_goes_on_but_for_steps_that_open(tabs, site, gates):
    tab = tabs.new(site)
    tab.page.add_init_script(SHIFTS)
    tab.open_job(gates.job_id)
    gates.wait_for_rest("running pending pending pending", 0)
    tab.wait_for_step("one", status="running", expanded="true")
    tab.page.wait_for_function("window.shifts")
    tab.page.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => { "
        "window.shifts = []; done(); })))"
    )
    gates.open("one-a")
    gates.wait_for_rest("running pending pending pending", 1)
    expect(tab.step("one").locator("[data-count=completed]")).to_be_visible()
    tab.wait_for_last_line("one", 1)
    # a tick, and the frame after it
    tab.page.evaluate("new Promise((done) => setTimeout(done, 1100))")
    assert tab.page.evaluate("window.shifts") == []


@pytest.mark.parametrize("level", [None, "info"])
def test_nothing_moves_while_lines_come_and_the_oldest_go(tabs, site, level):
    job_id = site.submit("test_job", lines=1000, delay_ms=3)
    tab = tabs.new(site)
    tab.page.add_init_script(SHIFTS)
    tab.open_job(job_id)
    tab.wait_for_step("prepare", status="running", expanded="true")
    if level:
        tab.step("prepare").locator(f"[data-level-of={level}]").click()
    count = "document.querySelectorAll('[data-step=prepare] [data-line]').length"
    tab.page.wait_for_function(f"() => {count} > 100", polling=50)
    tab.page.evaluate("window.shifts = []")
    tab.page.wait_for_function(f"() => {count} >= 490", polling=50)
    first = tab.find("[data-step=prepare] [data-line]").first.get_attribute("data-line")
    tab.page.wait_for_function(
        (
            "() => Number(document.querySelector('[data-step=prepare] "
            f"[data-line]').dataset.line) > {first} + 500"
        ),
        polling=50,
    )
    shifts = tab.page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) < 0.001, shifts
    at_end = (
        "() => (({ scrollHeight, scrollTop, clientHeight }) => "
        "scrollHeight - scrollTop - clientHeight < 2)"
        "(document.querySelector('[data-step=prepare] [data-part=log]'))"
    )
    tab.page.wait_for_function(at_end, polling=50)
    site.post(f"/api/jobs/{job_id}/cancel")


@pytest.mark.parametrize("width", [390, 1280])
def test_no_width_makes_the_page_scroll_sideways(tabs, site, failed, width):
    tab = tabs.new(site, viewport={"width": width, "height": 800}).open_job(failed)
    assert tab.page.evaluate("document.documentElement.scrollWidth") == width


def test_on_a_phone_what_is_still_to_come_leaves_no_blank_and_moves_nothing_when_it_comes(
    tabs, site, gates
):
    tab = tabs.new(site, viewport={"width": 390, "height": 844}).open_job(gates.job_id)
    gates.wait_for_rest("running pending pending pending", 0)
    tab.toggle("four")
    tab.wait_for_step("four", expanded="true")
    places = ":is(.head .about > div, .step[open] .step-about > span)"
    unseen = tab.find(places).evaluate_all(
        "all => all.filter((one) => !one.checkVisibility({ visibilityProperty: true }) && "
        "one.offsetHeight > 0).length"
    )
    assert (tab.find(places).count() > 8, unseen) == (True, 0)
    before = tab.find(places).evaluate_all("all => all.map((one) => one.offsetHeight)")
    site.post(f"/api/jobs/{gates.job_id}/cancel")
    tab.wait_for_status("cancelled")
    assert tab.find("[data-part=finished]").first.get_attribute("datetime")
    assert tab.find(places).evaluate_all("all => all.map((one) => one.offsetHeight)") == before
