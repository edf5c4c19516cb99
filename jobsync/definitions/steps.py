"""`[step.*]`: what a job does."""

import re
from dataclasses import dataclass

from jobsync.base.loop import in_turns
from jobsync.definitions.depends import check_depends
from jobsync.definitions.duration import UNITS, Duration
from jobsync.definitions.mistakes import guess, listing, quote
from jobsync.definitions.options import options_of
from jobsync.definitions.shapes import NAME, NAME_REASON, StepTable, load
from jobsync.definitions.written import check_options
from jobsync.registry import StepType


@dataclass(frozen=True)
class StepDefinition:
    """A step as the definition has it.

    `retry_on` None: whatever fails is tried again. `options` as written, placeholders and all;
    `step_type` is None for a `type` that there isn't.
    """

    name: str
    type: str
    options: dict
    depends: tuple = ()
    on_error: str = "fail"
    always_run: bool = False
    max_child_failures: int = 0
    queue: str = "default"
    concurrency: int | None = None
    retries: int = 0
    retry_delay: Duration = Duration(0, "0s")
    retry_backoff: int | float = 2
    retry_max_delay: Duration = Duration(UNITS["h"], "1h")
    retry_on: list | None = None
    rerun_when_lost: bool = False
    timeout: Duration | None = None
    step_timeout: Duration | None = None
    stall_timeout: Duration | None = None
    cancel_grace: Duration = Duration(10 * UNITS["s"], "10s")
    step_type: StepType | None = None

    def shown(self):
        """Return this step as JSON for the API; durations and options as written."""
        return self._as_dict(lambda duration: duration.text)

    def bound(self, options):
        """Return this step as it is stored for one job, with `options` filled in and checked;
        durations in ms.
        """
        return {
            **self._as_dict(lambda duration: duration.ms),
            "options": options,
            "has_summary": self.step_type.summary is not None,
        }

    def _as_dict(self, told):
        """Return the keys and their values. told: makes of a Duration what is to stand for it."""
        values = {
            key: told(value) if isinstance(value, Duration) else value
            for key, value in vars(self).items()
        }
        del values["step_type"]
        # lists of their own: what is made of a definition must not change it
        retry_on = None if self.retry_on is None else list(self.retry_on)
        return {**values, "depends": list(self.depends), "retry_on": retry_on}


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
    step_type = types.find(data["type"])
    there_are = f"there are: {listing(types.names())}"
    if "type" not in table:
        report.add(f"is required; {there_are}", "type")
    elif step_type is None and isinstance(table["type"], str):
        report.add(
            guess(
                f"there is no step type {quote(data['type'])}; {there_are}",
                data["type"],
                types.names(),
            ),
            "type",
        )
    its_own = options_of(step_type) if step_type else set()
    for key in sorted(its_own & table.keys() & schema.fields.keys()):
        report.add(
            f"would be two things: every step has {key}, and {step_type.name} has an option of "
            "that name",
            key,
        )
    return StepDefinition(
        name,
        options={key: value for key, value in table.items() if key not in schema.fields},
        step_type=step_type,
        # what can be done again without harm, is
        **{"rerun_when_lost": bool(step_type and step_type.batch), **data},
    )
