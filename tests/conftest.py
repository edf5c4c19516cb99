"""The fixtures that carry the suite; `README.md` says which to know."""

import shutil

import hypothesis
import pytest
from playwright.sync_api import expect, sync_playwright

from browser.gates import DEFINITIONS
from helpers.apps import make_app
from helpers.browsers import launched
from helpers.by_hand import hand_on
from helpers.paths import ROOT
from helpers.servers import Server

# How long an example takes says nothing on a busy machine
hypothesis.settings.register_profile(
    "jobsync", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("jobsync")


# The files that take longest, the longest first: begun last, they would be waited for alone
LONGEST = (
    "faults/test_monitor_faults.py",
    "browser/long_look/test_long_look.py",
    "model/test_model.py",
    "faults/test_worker_faults.py",
    "faults/test_chaos.py",
)


def pytest_collection_modifyitems(items):
    """Put what takes longest first, then what needs Chromium, then the rest.

    Of the files that need Chromium those that mostly wait take turns with those that mostly
    compute: two that compute side by side are too many for two processors, and two that wait leave
    them idle.
    """
    files = list(dict.fromkeys(item.path for item in items))
    waiting = [file for file in files if file.parent.name == "faults"]
    computing = [file for file in files if file.parent.name == "browser"]
    place = {
        file: (1, number / len(group))
        for group in (waiting, computing)
        for number, file in enumerate(group)
    }
    for number, name in enumerate(LONGEST):
        place[ROOT / "tests" / name] = (0, number)
    items.sort(key=lambda item: place.get(item.path, (2, 0)))


@pytest.fixture
def app(tmp_path):
    return make_app(tmp_path)


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("core")


@pytest.fixture(scope="module")
def core(folder):
    """An app that the tests of a module share: making one takes long."""
    return make_app(folder)


@pytest.fixture
def hand(core, folder):
    """Monitor and workers played by hand on an empty store."""
    with hand_on(core, folder) as hand:
        yield hand


@pytest.fixture
def server(tmp_path):
    """A server that isn't started yet: a test starts it when its definitions and settings are
    there.
    """
    server = Server(tmp_path)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    """One running server with the definitions that ship, for tests that only add jobs to it."""
    server = Server(
        tmp_path_factory.mktemp("shared"), JOBSYNC_DEFINITIONS=str(ROOT / "definitions")
    ).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def playwright():
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright):
    with launched(playwright) as browser:
        yield browser


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A running server with small definitions, for tests that only add jobs to it."""
    site = Server(tmp_path_factory.mktemp("site"))
    for path in [*DEFINITIONS.glob("*.toml"), ROOT / "definitions" / "test_job.toml"]:
        shutil.copy(path, site.definitions)
    yield site.start()
    site.stop()
