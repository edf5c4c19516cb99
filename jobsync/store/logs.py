"""Log lines: appending them with their numbers and counters, and reading them by the page. A page
costs the same at any depth.

Whatever goes through many lines or long ones does so in slices of a few milliseconds, and lets
others run in between.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, insert, select, union_all, update

from jobsync.base.clock import iso, now
from jobsync.base.text import json_size, plain, storable
from jobsync.db.damage import sound
from jobsync.db.models import Attempt, LogLine, Step
from jobsync.db.transactions import chunked_read, read
from jobsync.shapes import LogPage, ShownLine
from jobsync.status import LEVELS
from jobsync.store import steps
from jobsync.store.answers import ANSWER_BYTES, bounded, one_by_one

CHUNK = 2500  # lines read or looked through in one slice
CHUNK_TEXT = 256 * 1024  # characters of them: what a slice costs goes by the text
READ = 8  # lines read at once: with the longest as much text as that
BATCH = 500  # lines that are asked for by their numbers at a time
NEAR = 3000  # lines: what all workers together write while one of them gathers its lines
NEAR_CHUNK = 1000  # of them looked at in one statement
PIECE = 32 * 1024  # characters of one stored line; longer ones go on in the next
# lines that a step may be said to have: twice as many as it may have where nothing else is set
BELIEVED = 2_000_000
COUNTING = 0.25  # seconds that counting what a search matches may take
NOTICE_BYTES = 200  # room left below the limit of bytes for the line that says that it is reached
LINE_BYTES = 200  # of what a line is besides its text
COUNTERS = {
    "debug": Step.debug,
    "info": Step.info,
    "warning": Step.warning,
    "error": Step.error_count,
}

# Written while everybody else waits: made once, as those of the store
STEPS = Step.__table__
COUNT = (
    select(STEPS.c.log_count, STEPS.c.log_bytes)
    .where(STEPS.c.pk == bindparam("step"))
    .with_for_update()
)
APPEND = insert(LogLine.__table__)
GROW = (
    update(STEPS)
    .where(STEPS.c.pk == bindparam("step"))
    .values(
        revision=bindparam("new_revision"),
        log_count=STEPS.c.log_count + bindparam("all"),
        log_bytes=bindparam("new_bytes"),
    )
    .values(
        {
            column.key: STEPS.c[column.key] + bindparam(f"new_{level}")
            for level, column in COUNTERS.items()
        }
    )
)
LINES, ATTEMPTS_OF = LogLine.__table__.c, Attempt.__table__
ATTEMPTS = ATTEMPTS_OF.c


@dataclass(frozen=True)
class Line:
    """A line to be stored: `at` in ms, `level` one of LEVELS, one line of text."""

    at: int
    level: str
    message: str
    child_pk: int | None = None


def lines_of(message: object, level: str, at: int, child_pk: int | None = None) -> list[Line]:
    """Return the Lines of a message: one for each of its lines, pieces of `PIECE` characters of
    a very long one.
    """
    texts = storable(str(message)).split("\n")
    pieces = [
        text[start : start + PIECE]
        for text in texts
        for start in range(0, max(len(text), 1), PIECE)
    ]
    return [Line(at, level, piece.rstrip("\r"), child_pk) for piece in pieces]


def append(
    connection: Connection,
    step_pk: int,
    revision: int,
    lines: list[Line],
    most_lines: int,
    most_bytes: int,
) -> range:
    """Store `lines` after the step's last one, numbers without a gap, and count them, in the
    caller's write transaction.

    Beyond `most_lines` lines of a step, or `most_bytes` bytes of their texts, nothing is stored;
    its last line says so. Returns the range of their numbers.
    """
    step = connection.execute(COUNT, {"step": step_pk}).first()
    if step is None:
        return range(0)
    lines, size = _within(lines, step, most_lines, most_bytes)
    if lines:
        connection.execute(
            APPEND,
            [_row(step_pk, number, line) for number, line in enumerate(lines, step.log_count + 1)],
        )
        connection.execute(
            GROW, {"step": step_pk, "new_revision": revision, "new_bytes": size, **_counted(lines)}
        )
    return range(step.log_count + 1, step.log_count + 1 + len(lines))


def _within(
    lines: list[Line], step: Any, most_lines: int, most_bytes: int
) -> tuple[list[Line], int]:
    """Return those of the lines that are to be stored, and the bytes that the step has then:
    `most_bytes` once that limit is reached.
    """
    stored: list[Line] = []
    size = step.log_bytes
    if step.log_count >= most_lines or size >= most_bytes:
        return [], size
    for line in lines:
        if step.log_count + len(stored) + 1 >= most_lines:
            return [*stored, _notice(f"{most_lines} lines")], size
        added = len(line.message.encode())
        if size + added > most_bytes - NOTICE_BYTES:
            return [*stored, _notice(f"{most_bytes} bytes")], most_bytes
        stored.append(line)
        size += added
    return stored, size


def _notice(limit: str) -> Line:
    return Line(
        now(), "warning", f"The limit of {limit} a step is reached: what follows is not stored."
    )


def _row(step_pk: int, number: int, line: Line) -> dict[str, Any]:
    level = LEVELS.index(line.level)
    return {
        "step_pk": step_pk,
        "line": number,
        "at": line.at,
        "level": level,
        "message": line.message,
        "child_pk": line.child_pk,
    }


def _counted(lines: list[Line]) -> dict[str, int]:
    return {
        "all": len(lines),
        **{f"new_{level}": sum(line.level == level for line in lines) for level in LEVELS},
    }


def page(
    connection: Connection,
    job_id: str,
    step_name: str,
    after: int | None = None,
    before: int | None = None,
    limit: int = 500,
    level: str = "debug",
    room: int = ANSWER_BYTES,
) -> LogPage:
    """Return a page of lines as the contract shows it: `{"items", "total", "log_count"}`.

    It ends early where its lines take more than `room` bytes, and has `next` then: what to ask with
    to go on, `{"after": line}` or `{"before": line}`. One line it always has, if there is any.
    Others run in between. Raises NotFound.
    """
    step = steps.get(connection, job_id, step_name)
    scan = Scan(step.pk, _last_line(connection, step), level, connection=connection)
    found = _page(step_name, step, scan, after, before, limit, room, _total(step, level))
    if level == LEVELS[0]:  # those of a level may be far apart
        _note_attempts(connection, step.pk, found["items"])
    return found


def search(
    job_id: str,
    step_name: str,
    q: str,
    after: int | None = None,
    before: int | None = None,
    limit: int = 500,
    level: str = "debug",
    room: int = ANSWER_BYTES,
) -> LogPage:
    """Return a page of the lines that contain `q`, as `page` does.

    `total` is None if counting takes too long. A long scan, with transactions of its own.
    """
    with read() as connection:
        step = steps.get(connection, job_id, step_name)
        last = _last_line(connection, step)
    scan = Scan(step.pk, last, level, q)
    answer = _page(step_name, step, scan, after, before, limit, room, None)
    time.sleep(0)  # green in the web process
    return {**answer, "total": scan.count()}


def _page(
    step_name: str,
    step: Any,
    scan: "Scan",
    after: int | None,
    before: int | None,
    limit: int,
    room: int,
    total: int | None,
) -> LogPage:
    end = before or step.log_count + 1
    found = scan.backward(end, limit) if after is None else scan.forward(after, end, limit)
    rows, is_cut = bounded(found, limit, _size_of, room)
    rows = rows[::-1] if after is None else rows
    items = [_shown(step_name, row) for row in rows]
    page: LogPage = {
        "items": items,
        "total": total,
        "log_count": step.log_count,
    }
    if is_cut:
        page["next"] = {"before": rows[0].line} if after is None else {"after": rows[-1].line}
    return page


FIRST_LINES = (
    select(LINES.line, ATTEMPTS.attempt)
    .join(ATTEMPTS_OF, (ATTEMPTS.child_pk == LINES.child_pk) & (ATTEMPTS.first_line == LINES.line))
    .where(
        LINES.step_pk == bindparam("step"),
        LINES.line.between(bindparam("first"), bindparam("last")),
        ATTEMPTS.attempt >= 2,
    )
)


def _note_attempts(connection: Connection, step_pk: int, items: list[ShownLine]) -> None:
    """Note where a child is tried again: `attempt` of the first line of a second or later one."""
    by_line = {item["line"]: item for item in items if item["child_id"]}
    if not by_line:
        return
    ends = {"step": step_pk, "first": min(by_line), "last": max(by_line)}
    for line, attempt in connection.execute(FIRST_LINES, ends):
        if line in by_line:
            by_line[line]["attempt"] = attempt


def _size_of(row: Any) -> int:
    return LINE_BYTES + json_size(row.message)


def last_lines_of(
    connection: Connection,
    step_name: str,
    step_pk: int,
    log_count: int,
    child_pk: int | None,
    at: int | None,
    limit: int,
) -> list[ShownLine]:
    """Return the last `limit` lines that a child wrote by `at` (ms), ascending, as `page` shows
    them.

    There is no index of children's lines. But lines are stored about in the order of their times,
    and a child's last ones together with its end. They are looked for among the `NEAR` lines around
    the place that its end has in the log, whatever the log's length.
    """
    place = _place_of(connection, step_pk, log_count, at)
    first, last = max(place - NEAR, 0), min(place + NEAR, log_count)
    rows: list[Any] = []
    while last > first and len(rows) < limit:
        low = max(first, last - NEAR_CHUNK)
        wanted = (
            select(LogLine.__table__)
            .where(LINES.step_pk == step_pk, LINES.line > low, LINES.line <= last)
            .where(LINES.child_pk == child_pk)
            .order_by(LINES.line.desc())
            .limit(limit - len(rows))
        )
        rows += [sound(row, LogLine.__table__) for row in connection.execute(wanted)]
        last = low
        time.sleep(0)  # green in the web process
    return [_shown(step_name, row) for row in reversed(rows)]


def lines_between(
    connection: Connection,
    step_name: str,
    step_pk: int,
    after: int,
    last: int,
    child_pk: int,
    limit: int,
) -> list[ShownLine]:
    """Return the last `limit` lines of a child, ascending, of those after a line up to another."""
    wanted = (
        select(LogLine.__table__)
        .where(LINES.step_pk == step_pk, LINES.line > after, LINES.line <= last)
        .where(LINES.child_pk == child_pk)
        .order_by(LINES.line.desc())
        .limit(limit)
    )
    rows = [sound(row, LogLine.__table__) for row in connection.execute(wanted)]
    return [_shown(step_name, row) for row in reversed(rows)]


def _place_of(connection: Connection, step_pk: int, log_count: int, at: int | None) -> int:
    """Return about how many of a step's lines were written by `at` (ms, None: at the end)."""
    low, high = 0, log_count
    if at is None:
        return log_count
    while low < high:
        middle = (low + high + 1) // 2
        time_of = select(LINES.at).where(LINES.step_pk == step_pk, LINES.line == middle)
        found = connection.execute(time_of).scalar()
        if not isinstance(found, int) or found <= at:
            low = middle
        else:
            high = middle - 1
    return low


def _total(step: Any, level: str) -> int:
    return sum(
        step._mapping[column.name]
        for name, column in COUNTERS.items()
        if LEVELS.index(name) >= LEVELS.index(level)
    )


def everything(job_id: str, step_name: str, level: str = "debug") -> Iterator[ShownLine]:
    """Yield all lines of a step that there are now, in order, as `page` shows them.

    A long scan, with transactions of its own. Raises NotFound at once.
    """
    with read() as connection:
        step = steps.get(connection, job_id, step_name)
        last = _last_line(connection, step)
    scan = Scan(step.pk, last, level)
    return (_shown(step_name, row) for row in scan.forward(0, last + 1, last))


def _last_line(connection: Connection, step: Any) -> int:
    """Return the number of a step's last line.

    A count beyond belief isn't believed: to look for so many lines would never end.
    """
    if step.log_count <= BELIEVED:
        return step.log_count
    query = (
        select(LINES.line)
        .where(LINES.step_pk == step.pk, LINES.line <= step.log_count)
        .order_by(LINES.line.desc())
        .limit(1)
    )
    return connection.execute(query).scalar() or 0


class Scan:
    """Goes through a step's lines of a level and above that contain `q`, a slice at a time.

    last: the last line that counts: what comes later is of a later page. q: looked for in what
    pages show of a line, whatever the case: colours don't come between. One with control
    characters, which no page shows, is looked for in the line as it was written. connection: see
    `chunked_read`.
    """

    def __init__(
        self,
        step_pk: int,
        last: int,
        level: str,
        q: str | None = None,
        connection: Connection | None = None,
    ) -> None:
        self._step_pk = step_pk
        self._last = last
        self._level = LEVELS.index(level)
        self._matches = _matcher(q)
        self._connection = connection

    def forward(self, after: int, before: int, limit: int) -> Iterator[Any]:
        """Yield up to `limit` rows with `after < line < before`, the first ones."""
        return self._rows(after, min(before, self._last + 1), limit, False)

    def backward(self, before: int, limit: int) -> Iterator[Any]:
        """Yield up to `limit` rows with `line < before`, the last ones, descending."""
        return self._rows(0, min(before, self._last + 1), limit, True)

    def count(self) -> int | None:
        """Return how many lines match, or None when that takes too long."""
        deadline = time.monotonic() + COUNTING

        def count_some(connection: Connection, after: int) -> tuple[list[int | None], int | None]:
            if time.monotonic() > deadline:
                return [None], None
            rows, reached = self._slice(connection, after, self._last + 1, self._last, False)
            return [len(rows)], reached if reached < self._last else None

        counts = list(chunked_read(count_some, 0, self._connection))
        return None if None in counts else sum(counts)

    def _rows(self, after: int, before: int, limit: int, down: bool) -> Iterator[Any]:
        def read_some(connection: Connection, place: Any) -> tuple[list[Any], Any]:
            after, before, left = place
            rows, reached = self._slice(connection, after, before, left, down)
            after, before = (after, reached) if down else (reached, before)
            return rows, _unless_over(after, before, left - len(rows))

        return chunked_read(read_some, _unless_over(after, before, limit), self._connection)

    def _slice(
        self, connection: Connection, after: int, before: int, limit: int, down: bool
    ) -> tuple[list[Any], int]:
        """Look at some lines with `after < line < before`.

        Return those that match, `limit` at most, and the last line looked at.
        """
        query: Select | None
        if self._matches or not self._level:
            query, end = self._by_line(after, before, down)
        else:
            query, end = self._by_level(connection, after, before, limit, down)
        return ([], end) if query is None else self._look(connection.execute(query), limit, end)

    def _by_line(self, after: int, before: int, down: bool) -> tuple[Select, int]:
        """Return the query of the next lines of the level, and the last line that it looks at."""
        if down:
            low, high = max(after, before - 1 - CHUNK), before - 1
        else:
            low, high = after, min(before - 1, after + CHUNK)
        query = self._ordered(LINES.line > low, LINES.line <= high, down=down)
        return query.where(LINES.level >= self._level), low + 1 if down else high

    def _by_level(
        self, connection: Connection, after: int, before: int, limit: int, down: bool
    ) -> tuple[Select | None, int]:
        """Return the same for rare lines among a million.

        Their numbers are found by one short walk along the index for each level. There is no query
        where there are no such lines.
        """
        order = LINES.line.desc() if down else LINES.line
        among = (LINES.step_pk == self._step_pk, LINES.line > after, LINES.line < before)
        size = min(limit, BATCH)
        walks = [
            select(LINES.line)
            .where(*among, LINES.level == level)
            .order_by(order)
            .limit(size)
            .subquery()
            for level in range(self._level, len(LEVELS))
        ]
        merged = union_all(*(select(walk) for walk in walks)).subquery()
        first = select(merged).order_by(merged.c.line.desc() if down else merged.c.line)
        numbers = list(connection.execute(first.limit(size)).scalars())
        end = numbers[-1] if len(numbers) == size else (after + 1 if down else before - 1)
        return self._ordered(LINES.line.in_(numbers), down=down) if numbers else None, end

    def _ordered(self, *conditions: Any, down: bool) -> Select:
        return (
            select(LogLine.__table__)
            .where(LINES.step_pk == self._step_pk, *conditions)
            .order_by(LINES.line.desc() if down else LINES.line)
        )

    def _look(self, result: Any, limit: int, end: int) -> tuple[list[Any], int]:
        found, text = [], 0
        with closing(result):
            for row in (sound(row, LogLine.__table__) for row in one_by_one(result, READ)):
                text += len(row.message)
                if self._matches is None or self._matches(row.message):
                    found.append(row)
                if len(found) == limit or text >= CHUNK_TEXT:
                    return found, row.line
        return found, end


def _unless_over(after: int, before: int, limit: int) -> tuple[int, int, int] | None:
    return (after, before, limit) if limit > 0 and after + 1 < before else None


def _matcher(q: str | None) -> Callable[[str], Any] | None:
    """Return a function that says whether a line's text matches `q`, None where all do.

    It takes time by the text's length alone.
    """
    if not q:
        return None
    wanted = q.casefold()
    # Not `in`, which takes the product of both lengths for some texts; a pattern without wildcards
    # doesn't
    find = re.compile(re.escape(wanted)).search
    if plain(q) == q:
        return lambda message: find(plain(message).casefold())
    return lambda message: find(message.casefold())


def _shown(step_name: str, row: Any) -> ShownLine:
    shown: ShownLine = {
        "line": row.line,
        "step": step_name,
        "at": iso(row.at),
        "level": LEVELS[row.level] if 0 <= row.level < len(LEVELS) else "info",
        "message": row.message,
        "child_id": None if row.child_pk is None else str(row.child_pk),
    }
    return shown
