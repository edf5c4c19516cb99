"""A tab whose hours pass in seconds: its clock, its network and the server's jobs are scripts of
this folder, the pages are the product's.

A page does all that it would do in that time: timers fire, requests are answered, sockets break.
Frames alone come at their real pace.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = ("time", "network", "jobs", "job_world", "list_world", "day")
LONG = 50  # ms
_FOLDER = Path(__file__).parent


def _script():
    parts = [(_FOLDER / f"{name}.js").read_text() for name in SCRIPTS]
    return "(() => {\nif (window.top !== window) return;\n" + "\n".join(parts) + "\n})();"


@dataclass(frozen=True)
class Reading:
    """What a page holds at rest, after the garbage is collected: bytes of heap, and how many
    listeners, DOM nodes and pending timers.

    `nodes` counts those that draw an icon too, which depend on its status. `detached` is how many
    trees a script holds that are in no document. `cpu` is the seconds of processor time that the
    main thread has had by then.
    """

    heap: int
    listeners: int
    nodes: int
    detached: int
    timers: int
    cpu: float


class Look:
    """A page that is looked at for `HOURS` hours: with `make soak` for a day's work.

    `readings` has one of each hour's end; the first hour is the warm-up.
    """

    HOURS = 8 if "JOBSYNC_SOAK" in os.environ else 4

    def __init__(self, chromium, url):
        self._chromium = chromium
        self._context = chromium.new_context(reduced_motion="reduce")
        self.page = self._context.new_page()
        self.errors = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.add_init_script(_script())
        self.page.goto(url)
        self._tools = self._context.new_cdp_session(self.page)
        # processor time: other processes don't count in it
        self._tools.send("Performance.enable", {"timeDomain": "threadTicks"})
        self._tools.send("DOM.enable")
        self.readings = []

    def begin_hour(self):
        self.page.evaluate("() => { look.hour = look.anHour(); }")

    def end_hour(self):
        self.page.evaluate("look.hour")
        self.readings.append(self._read())

    def rest(self):
        """Let nothing change for half a minute more."""
        self.page.evaluate("look.rest()")

    def account(self):
        """Return what came and went by now: `hours messages connections answers timers`, and
        `difference`, "" while all shown is true.
        """
        return self.page.evaluate("look.account()")

    def _read(self):
        # what one collection has let go, such as a whole document, the next one frees
        for _ in range(3):
            self._tools.send("HeapProfiler.collectGarbage")
        now = {
            metric["name"]: metric["value"]
            for metric in self._tools.send("Performance.getMetrics")["metrics"]
        }
        return Reading(
            heap=int(now["JSHeapUsedSize"]),
            listeners=int(now["JSEventListeners"]),
            nodes=int(now["Nodes"]),
            detached=len(self._tools.send("DOM.getDetachedDomNodes")["detachedNodes"]),
            timers=self.account()["timers"],
            cpu=now["TaskDuration"],
        )

    def long_tasks_at_pace(self, seconds, per_second):
        """Feed the page at its viewer's pace.

        Returns `(took, processor)` in ms of each task of over 50 ms that it had then.
        """
        self._chromium.start_tracing(
            page=self.page, categories=["disabled-by-default-devtools.timeline"]
        )
        seen = self.page.evaluate(
            "([seconds, perSecond]) => look.atPace(seconds, perSecond)", [seconds, per_second]
        )
        events = json.loads(self._chromium.stop_tracing())["traceEvents"]
        return _long_tasks(events) if seen else []

    def close(self):
        self._context.close()


def _long_tasks(events):
    """Return `(took, processor)` in ms of the long tasks of the pages' main threads in a trace."""
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("args", {}).get("name") == "CrRendererMain"
    }
    whole = [event for event in events if event["name"] == "RunTask" and event["ph"] == "X"]
    tasks = [event for event in whole if (event["pid"], event["tid"]) in mains]
    return [
        (task["dur"] / 1000, task["tdur"] / 1000) for task in tasks if task["dur"] >= LONG * 1000
    ]
