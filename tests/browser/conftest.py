"""What people do with the pages: each flow on a desk and on a phone, light and dark."""

import pytest

from browser.tab import LOOKS
from helpers.browsers import Tabs

FLOWS = (
    "test_actions",
    "test_expanding",
    "test_keyboard",
    "test_list",
    "test_list_filters",
    "test_log_lines",
    "test_result",
    "test_start_form",
    "test_start_page",
)


def pytest_generate_tests(metafunc):
    """Have the flows run in each look; a test that says how wide its tabs are has its own."""
    if "tabs" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in FLOWS:
        metafunc.parametrize("flow_look", LOOKS, indirect=True)


@pytest.fixture
def flow_look(request):
    """Options of a browser's context."""
    return LOOKS[getattr(request, "param", "desk")]


@pytest.fixture
def tabs(chromium, flow_look):
    tabs = Tabs(chromium, flow_look)
    yield tabs
    tabs.close()
    tabs.check()
