"""What a child costs in jobs of more and more children, in the course of a large job, and in a
store that has a million children already.

The children do nothing, and one viewer watches. A child's cost is the time from before its job was
submitted until that had ended, divided by the number of its children.
"""

import statistics
from contextlib import ExitStack
from dataclasses import dataclass

from sqlalchemy import select

from benchmarks._fill import fill_job
from benchmarks._report import median_ratio
from benchmarks._server import Server, a_folder, make_store
from benchmarks._watched import a_viewer, run_watched
from jobsync.db.models import Child, Step
from jobsync.db.transactions import read

WORKERS = 2
FLAT = 1.3  # times the cost that is still the same
PATIENCE = 1800  # seconds that a job gets
# {n}: children
DEFINITIONS = {
    name: f'id = "{name}"\n[params.n]\ntype = "integer"\n[step.work]\n'
    f'type = "bench_{name}"\nchildren = "{{n}}"\n'
    for name in ("short", "single")
}
LABELS = {"short": "short children", "single": "children one by one"}


@dataclass(frozen=True)
class Size:
    """How much of everything. children: of the jobs that are compared, the largest last. stored:
    children that one store has already, 0 to leave that out; beside: of the jobs that run then, by
    definition. warm_up: of the jobs that come before all that is measured.
    """

    children: tuple = (1_000, 10_000, 100_000)
    rounds: int = 3
    stored: int = 1_000_000
    beside: tuple = (("short", 10_000), ("single", 1_000))
    warm_up: int = 500


def measure(report, say, size=Size()):
    """Fill the report."""
    with a_folder() as folder, Runner(folder, size.warm_up) as runner:
        measure_sizes(report, say, runner, size)
    if size.stored:
        with a_folder() as empty, a_folder() as full:
            measure_stored(report, say, empty, full, size)


class Runner:
    """A server on a store, and a viewer of the jobs that it runs. Use it in a `with`."""

    def __init__(self, folder, warm_up, filled=0):
        self._warm_up = warm_up
        self._app = make_store(folder)
        if filled:
            with self._app.app_context():
                fill_job("filled", filled)
        self._server = Server(folder, WORKERS, DEFINITIONS, own_steps=True)
        self._stack = ExitStack()

    def __enter__(self):
        with ExitStack() as stack:
            stack.enter_context(self._server)
            self._viewer = stack.enter_context(a_viewer(self._server))
            for definition in DEFINITIONS:
                self.cost(definition, self._warm_up)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def cost(self, definition, number):
        """Run a job of so many children, and return the seconds for each of them."""
        seconds, structure = run_watched(
            self._server, self._viewer, definition, number, PATIENCE, n=number
        )
        self._job_id = structure["job_id"]
        return seconds / number

    def quarters(self):
        """Return the seconds for each child in each quarter of the children of the last job, by the
        order in which they ended. The times that are stored are of whole ms.
        """
        query = (
            select(Child.started_at, Child.finished_at)
            .join(Step, Step.pk == Child.step_pk)
            .where(Step.job_id == self._job_id)
        )
        with self._app.app_context(), read() as connection:
            times = connection.execute(query).all()
        ends = sorted(finished for _, finished in times)
        edges = [min(started for started, _ in times)]
        edges += [ends[round(len(ends) * part / 4) - 1] for part in (1, 2, 3, 4)]
        return [
            max(end - start, 1) / 1000 / (len(ends) / 4)
            for start, end in zip(edges, edges[1:], strict=False)
        ]


def measure_sizes(report, say, runner, size):
    """Run jobs of all sizes in turns, and look into the largest ones."""
    costs, quarters = {number: [] for number in size.children}, []
    for place in range(size.rounds):
        for number in size.children:
            say(f"  round {place + 1} of {size.rounds}: {number:,} children")
            costs[number].append(runner.cost("short", number))
        quarters.append(runner.quarters())
    *smaller, largest = size.children
    for number, found in costs.items():
        report.add(
            f"a child of {number:,}", 1e6 * statistics.median(found), "µs", samples=size.rounds
        )
    for number in smaller:
        ratio = median_ratio(list(zip(costs[largest], costs[number], strict=True)))
        report.add(
            f"a child of {largest:,} / of {number:,}", ratio, "×", below=FLAT, samples=size.rounds
        )
    report_quarters(report, largest, quarters)


def report_quarters(report, number, quarters):
    for place, name in enumerate(("first", "second", "third", "last")):
        rates = [1 / found[place] for found in quarters]
        report.add(
            f"rate in the {name} quarter of {number:,}",
            statistics.median(rates),
            "/s",
            samples=len(rates),
        )
    ratio = median_ratio([(found[-1], min(found[:-1])) for found in quarters])
    report.add(
        f"a child in the last quarter / in the quickest before it, {number:,}",
        ratio,
        "×",
        below=FLAT,
        samples=len(quarters),
    )


def measure_stored(report, say, empty, full, size):
    """Run the same jobs in turns in an empty store and in a full one."""
    say(f"  a store with {size.stored:,} children")
    costs = {name: ([], []) for name, _ in size.beside}
    with (
        Runner(empty, size.warm_up) as in_empty,
        Runner(full, size.warm_up, size.stored) as in_full,
    ):
        for place in range(size.rounds):
            say(f"    round {place + 1} of {size.rounds}")
            for name, number in size.beside:
                for runner, found in zip((in_empty, in_full), costs[name], strict=True):
                    found.append(runner.cost(name, number))
    for name, number in size.beside:
        in_empty, in_full = costs[name]
        label = f"{number:,} {LABELS[name]}"
        for where, found in (("an empty store", in_empty), (f"{size.stored:,} stored", in_full)):
            report.add(
                f"{label}, {where}: each",
                1e6 * statistics.median(found),
                "µs",
                samples=size.rounds,
            )
        report.add(
            f"{label}: {size.stored:,} stored / an empty store",
            median_ratio(list(zip(in_full, in_empty, strict=True))),
            "×",
            below=FLAT,
            samples=size.rounds,
        )
