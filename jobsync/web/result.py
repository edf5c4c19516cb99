"""A result (any JSON) as sections of figures, facts, texts, tables and charts, ready for the
template.
"""

import re
from dataclasses import dataclass, field

from jobsync.web.charts import Bar, stacked
from jobsync.web.filters import number

MOST_ROWS = 200  # of one table; its CSV has them all
MOST_SECTIONS = 100
MOST_OPEN = 4  # sections of a whole result that stand open; the others are folded
MOST_FIGURES = 6
MOST_COUNTS = 6  # a dict of more numbers than that is a table
# dicts with keys of their own that are sections; more of them are a table with gaps
MOST_UNLIKE = 6
DEEPEST = 5
MOST_NAMED = 8  # values of what is nested in a cell
LONG = 160  # characters from which a text gets a place of its own
# tables that are also drawn, by a column of theirs
CHARTED = {"categories": "lines", "languages": "lines"}
# parts that only a program can do something with; they are in the JSON and have a CSV
FOR_DRAWING = ("treemap",)
LISTED = "files_listed_by"  # names a step; a link is made of it
LINK = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)
UNITS = ("kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Cell:
    """A value as text; numbers are set right-aligned, `exact` is what a rounded one stands for.

    A gist is of something that is nested.
    """

    text: str
    is_number: bool = False
    exact: str = ""
    is_gist: bool = False

    @property
    def is_link(self):
        """Say whether it is an address that may be followed: of the web and nothing else, so
        never a script.
        """
        return not self.is_number and bool(LINK.fullmatch(self.text))


@dataclass(frozen=True)
class Table:
    """Rows of Cells under columns `(name, is_number)`.

    `left_out` is the number of rows that don't fit.
    """

    columns: list
    rows: list
    left_out: int = 0


@dataclass(frozen=True)
class Section:
    """A part of a result.

    path: a JSON pointer to it. lead: its summary in a sentence. figures, facts: `(name, Cell)`.
    texts: `(name, text)`, longer ones, which may be what a column of the table says, all of it to
    be copied at once. At most one table, drawn as `chart` too where that says more. sections: what
    is nested deeper; folded: the same, of less weight;
    steps: the results of other steps. files_listed_by: a step whose children list all files, if a
    result names one.
    """

    title: str
    path: str = ""
    lead: str = ""
    figures: list = field(default_factory=list)
    facts: list = field(default_factory=list)
    texts: list = field(default_factory=list)
    table: Table | None = None
    chart: Bar | None = None
    sections: list = field(default_factory=list)
    folded: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    files_listed_by: str = ""

    @property
    def is_blank(self):
        """Say whether nothing was found that it could tell of: there is no part, and of the
        facts only zeros are known.
        """
        said = [cell.text for _, cell in self.facts if cell != NOTHING]
        return (
            len(said) < len(self.facts)
            and set(said) <= {"0"}
            and not (self.lead or self.texts or self.table or self.sections)
        )

    @property
    def label(self):
        """Return its title, with its step's name where it is another step's: there may be two
        of a title on a page.
        """
        of_step = re.match("/steps/([^/]+)/", self.path)
        return f"{self.title} of {of_step[1]}" if of_step else self.title or "the result"


NOTHING = Cell("–")


def sections(value):
    """Return the Section of a whole result, None for no result."""
    if value is None:
        return None
    if isinstance(value, dict) and not grid(value, 0):
        return _whole(value)
    return _section("", value, 0, "")


def _whole(value):
    """Return the Section of a result that is a dict: its numbers are the figures that are read
    first, most of its parts are folded.
    """
    inner = {key: part for key, part in value.items() if key != LISTED and key not in FOR_DRAWING}
    steps = (
        inner.pop("steps", None)
        if isinstance(value.get("steps"), dict) and _are_results(value["steps"])
        else None
    )
    whole = _section("", inner, 0, "")
    figures = [fact for fact in whole.facts if fact[1].is_number and fact[1].text != "0"][
        :MOST_FIGURES
    ]
    parts = [part for part in whole.sections if not part.is_blank]
    counts = [
        (part.title, Cell(number(_names(value[key])), True)) for key, part in _charted(value, parts)
    ]
    others = [
        _section(name, part, 1, f"/steps/{escaped(name)}")
        for name, part in list((steps or {}).items())[:MOST_SECTIONS]
    ]
    return Section(
        title="",
        lead=whole.lead,
        figures=[(name, _rounded(name, cell)) for name, cell in figures] + counts,
        facts=[fact for fact in whole.facts if fact not in figures and fact[1] != NOTHING],
        texts=whole.texts,
        sections=parts[:MOST_OPEN],
        folded=parts[MOST_OPEN:],
        steps=others,
        files_listed_by=listed_by if isinstance(listed_by := value.get(LISTED), str) else "",
    )


def _are_results(steps):
    return bool(steps) and all(isinstance(inner, dict) for inner in steps.values())


def _charted(value, parts):
    return [
        (key, part)
        for key in CHARTED
        for part in parts
        if part.path == f"/{key}" and part.chart and key in value
    ]


def _names(table):
    # "(other)", "(unknown)" and "(binary)" are no names
    return sum(not name.startswith("(") for name in table)


def _rounded(name, cell):
    """Return a number of bytes as people say it, anything else as it is."""
    if name.lower().rpartition(" ")[2] != "bytes" or not cell.is_number:
        return cell
    amount = float(cell.text.replace(",", ""))
    power = min((len(str(int(amount))) - 1) // 3, len(UNITS))
    return (
        Cell(f"{amount / 1000**power:,.1f} {UNITS[power - 1]}", True, f"{cell.text} bytes")
        if power > 0
        else cell
    )


def _section(name, value, depth, path):
    title = _words(name)
    found = grid(value, depth)
    if found:
        names, rows, texts = _without_texts(*found)
        return Section(
            title, path, table=_table(names, rows), chart=_chart(name, value), texts=texts
        )
    if not isinstance(value, dict) or depth > DEEPEST:
        return _leaf(title, value, path)
    flat = {key: inner for key, inner in value.items() if not _is_nested(inner)}
    nested = [(key, inner) for key, inner in value.items() if key not in flat][:MOST_SECTIONS]
    lead = flat.pop("summary") if isinstance(flat.get("summary"), str) else ""
    texts = [(_words(key), inner) for key, inner in flat.items() if _is_long(inner)]
    facts = [(_words(key), _cell(inner)) for key, inner in flat.items() if not _is_long(inner)]
    inner = [_section(key, part, depth + 1, f"{path}/{escaped(key)}") for key, part in nested]
    return Section(title, path, lead, facts=_shortened(facts), texts=texts, sections=inner)


def _without_texts(names, rows):
    """Return the names and rows of a table without the columns of texts that have several
    lines, and `[(name, text)]` of those, each put together.
    """
    values = {
        place: [row[place] for row in rows if row[place] is not None] for place in range(len(names))
    }
    long = [
        place
        for place, those in values.items()
        if len(names) > 1 and those and all(_has_lines(value) for value in those)
    ]
    short = [place for place in values if place not in long]
    texts = [
        (
            _words(names[place]),
            "\n".join(value.rstrip("\n") + "\n" for value in values[place][:MOST_ROWS]),
        )
        for place in long
    ]
    return (
        [names[place] for place in short],
        [[row[place] for place in short] for row in rows],
        texts,
    )


def _has_lines(value):
    return isinstance(value, str) and "\n" in value.strip()


def _leaf(title, value, path):
    if _is_long(value):
        return Section(title, path, texts=[("", value)])
    return Section(title, path, facts=[("", _cell(value))])


def escaped(key):
    """Return a key as it stands in a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _chart(name, value):
    column = CHARTED.get(name)
    if not column or not isinstance(value, dict):
        return None
    return stacked(
        [(key, row.get(column)) for key, row in value.items() if isinstance(row, dict)], column
    )


def _shortened(facts):
    more = len(facts) - MOST_ROWS
    return [*facts[:MOST_ROWS], ("…", Cell(f"{number(more)} more"))] if more > 0 else facts


def _is_long(value):
    return (
        isinstance(value, str)
        and (len(value) > LONG or _has_lines(value))
        and not LINK.fullmatch(value)
    )


def _is_nested(value):
    return isinstance(value, (dict, list)) and len(value) > 0


# Tables


def grid(value, depth=1):
    """Return what is a table as `(names of columns, rows of values)`, None for what isn't. The name
    of a column may be empty.

    A table is a list, or a dict of dicts such as `{name: {"files": 1, "lines": 2}}`, or, within a
    result (depth above 0), a dict of many numbers.
    """
    if _is_table(value):
        return _grid_of_rows(value)
    if isinstance(value, list) and value:
        return [""], [[inner] for inner in value]
    if depth > 0 and _is_counts(value):
        return ["", "number"], [[name, inner] for name, inner in value.items()]
    return None


def _grid_of_rows(value):
    rows = list(value.values()) if isinstance(value, dict) else value
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[row.get(key) for key in keys] for row in rows]
    if isinstance(value, dict):
        return ["", *keys], [[name, *row] for name, row in zip(value, cells, strict=True)]
    return keys, cells


def _is_table(value):
    """Say whether `value` is a list of dicts, or a dict of them such as `{name: {"files": 1,
    "lines": 2}}`.

    All have flat values or the same keys; where they are many, some may lack keys that another has.
    """
    rows = (
        list(value.values())
        if isinstance(value, dict)
        else value
        if isinstance(value, list)
        else []
    )
    if not rows or not all(isinstance(row, dict) and row for row in rows):
        return False
    if isinstance(value, dict) and len(rows) <= MOST_UNLIKE and not _are_alike(rows):
        return False
    is_flat = not any(_is_nested(inner) for row in rows for inner in row.values())
    return (
        is_flat
        or (len(rows) > 1 and all(row.keys() == rows[0].keys() for row in rows))
        or (len(rows) > MOST_UNLIKE and _are_alike(rows))
    )


def _are_alike(rows):
    """Say whether one of the dicts has all the keys that the others have."""
    largest = max(rows, key=len).keys()
    return all(row.keys() <= largest for row in rows)


def _is_counts(value):
    return (
        isinstance(value, dict)
        and len(value) > MOST_COUNTS
        and all(_cell(inner).is_number for inner in value.values())
    )


def _table(names, rows):
    cells = [
        [_rounded(name, _cell(value)) for name, value in zip(names, row, strict=True)]
        for row in rows[:MOST_ROWS]
    ]
    columns = [
        (_words(name), all(row[place].is_number for row in cells))
        for place, name in enumerate(names)
    ]
    return Table(columns, cells, max(0, len(rows) - MOST_ROWS))


def _cell(value):
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int):
        return Cell(number(value), True)
    if isinstance(value, float):
        return Cell(f"{value:,.10g}", True)
    if value is None or value == [] or value == {}:
        return NOTHING
    if isinstance(value, str):
        return Cell(value)
    return Cell(_gist(value), is_gist=True)


def _gist(value):
    """Return what is nested in a cell in a few words: `info 716, error 46`, or names alone
    where there is more to each.
    """
    words = (
        [_named(name, inner) for name, inner in value.items()]
        if isinstance(value, dict)
        else [_plain(inner) for inner in value]
    )
    return ", ".join(words[:MOST_NAMED]) + (", …" if len(words) > MOST_NAMED else "")


def _named(name, value):
    return name if _is_nested(value) else f"{name} {_cell(value).text}"


def _plain(value):
    return "…" if _is_nested(value) else _cell(value).text


def _words(name):
    """Return a key as people write it: `largest_files` becomes `Largest files`; anything that
    isn't a plain word stays.
    """
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:] if name.isidentifier() and name.islower() else name
