"""`test_job_generator`: children that write log lines, have children of their own and fail as often
as they are told to.

Everything is drawn from `seed` and the child's place in the tree, so it doesn't matter which worker
does what, and when. A retry writes the same lines again, but draws anew whether it fails.
"""

import threading
from random import Random

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from jobsync.base.errors import StepFailed
from jobsync.definitions.fields import WholeNumber
from jobsync.registry import Unit, step

MAX_CHILDREN = 1_000_000
MAX_LINES = 10_000_000
SHARES = {"info": 80, "warning": 15, "error": 5}

THINGS = (
    "accounts",
    "billing",
    "catalogue",
    "gateway",
    "inventory",
    "mailer",
    "orders",
    "parser",
    "reports",
    "scheduler",
    "search",
    "sessions",
    "storage",
    "uploads",
)
SAYINGS = {
    "info": (
        "compiling module {thing} ({count} files)",
        "{count} tests of {thing} passed in {ms} ms",
        "fetched {thing} index, {count} entries",
        "wrote {thing}.json ({count} rows)",
        "cache hit for {thing} after {ms} ms",
        "linked {thing} with {count} symbols",
    ),
    "warning": (
        "{thing} answered slowly: {ms} ms",
        "{thing} uses a setting that is going away",
        "{count} entries of {thing} have no owner, left as they are",
        "cache of {thing} is stale, reading it again",
    ),
    "error": (
        "could not reach {thing} within {ms} ms, using the last good copy",
        "{thing} refused {count} rows",
        "checksum of {thing} differs, fetching it again",
    ),
}


class GeneratorOptions(Schema):
    """How much of everything.

    worker_count: children of the step. log_count: lines of each. log_delay_ms: time between two
    lines. failure_rate: 0 (none) to 1 (all).
    child_count: children of each child, with half its lines; recursion_depth: how many levels of
    those.
    """

    worker_count = WholeNumber(0, 100_000, load_default=3)
    log_count = WholeNumber(0, 1_000_000, load_default=60)
    log_delay_ms = WholeNumber(0, 60_000, load_default=20)
    failure_rate = fields.Float(
        load_default=0.0, validate=validate.Range(0, 1, error="must be a number from 0 to 1")
    )
    child_count = WholeNumber(0, 1000, load_default=0)
    recursion_depth = WholeNumber(0, 20, load_default=0)
    seed = WholeNumber(-(2**63), 2**63 - 1, load_default=1)

    @validates_schema
    def check_size(self, options, **_):
        children, lines = count_all(options)
        if children > MAX_CHILDREN:
            raise ValidationError(
                f"would make more than {MAX_CHILDREN:,} children in all", "worker_count"
            )
        if lines > MAX_LINES:
            raise ValidationError(f"would make more than {MAX_LINES:,} lines in all", "log_count")


def count_all(options):
    """Return how many children and lines these options make in all."""
    children = lines = 0
    level, log_count = options["worker_count"], options["log_count"]
    for _ in range(options["recursion_depth"] + 1):
        children += level
        lines += level * log_count
        level, log_count = level * options["child_count"], log_count // 2
    return children, lines


@step("test_job_generator", options=GeneratorOptions, batch=True)
def test_job_generator(context, unit):
    """Write the lines, spawn the children, and maybe fail.

    Input: {"path": [2, 1], "lines": n}. Result: {"worker", "lines", "levels"}.
    """
    levels = _write_lines(context, unit)
    _spawn_children(context, unit)
    options, worker = context.options, _worker(unit["path"])
    if (
        Random(f"{options['seed']}/{worker}/attempt {context.attempt}").random()
        < options["failure_rate"]
    ):
        raise StepFailed(
            f"worker {worker} failed as it was told to (failure_rate {options['failure_rate']:g})"
        )
    return {"worker": worker, "lines": unit["lines"], "levels": levels}


@test_job_generator.plan
def plan(context):
    """Yield the step's own workers; those spawn the others."""
    for number in range(1, context.options["worker_count"] + 1):
        yield _unit([number], context.options["log_count"])


@test_job_generator.summarize
def sum_up(context, results):
    """Return {"workers", "lines", "levels"} of the workers that completed."""
    total = {"workers": 0, "lines": 0, "levels": dict.fromkeys(SHARES, 0)}
    for result in results:
        total["workers"] += 1
        total["lines"] += result["lines"]
        for level, number in result["levels"].items():
            total["levels"][level] += number
    return total


def _unit(path, lines):
    return Unit(f"worker {_worker(path)}", {"path": path, "lines": lines})


def _worker(path):
    return ".".join(map(str, path))


def _spawn_children(context, unit):
    if len(unit["path"]) <= context.options["recursion_depth"]:
        for number in range(1, context.options["child_count"] + 1):
            context.spawn(_unit([*unit["path"], number], unit["lines"] // 2))


def _write_lines(context, unit):
    """Write the lines at their pace, and return how many there were of each level."""
    worker, options = _worker(unit["path"]), context.options
    name = (
        f"worker {worker}/{options['worker_count']}"
        if len(unit["path"]) == 1
        else f"worker {worker}"
    )
    random = Random(f"{options['seed']}/{worker}")
    levels = dict.fromkeys(SHARES, 0)
    stopped = threading.Event()
    context.on_stop(stopped.set)
    for number in range(1, unit["lines"] + 1):
        if number > 1:
            stopped.wait(options["log_delay_ms"] / 1000)
        context.check()
        level = random.choices(list(SHARES), SHARES.values())[0]
        levels[level] += 1
        context.log(f"{name} · line {number} of {unit['lines']} · {_saying(random, level)}", level)
    return levels


def _saying(random, level):
    return random.choice(SAYINGS[level]).format(
        thing=random.choice(THINGS), count=random.randint(2, 400), ms=random.randint(3, 4000)
    )
