"""Waiting until pages are right again, and for how long that took."""

import time

from browser.tab import as_row, as_shown
from helpers.waiting import wait_for

WITHIN = 5  # seconds: the promise


class Healing:
    """Begins when a fault ends. Says how long each page took to equal the store from then on."""

    def __init__(self, server, what):
        self._server, self._what = server, what
        self._started = time.monotonic()

    def check(self, *pages, within=WITHIN):
        """Wait until `(tab, job id)` of each page show what the store says and are live.

        Fails after the promised time; prints the times.
        """
        self._wait("right", dict.fromkeys(pages, self._is_right), within)
        self._wait("live", dict.fromkeys(pages, _is_live), within)

    def check_right(self, *pages, within=WITHIN):
        """The same for pages that needn't be live yet."""
        self._wait("right", dict.fromkeys(pages, self._is_right), within)

    def _wait(self, word, waiting, within):
        took = {}

        def are_all():
            for page, judge in list(waiting.items()):
                asked = time.monotonic()
                if judge(page):
                    took[page] = asked - self._started
                    del waiting[page]
            return not waiting

        wait_for(are_all, within + 3, f"{self._what}: {word} pages")
        print(
            f"{self._what}: {word} after "
            f"{', '.join(f'{seconds:.1f}' for seconds in took.values())} s"
        )
        assert max(took.values()) <= within, took

    def _is_right(self, page):
        tab, job_id = page
        structure = self._server.structure(job_id)
        if tab.page.url.endswith(f"/jobs/{job_id}"):
            return tab.snapshot()["job"] == as_shown(structure)
        return job_id in tab.job_ids() and tab.snapshot(job_id)["job"] == as_row(structure)


def _is_live(page):
    return page[0].state() == "live"
