"""500 viewers cut at once: by closing all connections, and by killing the server; until all are
right again, and the peak of requests a second.

They come back as pages do (`_page.py`). Each time the job gets a new revision meanwhile, so that
all have to fetch. Right is a viewer that is subscribed again and shows that revision.
"""

import statistics
import time
from bisect import bisect_left
from dataclasses import dataclass

from benchmarks._report import percentile
from benchmarks._server import Server, a_folder, make_store, wait_for
from benchmarks.structure import touch
from benchmarks.viewers import beside, crowd
from jobsync import store
from jobsync.db.transactions import read

SETTLE = 3.0  # seconds between two storms
GOAL = 5  # seconds after the server can be reached
PATIENCE = 60  # seconds that viewers get to be right again
LOOK = 0.2  # seconds between two looks whether they are
WINDOW = 1.0  # seconds over which requests are counted for the peak


@dataclass(frozen=True)
class Size:
    """How much of everything. cuts, kills: storms of each kind; down: seconds from a server's
    death to the start of the next.
    """

    viewers: int = 500
    steps: int = 4
    cuts: int = 3
    kills: int = 3
    down: float = 1.0


@dataclass(frozen=True)
class Storm:
    """What came of one. seconds: of each viewer, until it was right; peak, requests: of all
    sent meanwhile; fetches: those for `structure`.
    """

    seconds: list
    peak: int
    requests: int
    fetches: int


def measure(report, say, size=Size()):
    """Fill the report."""
    with (
        a_folder() as folder,
        Revived(folder, {"watched": beside("watched", size.steps)}) as revived,
    ):
        job_id = revived.server.submit("watched")
        with crowd(revived.server.address, job_id) as viewers:
            viewers.ask(open=size.viewers)
            viewers.ask(fetch=True)
            say(f"  all {size.viewers} connections cut")
            report_storms(
                report,
                "connections cut",
                [cut(viewers, revived, job_id, size) for _ in range(size.cuts)],
            )
            say("  the server killed and started again")
            report_storms(
                report,
                "server killed",
                [kill(viewers, revived, job_id, size) for _ in range(size.kills)],
            )
    report.note(
        f"The server was killed with SIGKILL and started {size.down:g} s later on the same "
        "port; the time counts from when it served again, "
        "of cut connections from the cut. Requests are all that were sent: for connecting, "
        "subscribing by long-polling, and `structure`."
    )


class Revived:
    """A server that can be killed, and started again on the same port. Use it in a `with`."""

    def __init__(self, folder, definitions):
        self._folder, self._definitions = folder, definitions
        self.app = make_store(folder)
        self.server = None

    def __enter__(self):
        self.server = Server(self._folder, definitions=self._definitions).__enter__()
        return self

    def __exit__(self, *_):
        self.server.__exit__()

    def start_again(self):
        """Start it once more, and return when it served."""
        _, port = self.server.address
        self.server = Server(self._folder, definitions=self._definitions, port=port).__enter__()
        return time.time()


def cut(viewers, revived, job_id, size):
    """Close all connections at one moment, and return the Storm."""
    time.sleep(SETTLE)
    viewers.ask(report=True)
    at = viewers.ask(cut=True)["at"]
    return weather(viewers, new_revision(revived.app, job_id), at, size)


def kill(viewers, revived, job_id, size):
    """Kill the server and start it again, and return the Storm."""
    time.sleep(SETTLE)
    viewers.ask(report=True)
    revived.server.kill()
    revision = new_revision(revived.app, job_id)
    time.sleep(size.down)
    return weather(viewers, revision, revived.start_again(), size)


def new_revision(app, job_id):
    """Give a job its next revision, and return it."""
    touch(app, job_id)
    with app.app_context(), read() as connection:
        return store.jobs.head(connection, job_id).revision


def weather(viewers, revision, at, size):
    """Wait until all viewers are right, and return the Storm, its seconds counted from `at`."""

    def all_right():
        time.sleep(LOOK)
        return viewers.ask(right=revision)["right"] == size.viewers

    wait_for(all_right, PATIENCE, "that all viewers are right again")
    told = viewers.ask(report=True)
    sent = sorted(told["fetches"] + told["connects"])
    return Storm(
        [right_at - at for right_at in right_moments(told, revision).values()],
        peak_of(sent),
        len(sent),
        len(told["fetches"]),
    )


def right_moments(told, revision):
    """Return when each viewer was right, `{viewer: at}`: subscribed for the last time, and
    showing the revision.
    """
    subscribed = dict(told["acks"])
    for viewer, number, at in told["shown"]:
        if number >= revision:
            subscribed[viewer] = max(at, subscribed[viewer])
    return subscribed


def peak_of(moments):
    """Return the most moments, ascending, that are within WINDOW of each other."""
    return max(place + 1 - bisect_left(moments, at - WINDOW) for place, at in enumerate(moments))


def report_storms(report, label, storms):
    worst = [max(storm.seconds) for storm in storms]
    report.add(
        f"{label}: all right again, worst of {len(storms)}",
        max(worst),
        "s",
        below=GOAL,
        samples=sum(len(storm.seconds) for storm in storms),
    )
    report.add(
        f"{label}: all right again, median", statistics.median(worst), "s", samples=len(storms)
    )
    half = [percentile(storm.seconds, 0.5) for storm in storms]
    report.add(
        f"{label}: half of them right again, median",
        statistics.median(half),
        "s",
        samples=len(storms),
    )
    report.add(
        f"{label}: peak of requests", max(storm.peak for storm in storms), "/s", samples=len(storms)
    )
    viewers = len(storms[0].seconds)
    for name, number in (("requests", "requests"), ("of `structure`", "fetches")):
        report.add(
            f"{label}: {name} of each viewer",
            statistics.mean(getattr(storm, number) for storm in storms) / viewers,
            "",
        )
