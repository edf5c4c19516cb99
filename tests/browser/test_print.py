"""A job on paper: a report, ink on white, with all of its tables and nothing to press."""

import pytest
from playwright.sync_api import expect

from browser.test_result import report as report

pytestmark = pytest.mark.browser

HIDDEN = ("header.top", ".actions", "[download]", ".log", ".crumbs", "dialog")
A4 = {"width": 688, "height": 1000}  # what margins leave of it, in px


def on_paper(tabs, server, job_id, theme):
    tab = tabs.new(server, color_scheme=theme, viewport=A4).open_job(job_id)
    tab.page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    tab.page.emulate_media(media="print")
    return tab


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_job_is_printed_in_ink_on_white_with_nothing_to_press(shared_server, tabs, report, theme):
    tab = on_paper(tabs, shared_server, report, theme)
    colours = tab.page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, "
        "getComputedStyle(document.querySelector('h1')).color]"
    )
    assert colours == ["rgb(255, 255, 255)", "rgb(26, 34, 48)"]
    for selector in HIDDEN:
        assert [part for part in tab.find(selector).all() if part.is_visible()] == [], selector
    assert [
        button
        for button in tab.find("main button").all()
        if button.is_visible() and not button.locator("xpath=ancestor::th").count()
    ] == []


def test_a_printed_job_says_what_it_was_and_how_it_ended(shared_server, tabs, report):
    text = on_paper(tabs, shared_server, report, "light").find("main").inner_text()
    for word in (
        "Codebase Classify",
        "completed",
        report,
        "folder",
        "import_files",
        "rule_classify_files",
        "Result",
        "Python",
    ):
        assert word in text, word


def test_no_table_of_a_printed_result_is_cut_off(shared_server, tabs, report):
    tab = on_paper(tabs, shared_server, report, "light")
    expect(tab.find(".is-more table").first).to_be_visible()
    cut = """frames => frames.filter((frame) => {
        const style = getComputedStyle(frame);
        return style.maxHeight !== "none" || frame.scrollWidth > frame.clientWidth + 1;
    }).length"""
    assert tab.find(".table-frame:visible").evaluate_all(cut) == 0
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= A4["width"]


def test_the_reason_of_a_failure_is_printed(site, tabs):
    job_id = site.submit("test_job", workers=1, lines=1, delay_ms=0, failure_rate=1)
    site.wait_for_end(job_id)
    main = on_paper(tabs, site, job_id, "dark").find("main")
    expect(main.get_by_text("failed as it was told to").first).to_be_visible()
