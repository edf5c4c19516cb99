"""Viewers in Node, with jobsync's own sync.js, driven from Python: `viewers.mjs` says what goes
over the line.
"""

import json
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

PROGRAM = Path(__file__).parent / "viewers.mjs"


class Viewers:
    """Some pages on jobs.

    `shown` is what each shows (None before anything is), `states` how each is connected, `wrong`
    what no page may do.
    """

    def __init__(self, url):
        self._process = subprocess.Popen(
            ["node", str(PROGRAM), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.jobs, self.shown, self.states = {}, {}, {}
        self.deleted, self.wrong = set(), []
        self._number = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def open(self, job_id):
        """Open a page on a job and return its number."""
        self._number += 1
        self.jobs[self._number], self.shown[self._number] = job_id, None
        self._order(open=self._number, job=job_id)
        return self._number

    def leave(self, number):
        """Close a page."""
        self._order(close=number)
        del self.jobs[number]

    def cut(self, number):
        """Break a page's connection."""
        self._order(cut=number)

    def behind(self, structure_of):
        """Return the numbers of the pages that don't show what `structure_of(job_id)` returns."""
        self.check_running()
        truth = {job_id: structure_of(job_id) for job_id in set(self.jobs.values())}
        return [
            number for number, job_id in self.jobs.items() if self.shown[number] != truth[job_id]
        ]

    def check_running(self):
        """Raise if Node has ended: a page that nobody keeps is neither right nor wrong."""
        if self._process.poll() is not None:
            raise RuntimeError(
                f"the viewers' process has ended with exit code {self._process.returncode}; "
                "what it said is above"
            )

    def close(self):
        """End them all."""
        with suppress(BrokenPipeError):  # it may have ended by itself
            self._process.stdin.close()
        self._process.wait(10)
        self._reader.join(10)
        self._process.stdout.close()

    def _order(self, **order):
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _read(self):
        for line in self._process.stdout:
            said = json.loads(line)
            number = said["viewer"]
            if "shown" in said:
                self.shown[number] = said["shown"]
            if "state" in said:
                self.states[number] = said["state"]
            if "deleted" in said:
                self.deleted.add(number)
            if "wrong" in said:
                self.wrong.append((number, said["wrong"]))
