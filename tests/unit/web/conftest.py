"""One app for the tests of a module, which ask for its pages as a browser without scripts does."""

import pytest

from helpers.apps import make_app
from helpers.by_hand import hand_on
from helpers.html import Browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def web_app(folder):
    return make_app(folder)


@pytest.fixture
def hand(web_app, folder):
    for file in (folder / "definitions").glob("*.toml"):
        file.unlink()
    with hand_on(web_app, folder) as hand:
        yield hand


@pytest.fixture
def browser(web_app, hand):
    """Gets pages as a browser without scripts does."""
    return Browser(web_app.test_client())
