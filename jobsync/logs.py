"""Log lines: appending them with their numbers and counters, and reading them by the page. A page costs the same at any depth."""

import time
from dataclasses import dataclass

from sqlalchemy import bindparam, func, insert, select, union_all, update

from jobsync.clock import iso, now
from jobsync.extensions import db, socketio
from jobsync.models import LogLine, Step
from jobsync.status import LEVELS
from jobsync.store import read, step_row
from jobsync.text import storable

DOWNLOADED = 250  # lines of a download between two moments for other requests: with their formatting a few milliseconds
CHUNK = 5000  # lines looked through at a time when searching: a few milliseconds
NEAR = 3000  # lines: what all workers together write while one of them gathers its lines
PIECE = 32 * 1024  # characters of one stored line; longer ones go on in the next
COUNTING = 0.25  # seconds that counting what a search matches may take
COUNTERS = {"debug": Step.debug, "info": Step.info, "warning": Step.warning, "error": Step.error_count}

# Written while everybody else waits: made once, as those of the store
STEPS = Step.__table__
COUNT = select(STEPS.c.log_count).where(STEPS.c.pk == bindparam("step")).with_for_update()
APPEND = insert(LogLine.__table__)
GROW = (
    update(STEPS)
    .where(STEPS.c.pk == bindparam("step"))
    .values(revision=bindparam("new_revision"), log_count=STEPS.c.log_count + bindparam("all"))
    .values({column.key: STEPS.c[column.key] + bindparam(f"new_{level}") for level, column in COUNTERS.items()})
)


@dataclass(frozen=True)
class Line:
    """A line to be stored: `at` in ms, `level` one of LEVELS, one line of text."""

    at: int
    level: str
    message: str
    child_pk: int | None = None


def lines_of(message, level, at, child_pk=None):
    """Return the Lines of a message: one for each of its lines, pieces of `PIECE` characters of a very long one."""
    texts = storable(str(message)).split("\n")
    pieces = [text[start : start + PIECE] for text in texts for start in range(0, max(len(text), 1), PIECE)]
    return [Line(at, level, piece.rstrip("\r"), child_pk) for piece in pieces]


def append(session, step_pk, revision, lines, limit):
    """Store `lines` after the step's last one, numbers without a gap, and count them, in the caller's write transaction.

    Beyond `limit` lines of a step nothing is stored; its last line says so. Returns how many were stored.
    """
    count = session.execute(COUNT, {"step": step_pk}).scalar()
    lines = [] if count is None else _within(lines, limit - count, limit)
    if lines:
        session.execute(APPEND, [_row(step_pk, number, line) for number, line in enumerate(lines, count + 1)])
        session.execute(GROW, {"step": step_pk, "new_revision": revision, **_counted(lines)})
    return len(lines)


def _within(lines, room, limit):
    if len(lines) < room:
        return lines
    notice = Line(now(), "warning", f"The limit of {limit} lines a step is reached: what follows is not stored.")
    return [*lines[: room - 1], notice] if room > 0 else []


def _row(step_pk, number, line):
    level = LEVELS.index(line.level)
    return {"step_pk": step_pk, "line": number, "at": line.at, "level": level, "message": line.message, "child_pk": line.child_pk}


def _counted(lines):
    return {"all": len(lines), **{f"new_{level}": sum(line.level == level for line in lines) for level in LEVELS}}


def page(job_id, step_name, after=None, before=None, limit=500, level="debug", q=None):
    """Return a page of lines as the contract shows it: `{"items", "total", "log_count"}`. Raises NotFound."""
    with read():
        step = step_row(job_id, step_name)
    search = Search(step.pk, step.log_count, LEVELS.index(level), q)
    if after is not None:
        rows = search.forward(after, before or step.log_count + 1, limit)
    else:
        rows = search.backward(before or step.log_count + 1, limit)
    return {"items": [_shown(step_name, row) for row in rows], "total": _total(step, search, level), "log_count": step.log_count}


def last_lines_of(step_name, step_pk, log_count, child_pk, at, limit):
    """Return the last `limit` lines that a child wrote by `at` (ms), as `page` shows them, ascending.

    There is no index of children's lines. But lines are stored about in the order of their times, and a child's last ones together with
    its end: they are looked for among the `NEAR` lines around the place that its end has in the log, whatever the log's length.
    """
    place = _place_of(step_pk, log_count, at)
    query = select(LogLine.__table__).where(LogLine.step_pk == step_pk, LogLine.line > place - NEAR, LogLine.line <= min(place + NEAR, log_count))
    rows = db.session.execute(query.where(LogLine.child_pk == child_pk).order_by(LogLine.line.desc()).limit(limit)).all()
    return [_shown(step_name, row) for row in reversed(rows)]


def _place_of(step_pk, log_count, at):
    """Return about how many of a step's lines were written by `at` (ms)."""
    low, high = 0, log_count
    while low < high:
        middle = (low + high + 1) // 2
        time_of = select(LogLine.at).where(LogLine.step_pk == step_pk, LogLine.line == middle)
        if (db.session.execute(time_of).scalar() or 0) <= at:
            low = middle
        else:
            high = middle - 1
    return low


def _total(step, search, level):
    if search.q:
        return search.count()
    return sum(step._mapping[column.name] for name, column in COUNTERS.items() if LEVELS.index(name) >= LEVELS.index(level))


def everything(job_id, step_name, level="debug"):
    """Yield all lines of a step that there are now, as `page` shows them, in order and a chunk at a time. Raises NotFound at once."""
    with read():
        step = step_row(job_id, step_name)
    return _everything(Search(step.pk, step.log_count, LEVELS.index(level), None), step_name)


def _everything(search, step_name):
    last = 0
    while rows := search.forward(last, search.last + 1, DOWNLOADED):
        yield from (_shown(step_name, row) for row in rows)
        last = rows[-1].line
        socketio.sleep(0)


class Search:
    """Reads a step's lines of a lowest level that contain `q`, among its first `last` lines (what comes later is of a later page)."""

    def __init__(self, step_pk, last, level, q):
        self.step_pk = step_pk
        self.last = last
        self.level = level
        self.q = q

    def forward(self, after, before, limit):
        """Return up to `limit` rows with `after < line < before`, the first ones."""
        before = min(before, self.last + 1)
        if not self.q:
            return self._read(after, before, limit)
        return self._scan(((low, min(low + CHUNK + 1, before)) for low in range(after, before, CHUNK)), limit)

    def backward(self, before, limit):
        """Return up to `limit` rows with `line < before`, the last ones, ascending."""
        before = min(before, self.last + 1)
        if not self.q:
            return self._read(0, before, limit, down=True)[::-1]
        chunks = ((max(high - CHUNK - 1, 0), high) for high in range(before, 0, -CHUNK))
        return self._scan(chunks, limit, down=True)[::-1]

    def count(self):
        """Return how many lines match, or None when that takes too long."""
        deadline = time.monotonic() + COUNTING
        total = 0
        for low in range(0, self.last, CHUNK):
            if time.monotonic() > deadline:
                return None
            total += self._count(low, low + CHUNK + 1)
            socketio.sleep(0)
        return total

    def _scan(self, chunks, limit, down=False):
        found = []
        for after, before in chunks:
            found += self._read(after, before, limit - len(found), down)
            if len(found) >= limit:
                break
            socketio.sleep(0)  # a search may be long: let others run between chunks
        return found

    def _conditions(self, after, before):
        conditions = [LogLine.step_pk == self.step_pk, LogLine.line > after, LogLine.line < before, LogLine.line <= self.last]
        return [*conditions, LogLine.message.icontains(self.q, autoescape=True)] if self.q else conditions

    def _read(self, after, before, limit, down=False):
        order = LogLine.line.desc() if down else LogLine.line
        query = select(LogLine.__table__).where(*self._conditions(after, before))
        if self.level and not self.q:
            # One short walk along the index for each level, then merged: rare lines among a million cost no more than the first ones.
            walks = [query.where(LogLine.level == level).order_by(order).limit(limit).subquery() for level in self._levels()]
            merged = union_all(*(select(walk) for walk in walks)).subquery()
            query = select(merged).order_by(merged.c.line.desc() if down else merged.c.line)
        else:
            query = query.where(LogLine.level >= self.level).order_by(order)
        with read() as session:
            return session.execute(query.limit(limit)).all()

    def _count(self, after, before):
        conditions = (*self._conditions(after, before), LogLine.level >= self.level)
        with read() as session:
            return session.execute(select(func.count()).select_from(LogLine).where(*conditions)).scalar_one()

    def _levels(self):
        return range(self.level, len(LEVELS))


def _shown(step_name, row):
    return {
        "line": row.line,
        "step": step_name,
        "at": iso(row.at),
        "level": LEVELS[row.level],
        "message": row.message,
        "child_id": None if row.child_pk is None else str(row.child_pk),
    }
