"""Viewers of one job by the hundred, in a process of their own: `python -m benchmarks._viewers HOST
PORT JOB`.

Each is a page as far as the server can tell (`_page.py`). It is told:

- `{"open": n}`: opens n more, one after the other. Answers `{"open": all}` once they are all
  subscribed.
- `{"heard": step}`: waits until all have heard that this step has completed. Answers `{"number",
  "first", "last"}`: of them, and when they did.
- `{"fetch": true}`: all of them fetch `structure` from now on, and look after their connections.
  Answers `{"ok": true}`.
- `{"cut": true}`: closes all connections at one moment. Answers `{"at"}`.
- `{"right": revision}`: how many are subscribed and show that revision or a later one. Answers
  `{"right"}`.
- `{"report": true}`: what happened since the last report; see Record.
"""

import asyncio
import random
import sys
import time

from benchmarks._helper import answer_all
from benchmarks._page import Page

OPENING = 20  # at a time
LOOK = 0.02  # seconds between two looks whether all are there
PATIENCE = 60  # seconds that they get to be


class Record:
    """What happens to viewers, with the moments.

    hints: `{(revision, step, status): [number, first at, last at]}`; shown: `[[viewer, revision,
    at]]`, each fetched revision;
    acks: `[[viewer, at]]`; fetches, connects: the moments of requests for `structure`, and of those
    that connecting takes.
    """

    def __init__(self):
        self.hints, self.shown, self.acks, self.fetches, self.connects = {}, [], [], [], []

    def note_hint(self, hint):
        at = time.time()
        known = self.hints.setdefault(
            (hint["revision"], hint.get("step_name"), hint["status"]), [0, at, at]
        )
        known[0] += 1
        known[2] = at

    def note_shown(self, viewer, revision):
        self.shown.append([viewer, revision, time.time()])

    def note_ack(self, viewer):
        self.acks.append([viewer, time.time()])

    def note_fetching(self):
        self.fetches.append(time.time())

    def note_connecting(self):
        self.connects.append(time.time())

    def as_json(self):
        """Return all of it, and begin anew."""
        hints = [[*key, *values] for key, values in self.hints.items()]
        told = {
            "hints": hints,
            "shown": self.shown,
            "acks": self.acks,
            "fetches": self.fetches,
            "connects": self.connects,
        }
        self.__init__()
        return told


class Crowd:
    """All viewers."""

    def __init__(self, site, job_id):
        self._loop = asyncio.get_running_loop()
        self._site, self._job_id = site, job_id
        self._record = Record()
        self._pages = []

    async def do(self, question):
        """Return the answer to a question."""
        if "open" in question:
            return await self._open(question["open"])
        if "heard" in question:
            return await self._hear(question["heard"])
        if "fetch" in question:
            for page in self._pages:
                page.fetch()
            return {"ok": True}
        if "cut" in question:
            at = time.time()
            for page in self._pages:
                page.cut()
            return {"at": at}
        if "right" in question:
            return {"right": self._count_right(question["right"])}
        return self._record.as_json()

    async def _open(self, number):
        for first in range(0, number, OPENING):
            for _ in range(min(OPENING, number - first)):
                page = Page(
                    len(self._pages), self._loop, random, self._site, self._job_id, self._record
                )
                self._pages.append(page)
                page.start()
            await self._wait_for_all(lambda: self._count_right(0), "were subscribed")
        return {"open": len(self._pages)}

    async def _hear(self, step):
        def heard():
            return next(
                (
                    values
                    for key, values in self._record.hints.items()
                    if key[1:] == (step, "completed")
                ),
                [0, 0, 0],
            )

        await self._wait_for_all(lambda: heard()[0], f"heard of {step}")
        return dict(zip(("number", "first", "last"), heard(), strict=True))

    async def _wait_for_all(self, count, what):
        deadline = time.monotonic() + PATIENCE
        while (number := count()) < len(self._pages):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"only {number} of {len(self._pages)} viewers {what} within {PATIENCE} s"
                )
            await asyncio.sleep(LOOK)

    def _count_right(self, revision):
        return sum(page.is_right(revision) for page in self._pages)

    def stop(self):
        for page in self._pages:
            page.stop()


async def follow(site, job_id):
    """Do what standard input says until it ends."""
    crowd = Crowd(site, job_id)
    await answer_all(crowd.do)
    crowd.stop()


def main():
    host, port, job_id = sys.argv[1:]
    asyncio.run(follow((host, int(port)), job_id))


if __name__ == "__main__":
    main()
