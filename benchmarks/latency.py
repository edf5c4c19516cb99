"""From a worker's commit to a viewer: to a Socket.IO client, and to the screen; with 1 and 20
running jobs, while 10,000 children a minute end, and with all workers computing.

A process that writes as a worker does (`_writer.py`) notes the moment after each commit by which a
step follows to be completed; the viewer notes when it hears of that step's completion, or shows it.
The server's own workers are kept occupied meanwhile, waiting or computing.
"""

import time
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks._browser import WATCH, a_page
from benchmarks._helper import Helper
from benchmarks._jobs import BY_HAND, COMPUTE, WAIT, WRITTEN, busy_workers, chain, step_name
from benchmarks._report import percentile
from benchmarks._server import CORES, Server, a_folder

STEPS = 10
DEFINITIONS = {
    "chain": chain("chain", STEPS, WRITTEN),
    "ending": chain("ending", 1, BY_HAND),
    "wait": WAIT,
    "compute": COMPUTE,
}
# seconds that a step's child takes, least and most: in a watched job, in one beside it
QUICK, SLOW = (0.05, 0.15), (4, 8)
BESIDE = 19
JOBS = 12  # that are watched, one after the other
ROUNDS = 2  # of the comparison of waiting and computing workers
PER_ROUND = 10
PATIENCE = 10  # seconds that a viewer gets to see all
PACE = 10_000 / 60  # children of another job that end in a second
SPAN = 10  # seconds in which they do
AS_GOOD = 1.5  # times the median that is as good as without them: noise stays below


def measure(report, say):
    """Fill the report."""
    with (
        a_folder() as folder,
        Server(folder, CORES, DEFINITIONS) as server,
        Helper("_writer", environ=server.environ) as writer,
        Helper("_hand", BY_HAND, environ=server.environ) as hand,
    ):
        writer.hear()
        bench = Bench(server, writer)
        with Helper("_listener", server.url) as listener:
            listener.hear()
            with busy_workers(server, "wait"):
                measure_client(report, say, bench, listener)
                compare_ending(report, say, bench, listener, hand)
            compare_computing(report, say, bench, listener)
        with busy_workers(server, "wait"), a_page() as page:
            page.add_init_script(WATCH)
            measure_screen(report, say, bench, page)
    report.note(
        "Each running job writes 5 log lines every 0.2 s. The goals: with 20 jobs running a "
        "client hears within 50 ms (median) and 150 ms (p99); "
        "with all workers computing it takes at most twice as long as with idle ones."
    )


def measure_client(report, say, bench, listener):
    say("  a client, 1 running job")
    report.add_spread("commit → client, 1 job", delays_at(bench, Client(listener), JOBS))
    say("  a client, 20 running jobs")
    client = Client(listener)
    with bench.jobs_beside(BESIDE, client) as beside:
        report.add_spread(
            "commit → client, 20 jobs",
            delays_at(bench, client, JOBS, beside),
            median_below=50,
            p99_below=150,
        )


def compare_ending(report, say, bench, listener, hand):
    """Measure side by side, round by round, without and with children of another job that end."""
    say(f"  a client, 1 running job, while {60 * PACE:,.0f} children of another a minute end")
    alone, beside, ends = [], [], 0
    for _ in range(ROUNDS):
        alone += delays_at(bench, Client(listener), PER_ROUND)
        with children_ending(bench.server, hand, PACE, SPAN) as ending:
            deadline = time.monotonic() + SPAN
            while time.monotonic() < deadline:
                beside += delays_at(bench, Client(listener), 1)
        ends += ending["number"]
    label = "commit → client, 1 job"
    report.add("children of another job that ended", 60 * ends / (ROUNDS * SPAN), "/min")
    report.add_spread(f"{label}, children of another one end", beside)
    report.add(
        f"{label}: children of another one end / none do, median",
        percentile(beside, 0.5) / percentile(alone, 0.5),
        "×",
        below=AS_GOOD,
    )


@contextmanager
def children_ending(server, hand, pace, span):
    """Have so many children of a job end in a second, for so many seconds. Gives a dict that has
    their "number" afterwards.
    """
    ending = {}
    job_id = server.submit("ending")
    hand.ask(begin=job_id, children=round(pace * span) + 1, ready=1)
    hand.tell(mix=pace, steps=1, lines=1, seconds=span)
    yield ending
    ending["number"] = len(hand.hear()["lines"])  # each has one
    server.cancel(job_id)


def compare_computing(report, say, bench, listener):
    """Measure side by side, round by round, with workers that wait and workers that compute."""
    say("  a client, 1 running job, while all workers compute")
    idle, computing = [], []
    for _ in range(ROUNDS):
        with busy_workers(bench.server, "wait"):
            idle += delays_at(bench, Client(listener), PER_ROUND)
        with busy_workers(bench.server, "compute"):
            computing += delays_at(bench, Client(listener), PER_ROUND)
    report.add_spread("commit → client, 1 job, workers idle", idle)
    report.add_spread("commit → client, 1 job, all workers computing", computing)
    for label, share in (("median", 0.5), ("p99", 0.99)):
        report.add(
            f"computing / idle, {label}",
            percentile(computing, share) / percentile(idle, share),
            "×",
            below=2,
        )


def measure_screen(report, say, bench, page):
    say("  Chromium, 1 running job")
    report_screen(report, "1 job", bench, page)
    say("  Chromium, 20 running jobs")
    with bench.jobs_beside(BESIDE):
        report_screen(report, "20 jobs", bench, page)


def report_screen(report, label, bench, page):
    screen = Screen(bench.server.url, page)
    commits = watch_jobs(bench, screen, JOBS)
    report.add_spread(
        f"commit → document, {label}", [screen.in_document[key] - at for key, at in commits.items()]
    )
    report.add_spread(
        f"commit → painted, {label}", [screen.seen[key] - at for key, at in commits.items()]
    )


def delays_at(bench, viewer, number, beside=()):
    """Return the seconds from each commit to the moment when the viewer knew."""
    commits = watch_jobs(bench, viewer, number, beside)
    return [viewer.seen[key] - at for key, at in commits.items()]


def watch_jobs(bench, viewer, number, beside=()):
    """Run jobs one after the other before a viewer, and return the commits of those and of the jobs
    `beside`, `{(job, step): at}`.

    Raises TimeoutError when the viewer misses one.
    """
    commits = {}
    for _ in range(number):
        job_id = bench.server.submit("chain")
        viewer.open(job_id)
        commits |= {key: at for key, at in bench.run(job_id).items() if key[0] in (job_id, *beside)}
        wait_until_seen(viewer, job_id, commits.keys())
        viewer.leave(job_id)
    return commits


def wait_until_seen(viewer, job_id, keys):
    """Return when the viewer has seen all of these changes. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    while missing := keys - viewer.seen.keys():
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"the viewer didn't see {len(missing)} of {len(keys)} changes within "
                f"{PATIENCE} s, such as {sorted(missing)[0]}"
            )
        time.sleep(0.02)
        viewer.look(job_id)


@dataclass
class Bench:
    """The server, and the process that does its jobs."""

    server: Server
    writer: Helper

    def run(self, job_id):
        """Have a job done, and return the commits of all jobs meanwhile, `{(job, step): at}`."""
        self.writer.tell(job=job_id, pause=QUICK)
        commits = {}
        while (job_id, step_name(STEPS)) not in commits:
            said = self.writer.hear()
            commits[said["job"], said["step"]] = said["at"]
        self.writer.tell(forget=job_id)
        return commits

    @contextmanager
    def jobs_beside(self, number, viewer=None):
        """Keep jobs running, watched by a viewer or not. Gives their ids."""
        jobs = [self.server.submit("chain") for _ in range(number)]
        for job_id in jobs:
            if viewer:
                viewer.open(job_id)
            self.writer.tell(job=job_id, pause=SLOW)
        yield jobs
        for job_id in jobs:
            self.writer.tell(forget=job_id)
            self.server.cancel(job_id)


class Client:
    """A viewer that is a Socket.IO client in a process of its own. seen: when it first heard of
    each completion, `{(job, step): at}`.
    """

    def __init__(self, listener):
        self._listener = listener
        self.seen = {}

    def open(self, job_id):
        """Subscribe to a job. Raises ConnectionError when that is refused."""
        ack = self._listener.ask(subscribe=job_id)
        if not ack["ok"]:
            raise ConnectionError(f"the subscription was refused: {ack['error']}")

    def leave(self, job_id):
        """Follow a job no more: the hints of many that are at rest come all at once, and what is
        measured would wait behind them here.
        """
        self._listener.ask(unsubscribe=job_id)

    def look(self, _):
        """Bring `seen` up to date."""
        for at, job_id, step, status in self._listener.ask(report=True):
            if status == "completed":
                self.seen.setdefault((job_id, step), at)


class Screen:
    """A viewer that is a job's page in Chromium. seen: when it first had painted each
    completion, in_document: when it was in the document.
    """

    def __init__(self, url, page):
        self._url = url
        self._page = page
        self.seen = {}
        self.in_document = {}

    def open(self, job_id):
        """Show a job and wait until its page is live."""
        self._page.goto(f"{self._url}/jobs/{job_id}")
        self._page.wait_for_selector('[data-connection="live"]', state="attached")

    def leave(self, job_id):
        """Follow a job no more: the page does so when it shows the next one."""

    def look(self, job_id):
        """Bring `seen` and `in_document` up to date."""
        for in_document, painted, step, status in self._page.evaluate("window.shownSteps"):
            if status == "completed":
                self.in_document.setdefault((job_id, step), in_document)
                self.seen.setdefault((job_id, step), painted)
