"""One Chromium and one server for all tests of the pages; a test opens tabs, and each is checked when the test is over."""

import os
import shutil
from contextlib import contextmanager

import pytest
from conftest import ROOT, Server
from playwright.sync_api import expect, sync_playwright

from browser.gates import DEFINITIONS
from browser.tab import Tab

ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="package")
def chromium():
    """A Chromium. It ends with these tests: while it runs, no other test could run an event loop of its own."""
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

    def __init__(self, chromium):
        self._chromium = chromium
        self._contexts = []
        self._tabs = []

    def new(self, server, beside=None, **options):
        """Return a tab for pages of a server: in a context of its own with these options, or in that of the tab `beside`."""
        context = beside.context if beside else self._new_context(options)
        self._tabs.append(self.kind(context, server.url))
        return self._tabs[-1]

    def _new_context(self, options):
        context = self._chromium.new_context(**{"reduced_motion": "reduce", **options})  # drawing what turns would take the tests' time
        self._contexts.append(context)
        return context

    def close(self):
        for context in self._contexts:
            context.close()

    def check(self):
        for tab in self._tabs:
            tab.check()


@pytest.fixture
def tabs(chromium):
    tabs = Tabs(chromium)
    yield tabs
    tabs.close()
    tabs.check()
