"""What the tests of `local_dir`, `code_map` and `agent` share: a context by hand, and a step
run from plan to summary.
"""

import json
from collections import namedtuple

from jobsync.base.errors import Stopped
from jobsync.registry import Unit

Done = namedtuple("Done", "units results summary log")
STARTED_BEFORE = 4_000_000_000_000  # ms: the year 2096, so files that tests write are old by then


class FakeContext:
    """A registry.Context whose store is lists in memory. imports: {step name: (type, [results])} of
    the steps this one depends on; summaries: {step name: its result}. before: the Done of the last
    run of this step, which began at `STARTED_BEFORE`.
    """

    def __init__(
        self,
        step_type,
        last_input=None,
        imports=None,
        stop_after=None,
        before=None,
        summaries=None,
        **options,
    ):
        self.job_id, self.step_name, self.attempt, self.params = "job", step_type.name, 1, {}
        self.options = json.loads(json.dumps(step_type.options().load(options)))
        self.last_input = last_input
        self.imports = imports or {}
        self.depends = list(self.imports)
        self.before = before
        self.summaries = summaries or {}
        self.lines = []
        self.checks = 0
        self.stop_after = stop_after

    def log(self, message, level="info", at=None):
        self.lines.append((level, message))

    def check(self):
        self.checks += 1
        if self.stop_after is not None and self.checks > self.stop_after:
            raise Stopped()

    def children(self, step_name):
        return (f"{step_name}-{number}" for number in range(len(self.imports[step_name][1])))

    def result(self, child_id):
        name, _, number = child_id.rpartition("-")
        return (
            self.before.results[int(number)]
            if name == "before"
            else self.imports[name][1][int(number)]
        )

    def last_run(self):
        run = {"id": "before", "job_id": "job before", "started_at": STARTED_BEFORE}
        return self.before and run | {"child_count": len(self.before.units)}

    def run_children(self, run_id):
        return ((f"{run_id}-{number}", unit.input) for number, unit in enumerate(self.before.units))

    def step_result(self, step_name):
        return self.summaries.get(step_name)

    def step_type(self, step_name):
        return self.imports[step_name][0]

    def warnings(self):
        return [message for level, message in self.lines if level in ("warning", "error")]


def run_step(step_type, **options):
    """Plan a step, run its children, sum them up, everything through JSON as the store would
    have it.
    """
    context = FakeContext(step_type, **options)
    units = [
        Unit(unit.name, json.loads(json.dumps(unit.input))) for unit in step_type.planner(context)
    ]
    results = [json.loads(json.dumps(step_type.run(context, unit.input))) for unit in units]
    summary = step_type.summary(
        context, iter(result[step_type.sums] if step_type.sums else result for result in results)
    )
    json.dumps(summary)
    return Done(units, results, summary, context)


def write_tree(root, files):
    """Write {path: text or bytes} below a folder and return it."""
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def planned_paths(units):
    """Return all the path texts of some units, in order."""
    return [path for unit in units for path in unit.input["files"]]
