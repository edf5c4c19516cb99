"""A job that goes on when a test says so, and a proxy between its server and the tabs."""

import pytest

from browser.gates import Gates
from faults.pages import open_both
from faults.proxy import Proxy
from faults.watched import WatchedTab
from helpers.browsers import Tabs, launched
from helpers.servers import Server

REST = "running pending pending pending"
AFTER_ONE = "completed running pending pending"
AFTER_TWO = "completed completed running pending"


class WatchedTabs(Tabs):
    kind = WatchedTab


@pytest.fixture
def tabs(chromium):
    yield from checked(WatchedTabs(chromium))


@pytest.fixture
def tabs_with_history(playwright):
    """Tabs of the Chromium with windows: that without them keeps no page for the back button."""
    with launched(playwright, ["chromium"]) as chromium:
        yield from checked(WatchedTabs(chromium))


def checked(tabs):
    yield tabs
    tabs.close()
    tabs.check()


@pytest.fixture
def proxies(site):
    """A function that returns a new proxy for the site."""
    made = []

    def make():
        made.append(Proxy(port_of(site)))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture
def proxy(proxies):
    return proxies()


@pytest.fixture
def gates(site, tmp_path):
    """A running job, at rest before its first gates."""
    gates = RunningJob(site, tmp_path)
    gates.wait_for_rest(REST, 0)
    yield gates
    site.post(f"/api/jobs/{gates.job_id}/cancel")  # its commands would keep the workers


class RunningJob(Gates):
    """Rests while the first step runs, and after `go_on` while the second does."""

    def go_on(self):
        self.open("one-a")
        self.open("one-b")
        self.wait_for_rest(AFTER_ONE, 2)

    def go_further(self):
        self.open("two")
        self.wait_for_rest(AFTER_TWO, 3)


class LongCut:
    """A page of a job, a list and a page of a job that will be deleted, cut off while other
    tests run.
    """

    def __init__(self, site, tabs, proxy):
        self.proxy = proxy
        self.job_id, self.doomed_id = site.submit("short"), site.submit("short")
        for job_id in (self.job_id, self.doomed_id):
            site.wait_for_end(job_id)
        self.job, self.listing = open_both(tabs, proxy, self.job_id)
        self.doomed = tabs.new(proxy, beside=self.job).open_job(self.doomed_id)
        proxy.shut()


@pytest.fixture(scope="package")
def long_cut(site, chromium):
    proxy, tabs = Proxy(port_of(site)), WatchedTabs(chromium)
    yield LongCut(site, tabs, proxy)
    tabs.close()
    tabs.check()
    proxy.close()


def port_of(server: Server):
    return int(server.url.rsplit(":", 1)[1])
