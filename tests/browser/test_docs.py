"""The documents in a browser: on a phone as on a desk, in the light and the dark, without scripts
too.
"""

import pytest
from playwright.sync_api import expect

from helpers.paths import ROOT

pytestmark = pytest.mark.browser

ADDRESSES = [
    "/docs",
    *(f"/docs/{file.stem}" for file in (ROOT / "docs").glob("*.md") if file.stem != "README"),
]
JUDGED = ("/docs", "/docs/step-types", "/docs/how-it-works")  # all kinds of parts
AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text()
JUDGE = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}`));
}"""
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.mark.parametrize(("viewport", "scheme"), [(PHONE, "dark"), (DESK, "light")])
def test_no_document_scrolls_sideways_or_has_what_axe_finds(site, tabs, viewport, scheme):
    tab = tabs.new(site, viewport=viewport, color_scheme=scheme)
    for address in ADDRESSES:
        tab.open(address)
        width = tab.page.evaluate("document.documentElement.scrollWidth")
        assert width == viewport["width"], address
        assert tab.find("header.top").bounding_box()["height"] < 60, address
        if address in JUDGED:
            tab.page.evaluate(AXE)
            assert tab.page.evaluate(JUDGE) == [], address


def test_a_wide_table_scrolls_in_its_frame(site, tabs):
    tab = tabs.new(site, viewport=PHONE).open("/docs/how-it-works")
    wide = tab.page.evaluate(
        "[...document.querySelectorAll('.table-frame')].map((f) => f.scrollWidth - f.clientWidth)"
    )
    assert max(wide) > 0


def test_without_scripts_links_lead_from_document_to_document(site, tabs):
    tab = tabs.new(site, java_script_enabled=False).open("/")
    tab.follow(tab.find("header").get_by_role("link", name="Docs"))
    tab.follow(tab.page.get_by_role("article").get_by_role("link", name="Step types"))
    expect(tab.find("h1")).to_have_text("Step types")
    tab.follow(tab.page.get_by_role("link", name="those that every step has"))
    expect(tab.find("h2#steps")).to_be_in_viewport()
