"""The store: the transaction that all writes go through, and the queries. Shapes are the
contract's, times as ISO 8601 texts.

A reader inside `read()` sees one moment: what it reads of a job, its steps and its revision belongs
together.
"""

import base64
import logging
import os
import random
import sqlite3
import threading
import time
from contextlib import contextmanager
from itertools import islice

from sqlalchemy import Text, bindparam, cast, func, or_, select, union_all
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from jobsync.base.clock import iso, now
from jobsync.base.errors import BadInput, NotFound, StoreBusy, StoreUnwritable
from jobsync.base.loop import in_turns
from jobsync.base.text import json_size
from jobsync.base.trouble import reason
from jobsync.db.changes import changes
from jobsync.db.damage import Damaged, damage, plainest, sound, tell, value_of
from jobsync.db.extensions import db, socketio, unusable
from jobsync.db.models import Child, Counter, Job, Probe, Step, Worker
from jobsync.status import CHILD_STATUSES, COMPLETED, RUNNING, UNFINISHED, StepFacts, actions
from jobsync.status import LEVELS as LOG_LEVELS

PATIENCE = 10.0  # seconds that a writer waits for other writers
BRIEFLY = 0.25  # the same for the monitor, who has viewers waiting and comes again
# the same for who only wants to know: a writer that has no processor for a while isn't a trouble
# yet
PROBED = 1.0
# more than a usual transaction writes: of a nearly full disk one page may be free, and a job not
# fit
PROBE_BYTES = 64 * 1024
PROBE_REST = 1.0  # seconds between two probes, however many ask
# of one page of anything, as JSON: it ends early there and says where to go on
ANSWER_BYTES = 4 * 1024 * 1024

_log = logging.getLogger(__name__)
# green in the web process: its writers take turns here instead of spinning on SQLite's lock
_writers = threading.Lock()
_writing = set()  # the thread or greenlet that has it


@contextmanager
def write(patience=PATIENCE):
    """Open the one write transaction of this process: commit at the end, roll back on an error,
    then tell `changes`.

    Never let another greenlet run inside: everybody else would wait. `execute_long` alone does,
    while the database works. Raises StoreBusy when other writers keep the lock for `patience`
    seconds; waiting lets other greenlets run. Raises StoreUnwritable when the database can't be
    written to, and RuntimeError inside `read` or `write`.
    """
    session = db.session()
    _refuse_nesting(session, "write")
    deadline = time.monotonic() + patience
    session.rollback()
    if not _writers.acquire(timeout=patience):
        raise StoreBusy()
    _writing.add(threading.get_ident())
    try:
        _begin_immediate(session, deadline)
        session.info.update(moment=now(), transaction="write", is_long=False)
        try:
            yield session
            _commit(session)
        finally:
            del session.info["transaction"]
    except BaseException as error:
        session.rollback()
        raise_as_store_error(error)
        raise
    finally:
        _writing.clear()
        _writers.release()
    changes.notify()


def _refuse_nesting(session, wanted):
    """Refuse a transaction inside another one: the inner one would end the outer one, or wait
    for it without end.
    """
    present = session.info.get("transaction") or (
        "write" if wanted == "write" and threading.get_ident() in _writing else None
    )
    if present:
        raise RuntimeError(
            f"{wanted}() inside {present}(): transactions don't nest. Work in the session of "
            "the outer one."
        )


def raise_as_store_error(error):
    """Raise StoreUnwritable for what the database raised because it can't be written to now,
    StoreBusy for a lock; do nothing for the rest.
    """
    orig = unusable(error) if isinstance(error, SQLAlchemyError | sqlite3.Error) else None
    if orig is not None:
        raise StoreBusy() if "locked" in str(orig) else StoreUnwritable(orig) from error


def _begin_immediate(session, deadline):
    while True:
        try:
            session.connection(execution_options={"begin": "IMMEDIATE"})
            return
        except OperationalError as error:
            session.rollback()
            if "locked" not in str(error.orig):
                raise
            if time.monotonic() > deadline:
                raise StoreBusy() from error
        socketio.sleep(random.uniform(0.001, 0.004))


def execute_long(session, statement, parameters=None):
    """Run a statement that may take long, as one that changes 100,000 rows does, in a write
    transaction, and return its result.

    Everybody but other writers goes on meanwhile: readers see what was before. So does the commit,
    which then has much to write too.
    """
    session.info["is_long"] = True
    return session.execute(statement, parameters, execution_options=OUTSIDE)


OUTSIDE = {"outside": True}


def _commit(session):
    if session.info["is_long"]:
        session.connection().exec_driver_sql("COMMIT", execution_options=OUTSIDE)
    session.commit()


def moment(session):
    """Return the time of a write transaction in ms: one for all that it writes, so that no step
    starts before its job.
    """
    return session.info["moment"]


WRITE_PROBE = Probe.__table__.update().values(content=bindparam("content"))
FIRST_PROBE = Probe.__table__.insert()


def why_not_writable():
    """Return in one line why nothing can be written now or within a second, None if it can.

    It writes something that takes room and differs each time: a lock can be had on a full disk as
    well, and what is as it was isn't written.
    """
    content = {"content": os.urandom(PROBE_BYTES)}
    try:
        with write(PROBED) as session:
            if session.execute(WRITE_PROBE, content).rowcount == 0:
                session.execute(FIRST_PROBE, {"number": 1, **content})
    except (StoreBusy, SQLAlchemyError) as error:
        return reason(error)
    return None


class WriteProbe:
    """What one process knows of whether the database can be written to.

    Asked however often, it looks at most once in PROBE_REST seconds.
    """

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._found, self._at = None, None

    def why_not(self):
        """Return what `why_not_writable` does."""
        with self._lock:
            if self._at is None or self._clock() - self._at >= PROBE_REST:
                self._found = why_not_writable()
                self._at = self._clock()
            return self._found


@contextmanager
def read():
    """Open a read transaction: all queries inside see the same moment.

    Raises RuntimeError inside `read` or `write`.
    """
    session = db.session()
    _refuse_nesting(session, "read")
    session.rollback()
    session.info["transaction"] = "read"
    try:
        yield session
    finally:
        del session.info["transaction"]
        session.rollback()


# What is asked again and again is a statement in capitals, made once and of the tables' own
# columns: making one anew, through the classes, takes five times as long as its answer.

JOB_TABLE, STEP_TABLE, CHILD_TABLE = Job.__table__, Step.__table__, Child.__table__
JOBS, STEPS = JOB_TABLE.c, STEP_TABLE.c

# Jobs

JOB_FIELDS = (
    "id",
    "definition",
    "name",
    "status",
    "revision",
    "params",
    "result",
    "error",
    "tags",
    "source",
    "rerun_of",
)
JOB_TIMES = ("created_at", "started_at", "finished_at", "updated_at")
JOB_COLUMNS = [getattr(Job, name) for name in (*JOB_FIELDS, *JOB_TIMES)]


def job(job_id):
    """Return a job as the contract shows it, with its `actions`. Raises NotFound."""
    row = db.session.execute(select(*JOB_COLUMNS).where(Job.id == job_id)).first()
    shown = with_times(found(row, "job", job_id), JOB_TIMES, JOB_TABLE)
    return {**shown, "actions": actions(shown["status"])}


def found(row, kind, name):
    """Return a row that a query gave, or raise NotFound if it gave none."""
    if row is None:
        raise NotFound(f"There is no {kind} {name!r}.")
    return row


def with_times(row, times, table, stored=(), read_json=None):
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


HEAD = select(JOBS.status, JOBS.revision).where(JOBS.id == bindparam("job_id"))


def job_head(job_id):
    """Return `(status, revision)` of a job, or None."""
    return db.session.execute(HEAD, {"job_id": job_id}).first()


def job_exists(job_id):
    """Raise NotFound when there is no such job."""
    found(job_head(job_id), "job", job_id)


LAST_CHANGED = select(JOBS.id, JOBS.status, JOBS.revision).order_by(JOBS.change.desc()).limit(1)


def last_changed_job():
    """Return `(id, status, revision)` of the job that changed last, or None when there is no
    job.
    """
    return db.session.execute(LAST_CHANGED).first()


def reruns_of(job_id):
    """Return the ids of the jobs that are reruns of this one, oldest first."""
    return list(
        db.session.execute(
            select(Job.id).where(Job.rerun_of == job_id).order_by(Job.number)
        ).scalars()
    )


# Steps

OF_JOB = STEPS.job_id == bindparam("job_id")
COUNTS = [STEPS[status] for status in CHILD_STATUSES]
LEVELS = [STEPS.debug, STEPS.info, STEPS.warning, STEPS.error_count]
SHOWN_HEAD = select(
    JOBS.id,
    JOBS.status,
    JOBS.revision,
    JOBS.error,
    JOBS.updated_at,
    JOBS.started_at,
    JOBS.finished_at,
).where(JOBS.id == bindparam("job_id"))
SHOWN_STEPS = (
    select(
        STEPS.name,
        STEPS.status,
        STEPS.log_count,
        *COUNTS,
        *LEVELS,
        STEPS.error,
        STEPS.started_at,
        STEPS.finished_at,
    )
    .where(OF_JOB)
    .order_by(STEPS.position)
)


def structure(job_id):
    """Return a job's `structure`: what a page needs to be right, from one moment. Raises NotFound.

    It reads one job row and its step rows: the same cost whatever number of children and lines
    there are. Others run in between.
    """
    with read() as session:
        head = sound(
            found(session.execute(SHOWN_HEAD, {"job_id": job_id}).first(), "job", job_id), JOB_TABLE
        )
        parts = session.execute(SHOWN_STEPS, {"job_id": job_id}).partitions(PARTITION)
        steps = [_step_shown(sound(row, STEP_TABLE)) for part in in_turns(parts) for row in part]
    return {
        "job_id": head.id,
        "status": head.status,
        "revision": head.revision,
        "error": head.error,
        "updated_at": iso(head.updated_at),
        "started_at": iso(head.started_at),
        "finished_at": iso(head.finished_at),
        "steps": steps,
    }


def _step_shown(row):
    # by place, as of `_facts`
    name, status, log_count, *numbers, error, started_at, finished_at = row
    counts, levels = numbers[: len(CHILD_STATUSES)], numbers[len(CHILD_STATUSES) :]
    return {
        "name": name,
        "status": status,
        "log_count": log_count,
        "child_count": sum(counts),
        "children": dict(zip(CHILD_STATUSES, counts, strict=True)),
        "levels": dict(zip(LOG_LEVELS, levels, strict=True)),
        "error": error,
        "started_at": iso(started_at),
        "finished_at": iso(finished_at),
    }


def step_details(job_id):
    """Return what `structure` leaves out and never changes or matters only at the end:
    `[{"name", "type", "depends", …}]`.
    """
    columns = (
        Step.pk,
        Step.name,
        Step.type,
        Step.depends,
        Step.on_error,
        Step.always_run,
        Step.max_child_failures,
        Step.retries,
    )
    query = select(*columns).where(Step.job_id == job_id).order_by(Step.position)
    parts = in_turns(db.session.execute(query).partitions(PARTITION))
    return [dict(sound(row, STEP_TABLE)._mapping) for part in parts for row in part]


STEP_ROW = select(STEPS.pk, STEPS.type, STEPS.status, STEPS.log_count, *COUNTS, *LEVELS).where(
    OF_JOB, STEPS.name == bindparam("name")
)


def step_row(job_id, name):
    """Return a step's row by job and name: `pk`, `type`, `status`, its counters.

    Raises NotFound.
    """
    return _of_step(STEP_ROW, job_id, name)


STEP_RESULT = select(STEPS.result).where(OF_JOB, STEPS.name == bindparam("name"))


def step_result(job_id, name):
    """Return a step's result, None for none. Raises NotFound."""
    return _of_step(STEP_RESULT, job_id, name).result


def _of_step(query, job_id, name):
    row = db.session.execute(query, {"job_id": job_id, "name": name}).first()
    if row is None:
        job_exists(job_id)  # raises for the job, which is the greater mistake
    return sound(found(row, "step", name), STEP_TABLE)


def step_names(job_id):
    """Return the names of a job's steps in the order of the definition. Raises NotFound."""
    names = list(
        db.session.execute(
            select(Step.name).where(Step.job_id == job_id).order_by(Step.position)
        ).scalars()
    )
    if not names:
        job_exists(job_id)
    return names


def step_strips(job_ids):
    """Return `{job_id: [{"name", "status", children…}]}` in the order of the definitions, for
    the list of jobs.
    """
    columns = (
        Step.job_id,
        Step.name,
        Step.status,
        *(getattr(Step, status) for status in CHILD_STATUSES),
    )
    query = select(*columns).where(Step.job_id.in_(job_ids)).order_by(Step.job_id, Step.position)
    strips = {job_id: [] for job_id in job_ids}
    for part in in_turns(db.session.execute(query).partitions(PARTITION)):
        for row in part:
            strips[row.job_id].append(dict(sound(row, STEP_TABLE)._mapping))
    return strips


PARTITION = 100  # rows of steps fetched and made something of at a time
RULES = (
    STEPS.depends,
    STEPS.on_error,
    STEPS.always_run,
    STEPS.max_child_failures,
    STEPS.has_summary,
)
FACTS = (
    select(STEPS.name, STEPS.status, STEPS.stage, STEPS.planned, STEPS.error, *RULES, *COUNTS)
    .where(OF_JOB)
    .order_by(STEPS.position)
)


def step_facts(job_id, turns=iter):
    """Return `{name: StepFacts}` of a job in the order of its definition. turns: `in_turns` to
    let others run in between.
    """
    rows = db.session.execute(FACTS, {"job_id": job_id})
    return {row[0]: _facts(row) for some in turns(rows.partitions(PARTITION)) for row in some}


def _facts(row):
    # By place, as asking a row for each name takes longer than the query: a job of 1,000 steps is
    # looked at whenever one of them changes
    (
        name,
        status,
        stage,
        planned,
        error,
        depends,
        on_error,
        always_run,
        most,
        has_summary,
        *counts,
    ) = row
    children = dict(zip(CHILD_STATUSES, counts, strict=True))
    return StepFacts(
        name,
        status,
        tuple(depends),
        on_error,
        always_run,
        stage,
        planned,
        has_summary,
        children,
        most,
        error,
    )


# Cursors


def cursor_of(*place):
    """Return the cursor for a place in a list: the whole numbers of the last row that it is
    ordered by.
    """
    return base64.urlsafe_b64encode(" ".join(map(str, place)).encode()).decode().rstrip("=")


def place_of(cursor, size):
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


def one_by_one(result, number=1):
    """Return the rows of a result, which are read a `number` at a time and not all at once:
    large ones that nobody takes aren't read.
    """
    return result.yield_per(number)


def bounded(rows, limit, size_of, room=ANSWER_BYTES):
    """Return `(rows, is_cut)`: the first `limit` rows, fewer if they take more than `room` bytes
    (but one), and whether there are more.

    size_of(row): bytes. What isn't taken of `rows` isn't even read.
    """
    taken = []
    for row in rows:
        room -= size_of(row)
        if len(taken) == limit or (taken and room < 0):
            return taken, True
        taken.append(row)
    return taken, False


# Children

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
CHILD_BYTES = 300  # of what a child is besides its texts


def children(job_id, step_name, status=(), limit=50, cursor=None, read_json=None):
    """Return a page of a step's children in the order they were planned. Raises NotFound.

    read_json: what makes `input` and `result` of the JSON that is stored. A page of large ones ends
    before `limit`.
    """
    with read() as session:
        step = step_row(job_id, step_name)
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
            (
                sound(row, CHILD_TABLE, STORED)
                for row in in_turns(one_by_one(session.execute(query)))
            ),
            limit,
            _size_of_child,
        )
    return {
        "items": [_child_shown(row, read_json) for row in in_turns(rows)],
        "next_cursor": cursor_of(rows[-1].pk) if is_cut else None,
        "total": sum(getattr(step, name) for name in status or CHILD_STATUSES),
    }


def _size_of_child(row):
    return (
        CHILD_BYTES
        + sum(len((text or "").encode()) for text in (row.input, row.result))
        + json_size(row.name)
        + json_size(row.error or "")
    )


def _child_shown(row, read_json):
    shown = with_times(row, CHILD_TIMES, CHILD_TABLE, STORED, read_json)
    return {"id": str(shown.pop("pk")), **shown}


def failed_children(step_pk, limit):
    """Return rows `(pk, name, error, finished_at)` of a step's first failed children in the
    order they were planned, times in ms.
    """
    query = select(Child.pk, Child.name, Child.error, Child.finished_at).where(
        Child.step_pk == step_pk, Child.status == "failed"
    )
    return [
        sound(row, CHILD_TABLE) for row in db.session.execute(query.order_by(Child.pk).limit(limit))
    ]


def steps_taken_up_again(job_id):
    """Return the names of a job's running steps that kept completed children of an earlier try:
    their pace can't be told from their counts.
    """
    first = (
        select(Child.finished_at)
        .where(Child.step_pk == Step.pk, Child.status == COMPLETED)
        .order_by(Child.pk)
        .limit(1)
        .scalar_subquery()
    )
    query = select(Step.name).where(
        Step.job_id == job_id, Step.status == RUNNING, Step.completed > 0, first < Step.started_at
    )
    return set(db.session.execute(query).scalars())


def completed_children(step_pk):
    """Yield the pks of a step's completed children in the order they were planned, a few
    hundred at a time.
    """
    last = 0
    while True:
        query = (
            select(Child.pk)
            .where(Child.step_pk == step_pk, Child.status == "completed", Child.pk > last)
            .order_by(Child.pk)
            .limit(500)
        )
        with read() as session:
            found = list(session.execute(query).scalars())
        yield from found
        if not found:
            return
        last = found[-1]


def completed_inputs(step_pk):
    """Yield `(pk, input)` of a step's completed children in the order they were planned, a few
    at a time.
    """
    pks = completed_children(step_pk)
    while some := list(islice(pks, 20)):
        with read() as session:
            rows = session.execute(
                select(Child.pk, Child.input).where(Child.pk.in_(some)).order_by(Child.pk)
            ).all()
        yield from rows


RUNS_LOOKED_AT = 200


def last_run_like(step_pk):
    """Return the latest step of another job that has this one's type and options and completed with
    all its children.

    A row `(pk, job_id, started_at: ms, completed: number of its children)`; None if there is none
    among the last few hundred steps of that type.
    """
    with read() as session:
        step = session.execute(
            select(Step.job_id, Step.type, Step.options).where(Step.pk == step_pk)
        ).one()
        query = (
            select(Step.pk, Step.job_id, Step.started_at, Step.completed, Step.options)
            .where(
                Step.status == COMPLETED,
                Step.type == step.type,
                Step.failed == 0,
                Step.job_id.is_not(None),
                Step.job_id != step.job_id,
            )
            .order_by(Step.pk.desc())
            .limit(RUNS_LOOKED_AT)
        )
        return next((row for row in session.execute(query) if row.options == step.options), None)


def child_result(pk, key=None):
    """Return the result of a child, or what it has under a key; the rest isn't even decoded
    then.
    """
    wanted = Child.result if key is None else Child.result[key]
    with read() as session:
        return session.execute(select(wanted).where(Child.pk == pk)).scalar()


# What the monitor and the engine look for


LAST_CHANGE = select(Counter.__table__.c.value).where(Counter.__table__.c.name == "change")
MONITORED = select(
    JOBS.id, JOBS.status, JOBS.revision, JOBS.change, JOBS.started_at, JOBS.updated_at, JOBS.timeout
)
CHANGED_JOBS = MONITORED.where(JOBS.change > bindparam("change")).order_by(JOBS.change)
UNFINISHED_JOBS = MONITORED.where(JOBS.status.in_(UNFINISHED)).order_by(JOBS.number)
TOLD = select(
    STEPS.name, STEPS.status, STEPS.revision, STEPS.status_revision, STEPS.log_count, STEPS.position
).where(OF_JOB)
BEHIND = or_(
    STEPS.revision > bindparam("revision"),
    (STEPS.revision == bindparam("revision")) & (STEPS.position > bindparam("position")),
)
CHANGED_STEPS = (
    TOLD.where(BEHIND).order_by(STEPS.revision, STEPS.position).limit(bindparam("limit"))
)
STEPS_NAMED = TOLD.where(STEPS.name.in_(bindparam("names", expanding=True))).order_by(
    STEPS.position
)
UNIT_TO_DO = STEPS.stage.in_(("plan", "summary")) & STEPS.worker_id.is_(None)
WORK = (
    select(STEPS.pk).where(STEPS.status == "running", or_(STEPS.pending > 0, UNIT_TO_DO)).limit(1)
)


def last_change():
    """Return the number of the latest change of all jobs, 0 for none."""
    return db.session.execute(LAST_CHANGE).scalar() or 0


def jobs_changed_since(change):
    """Return rows `(id, status, revision, change, started_at, updated_at, timeout)` of the jobs
    that changed after `change`, in that order.
    """
    return db.session.execute(CHANGED_JOBS, {"change": change}).all()


def unfinished_jobs():
    """Return such rows of all jobs that aren't terminal."""
    return db.session.execute(UNFINISHED_JOBS).all()


def count_unfinished_jobs():
    """Return `{status: number}` of the jobs that aren't terminal."""
    query = select(Job.status, func.count()).where(Job.status.in_(UNFINISHED)).group_by(Job.status)
    return dict(db.session.execute(query).all())


def job_heads(job_ids):
    """Return rows `(id, status, revision)` of those of the jobs that exist."""
    return db.session.execute(
        select(Job.id, Job.status, Job.revision).where(Job.id.in_(job_ids))
    ).all()


LAST = 2**31  # the position behind all steps


def steps_changed_since(job_id, revision, position=LAST, limit=-1):
    """Return rows `(name, status, revision, status_revision, log_count, position)` of a job's steps
    in the order of their last changes.

    Those that changed after `revision`, and of those that changed at it the ones behind `position`:
    at most `limit`, all by default.
    """
    return db.session.execute(
        CHANGED_STEPS,
        {"job_id": job_id, "revision": revision, "position": position, "limit": limit},
    ).all()


def steps_named(job_id, names):
    """Return such rows of the steps with these names."""
    return db.session.execute(STEPS_NAMED, {"job_id": job_id, "names": names}).all()


def is_work_waiting():
    """Say whether a worker that asks now may get something to do."""
    return db.session.execute(WORK).first() is not None


HEARTBEATS = select(
    Worker.__table__.c.id,
    Worker.__table__.c.pid,
    Worker.__table__.c.beat,
    Worker.__table__.c.beat_at,
)


def heartbeats():
    """Return rows `(id, pid, beat, beat_at)` of all workers.

    `beat_at` is their wall clock's time, which may jump: see `heartbeats.py`.
    """
    return db.session.execute(HEARTBEATS).all()
