"""Chromium, and tabs in it that are checked when a test is over."""

import os
import shutil
from contextlib import contextmanager

from browser.tab import LOOKS, Tab

# The first that is there. A tab costs the one without windows a quarter of what it costs the other
PROGRAMS = ("chromium-headless-shell", "chromium")
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def launched(playwright, programs=PROGRAMS):
    """Run a Chromium that keeps pages for the back button, which Playwright's own would not."""
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    path = next(filter(None, map(shutil.which, programs)), None)
    assert path, "these tests need Chromium: `make test-tools` installs it"
    with playwright.chromium.launch(
        executable_path=path,
        args=arguments,
        ignore_default_args=["--disable-back-forward-cache"],
    ) as browser:
        yield browser


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
