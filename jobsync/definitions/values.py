"""The values of parameters: what each type takes, and what text from a form or a terminal
stands for.
"""

import math
import os
import re

from jobsync.base.text import storable

KINDS = {
    "string": ((str,), "text"),
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
    "path": ((str,), "text"),
}
TYPES = tuple(KINDS)
MAX_TEXT = 10_000  # characters
MAX_PATH = 4096
MAX_INTEGER = 2**63 - 1
INTEGER = re.compile(r"\s*[+-]?[0-9]{1,20}\s*")
NUMBER = re.compile(r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
BOOLEANS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def from_text(kind, value):
    """Return what a text stands for in a type.

    What isn't text, or stands for nothing, is returned as it is.
    """
    if not isinstance(value, str):
        return value
    if kind == "boolean":
        return BOOLEANS.get(value.strip().lower(), value)
    if kind in ("integer", "number") and INTEGER.fullmatch(value):
        return int(value)
    if kind == "number" and NUMBER.fullmatch(value):
        return float(value)
    return value


def check_value(kind, value):
    """Return a value that is of a type as TOML and JSON have it (no numbers in quotes); a path
    absolute. Raises ValueError with the reason.
    """
    types, words = KINDS[kind]
    if type(value) not in types:
        raise ValueError(f"must be {words}")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise ValueError("must be a whole number that fits into 64 bits")
    elif not math.isfinite(value):
        raise ValueError("must be a finite number")
    return _absolute(value) if kind == "path" else value


def _check_text(text):
    if len(text) > MAX_TEXT:
        raise ValueError(f"must be at most {MAX_TEXT} characters long")
    if storable(text) != text:
        raise ValueError("must not contain NUL or anything that isn't Unicode text")


def _absolute(text):
    if text == "":
        raise ValueError("must not be empty")
    try:
        path = os.path.abspath(os.path.expanduser(text))
    except OSError as error:
        raise ValueError(
            "is relative to the folder that jobsync was started in, which is gone"
        ) from error
    if len(path) > MAX_PATH or storable(path) != path:
        raise ValueError(
            f"must be the path of a file or folder, at most {MAX_PATH} characters of Unicode text"
        )
    return path
