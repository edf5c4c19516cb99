"""One page of the model: what it shows and does, and that it does and shows nothing that it must not."""

import re

LONGEST_PAUSE = 3000  # ms between two tries (issue: at most 3 s)
TIME_OUT = 4000  # ms that an answer is waited for
SILENCE = 5000  # ms without a hint after which a page is cut off
POLL_EVERY = 3000  # ms
LIVE = 4500  # ms after a hint in which a page says that it is live, at the least
TERMINAL = ("completed", "failed", "cancelled")


def parse(html):
    """Return what a served page says: `{"revision", "status", "finished_at", "steps", "result"}`."""
    head = re.search(r'<article class="job" data-job-id="[^"]*" data-status="(\w+)" data-revision="(\d+)"', html)
    finished = re.search(r'<time data-part="finished"(?: datetime="([^"]*)")?>', html)
    pieces = re.split(r'(?=<details class="step")', html)[1:]
    result = re.search(r'<div data-part="result">(.*?)</div>\s*</article>', html, re.DOTALL)
    return {
        "status": head[1],
        "revision": int(head[2]),
        "finished_at": finished[1],
        "steps": [_parse_step(piece) for piece in pieces],
        "result": result[1].strip(),
    }


def _parse_step(html):
    pattern = r'data-step="([^"]*)" data-status="(\w+)" data-log-count="(\d+)" data-child-count="(\d+)" data-expanded="(\w+)"'
    name, status, log_count, child_count, expanded = re.search(pattern, html).groups()
    started = re.search(r'<time data-part="started"(?: datetime="([^"]*)")?>', html)
    lines = re.findall(r'data-line="(\d+)".*?<span class="line-text">(.*?)</span>', html, re.DOTALL)
    return {
        "name": name,
        "status": status,
        "log_count": int(log_count),
        "child_count": int(child_count),
        "started_at": started[1],
        "is_open": expanded == "true",
        "lines": [[int(number), text] for number, text in lines],
    }


class Page:
    """html: as served. truth: a Truth. `now` is in ms of the page's own clock, which stands while its machine sleeps."""

    def __init__(self, number, html, truth):
        self.number, self._truth = number, truth
        born = parse(html)
        self.revision = self.known = born["revision"]  # shown, and the newest that it was told of
        self.result = born["result"]
        self.steps = {step["name"]: step for step in born["steps"]}
        self.lines = {step["name"]: step["lines"] for step in born["steps"] if step["is_open"]}
        self.finished_at = born["finished_at"]
        self._check_born(born)
        self.now = self.at = 0  # its time, and that of what it did last
        self.state = "reconnecting"
        self.is_active = self.is_gone = self.is_resting = self.is_asleep = False
        self.is_online = True
        self.is_left = False  # for good
        self.air = {}  # number → url, of requests that it waits for
        self.sent_at = {}
        self.heard_at = float("-inf")
        self.silent_since = 0
        self.answered_at = float("-inf")
        self.excused_until = float("-inf")  # from when on a newer revision that it knows of must be asked for
        self.structure_at = float("-inf")  # the last time that it began or ceased to ask for it

    def _check_born(self, born):
        shown = self._truth.at[self.revision]
        assert (born["status"], born["finished_at"]) == (shown["status"], shown["finished_at"])
        for step, right in zip(born["steps"], shown["steps"], strict=True):
            fields = ("name", "status", "log_count", "child_count", "started_at")
            assert [step[name] for name in fields] == [right[name] for name in fields], f"born wrong at revision {self.revision}"
        for name in self.lines:
            assert len(self.lines[name]) == self.steps[name]["log_count"]
            self._check_lines(name)

    def options(self, seed, honours_abort):
        """Return what driver.mjs makes the page of."""
        steps = [
            {
                "name": step["name"],
                "status": step["status"],
                "startedAt": step["started_at"],
                "logCount": step["log_count"],
                "last": len(step["lines"]),
                "isOpen": step["is_open"],
            }
            for step in self.steps.values()
        ]
        served = {"jobId": self._truth.job_id, "revision": self.revision, "finishedAt": self.finished_at, "steps": steps}
        return {**served, "seed": seed, "honoursAbort": honours_abort}

    @property
    def may_ask(self):
        return self.is_active and not self.is_resting and not self.is_gone

    @property
    def structure_requests(self):
        return [number for number, url in self.air.items() if url.endswith("/structure")]

    @property
    def is_asking(self):
        """Whether it asks for the structure, or will within a pause after a failure."""
        return bool(self.structure_requests) or self.now <= self.excused_until

    def passed(self, ms):
        self.now += ms

    # What it does

    def take(self, at, what, *given):
        """Take notice of what it did or shows, and when."""
        self.at = at
        getattr(self, f"_take_{what}")(*given)

    def _take_open(self, socket):
        assert self.is_active and not self.is_gone, "a page that was left or whose job is gone connects"

    def _take_close(self, socket):
        pass

    def _take_emit(self, *_):
        assert self.is_active and not self.is_gone, "a page that was left or whose job is gone speaks"

    def _take_ask(self, number, url, etag):
        assert self.may_ask, f"asks for {url} though it is {self._condition()}"
        self.air[number] = url
        self.sent_at[number] = self.at
        assert list(self.air.values()).count(url) == 1, f"two requests in the air for {url}"
        assert len(self.structure_requests) <= 1, "two requests in the air"
        if url.endswith("/structure"):
            self.structure_at = self.at

    def _condition(self):
        return "gone" if self.is_gone else "hidden" if self.is_resting else "left"

    def _take_abandon(self, number):
        url = self.air.pop(number, "")
        if url.endswith("/structure") and self.at - self.sent_at[number] > TIME_OUT - 1:
            self._excuse()

    def _excuse(self):
        self.excused_until = self.at + LONGEST_PAUSE
        self.structure_at = self.at

    def _take_structure(self, structure):
        assert not self.is_gone, "it shows something after the deletion"
        assert structure["revision"] > self.revision, f"it goes from revision {self.revision} to {structure['revision']}"
        assert structure == self._truth.at.get(structure["revision"]), f"it shows what never was: {structure}"
        self.revision = structure["revision"]
        self.excused_until = float("-inf")

    def _take_result(self, html):
        self.result = html.strip()

    def _take_state(self, state):
        assert state != self.state
        self.state = state

    def _take_deleted(self, is_replaced):
        assert not is_replaced, "it takes the database for another one"
        assert self._truth.is_deleted and not self.is_gone
        self.is_gone = True

    def _take_expanded(self, name):
        self.lines[name] = []

    def _take_lines(self, name, lines):
        self.lines[name] += lines
        self._check_lines(name)

    def _check_lines(self, name):
        numbers = [number for number, _ in self.lines[name]]
        assert numbers == list(range(1, len(numbers) + 1)), f"lines of {name}: {numbers}"

    # What comes to it

    def is_told(self, revision):
        """Note that an ack or a hint comes that names a revision."""
        self.known = max(self.known, revision)

    def is_hinted(self):
        """Note that a hint comes."""
        self.heard_at = self.silent_since = self.now

    def is_answered(self, number, action):
        """Have `action` bring the answer or the failure of a request, and note what came of it. Returns what `action` does."""
        url = self.air.pop(number, "")
        events = action()
        if url.endswith("/structure"):
            self.at = self.structure_at = self.now
            if not any(what == "structure" for _, _, what, *_ in events):
                self._excuse()
        return events

    # What must hold at each moment

    def check(self):
        """Assert what must hold whenever nothing is being done."""
        for number in self.air:
            assert self.now - self.sent_at[number] < TIME_OUT + 1, f"it waits too long for {self.air[number]}"
        if not self.may_ask:
            assert not self.air, f"it asks though it is {self._condition()}"
        if self.may_ask and not self.is_asleep:
            self._check_asking()
            self._check_state()

    def _check_asking(self):
        if self.known > self.revision:
            assert self.is_asking, f"it knows of revision {self.known}, shows {self.revision}, and doesn't ask"
        if self.now - self.silent_since > SILENCE:
            assert self.structure_requests or self.now - self.structure_at <= POLL_EVERY, "it is cut off and doesn't poll"

    def _check_state(self):
        if not self.is_online:
            assert self.state == "offline"
        elif self.state == "live":
            assert self.now - self.heard_at <= SILENCE, "it says live though it hears nothing"
        elif self.state == "polling":
            assert self.now - self.answered_at <= SILENCE, "it says polling though nothing is answered"
        if self.is_online and self.now - self.heard_at < LIVE:
            assert self.state == "live", f"it says {self.state} though it has just heard a hint"
