"""One page of the model: what it shows and does, and that it does and shows nothing that it
must not.
"""

import re

LONGEST_PAUSE = 3000  # ms between two tries (issue: at most 3 s)
TIME_OUT = 4000  # ms that an answer is waited for
SILENCE = 5000  # ms without a hint after which a page is cut off
POLL_EVERY = 3000  # ms
# ms after a hint in which a page says that it is live, at the least, if its connection isn't closed
LIVE = 4500
# ms after its connection was closed from when a page may say, and must say, that it isn't live
REOPEN = (700, 1000)
FRAGMENTS = ("result", "failures")


def parse(html):
    """Return what a served page says: `{"job": of structure, "steps": of structure, "lines":
    {step: […]} of open ones, "fragments"}`.
    """
    job_id, status, revision = re.search(
        r'<article class="job" data-job-id="([^"]*)" data-status="(\w+)" data-revision="(\d+)"',
        html,
    ).groups()
    pieces = re.split(r'(?=<details class="step")', html)[1:]
    return {
        "job": {
            "job_id": job_id,
            "status": status,
            "revision": int(revision),
            "started_at": _time(html, "started"),
            "finished_at": _time(html, "finished"),
        },
        "steps": [_parse_step(piece) for piece in pieces],
        "lines": {
            _name(piece): _parse_lines(piece) for piece in pieces if 'data-expanded="true"' in piece
        },
        "fragments": {name: inner(html, name) for name in FRAGMENTS},
    }


def inner(html, name):
    """Return what is inside of the <div> that is a page's part of that name, as `shape` has it."""
    rest = re.split(f'<div data-part="{name}"[^>]*>', html, maxsplit=1)[1]
    depth = 1
    for tag in re.finditer(r"<(/?)div\b", rest):
        depth += -1 if tag[1] else 1
        if depth == 0:
            return shape(rest[: tag.start()])
    raise AssertionError(f"the {name} have no end")


def shape(html):
    """Return a fragment without what a page brings along by itself, the number of failed
    children.
    """
    return re.sub(r"[\d,]+ of [\d,]+ children failed", "", html).strip()


def _time(html, name):
    return re.search(rf'<time data-part="{name}"(?: datetime="([^"]*)")?>', html)[1]


def _name(html):
    return re.search(r'data-step="([^"]*)"', html)[1]


def _parse_step(html):
    status, log_count, child_count = re.search(
        r'data-status="(\w+)" data-log-count="(\d+)" data-child-count="(\d+)"', html
    ).groups()
    children = re.findall(r'data-count="(\w+)" title="\w+".*?data-part="number">(\d+)<', html)
    levels = re.findall(r'data-level-of="(\w+)"[^>]*>\w+ <span>(\d+)<', html)
    return {
        "name": _name(html),
        "status": status,
        "log_count": int(log_count),
        "child_count": int(child_count),
        "children": {name: int(number) for name, number in children},
        "levels": {name: int(number) for name, number in levels},
        "started_at": _time(html, "started"),
        "finished_at": _time(html, "finished"),
    }


def _parse_lines(html):
    lines = re.findall(r'data-line="(\d+)".*?<span class="line-text">(.*?)</span>', html, re.DOTALL)
    return [[int(number), text] for number, text in lines]


class Page:
    """html: as served. truth: a Truth.

    `now` is in ms of the page's own clock, which stands while its machine sleeps.
    """

    def __init__(self, number, html, truth):
        self.number, self._truth = number, truth
        born = parse(html)
        # shown, and the newest that it was told of
        self.revision = self.known = born["job"]["revision"]
        self.served = truth.at[self.revision]
        self.fragments, self.lines = born["fragments"], born["lines"]
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
        self.is_connected = False
        self.closed_at = float("inf")  # since when its connection is closed
        self.answered_at = float("-inf")
        # from when on a newer revision that it knows of must be asked for
        self.excused_until = float("-inf")
        self.structure_at = float("-inf")  # the last time that it began or ceased to ask for it

    def _check_born(self, born):
        assert born["job"].items() <= self.served.items()
        for step, right in zip(born["steps"], self.served["steps"], strict=True):
            assert step.items() <= right.items(), (
                f"born wrong at revision {self.revision}: {step}, not {right}"
            )
            if step["name"] in self.lines:
                assert len(self.lines[step["name"]]) == step["log_count"]
                self._check_lines(step["name"])

    def options(self, seed, honours_abort):
        """Return what driver.mjs makes the page of."""
        opened = {name: len(lines) for name, lines in self.lines.items()}
        return {
            "jobId": self._truth.job_id,
            "served": self.served,
            "opened": opened,
            "seed": seed,
            "honoursAbort": honours_abort,
        }

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
        assert self.is_active and not self.is_gone, (
            "a page that was left or whose job is gone connects"
        )

    def _take_close(self, socket):
        if self.is_connected:
            self.closed_at = self.at
        self.is_connected = False

    def _take_emit(self, *_):
        assert self.is_active and not self.is_gone, (
            "a page that was left or whose job is gone speaks"
        )

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
        assert structure["revision"] > self.revision, (
            f"it goes from revision {self.revision} to {structure['revision']}"
        )
        assert structure == self._truth.at.get(structure["revision"]), (
            f"it shows what never was: {structure}"
        )
        self.revision = structure["revision"]
        self.excused_until = float("-inf")

    def _take_fragment(self, name, html):
        self.fragments[name] = shape(html)

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

    def is_opened(self):
        """Note that its connection is open."""
        self.is_connected = True
        self.closed_at = float("inf")

    def is_hinted(self):
        """Note that a hint comes."""
        self.heard_at = self.silent_since = self.now

    def is_answered(self, number, action):
        """Have `action` bring the answer or the failure of a request, and note what came of it.

        Returns what `action` does.
        """
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
            assert self.now - self.sent_at[number] < TIME_OUT + 1, (
                f"it waits too long for {self.air[number]}"
            )
        if not self.may_ask:
            assert not self.air, f"it asks though it is {self._condition()}"
        if self.may_ask and not self.is_asleep:
            self._check_asking()
            self._check_state()

    def _check_asking(self):
        if self.known > self.revision:
            assert self.is_asking, (
                f"it knows of revision {self.known}, shows {self.revision}, and doesn't ask"
            )
        if self.now - self.silent_since > SILENCE:
            assert self.structure_requests or self.now - self.structure_at <= POLL_EVERY, (
                "it is cut off and doesn't poll"
            )

    def _check_state(self):
        if not self.is_online:
            assert self.state == "offline"
        elif self.state == "live":
            assert self.now - self.heard_at <= SILENCE, "it says live though it hears nothing"
            assert self.now - self.closed_at <= REOPEN[1], (
                "it says live though its connection is closed"
            )
        elif self.state == "polling":
            assert self.now - self.answered_at <= SILENCE, (
                "it says polling though nothing is answered"
            )
        if (
            self.is_online
            and self.now - self.heard_at < LIVE
            and self.now - self.closed_at < REOPEN[0]
        ):
            assert self.state == "live", f"it says {self.state} though it has just heard a hint"
