"""The result of a job: sorted by the heads of its tables, taken away as CSV and JSON."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(shared_server, tmp_path_factory):
    """The id of a `codebase_classify` that has ended."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "big.py").write_text("x = 1\n" * 1100)
    (folder / "small.js").write_text("let x;\n" * 9)
    (folder / "notes.md").write_text("# Notes\n" * 20)
    job_id = shared_server.submit("codebase_classify", folder=str(folder))
    assert shared_server.wait_for_end(job_id)["status"] == "completed"
    return job_id


def languages(tab):
    return tab.find("section:has(> .title-row h3:text-is('Languages')) > .table-frame table").first


def names(tab):
    return languages(tab).locator("tbody td:first-child").all_inner_texts()


def test_a_table_is_sorted_by_its_heads_with_the_mouse(shared_server, tabs, report):
    tab = tabs.new(shared_server).open_job(report)
    assert names(tab) == ["Python", "Markdown", "JavaScript"]
    lines, name = (languages(tab).get_by_role("columnheader", name=head) for head in ("Lines", "Name"))
    lines.get_by_role("button").click()
    expect(lines).to_have_attribute("aria-sort", "descending")
    assert names(tab) == ["Python", "Markdown", "JavaScript"]
    lines.get_by_role("button").click()
    expect(lines).to_have_attribute("aria-sort", "ascending")
    assert names(tab) == ["JavaScript", "Markdown", "Python"], "9 and 20 and 1,100 are numbers"
    size = languages(tab).get_by_role("columnheader", name="Bytes")
    size.get_by_role("button").click()
    expect(size).to_have_attribute("aria-sort", "descending")
    assert names(tab) == ["Python", "Markdown", "JavaScript"], "6.6 kB are more than 180 bytes and 63"
    name.get_by_role("button").click()
    expect(name).to_have_attribute("aria-sort", "ascending")
    assert lines.get_attribute("aria-sort") is None
    assert names(tab) == ["JavaScript", "Markdown", "Python"]


def test_a_table_is_sorted_with_the_keyboard_and_the_focus_stays(shared_server, tabs, report):
    tab = tabs.new(shared_server).open_job(report)
    head = languages(tab).get_by_role("columnheader", name="Name")
    button = head.get_by_role("button")
    button.focus()
    tab.page.keyboard.press("Enter")
    tab.page.keyboard.press("Space")
    expect(head).to_have_attribute("aria-sort", "descending")
    assert names(tab) == ["Python", "Markdown", "JavaScript"]
    expect(button).to_be_focused()


def test_a_result_that_comes_while_the_page_is_open_can_be_sorted_too(shared_server, tabs, tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "b.js").write_text("let x;\n" * 2)
    tab = tabs.new(shared_server).open_job(shared_server.submit("codebase_classify", folder=str(tmp_path)))
    tab.wait_for_status("completed")
    head = languages(tab).get_by_role("columnheader", name="Lines")
    head.get_by_role("button").click()
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert names(tab) == ["Python", "JavaScript"]
    tab.check_shown()


@pytest.mark.parametrize("link, name", [("JSON of the result", ".json"), ("CSV of Languages", "-languages.csv")])
def test_a_result_is_downloaded_by_a_link(shared_server, tabs, report, link, name):
    tab = tabs.new(shared_server).open_job(report)
    with tab.page.expect_download() as download:
        tab.page.get_by_role("link", name=link).first.click()
    assert download.value.suggested_filename == f"codebase_classify-{report}{name}"


def test_without_scripts_there_is_nothing_to_press_in_a_table(shared_server, tabs, report):
    tab = tabs.new(shared_server, java_script_enabled=False).open(f"/jobs/{report}")
    assert languages(tab).locator("button").count() == 0
    assert names(tab) == ["Python", "Markdown", "JavaScript"]


def test_a_phone_shows_the_whole_width_of_tables_of_up_to_five_columns(shared_server, tabs, report):
    tab = tabs.new(shared_server, viewport={"width": 390, "height": 844}).open_job(report)
    frames = tab.find(".sections > section > .table-frame:visible:not(:has(th:nth-child(6)))")
    hidden = frames.evaluate_all("frames => frames.filter((frame) => frame.scrollWidth > frame.clientWidth).length")
    assert (frames.count() >= 3, hidden) == (True, 0)
    assert tab.page.evaluate("document.documentElement.scrollWidth") == 390
