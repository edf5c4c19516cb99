"""One viewer who looks at one job after the other: `python -m benchmarks._viewer HOST PORT`.

It is a page as far as the server can tell (`_page.py`): subscribed by websocket, and fetching
`structure` whenever a hint names a newer revision. It is told:

- `{"watch": job}`: opens the job. Answers `{"ok": true}` once it is subscribed.
- `{"end": seconds}`: waits until it has heard that the job has ended and shows that. Answers
  `{"status", "hints", "fetches"}`: how many there were of them. Ends when it waits in vain.
"""

import asyncio
import random
import sys

from benchmarks._helper import answer_all
from benchmarks._page import Page
from benchmarks._viewers import Record
from jobsync.status import TERMINAL

SUBSCRIBING = 20  # seconds that it may take


class Seen(Record):
    """What happens to the viewer of one job. acked: it is subscribed. status: the one in which the
    job has ended, as it has heard; shows_end: and it shows that.
    """

    def __init__(self):
        super().__init__()
        self.acked, self.shows_end = asyncio.Event(), asyncio.Event()
        self.status = self._ended_at = None
        self._shown = self.heard = 0

    def note_ack(self, viewer):
        super().note_ack(viewer)
        self.acked.set()

    def note_hint(self, hint):
        super().note_hint(hint)
        self.heard += 1
        if hint["context"] == "job" and hint["status"] in TERMINAL:
            self.status, self._ended_at = hint["status"], hint["revision"]
            self._look()

    def note_shown(self, viewer, revision):
        super().note_shown(viewer, revision)
        self._shown = revision
        self._look()

    def _look(self):
        """See whether the end is shown: it may have been fetched before it was heard of."""
        if self.status and self._shown >= self._ended_at:
            self.shows_end.set()


class Viewer:
    """Opens one job after the other."""

    def __init__(self, site):
        self._site = site
        self._page = self._seen = None

    async def do(self, question):
        """Return the answer to a question."""
        if "watch" in question:
            await self._watch(question["watch"])
            return {"ok": True}
        return await self._wait_for_end(question["end"])

    async def _watch(self, job_id):
        """Open a job, and wait until it is subscribed."""
        self._seen = Seen()
        self._page = Page(0, asyncio.get_running_loop(), random, self._site, job_id, self._seen)
        self._page.start()
        self._page.fetch()
        await asyncio.wait_for(self._seen.acked.wait(), SUBSCRIBING)

    async def _wait_for_end(self, seconds):
        """Return what the viewer has seen when it shows the job's end."""
        seen = self._seen
        await asyncio.wait_for(seen.shows_end.wait(), seconds)
        self._page.stop()
        return {"status": seen.status, "hints": seen.heard, "fetches": len(seen.fetches)}


def main():
    host, port = sys.argv[1:]
    asyncio.run(answer_all(Viewer((host, int(port))).do))


if __name__ == "__main__":
    main()
