"""What the answers of all queries share: rows as the contract shows them, cursors, and a bound on
their size.
"""

import base64
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Table

from jobsync.base.clock import iso
from jobsync.base.errors import BadInput, NotFound
from jobsync.db.damage import Damaged, damage, plainest, sound, tell, value_of

# of one page of anything, as JSON: it ends early there and says where to go on
ANSWER_BYTES = 4 * 1024 * 1024


def found(row: Any, kind: str, name: str) -> Any:
    """Return a row that a query gave, or raise NotFound if it gave none."""
    if row is None:
        raise NotFound(f"There is no {kind} {name!r}.")
    return row


def with_times(
    row: Any,
    times: Iterable[str],
    table: Table,
    stored: Iterable[str] = (),
    read_json: Callable[[str], Any] | None = None,
) -> Any:
    """Return a row of a table as a dict, those of its columns that are times as ISO texts; with
    `damage` if it holds what can't be used.

    stored: its columns of JSON that are text in the row. read_json: what makes a value of such a
    text, that of the JSON by default.
    """
    row = sound(row, table, stored)
    shown, wrong = dict(row._mapping), list(damage(row))
    for name in times:
        shown[name] = iso(shown[name])
    for name in stored:
        text, value = shown[name], value_of(shown[name], table, name)
        is_damaged = isinstance(value, Damaged)
        wrong += [name] if is_damaged and name not in wrong else []
        shown[name] = (
            plainest(table, name)
            if is_damaged
            else read_json(text)
            if read_json and text is not None
            else value
        )
    if wrong:
        tell(table, row, wrong)
        shown["damage"] = wrong
    return shown


def cursor_of(*place: int) -> str:
    """Return the cursor for a place in a list: the whole numbers of the last row that it is
    ordered by.
    """
    return base64.urlsafe_b64encode(" ".join(map(str, place)).encode()).decode().rstrip("=")


def place_of(cursor: str, size: int) -> tuple[int, ...]:
    """Return the place that `cursor_of` made a cursor of, `size` numbers.

    Raises BadInput for a cursor of no list or another one.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        place = tuple(int(number) for number in text.split(" "))
        if (
            len(place) == size
            and all(-(2**63) <= number < 2**63 for number in place)
            and cursor_of(*place) == cursor
        ):
            return place
    except ValueError:
        pass  # said below, with what else can be wrong with it
    raise BadInput("The input is not valid.", {"cursor": ["Not a cursor of this list."]})


# Pages


def one_by_one(result: Any, number: int = 1) -> Any:
    """Return the rows of a result, which are read a `number` at a time and not all at once:
    large ones that nobody takes aren't read.
    """
    return result.yield_per(number)


def bounded(
    rows: Iterable[Any], limit: int, size_of: Callable[[Any], int], room: int = ANSWER_BYTES
) -> tuple[list[Any], bool]:
    """Return `(rows, is_cut)`: the first `limit` rows, fewer if they take more than `room` bytes
    (but one), and whether there are more.

    size_of(row): bytes. What isn't taken of `rows` isn't even read.
    """
    taken: list[Any] = []
    for row in rows:
        room -= size_of(row)
        if len(taken) == limit or (taken and room < 0):
            return taken, True
        taken.append(row)
    return taken, False
