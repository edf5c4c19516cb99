"""The form that limits the list: what is chosen is sent at once, by mouse and by keyboard, and
all of it is in the address.
"""

from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture
def tab(site, tabs):
    tab = tabs.new(site).open("/?limit=7")
    tab.wait_for_connection("live")
    tab.may_miss_network = True  # the next pages are left while they connect
    return tab


def field(tab, name):
    return tab.find(f".search [name={name}]")


def asked(tab):
    """Return what the address says."""
    return dict(parse_qsl(urlsplit(tab.page.url).query, keep_blank_values=True))


def changing_page(tab):
    """Let the page go to another one meanwhile."""
    tab._wanted_loads += 1
    return tab.page.expect_event("domcontentloaded")


def test_what_is_chosen_by_mouse_is_sent_at_once_and_keeps_the_focus(tab):
    with changing_page(tab):
        field(tab, "definition").select_option("short")
    assert asked(tab) == {"limit": "7", "definition": "short"}
    expect(field(tab, "definition")).to_be_focused()
    with changing_page(tab):
        field(tab, "since").fill("2026-01-31")
    assert asked(tab) == {"limit": "7", "definition": "short", "since": "2026-01-31"}
    with changing_page(tab):
        field(tab, "since").fill("")
    assert asked(tab) == {"limit": "7", "definition": "short"}


def test_going_through_the_choices_by_keyboard_sends_nothing_until_enter(tab):
    field(tab, "definition").focus()
    for _ in "12":
        tab.page.keyboard.press("ArrowDown")
    field(tab, "q").focus()
    assert asked(tab) == {"limit": "7"}
    field(tab, "definition").focus()
    chosen = field(tab, "definition").input_value()
    with changing_page(tab):
        tab.page.keyboard.press("Enter")
    assert asked(tab) == {"limit": "7", "definition": chosen}


def test_a_day_that_is_typed_is_sent_by_enter(tab):
    field(tab, "since").focus()
    tab.page.keyboard.type("11222026")
    assert asked(tab) == {"limit": "7"}
    with changing_page(tab):
        tab.page.keyboard.press("Enter")
    assert asked(tab) == {"limit": "7", "since": "2026-11-22"}


def test_words_are_sent_by_enter_and_the_filters_are_cleared_by_a_link(tab):
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("no such job")
    with changing_page(tab):
        tab.page.keyboard.press("Enter")
    assert asked(tab) == {"limit": "7", "q": "no such job"}
    expect(tab.find("[data-part=empty]")).to_contain_text("No job matches.")
    tab.follow(tab.page.get_by_role("link", name="Clear the filters"))
    assert asked(tab) == {"limit": "7"}


def test_a_status_is_chosen_beside_the_other_filters(tab):
    with changing_page(tab):
        field(tab, "definition").select_option("short")
    tab.follow(
        tab.page.get_by_role("navigation", name="Filter by status").get_by_role(
            "link", name="failed"
        )
    )
    assert asked(tab) == {"limit": "7", "definition": "short", "status": "failed"}
    with changing_page(tab):
        field(tab, "definition").select_option("")
    assert asked(tab) == {"limit": "7", "status": "failed"}


@pytest.mark.parametrize("width", [390, 1280, 2560])
@pytest.mark.parametrize(
    "query", ["/", "/?q=no+such+job&status=failed&since=2026-11-01", "/?cursor=MSAx"]
)
def test_no_list_scrolls_sideways(site, tabs, width, query):
    site.wait_for_end(site.submit("hostile", text="x" * 300))
    tab = tabs.new(site, viewport={"width": width, "height": 800}).open(query)
    tab.wait_for_connection("live")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
