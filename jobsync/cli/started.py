"""What follows once a command has started a job: its id is told, and it is followed if wanted."""

import sys
import time

import click

from jobsync import store
from jobsync.cli import interrupt, printing, report
from jobsync.cli.follow import Follower
from jobsync.cli.formatting import duration, ms_of
from jobsync.cli.screens import open_screen
from jobsync.db.transactions import read
from jobsync.status import COMPLETED


def after_start(job_id, wait, as_json):
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
        sys.exit(interrupt.EXIT_CODE)
    if as_json:
        printing.print_json(report.details(job_id))
    elif wait:
        _tell_end(job_id)
    if status != COMPLETED:
        sys.exit(1)


def _follow(job_id, stream):
    """Follow a job and return the status in which it has ended."""
    with read() as connection:
        name = store.jobs.get(connection, job_id)["name"]
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
