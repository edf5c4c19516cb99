"""Queries of children, the units of work of a step."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    Text,
    bindparam,
    case,
    cast,
    func,
    select,
    tuple_,
    union_all,
)

from jobsync.base.clock import iso, now
from jobsync.base.loop import in_turns
from jobsync.base.text import json_size
from jobsync.db.damage import sound
from jobsync.db.models import Attempt, Child, Stop
from jobsync.db.prepared import Prepared
from jobsync.db.transactions import OUTSIDE, chunked_read
from jobsync.shapes import ChildDetails, ChildPage, Progress, ShownAttempt, ShownChild
from jobsync.status import CHILD_STATUSES, child_actions
from jobsync.store import steps
from jobsync.store.answers import bounded, cursor_of, found, place_of, with_times

CHILD_TABLE, ATTEMPT_TABLE = Child.__table__, Attempt.__table__
CHILD_TIMES = ("started_at", "finished_at")
AS_STORED = [cast(Child.input, Text).label("input"), cast(Child.result, Text).label("result")]
CHILD_COLUMNS = [
    Child.pk,
    Child.parent_pk,
    Child.name,
    Child.status,
    Child.attempt,
    *AS_STORED,
    Child.error,
    Child.exit_code,
    Child.progress_done,
    Child.progress_total,
    Child.started_at,
    Child.finished_at,
]
STORED = ("input", "result")
ROOTS = "none"  # the `parent` of children that no other one has spawned
# children of a long scan that are read at a time
SCANNED = 500
INPUTS_SCANNED = 20
SMALL = 256 * 1024  # characters of all results of a chunk, so that the next may have more
CHILD_BYTES = 400  # of what a child is besides its texts


@dataclass(frozen=True)
class Wanted:
    """Which children a page is to show, and in which order.

    status: of these, empty for all. parent: the id of the child that spawned them, ROOTS for those
    that none has, None for all. sort: one of CHILD_SORTS, with "-" before it for descending.
    """

    status: Collection[str] = ()
    parent: str | None = None
    sort: str = "number"


@dataclass(frozen=True)
class PageAt:
    """Children of a step by number: their rows, how many there are in all, which of the rows (by
    pk) are being stopped, and how many children of their own they have spawned.
    """

    step_pk: int
    rows: list[Any]
    total: int
    stopping: set[int]
    spawned: dict[Any, int]


def page(
    connection: Connection,
    job_id: str,
    step_name: str,
    status: Collection[str] = (),
    limit: int = 50,
    cursor: str | None = None,
    read_json: Callable[[str], Any] | None = None,
    parent: str | None = None,
    sort: str = "number",
) -> ChildPage:
    """Return a page of a step's children, in the order they were planned where no other one is
    wanted. Raises NotFound.

    status, parent, sort: as of Wanted. read_json: what makes `input` and `result` of the JSON that
    is stored. A page of large ones ends before `limit`.
    """
    step = steps.get(connection, job_id, step_name)
    wanted = Wanted(status, parent, sort)
    places = _places(connection, step.pk, wanted, limit + 1, cursor)
    rows, is_cut = bounded(
        in_turns(_rows(connection, [place[-1] for place in places])), limit, _size_of_child
    )
    stopping = _stopping(connection, step.pk, rows)
    return {
        "items": [_child_shown(row, stopping, read_json) for row in in_turns(rows)],
        "next_cursor": cursor_of(*places[len(rows) - 1]) if is_cut else None,
        "total": _total(connection, step, wanted),
    }


# Pages by number, for people


def page_at(
    connection: Connection,
    job_id: str,
    step_name: str,
    wanted: Wanted,
    first: int = 0,
    limit: int = 50,
) -> PageAt:
    """Return a page of a step's children, those after the `first` ones of the order that is wanted:
    rows without input and result. What it costs grows a little with `first`. Raises NotFound.
    """
    step = steps.get(connection, job_id, step_name)
    found = _pks_at(connection, step.pk, wanted, first, limit)
    rows = list(in_turns(_rows(connection, found, LISTED_ROW)))
    pks = [row.pk for row in rows]
    spawned = select(Child.parent_pk, func.count()).where(Child.parent_pk.in_(pks))
    return PageAt(
        step.pk,
        rows,
        _total(connection, step, wanted),
        _stopping(connection, step.pk, rows),
        {row[0]: row[1] for row in connection.execute(spawned.group_by(Child.parent_pk))},
    )


def row_of(connection: Connection, step_pk: int, pk: int) -> Any:
    """Return a child's row as those of `page_at`, None if it isn't one of that step."""
    row = connection.execute(LISTED_ROW.where(Child.step_pk == step_pk), {"child": pk}).first()
    return row and sound(row, CHILD_TABLE)


def is_tree(connection: Connection, step_pk: int) -> bool:
    """Say whether children of a step have spawned others."""
    first, last = (
        connection.execute(select(end(Child.pk)).where(Child.step_pk == step_pk)).scalar()
        for end in (func.min, func.max)
    )
    # of the parents' index: SQLite would look through all of the step's children
    found = select(Child.pk).where(
        Child.parent_pk.between(first or 0, last or 0), Child.step_pk + 0 == step_pk
    )
    return connection.execute(found.limit(1)).first() is not None


LETTERS = {status: status[3] for status in CHILD_STATUSES}  # d n p l c
IN_ORDER = (
    select(func.substr(CHILD_TABLE.c.status, 4, 1).label("letter"))
    .where(CHILD_TABLE.c.step_pk == bindparam("step"))
    .order_by(CHILD_TABLE.c.pk)
    .subquery()
)
ALL_STATUSES = select(func.aggregate_strings(IN_ORDER.c.letter, ""))


def statuses(connection: Connection, step_pk: int) -> str:
    """Return the statuses of all children of a step in the order they were planned, a letter of
    LETTERS each: one statement outside of the event loop, however many there are.
    """
    found = connection.execute(ALL_STATUSES, {"step": step_pk}, execution_options=OUTSIDE)
    return found.scalar() or ""


# The places of a page: what its rows are ordered by, the pk last


def _places(
    connection: Connection,
    step_pk: int,
    wanted: Wanted,
    limit: int,
    cursor: str | None,
) -> list[tuple[int, ...]]:
    """Return the places of the first `limit` children, or of those after the cursor's."""
    kind, is_descending = wanted.sort.lstrip("-"), wanted.sort.startswith("-")
    conditions = [Child.step_pk == step_pk, *_of_parent(wanted.parent)]
    size = {"number": 1, "status": 2, "duration": 3}[kind]
    after = place_of(cursor, size) if cursor else None
    if kind == "number":
        return _by_number(connection, conditions, wanted.status, is_descending, limit, after)
    if kind == "status":
        return _by_status(connection, conditions, wanted.status, is_descending, limit, after)
    return _by_duration(connection, conditions, wanted.status, is_descending, limit, after)


def _of_parent(parent: str | None) -> list[Any]:
    if parent is None:
        return []
    return [Child.parent_pk.is_(None) if parent == ROOTS else Child.parent_pk == int(parent)]


def _by_number(
    connection: Connection,
    conditions: list[Any],
    status: Collection[str],
    is_descending: bool,
    limit: int,
    after: tuple[int, ...] | None,
) -> list[tuple[int, ...]]:
    if after:
        conditions = [*conditions, Child.pk < after[0] if is_descending else Child.pk > after[0]]
    # A walk along the index for each status, then merged: SQLite would look at all of a step's
    # children for rare ones
    walks = [
        select(Child.pk)
        .where(*conditions, *([Child.status == name] if name else []))
        .order_by(Child.pk.desc() if is_descending else Child.pk)
        .limit(limit)
        .subquery()
        for name in status or (None,)
    ]
    merged = union_all(*map(select, walks)).subquery().c.pk
    query = select(merged).order_by(merged.desc() if is_descending else merged).limit(limit)
    return [(pk,) for pk in connection.execute(query).scalars()]


def _by_status(
    connection: Connection,
    conditions: list[Any],
    status: Collection[str],
    is_descending: bool,
    limit: int,
    after: tuple[int, ...] | None,
) -> list[tuple[int, ...]]:
    """Walk through one status after the other, in the order of CHILD_STATUSES."""
    names = list(enumerate(CHILD_STATUSES))
    places: list[tuple[int, ...]] = []
    for rank, name in reversed(names) if is_descending else names:
        is_behind = after and (rank > after[0] if is_descending else rank < after[0])
        if is_behind or (status and name not in status) or len(places) == limit:
            continue
        start = after[1] if after and rank == after[0] else 0
        query = (
            select(Child.pk)
            .where(*conditions, Child.status == name, Child.pk > start)
            .order_by(Child.pk)
            .limit(limit - len(places))
        )
        places += [(rank, pk) for pk in connection.execute(query).scalars()]
    return places


def _by_duration(
    connection: Connection,
    conditions: list[Any],
    status: Collection[str],
    is_descending: bool,
    limit: int,
    after: tuple[int, ...] | None,
) -> list[tuple[int, ...]]:
    """Go through all children of the step: no index could have the durations of those that run.

    The moment that these are of comes first in each place, so that it is the same for all pages.
    """
    at = after[0] if after else now()
    duration = _duration(at)
    place = tuple_(duration, Child.pk)
    if status:
        conditions = [*conditions, Child.status.in_(status)]
    if after:
        last = after[1:]
        conditions = [*conditions, place < last if is_descending else place > last]
    order = [duration.desc(), Child.pk.desc()] if is_descending else [duration, Child.pk]
    query = select(duration, Child.pk).where(*conditions).order_by(*order).limit(limit)
    return [(at, *row) for row in connection.execute(query, execution_options=OUTSIDE)]


def _duration(at: int) -> Any:
    """Return how long children took, for what runs until `at` (ms), -1 for what hasn't begun."""
    return case(
        (Child.started_at.is_(None), -1),
        else_=func.coalesce(Child.finished_at, at) - Child.started_at,
    )


def _pks_at(
    connection: Connection, step_pk: int, wanted: Wanted, first: int, limit: int
) -> list[int]:
    """Return the pks of `limit` children after the `first` ones: one statement outside of the event
    loop, however many those are.
    """
    conditions = [Child.step_pk == step_pk, *_of_parent(wanted.parent)]
    if wanted.status:
        names = tuple(wanted.status)
        conditions += [Child.status == names[0] if len(names) == 1 else Child.status.in_(names)]
    kind, is_descending = wanted.sort.lstrip("-"), wanted.sort.startswith("-")
    rank = case({name: place for place, name in enumerate(CHILD_STATUSES)}, value=Child.status)
    order = {"number": [], "duration": [_duration(now())], "status": [rank]}[kind] + [Child.pk]
    if is_descending:
        order = [column.desc() for column in order]
    query = select(Child.pk).where(*conditions).order_by(*order).limit(limit).offset(first)
    return list(connection.execute(query, execution_options=OUTSIDE).scalars())


CHILD_ROW = select(*CHILD_COLUMNS).where(Child.pk == bindparam("child"))
LISTED_ROW = select(
    Child.key, *(column for column in CHILD_COLUMNS if column not in AS_STORED)
).where(Child.pk == bindparam("child"))


def _rows(connection: Connection, pks: Sequence[int], query: Select = CHILD_ROW) -> Iterator[Row]:
    """Yield the rows of children in the order of their pks. What isn't taken isn't read."""
    for pk in pks:
        row = connection.execute(query, {"child": pk}).first()
        if row is not None:
            yield sound(row, CHILD_TABLE, STORED)


def _total(connection: Connection, step: Any, wanted: Wanted) -> int:
    if wanted.parent is None:
        return sum(getattr(step, name) for name in wanted.status or CHILD_STATUSES)
    query = select(func.count()).where(Child.step_pk == step.pk, *_of_parent(wanted.parent))
    if wanted.status:
        query = query.where(Child.status.in_(wanted.status))
    return connection.execute(query, execution_options=OUTSIDE).scalar_one()


def _size_of_child(row: Any) -> int:
    return (
        CHILD_BYTES
        + sum(len((text or "").encode()) for text in (row.input, row.result))
        + json_size(row.name)
        + json_size(row.error or "")
    )


def _stopping(connection: Connection, step_pk: int, rows: Iterable[Any]) -> set[int]:
    """Return the pks of those children that were cancelled and are still being stopped."""
    query = select(Stop.child_pk).where(
        Stop.step_pk == step_pk,
        Stop.child_pk.in_([row.pk for row in rows]),
        Stop.done_at.is_(None),
    )
    return set(connection.execute(query).scalars())


def _child_shown(
    row: Any, stopping: Collection[int], read_json: Callable[[str], Any] | None
) -> ShownChild:
    shown = with_times(row, CHILD_TIMES, CHILD_TABLE, STORED, read_json)
    pk, parent_pk = shown.pop("pk"), shown.pop("parent_pk")
    done, total = shown.pop("progress_done"), shown.pop("progress_total")
    child: Any = {
        "id": str(pk),
        "parent_id": None if parent_pk is None else str(parent_pk),
        **shown,
        "progress": _progress(done, total),
        "stopping": pk in stopping,
    }
    return child


def _progress(done: float | None, total: float | None) -> Progress | None:
    if done is None:
        return None
    return {"done": _number(done), "total": None if total is None else _number(total)}


def _number(value: float) -> float:
    return int(value) if value == int(value) else value


def details(
    connection: Connection,
    job_id: str,
    step_name: str,
    child_id: str,
    read_json: Callable[[str], Any] | None = None,
) -> ChildDetails:
    """Return a child by itself, with its attempts. Raises NotFound.

    read_json: as of `page`.
    """
    step = steps.get(connection, job_id, step_name)
    is_number = child_id.isascii() and child_id.isdigit() and len(child_id) < 19
    query = CHILD_ROW.where(Child.step_pk == step.pk)
    row = connection.execute(query, {"child": int(child_id)}).first() if is_number else None
    row = sound(found(row, "child", child_id), CHILD_TABLE, STORED)
    shown: Any = _child_shown(row, _stopping(connection, step.pk, [row]), read_json)
    shown["attempts"] = attempts(connection, row.pk)
    shown["actions"] = child_actions(row.status)
    return shown


ATTEMPTS = (
    select(*(column for column in ATTEMPT_TABLE.c if column.key != "child_pk"))
    .where(ATTEMPT_TABLE.c.child_pk == bindparam("child"))
    .order_by(ATTEMPT_TABLE.c.attempt)
)


def attempts(connection: Connection, child_pk: int) -> list[ShownAttempt]:
    """Return the attempts of a child, the first one first."""
    return [
        {
            "attempt": row.attempt,
            "status": row.status,
            "worker": row.worker_id,
            "started_at": iso(row.started_at),
            "finished_at": iso(row.finished_at),
            "error": row.error,
            "exit_code": row.exit_code,
            "first_line": row.first_line,
            "last_line": row.last_line,
        }
        for row in (
            sound(row, ATTEMPT_TABLE) for row in connection.execute(ATTEMPTS, {"child": child_pk})
        )
    ]


def failed(connection: Connection, step_pk: int, limit: int) -> list[Row]:
    """Return rows `(pk, name, error, finished_at)` of a step's first failed children in the
    order they were planned, times in ms.
    """
    query = select(Child.pk, Child.name, Child.error, Child.finished_at).where(
        Child.step_pk == step_pk, Child.status == "failed"
    )
    return [
        sound(row, CHILD_TABLE) for row in connection.execute(query.order_by(Child.pk).limit(limit))
    ]


def completed(step_pk: int) -> Iterator[int]:
    """Yield the pks of a step's completed children in the order they were planned.

    A few hundred at a time: a long scan, with transactions of its own.
    """

    def read_some(connection: Connection, last: int) -> tuple[list[int], int | None]:
        query = (
            select(Child.pk)
            .where(Child.step_pk == step_pk, Child.status == "completed", Child.pk > last)
            .order_by(Child.pk)
            .limit(SCANNED)
        )
        found = list(connection.execute(query).scalars())
        return found, found[-1] if found else None

    return chunked_read(read_some, 0)


def completed_inputs(step_pk: int) -> Iterator[Row]:
    """Yield `(pk, input)` of a step's completed children in the order they were planned.

    A few at a time: a long scan, with transactions of its own.
    """

    def read_some(connection: Connection, last: int) -> tuple[Sequence[Row], int | None]:
        query = (
            select(Child.pk, Child.input)
            .where(Child.step_pk == step_pk, Child.status == "completed", Child.pk > last)
            .order_by(Child.pk)
            .limit(INPUTS_SCANNED)
        )
        rows = connection.execute(query).all()
        return rows, rows[-1].pk if rows else None

    return chunked_read(read_some, 0)


def results(step_pk: int, key: Any = None) -> Iterator[Any]:
    """Yield the results of a step's completed children in the order they were planned, or what
    each has under a key: the rest isn't even decoded then.

    As many at a time as are small together: a long scan, with transactions of its own.
    """
    wanted = Child.result if key is None else Child.result[key]
    number = INPUTS_SCANNED

    def read_some(connection: Connection, last: int) -> tuple[list[Any], int | None]:
        nonlocal number
        query = (
            select(Child.pk, func.length(cast(Child.result, Text)).label("size"), wanted)
            .where(Child.step_pk == step_pk, Child.status == "completed", Child.pk > last)
            .order_by(Child.pk)
            .limit(number)
        )
        rows = connection.execute(query).all()
        size = sum(row.size or 0 for row in rows)
        number = min(2 * number, SCANNED) if size < SMALL else INPUTS_SCANNED
        return [row[2] for row in rows], rows[-1].pk if rows else None

    return chunked_read(read_some, 0)


NEXT_DUE = Prepared(
    select(func.min(CHILD_TABLE.c.due_at).label("at")).where(CHILD_TABLE.c.due_at.is_not(None))
)


def next_due(connection: Connection) -> int | None:
    """Return when the next child may be tried again, in ms, None if none waits for that."""
    return NEXT_DUE.all(connection, {})[0].at


def result(connection: Connection, pk: int, key: Any = None) -> Any:
    """Return the result of a child, or what it has under a key.

    The rest isn't even decoded then.
    """
    wanted = Child.result if key is None else Child.result[key]
    return connection.execute(select(wanted).where(Child.pk == pk)).scalar()
