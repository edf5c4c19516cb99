"""A tab that is judged by all that happened in it: whether its indicator told the truth, how often
it asked, what it showed while cut off.

Times are the page's own, in ms. What the page had to do at a moment is forgiven as late as its own
timers were then: a busy machine delays the judge's timer in the page just as it delays the page's.
"""

from collections import defaultdict
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from browser.tab import Tab

WATCH = (Path(__file__).parent / "watch.js").read_text()
LIVE_FOR = 5000  # a hint counts so long, and so does an answer
REOPEN_WITHIN = 1000  # a connection that is closed longer isn't live
OFFLINE_AFTER = 30_000
AT_ONCE = 150  # what a page needs to show what it knows
LONGEST_PAUSE = 3000  # between two tries
FIRST_PAUSE = 250
TIME_OUT = 4000  # of an answer
ANSWERS = (200, 304, 404)
LEAST_OF_PAUSE = 0.5  # jitter takes at most this part of it
MOST = {1000: 4, 5000: 8}  # tries of one kind and address within so many ms


class WatchedTab(Tab):
    def __init__(self, context, url):
        super().__init__(context, url)
        self.page.add_init_script(WATCH)
        self.may_miss_network = True

    def watched(self, name):
        """Return what watch.js keeps: `tries`, `hints`, `changes`, `links`, `network` or `lags`."""
        return self.page.evaluate("name => watched[name]", name)

    def state(self):
        return self.find("[data-connection]").get_attribute("data-connection")

    # What happens to it

    def hide(self):
        """Have the page believe that it is hidden: Playwright keeps all its pages visible,
        whatever is in front of them.
        """
        self._set_hidden(True)

    def show(self):
        self._set_hidden(False)

    def _set_hidden(self, is_hidden):
        script = """isHidden => {
            Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
        self.page.evaluate(script, is_hidden)

    def begin(self, path):
        """Load a page of the site, and wait for no more than its first bytes."""
        self._wanted_loads += 1
        self.page.goto(self.url + path, wait_until="commit")
        return self

    def come_back(self):
        """Go back, and assert that it is the same document as before, which the browser has
        kept.
        """
        self.page.go_back(wait_until="commit")
        assert self.page.evaluate("watched.restoredAt") is not None, (
            "the browser did not keep the page"
        )

    # Judging

    def check_all(self):
        """Assert what must hold in every page under every fault.

        Returns what it said of its connection since it was live.
        """
        self.check_shown()
        self.check_one_of_each_at_a_time()
        self.check_pauses()
        self.check_calm()
        states = self.check_indicator()
        return states[states.index("live") :]

    def check_indicator(self):
        """Assert that the live indicator told the truth at every moment so far.

        Returns the states in order.
        """
        truth = _Truth(
            self.watched("hints"),
            self.recorded("calls"),
            self.watched("network"),
            self.watched("lags"),
            self.watched("links"),
        )
        changes = self.recorded("connections")
        ends = [
            *(change["at"] for change in changes[1:]),
            self.page.evaluate("watched.goneAt ?? performance.now()"),
        ]
        for change, end in zip(changes, ends, strict=True):
            getattr(truth, f"check_{change['state']}")(change["at"], end)
        return [change["state"] for change in changes]

    def check_one_of_each_at_a_time(self):
        """Assert that there never were two calls of one address at once."""
        for path, calls in _by_address(self._fetches()).items():
            for one, after in zip(calls, calls[1:], strict=False):
                assert one["endedAt"] is not None and one["endedAt"] <= after["at"], (
                    path,
                    one,
                    after,
                )

    def check_pauses(self):
        """Assert that calls which failed were tried again in growing pauses of at most 3 s.

        Returns the longest run of failures.
        """
        late = _Lateness(self.watched("lags"))
        longest = 0
        for path, calls in _by_address(self._fetches()).items():
            failures = 0
            for one, after in zip(calls, calls[1:], strict=False):
                failures = 0 if one["status"] in ANSWERS else failures + 1
                longest = max(longest, failures)
                if failures and not self._was_woken(one["endedAt"], after["at"]):
                    # which was pause enough: docs/truth.md, 5
                    has_waited = one["endedAt"] - one["at"] >= TIME_OUT
                    least = LEAST_OF_PAUSE * min(
                        LONGEST_PAUSE, FIRST_PAUSE * (1 if has_waited else 2 ** (failures - 1))
                    )
                    most = LONGEST_PAUSE + AT_ONCE + late.within(one["endedAt"], after["at"])
                    pause = after["at"] - one["endedAt"]
                    assert least - 15 <= pause <= most, (
                        f"{path}: {pause:.0f} ms after failure {failures}"
                    )
        return longest

    def _fetches(self):
        return [one for one in self.watched("tries") if one["kind"] == "fetch"]

    def _was_woken(self, start, end):
        return any(start - AT_ONCE <= event["at"] <= end for event in self.watched("network"))

    def check_calm(self):
        """Assert that nothing was asked for or tried more often than pauses allow: a request
        more for each hint that came.
        """
        hints = [hint["at"] for hint in self.watched("hints")]
        for (kind, path), tries in _by_kind(self.watched("tries")).items():
            for span, most in MOST.items():
                for first in tries:
                    number = _within(tries, first, span) - (
                        _within(hints, first - AT_ONCE, span + AT_ONCE) if kind == "fetch" else 0
                    )
                    assert number <= most, (
                        f"{number} of {kind} {path} within {span} ms from {first:.0f} on"
                    )

    def check_frozen(self, start, end):
        """Assert that the page, its indicator apart, did not change between two of its times:
        no clock ran.
        """
        changes = [
            change for change in self.watched("changes") if start + AT_ONCE < change["at"] < end
        ]
        assert not changes, changes

    def left_live_at(self):
        """Return when the page last stopped being live."""
        states = self.recorded("connections")
        return [
            after["at"]
            for one, after in zip(states, states[1:], strict=False)
            if one["state"] == "live"
        ][-1]


class _Lateness:
    def __init__(self, lags):
        self._lags = lags

    def within(self, start, end):
        """Return by how many ms the page's timers were late at most around a span."""
        return max(
            (
                lag["to"] - lag["from"]
                for lag in self._lags
                if lag["to"] >= start - AT_ONCE and lag["from"] <= end + AT_ONCE
            ),
            default=0,
        )


class _Truth:
    """What the indicator may say, from what the page was told and answered."""

    def __init__(self, hints, calls, network, lags, links):
        self._hints = [hint["at"] for hint in hints]
        ended = [call for call in calls if call["endedAt"] is not None]
        self._answers = [call["endedAt"] for call in ended if call["status"] is not None]
        self._network = network
        self._late = _Lateness(lags)
        ends = [*(link["at"] for link in links[1:]), float("inf")]
        self._closed = [
            (link["at"], until)
            for link, until in zip(links, ends, strict=True)
            if not link["isOpen"]
        ]

    def check_live(self, start, end):
        self._check_fed(self._hints, start, end, "live")
        for closed, opened in self._closed:
            until = closed + REOPEN_WITHIN
            late = AT_ONCE + self._late.within(closed, until)
            assert min(end, opened) <= max(start, until + late), (
                f"live for {min(end, opened) - closed:.0f} ms after its connection was "
                f"closed, at {closed:.0f}"
            )

    def check_polling(self, start, end):
        self._check_fed(self._answers, start, end, "polling")
        self._check_unheard(start, end, "polling")

    def check_reconnecting(self, start, end):
        self._check_unheard(start, end, "reconnecting")

    def check_offline(self, start, end):
        if not self._has_network(start):
            return
        self._check_unheard(start, end, "offline")
        last = max([0, *(at for at in (*self._hints, *self._answers) if at < start)])
        assert start - last >= OFFLINE_AFTER - AT_ONCE, (
            f"offline only {start - last:.0f} ms after the last word"
        )

    def _check_fed(self, words, start, end, state):
        """Assert that within a span there was no moment without a word of the 5 s before it."""
        fed = [at for at in words if at <= end]
        before = [at for at in fed if at <= start + AT_ONCE]
        assert before, f"{state} at {start:.0f} without a word"
        moments = [before[-1], *(at for at in fed if at > before[-1]), end]
        for one, after in zip(moments, moments[1:], strict=False):
            most = LIVE_FOR + AT_ONCE + self._late.within(one, after)
            assert after - one <= most, (
                f"{state} for {after - one:.0f} ms without a word, from {one:.0f} on"
            )

    def _check_unheard(self, start, end, state):
        """Assert that a hint which comes meanwhile ends the state at once."""
        for at in self._hints:
            late = AT_ONCE + self._late.within(at, at)
            assert not (start < at and at + late < end), (
                f"{state} until {end:.0f} in spite of a hint at {at:.0f}"
            )

    def _has_network(self, moment):
        said = [event["name"] for event in self._network if event["at"] <= moment + AT_ONCE]
        return not said or said[-1] == "online"


def _by_address(calls):
    """Return the calls by their path, and that of lines by step too."""
    found = defaultdict(list)
    for call in calls:
        address = urlsplit(call["url"])
        found[address.path + "".join(parse_qs(address.query).get("step", []))].append(call)
    return found


def _by_kind(tries):
    found = defaultdict(list)
    for kind in ("fetch", "socket", "polling"):
        for path, those in _by_address([one for one in tries if one["kind"] == kind]).items():
            found[kind, path] = [one["at"] for one in those]
    return found


def _within(moments, start, span):
    return sum(start <= moment < start + span for moment in moments)
