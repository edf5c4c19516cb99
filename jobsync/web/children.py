"""The children of a step as a page shows them: a table that is sorted, filtered and paged by links,
a tree where children spawned others, and each opened to its attempts and its lines.

What is open is in the address. So it is served without scripts, and what scripts fetch is the same.
"""

import gzip
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, request

from jobsync import store
from jobsync.base.clock import iso
from jobsync.base.loop import in_turns, outside
from jobsync.db.transactions import read
from jobsync.status import CHILD_SORTS, CHILD_STATUSES, child_actions
from jobsync.store import logs
from jobsync.store.children import ROOTS, Wanted
from jobsync.web.rendering import render
from jobsync.web.squares import WORST, squares

blueprint = Blueprint("child_table", __name__)

SIZE = 50  # children of a page
UNDER = 50  # of those that a child spawned, before the rest is a page of its own
DEEPEST = 8  # levels of a tree that are drawn into each other
MOST_OPEN = 20  # children that are open at a time
LINES = 20  # the last ones of a child that is open
LOOKED_AT = 2000  # lines of an attempt, among which those are looked for


@dataclass(frozen=True)
class Asked:
    """What an address asks for of the children of one step.

    at: the place of the first child, from 1. status: of one status only. parent: those that this
    child spawned. is_flat: not as a tree. opened: ids of children with their details. under: ids of
    those whose own children are shown. shows_first: the first one is open too.
    """

    at: int = 1
    sort: str = "number"
    status: str | None = None
    parent: str | None = None
    is_flat: bool = False
    opened: tuple = ()
    under: tuple = ()
    shows_first: bool = False

    @classmethod
    def of(cls, args):
        """Read an address: what makes no sense in it is left out."""
        sort, status, parent = args.get("sort", ""), args.get("status"), args.get("parent", "")
        return cls(
            min(max(args.get("at", 1, type=int), 1), 10**9),
            sort if sort.removeprefix("-") in CHILD_SORTS else "number",
            status if status in CHILD_STATUSES else None,
            parent if _is_id(parent) else None,
            args.get("flat") == "1",
            tuple(filter(_is_id, args.getlist("child")[:MOST_OPEN])),
            tuple(filter(_is_id, args.getlist("under")[:MOST_OPEN])),
            args.get("show") == "1",
        )

    @property
    def is_plain(self):
        """Say whether a tree may be shown: nothing is filtered and nothing else sorted."""
        return not (self.is_flat or self.status or self.parent)

    def query(self, **changes):
        """Return this as the query of an address, with some of it changed."""
        asked = replace(self, **changes)
        fields = [("sort", asked.sort)] if asked.sort != "number" else []
        fields += [("status", asked.status)] if asked.status else []
        fields += [("parent", asked.parent)] if asked.parent else []
        fields += [("flat", 1)] if asked.is_flat else []
        fields += [("at", asked.at)] if asked.at > 1 else []
        fields += [("show", 1)] if asked.shows_first else []
        fields += [("child", each) for each in asked.opened]
        fields += [("under", each) for each in asked.under]
        return urlencode(fields)


def _is_id(text):
    return text.isascii() and text.isdigit() and len(text) < 19


@dataclass(frozen=True)
class Row:
    """A child in the table: `child` as the store has it. `opened` are its Details, None where it is
    closed; `below` the Table of those that it spawned.
    """

    child: object
    is_stopping: bool
    spawned: int
    opened: object = None
    below: object = None

    @property
    def id(self):
        return str(self.child.pk)

    @property
    def started_at(self):
        return iso(self.child.started_at)

    @property
    def finished_at(self):
        return iso(self.child.finished_at)

    @property
    def progress(self):
        """`(done, total)`, the total None where it isn't known; None for no progress."""
        done, total = self.child.progress_done, self.child.progress_total
        return None if done is None else (_plain(done), None if total is None else _plain(total))


def _plain(value):
    return int(value) if value == int(value) else round(value, 2)


@dataclass(frozen=True)
class Details:
    """An open child: its attempts as the contract has them, the last first; its last lines, and
    what may be done to it.
    """

    attempts: list
    lines: list
    actions: list


@dataclass(frozen=True)
class Table:
    """A page of children. `first` is the place of its first row, from 1; `total` of how many.
    `parent` is the row of the child that spawned them. `has_tree`: some have spawned others.
    """

    asked: Asked
    rows: list
    total: int
    has_tree: bool = False
    is_tree: bool = False
    parent: object = None
    counts: dict = field(default_factory=dict)
    squares: list = field(default_factory=list)

    @property
    def first(self):
        return self.asked.at

    @property
    def last(self):
        return self.asked.at + len(self.rows) - 1

    @property
    def last_page(self):
        """The place where the last page begins."""
        return max(1, self.total - (self.total - self.first) % SIZE) if self.total else 1

    @property
    def by_status(self):
        """`(status, number)` of the statuses that there are or that are asked for, the worst
        first.
        """
        return [
            (status, self.counts[status])
            for status in WORST
            if self.counts[status] or status == self.asked.status
        ]


def table_of(connection, job_id, step, asked, has_squares=True):
    """Return the Table of a step's children.

    step: as in `structure`. has_squares: with all of them at a glance.
    """
    pk = store.steps.get(connection, job_id, step["name"]).pk
    has_tree = store.children.is_tree(connection, pk)
    is_tree = has_tree and asked.is_plain
    status = (asked.status,) if asked.status else ()
    wanted = Wanted(status, asked.parent or (ROOTS if is_tree else None), asked.sort)
    rows, total = _rows(connection, job_id, step, wanted, asked, asked.at - 1, SIZE, is_tree)
    if asked.shows_first and rows:  # links go on from what is open
        asked = replace(asked, opened=tuple(dict.fromkeys((rows[0].id, *asked.opened))))
    return Table(
        asked,
        rows,
        total,
        has_tree,
        is_tree,
        store.children.row_of(connection, pk, int(asked.parent)) if asked.parent else None,
        step["children"],
        squares(store.children.statuses(connection, pk)) if has_squares else [],
    )


def _rows(connection, job_id, step, wanted, asked, first, limit, is_tree, depth=0):
    """Return `(rows, total)`: a page of Rows, those that are open with what is in them."""
    page = store.children.page_at(connection, job_id, step["name"], wanted, first, limit)
    rows = []
    for place, child in enumerate(in_turns(page.rows)):
        name, spawned = str(child.pk), page.spawned.get(child.pk, 0)
        is_open = name in asked.opened or (asked.shows_first and not place and not depth)
        below = None
        if spawned and name in asked.under and depth < DEEPEST:
            of_it = replace(wanted, parent=name, status=())
            inner, total = _rows(connection, job_id, step, of_it, asked, 0, UNDER, True, depth + 1)
            below = Table(asked, inner, total)
        rows.append(
            Row(
                child,
                child.pk in page.stopping,
                spawned,
                _details(connection, page.step_pk, step, child) if is_open else None,
                below,
            )
        )
    return rows, page.total


def _details(connection, step_pk, step, child):
    attempts = store.children.attempts(connection, child.pk)[::-1]
    lines = _lines(connection, step_pk, step, child.pk, attempts[0]) if attempts else []
    return Details(attempts, lines, child_actions(child.status))


def _lines(connection, step_pk, step, child_pk, attempt):
    """Return the last lines of an attempt: of those from its first to its last one its own."""
    if not attempt["first_line"]:
        return []
    last = min(attempt["last_line"] or step["log_count"], step["log_count"])
    after = max(attempt["first_line"] - 1, last - LOOKED_AT)
    return logs.lines_between(connection, step["name"], step_pk, after, last, child_pk, LINES)


def step_of(row, name):
    """Return what a table needs to know of a step, as in `structure`.

    row: as of `store.steps.get`.
    """
    children = {status: getattr(row, status) for status in CHILD_STATUSES}
    return {
        "name": name,
        "log_count": row.log_count,
        "children": children,
        "child_count": sum(children.values()),
    }


@blueprint.get("/jobs/<job_id>/steps/<step_name>/children")
def show_children(job_id, step_name):
    """Show the children of a step, alone: what a page that is open puts in place."""
    asked = Asked.of(request.args)
    with read() as connection:
        step = step_of(store.steps.get(connection, job_id, step_name), step_name)
        table = table_of(connection, job_id, step, asked, has_squares=False)
    return render("jobs/_children.html", job_id=job_id, it=step, table=table)


@blueprint.get("/jobs/<job_id>/steps/<step_name>/statuses")
def send_statuses(job_id, step_name):
    """Send the statuses of all children of a step, a letter each, in the order of their planning.

    A letter is the fourth of its word: d n p l c.
    """
    with read() as connection:
        step = store.steps.get(connection, job_id, step_name)
        etag = f"{current_app.extensions['jobsync.web']}-{step.revision}"
        if request.if_none_match.contains(etag):
            response = Response(status=304)
        else:
            letters = store.children.statuses(connection, step.pk).encode()
            response = Response(mimetype="text/plain")
            if request.accept_encodings["gzip"] > 0:
                letters = outside(partial(gzip.compress, letters, 1, mtime=0))
                response.content_encoding = "gzip"
            response.set_data(letters)
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = "no-cache"
    response.set_etag(etag)
    return response
