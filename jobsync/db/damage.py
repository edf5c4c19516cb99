"""Rows whose values are of another kind than their columns: a damaged, a foreign or a newer
database has some.

One such row must not take a page or a list from everybody. What can't be used becomes the plainest
value of its column, the log says so once for each row, and whoever shows the row can say which
columns it was (`damage`).
"""

import json
import logging
from collections import namedtuple
from functools import cache

from flask import current_app
from sqlalchemy import JSON, Boolean, Float, Integer

from jobsync.base.text import storable
from jobsync.base.trouble import Once

JSON_TYPES = {
    "jobs.params": (dict,),
    "jobs.tags": (list,),
    "jobs.result": (dict,),
    "steps.depends": (list,),
    "stops.left": (list,),
}
ANY_JSON = (dict, list, str, int, float, bool)
KEY = "jobsync.damaged_rows"  # those that the log has been told of

_log = logging.getLogger(__name__)
_good = {}  # of each table, the kinds of whole rows that were found good: nearly all rows are alike


class Damaged:
    """Stands for JSON that can't be read."""


def read_json(text):
    """Return the value of stored JSON, Damaged where it can't be read.

    Half a surrogate pair, which nothing can send, becomes U+FFFD.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
        return (
            json.loads(storable(json.dumps(value, ensure_ascii=False)))
            if "\\ud" in text or "\\uD" in text
            else value
        )
    except (ValueError, TypeError, RecursionError):
        return Damaged()


def _refuse(constant):
    raise ValueError(f"{constant} is no JSON")


@cache
def expected_of(table):
    """Return `{column: (types, plainest value)}` for the columns of a table."""
    return {column.key: _expected(column) for column in table.columns}


def _expected(column):
    kind = column.type
    if isinstance(kind, JSON):
        types = JSON_TYPES.get(str(column), ANY_JSON)
    else:
        types = (
            (bool,)
            if isinstance(kind, Boolean)
            else (int,)
            if isinstance(kind, Integer)
            else (float, int)
            if isinstance(kind, Float)
            else (str,)
        )
    return ((*types, type(None)), None) if column.nullable else (types, types[0]())


def sound(row, table, stored=()):
    """Return a row of (some columns of) a table, repaired where it must be. stored: its columns of
    JSON that are text here, as it is stored.

    A repaired one is used like any other: by names, by place, and `_mapping`.
    """
    kinds = (*row._fields, *stored, *map(type, row))
    good = _good.setdefault(table.name, set())
    if kinds in good:
        return row
    expected = expected_of(table) | {name: ((str, type(None)), None) for name in stored}
    wrong = [
        name
        for name, value in zip(row._fields, row, strict=True)
        if name in expected and type(value) not in expected[name][0]
    ]
    if not wrong:
        good.add(kinds)
        return row
    tell(table, row, wrong)
    values = [
        expected[name][1] if name in wrong else value
        for name, value in zip(row._fields, row, strict=True)
    ]
    repaired = _Repaired.of(row._fields)(*values)
    repaired.damage = wrong
    return repaired


def damage(row):
    """Return the names of the columns of a row that couldn't be used."""
    return getattr(row, "damage", [])


class _Repaired:
    """What makes a named tuple look like a row."""

    @staticmethod
    def of(names):
        return type("Repaired", (_Repaired, namedtuple("Repaired", names)), {})

    @property
    def _mapping(self):
        return self._asdict()


def tell(table, row, wrong):
    """Log once that these columns of a row can't be used."""
    values = row._mapping
    name = next((values[key] for key in ("id", "pk", "name", "number") if key in values), "")
    if current_app.extensions.setdefault(KEY, Once()).is_first((table.name, name, *wrong)):
        _log.warning(
            "the row %r of the table %s holds what can't be used: %s",
            name,
            table.name,
            ", ".join(wrong),
        )


def value_of(text, table, column):
    """Return the value of a column of JSON whose text is at hand, Damaged if the column can't
    have it.
    """
    value = None if text is None else read_json(text)
    return value if type(value) in expected_of(table)[column][0] else Damaged()


def plainest(table, column):
    """Return the plainest value of a column."""
    return expected_of(table)[column][1]
