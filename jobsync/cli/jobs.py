"""`flask jobs …`: starting, following and controlling jobs from a terminal, on the store: no
server need be up.
"""

import sys
import time

import click
from flask import current_app

from jobsync import lifecycle, store
from jobsync.base.clock import now
from jobsync.base.errors import NotFound, WrongState
from jobsync.cli import interrupt, report
from jobsync.cli.commands import Age, KeyValue, Name, Statuses, StoreGroup, as_table
from jobsync.cli.follow import Follower, follow_lines
from jobsync.cli.formatting import duration, ms_of
from jobsync.cli.screens import open_screen
from jobsync.db.transactions import read
from jobsync.status import COMPLETED, JOB_STATUSES, LEVELS, actions
from jobsync.store import listing
from jobsync.store.listing import Wanted

SOURCE = "cli"
INTERRUPTED = 130  # the exit code of a program that Ctrl-C has ended
PAGE = 500  # jobs read at a time
DAY = 24 * 3600 * 1000  # ms
OLD = 30 * DAY  # age in ms at which jobs are pruned where nothing else is said
PAUSE = 0.01  # seconds between two transactions that clear away, for other writers
DELETABLE = tuple(status for status in JOB_STATUSES if "delete" in actions(status))

JOB = click.argument("job_id", metavar="ID", type=Name())
PARAMS = click.option(
    "-p",
    "--param",
    "params",
    type=KeyValue(),
    multiple=True,
    callback=as_table,
    help="A parameter; can be repeated.",
)
WAIT = click.option(
    "--wait",
    is_flag=True,
    help="Follow the job until it has ended; exit code 0 only if it completed.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@click.group(cls=StoreGroup)
def jobs():
    """Run jobs and look at them."""


@jobs.command()
@click.argument("name", type=Name())
@PARAMS
@WAIT
@JSON
def run(name, params, wait, as_json):
    """Start a job of the definition NAME and print its id.

    A path is relative to the present folder.
    """
    _after_start(lifecycle.submit(_definition(name), params, SOURCE), wait, as_json)


def _definition(name):
    definitions = current_app.extensions["jobsync.definitions"]
    try:
        return definitions.find(name)
    except NotFound as error:
        there_are = (
            ", ".join(definition.id for definition in definitions.all()) or "none that can be used"
        )
        raise NotFound(f"{error.message} There are: {there_are}.") from error


def _after_start(job_id, wait, as_json):
    """Tell a job's id and, if wanted, follow it to its end, by which this process ends too.

    Ctrl-C ends this process, not the job.
    """
    try:
        if not as_json:
            click.echo(job_id)
        with interrupt.heeded():
            status = _follow(job_id, sys.stderr if as_json else sys.stdout) if wait else COMPLETED
    except KeyboardInterrupt:
        click.echo(
            (
                "Not followed any more, but the job goes on; this cancels it: flask jobs cancel "
                f"{job_id}"
            ),
            err=True,
        )
        sys.exit(INTERRUPTED)
    if as_json:
        report.print_json(report.details(job_id))
    elif wait:
        _tell_end(job_id)
    if status != COMPLETED:
        sys.exit(1)


def _follow(job_id, stream):
    """Follow a job and return the status in which it has ended."""
    with read() as session:
        name = store.jobs.get(session, job_id)["name"]
    with open_screen(name, stream) as screen:
        return Follower(job_id, screen).run()


def _tell_end(job_id):
    job = report.details(job_id)
    if not sys.stdout.isatty():
        took = (
            f" in {duration(ms_of(job['finished_at']) - ms_of(job['started_at']))}"
            if job["started_at"]
            else ""
        )
        click.echo(f"{time.strftime('%H:%M:%S')} job {job['status']}{took}")
    report.print_end(job)


@jobs.command("list")
@click.option(
    "--status",
    type=Statuses(JOB_STATUSES),
    default=(),
    help=f"Only these: {', '.join(JOB_STATUSES)}.",
)
@click.option("--definition", type=Name(), help="Only jobs of this definition.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="At most so many, the newest.",
)
@JSON
def list_jobs(status, definition, limit, as_json):
    """List jobs, newest first.

    In a pipe: id, status, definition, times of creation and end, and name, with tabs between them.
    """
    page = listing.page(Wanted(status, definition), limit)
    if as_json:
        report.print_json(page)
    else:
        report.print_jobs(page)


@jobs.command()
@JOB
@JSON
def show(job_id, as_json):
    """Show a job with its steps, and its result in short."""
    job = report.details(job_id)
    if as_json:
        report.print_json(job)
    else:
        report.print_job(job)


@jobs.command()
@JOB
@click.argument("step", type=Name())
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
        sys.exit(INTERRUPTED)


@jobs.command()
@JOB
def cancel(job_id):
    """Cancel a job."""
    lifecycle.cancel(job_id)
    click.echo(f"{job_id} is cancelled.")


@jobs.command()
@JOB
@WAIT
@JSON
def retry(job_id, wait, as_json):
    """Run what failed or was cancelled of a job again, and print its id.

    Children that completed are kept.
    """
    lifecycle.retry(job_id)
    _after_start(job_id, wait, as_json)


@jobs.command()
@JOB
@PARAMS
@WAIT
@JSON
def rerun(job_id, params, wait, as_json):
    """Start a new job like another one and print its id.

    Parameters that are given replace those of the other.
    """
    with read() as session:
        name = store.jobs.get(session, job_id)["definition"]
    definition = _definition(name)
    _after_start(lifecycle.rerun(job_id, definition, params, SOURCE), wait, as_json)


@jobs.command()
@click.option(
    "--older-than",
    type=Age(),
    help="Only jobs that ended longer ago, such as 30d or 12h.  [default: 30d, none with --keep]",
)
@click.option("--keep", type=click.IntRange(0), help="Keep so many of them, the newest.")
@click.option(
    "--status",
    type=Statuses(DELETABLE),
    default=DELETABLE,
    help=f"Only these: {', '.join(DELETABLE)}.",
)
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def prune(older_than, keep, status, dry_run, yes):
    """Delete jobs that have ended, with all they own."""
    if older_than is None and keep is None:
        older_than = OLD
    doomed = [job for job in list(_jobs_of(status))[keep or 0 :] if _is_old(job, older_than)]
    if dry_run:
        report.print_jobs({"items": doomed, "total": len(doomed)})
        return
    if doomed and not yes:
        _ask(f"Delete {_jobs(len(doomed))}?")
    click.echo(f"{_jobs(sum(_is_deleted(job['id']) for job in doomed))} deleted.")
    while lifecycle.clear_deleted():
        time.sleep(PAUSE)


def _jobs_of(status):
    """Yield all jobs of these statuses, newest first."""
    cursor = ""
    while cursor is not None:
        page = listing.page(Wanted(status), PAGE, cursor)
        yield from page["items"]
        cursor = page["next_cursor"]


def _is_old(job, age):
    return age is None or ms_of(job["finished_at"]) < now() - age


def _ask(question):
    if not sys.stdin.isatty():
        raise click.UsageError(
            "Nobody can be asked here: --yes deletes without asking, --dry-run only lists."
        )
    click.confirm(question, abort=True)


def _is_deleted(job_id):
    """Delete a job. Returns False when somebody was quicker: it is gone, or runs again."""
    try:
        lifecycle.delete(job_id)
        return True
    except (NotFound, WrongState):
        return False


def _jobs(number):
    return f"{number:,} job" if number == 1 else f"{number:,} jobs"
