"""Mistakes: what is wrong with a file, where, and in which words."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher, get_close_matches
from heapq import nlargest
from itertools import islice

from marshmallow import fields, validate

from jobsync.base.text import printable

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
}

MOST_PROBLEMS = 500  # told of one file

NEAR = 0.7  # how alike two words are of which one may be meant for the other, 0 to 1
MOST_KNOWN = 1000  # words among which the nearest is looked for
MOST_LIKELY = 20  # of them that are compared letter by letter
LONGEST_WORD = 64


@dataclass(frozen=True)
class Problem:
    """One mistake: in which file (its name in the folder), at which key (as in TOML, "" for the
    whole file), and why it is one.

    `path` has the parts of the key, `line` is that of the file where no key says it (from 1 on).
    """

    file: str
    key: str
    reason: str
    path: tuple = field(default=(), compare=False)
    line: int | None = field(default=None, compare=False)

    def __str__(self):
        return ": ".join(part for part in (self.file, self.key, self.reason) if part)


class Enough(Exception):
    """One file has so many mistakes that nobody wants to be told of more."""


class Report:
    """Collects the problems of one file, at and below one key of it. `add` raises Enough after
    MOST_PROBLEMS.
    """

    def __init__(self, file, path=(), problems=None):
        self.file = file
        self.path = path
        self.problems = [] if problems is None else problems

    def at(self, *keys):
        """Return a Report for a key further in; its problems go into the same list."""
        return Report(self.file, (*self.path, *keys), self.problems)

    def add(self, reason, *keys):
        """Add a mistake, here or at a key further in."""
        if len(self.problems) == MOST_PROBLEMS:
            raise Enough
        path = (*self.path, *keys)
        self.problems.append(Problem(self.file, toml_key(*path), reason, path))


def toml_key(*path):
    """Return a key as TOML writes it: `step.import_files.extensions[0]`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{toml_name(str(part))}" for part in path]
    return "".join(parts).removeprefix(".")


def toml_name(name):
    """Return one part of a key, in quotes where TOML wants them."""
    name = _cut(name)
    return (
        name
        if re.fullmatch("[A-Za-z0-9_-]+", name)
        else printable(json.dumps(name, ensure_ascii=False))
    )


def flat(messages, path=()):
    """Yield `(path, reason)` for each reason in marshmallow's nested messages, in the words
    used here.
    """
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from flat(inner, path if key == "_schema" else (*path, key))
    elif isinstance(messages, list):
        for inner in messages:
            yield from flat(inner, path)
    else:
        yield path, plain(messages)


def plain(reason):
    """Return a reason of marshmallow's in the words used here; a step type's own words stay."""
    reason = str(reason)
    if reason.startswith("Must "):
        return "must " + reason[5:].rstrip(".")
    return PLAIN.get(reason, reason)


def _cut(text):
    return text if len(text) <= 80 else text[:80] + "…"


def quote(text):
    return repr(_cut(text))


def listing(names):
    """Return the first 30 names with commas between them."""
    first = [str(name) for name in islice(names, 31)]
    return ", ".join(first[:30]) + (", …" if len(first) > 30 else "") or "none"


def nearest(word, known):
    """Return the known word that a mistyped one is likely to stand for, None for none."""
    if not isinstance(word, str) or len(word) > LONGEST_WORD:
        return None
    texts = {str(name).casefold(): str(name) for name in islice(known, MOST_KNOWN)}
    near = get_close_matches(word.casefold(), _likely(word.casefold(), texts), 1, NEAR)
    return texts[near[0]] if near else None


def _likely(word, texts):
    """Return the few texts that have most letters in common with a word: comparing it with a
    thousand that are much like it takes long.
    """
    matcher = SequenceMatcher(b=word)
    shares = []
    for text in texts:
        matcher.set_seq1(text)
        if matcher.real_quick_ratio() >= NEAR:
            shares.append((matcher.quick_ratio(), text))
    return [text for share, text in nlargest(MOST_LIKELY, shares) if share >= NEAR]


def guess(reason, word, known):
    """Return the reason why a word is refused, with the nearest known one in front where there
    is one.
    """
    near = nearest(word, known)
    return (
        f"did you mean {toml_name(near)}? ({reason})"
        if near is not None and near != word
        else reason
    )


def guess_at(schema, table, path, reason):
    """Return a reason of a schema's with the nearest known word: for a key that it doesn't know,
    and for a value that must be one of some.

    schema: a marshmallow Schema; table: what it was to load; path: the keys down to what is
    refused.
    """
    known = _fields(schema)
    for place, key in enumerate(path):
        if isinstance(known, fields.List) and isinstance(key, int):
            field = known.inner
        elif isinstance(known, Mapping):
            field = known.get(key)
            if field is None:
                return guess(reason, key, known) if place == len(path) - 1 else reason
        else:
            return reason
        known = _fields(field.schema) if isinstance(field, fields.Nested) else field
        table = (
            table[key]
            if isinstance(table, (dict, list)) and (isinstance(table, list) or key in table)
            else None
        )
    choices = [
        check.choices
        for check in getattr(known, "validators", ())
        if isinstance(check, validate.OneOf)
    ]
    return guess(reason, table, choices[0]) if choices else reason


def _fields(schema):
    return {field.data_key or name: field for name, field in schema.load_fields.items()}
