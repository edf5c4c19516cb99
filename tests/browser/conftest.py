"""One Chromium and one server for all tests of the pages; a test opens tabs, and each is
checked when the test is over.
"""

import os
import shutil
from contextlib import contextmanager

import pytest
from conftest import ROOT, Server
from playwright.sync_api import expect, sync_playwright

from browser.gates import DEFINITIONS
from browser.tab import LOOKS, Tab

# What people do with the pages is done on a desk and on a phone, in the light and in the dark
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
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_generate_tests(metafunc):
    """Have the flows run in each look; a test that says how wide its tabs are has its own."""
    if "tabs" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in FLOWS:
        metafunc.parametrize("flow_look", LOOKS, indirect=True)


@pytest.fixture
def flow_look(request):
    """Options of a browser's context."""
    return LOOKS[getattr(request, "param", "desk")]


@pytest.fixture(scope="package")
def chromium():
    """A Chromium.

    It ends with these tests: while it runs, no other test could run an event loop of its own.
    """
    with launched() as browser:
        yield browser


@contextmanager
def launched(**options):
    """Run a Chromium, with Playwright's options."""
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    path = shutil.which("chromium")
    assert path, "these tests need Chromium: `make test-tools` installs it"
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments, **options)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def site(tmp_path_factory):
    """A running server with small definitions, for tests that only add jobs to it."""
    site = Server(tmp_path_factory.mktemp("site"))
    for path in [*DEFINITIONS.glob("*.toml"), ROOT / "definitions" / "test_job.toml"]:
        shutil.copy(path, site.definitions)
    yield site.start()
    site.stop()


class Tabs:
    """Opens tabs, of this kind, and remembers them."""

    kind = Tab

    def __init__(self, chromium, look=LOOKS["desk"]):
        self._chromium = chromium
        self._look = look
        self._contexts = []
        self._tabs = []

    def new(self, server, beside=None, **options):
        """Return a tab for pages of a server: in a context of its own with these options, or in
        that of the tab `beside`.
        """
        context = beside.context if beside else self._new_context(options)
        self._tabs.append(self.kind(context, server.url))
        return self._tabs[-1]

    def _new_context(self, options):
        # drawing what turns would take the tests' time
        context = self._chromium.new_context(
            **{"reduced_motion": "reduce", **self._look, **options}
        )
        self._contexts.append(context)
        return context

    def close(self):
        for tab in self._tabs:
            tab.close()
        for context in self._contexts:
            context.close()

    def check(self):
        for tab in self._tabs:
            tab.check()


@pytest.fixture
def tabs(chromium, flow_look):
    tabs = Tabs(chromium, flow_look)
    yield tabs
    tabs.close()
    tabs.check()
