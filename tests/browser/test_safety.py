"""What others have written stays text, nothing is inline, nothing comes from elsewhere, and
little comes at all.
"""

import gzip

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

MARKUP = "<img src=x onerror=alert(7)>"
MOST_BYTES = 40 * 1024  # of scripts and styles, gzipped
NARROW = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def hostile(site):
    """A job whose names, parameters and lines are markup and terminal escapes."""
    job_id = site.submit("hostile", text=f"{MARKUP}\x1b[31mred\x1b[0m")
    assert site.wait_for_end(job_id)["status"] == "completed"
    return job_id


def check_that_it_is_plain(tab):
    """Assert that nothing was taken for markup, and nothing on the page is inline."""
    assert tab.find("img").count() == 0
    assert "\x1b" not in "".join(tab.find("[data-line]").all_inner_texts())
    assert tab.find("script:not([src]), style, [style]").count() == 0
    assert (
        tab.page.evaluate(
            "[...document.querySelectorAll('*')].flatMap((node) => "
            "node.getAttributeNames()).filter((name) => name.startsWith('on'))"
        )
        == []
    )
    assert tab.recorded("violations") == []
    assert not [url for url in tab.requests if url.endswith("/x")]


def test_names_parameters_lines_and_errors_stay_text_as_served_and_as_patched(site, tabs, hostile):
    tab = tabs.new(site).open_job(hostile)
    assert tab.find("h1").inner_text() == "<img src=x onerror=alert(1)>"
    expect(tab.find("main")).to_contain_text(MARKUP)
    tab.wait_for_last_line("loud", 2)
    served = tab.lines("loud")
    assert [text for _, _, text in served] == [f"{MARKUP}red"] * 2
    tab.toggle("loud")
    tab.toggle("loud")
    tab.wait_for_last_line("loud", 2)
    assert tab.lines("loud") == served
    tab.toggle("wide")
    tab.wait_for_last_line("wide", 2)
    assert tab.lines("wide")[-1][2] == "red <img src=x onerror=alert(6)>"
    check_that_it_is_plain(tab)
    for path, text in (
        ("/", "<img src=x onerror=alert(1)>"),
        ("/definitions/hostile", "<img src=x onerror=alert(4)>"),
    ):
        tab.open(path)
        expect(tab.find("main")).to_contain_text(text)
        check_that_it_is_plain(tab)
    rerun = site.post(f"/api/jobs/{hostile}/rerun").json()["id"]
    tab.open_job(rerun)
    tab.wait_for_status("completed")
    check_that_it_is_plain(tab)


@pytest.mark.parametrize("page", ["job", "list"])
def test_the_scripts_and_styles_of_a_page_are_together_under_40_kib_gzipped(
    site, tabs, hostile, page
):
    loaded = {}

    def note(response):
        if response.request.resource_type in ("script", "stylesheet"):
            loaded[response.url] = None

    tab = tabs.new(site)
    tab.page.on("response", note)
    tab.open(f"/jobs/{hostile}" if page == "job" else "/").wait_for_connection("live")
    assert any(url.endswith(".css") for url in loaded) and any("socket.io" in url for url in loaded)
    sizes = {
        url: len(gzip.compress(site.get(url.removeprefix(site.url)).content)) for url in loaded
    }
    assert sum(sizes.values()) < MOST_BYTES, sizes


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_no_page_scrolls_sideways(site, tabs, hostile, scheme):
    tab = tabs.new(site, viewport=NARROW, color_scheme=scheme)
    tab.open_job(hostile)
    tab.toggle("wide")
    tab.wait_for_last_line("wide", 2)
    backgrounds = {check_width(tab)}
    for path in ("/", "/definitions/hostile", "/definitions/particular"):
        tab.open(path)
        backgrounds.add(check_width(tab))
    assert len(backgrounds) == 1
    assert is_bright(backgrounds.pop()) == (scheme == "light")


def check_width(tab):
    """Assert that the page, with its styles, is no wider than its window.

    Returns its background.
    """
    tab.page.wait_for_load_state("load")
    assert (
        tab.page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
        == [NARROW["width"]] * 2
    )
    return tab.page.evaluate("getComputedStyle(document.body).backgroundColor")


def is_bright(colour):
    """Say whether a colour as computed (`rgb(250, 250, 250)`) is nearer to white than to black."""
    return sum(int(part) for part in colour.strip("rgba()").split(",")[:3]) > 3 * 127
