"""The options of a step as they are written: storable, with placeholders that there are, and
good as far as that can be told before a job.
"""

import math
from dataclasses import replace
from datetime import date, time

from jobsync.definitions import placeholders
from jobsync.definitions.mistakes import guess, listing, nearest, quote
from jobsync.definitions.options import load_options, options_of
from jobsync.definitions.shapes import StepTable
from jobsync.definitions.values import MAX_INTEGER

MAX_DEPTH = 20  # lists and tables within an option


def check_options(step, names, defaults, types, report):
    """Report what is wrong with a step's options. names: of all parameters; defaults: the
    values of those that have one; types: a Registry.
    """
    # which is told of where the step is read; here it is about the rest
    if step.step_type is None:
        step = _with_type(step, nearest(step.type, types.names()) or step.type, types)
    bad = set()
    for option, value in step.options.items():
        mistakes = list(_odd_values(value)) or [
            ((), reason) for reason in _odd_placeholders(step, option, names)
        ]
        for keys, reason in mistakes:
            report.add(reason, option, *keys)
            bad.add(option)
    step_type = step.step_type
    if step_type is None:
        _check_as_meant(step, defaults, bad, types, report)
    else:
        for name, option in step_type.placeholders.items():
            if name in names and option in step.options:
                report.add(
                    (
                        f"{{{name}}} would be two things: rename the parameter, as {option} has "
                        "its items called so"
                    ),
                    option,
                )
        for keys, reason in load_options(step, defaults, bad)[1]:
            report.add(reason, *keys)


def no_parameter(name, names):
    """Return the reason why a placeholder is refused that none of the parameters (names) has."""
    return guess(f"there is no parameter {quote(name)}; there are: {listing(names)}", name, names)


def _with_type(step, name, types):
    return replace(step, type=name, step_type=types.find(name))


def _check_as_meant(step, defaults, bad, types, report):
    """Report what else is wrong with a step of a type that there isn't, going by the type that
    has most of its options.
    """
    meant = _type_with_most_of(step.options, types)
    mistakes = load_options(_with_type(step, meant, types), defaults, bad)[1] if meant else []
    known = options_of(types.find(meant)) if meant else set()
    for keys, reason in mistakes:
        if keys and keys[0] in step.options and keys[0] in known:
            report.add(f"if {meant} is meant: {reason}", *keys)
    for option in step.options:
        # others may be options of a type that isn't installed
        if option not in known and nearest(option, StepTable().fields):
            report.add(guess("is not known", option, StepTable().fields), option)


def _type_with_most_of(options, types):
    """Return the name of the step type that has most of these options, None where that is none
    or more than one.
    """
    numbers = {name: len(options.keys() & options_of(types.find(name))) for name in types.names()}
    most = max(numbers.values(), default=0)
    found = [name for name, number in numbers.items() if number == most > 0]
    return found[0] if len(found) == 1 else None


def _odd_values(value, path=()):
    """Yield `(path, reason)` for what TOML can say but an option can't hold: it must be
    storable as JSON.
    """
    if len(path) > MAX_DEPTH:
        yield (), f"must be nested at most {MAX_DEPTH} deep"
    elif isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if "\x00" in str(key):
                yield (*path, key), "must not contain NUL"
            yield from _odd_values(inner, (*path, key))
    elif isinstance(value, (date, time)):
        yield path, "must not be a date or time; put it in quotes"
    elif isinstance(value, str):
        if "\x00" in value:
            yield path, "must not contain NUL"
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        yield path, "must fit into 64 bits"
    elif not math.isfinite(value):
        yield path, "must be a finite number"


def _odd_placeholders(step, option, names):
    try:
        asked = placeholders.names(step.options[option])
    except ValueError as error:
        yield str(error)
        return
    step_type = step.step_type
    # a type that isn't known may have names of its own
    for name in sorted(name for name in asked if name not in names) if step_type else ():
        if name not in step_type.placeholders:
            yield no_parameter(name, names)
        elif option not in step_type.templates:
            yield f"{{{name}}} can only be used in {listing(sorted(step_type.templates))}"
        elif step_type.placeholders[name] not in step.options:
            yield f"{{{name}}} needs {step_type.placeholders[name]}, or a parameter of that name"
