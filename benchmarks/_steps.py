"""Step types that do nothing, so that what is measured is the engine alone: `bench_short`, whose
children may share a transaction, and `bench_single`, whose children begin and end one by one.
"""

from marshmallow import Schema

from jobsync.definitions.fields import WholeNumber
from jobsync.registry import Unit, step


class Number(Schema):
    """children: how many the step has."""

    children = WholeNumber(0, 10_000_000, load_default=1)


def plan(context):
    """Yield the children."""
    for number in range(1, context.options["children"] + 1):
        yield Unit(str(number), {"number": number})


@step("bench_short", options=Number, batch=True)
def bench_short(context, unit):
    """Do nothing."""
    return {"number": unit["number"]}


@bench_short.summarize
def sum_up(context, results):
    """Return how many completed."""
    return {"children": sum(1 for _ in results)}


@step("bench_single", options=Number)
def bench_single(context, unit):
    """Do nothing."""


for step_type in (bench_short, bench_single):
    step_type.plan(plan)
