"""`[params.*]`: what a job is given when it starts."""

import os
import re
from dataclasses import dataclass, replace
from typing import Any

from jobsync.definitions.mistakes import guess, listing, nearest, quote
from jobsync.definitions.shapes import ParamTable, load
from jobsync.definitions.values import TYPES, check_value, from_text

NAME = "[A-Za-z_][A-Za-z0-9_]{0,63}"
NAME_REASON = "the name must be 1 to 64 of the characters A-Z a-z 0-9 _ and not begin with a digit"
ONLY_FOR = {
    "choices": ("string", "integer", "number"),
    "minimum": ("integer", "number"),
    "maximum": ("integer", "number"),
}


@dataclass(frozen=True)
class Param:
    """A parameter.

    `default` is as written (None: it has none, so it is required); `choices` is empty where every
    value will do.
    """

    name: str
    type: str
    default: Any = None
    description: str = ""
    choices: tuple = ()
    minimum: int | float | None = None
    maximum: int | float | None = None

    @property
    def required(self):
        return self.default is None

    def check(self, value):
        """Return a value that is of this parameter's type and within its limits, a path made
        absolute. Raises ValueError with the reason.
        """
        value = check_value(self.type, value)
        if self.choices and value not in self.choices:
            raise ValueError(guess(f"must be one of: {listing(self.choices)}", value, self.choices))
        if self.minimum is not None and value < self.minimum:
            raise ValueError(f"must be at least {self.minimum}")
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"must be at most {self.maximum}")
        return value

    def default_value(self):
        """Return the default as a job has it, None for none.

        It doesn't look at the disk, where a path may have vanished.
        """
        try:
            return None if self.required else self.check(self.default)
        except ValueError:  # a path, where the folder that jobsync was started in has vanished
            return self.default

    def take(self, given):
        """Return the value for one job of `given` (name to value or its text) or the default.

        Raises ValueError with the reason.
        """
        if self.name not in given and self.required:
            raise ValueError("is required")
        value = self.check(from_text(self.type, given.get(self.name, self.default)))
        if self.type == "path" and not os.path.exists(value):
            raise ValueError(f"does not exist: {value}")
        return value

    def shown(self):
        """Return this parameter as JSON for the API."""
        return {**vars(self), "choices": list(self.choices), "required": self.required}


def read_params(tables, report):
    """Return the good ones of `[params.*]` as a tuple of Param."""
    seen = {}
    for name in tables:
        first = seen.setdefault(name.upper(), name)
        # they would be the same variable in a process's environment (`PARAM_NAME`)
        if first != name:
            report.add(f"must differ from {quote(first)} by more than upper and lower case", name)
    params = [_read_param(name, table, report.at(name)) for name, table in tables.items()]
    return tuple(param for param in params if param)


def _read_param(name, table, report):
    """Return the Param, or None after reporting why it can't be one."""
    before = len(report.problems)
    if not re.fullmatch(NAME, name):
        report.add(NAME_REASON)
    data = load(ParamTable(), table, report)
    kind = data.get("type") or (isinstance(table, dict) and nearest(table.get("type"), TYPES))
    if not kind:
        return None
    param = _with_limits(Param(name, kind, description=data.get("description", "")), data, report)
    if "default" in data and _is_good(param, data["default"], report.at("default")):
        param = replace(param, default=data["default"])
    return param if len(report.problems) == before else None


def _with_limits(param, data, report):
    for key in [key for key, types in ONLY_FOR.items() if key in data and param.type not in types]:
        report.add(f"is only for the types {listing(ONLY_FOR[key])}", key)
        del data[key]
    limits = {
        key: data[key]
        for key in ("minimum", "maximum")
        if key in data and _is_good(param, data[key], report.at(key))
    }
    param = replace(param, **limits)
    if len(limits) == 2 and param.minimum > param.maximum:
        report.add(f"must be at most the maximum, {param.maximum}", "minimum")
    choices = data.get("choices", ())
    good = [
        choice
        for place, choice in enumerate(choices)
        if _is_good(param, choice, report.at("choices", place))
    ]
    return replace(param, choices=tuple(choices)) if len(good) == len(choices) else param


def _is_good(param, value, report):
    try:
        param.check(value)
    except ValueError as error:
        report.add(str(error))
        return False
    return True
