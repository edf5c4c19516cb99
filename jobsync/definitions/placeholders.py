"""`{name}` in the texts of a definition; `{{` and `}}` stand for braces.

One pass: what is filled in is never read again.
"""

import re

TOKEN = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]")


def names(value):
    """Return the set of names that `value` (text, or lists and tables of text) asks for.

    Raises ValueError for a lone brace.
    """
    found = set()
    _walk(value, lambda text: found.update(_names_in(text)))
    return found


def fill(value, values):
    """Return `value` with each `{name}` replaced by `values[name]`, in lists and tables too.

    A text that is nothing but one placeholder keeps the value's type, so `worker_count =
    "{workers}"` is a number. Booleans in a longer text are written as in TOML. Raises KeyError for
    a name that isn't there.
    """
    return _walk(value, lambda text: _fill_text(text, values))


def _walk(value, visit):
    if isinstance(value, str):
        return visit(value)
    if isinstance(value, list):
        return [_walk(item, visit) for item in value]
    if isinstance(value, dict):
        return {key: _walk(item, visit) for key, item in value.items()}
    return value


def _names_in(text):
    for match in TOKEN.finditer(text):
        if match.group() in "{}":
            raise ValueError("a lone brace: write {{ or }} for a brace")
        if match.group(1):
            yield match.group(1)


def _fill_text(text, values):
    whole = TOKEN.fullmatch(text)
    if whole and whole.group(1):
        return values[whole.group(1)]
    return TOKEN.sub(lambda match: _replacement(match, values), text)


def _replacement(match, values):
    if match.group(1):
        return as_text(values[match.group(1)])
    return match.group()[0]


def as_text(value):
    """Return a parameter's value as it stands in a text, an argument or the environment."""
    return str(value).lower() if isinstance(value, bool) else str(value)
