"""How soon work begins: a job's first child on an idle server, the next job when a place is freed,
a small job behind a large one; and what memory a large job takes.
"""

import random
import time
from dataclasses import dataclass

from benchmarks._report import percentile
from benchmarks._server import Server, a_folder, resident_bytes, wait_for
from benchmarks._watched import a_viewer, moment, run_watched

WORKERS = 2
PATIENCE = 300  # seconds that a job gets
# seconds of rest after a submit, in which the job ends; never the same, so that the next one falls
# anywhere between two looks
PAUSE = (0.3, 0.5)
EVERY = 0.25  # seconds between two questions whether a job has ended: asking takes time from it
MIB = 2**20
FLAT = 1.1  # times the memory that is still the same: noise stays below
SETTLE = 2.0  # seconds until a server is at rest
DEFINITIONS = {
    "one": 'id = "one"\n[step.work]\ntype = "command"\nrun = ["true"]\n',
    "limited": 'id = "limited"\nconcurrency = 1\n[step.work]\ntype = "bench_single"\n',
    "large": 'id = "large"\n[params.n]\ntype = "integer"\n[step.work]\ntype = "bench_short"\n'
    'children = "{n}"\n',
    "small": 'id = "small"\n[step.work]\ntype = "bench_single"\nchildren = 3\n',
}


@dataclass(frozen=True)
class Size:
    """How much of everything. submits: on an idle server. places: that are freed. children: of the
    large jobs. behind: small jobs behind the large one, one after the other.
    """

    submits: int = 50
    places: int = 50
    children: int = 100_000
    behind: int = 5
    warm_up: int = 1000


def measure(report, say, size=Size()):
    """Fill the report."""
    with a_folder() as folder, Server(folder, WORKERS, DEFINITIONS, own_steps=True) as server:
        say(f"  {size.submits} submits")
        measure_submits(report, server, size.submits)
        say(f"  {size.places} freed places")
        measure_places(report, server, size.places)
        say(f"  small jobs behind {size.children:,} children")
        measure_behind(report, server, size)
    with a_folder() as folder, Server(folder, WORKERS, DEFINITIONS, own_steps=True) as server:
        say(f"  memory of {size.children:,} children, twice")
        measure_memory(report, server, size)


def first_child(server, job_id):
    """Return when the first child of a job began, in seconds since 1970."""
    children = server.get(f"/api/jobs/{job_id}/steps/work/children?limit=1").json()["items"]
    return moment(children[0]["started_at"])


def measure_submits(report, server, number):
    """Submit one job after the other, each when all is at rest."""
    delays = []
    for _ in range(number):
        asked = time.time()
        job_id = server.submit("one")
        time.sleep(random.uniform(*PAUSE))
        server.wait_for_end(job_id, PATIENCE)
        delays.append(first_child(server, job_id) - asked)
    report.add_spread("submit → first child begun", delays, median_below=30)


def measure_places(report, server, number):
    """Have jobs wait for a single place, and see how long it stays empty in between."""
    jobs = [server.submit("limited") for _ in range(number + 1)]
    server.wait_for_end(jobs[-1], PATIENCE, EVERY)
    ended = [server.get(f"/api/jobs/{job_id}").json() for job_id in jobs]
    begun = [first_child(server, job_id) for job_id in jobs]
    ended_and_begun = sorted(zip(ended, begun, strict=True), key=lambda pair: pair[1])
    starts, children = [], []
    for (before, _), (after, child) in zip(ended_and_begun, ended_and_begun[1:], strict=False):
        freed = moment(before["finished_at"])
        starts.append(moment(after["started_at"]) - freed)
        children.append(child - freed)
    if min(starts) < 0:
        raise OSError("a job began before the one ahead of it had ended")
    report.add_spread("freed place → next start", starts, median_below=100)
    report.add_spread("freed place → its first child begun", children)


def measure_behind(report, server, size):
    """Submit small jobs while a large one has more to do than both workers can."""
    large = server.submit("large", n=size.children)
    wait_for(
        lambda: server.structure(large)["steps"][0]["children"]["completed"],
        PATIENCE,
        "the first end of a child",
        EVERY,
    )
    seconds = []
    for _ in range(size.behind):
        asked = time.time()
        structure = server.wait_for_end(server.submit("small"), PATIENCE)
        seconds.append(moment(structure["finished_at"]) - asked)
    left = server.structure(large)["steps"][0]["children"]["pending"]
    server.cancel(large)
    if not left:
        raise OSError(f"{size.children:,} children were done before the small jobs behind them")
    label = f"3 children behind {size.children:,}"
    report.add(f"{label}: until they end, median", percentile(seconds, 0.5), "s")
    report.add(f"{label}: longest", max(seconds), "s", below=2, samples=len(seconds))


def measure_memory(report, server, size):
    """Report the memory before a large job, after it, and after another one."""
    pids = {"the web process": [server.pid], "both workers": server.worker_pids()}
    found = {name: [] for name in pids}
    with a_viewer(server) as viewer:
        for number in (size.warm_up, size.children, size.children):
            run_watched(server, viewer, "large", number, PATIENCE, n=number)
            time.sleep(SETTLE)
            for name, group in pids.items():
                found[name].append(sum(map(resident_bytes, group)) / MIB)
    times = ("before", f"after {size.children:,} children", f"after {size.children:,} more")
    for name, values in found.items():
        for when, value in zip(times, values, strict=True):
            report.add(f"memory of {name}, {when}", value, "MiB")
        report.add(
            f"memory of {name}, {times[2]} / {times[1]}", values[2] / values[1], "×", below=FLAT
        )
