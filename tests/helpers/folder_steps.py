"""What the tests of `local_dir`, `code_map` and `agent` share: a context by hand, and a step
run from plan to summary.
"""

import json
from collections import namedtuple

from helpers.contexts import FakeContext
from jobsync.registry import Unit

Done = namedtuple("Done", "units results summary log")
STARTED_BEFORE = 4_000_000_000_000  # ms: the year 2096, so files that tests write are old by then


class FolderContext(FakeContext):
    """A context whose store is lists in memory.

    imports: {step name: (type, [results])} of the steps this one depends on; summaries: {step name:
    its result}. before: the Done of the last run of this step, which began at `STARTED_BEFORE`.
    """

    def __init__(self, step_type, imports=None, before=None, summaries=None, **options):
        super().__init__(step_type, **options)
        self.imports = imports or {}
        self.depends = list(self.imports)
        self.before = before
        self.summaries = summaries or {}

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


def run_step(step_type, **options):
    """Plan a step, run its children, sum them up, everything through JSON as the store would
    have it.
    """
    context = FolderContext(step_type, **options)
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
