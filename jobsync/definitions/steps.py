"""`[step.*]`: what a job does."""

import re
from dataclasses import dataclass

from jobsync.base.loop import in_turns
from jobsync.definitions.depends import check_depends
from jobsync.definitions.mistakes import guess, listing, quote
from jobsync.definitions.shapes import NAME, NAME_REASON, StepTable, load
from jobsync.definitions.written import check_options
from jobsync.registry import StepType


@dataclass(frozen=True)
class StepDefinition:
    """A step as the definition has it.

    `timeout` in ms or None; `options` as written, placeholders and all; `step_type` is None for a
    `type` that there isn't.
    """

    name: str
    type: str
    options: dict
    depends: tuple = ()
    on_error: str = "fail"
    always_run: bool = False
    max_child_failures: int = 0
    retries: int = 0
    timeout: int | None = None
    timeout_text: str | None = None
    step_type: StepType | None = None

    def shown(self):
        """Return this step as JSON for the API; time-out and options as written."""
        shown = {**vars(self), "depends": list(self.depends), "timeout": self.timeout_text}
        del shown["timeout_text"], shown["step_type"]
        return shown

    def bound(self, options):
        """Return this step as it is stored for one job, with `options` filled in and checked."""
        has_summary = self.step_type.summary is not None
        return {
            **self.shown(),
            "timeout": self.timeout,
            "options": options,
            "has_summary": has_summary,
        }


def read_steps(tables, params, names, tolerance, types, report):
    """Return the steps as a tuple of StepDefinition; of no use when anything was reported.

    params: the good parameters; names: those of all, good or not. tolerance: the checked
    `[error_tolerance]`. types: a Registry.
    """
    steps = [
        _read_step(name, table, tolerance, types, report.at(name))
        for name, table in in_turns(tables.items())
    ]
    steps = tuple(step for step in steps if step)
    defaults = {param.name: param.check(param.default) for param in params if not param.required}
    for step in in_turns(steps):
        check_options(step, names, defaults, types, report.at(step.name))
    check_depends(steps, tables, report)
    return steps


def _read_step(name, table, tolerance, types, report):
    """Return the StepDefinition (with type "" where that is bad), or None where there is
    nothing to make one of.
    """
    if not re.fullmatch(NAME, name):
        report.add(f"the name {NAME_REASON}")
    schema = StepTable()
    data = {"type": "", **tolerance, **load(schema, table, report)}
    if not isinstance(table, dict):
        return None
    there_are = f"there are: {listing(types.names())}"
    if "type" not in table:
        report.add(f"is required; {there_are}", "type")
    elif types.find(data["type"]) is None and isinstance(table["type"], str):
        report.add(
            guess(
                f"there is no step type {quote(data['type'])}; {there_are}",
                data["type"],
                types.names(),
            ),
            "type",
        )
    data["timeout"], data["timeout_text"] = data.get("timeout", (None, None))
    return StepDefinition(
        name,
        options={key: value for key, value in table.items() if key not in schema.fields},
        step_type=types.find(data["type"]),
        **data,
    )
