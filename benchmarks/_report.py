"""Figures, and a benchmark's report of them: a Markdown table, and JSON."""

import json
import math
import os
import platform
import sqlite3
import statistics
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jobsync.base.metrics import SECONDS

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """A number that was measured.

    `below`, `at_least`: its goal, if it has one. samples: how many it is drawn from.
    """

    name: str
    value: float
    unit: str
    below: float | None = None
    at_least: float | None = None
    samples: int | None = None

    @property
    def goal(self):
        """Return the goal as people write it, "" for none."""
        if self.below is not None:
            return f"< {self.below:g}"
        return f"≥ {self.at_least:g}" if self.at_least is not None else ""

    @property
    def met(self):
        """Say whether the goal is met, None where there is none."""
        if self.below is not None:
            return self.value < self.below
        return self.value >= self.at_least if self.at_least is not None else None

    def as_json(self):
        shown = {"name": self.name, "value": round(self.value, 4), "unit": self.unit}
        if self.samples is not None:
            shown["samples"] = self.samples
        return shown if self.met is None else {**shown, "goal": self.goal, "met": self.met}


@dataclass(frozen=True)
class Histogram:
    """How many of the measured times fell into each bucket. counts: one for each of SECONDS,
    the upper edges, and one for what is beyond.
    """

    name: str
    counts: list

    @classmethod
    def of(cls, name, seconds):
        """Sort a list of seconds into the buckets; one that is at an edge is within it, as in
        `/metrics`.
        """
        counts = [0] * (len(SECONDS) + 1)
        for value in seconds:
            counts[bisect_left(SECONDS, value)] += 1
        return cls(name, counts)

    @property
    def buckets(self):
        """Return `(upper edge in ms, None for none; count)` of each bucket."""
        return list(
            zip([*(round(1000 * edge) for edge in SECONDS), None], self.counts, strict=True)
        )

    def as_json(self):
        return {
            "name": self.name,
            "unit": "ms",
            "buckets": [{"up_to": edge, "count": count} for edge, count in self.buckets],
        }


class Report:
    """What one benchmark found out."""

    def __init__(self, name):
        self.name = name
        self.figures = []
        self.histograms = []
        self.notes = []
        self.seconds = None
        self._machine = describe_machine()

    def add(self, name, value, unit, **more):
        """Add a figure; `more` as Figure has it."""
        self.figures.append(Figure(name, value, unit, **more))

    def add_spread(self, name, seconds, median_below=None, p95_below=None, p99_below=None):
        """Add the median, 95th and 99th percentile of a list of seconds, in ms; so are the
        goals.
        """
        for label, share, below in (
            ("median", 0.5, median_below),
            ("p95", 0.95, p95_below),
            ("p99", 0.99, p99_below),
        ):
            self.add(
                f"{name}, {label}",
                1000 * percentile(seconds, share),
                "ms",
                below=below,
                samples=len(seconds),
            )

    def add_histogram(self, name, seconds):
        """Add how a list of seconds is spread over the buckets that `/metrics` has too."""
        self.histograms.append(Histogram.of(name, seconds))

    def note(self, text):
        """Add a sentence that a reader of the figures should know."""
        self.notes.append(text)

    def as_json(self):
        return {
            "benchmark": self.name,
            "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "seconds": self.seconds,
            "machine": self._machine,
            "figures": [figure.as_json() for figure in self.figures],
            "histograms": [histogram.as_json() for histogram in self.histograms],
            "notes": self.notes,
        }

    def print(self):
        """Print the table, the notes and the JSON."""
        machine = self._machine
        print(f"\n## {self.name}\n")
        print(
            (
                f"{machine['cores']} cores, {machine['memory_gib']} GiB, Python "
                f"{machine['python']}, SQLite {machine['sqlite']}, "
            ),
            end="",
        )
        print(f"{machine['system']}; load average at the start {machine['load']}\n")
        print("\n".join(table(self.figures)))
        if self.histograms:
            print("\n" + "\n".join(histogram_table(self.histograms)))
        for text in self.notes:
            print(f"\n{text}")
        print(f"\n{json.dumps(self.as_json(), ensure_ascii=False)}\n", flush=True)

    def keep(self):
        """Write the JSON to `results/NAME.json`."""
        RESULTS.mkdir(exist_ok=True)
        text = json.dumps(self.as_json(), ensure_ascii=False, indent=2)
        (RESULTS / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")


def table(figures):
    """Return the lines of a Markdown table of figures."""
    return _aligned(
        [("what", "value", "goal", "met", "samples"), *(_row(figure) for figure in figures)],
        right={1},
    )


def histogram_table(histograms):
    """Return the lines of a Markdown table of histograms, one each line, without the buckets
    that are empty in all of them.
    """
    edges = [edge for edge, _ in histograms[0].buckets]
    used = [
        place
        for place in range(len(edges))
        if any(histogram.counts[place] for histogram in histograms)
    ]
    heads = [
        f"> {edges[place - 1]} ms" if edges[place] is None else f"≤ {edges[place]} ms"
        for place in used
    ]
    rows = [
        (histogram.name, *(str(histogram.counts[place]) for place in used))
        for histogram in histograms
    ]
    return _aligned([("times within", *heads), *rows], right=range(1, len(used) + 1))


def _aligned(rows, right):
    """Return the lines of a Markdown table, its first row the head; `right` has the columns
    that are aligned to the right.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    cells = [
        [
            text.rjust(width) if place in right else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    rule = "|".join("-" * (width + 2) for width in widths)
    return [lines[0], f"|{rule}|", *lines[1:]]


def _row(figure):
    met = {None: "", True: "yes", False: "NO"}[figure.met]
    value = f"{readable(figure.value)} {figure.unit}".rstrip()
    return (
        figure.name,
        value,
        figure.goal,
        met,
        "" if figure.samples is None else str(figure.samples),
    )


def readable(value):
    """Return a number with three digits that count: `0.0123`, `1.23`, `123`, `12,345`."""
    if not value:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def percentile(values, share):
    """Return the smallest value that at least `share` of all values don't exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def median_ratio(pairs):
    """Return the median of a / b over pairs that were measured side by side."""
    return statistics.median(a / b for a, b in pairs)


def describe_machine():
    """Return the machine's size: what figures can't be read without."""
    return {
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 2),
    }
