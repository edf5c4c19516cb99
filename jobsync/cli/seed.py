"""`flask seed`: jobs to look at, without waiting for any.

Their history is not made up: it is run, by the step types' own code and the rules that every job
follows, in a store of its own that nobody else sees, and then moved into the real one with its
times put back by hours and days. So all counters and statuses are right by construction, no worker
or monitor of a running server can interfere, and each job appears in one transaction, complete.
"""

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from flask import Flask, current_app
from sqlalchemy import insert, select

from jobsync import lifecycle
from jobsync.base.clock import now
from jobsync.base.private_files import locked
from jobsync.cli.commands import StoreCommand
from jobsync.cli.sample import write_sample
from jobsync.db import changes, transactions
from jobsync.db.engine import dialect_of, engine_options
from jobsync.db.extensions import db
from jobsync.db.migrate import MIGRATIONS
from jobsync.db.models import Attempt, Child, Counter, Job, LogLine, Step, Stop
from jobsync.db.transactions import read, write
from jobsync.definitions import Definitions
from jobsync.engine import runner
from jobsync.engine.write_buffer import WriteBuffer
from jobsync.lifecycle import claims, moves, rows, stops, workers
from jobsync.status import PENDING, TERMINAL

ROOT = MIGRATIONS.parent
SOURCE = "seed"
WORKER = "seed"
MINUTE = 60_000  # ms
HOUR = 60 * MINUTE


@dataclass(frozen=True)
class Story:
    """A job that has ended `ago` ms before now and had run for `lasted` ms. cancelled_after:
    units of work begun before it is cancelled.
    """

    id: str
    definition: str
    ago: int
    lasted: int
    params: dict = field(default_factory=dict)
    cancelled_after: int | None = None


LONG = "test_job", {"workers": 3, "lines": 300, "delay_ms": 40}  # a minute or two


def stories(folder):
    """Return the stories, the oldest first. `folder` is the one that is classified."""
    return [
        Story(
            "5eed00000001",
            "test_job",
            76 * HOUR,
            94_000,
            {"workers": 2, "lines": 60, "delay_ms": 0},
        ),
        Story(
            "5eed00000002",
            "test_job",
            51 * HOUR,
            71_000,
            {"workers": 3, "lines": 50, "delay_ms": 0, "failure_rate": 0.7, "seed": 4},
        ),
        Story(
            "5eed00000003",
            "test_job",
            28 * HOUR,
            38_000,
            {"workers": 5, "lines": 40, "delay_ms": 0, "seed": 2},
            cancelled_after=16,
        ),
        Story("5eed00000004", "codebase_classify", 25 * HOUR, 12_400, {"folder": str(folder)}),
    ]


@click.command("seed", cls=StoreCommand)
def seed():
    """Load jobs to look at, one for each way to end and more, and start a long one.

    Those that are there already are left alone.
    """
    data_dir = Path(current_app.config["DATA_DIR"])
    with locked(data_dir / "seed.lock"):
        folder = data_dir / "seed" / "bookshop"
        write_sample(folder)
        there = _seeded()
        missing = [story for story in stories(folder) if story.id not in there]
        for job in _played(missing) if missing else ():
            _move_in(job)
            _tell(job.values["id"], job.values["status"], job.values["name"])
        if not there - {story.id for story in stories(folder)}:
            _tell(
                _start_long_job(),
                PENDING,
                "Test job: a long one, which runs as soon as workers do (`python app.py`)",
            )
        elif not missing:
            click.echo("The jobs are there already.")


def _tell(job_id, status, text):
    click.echo(f"{job_id} {status:<10}{text}")


def _seeded():
    """Return the ids of the jobs that were seeded before."""
    with read() as connection:
        return set(connection.execute(select(Job.id).where(Job.source == SOURCE)).scalars())


def _start_long_job():
    definition, params = LONG
    return lifecycle.submit(_definition(definition), params, SOURCE)


def _definition(definition_id):
    """Return one of the definitions that ship, whatever folder of definitions is set."""
    return Definitions(ROOT / "definitions", current_app.extensions["jobsync.registry"]).find(
        definition_id
    )


# Playing


@dataclass
class Played:
    """A job that has ended, as rows of the store it was played in."""

    values: dict
    steps: list
    children: list
    lines: list
    attempts: list
    stops: list

    @property
    def rows(self):
        return [
            self.values,
            *self.steps,
            *self.children,
            *self.lines,
            *self.attempts,
            *self.stops,
        ]


def _played(stories):
    """Return the Played of stories."""
    with _store_aside() as app:
        workers.register(WORKER, os.getpid())
        return [_put_back(story, _read_rows(_play(app, story))) for story in stories]


@contextmanager
def _store_aside():
    """Enter the context of an app with an empty store of its own."""
    app = Flask("jobsync.seed")
    app.extensions["jobsync.registry"] = current_app.extensions["jobsync.registry"]
    with TemporaryDirectory(prefix="jobsync-seed-") as folder:
        url = f"sqlite:///{folder}/jobsync.db"
        limits = {name: current_app.config[name] for name in ("LOG_LIMIT", "LOG_BYTES")}
        app.config.update(
            SQLALCHEMY_DATABASE_URI=url, SQLALCHEMY_ENGINE_OPTIONS=engine_options(url), **limits
        )
        db.init_app(app)
        with app.app_context():
            dialect_of(db.engine).prepare(db.engine)
            transactions.init_app(app)
            changes.init_app(app)
            db.create_all()
            with write() as connection:
                connection.execute(insert(Counter).values(name="change", value=0))
            try:
                yield app
            finally:
                db.session.remove()
                db.engine.dispose()


def _play(app, story):
    """Run a story's job to its end and return its id there."""
    job_id = lifecycle.submit(_definition(story.definition), story.params, SOURCE)
    buffer = WriteBuffer(app)
    begun = 0
    while True:
        moves.advance(job_id)
        tasks = claims.claim(WORKER, lambda step_pk: 1)
        if not tasks:
            return job_id
        begun += 1
        if begun == story.cancelled_after:
            lifecycle.cancel(job_id)
            stops.confirm_stop(tasks[0])
        else:
            _do(tasks[0], buffer)


def _do(task, buffer):
    context = runner.TaskContext(task, buffer)
    buffer.begin_task(task, begun=True)
    run = {"plan": runner.run_plan, "summary": runner.run_summary, "child": runner.run_child}[
        task.kind
    ]
    run(context, buffer)
    buffer.flush()


def _read_rows(job_id):
    with read() as connection:
        job = connection.execute(select(Job.__table__).where(Job.id == job_id)).one()
        if job.status not in TERMINAL:
            raise RuntimeError(f"the seeded job {job.definition} did not end")
        steps = select(Step.pk).where(Step.job_id == job_id)
        children = select(Child.pk).where(Child.step_pk.in_(steps))
        owned = (
            select(Step.__table__).where(Step.job_id == job_id).order_by(Step.position),
            select(Child.__table__).where(Child.step_pk.in_(steps)).order_by(Child.pk),
            select(LogLine.__table__).where(LogLine.step_pk.in_(steps)),
            select(Attempt.__table__).where(Attempt.child_pk.in_(children)),
            select(Stop.__table__).where(Stop.step_pk.in_(steps)),
        )
        found = [connection.execute(query).all() for query in owned]
    return Played(dict(job._mapping), *([dict(row._mapping) for row in part] for part in found))


TIMES = (
    "created_at",
    "started_at",
    "finished_at",
    "updated_at",
    "at",
    "cancel_requested_at",
    "cancel_done_at",
    "requested_at",
    "deadline",
    "done_at",
)


def _put_back(story, job):
    """Give a job its story's id and times."""
    start, end = (
        min(step["started_at"] for step in job.steps if step["started_at"]),
        job.values["finished_at"],
    )
    # else the milliseconds between two looks at the clock would be stretched
    job.values.update(id=story.id, started_at=start, updated_at=end)
    stretch, new_end = story.lasted / max(end - start, 1), now() - story.ago
    for row in job.rows:
        for name in TIMES:
            if row.get(name) is not None:
                row[name] = new_end - round((end - row[name]) * stretch)
    return job


# Moving in


def _move_in(job):
    """Store a played job with all it owns, in one transaction."""
    with write() as connection:
        rows.add_job(
            connection, {**_without(job.values, "number"), "change": rows.next_change(connection)}
        )
        step_pks = {}
        for step in job.steps:
            values = {**_without(step, "pk"), "job_id": job.values["id"]}
            step_pks[step["pk"]] = connection.execute(
                insert(Step).values(values)
            ).inserted_primary_key[0]
        child_pks = {None: None, 0: 0}  # of no child; 0 in the stop of a planning
        for child in job.children:  # one that has spawned others stands before them
            moved = _moved(child, step_pks, child_pks)
            child_pks[child["pk"]] = connection.execute(
                insert(Child).values(_without(moved, "pk"))
            ).inserted_primary_key[0]
        for table, found in ((LogLine, job.lines), (Attempt, job.attempts), (Stop, job.stops)):
            if found:
                connection.execute(
                    insert(table), [_moved(row, step_pks, child_pks) for row in found]
                )


def _moved(row, step_pks, child_pks):
    """Return a row with the keys that steps and children have got in the real store."""
    new_keys = {"step_pk": step_pks, "child_pk": child_pks, "parent_pk": child_pks}
    return {
        name: new_keys[name][value] if name in new_keys else value for name, value in row.items()
    }


def _without(row, key):
    return {name: value for name, value in row.items() if name != key}
