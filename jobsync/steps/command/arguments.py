"""Fills values into a command line, and finds those that must not become part of it."""

import re
from functools import lru_cache

from jobsync.base.text import one_line
from jobsync.definitions import placeholders
from jobsync.steps.command.shells import find_scripts

# a placeholder and nothing else, behind a flag or in one piece with it
ALONE = re.compile(r"(?:[-+][-\w]*=?)?\{[A-Za-z_]\w*\}")


def fill_arguments(run, values):
    """Return the command line that `run` becomes with these values, each filled in once: a list
    of text.
    """
    return [placeholders.as_text(argument) for argument in placeholders.fill(run, values)]


@lru_cache(maxsize=16)
def has_placeholders(run):
    """Say whether values become part of `run`, a tuple of text."""
    return bool(placeholders.names(list(run)))


def check_scripts(run):
    """Return `{index: reason}` for the arguments of `run`, as written, that put a placeholder
    into a script.
    """
    return _wrong_scripts(run, run)


def _wrong_scripts(run, argv):
    """Return the same where `run` has become `argv`: which of its arguments are scripts may be
    a matter of the values.
    """
    scripts = find_scripts(argv)
    asked = {
        place: script for place, script in sorted(scripts.items()) if placeholders.names(run[place])
    }
    return {
        place: _script_reason(run[place], script)
        for place, script in asked.items()
        if script.is_certain or not ALONE.fullmatch(run[place])
    }


def check_values(run, values):
    """Return the reasons why these values can't be filled into `run`: a script, a leading dash,
    a NUL.
    """
    argv = fill_arguments(run, values)
    reasons = [f"run[{place}]: {reason}" for place, reason in _wrong_scripts(run, argv).items()]
    for place, (written, argument) in enumerate(zip(run, argv, strict=True)):
        if "\x00" in argument:
            reasons.append(
                f"run[{place}]: {_culprit(written, values, _has_nul)} has a NUL in it, which "
                "no argument can"
            )
        elif (
            place
            and argument.startswith("-")
            and not written.startswith("-")
            and run[place - 1] != "--"
        ):
            reasons.append(
                f"run[{place}]: {_culprit(written, values, _has_dash)} "
                'would be taken for an option: put "--" before it'
            )
    return reasons


def _script_reason(written, script):
    asked = sorted(placeholders.names(written))
    variables = ", ".join(f"${variable(each)}" for each in asked)
    places = ", ".join(f"{{{each}}}" for each in asked)
    if script.is_certain:
        where = (
            f"in a script for a shell or interpreter ({script.reader}), "
            "which would read the value as script"
        )
    else:
        where = (
            f"in a longer text after {script.reader}, "
            "which may be read as a script, and the value with it"
        )
    return f"{places} must not be {where}; let the script read {variables} from the environment"


def variable(name):
    """Return the environment variable that holds a parameter."""
    return f"PARAM_{name.upper()}"


def _culprit(written, values, is_bad):
    """Return `{name}` and the value for the placeholders of an argument that have a bad value."""
    asked = sorted(placeholders.names(written))
    bad = [name for name in asked if is_bad(placeholders.as_text(values[name]))] or asked
    return ", ".join(
        f"{{{name}}} = {one_line(placeholders.as_text(values[name]), 60)}" for name in bad
    )


def _has_dash(text):
    return text.startswith("-")


def _has_nul(text):
    return "\x00" in text
