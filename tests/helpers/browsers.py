"""Chromium, and tabs in it that are checked when a test is over."""

import os
import shutil
from contextlib import contextmanager

from playwright.sync_api import expect, sync_playwright

from browser.tab import LOOKS, Tab

ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


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
