"""A step's lines on the page: numbered, complete and in order; a collapsed step holds none and
fetches none.
"""

import pytest
from playwright.sync_api import expect

from browser.tab import LATEST, stored_lines
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser


def first_number(tab, step):
    return int(tab.find(f'[data-step="{step}"] [data-line]').first.get_attribute("data-line"))


def wait_for_earlier(tab, step, number):
    wait_for(lambda: first_number(tab, step) < number, 5, f"lines before {number}")


def test_the_latest_500_lines_are_there_and_all_earlier_ones_a_click_away(site, tabs):
    job_id = site.submit("wordy", lines=2300)
    tab = tabs.new(site).open_job(job_id)
    site.wait_for_end(job_id)
    if tab.step("talk").get_attribute("data-expanded") == "false":
        tab.toggle("talk")  # the job was over before the page was there
    tab.wait_for_last_line("talk", 2300)
    stored = stored_lines(site, job_id, "talk")
    assert [number for number, *_ in stored] == list(range(1, 2301))
    seen = tab.lines("talk")
    assert seen == stored[-LATEST:]
    while seen[0][0] > 1:
        tab.step("talk").get_by_text("Show earlier lines").click()
        wait_for_earlier(tab, "talk", seen[0][0])
        held = tab.lines("talk")
        assert held[:LATEST] == stored[held[0][0] - 1 :][:LATEST], (
            "they follow each other without a gap"
        )
        seen = sorted(set(seen) | set(held))
    assert seen == stored
    expect(tab.step("talk").get_by_text("Show earlier lines")).to_be_hidden()
    tab.step("talk").get_by_text("Show the last lines").click()
    wait_for(lambda: tab.lines("talk") == stored[-LATEST:], 5, "the last lines again")


# The rows of a log in order: the number of a line, or what the control of a gap says
ROWS = (
    """rows => rows.map((row) => row.dataset.line ? Number(row.dataset.line) : row.textContent)"""
)


def gaps_of(tab, step, numbers):
    """Return the gaps of a log, `(control, left out)`. Assert that everywhere else each of
    `numbers` is followed by the next.
    """
    rows = tab.find(f'[data-step="{step}"] [data-part=rows] > li').evaluate_all(ROWS)
    place = {number: index for index, number in enumerate(numbers)}
    gaps = []
    for before, row, after in zip(rows[:-1], rows[1:], [*rows[2:], None], strict=True):
        if isinstance(row, str):
            gaps.append((row, place[after] - place[before] - 1))
        elif not isinstance(before, str):
            assert place[row] == place[before] + 1, (before, row)
    return gaps


def test_a_level_is_gone_back_in_to_its_first_line_with_gaps_only_where_lines_of_it_are_left_out(
    site, tabs
):
    job_id = site.submit("wordy", lines=14_000)
    site.wait_for_end(job_id)
    tab = tabs.new(site).open_job(job_id, "?open=talk&level=warning")
    stored = stored_lines(site, job_id, "talk", "warning")
    numbers = [number for number, *_ in stored]
    assert len(stored) > 2500
    wait_for(lambda: tab.lines("talk") == stored[-LATEST:], 5, "the last lines of the level")
    step, seen = tab.step("talk"), len(stored) - LATEST
    while seen > 0:
        assert gaps_of(tab, "talk", numbers) == [] or seen < len(stored) - 2000
        step.get_by_text("Show earlier lines").click()
        wait_for_earlier(tab, "talk", numbers[seen])
        held = tab.lines("talk")
        assert held[0] == stored[max(seen - LATEST, 0)] and set(held) <= set(stored)
        seen = stored.index(held[0])
    expect(step.get_by_text("Show earlier lines")).to_be_hidden()
    ((control, left_out),) = gaps_of(tab, "talk", numbers)
    assert f": {left_out} are left out here" in control
    gap = step.locator(".log-gap button")
    gap.click()
    expect(gap).not_to_have_text(control)
    assert len(gaps_of(tab, "talk", numbers)) >= 1
    step.get_by_text("Show the last lines").click()
    wait_for(lambda: tab.lines("talk") == stored[-LATEST:], 5, "the last lines again")
    tab.check_shown()


def test_lines_of_a_level_that_come_while_earlier_ones_are_read_follow_the_last(site, tabs):
    job_id = site.submit("test_job", delay_ms=5, lines=1000)
    tab = tabs.new(site).open_job(job_id)
    tab.wait_for_step("prepare", status="running", expanded="true")
    tab.step("prepare").locator("[data-level-of=warning]").click()
    wait_for(lambda: len(tab.lines("prepare")) > 40, 20, "more warnings than are in view")
    tab.find('[data-step="prepare"] [data-part=log]').evaluate("box => { box.scrollTop = 0; }")
    first, count = tab.lines("prepare")[0], len(tab.lines("prepare"))
    wait_for(lambda: len(tab.lines("prepare")) > count + 20, 20, "more warnings")
    held = tab.lines("prepare")
    assert held == stored_lines(site, job_id, "prepare", "warning")[: len(held)]
    assert held[0] == first
    expect(tab.find(f'[data-step="prepare"] [data-line="{first[0]}"]')).to_be_in_viewport()
    site.post(f"/api/jobs/{job_id}/cancel")


def test_a_collapsed_step_holds_no_lines_and_fetches_none_until_it_is_opened(site, tabs):
    job_id = site.submit("endless")
    tab = tabs.new(site).open_job(job_id)
    tab.wait_for_step("ticking", status="running", expanded="true")
    wait_for(lambda: len(tab.calls("logs", "ticking")) > 1, what="fetches of an open step's lines")
    tab.toggle("ticking")
    tab.wait_for_step("ticking", expanded="false")
    closed_at, count = tab.now(), log_count(tab, "ticking")
    wait_for(lambda: log_count(tab, "ticking") > count + 20, what="20 more lines")
    assert tab.calls("logs", "ticking", since=closed_at) == []
    site.post(f"/api/jobs/{job_id}/cancel")
    tab.wait_for_status("cancelled")
    assert tab.lines("ticking") == [] and tab.calls("logs", "ticking", since=closed_at) == []
    tab.check_shown()
    tab.toggle("ticking")
    stored = stored_lines(site, job_id, "ticking")
    tab.wait_for_last_line("ticking", len(stored))
    assert tab.lines("ticking") == stored


def log_count(tab, step):
    return int(tab.step(step).get_attribute("data-log-count"))


def test_a_link_opens_its_step_at_its_line(site, tabs):
    job_id = site.submit("wordy", lines=1200)
    site.wait_for_end(job_id)
    tab = tabs.new(site).open(f"/jobs/{job_id}#talk:300")
    tab.wait_for_step("talk", expanded="true")
    target = tab.find('[data-line="300"]')
    expect(target).to_be_in_viewport()
    assert [line for line in tab.lines("talk") if line[0] == 300] == stored_lines(
        site, job_id, "talk"
    )[299:300]
    tab.find('[data-line="301"] a').click()
    assert tab.page.url.endswith("#talk:301")
    tab.page.evaluate("location.hash = '#talk:1199'")
    expect(tab.find('[data-line="1199"]')).to_be_in_viewport()
    tab.page.evaluate("location.hash = '#talk:9999'")
    expect(tab.step("talk").get_by_role("status")).to_contain_text("9999")
    tab.page.evaluate("location.hash = '#nobody:1'")
    tab.check_shown()


def target(tab):
    return tab.find(".is-target").evaluate_all("rows => rows.map((row) => row.id)")


def go_to(tab, hash):
    tab.page.evaluate("hash => location.hash = hash", hash)


def test_of_two_links_the_later_counts_whichever_answer_is_slower(site, tabs):
    job_id = site.submit("wordy", lines=3000)
    site.wait_for_end(job_id)
    tab = tabs.new(site).open_job(job_id)
    tab.toggle("talk")
    tab.wait_for_last_line("talk", 3000)
    held = []
    tab.page.route("**/logs?*after=49*", lambda route: held.append(route))
    go_to(tab, "#talk:300")
    wait_for(lambda: tab.page.wait_for_timeout(10) or held, what="the first request")
    go_to(tab, "#talk:1500")
    expect(tab.find('[data-line="1500"]')).to_be_in_viewport()
    with tab.page.expect_response("**/logs?*after=49*"):
        held[0].continue_()
    tab.page.wait_for_timeout(100)
    assert target(tab) == ["talk:1500"] and not tab.find('[data-line="300"]').count()
    expect(tab.find('[data-line="1500"]')).to_be_in_viewport()


def test_what_is_said_of_a_line_is_true(site, tabs):
    job_id = site.submit("endless")
    tab = tabs.new(site).open_job(job_id)
    tab.wait_for_last_line("ticking", 2)
    said = tab.step("ticking").get_by_role("status")
    tab.may_miss_network = True
    tab.page.route(
        "**/logs?*after=*",
        lambda route: route.abort() if "limit=500" in route.request.url else route.continue_(),
    )
    go_to(tab, "#ticking:50000")
    expect(said).to_contain_text("could not be fetched")
    tab.page.unroute("**/logs?*after=*")
    go_to(tab, "#ticking:1")
    expect(said).to_be_empty()
    assert target(tab) == ["ticking:1"]
    soon = log_count(tab, "ticking") + 20
    go_to(tab, f"#ticking:{soon}")
    expect(said).to_contain_text(f"no line {soon} yet")
    expect(tab.find(f'[data-line="{soon}"]')).to_be_in_viewport()
    expect(said).to_be_empty()
    assert target(tab) == [f"ticking:{soon}"]
    go_to(tab, "#before:1")
    expect(tab.find(".is-target")).to_have_attribute("id", "before:1")
    assert len(target(tab)) == 1, "one in the page"
    site.post(f"/api/jobs/{job_id}/cancel")


# Shows lines in a log of its own, more of them after each frame: between a frame's scrolling and
# the event that tells of it
FAST = """async (frames) => {
  const { LogView } = await import("/static/js/job/log_view.js");
  const { empty } = await import("/static/js/job/scrolling.js");
  const { ALL_LINES } = await import("/static/js/sync/log_feed.js");
  const body = document.getElementById("step-talk").cloneNode(true);
  body.querySelector("[data-part=rows]").replaceChildren();
  body.open = true;
  document.querySelector("main").append(body);
  const open = () => new LogView(body, {
    step: "fast",
    pattern: document.querySelector("#line-pattern"),
    source: ALL_LINES,
    read: async () => ({ items: [] }),
    logCount: 0
  });
  const box = body.querySelector("[data-part=log]");
  let view = open();
  window.fast = {
    box,
    fromEnd: () => box.scrollHeight - box.clientHeight - box.scrollTop,
    rows: () => box.querySelectorAll("[data-line]").length
  };
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  let last = 0;
  window.fast.showLatest = () => view.showLatest();
  window.fast.closeAndOpen = () => {
    view.close();
    empty(box, body.querySelector("[data-part=rows]"));
    view = open();
    return box.scrollTop; // has the box laid out meanwhile, as other parts of a page do
  };
  window.fast.grow = async (frames) => {
    for (let turn = 0; turn < frames; turn += 1) {
      const lines = Array.from({ length: 7 }, () => ({
        line: (last += 1), place: last, level: "info", at: new Date().toISOString(),
        message: `line ${last}`
      }));
      view.add(lines, last);
      await frame();
    }
    for (let left = 4; left > 0; left -= 1) await frame(); // what waits for frames of its own
  };
  await window.fast.grow(frames);
}"""


@pytest.fixture
def fast(site, tabs):
    """A page with a log that follows its end, and has not yet been given more lines than it
    holds.
    """
    job_id = site.submit("wordy", lines=1)
    site.wait_for_end(job_id)
    tab = tabs.new(site).open_job(job_id)
    tab.page.evaluate(FAST, 60)
    return tab.page


def test_a_log_follows_its_end_however_fast_lines_come(fast):
    assert fast.evaluate("[fast.rows(), fast.fromEnd() <= 1]") == [420, True]
    fast.evaluate("fast.grow(120)")
    assert fast.evaluate("[fast.rows(), fast.fromEnd() <= 1]") == [LATEST, True]


@pytest.mark.parametrize("held", [420, LATEST], ids=["with room for more lines", "trimmed"])
def test_a_viewer_who_scrolls_up_stays_there_however_fast_lines_come(fast, held):
    if held == LATEST:
        fast.evaluate("fast.grow(120)")
    fast.evaluate(
        "(async () => { const growing = fast.grow(60); "
        "fast.box.scrollBy(0, -200); await growing; })()"
    )
    row = (
        "Array.from(fast.box.querySelectorAll('[data-line]'))"
        ".find((row) => row.offsetTop + row.offsetHeight > fast.box.scrollTop).dataset.line"
    )
    before = fast.evaluate(row)
    rows = fast.evaluate("fast.rows()")
    assert rows in (held + 420, held + 413), (
        "but for the seven lines that came before the viewer scrolled, nothing is trimmed "
        "under their eyes"
    )
    assert fast.evaluate("fast.fromEnd() > 1000")
    fast.evaluate("fast.grow(20)")
    assert fast.evaluate(row) == before


def test_who_goes_back_to_the_end_follows_it_though_the_log_is_still_being_scrolled(fast):
    fast.evaluate(
        "(async () => { fast.box.scrollTop = 100; await fast.grow(1); fast.box.scrollTop = "
        "200; fast.showLatest(); await fast.grow(120); })()"
    )
    assert fast.evaluate("[fast.rows(), fast.fromEnd() <= 1]") == [LATEST, True]


def test_a_log_that_is_opened_again_follows_its_end(fast):
    fast.evaluate("(async () => { fast.closeAndOpen(); await fast.grow(120); })()")
    assert fast.evaluate("[fast.rows(), fast.fromEnd() <= 1]") == [LATEST, True]


def test_a_log_of_very_long_lines_is_served_followed_and_gone_through_in_pages_that_end_early(
    site, tabs
):
    job_id = site.submit("long_lines")
    assert site.wait_for_end(job_id)["steps"][0]["log_count"] == 600
    tab = tabs.new(site).open(f"/jobs/{job_id}?open=long")
    tab.wait_for_last_line("long", 600)
    served = first_number(tab, "long")
    assert 101 < served < 600, "fewer than the usual 500 are served"
    tab.step("long").get_by_text("Show earlier lines").click()
    wait_for_earlier(tab, "long", served)
    numbers = [
        int(line.get_attribute("data-line"))
        for line in tab.find('[data-step="long"] [data-line]').all()
    ]
    assert numbers == list(range(numbers[0], 601)), "they follow each other without a gap"
    # further from the first of its page than a page has room for
    tab.page.evaluate("location.hash = '#long:248'")
    expect(tab.page.locator(".is-target")).to_have_attribute("data-line", "248")
