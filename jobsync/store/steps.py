"""Queries of steps. Statements in capitals are made once: see `jobs.py`."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, or_, select

from jobsync.base.loop import in_turns
from jobsync.db.damage import sound
from jobsync.db.models import Child, Step
from jobsync.db.prepared import Prepared
from jobsync.status import CHILD_STATUSES, COMPLETED, RUNNING, StepFacts, Turns
from jobsync.store import jobs
from jobsync.store.answers import found

STEP_TABLE = Step.__table__
STEPS = STEP_TABLE.c
OF_JOB = STEPS.job_id == bindparam("job_id")
COUNTS = [STEPS[status] for status in CHILD_STATUSES]
LEVELS = [STEPS.debug, STEPS.info, STEPS.warning, STEPS.error_count]
PARTITION = 100  # rows of steps fetched and made something of at a time


def details(connection: Connection, job_id: str) -> list[dict[str, Any]]:
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
    parts = in_turns(connection.execute(query).partitions(PARTITION))
    return [dict(sound(row, STEP_TABLE)._mapping) for part in parts for row in part]


STEP_ROW = select(
    STEPS.pk, STEPS.type, STEPS.status, STEPS.revision, STEPS.log_count, *COUNTS, *LEVELS
).where(OF_JOB, STEPS.name == bindparam("name"))


def get(connection: Connection, job_id: str, name: str) -> Any:
    """Return a step's row by job and name: `pk`, `type`, `status`, `revision`, its
    counters.

    Raises NotFound.
    """
    return _of_step(connection, STEP_ROW, job_id, name)


STEP_RESULT = select(STEPS.result).where(OF_JOB, STEPS.name == bindparam("name"))


def result(connection: Connection, job_id: str, name: str) -> Any:
    """Return a step's result, None for none. Raises NotFound."""
    return _of_step(connection, STEP_RESULT, job_id, name).result


def _of_step(connection: Connection, query: Any, job_id: str, name: str) -> Any:
    row = connection.execute(query, {"job_id": job_id, "name": name}).first()
    if row is None:
        jobs.require(connection, job_id)  # raises for the job, which is the greater mistake
    return sound(found(row, "step", name), STEP_TABLE)


def names(connection: Connection, job_id: str) -> list[str]:
    """Return the names of a job's steps in the order of the definition. Raises NotFound."""
    names = list(
        connection.execute(
            select(Step.name).where(Step.job_id == job_id).order_by(Step.position)
        ).scalars()
    )
    if not names:
        jobs.require(connection, job_id)
    return names


def strips(connection: Connection, job_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
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
    strips: dict[str, list[dict[str, Any]]] = {job_id: [] for job_id in job_ids}
    for part in in_turns(connection.execute(query).partitions(PARTITION)):
        for row in part:
            strips[row.job_id].append(dict(sound(row, STEP_TABLE)._mapping))
    return strips


RULES = (
    STEPS.depends,
    STEPS.on_error,
    STEPS.always_run,
    STEPS.max_child_failures,
    STEPS.has_summary,
    STEPS.old_failures,
)
FACTS = Prepared(
    select(STEPS.name, STEPS.status, STEPS.stage, STEPS.planned, STEPS.error, *RULES, *COUNTS)
    .where(OF_JOB)
    .order_by(STEPS.position)
)


def facts(connection: Connection, job_id: str, turns: Turns = iter) -> dict[str, StepFacts]:
    """Return `{name: StepFacts}` of a job in the order of its definition. turns: `in_turns` to
    let others run in between.
    """
    partitions = FACTS.partitions(connection, {"job_id": job_id}, PARTITION)
    return {row[0]: _facts(row) for some in turns(partitions) for row in some}


def _facts(row: Any) -> StepFacts:
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
        old_failures,
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
        old_failures,
    )


def taken_up_again(connection: Connection, job_id: str) -> set[str]:
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
    return set(connection.execute(query).scalars())


TIMED = Prepared(
    select(STEPS.pk, STEPS.started_at, STEPS.step_timeout).where(
        STEPS.status == RUNNING, STEPS.step_timeout.is_not(None), STEPS.job_id.is_not(None)
    )
)


def timed(connection: Connection) -> Sequence[Row]:
    """Return rows `(pk, started_at, step_timeout)` of the running steps that have a time limit,
    times in ms.
    """
    return TIMED.all(connection, {})


RUNS_LOOKED_AT = 200


def last_run_like(connection: Connection, step_pk: int) -> Row | None:
    """Return the latest step of another job that has this one's type and options and completed with
    all its children.

    A row `(pk, job_id, started_at: ms, completed: number of its children)`; None if there is none
    among the last few hundred steps of that type.
    """
    step = connection.execute(
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
    return next((row for row in connection.execute(query) if row.options == step.options), None)


TOLD = select(
    STEPS.name, STEPS.status, STEPS.revision, STEPS.status_revision, STEPS.log_count, STEPS.position
).where(OF_JOB)
BEHIND = or_(
    STEPS.revision > bindparam("revision"),
    (STEPS.revision == bindparam("revision")) & (STEPS.position > bindparam("position")),
)
CHANGED_STEPS = Prepared(
    TOLD.where(BEHIND).order_by(STEPS.revision, STEPS.position).limit(bindparam("limit"))
)
STEPS_NAMED = TOLD.where(STEPS.name.in_(bindparam("names", expanding=True))).order_by(
    STEPS.position
)
UNIT_TO_DO = STEPS.stage.in_(("plan", "summary")) & STEPS.worker_id.is_(None)
WORK = Prepared(
    select(STEPS.pk).where(STEPS.status == "running", or_(STEPS.pending > 0, UNIT_TO_DO)).limit(1)
)
LAST = 2**31  # the position behind all steps


def changed_since(
    connection: Connection, job_id: str, revision: int, position: int = LAST, limit: int = -1
) -> Sequence[Row]:
    """Return rows `(name, status, revision, status_revision, log_count, position)` of a job's steps
    in the order of their last changes.

    Those that changed after `revision`, and of those that changed at it the ones behind `position`:
    at most `limit`, all by default.
    """
    return CHANGED_STEPS.all(
        connection,
        {"job_id": job_id, "revision": revision, "position": position, "limit": limit},
    )


def named(connection: Connection, job_id: str, names: Iterable[str]) -> Sequence[Row]:
    """Return such rows of the steps with these names."""
    return connection.execute(STEPS_NAMED, {"job_id": job_id, "names": names}).all()


def is_work_waiting(connection: Connection) -> bool:
    """Say whether a worker that asks now may get something to do."""
    return WORK.first(connection, {}) is not None
