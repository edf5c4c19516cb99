"""Definitions: TOML files in a folder, read into checked `Definition`s. Every mistake of every file becomes a `Problem`.

A file's way: bytes → TOML → its own keys, `[params.*]` and `[step.*]` by the schemas below → each step's options by the schema of its
type. Nothing stops at the first mistake, and a bad file stops no other. `Definition.bind` then takes the parameters of one job.
"""

import json
import logging
import math
import os
import re
import stat
import time
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from datetime import time as time_of_day
from graphlib import CycleError, TopologicalSorter
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from jobsync import placeholders, registry
from jobsync.errors import BadInput, NotFound
from jobsync.text import path_to_text, printable, storable

MAX_FILE = 1024 * 1024  # bytes
MAX_STEPS = 1000
MAX_PARAMS = 100
MAX_DEPTH = 20  # lists and tables within an option
MAX_TEXT = 10_000  # characters of a parameter's value
MAX_PATH = 4096
MAX_INTEGER = 2**63 - 1
MAX_DURATION = 365 * 24 * 3600 * 1000  # ms
SETTLED = 2_000_000_000  # ns: a file changed so lately may change again without a new time stamp

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """One mistake: in which file (its name in the folder), at which key (as in TOML, "" for the whole file), and why it is one."""

    file: str
    key: str
    reason: str

    def __str__(self):
        return ": ".join(part for part in (self.file, self.key, self.reason) if part)


# Words for people


def _plain(reason):
    """Return a reason of marshmallow's in the words used here; a step type's own words stay."""
    reason = str(reason)
    if reason in PLAIN:
        return PLAIN[reason]
    return "must " + reason[5:].rstrip(".") if reason.startswith("Must ") else reason


PLAIN = {
    "Missing data for required field.": "is required",
    "Field may not be null.": "must have a value",
    "Not a valid string.": "must be text",
    "Not a valid integer.": "must be a whole number",
    "Not a valid number.": "must be a number",
    "Not a valid boolean.": "must be true or false",
    "Not a valid list.": "must be a list",
    "Not a valid mapping type.": "must be a table",
    "Invalid input type.": "must be a table",
    "Invalid type.": "must be a table",
}


def _quote(text):
    return repr(text if len(text) <= 80 else text[:80] + "…")


def _listing(names):
    first = [str(name) for name in islice(names, 31)]
    return ", ".join(first[:30]) + (", …" if len(first) > 30 else "") or "none"


def _key(path):
    """Return a key as TOML writes it: `step.import_files.extensions[0]`."""
    key = ""
    for part in path:
        key += f"[{part}]" if isinstance(part, int) else "." * bool(key) + _key_part(str(part))
    return key


def _key_part(part):
    part = part if len(part) <= 80 else part[:80] + "…"
    return part if re.fullmatch("[A-Za-z0-9_-]+", part) else printable(json.dumps(part, ensure_ascii=False))


def _flat(messages, path=()):
    """Yield `(path, reason)` for each reason in marshmallow's nested messages."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _flat(inner, path if key == "_schema" else (*path, key))
    elif isinstance(messages, list):
        for inner in messages:
            yield from _flat(inner, path)
    else:
        yield path, _plain(messages)


class Report:
    """Collects the problems of one file."""

    def __init__(self, file):
        self.file = file
        self.problems = []

    def add(self, path, reason):
        """Add a mistake at a key, given as the sequence of its parts."""
        self.problems.append(Problem(self.file, _key(path), reason))


# Durations


class Duration(NamedTuple):
    """A length of time in ms, and as the definition writes it."""

    ms: int
    text: str


DURATION = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?(?:([0-9]{1,12})ms)?")
UNITS = (86_400_000, 3_600_000, 60_000, 1000, 1)
DURATION_REASON = 'must be a duration such as "90s", "10m", "1h30m" or "2d", or a whole number of seconds: more than 0, at most 365 days'


def read_duration(value):
    """Return the Duration that `"1h30m"`, `"500ms"` or a whole number of seconds stands for. Raises ValueError with the reason."""
    text = f"{value}s" if type(value) is int and 0 < value <= MAX_DURATION else value
    match = DURATION.fullmatch(text) if isinstance(text, str) else None
    ms = sum(int(amount or 0) * unit for amount, unit in zip(match.groups(), UNITS, strict=True)) if match else 0
    if not 0 < ms <= MAX_DURATION:
        raise ValueError(DURATION_REASON)
    return Duration(ms, text)


# The shape of a file, as marshmallow schemas


class DurationField(fields.Field):
    """A Duration."""

    def _deserialize(self, value, attr, data, **kwargs):
        try:
            return read_duration(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class TrueOrFalse(fields.Field):
    """A boolean and nothing that merely looks like one."""

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, bool):
            raise ValidationError("must be true or false")
        return value


class Names(fields.Field):
    """`"a, b"` or `["a", "b"]`, as a tuple."""

    def _deserialize(self, value, attr, data, **kwargs):
        if isinstance(value, str):
            value = [name.strip() for name in value.split(",")] if value.strip() else []
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise ValidationError('must be names of steps: "a, b" or ["a", "b"]')
        return tuple(value)


def _whole(low, high):
    reason = f"must be a whole number from {low} to {high}"
    return fields.Integer(strict=True, validate=validate.Range(low, high, error=reason), error_messages={"invalid": reason})


def _one_of(*choices, **options):
    reason = f"must be one of: {', '.join(choices)}"
    messages = {"invalid": reason, "required": f"is required and {reason}"}
    return fields.String(validate=validate.OneOf(choices, error=reason), error_messages=messages, **options)


def _text(size):
    reason = f"must be text of at most {size} characters, without NUL"
    return fields.String(validate=_demand(lambda text: len(text) <= size and "\x00" not in text, reason))


def _label(size):
    reason = f"must be one line of 1 to {size} characters"
    return fields.String(validate=_demand(lambda text: text.strip() and len(text) <= size and not re.search(r"[\x00-\x1f\x7f-\x9f]", text), reason))


def _demand(is_good, reason):
    def check(value):
        if not is_good(value):
            raise ValidationError(reason)

    return check


NAME = r"[A-Za-z0-9_-]{1,64}"
NAME_REASON = "must be 1 to 64 of the characters A-Z a-z 0-9 _ -"
PARAM_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
PARAM_NAME_REASON = "the name must be 1 to 64 of the characters A-Z a-z 0-9 _ and not begin with a digit"
TYPES = ("string", "integer", "number", "boolean", "path")
ON_ERROR = ("fail", "continue")
CHILDREN = 2**31 - 1


class Table(Schema):
    """A table of a definition: what isn't named is refused."""

    class Meta:
        unknown = RAISE


class FileTable(Table):
    """A whole file."""

    id = fields.String(required=True, validate=_demand(re.compile(NAME).fullmatch, NAME_REASON))
    name = _label(200)
    description = _text(MAX_TEXT)
    tags = fields.List(_label(64), validate=validate.Length(max=50, error="must be a list of at most 50 texts"))
    timeout = DurationField()
    params = fields.Raw()
    step = fields.Raw()
    error_tolerance = fields.Raw()


class ParamTable(Table):
    """`[params.NAME]`."""

    type = _one_of(*TYPES, required=True)
    default = fields.Raw()
    description = _text(1000)
    choices = fields.List(fields.Raw(), validate=validate.Length(1, 1000, error="must be a list of 1 to 1000 values"))
    minimum = fields.Raw()
    maximum = fields.Raw()


class StepTable(Table):
    """The keys of `[step.NAME]` that every step has; the others are the options of its type."""

    type = fields.String()
    depends = Names()
    on_error = _one_of(*ON_ERROR)
    always_run = TrueOrFalse()
    max_child_failures = _whole(0, CHILDREN)
    retries = _whole(0, 100)
    timeout = DurationField()


class ToleranceTable(Table):
    """`[error_tolerance]`."""

    max_child_failures = _whole(0, CHILDREN)
    failure_action = _one_of(*ON_ERROR)


STEP_KEYS = tuple(StepTable().fields)


def _checked(schema, table, path, report):
    """Return what is valid of `table`, as a dict; report the rest."""
    if not isinstance(table, dict):
        report.add(path, "must be a table")
        return {}
    try:
        return schema.load(table)
    except ValidationError as error:
        for keys, reason in _flat(error.messages):
            if reason == schema.error_messages["unknown"]:
                reason = f"is not known; known are: {_listing(schema.fields)}"
            report.add((*path, *keys), reason)
        return error.valid_data


# Parameters


def _to_string(value):
    if not isinstance(value, str):
        raise ValueError("must be text")
    if len(value) > MAX_TEXT:
        raise ValueError(f"must be at most {MAX_TEXT} characters long")
    if storable(value) != value:
        raise ValueError("must not contain NUL or anything that isn't Unicode text")
    return value


INTEGER = re.compile(r"\s*[+-]?[0-9]{1,20}\s*")
NUMBER = re.compile(r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")


def _to_integer(value):
    if isinstance(value, str) and INTEGER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be a whole number")
    if abs(value) > MAX_INTEGER:
        raise ValueError("must be a whole number that fits into 64 bits")
    return value


def _to_number(value):
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = int(value) if INTEGER.fullmatch(value) else float(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ValueError("must be a number")
    if isinstance(value, int):
        return _to_integer(value)
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def _to_boolean(value):
    if isinstance(value, str):
        value = WORDS.get(value.strip().lower())
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _to_path(value):
    if _to_string(value) == "":
        raise ValueError("must not be empty")
    path = os.path.abspath(os.path.expanduser(value))
    if len(path) > MAX_PATH or storable(path) != path:
        raise ValueError(f"must be the path of a file or folder, at most {MAX_PATH} characters of Unicode text")
    return path


CONVERTERS = {"string": _to_string, "integer": _to_integer, "number": _to_number, "boolean": _to_boolean, "path": _to_path}
NATIVE = {
    "string": ((str,), "text"),
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
    "path": ((str,), "a path, as text"),
}


@dataclass(frozen=True)
class Param:
    """A parameter. `default` is as written (None: it has none, so it is required); `choices` is empty where every value will do."""

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

    def convert(self, value):
        """Return `value`, which may be text as from a form, as this parameter's type. Raises ValueError with the reason."""
        value = CONVERTERS[self.type](value)
        if self.choices and value not in self.choices:
            raise ValueError(f"must be one of: {_listing(self.choices)}")
        if self.minimum is not None and value < self.minimum:
            raise ValueError(f"must be at least {self.minimum}")
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"must be at most {self.maximum}")
        return value

    def take(self, given):
        """Return the value for one job of `given` (name to value) or the default. Raises ValueError with the reason."""
        value = given.get(self.name, self.default)
        if value is None and self.name not in given:
            raise ValueError("is required")
        value = self.convert(value)
        if self.type == "path" and not os.path.exists(value):
            raise ValueError(f"does not exist: {value}")
        return value

    def shown(self):
        """Return this parameter as JSON for the API."""
        return {
            "name": self.name,
            "type": self.type,
            "default": self.default,
            "required": self.required,
            "description": self.description,
            "choices": list(self.choices),
            "minimum": self.minimum,
            "maximum": self.maximum,
        }


def _read_params(table, report):
    """Return the good ones of `[params.*]` as a tuple of Param."""
    if not isinstance(table, dict):
        report.add(("params",), "must hold tables such as [params.folder]")
        return ()
    if len(table) > MAX_PARAMS:
        report.add(("params",), f"there must be at most {MAX_PARAMS} parameters")
        return ()
    _report_twins(table, report)
    params = [_read_param(name, table[name], report) for name in table]
    return tuple(param for param in params if param)


def _report_twins(names, report):
    """Report names that would be the same variable in a process's environment (`PARAM_NAME`)."""
    seen = {}
    for name in names:
        first = seen.setdefault(name.upper(), name)
        if first != name:
            report.add(("params", name), f"must differ from {_quote(first)} by more than upper and lower case")


def _read_param(name, table, report):
    """Return the Param, or None after reporting why it can't be one."""
    path = ("params", name)
    before = len(report.problems)
    if not re.fullmatch(PARAM_NAME, name):
        report.add(path, PARAM_NAME_REASON)
    data = _checked(ParamTable(), table, path, report)
    if len(report.problems) > before:
        return None
    param = Param(name, data["type"], description=data.get("description", ""))
    param = _with_limits(param, data, path, report)
    if "default" in data and _is_valid(param, data["default"], (*path, "default"), report):
        param = replace(param, default=data["default"])
    return param if len(report.problems) == before else None


def _with_limits(param, data, path, report):
    allowed = {"choices": ("string", "integer", "number"), "minimum": ("integer", "number"), "maximum": ("integer", "number")}
    for key, types in allowed.items():
        if key in data and param.type not in types:
            report.add((*path, key), f"is only for the types {_listing(types)}")
    plain = param
    for key in ("minimum", "maximum"):
        if key in data and param.type in allowed[key] and _is_valid(plain, data[key], (*path, key), report):
            param = replace(param, **{key: data[key]})
    if None not in (param.minimum, param.maximum) and param.minimum > param.maximum:
        report.add((*path, "minimum"), f"must be at most the maximum, {param.maximum}")
    if "choices" in data and param.type in allowed["choices"]:
        good = [_is_valid(param, choice, (*path, "choices", place), report) for place, choice in enumerate(data["choices"])]
        param = replace(param, choices=tuple(data["choices"])) if all(good) else param
    return param


def _is_valid(param, value, path, report):
    """Say whether a value in a definition is of the parameter's type (as TOML has it: no numbers in quotes) and within its limits."""
    types, words = NATIVE[param.type]
    try:
        if type(value) not in types:
            raise ValueError(f"must be {words}")
        param.convert(value)
    except ValueError as error:
        report.add(path, str(error))
        return False
    return True


# Steps


@dataclass(frozen=True)
class StepDefinition:
    """A step as the definition has it. `timeout` in ms or None; `options` as written, placeholders and all."""

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

    def shown(self):
        """Return this step as JSON for the API."""
        return {**self._common(), "timeout": self.timeout_text, "options": self.options}

    def bound(self, options):
        """Return this step as it is stored for one job, with `options` filled in and checked."""
        has_summary = registry.find(self.type).summary is not None
        return {**self._common(), "timeout": self.timeout, "options": options, "has_summary": has_summary}

    def _common(self):
        return {
            "name": self.name,
            "type": self.type,
            "depends": list(self.depends),
            "on_error": self.on_error,
            "always_run": self.always_run,
            "max_child_failures": self.max_child_failures,
            "retries": self.retries,
        }

    def params_of(self, option):
        """Return the names of the parameters that are filled into an option when a job begins; none for a template."""
        if option not in self.options or option in registry.find(self.type).templates:
            return set()
        return placeholders.names(self.options[option])

    def load_options(self, values, unchecked=frozenset()):
        """Fill in and check the options. Returns `(options, mistakes)`, a mistake being a path that begins with the option, and a reason.

        values: the parameters by name. An option that names one without a value, or that is in `unchecked`, must be known, and no
        more is said of it. With mistakes or such options, `options` is of no use.
        """
        step_type = registry.find(self.type)
        schema = step_type.options() if isinstance(step_type.options, type) else step_type.options
        known = {found.data_key or name: found for name, found in schema.load_fields.items()}
        strange = [option for option in self.options if option not in known]
        mistakes = [((option,), f"is not an option of {self.type}; its options: {_listing(known)}") for option in strange]
        unchecked = {option for option in self.options if option in unchecked or self.params_of(option) - values.keys()}
        checked = {option: self._fill(option, values) for option in self.options if option in known and option not in unchecked}
        if unchecked or strange:
            # An unknown key makes marshmallow leave out the checks of one option against another, which would judge half of them.
            checked["{}"] = ""
        loaded, found = _ask(step_type, lambda: schema.load(checked, unknown=RAISE))
        for path, reason in found:
            if path[:1] not in {("{}",), *((option,) for option in unchecked)} and (path or "{}" not in checked):
                mistakes.append((_without_map_parts(path, known), reason))
        return loaded, mistakes

    def _fill(self, option, values):
        if option in registry.find(self.type).templates:
            return self.options[option]
        return placeholders.fill(self.options[option], values)

    def check(self, options, params):
        """Return the reasons why the step's type can't use these parameters."""
        step_type = registry.find(self.type)
        if step_type.check is None:
            return []
        reasons, mistakes = _ask(step_type, lambda: step_type.check(options, params))
        return [_plain(reason) for reason in reasons or ()] + [reason for _, reason in mistakes]


def _ask(step_type, call):
    """Call a step type's own code. Returns `(what it returned or None, [(path, reason)])`: what goes wrong in it must not stop the others."""
    try:
        return call(), []
    except ValidationError as error:
        return None, list(_flat(error.normalized_messages()))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this step's alone
        _log.exception("the step type %r could not check its options", step_type.name)
        return None, [((), f"the step type {step_type.name} could not check its options: {type(error).__name__}: {error}")]


def _without_map_parts(path, known):
    """Drop the `key` or `value` that marshmallow puts after the key of a table with free keys."""
    if len(path) > 2 and isinstance(known.get(path[0]), fields.Mapping) and path[2] in ("key", "value"):
        return (*path[:2], *path[3:])
    return path


def _read_steps(tables, params, names, tolerance, report):
    """Return the steps as a tuple of StepDefinition; of no use when anything was reported.

    params: the good parameters; names: those of all, good or not. tolerance: the checked `[error_tolerance]`.
    """
    if not isinstance(tables, dict) or not tables:
        report.add(("step",), "there must be at least one step, a table such as [step.import_files]")
        return ()
    if len(tables) > MAX_STEPS:
        report.add(("step",), f"there must be at most {MAX_STEPS} steps, not {len(tables)}")
        return ()
    steps = [_read_step(name, table, tolerance, report) for name, table in tables.items()]
    steps = tuple(step for step in steps if step)
    defaults = {param.name: param.convert(param.default) for param in params if not param.required}
    for step in steps:
        _check_depends(step, tables, report)
        _check_options(step, names, defaults, report)
    _report_cycles(steps, report)
    return steps


def _read_step(name, table, tolerance, report):
    """Return the StepDefinition (with type "" where that is bad), or None where there is nothing to make one of."""
    path = ("step", name)
    if not re.fullmatch(NAME, name):
        report.add(path, f"the name {NAME_REASON}")
    if not isinstance(table, dict):
        report.add(path, "must be a table")
        return None
    common = {key: value for key, value in table.items() if key in STEP_KEYS}
    data = {"on_error": tolerance["failure_action"], "max_child_failures": tolerance["max_child_failures"]}
    data |= _checked(StepTable(), common, path, report)
    data["type"] = _known_type(data, table, path, report)
    timeout = data.pop("timeout", None) or (None, None)
    options = {key: value for key, value in table.items() if key not in common}
    return StepDefinition(name, options=options, timeout=timeout[0], timeout_text=timeout[1], **data)


def _known_type(data, table, path, report):
    there_are = f"there are: {_listing(registry.names())}"
    if "type" not in table:
        report.add((*path, "type"), f"is required; {there_are}")
    elif "type" in data and registry.find(data["type"]) is None:
        report.add((*path, "type"), f"there is no step type {_quote(data['type'])}; {there_are}")
    elif "type" in data:
        return data["type"]
    return ""


def _check_depends(step, names, report):
    path = ("step", step.name, "depends")
    for name, times in Counter(step.depends).items():
        if name == step.name:
            report.add(path, "a step can't depend on itself")
        elif name not in names:
            report.add(path, f"there is no step {_quote(name)}; there are: {_listing(_key_part(other) for other in names)}")
        if times > 1:
            report.add(path, f"names {_quote(name)} more than once")


def _report_cycles(steps, report):
    order = {step.name: place for place, step in enumerate(steps)}
    depends = {step.name: [name for name in step.depends if name in order and name != step.name] for step in steps}
    for cycle in islice(_cycles(depends), 20):
        first = min(cycle, key=order.get)
        turn = cycle.index(first)
        around = [*cycle[turn:-1], *cycle[:turn], first]
        report.add(("step", first, "depends"), f"is a cycle: {' → '.join(around)}")


def _cycles(depends):
    """Yield cycles as `[a, b, a]`, a depending on b and b on a; none twice, and not each of those that share a part."""
    depends = {name: list(dict.fromkeys(others)) for name, others in depends.items()}
    while True:
        try:
            TopologicalSorter(depends).prepare()
            return
        except CycleError as error:
            cycle = error.args[1][::-1]
        yield cycle
        for name, other in pairwise(cycle):
            depends[name].remove(other)


def _check_options(step, names, defaults, report):
    path = ("step", step.name)
    bad = set()
    for option, value in step.options.items():
        mistakes = list(_odd_values(value)) or list(_placeholder_mistakes(step, option, names))
        for inner, reason in mistakes:
            report.add((*path, option, *inner), reason)
            bad.add(option)
    if step.type:
        for inner, reason in step.load_options(defaults, bad)[1]:
            report.add((*path, *inner), reason)


def _odd_values(value, path=()):
    """Yield `(path, reason)` for what TOML can say but an option can't hold: it must be storable as JSON."""
    if len(path) > MAX_DEPTH:
        yield (), f"must be nested at most {MAX_DEPTH} deep"
    elif isinstance(value, dict):
        for key, inner in value.items():
            if "\x00" in key:
                yield (*path, key), "must not contain NUL"
            yield from _odd_values(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _odd_values(inner, (*path, place))
    else:
        reason = _odd_reason(value)
        if reason:
            yield path, reason


def _odd_reason(value):
    if isinstance(value, (datetime, date, time_of_day)):
        return "must not be a date or time; put it in quotes"
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "must fit into 64 bits"
    if isinstance(value, str) and "\x00" in value:
        return "must not contain NUL"
    return None


def _placeholder_mistakes(step, option, names):
    try:
        asked = placeholders.names(step.options[option])
    except ValueError as error:
        yield (), str(error)
        return
    if not step.type:
        return  # a type that isn't known may have names of its own
    step_type = registry.find(step.type)
    for name in sorted(asked - set(names)):
        if name not in step_type.placeholders:
            yield (), f"there is no parameter {_quote(name)}; there are: {_listing(names)}"
        elif option not in step_type.templates:
            yield (), f"{{{name}}} can only be used in {_listing(sorted(step_type.templates))}"


# Definitions


@dataclass(frozen=True)
class Bound:
    """A definition with the parameters of one job: `params` complete and converted, `steps` as dicts ready to be stored."""

    params: dict
    steps: list


@dataclass(frozen=True)
class Definition:
    """A checked definition. `timeout` in ms or None, `file` its file's name."""

    id: str
    name: str
    description: str
    tags: tuple
    timeout: int | None
    params: tuple
    steps: tuple
    file: str
    timeout_text: str | None = None

    def shown(self):
        """Return this definition as JSON for the API; time-outs and options as written."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "tags": list(self.tags),
            "timeout": self.timeout_text,
            "params": [param.shown() for param in self.params],
            "steps": [step.shown() for step in self.steps],
        }

    def bind(self, given):
        """Return the Bound for a job with these parameters (name to value, which may be text as from a form or a terminal).

        Binding the parameters of a Bound again gives the same. Raises BadInput with `{"params": {name: [reasons]}}`, all mistakes at
        once; those that can't be laid to a parameter are under `_schema`.
        """
        errors = defaultdict(list)
        values = self._take(given, errors)
        is_complete = len(values) == len(self.params)
        steps = [self._bind_step(step, values, is_complete, errors) for step in self.steps]
        if errors:
            raise BadInput("The input is not valid.", {"params": dict(errors)})
        return Bound(values, steps)

    def _take(self, given, errors):
        if not isinstance(given, dict):
            errors["_schema"].append("must be a table of names and values")
            return {}
        names = [param.name for param in self.params]
        for name in given:
            if name not in names:
                errors[storable(str(name))].append(f"there is no such parameter; there are: {_listing(names)}")
        values = {}
        for param in self.params:
            try:
                values[param.name] = param.take(given)
            except ValueError as error:
                errors[param.name].append(str(error))
        return values

    def _bind_step(self, step, values, is_complete, errors):
        """Return the step ready to be stored; of no use when `errors` holds anything in the end."""
        options, mistakes = step.load_options(values)
        for path, reason in mistakes:
            for name in sorted(step.params_of(path[0]) if path else ()) or ["_schema"]:
                errors[name].append(f"{_key(('step', step.name, *path))}: {reason}")
        if is_complete and not mistakes:
            for reason in step.check(options, values):
                errors[self._named_in(reason)].append(f"{_key(('step', step.name))}: {reason}")
        return step.bound(options)

    def _named_in(self, reason):
        """Return the one parameter that a reason names in quotes or braces, else `_schema`."""
        words = re.findall(r"['\"`{](\w+)['\"`}]", reason) + re.findall(r"\bparams\.(\w+)", reason)
        named = [param.name for param in self.params if param.name in words]
        return named[0] if len(named) == 1 else "_schema"


def read_table(table, file):
    """Return `(Definition or None, [Problem])` for a file's content as tomllib gives it. It is None exactly when there are problems."""
    report = Report(file)
    data = _checked(FileTable(), table, (), report)
    tolerance = {"failure_action": "fail", "max_child_failures": 0}
    tolerance |= _checked(ToleranceTable(), data.get("error_tolerance", {}), ("error_tolerance",), report)
    tables = data.get("params", {})
    params = _read_params(tables, report)
    steps = _read_steps(data.get("step", {}), params, list(tables) if isinstance(tables, dict) else [], tolerance, report)
    if report.problems:
        return None, report.problems
    timeout = data.get("timeout", (None, None))
    definition = Definition(
        id=data["id"],
        name=data.get("name", data["id"]),
        description=data.get("description", ""),
        tags=tuple(data.get("tags", ())),
        timeout=timeout[0],
        params=params,
        steps=steps,
        file=file,
        timeout_text=timeout[1],
    )
    return definition, []


# Files


class Unreadable(ValueError):
    """The file can't be read as TOML."""


@dataclass(frozen=True)
class Reading:
    """A file as it was last read. `stamp` is None while it can't be told from a change (see `_stamp`); `id` also of a bad file."""

    file: str
    stamp: tuple | None = None
    data: bytes | None = None
    id: str | None = None
    definition: Definition | None = None
    problems: tuple = ()


def _scan(folder):
    """Return `{file name: stamp}` of the folder's TOML files (hidden ones are editors'), sorted. Raises OSError."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.endswith(".toml") and not entry.name.startswith("."))
    return {name: _stamp(folder / name) for name in names}


def _stamp(path):
    """Return what differs once the file has changed, or None where it can't be relied on.

    That is a file changed a moment ago: written again within one tick of the file system's clock, it would look the same.
    """
    try:
        seen = os.stat(path)
    except OSError:
        return None  # reading it will say why
    if max(seen.st_mtime_ns, seen.st_ctime_ns) > time.time_ns() - SETTLED:
        return None
    return (seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino, seen.st_dev)


def _read_file(path, stamp, old):
    """Return the Reading of a file; `old`, the last one or None, spares the checks when the bytes are the same."""
    file = printable(path_to_text(path.name)).replace("\n", "\\n")
    try:
        data = _bytes(path)
    except OSError as error:
        return Reading(file, stamp, problems=(Problem(file, "", f"can't be read: {error.strerror}"),))
    except Unreadable as error:
        return Reading(file, stamp, problems=(Problem(file, "", str(error)),))
    if old and old.data == data:
        return replace(old, stamp=stamp)
    try:
        table = _parse(data)
    except Unreadable as error:
        return Reading(file, stamp, data, _guess_id(data), problems=(Problem(file, "", str(error)),))
    definition, problems = read_table(table, file)
    return Reading(file, stamp, data, _id_of(table), definition, tuple(problems))


def _bytes(path):
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise Unreadable("must be a regular file")
    with open(path, "rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise Unreadable(f"must be at most {MAX_FILE} bytes")
    return data


def _parse(data):
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"must be UTF-8 text, which line {line} is not") from error
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(f"must be TOML: {printable(str(error))}") from error
    except ValueError as error:  # a number of thousands of digits
        raise Unreadable(f"must be TOML with numbers that fit into 64 bits: {error}") from error
    except RecursionError as error:
        raise Unreadable("must be TOML that is not nested so deep") from error


def _id_of(table):
    found = table.get("id")
    return found if isinstance(found, str) and re.fullmatch(NAME, found) else None


def _guess_id(data):
    """Return the id that a file which isn't TOML seems to have, so that whoever asks for it learns what is wrong, or None."""
    match = re.search(rf"^\s*id\s*=\s*[\"']({NAME})[\"']", data.decode("utf-8", "replace"), re.MULTILINE)
    return match and match.group(1)


@dataclass(frozen=True)
class View:
    """What the folder held at one look. `owners` is the file that has each id: the first by name, good or bad."""

    types: list = field(default_factory=list)
    readings: dict = field(default_factory=dict)
    owners: dict = field(default_factory=dict)
    definitions: tuple = ()
    problems: tuple = ()


def _view(types, readings):
    owners, definitions, problems = {}, [], []
    for reading in readings.values():
        problems += reading.problems
        owner = owners.setdefault(reading.id, reading) if reading.id else reading
        if owner is not reading:
            problems.append(Problem(reading.file, "id", f"{_quote(reading.id)} is the id of {owner.file} already; this file is passed over"))
        elif reading.definition:
            definitions.append(reading.definition)
    definitions.sort(key=lambda definition: (definition.name.casefold(), definition.id))
    return View(types, readings, owners, tuple(definitions), tuple(problems))


class Definitions:
    """The definitions in a folder. Each call looks whether files have come, gone or changed, and reads those again."""

    def __init__(self, folder):
        self._folder = Path(folder)
        self._last = View()

    def all(self):
        """Return the good definitions, sorted by name."""
        return list(self._look().definitions)

    def find(self, definition_id):
        """Return a definition by its id. Raises NotFound, which says so when its file has mistakes."""
        owner = self._look().owners.get(definition_id)
        if owner is None:
            raise NotFound(f"There is no definition {_quote(definition_id)}.")
        if owner.definition is None:
            more = len(owner.problems) - 1
            others = f" (and {more} more)" if more else ""
            raise NotFound(f"The definition {_quote(definition_id)} can't be used, its file has mistakes: {owner.problems[0]}{others}.")
        return owner.definition

    def problems(self):
        """Return the mistakes of all files, sorted by file."""
        return list(self._look().problems)

    def _look(self):
        """Return the present View. It is built aside and put in place in one go, so concurrent looks do no harm."""
        last, types = self._last, registry.names()
        try:
            stamps = _scan(self._folder)
        except OSError as error:
            problem = Problem(printable(path_to_text(self._folder)), "", f"the folder of definitions can't be read: {error.strerror}")
            self._last = View(problems=(problem,))
            return self._last
        known = last.readings if types == last.types else {}
        readings = {name: self._reading(name, stamp, known.get(name)) for name, stamp in stamps.items()}
        if readings != known or types != last.types:
            self._last = _view(types, readings)
        return self._last

    def _reading(self, name, stamp, old):
        if old and stamp and old.stamp == stamp:
            return old
        return _read_file(self._folder / name, stamp, old)
