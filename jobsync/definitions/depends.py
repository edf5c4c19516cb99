"""What steps depend on: steps that there are, and no circles."""

from collections import Counter
from graphlib import CycleError, TopologicalSorter
from itertools import islice, pairwise

from jobsync.base.loop import in_turns
from jobsync.definitions.mistakes import guess, listing, quote, toml_name

MAX_CYCLES = 20  # told of one file


def check_depends(steps, names, report):
    """Report what is wrong with the `depends` of these steps (StepDefinitions). names: of all
    steps, good or not.
    """
    for step in steps:
        for name, times in in_turns(Counter(step.depends).items()):
            if name == step.name:
                report.add("a step can't depend on itself", step.name, "depends")
            elif name not in names:
                reason = (
                    f"there is no step {quote(name)}; there are: {listing(map(toml_name, names))}"
                )
                report.add(
                    guess(reason, name, (other for other in names if other != step.name)),
                    step.name,
                    "depends",
                )
            if times > 1:
                report.add(f"names {quote(name)} more than once", step.name, "depends")
    order = {step.name: place for place, step in enumerate(steps)}
    depends = {
        step.name: [
            name for name in dict.fromkeys(step.depends) if name in order and name != step.name
        ]
        for step in steps
    }
    for cycle in islice(_cycles(depends), MAX_CYCLES):
        first = min(cycle, key=order.get)
        turn = cycle.index(first)
        report.add(
            f"is a cycle: {' → '.join([*cycle[turn:-1], *cycle[:turn], first])}", first, "depends"
        )


def _cycles(depends):
    """Yield cycles as `[a, b, a]`, a depending on b and b on a; none twice, and not each of
    those that share a part. Empties `depends`.
    """
    while True:
        try:
            TopologicalSorter(depends).prepare()
            return
        except CycleError as error:
            cycle = error.args[1][::-1]
        yield cycle
        for name, other in pairwise(cycle):
            depends[name].remove(other)
