"""Large jobs: for how long each call holds the event loop, with 1,000 steps in five shapes and with
100,000 children in a step.

A greenlet of the real server that wants to run every millisecond (`_serve.py`) says how late it ran
at most, from a call until all that follows from it is told to a viewer who is subscribed. Of each
call the median of some rounds is shown: what else this machine does may hold it once.
"""

import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass

import requests

from benchmarks._fill import fill_step
from benchmarks._helper import Helper
from benchmarks._server import Server, a_folder, make_store, wait_for
from benchmarks._worker import Workers
from jobsync.lifecycle import claims, results

MOST = 20  # ms that a call may hold the loop
LAYER = 20  # steps side by side in the layered shape
CALM = 0.25  # seconds without a change after which all that follows from a call is told
LONGEST = 120  # seconds that a call may take


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    steps: int = 1000
    children: int = 100_000
    rounds: int = 3


def shapes(size):
    """Return `{name: {step: [names of steps that it depends on]}}`."""
    names = [f"step{number:04}" for number in range(size)]
    before = {name: names[max(0, place - 1) : place] for place, name in enumerate(names)}
    return {
        "chain": before,
        "reversed": dict(reversed(before.items())),
        "fan_out": {name: names[:1] if place else [] for place, name in enumerate(names)},
        "fan_in": {name: [] if name != names[-1] else names[:-1] for name in names},
        "layered": {
            name: names[(place // LAYER - 1) * LAYER : place // LAYER * LAYER]
            if place >= LAYER
            else []
            for place, name in enumerate(names)
        },
    }


def definition(name, steps):
    """Return a definition with these steps as TOML."""
    parts = [f'id = "{name}"']
    for step, depends in steps.items():
        parts.append(f'[step.{step}]\ntype = "command"\nrun = ["true"]\ndepends = {depends}')
    return "\n".join(parts)


def measure(report, say, size=Size()):
    """Fill the report."""
    definitions = {name: definition(name, steps) for name, steps in shapes(size.steps).items()}
    definitions["wide"] = definition("wide", {"work": []})
    with a_folder() as folder:
        app = make_store(folder)
        with (
            Server(folder, definitions=definitions, module="benchmarks._serve") as server,
            app.app_context(),
            Workers(app) as staff,
        ):
            held = Held(server, staff.add())
            for place in range(size.rounds):
                say(f"  round {place + 1} of {size.rounds}")
                for shape in shapes(size.steps):
                    measure_steps(held, shape, size.steps)
                measure_children(held, size.children)
    for label, times in held.times.items():
        for kind, words in (
            ("busy_ms", "the loop computed without a break for"),
            ("ms", "the loop was held for"),
        ):
            medians = {
                shape: statistics.median(found[kind] for found in several)
                for shape, several in times.items()
            }
            worst = max(medians, key=medians.get)
            report.add(
                f"{label}: {words}", medians[worst], "ms", below=MOST, samples=len(times[worst])
            )
    for label, seconds in held.waits.items():
        report.add(
            f"{label}: the answer came after, median",
            1000 * statistics.median(seconds),
            "ms",
            samples=len(seconds),
        )
    report.note(
        "Of the five shapes the worst is shown. A loop is held for longer than it computes "
        "when other processes take the processor."
    )


class Held:
    """Measures calls. worker_id: the worker whose part is played.

    times: `{label: {shape: [what /held says]}}`; waits: `{label: [seconds]}`.
    """

    def __init__(self, server, worker_id):
        self.server = server
        self.worker_id = worker_id
        self.times = {}
        self.waits = {}
        self._session = requests.Session()

    @contextmanager
    def noted(self, label, shape):
        """Note for how long the loop is held at most by what is done inside and by all that
        follows from it.
        """
        self._take()
        yield
        self._calm_down()
        self.times.setdefault(label, {}).setdefault(shape, []).append(self._take())

    def _take(self):
        return self._session.get(self.server.url + "/held", timeout=LONGEST).json()

    def _calm_down(self):
        """Wait until nothing has changed for a moment."""

        def is_calm():
            seen, self._seen = (
                self._seen,
                self._session.get(self.server.url + "/counts", timeout=LONGEST).json()["change"],
            )
            time.sleep(CALM)
            return seen == self._seen

        self._seen = None
        wait_for(is_calm, LONGEST, "the end of all that follows from a call")

    def call(self, label, shape, method, path, body=None):
        """Make a call and return the answer.

        Raises ConnectionError for one that is none of success.
        """
        with self.noted(label, shape):
            started = time.monotonic()
            answer = self._session.request(
                method, self.server.url + path, json=body, timeout=LONGEST
            )
            self.waits.setdefault(label, []).append(time.monotonic() - started)
        if not answer.ok:
            raise ConnectionError(f"{label}: {answer.status_code} {answer.text[:200]}")
        return answer


def watched(server, job_id):
    """Return a Helper that follows a job, to be used in a `with`."""

    @contextmanager
    def follow():
        with Helper("_listener", server.url) as listener:
            listener.hear()
            listener.ask(subscribe=job_id)
            yield

    return follow()


def measure_steps(held, shape, number):
    """Make each call that there is to a job of many steps."""

    def call(label, method, path, body=None):
        return held.call(f"{label}, {number:,} steps", shape, method, path, body)

    job_id = call(
        "submit and begin", "POST", "/api/jobs", {"definition": shape, "params": {}}
    ).json()["id"]
    job = f"/api/jobs/{job_id}"
    with watched(held.server, job_id):
        call("structure", "GET", f"{job}/structure")
        call("job page", "GET", f"/jobs/{job_id}")
        call("list page", "GET", "/")
        call("definition's page", "GET", f"/definitions/{shape}")
        call("definition", "GET", f"/api/definitions/{shape}")
        call("children", "GET", f"{job}/steps/step0000/children")
        call("cancel", "POST", f"{job}/cancel")
        call("retry", "POST", f"{job}/retry")
        with held.noted(f"a step fails, {number:,} steps", shape):
            results.break_unit(claims.claim(held.worker_id, lambda step_pk: 1)[0], "it broke")
        held.server.cancel(job_id)  # fan-in and layers: others still run
        call("job page of what failed or was cancelled", "GET", f"/jobs/{job_id}")
        other = call("rerun", "POST", f"{job}/rerun", {"params": {}}).json()["id"]
        held.server.cancel(other)
        call("delete and clear away", "DELETE", job)
        call("delete and clear away", "DELETE", f"/api/jobs/{other}")


def measure_children(held, number):
    """Make each call that changes or lists very many children."""

    def call(label, method, path, body=None):
        return held.call(f"{label}, {number:,} children", "wide", method, path, body)

    server = held.server
    job_id = server.submit("wide")
    job, children = f"/api/jobs/{job_id}", f"/api/jobs/{job_id}/steps/work/children"
    with watched(server, job_id):
        plan(held, job_id, number)
        call("structure", "GET", f"{job}/structure")
        call("job page", "GET", f"/jobs/{job_id}")
        call("1,000 children", "GET", f"{children}?limit=1000")
        call(
            "1,000 children by two statuses", "GET", f"{children}?limit=1000&status=pending,failed"
        )
        call(
            "1,000 children by rare statuses", "GET", f"{children}?limit=1000&status=running,failed"
        )
        call("cancel", "POST", f"{job}/cancel")
        call("retry", "POST", f"{job}/retry")
        with held.noted(f"a step fails by its first child, {number:,} children", "wide"):
            fill_step(job_id, 1, "failed")
        wait_for(
            lambda: server.structure(job_id)["status"] == "failed", LONGEST, "the end of the job"
        )
        call("job page of what failed", "GET", f"/jobs/{job_id}")
        call("delete and clear away", "DELETE", job)


def plan(held, job_id, number):
    """Find the children of the job's only step, as a worker does."""
    wait_for(
        lambda: held.server.structure(job_id)["status"] == "running", LONGEST, "the job's beginning"
    )
    task = claims.claim(held.worker_id, lambda step_pk: 1)[0]
    fill_step(job_id, number)
    results.finish_plan(task)
