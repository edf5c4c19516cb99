"""A result (any JSON) as sections of facts and tables, ready for the template."""

from dataclasses import dataclass, field

from jobsync.web.filters import number

MOST_ROWS = 200  # of one table; the API has them all
MOST_SECTIONS = 100
DEEPEST = 5
MOST_NAMED = 8  # values of what is nested in a cell


@dataclass(frozen=True)
class Cell:
    """A value as text; numbers are set right-aligned."""

    text: str
    is_number: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of Cells under columns `(name, is_number)`. `left_out` is the number of rows that don't fit."""

    columns: list
    rows: list
    left_out: int = 0


@dataclass(frozen=True)
class Section:
    """A part of a result: facts `(name, Cell)`, at most one table, and what is nested deeper."""

    title: str
    facts: list = field(default_factory=list)
    table: Table | None = None
    sections: list = field(default_factory=list)


def sections(value):
    """Return the Section of a whole result, None for no result."""
    return None if value is None else _section("", value, 0)


def _section(title, value, depth):
    if _is_table(value):
        return Section(title, table=_table(value))
    if isinstance(value, list):
        return Section(title, table=_list(value))
    if not isinstance(value, dict) or depth > DEEPEST:
        return Section(title, facts=[("", _cell(value))])
    flat = {name: inner for name, inner in value.items() if not _is_nested(inner)}
    nested = [(name, inner) for name, inner in value.items() if name not in flat]
    facts = [(_words(name), _cell(inner)) for name, inner in flat.items()]
    return Section(title, _shortened(facts), None, [_section(_words(name), inner, depth + 1) for name, inner in nested[:MOST_SECTIONS]])


def _shortened(facts):
    more = len(facts) - MOST_ROWS
    return [*facts[:MOST_ROWS], ("…", Cell(f"{number(more)} more"))] if more > 0 else facts


def _is_nested(value):
    return isinstance(value, (dict, list)) and len(value) > 0


def _is_table(value):
    """Say whether `value` is a list of dicts, or a dict of them such as `{name: {"files": 1, "lines": 2}}`, all with flat values or the same keys."""
    rows = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if not rows or not all(isinstance(row, dict) and row for row in rows):
        return False
    is_flat = not any(_is_nested(inner) for row in rows for inner in row.values())
    return is_flat or (len(rows) > 1 and all(row.keys() == rows[0].keys() for row in rows))


def _table(value):
    names = list(value) if isinstance(value, dict) else None
    rows = list(value.values()) if names is not None else value
    keys = list(dict.fromkeys(key for row in rows[:MOST_ROWS] for key in row))
    cells = [[_cell(row.get(key)) for key in keys] for row in rows[:MOST_ROWS]]
    columns = [(_words(key), all(row[place].is_number for row in cells)) for place, key in enumerate(keys)]
    if names is not None:
        columns.insert(0, ("", False))
        cells = [[Cell(name), *row] for name, row in zip(names, cells, strict=False)]
    return Table(columns, cells, max(0, len(rows) - MOST_ROWS))


def _list(values):
    cells = [[_cell(value)] for value in values[:MOST_ROWS]]
    return Table([("", all(row[0].is_number for row in cells))], cells, max(0, len(values) - MOST_ROWS))


def _cell(value):
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int):
        return Cell(number(value), True)
    if isinstance(value, float):
        return Cell(f"{value:,.10g}", True)
    if value is None:
        return Cell("–")
    if isinstance(value, str):
        return Cell(value)
    return Cell(_gist(value))


def _gist(value):
    """Return what is nested in a cell in a few words: `info 716, error 46`, or names alone where there is more to each."""
    words = [_named(name, inner) for name, inner in value.items()] if isinstance(value, dict) else [_plain(inner) for inner in value]
    return ", ".join(words[:MOST_NAMED]) + (", …" if len(words) > MOST_NAMED else "")


def _named(name, value):
    return name if _is_nested(value) else f"{name} {_cell(value).text}"


def _plain(value):
    return "…" if _is_nested(value) else _cell(value).text


def _words(name):
    """Return a key as people write it: `largest_files` becomes `Largest files`; anything that isn't a plain word stays."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:] if name.isidentifier() and name.islower() else name
