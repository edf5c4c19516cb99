"""The list of jobs: newest first, by the page, with the number of jobs in each status. It costs the same at any depth.

No statement here looks at more than a few thousand rows, so that none stalls the process however many jobs there are: the indexes end in
`created_at, number`, and whatever has to go through many jobs does it in walks along them that begin where the last one ended.
"""

import re
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import date

from flask import current_app
from sqlalchemy import Text, cast, desc, exists, func, select, union_all

from jobsync.clock import DAY, midnight
from jobsync.extensions import db, socketio
from jobsync.loop import in_turns
from jobsync.models import Job, JobWords, Step
from jobsync.placeholders import as_text
from jobsync.sound import sound
from jobsync.status import COMPLETED, FAILED, JOB_STATUSES
from jobsync.store import JOB_COLUMNS, JOB_TABLE, JOB_TIMES, bounded, cursor_of, found, last_change, one_by_one, place_of, read, with_times
from jobsync.text import json_size

SEARCHED = 2000  # jobs whose words are looked through at a time: a millisecond or two
COUNTED = 20_000  # entries of an index counted at a time: a millisecond
RUNS = 20  # of a definition, that its usual duration is told by
USUAL_RUNS = 10  # that the usual duration of a step is made of
LANES = 400  # of one statement: SQLite takes 500

JOBS = Job.__table__.c
WORDS = JobWords.__table__.c
PARAMS = cast(JOBS.params, Text).label("params")  # as they are stored: those that don't fit on a page needn't be read
LIST_COLUMNS = [JOBS.number, *(PARAMS if column.key == "params" else column for column in JOB_COLUMNS if column.key != "result")]
STORED = ("params",)
LIST_BYTES = 600  # of what a job is in a list besides its parameters and error
MOST_KEPT = 64  # lists whose numbers are kept
NEWEST_FIRST = (JOBS.created_at.desc(), JOBS.number.desc())
RUN_COLUMNS = (JOBS.created_at, JOBS.number, JOBS.definition, JOBS.status, JOBS.started_at, JOBS.finished_at)
TOP = (2**62, 0)  # the place above all jobs
EVER = -(2**63)  # the time below all others


def words_of(job_id, name, params):
    """Return what a job is found by: its name, its id and `name value` of each parameter, a line each, as `fold` leaves them."""
    return fold("\n".join([name, job_id, *(f"{name} {as_text(value)}" for name, value in params.items())]))


def fold(text):
    """Return text so that case makes no difference. Not `lower`, which writes a Σ in two ways: a part of a word wouldn't be found."""
    return text.casefold()


@dataclass(frozen=True)
class Wanted:
    """What a list is limited to. `status`: of these, empty for all. `since` and `until`: created on these days or between, in UTC.

    `q`: in names, ids and parameters, case-insensitively.
    """

    status: tuple = ()
    definition: str | None = None
    q: str | None = None
    since: date | None = None
    until: date | None = None

    @property
    def first(self):
        return midnight(self.since) if self.since else EVER

    @property
    def top(self):
        return (midnight(self.until) + DAY, 0) if self.until else TOP


def jobs(status=(), definition=None, q=None, since=None, until=None, limit=50, cursor=None):
    """Return a page of jobs, newest first: `{"items", "next_cursor", "total"}`; `result` is left out. See Wanted for what limits it.

    A page of jobs with large parameters ends before `limit`. Raises BadInput for what isn't a cursor of this list.
    """
    wanted = Wanted(tuple(status), definition, q, since, until)
    numbers, next_cursor = find(wanted, limit, cursor)
    _, counted = current_app.extensions["jobsync.counts"].get(wanted, wanted.status or JOB_STATUSES)
    with read():
        items, cut_cursor = rows(wanted, numbers)
    return {"items": items, "next_cursor": cut_cursor or next_cursor, "total": sum(counted.values())}


def find(wanted, limit=50, cursor=None):
    """Return `(numbers, next_cursor)` of the `limit` newest jobs, or the next ones after those that the cursor came with.

    Lets others run in between, and opens transactions of its own. Raises BadInput.
    """
    top = min(place_of(cursor, 2), wanted.top) if cursor else wanted.top
    if wanted.q:
        places = _search(wanted, top, limit + 1)
    else:
        with read():
            places = _walk_all(wanted, top, limit + 1)
    return [number for _, number in places[:limit]], cursor_of(*places[limit - 1]) if len(places) > limit else None


def rows(wanted, numbers):
    """Return the jobs with these numbers as a list shows them, newest first, without those that have left it meanwhile, and a cursor.

    The cursor is None unless they are too large for one page: then it leads to those that are missing.
    """
    query = select(*LIST_COLUMNS).where(JOBS.number.in_(numbers)).order_by(*NEWEST_FIRST)
    # Looked at here: with a condition on the status SQLite might go through all jobs of that status
    sound_rows = (sound(row, JOB_TABLE, STORED) for row in one_by_one(db.session.execute(query)))
    present = (row for row in sound_rows if not wanted.status or row.status in wanted.status)
    taken, is_cut = bounded(present, len(numbers), _size_of)
    return [_shown(row) for row in taken], cursor_of(taken[-1].created_at, taken[-1].number) if is_cut else None


def _size_of(row):
    return LIST_BYTES + len((row.params or "").encode()) + json_size(row.error or "")


def _shown(row):
    shown = with_times(row, JOB_TIMES, JOB_TABLE, STORED)
    del shown["number"]
    return shown


def counts(wanted, statuses=JOB_STATUSES):
    """Return `{status: number}` of the jobs that are wanted, whatever `wanted.status` says. Lets others run in between.

    All of one moment; with `q` not, as each look is a transaction of its own.
    """
    if wanted.q:
        return {status: _count(wanted, status) for status in statuses}
    with read():
        return {status: _count(wanted, status) for status in statuses}


@dataclass
class _Kept:
    change: int | None = None
    begun: float = 0.0
    counts: dict = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class KeptCounts:
    """Keeps the numbers of the lists that were asked for last, since all viewers of a list ask for them when a status changes.

    At most one counts a list at a time. Who asks meanwhile waits for the first count that began after they asked, and holds no connection.
    """

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._kept = {}

    def get(self, wanted, statuses=JOB_STATUSES):
        """Return `(change, counts)`: the numbers as `counts` has them, and a change that they are not older than. Not inside a transaction."""
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

    def _keep(self, key):
        kept = self._kept[key] = self._kept.pop(key, None) or _Kept()
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return kept


def present_change():
    """Return the number of the latest change of all jobs, as of now. Not inside a transaction."""
    with read():
        return last_change()


def _count(wanted, status):
    (lane,) = _lanes(replace(wanted, status=(status,)))
    return sum(_ask(wanted, select(func.count()).select_from(walk.subquery()))[0][0] for walk in _walks(wanted, lane, wanted.top))


def _search(wanted, top, limit):
    """Return the places of the first `limit` jobs below `top` that match `q`."""
    return sorted((place for lane in _lanes(wanted) for place in _search_lane(wanted, lane, top, limit)), key=_order, reverse=True)[:limit]


def _order(place):
    created_at, number = place
    return (created_at if isinstance(created_at, int) else TOP[0], number)


def _search_lane(wanted, lane, top, limit):
    places = []
    for walk in _walks(wanted, lane, top):
        places += _ask(wanted, walk.order_by(desc("created_at"), desc("number")).limit(limit - len(places)))
        if len(places) >= limit:
            break
    return map(tuple, places)


def _walk_all(wanted, top, limit):
    """Return the places of the first `limit` jobs below `top`."""
    walks = [_walk(walk, limit) for lane in _lanes(wanted) for walk in _below(wanted, lane, top)]
    return [tuple(row) for row in db.session.execute(_merged(walks, limit))]


# Walks along the indexes


def _lanes(wanted):
    """Return the conditions of the walks that together find all that is wanted, save for `q` and days: each is the beginning of an index."""
    common = [JOBS.definition == wanted.definition] if wanted.definition else []
    return [[*common, JOBS.status == status] for status in wanted.status] or [common]


def _below(wanted, lane, place):
    """Return the conditions of the two walks that find a lane's jobs below a place.

    Two, as SQLite would use only the first half of `(created_at, number) < place`, and go through all jobs of one moment.
    """
    created_at, number = place
    older = [JOBS.created_at >= wanted.first]
    if place != TOP:  # above all there may be some that a damaged database has without a time
        older.append(JOBS.created_at < created_at)
    return [[*lane, JOBS.created_at == created_at, JOBS.number < number], [*lane, *older]]


def _walk(conditions, limit):
    return select(JOBS.created_at, JOBS.number).where(*conditions).order_by(*NEWEST_FIRST).limit(limit)


def _merged(walks, limit):
    merged = union_all(*(select(walk.subquery()) for walk in walks)).subquery()
    return select(merged).order_by(merged.c.created_at.desc(), merged.c.number.desc()).limit(limit)


def _walks(wanted, lane, place):
    """Yield selects of a lane's jobs below a place that match `q`, newest first: each looks at a few, and others run in between."""
    size = SEARCHED if wanted.q else COUNTED
    while place:
        same, older = _below(wanted, lane, place)
        place = None
        for way in (same, older):
            yield _matching(wanted, _walk(way, size))
            if place := next(iter(_ask(wanted, _walk(way, 1).offset(size - 1))), None):
                break
        if place:  # else it is over: to wait for a turn takes long where hundreds of viewers have theirs
            socketio.sleep(0)


def _matching(wanted, walk):
    """Return a select of `created_at` and `number` of those jobs of a walk that match `q`."""
    inner = walk.subquery()
    query = select(inner)
    if wanted.q:
        # Not a join: SQLite might begin with the words of all jobs
        query = query.where(exists().where(WORDS.number == inner.c.number, WORDS.words.like(_pattern(wanted.q), escape="\\")))
    return query


def _pattern(q):
    """Return what LIKE finds `q` by, made here and not for each row."""
    return "%" + re.sub(r"([%_\\])", r"\\\1", fold(q)) + "%"


def _ask(wanted, statement):
    """Return the rows of a statement: of the caller's transaction; with `q` of one of its own, as those of a search may take long together."""
    if not wanted.q:
        return db.session.execute(statement).all()
    with read() as session:
        return session.execute(statement).all()


# The runs of a definition


@dataclass(frozen=True)
class Run:
    """A run that has completed or failed: how long it took in ms."""

    status: str
    took: int


def recent_runs(definitions):
    """Return `{definition: [Run]}` of the last runs of each that completed or failed, at most `RUNS`, oldest first."""
    runs = {definition: [] for definition in definitions}
    lanes = [[JOBS.definition == definition, JOBS.status == status] for definition in definitions for status in (COMPLETED, FAILED)]
    for start in range(0, len(lanes), LANES):
        walks = [_walk(lane, RUNS).with_only_columns(*RUN_COLUMNS) for lane in lanes[start : start + LANES]]
        for row in db.session.execute(_merged(walks, len(walks) * RUNS)):
            row = sound(row, JOB_TABLE)
            is_whole = row.definition in runs and None not in (row.started_at, row.finished_at)  # one that timed out waiting never ran
            if is_whole and len(runs[row.definition]) < RUNS:
                runs[row.definition].insert(0, Run(row.status, row.finished_at - row.started_at))
    return runs


def neighbours(job_id):
    """Return `(earlier, later)`: the ids of the runs of the same definition next to this one, None where there is none. Raises NotFound."""
    definition, created_at, number = _place(job_id)
    lane = [JOBS.definition == definition]
    above = [[*lane, JOBS.created_at == created_at, JOBS.number > number], [*lane, JOBS.created_at > created_at]]
    oldest_first = (JOBS.created_at, JOBS.number)
    return (
        _first_id(_below(Wanted(), lane, (created_at, number)), NEWEST_FIRST),
        _first_id(above, oldest_first),
    )


def earlier_durations(job_id):
    """Return `{step name: [ms, …]}`: how long each step took in the last completed runs of the same definition before this one."""
    definition, *place = _place(job_id)
    lane = [JOBS.definition == definition, JOBS.status == COMPLETED]
    ways = [_walk(way, USUAL_RUNS) for way in _below(Wanted(), lane, place)]
    numbers = [row.number for row in db.session.execute(_merged(ways, USUAL_RUNS))]
    runs = select(JOBS.id).where(JOBS.number.in_(numbers))
    steps = select(Step.name, Step.finished_at - Step.started_at).where(Step.job_id.in_(runs), Step.status == COMPLETED)
    durations = {}
    for name, duration in in_turns(db.session.execute(steps.where(Step.started_at.is_not(None)))):
        if isinstance(duration, int):
            durations.setdefault(name, []).append(duration)
    return durations


def _place(job_id):
    query = select(JOBS.definition, JOBS.created_at, JOBS.number).where(JOBS.id == job_id)
    return found(db.session.execute(query).first(), "job", job_id)


def _first_id(ways, order):
    """Return the id of the first job that one of the walks finds, looking at them in turn, or None."""
    queries = (select(JOBS.id).where(*way).order_by(*order).limit(1) for way in ways)
    return next(filter(None, (db.session.execute(query).scalar() for query in queries)), None)
