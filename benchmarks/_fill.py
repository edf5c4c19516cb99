"""Stores filled in bulk: jobs that have ended, with as many children and log lines, or as many
of them, as is asked for.
"""

from sqlalchemy import insert, select, text, update

from jobsync.base.clock import now
from jobsync.db.models import Counter, Step
from jobsync.db.transactions import write
from jobsync.lifecycle import rows

NUMBERS = (
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :number)"
)
CHILDREN = f"""INSERT INTO children (
        step_pk, "key", name, status, attempt, failures, input, result, started_at, finished_at)
    {NUMBERS}
    SELECT :step_pk, n, 'child ' || n, 'completed', 1, 0, '{{}}', '{{"done": true}}',
        :moment, :moment
    FROM numbers"""
ATTEMPTS = """INSERT INTO attempts (
        child_pk, attempt, status, worker_id, started_at, finished_at)
    SELECT pk, attempt, status, 'filled', started_at, finished_at
    FROM children WHERE step_pk = :step_pk"""
MORE_CHILDREN = f"""INSERT INTO children (step_pk, "key", name, status, attempt, failures, input)
    {NUMBERS}
    SELECT :step_pk, :status || n, 'child ' || n, :status, 0, 0,
        '{{"item": "file-' || n || '.txt"}}'
    FROM numbers"""
LINES = f"""INSERT INTO log_lines (step_pk, line, at, level, message, child_pk)
    {NUMBERS}
    SELECT :step_pk, n, :moment, 1, 'line ' || n || ' of a job that has ended', NULL
    FROM numbers"""
JOBS = f"""INSERT INTO jobs (
        id, definition, name, status, revision, change, params, tags, source,
        created_at, started_at, finished_at, updated_at)
    {NUMBERS}
    SELECT 'filled' || n, 'filled', 'Filled', 'completed', 10, :change + n, '{{}}', '[]', 'api',
        :moment, :moment, :moment, :moment
    FROM numbers"""
WORDS_OF_JOBS = (
    "INSERT INTO job_words (number, words) "
    "SELECT number, 'filled' || char(10) || id FROM jobs WHERE change > :change"
)
STEP_OF_JOBS = f"""INSERT INTO steps (
        job_id, position, name, type, options, depends, on_error, always_run,
        max_child_failures, retries, has_summary, status, stage, planned, tries, losses,
        revision, status_revision, log_count, debug, info, warning, error_count,
        pending, running, completed, failed, cancelled, started_at, finished_at)
    {NUMBERS}
    SELECT 'filled' || n, 0, 'work', 'test_job_generator', '{{}}', '[]', 'fail', 0,
        0, 0, 1, 'completed', 'done', 1, 1, 0,
        10, 10, 0, 0, 0, 0, 0,
        0, 0, 1, 0, 0, :moment, :moment
    FROM numbers"""


def fill_job(job_id, number):
    """Store a completed job with one step of `number` children and `number` log lines.

    Needs an app context.
    """
    moment = now()
    with write() as connection:
        rows.add_job(connection, _job_values(connection, job_id, moment))
        step_pk = connection.execute(
            insert(Step).values(_step_values(job_id, number, moment))
        ).inserted_primary_key[0]
        for statement in (CHILDREN, ATTEMPTS, LINES):
            connection.execute(
                text(statement), {"number": number, "step_pk": step_pk, "moment": moment}
            )


def _job_values(connection, job_id, moment):
    times = dict.fromkeys(("created_at", "started_at", "finished_at", "updated_at"), moment)
    change = rows.next_change(connection)
    about = {
        "id": job_id,
        "definition": "filled",
        "name": "Filled",
        "status": "completed",
        "revision": 10,
        "change": change,
    }
    return {**about, "params": {}, "tags": [], "source": "api", **times}


def _step_values(job_id, number, moment):
    return {
        "job_id": job_id,
        "position": 0,
        "name": "work",
        "type": "test_job_generator",
        "options": {},
        "depends": [],
        "on_error": "fail",
        "always_run": False,
        "max_child_failures": 0,
        "retries": 0,
        "has_summary": True,
        "status": "completed",
        "stage": "done",
        "planned": True,
        "revision": 10,
        "status_revision": 10,
        "log_count": number,
        "info": number,
        "completed": number,
        "started_at": moment,
        "finished_at": moment,
    }


def fill_step(job_id, number, status="pending"):
    """Give the first step of a job `number` more children of a status. Needs an app context."""
    with write() as connection:
        revision = rows.touch(connection, job_id)
        step_pk = connection.execute(
            select(Step.pk).where(Step.job_id == job_id, Step.position == 0)
        ).scalar_one()
        connection.execute(
            text(MORE_CHILDREN), {"number": number, "step_pk": step_pk, "status": status}
        )
        rows.count_children(connection, step_pk, revision, [(None, status)] * number)


def fill_jobs(number):
    """Store `number` completed jobs of one step each. Needs an app context."""
    moment = now()
    with write() as connection:
        change = rows.next_change(connection)
        connection.execute(text(JOBS), {"number": number, "change": change, "moment": moment})
        connection.execute(text(WORDS_OF_JOBS), {"change": change})
        connection.execute(text(STEP_OF_JOBS), {"number": number, "moment": moment})
        connection.execute(
            update(Counter).where(Counter.name == "change").values(value=change + number)
        )
