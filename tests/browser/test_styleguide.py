"""The style guide in a browser: nothing in it goes wrong, and nothing goes beyond the edge."""

import pytest

from helpers.servers import Server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def debugging(tmp_path_factory):
    server = Server(
        tmp_path_factory.mktemp("debugging"), FLASK_DEBUG="1", JOBSYNC_WORKERS="0"
    ).start()
    yield server
    server.stop()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_part_fits_in_both_themes(debugging, tabs, theme, width):
    tab = tabs.new(debugging, color_scheme=theme, viewport={"width": width, "height": 900}).open(
        "/styleguide"
    )
    assert tab.page.evaluate("document.documentElement.scrollWidth") == width
    assert tab.find("[data-job-id]").count() == 5
