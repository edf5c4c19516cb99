"""A whole definition: read from a file's content, and bound to the parameters of one job."""

import re
from collections import defaultdict
from dataclasses import dataclass

from jobsync.base.errors import BadInput
from jobsync.base.loop import in_turns
from jobsync.base.text import storable
from jobsync.definitions import placeholders
from jobsync.definitions.duration import Duration
from jobsync.definitions.mistakes import (
    MOST_PROBLEMS,
    Enough,
    Problem,
    Report,
    guess,
    listing,
    toml_key,
)
from jobsync.definitions.options import load_options, params_of, refuse
from jobsync.definitions.params import read_params
from jobsync.definitions.shapes import FileTable, load
from jobsync.definitions.steps import read_steps
from jobsync.definitions.written import no_parameter

MAX_CONCURRENCY_VALUE = 1000  # characters


@dataclass(frozen=True)
class Bound:
    """A definition with the parameters of one job: `params` complete and converted, `steps` as
    dicts ready to be stored, `concurrency_value` the definition's `concurrency_key` filled in.
    """

    params: dict
    steps: list
    concurrency_value: str | None = None


@dataclass(frozen=True)
class Definition:
    """A checked definition. `file`: its file's name."""

    id: str
    name: str
    file: str
    params: tuple
    steps: tuple
    description: str = ""
    tags: tuple = ()
    timeout: Duration | None = None
    concurrency: int | None = None
    concurrency_key: str | None = None
    priority: int = 0

    def shown(self):
        """Return this definition as JSON for the API; durations and options as written."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "tags": list(self.tags),
            "timeout": self.timeout and self.timeout.text,
            "concurrency": self.concurrency,
            "concurrency_key": self.concurrency_key,
            "priority": self.priority,
            "params": [param.shown() for param in self.params],
            "steps": [step.shown() for step in self.steps],
        }

    def differences(self, params):
        """Return those of a job's parameters (name to value) that it would not have by default."""
        defaults = {param.name: param.default_value() for param in self.params}
        return {name: value for name, value in params.items() if defaults.get(name) != value}

    def bind(self, given):
        """Return the Bound for a job with these parameters (name to value, which may be text as
        from a form or a terminal).

        Binding the parameters of a Bound again gives the same. Raises BadInput with `{"params":
        {name: [reasons]}}`, all mistakes at once; those that can't be laid to a parameter are under
        `_schema`.
        """
        errors = defaultdict(list)
        values = self._take(given, errors)
        steps = [self._bind_step(step, values, errors) for step in in_turns(self.steps)]
        concurrency_value = self._bind_concurrency_key(values, errors)
        if errors:
            raise BadInput("The input is not valid.", {"params": dict(errors)})
        return Bound(values, steps, concurrency_value)

    def _take(self, given, errors):
        if not isinstance(given, dict):
            errors["_schema"].append("must be a table of names and values")
            return {}
        names = [param.name for param in self.params]
        for name in given:
            if name not in names:
                errors[storable(str(name))].append(
                    guess(f"there is no such parameter; there are: {listing(names)}", name, names)
                )
        values = {}
        for param in self.params:
            try:
                values[param.name] = param.take(given)
            except ValueError as error:
                errors[param.name].append(str(error))
        return values

    def _bind_step(self, step, values, errors):
        """Return the step ready to be stored; of no use when `errors` holds anything in the end."""
        options, mistakes = load_options(step, values)
        for path, reason in mistakes:
            for name in sorted(params_of(step, path[0]) if path else ()) or ["_schema"]:
                errors[name].append(f"{toml_key('step', step.name, *path)}: {reason}")
        if not mistakes and len(values) == len(self.params):
            for reason in refuse(step, options, values):
                errors[self._named_in(reason)].append(f"{toml_key('step', step.name)}: {reason}")
        return step.bound(options)

    def _bind_concurrency_key(self, values, errors):
        """Return the key filled in, None where there is none or a parameter has no good value."""
        if self.concurrency_key is None:
            return None
        used = placeholders.names(self.concurrency_key)
        if used - values.keys():
            return None
        value = placeholders.as_text(placeholders.fill(self.concurrency_key, values))
        if len(value) > MAX_CONCURRENCY_VALUE:
            for name in sorted(used):
                errors[name].append(
                    "concurrency_key: must be at most "
                    f"{MAX_CONCURRENCY_VALUE} characters long with this value, not {len(value)}"
                )
        return value

    def _named_in(self, reason):
        """Return the one parameter that a reason names in quotes or braces, else `_schema`."""
        named = [
            param.name
            for param in self.params
            if re.search(rf"['\"`{{]{param.name}['\"`}}]", reason)
        ]
        return named[0] if len(named) == 1 else "_schema"


def read_table(table, file, types):
    """Return `(Definition or None, [Problem])` for a file's content as tomllib gives it.

    types: a Registry.
    It is None exactly when there are problems.
    """
    report = Report(file)
    try:
        definition = _read(table, report, types)
    except Enough:
        more = Problem(file, "", f"has more mistakes than these {MOST_PROBLEMS}")
        return None, [*report.problems, more]
    return definition, report.problems


def _read(table, report, types):
    """Return the Definition, None when anything was reported."""
    data = load(FileTable(), table, report)
    names = table["params"].keys() if isinstance(table.get("params"), dict) else ()
    params = read_params(data.pop("params", {}), report.at("params"))
    steps = read_steps(
        data.pop("step", {}),
        params,
        names,
        data.pop("error_tolerance", {}),
        types,
        report.at("step"),
    )
    _check_concurrency_key(table, names, report)
    if report.problems:
        return None
    data["tags"] = tuple(data.get("tags", ()))
    return Definition(file=report.file, params=params, steps=steps, **{"name": data["id"], **data})


def _check_concurrency_key(table, names, report):
    """Report what else is wrong with it. table: of the whole file; names: of all parameters."""
    key = table.get("concurrency_key", "")
    if "concurrency_key" in table and "concurrency" not in table:
        report.add("needs concurrency: how many jobs of each value run at once", "concurrency_key")
    try:
        asked = placeholders.names(key) if isinstance(key, str) else ()
    except ValueError as error:
        report.add(str(error), "concurrency_key")
        return
    for name in sorted(name for name in asked if name not in names):
        report.add(no_parameter(name, names), "concurrency_key")
