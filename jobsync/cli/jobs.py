"""`flask jobs …`: starting jobs and looking at them from a terminal, on the store: no server need
be up.
"""

import sys

import click
from flask import current_app

from jobsync import lifecycle, store
from jobsync.base.errors import NotFound
from jobsync.cli import interrupt, printing, report
from jobsync.cli.commands import StoreGroup
from jobsync.cli.follow import follow_lines
from jobsync.cli.options import JOB, JSON, PARAMS, STEP, WAIT, Name, Search, Statuses
from jobsync.cli.started import after_start
from jobsync.db.transactions import read
from jobsync.status import JOB_STATUSES, LEVELS
from jobsync.store import listing
from jobsync.store.listing import Wanted

SOURCE = "cli"


@click.group(cls=StoreGroup)
def jobs():
    """Run jobs, look at them and control them."""


@jobs.command()
@click.argument("name", type=Name())
@PARAMS
@click.option(
    "--priority",
    type=click.IntRange(-100, 100),
    help="The higher comes first.  [default: the definition's]",
)
@WAIT
@JSON
def run(name, params, priority, wait, as_json):
    """Start a job of the definition NAME and print its id.

    A path is relative to the present folder.
    """
    job_id = lifecycle.submit(_definition(name), params, SOURCE, priority=priority)
    after_start(job_id, wait, as_json)


@jobs.command()
@JOB
@PARAMS
@WAIT
@JSON
def rerun(job_id, params, wait, as_json):
    """Start a new job like another one and print its id.

    Parameters that are given replace those of the other.
    """
    with read() as connection:
        name = store.jobs.get(connection, job_id)["definition"]
    definition = _definition(name)
    after_start(lifecycle.rerun(job_id, definition, params, SOURCE), wait, as_json)


def _definition(name):
    definitions = current_app.extensions["jobsync.definitions"]
    try:
        return definitions.find(name)
    except NotFound as error:
        there_are = (
            ", ".join(definition.id for definition in definitions.all()) or "none that can be used"
        )
        raise NotFound(f"{error.message} There are: {there_are}.") from error


@jobs.command("list")
@click.option(
    "--status",
    type=Statuses(JOB_STATUSES),
    default=(),
    help=f"Only these: {', '.join(JOB_STATUSES)}.",
)
@click.option("--definition", type=Name(), help="Only jobs of this definition.")
@click.option("--q", type=Search(), help="Only jobs with this in their name, id or parameters.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="At most so many, the newest.",
)
@JSON
def list_jobs(status, definition, q, limit, as_json):
    """List jobs, newest first.

    In a pipe: id, status, definition, times of creation and end, and name, with tabs between them.
    """
    page = listing.page(Wanted(status, definition, q), limit)
    if as_json:
        printing.print_json(page)
    else:
        report.print_jobs(page)


@jobs.command()
@JOB
@JSON
def show(job_id, as_json):
    """Show a job with its steps, and its result in short."""
    job = report.details(job_id)
    if as_json:
        printing.print_json(job)
    else:
        report.print_job(job)


@jobs.command()
@JOB
@STEP
@click.option(
    "--follow", "-f", is_flag=True, help="Go on with the lines to come, until the step has ended."
)
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    default="debug",
    show_default=True,
    help="The lowest level shown.",
)
def logs(job_id, step, follow, level):
    """Print the log lines of a step."""
    try:
        with interrupt.heeded():
            for line in follow_lines(job_id, step, level, follow):
                report.print_line(line)
    except KeyboardInterrupt:
        sys.exit(interrupt.EXIT_CODE)
