"""The result of a job: sorted by the heads of its tables, taken away as CSV and JSON."""

import tomllib

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
    lines, name = (
        languages(tab).get_by_role("columnheader", name=head) for head in ("Lines", "Name")
    )
    lines.get_by_role("button").click()
    expect(lines).to_have_attribute("aria-sort", "descending")
    assert names(tab) == ["Python", "Markdown", "JavaScript"]
    lines.get_by_role("button").click()
    expect(lines).to_have_attribute("aria-sort", "ascending")
    assert names(tab) == ["JavaScript", "Markdown", "Python"], "9 and 20 and 1,100 are numbers"
    size = languages(tab).get_by_role("columnheader", name="Bytes")
    size.get_by_role("button").click()
    expect(size).to_have_attribute("aria-sort", "descending")
    assert names(tab) == ["Python", "Markdown", "JavaScript"], (
        "6.6 kB are more than 180 bytes and 63"
    )
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


def test_a_result_that_comes_while_the_page_is_open_can_be_sorted_too(
    shared_server, tabs, tmp_path
):
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "b.js").write_text("let x;\n" * 2)
    tab = tabs.new(shared_server).open_job(
        shared_server.submit("codebase_classify", folder=str(tmp_path))
    )
    tab.wait_for_status("completed")
    head = languages(tab).get_by_role("columnheader", name="Lines")
    head.get_by_role("button").click()
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert names(tab) == ["Python", "JavaScript"]
    tab.check_shown()


@pytest.mark.parametrize(
    "link, name", [("JSON of the result", ".json"), ("CSV of Languages", "-languages.csv")]
)
def test_a_result_is_downloaded_by_a_link(shared_server, tabs, report, link, name):
    tab = tabs.new(shared_server).open_job(report)
    with tab.page.expect_download() as download:
        tab.page.get_by_role("link", name=link).first.click()
    assert download.value.suggested_filename == f"codebase_classify-{report}{name}"


BLANKS = """() => [...document.querySelectorAll(".sections")].flatMap((node) => {
  const boxes = [...node.children]
    .map((section) => section.getBoundingClientRect())
    .filter(({ height }) => height > 0);
  return boxes.slice(1)
    .map((box, place) => [box, boxes[place]])
    .filter(([box, before]) => box.left === before.left)
    .map(([box, before]) => box.top - before.bottom);
})"""


@pytest.fixture(scope="module")
def strange(shared_server, tmp_path_factory):
    """The id of a `codebase_classify` of a folder of many languages and folders, with files
    that no rule knows.
    """
    folder = tmp_path_factory.mktemp("strange")
    for place, suffix in enumerate(
        ["py", "js", "c", "go", "rs", "java", "rb", "php", "cs", "kt", "sh", "pl", "lua"]
    ):
        (folder / f"part{place}").mkdir()
        (folder / f"part{place}" / f"a.{suffix}").write_text("x\n" * (place + 1))
    for suffix in ("zzq", "xxq"):
        (folder / f"odd.{suffix}").write_text("odd\n")
    job_id = shared_server.submit("codebase_classify", folder=str(folder))
    assert shared_server.wait_for_end(job_id)["status"] == "completed"
    return job_id


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_beside_a_long_table_a_short_one_is_followed_by_the_next_without_a_blank(
    shared_server, tabs, strange, width
):
    tab = tabs.new(shared_server, viewport={"width": width, "height": 900}).open_job(strange)
    for summary in tab.find(".result summary").all():
        summary.click()
    blanks = tab.page.evaluate(BLANKS)
    assert len(blanks) > 10 and max(blanks) < 40, blanks
    tops = tab.find(".result > .sections > section").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect().left)"
    )
    assert len(set(tops)) == (1 if width == 390 else 2)


def test_suggested_rules_are_one_block_that_a_button_copies(shared_server, tabs, strange):
    tab = tabs.new(shared_server, permissions=["clipboard-read", "clipboard-write"]).open_job(
        strange
    )
    button = tab.find("[data-copy]").first
    button.focus()
    tab.page.keyboard.press("Enter")
    expect(button).to_have_text("Copied Rule of Rules")
    expect(tab.find("[data-part=news]")).to_have_text("Copied")
    expect(button).to_be_focused()
    rules = tomllib.loads(tab.page.evaluate("navigator.clipboard.readText()"))["rule"]
    assert sorted(extension for rule in rules for extension in rule["extension"]) == ["xxq", "zzq"]
    expect(button).to_have_text("Copy Rule of Rules")


def test_without_scripts_there_is_nothing_to_press_in_a_table(shared_server, tabs, report):
    tab = tabs.new(shared_server, java_script_enabled=False).open(f"/jobs/{report}")
    assert languages(tab).locator("button").count() == 0
    assert names(tab) == ["Python", "Markdown", "JavaScript"]


def test_a_phone_shows_the_whole_width_of_tables_of_up_to_five_columns(shared_server, tabs, report):
    tab = tabs.new(shared_server, viewport={"width": 390, "height": 844}).open_job(report)
    frames = tab.find(".sections > section > .table-frame:visible:not(:has(th:nth-child(6)))")
    hidden = frames.evaluate_all(
        "frames => frames.filter((frame) => frame.scrollWidth > frame.clientWidth).length"
    )
    assert (frames.count() >= 3, hidden) == (True, 0)
    assert tab.page.evaluate("document.documentElement.scrollWidth") == 390
