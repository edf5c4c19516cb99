"""The list of jobs: newest first, by the page, with the number of jobs in each status. It costs the
same at any depth.

No statement here looks at more than a few thousand rows, so that none stalls the process however
many jobs there are: the indexes end in `created_at, number`, and whatever has to go through many
jobs does it in walks along them that begin where the last one ended.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from flask import current_app
from sqlalchemy import Connection, Row, Select, Text, cast, desc, exists, func, select, union_all

from jobsync.base.clock import DAY, midnight
from jobsync.base.loop import in_turns
from jobsync.base.text import json_size
from jobsync.db.damage import sound
from jobsync.db.models import Job, JobWords, Step
from jobsync.db.transactions import read
from jobsync.definitions.placeholders import as_text
from jobsync.shapes import JobPage, ListedJob
from jobsync.status import COMPLETED, FAILED, JOB_STATUSES
from jobsync.store.answers import bounded, cursor_of, found, one_by_one, place_of, with_times
from jobsync.store.jobs import JOB_COLUMNS, JOB_TABLE, JOB_TIMES, last_change

SEARCHED = 2000  # jobs whose words are looked through at a time: a millisecond or two
COUNTED = 20_000  # entries of an index counted at a time: a millisecond
RUNS = 20  # of a definition, that its usual duration is told by
USUAL_RUNS = 10  # that the usual duration of a step is made of
MOST_SCANS = 400  # of one statement: SQLite takes 500

JOBS = Job.__table__.c
WORDS = JobWords.__table__.c
# as they are stored: those that don't fit on a page needn't be read
PARAMS = cast(JOBS.params, Text).label("params")
LIST_COLUMNS = [
    JOBS.number,
    *(
        PARAMS if column.key == "params" else column
        for column in JOB_COLUMNS
        if column.key != "result"
    ),
    JOBS.priority,
    JOBS.waiting_for,
]
STORED = ("params",)
LIST_BYTES = 600  # of what a job is in a list besides its parameters and error
IDS_READ = 200  # jobs whose ids are read at a time
MOST_KEPT = 64  # lists whose numbers are kept
NEWEST_FIRST = (JOBS.created_at.desc(), JOBS.number.desc())
RUN_COLUMNS = (
    JOBS.created_at,
    JOBS.number,
    JOBS.definition,
    JOBS.status,
    JOBS.started_at,
    JOBS.finished_at,
)
Place = tuple[int, ...]  # of a job in the list: its time of creation, its number
Conditions = list[Any]  # what a scan of an index is limited by
Asker = Callable[[Any], Any]  # returns the rows of a statement

TOP: Place = (2**62, 0)  # the place above all jobs
EVER = -(2**63)  # the time below all others


def words_of(job_id: str, name: str, params: dict[str, Any]) -> str:
    """Return what a job is found by: its name, its id and `name value` of each parameter, a
    line each, as `fold` leaves them.
    """
    return fold(
        "\n".join([name, job_id, *(f"{name} {as_text(value)}" for name, value in params.items())])
    )


def fold(text: str) -> str:
    """Return text so that case makes no difference.

    Not `lower`, which writes a Σ in two ways: a part of a word wouldn't be found.
    """
    return text.casefold()


@dataclass(frozen=True)
class Wanted:
    """What a list is limited to. `status`: of these, empty for all. `since` and `until`: created on
    these days or between, in UTC.

    `q`: in names, ids and parameters, case-insensitively.
    """

    status: tuple = ()
    definition: str | None = None
    q: str | None = None
    since: date | None = None
    until: date | None = None

    @classmethod
    def of(cls, query: Mapping[str, Any]) -> "Wanted":
        """Return what a query asks for: a dict with any of the names above."""
        names = ("definition", "q", "since", "until")
        return cls(tuple(query.get("status", ())), *(query.get(name) for name in names))

    @property
    def first(self) -> int:
        return midnight(self.since) if self.since else EVER

    @property
    def top(self) -> Place:
        return (midnight(self.until) + DAY, 0) if self.until else TOP


def page(wanted: Wanted, limit: int = 50, cursor: str | None = None) -> JobPage:
    """Return a page of jobs, newest first: `{"items", "next_cursor", "total"}`, without `result`.

    A page of jobs with large parameters ends before `limit`. A long scan, with transactions of its
    own. Raises BadInput for what isn't a cursor of this list.
    """
    numbers, next_cursor = find(wanted, limit, cursor)
    _, counted = current_app.extensions["jobsync.counts"].get(wanted, wanted.status or JOB_STATUSES)
    with read() as connection:
        items, cut_cursor = rows(connection, wanted, numbers)
    return {
        "items": items,
        "next_cursor": cut_cursor or next_cursor,
        "total": sum(counted.values()),
    }


def ids(wanted: Wanted) -> Iterator[str]:
    """Yield the ids of all jobs that are wanted, newest first.

    A long scan, with transactions of its own, none of which is open while the caller uses them.
    """
    cursor = None
    while True:
        numbers, cursor = find(wanted, IDS_READ, cursor)
        with read() as connection:
            query = select(JOBS.number, JOBS.id).where(JOBS.number.in_(numbers))
            found_ids = {row.number: row.id for row in connection.execute(query)}
        yield from (found_ids[number] for number in numbers if number in found_ids)
        if cursor is None:
            return


def find(
    wanted: Wanted, limit: int = 50, cursor: str | None = None
) -> tuple[list[int], str | None]:
    """Return `(numbers, next_cursor)` of the `limit` newest jobs, or of those after the cursor's.

    A long scan, with transactions of its own; others run in between. Raises BadInput.
    """
    top = min(place_of(cursor, 2), wanted.top) if cursor else wanted.top
    places = _search(wanted, top, limit + 1) if wanted.q else _newest(wanted, top, limit + 1)
    numbers = [number for _, number in places[:limit]]
    return numbers, cursor_of(*places[limit - 1]) if len(places) > limit else None


def rows(
    connection: Connection, wanted: Wanted, numbers: list[int]
) -> tuple[list[ListedJob], str | None]:
    """Return the jobs with these numbers as a list shows them, newest first, without those that
    have left it meanwhile, and a cursor.

    The cursor is None unless they are too large for one page: then it leads to those that are
    missing.
    """
    query = select(*LIST_COLUMNS).where(JOBS.number.in_(numbers)).order_by(*NEWEST_FIRST)
    # Looked at here: with a condition on the status SQLite might go through all jobs of that status
    sound_rows = (sound(row, JOB_TABLE, STORED) for row in one_by_one(connection.execute(query)))
    present = (row for row in sound_rows if not wanted.status or row.status in wanted.status)
    taken, is_cut = bounded(present, len(numbers), _size_of)
    cursor = cursor_of(taken[-1].created_at, taken[-1].number) if is_cut else None
    return [_shown(row) for row in taken], cursor


def _size_of(row: Any) -> int:
    return LIST_BYTES + len((row.params or "").encode()) + json_size(row.error or "")


def _shown(row: Any) -> ListedJob:
    shown = with_times(row, JOB_TIMES, JOB_TABLE, STORED)
    del shown["number"]
    return shown


def counts(wanted: Wanted, statuses: Iterable[str] = JOB_STATUSES) -> dict[str, int]:
    """Return `{status: number}` of the jobs that are wanted, whatever `wanted.status` says.

    A long scan, with transactions of its own; others run in between. All of one moment, but with
    `q`, where each look is a transaction of its own.
    """
    if wanted.q:
        return {status: _count(_ask, wanted, status) for status in statuses}
    with read() as connection:
        return {status: _count(_asker(connection), wanted, status) for status in statuses}


def _asker(connection: Connection) -> Asker:
    """Return a function that returns the rows of a statement, in a transaction that is open."""
    return lambda statement: connection.execute(statement).all()


def _ask(statement: Any) -> Sequence[Row]:
    """Return the rows of a statement, in a transaction of its own."""
    with read() as connection:
        return connection.execute(statement).all()


@dataclass
class _Kept:
    change: int | None = None
    begun: float = 0.0
    counts: dict = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class KeptCounts:
    """Keeps the numbers of the lists that were asked for last, since all viewers of a list ask for
    them when a status changes.

    At most one counts a list at a time. Who asks meanwhile waits for the first count that began
    after they asked, and holds no connection.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[Any, _Kept] = {}

    def get(
        self, wanted: Wanted, statuses: Iterable[str] = JOB_STATUSES
    ) -> tuple[int | None, dict[str, int]]:
        """Return `(change, counts)`: the numbers as `counts` has them, and a change that they
        are not older than. Not inside a transaction.
        """
        asked = self._clock()
        kept = self._keep((replace(wanted, status=()), tuple(statuses)))
        if kept.change != present_change():
            with kept.lock:
                if kept.change != present_change() and (kept.change is None or kept.begun < asked):
                    begun, change = self._clock(), present_change()
                    kept.counts = counts(wanted, statuses)
                    kept.change, kept.begun = change, begun
                return kept.change, kept.counts
        return kept.change, kept.counts

    def _keep(self, key: Any) -> _Kept:
        kept = self._kept[key] = self._kept.pop(key) if key in self._kept else _Kept()
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return kept


def present_change() -> int:
    """Return the number of the latest change of all jobs, as of now. Not inside a transaction."""
    with read() as connection:
        return last_change(connection)


def _count(ask: Asker, wanted: Wanted, status: str) -> int:
    (prefix,) = _prefixes(replace(wanted, status=(status,)))
    return sum(
        ask(select(func.count()).select_from(scan.subquery()))[0][0]
        for scan in _scans(ask, wanted, prefix, wanted.top)
    )


def _search(wanted: Wanted, top: Place, limit: int) -> list[Place]:
    """Return the places of the first `limit` jobs below `top` that match `q`."""
    found = (
        place
        for prefix in _prefixes(wanted)
        for place in _search_prefix(wanted, prefix, top, limit)
    )
    return sorted(found, key=_order, reverse=True)[:limit]


def _order(place: Any) -> Place:
    created_at, number = place
    return (created_at if isinstance(created_at, int) else TOP[0], number)


def _search_prefix(wanted: Wanted, prefix: Conditions, top: Place, limit: int) -> Iterable[Place]:
    places: list[Any] = []
    for scan in _scans(_ask, wanted, prefix, top):
        newest_first = scan.order_by(desc("created_at"), desc("number"))
        places += _ask(newest_first.limit(limit - len(places)))
        if len(places) >= limit:
            break
    return map(tuple, places)


def _newest(wanted: Wanted, top: Place, limit: int) -> list[Place]:
    """Return the places of the first `limit` jobs below `top`."""
    scans = [
        _scan(conditions, limit)
        for prefix in _prefixes(wanted)
        for conditions in _below(wanted, prefix, top)
    ]
    return [tuple(row) for row in _ask(_merged(scans, limit))]


# Scans of the indexes


def _prefixes(wanted: Wanted) -> list[Conditions]:
    """Return the conditions of the scans that together find all that is wanted, save `q` and days.

    Each is the beginning of an index.
    """
    common = [JOBS.definition == wanted.definition] if wanted.definition else []
    return [[*common, JOBS.status == status] for status in wanted.status] or [common]


def _below(wanted: Wanted, prefix: Conditions, place: Any) -> list[Conditions]:
    """Return the conditions of the two scans that find a prefix's jobs below a place.

    Two, as SQLite would use only the first half of `(created_at, number) < place`, and go through
    all jobs of one moment.
    """
    created_at, number = place
    older = [JOBS.created_at >= wanted.first]
    if place != TOP:  # above all there may be some that a damaged database has without a time
        older.append(JOBS.created_at < created_at)
    return [
        [*prefix, JOBS.created_at == created_at, JOBS.number < number],
        [*prefix, *older],
    ]


def _scan(conditions: Conditions, limit: int) -> Select:
    places = select(JOBS.created_at, JOBS.number).where(*conditions)
    return places.order_by(*NEWEST_FIRST).limit(limit)


def _merged(scans: Iterable[Any], limit: int) -> Select:
    merged = union_all(*(select(scan.subquery()) for scan in scans)).subquery()
    return select(merged).order_by(merged.c.created_at.desc(), merged.c.number.desc()).limit(limit)


def _scans(ask: Asker, wanted: Wanted, prefix: Conditions, place: Place | None) -> Iterator[Select]:
    """Yield selects of a prefix's jobs below a place that match `q`, newest first.

    Each looks at a few, and others run in between.
    """
    size = SEARCHED if wanted.q else COUNTED
    while place:
        ranges = _below(wanted, prefix, place)
        place = None
        for conditions in ranges:
            yield _matching(wanted, _scan(conditions, size))
            if place := next(iter(ask(_scan(conditions, 1).offset(size - 1))), None):
                break
        # Else it is over: to wait for a turn takes long where hundreds of viewers have theirs
        if place:
            time.sleep(0)  # green in the web process


def _matching(wanted: Wanted, scan: Any) -> Select:
    """Return a select of `created_at` and `number` of those jobs of a scan that match `q`."""
    inner = scan.subquery()
    query = select(inner)
    if wanted.q:
        # Not a join: SQLite might begin with the words of all jobs
        query = query.where(
            exists().where(
                WORDS.number == inner.c.number, WORDS.words.like(_pattern(wanted.q), escape="\\")
            )
        )
    return query


def _pattern(q: str) -> str:
    """Return what LIKE finds `q` by, made here and not for each row."""
    return "%" + re.sub(r"([%_\\])", r"\\\1", fold(q)) + "%"


# The runs of a definition


@dataclass(frozen=True)
class Run:
    """A run that has completed or failed: how long it took in ms."""

    status: str
    took: int


def recent_runs(connection: Connection, definitions: Iterable[str]) -> dict[str, list[Run]]:
    """Return `{definition: [Run]}` of the last runs of each that completed or failed, oldest first.

    At most `RUNS` of each.
    """
    runs: dict[str, list[Run]] = {definition: [] for definition in definitions}
    prefixes = [
        [JOBS.definition == definition, JOBS.status == status]
        for definition in definitions
        for status in (COMPLETED, FAILED)
    ]
    for start in range(0, len(prefixes), MOST_SCANS):
        scans = [
            _scan(prefix, RUNS).with_only_columns(*RUN_COLUMNS)
            for prefix in prefixes[start : start + MOST_SCANS]
        ]
        for row in connection.execute(_merged(scans, len(scans) * RUNS)):
            row = sound(row, JOB_TABLE)
            # one that timed out waiting never ran
            is_whole = row.definition in runs and None not in (row.started_at, row.finished_at)
            if is_whole and len(runs[row.definition]) < RUNS:
                runs[row.definition].insert(0, Run(row.status, row.finished_at - row.started_at))
    return runs


def neighbours(connection: Connection, job_id: str) -> tuple[str | None, str | None]:
    """Return `(earlier, later)`: the ids of the runs of the same definition next to this one.

    None where there is none. Raises NotFound.
    """
    definition, created_at, number = _place(connection, job_id)
    prefix = [JOBS.definition == definition]
    above = [
        [*prefix, JOBS.created_at == created_at, JOBS.number > number],
        [*prefix, JOBS.created_at > created_at],
    ]
    oldest_first = (JOBS.created_at, JOBS.number)
    below = _below(Wanted(), prefix, (created_at, number))
    return _first_id(connection, below, NEWEST_FIRST), _first_id(connection, above, oldest_first)


def earlier_durations(connection: Connection, job_id: str) -> dict[str, list[int]]:
    """Return `{step name: [ms, …]}`: how long each step took in earlier runs of its definition.

    Those are the last completed ones before this one.
    """
    definition, *place = _place(connection, job_id)
    prefix = [JOBS.definition == definition, JOBS.status == COMPLETED]
    scans = [_scan(conditions, USUAL_RUNS) for conditions in _below(Wanted(), prefix, place)]
    numbers = [row.number for row in connection.execute(_merged(scans, USUAL_RUNS))]
    runs = select(JOBS.id).where(JOBS.number.in_(numbers))
    steps = select(Step.name, Step.finished_at - Step.started_at).where(
        Step.job_id.in_(runs), Step.status == COMPLETED, Step.started_at.is_not(None)
    )
    durations: dict[str, list[int]] = {}
    for name, duration in in_turns(connection.execute(steps)):
        if isinstance(duration, int):
            durations.setdefault(name, []).append(duration)
    return durations


def _place(connection: Connection, job_id: str) -> Row:
    query = select(JOBS.definition, JOBS.created_at, JOBS.number).where(JOBS.id == job_id)
    return found(connection.execute(query).first(), "job", job_id)


def _first_id(
    connection: Connection, ranges: Iterable[Conditions], order: Iterable[Any]
) -> str | None:
    """Return the id of the first job in one of the ranges, looked at in turn, or None."""
    queries = (
        select(JOBS.id).where(*conditions).order_by(*order).limit(1) for conditions in ranges
    )
    return next(filter(None, (connection.execute(query).scalar() for query in queries)), None)
