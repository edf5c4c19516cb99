"""Queries of children, the units of work of a step."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Row, Text, cast, select, union_all
from sqlalchemy.orm import Session

from jobsync.base.loop import in_turns
from jobsync.base.text import json_size
from jobsync.db.damage import sound
from jobsync.db.models import Child
from jobsync.db.transactions import chunked_read
from jobsync.shapes import ChildPage, ShownChild
from jobsync.status import CHILD_STATUSES
from jobsync.store import steps
from jobsync.store.answers import bounded, cursor_of, one_by_one, place_of, with_times

CHILD_TABLE = Child.__table__
CHILD_TIMES = ("started_at", "finished_at")
AS_STORED = [cast(Child.input, Text).label("input"), cast(Child.result, Text).label("result")]
CHILD_COLUMNS = [
    Child.pk,
    Child.name,
    Child.status,
    Child.attempt,
    *AS_STORED,
    Child.error,
    Child.started_at,
    Child.finished_at,
]
STORED = ("input", "result")
# children of a long scan that are read at a time
SCANNED = 500
INPUTS_SCANNED = 20
CHILD_BYTES = 300  # of what a child is besides its texts


def page(
    session: Session,
    job_id: str,
    step_name: str,
    status: Collection[str] = (),
    limit: int = 50,
    cursor: str | None = None,
    read_json: Callable[[str], Any] | None = None,
) -> ChildPage:
    """Return a page of a step's children in the order they were planned. Raises NotFound.

    read_json: what makes `input` and `result` of the JSON that is stored. A page of large ones ends
    before `limit`.
    """
    step = steps.get(session, job_id, step_name)
    present = [Child.step_pk == step.pk, Child.pk > (place_of(cursor, 1)[0] if cursor else 0)]
    if status:
        # A walk along the index for each, then merged: SQLite would look at all of a step's
        # children for rare ones
        walks = [
            select(Child.pk)
            .where(*present, Child.status == name)
            .order_by(Child.pk)
            .limit(limit + 1)
            .subquery()
            for name in status
        ]
        merged = union_all(*map(select, walks)).subquery()
        present = [
            Child.pk.in_(
                session.execute(select(merged.c.pk).order_by(merged.c.pk).limit(limit + 1))
                .scalars()
                .all()
            )
        ]
    query = select(*CHILD_COLUMNS).where(*present).order_by(Child.pk).limit(limit + 1)
    rows, is_cut = bounded(
        (sound(row, CHILD_TABLE, STORED) for row in in_turns(one_by_one(session.execute(query)))),
        limit,
        _size_of_child,
    )
    return {
        "items": [_child_shown(row, read_json) for row in in_turns(rows)],
        "next_cursor": cursor_of(rows[-1].pk) if is_cut else None,
        "total": sum(getattr(step, name) for name in status or CHILD_STATUSES),
    }


def _size_of_child(row: Any) -> int:
    return (
        CHILD_BYTES
        + sum(len((text or "").encode()) for text in (row.input, row.result))
        + json_size(row.name)
        + json_size(row.error or "")
    )


def _child_shown(row: Any, read_json: Callable[[str], Any] | None) -> ShownChild:
    shown = with_times(row, CHILD_TIMES, CHILD_TABLE, STORED, read_json)
    child: Any = {"id": str(shown.pop("pk")), **shown}
    return child


def failed(session: Session, step_pk: int, limit: int) -> list[Row]:
    """Return rows `(pk, name, error, finished_at)` of a step's first failed children in the
    order they were planned, times in ms.
    """
    query = select(Child.pk, Child.name, Child.error, Child.finished_at).where(
        Child.step_pk == step_pk, Child.status == "failed"
    )
    return [
        sound(row, CHILD_TABLE) for row in session.execute(query.order_by(Child.pk).limit(limit))
    ]


def completed(step_pk: int) -> Iterator[int]:
    """Yield the pks of a step's completed children in the order they were planned.

    A few hundred at a time: a long scan, with transactions of its own.
    """

    def read_some(session: Session, last: int) -> tuple[list[int], int | None]:
        query = (
            select(Child.pk)
            .where(Child.step_pk == step_pk, Child.status == "completed", Child.pk > last)
            .order_by(Child.pk)
            .limit(SCANNED)
        )
        found = list(session.execute(query).scalars())
        return found, found[-1] if found else None

    return chunked_read(read_some, 0)


def completed_inputs(step_pk: int) -> Iterator[Row]:
    """Yield `(pk, input)` of a step's completed children in the order they were planned.

    A few at a time: a long scan, with transactions of its own.
    """

    def read_some(session: Session, last: int) -> tuple[Sequence[Row], int | None]:
        query = (
            select(Child.pk, Child.input)
            .where(Child.step_pk == step_pk, Child.status == "completed", Child.pk > last)
            .order_by(Child.pk)
            .limit(INPUTS_SCANNED)
        )
        rows = session.execute(query).all()
        return rows, rows[-1].pk if rows else None

    return chunked_read(read_some, 0)


def result(session: Session, pk: int, key: Any = None) -> Any:
    """Return the result of a child, or what it has under a key.

    The rest isn't even decoded then.
    """
    wanted = Child.result if key is None else Child.result[key]
    return session.execute(select(wanted).where(Child.pk == pk)).scalar()
