"""What doing nothing costs: an idle server's processor time, and a tick of the monitor with few
and with many finished jobs in the store.
"""

import statistics
import time
from contextlib import ExitStack

from benchmarks._fill import fill_jobs
from benchmarks._helper import Helper
from benchmarks._server import CORES, Server, a_folder, cpu_seconds, make_store
from jobsync.monitor import Monitor
from jobsync.monitor.scheduler import SWEEP

SETTLE = 4  # seconds until a server is at rest
SECONDS = 20
FEW, MANY = 10, 100_000
TICKS = 400


def measure(report, say):
    """Fill the report."""
    say(f"  processor time over {SECONDS} s")
    measure_servers(report)
    say(f"  ticks with {FEW} and with {MANY:,} finished jobs")
    measure_ticks(report)


def measure_servers(report):
    """Let three servers do nothing at the same time: alone, with workers, and with workers,
    jobs in the store and a viewer.
    """
    with ExitStack() as stack:
        alone, staffed, watched = [
            stack.enter_context(Server(stack.enter_context(a_folder()), workers=workers))
            for workers in (0, CORES, CORES)
        ]
        job_id = watched.submit("hello_commands")
        watched.wait_for_end(job_id)
        listener = stack.enter_context(Helper("_listener", watched.url))
        listener.hear()
        listener.ask(subscribe=job_id)
        pids = {
            "server alone": [alone.pid],
            "server, its workers idle": [staffed.pid],
            f"its {CORES} workers": staffed.worker_pids(),
            "server, its workers idle, one viewer": [watched.pid],
        }
        time.sleep(SETTLE)
        shares = measure_shares(pids)
    for label, share in shares.items():
        report.add(
            f"{label}: of one core",
            100 * share,
            "%",
            below=2 if label.startswith("server") else None,
        )


def measure_shares(pids):
    """Return what share of a core each group of processes uses."""
    started, before = time.monotonic(), {label: _used(group) for label, group in pids.items()}
    time.sleep(SECONDS)
    return {
        label: (_used(group) - before[label]) / (time.monotonic() - started)
        for label, group in pids.items()
    }


def _used(group):
    return sum(map(cpu_seconds, group))


def measure_ticks(report):
    """Tick in turns on two stores; every so often the clock jumps, so that the monitor looks at
    all unfinished jobs.
    """
    with a_folder() as small, a_folder() as large:
        monitors = [Ticker(small, FEW), Ticker(large, MANY)]
        for _ in range(TICKS):
            for monitor in monitors:
                monitor.tick()
        for label in ("tick", "tick that looks at all unfinished jobs"):
            few, many = (statistics.median(monitor.times[label]) for monitor in monitors)
            for number, seconds in ((FEW, few), (MANY, many)):
                report.add(
                    f"{label}, {number:,} finished jobs, median", 1e6 * seconds, "µs", samples=TICKS
                )
            report.add(f"{label}: {MANY:,} / {FEW}", many / few, "×", below=1.5)


class Ticker:
    """A monitor on a store with finished jobs, its clock in our hands. times: the seconds that
    ticks took, by kind.
    """

    def __init__(self, folder, number):
        self._app = make_store(folder)
        with self._app.app_context():
            fill_jobs(number)
        self._moment = 0.0
        self._monitor = Monitor(self._app, clock=lambda: self._moment)
        self._monitor.tick()  # the first one begins
        self.times = {"tick": [], "tick that looks at all unfinished jobs": []}

    def tick(self):
        """Tick twice: in between nothing has become due, and then the look at all unfinished
        jobs has.
        """
        for label, passed in (("tick", 0.0), ("tick that looks at all unfinished jobs", SWEEP)):
            self._moment += passed
            started = time.perf_counter()
            self._monitor.tick()
            self.times[label].append(time.perf_counter() - started)
