"""A job in full and its end, told on a terminal or in a pipe."""

import sys

import click
from flask import current_app
from rich.padding import Padding
from rich.text import Text

from jobsync import store
from jobsync.base import server_address
from jobsync.base.clock import now
from jobsync.cli import fields, formatting, printing, tables
from jobsync.cli.screens import head, trouble_table
from jobsync.db.transactions import read
from jobsync.status import COMPLETED, FAILED
from jobsync.store import logs

WIDE = 110  # columns of a terminal that has room for errors in a list
REASONS = 5  # failed children told of each failed step
LINES = 5  # last ones of each of them
STEPS = 10  # failed ones told of


def details(job_id):
    """Return a job as the API shows it and its `steps`, both from one moment. Raises NotFound."""
    with read() as connection:
        steps = store.structure.structure_of(connection, job_id)["steps"]
        return {**store.jobs.get(connection, job_id), "steps": steps}


def print_jobs(page):
    """Print a list of jobs as `GET /api/jobs` gives it: a table on a terminal, else a line for
    each with tabs between the columns.
    """
    if not sys.stdout.isatty():
        printing.print_rows(
            (
                job["id"],
                job["status"],
                job["definition"],
                job["created_at"],
                job["finished_at"],
                job["name"],
            )
            for job in page["items"]
        )
        return
    console = printing.console()
    with read() as connection:
        strips = store.steps.strips(connection, [job["id"] for job in page["items"]])
    console.print(
        tables.job_table(page["items"], strips, now(), console.width >= WIDE)
        if page["items"]
        else "There are no such jobs."
    )
    if page["total"] > len(page["items"]):
        click.echo(f"\n{len(page['items']):,} of {page['total']:,} jobs; --limit shows more.")


def print_job(job):
    """Print a job in full, as `details` has it."""
    with read() as connection:
        reruns = store.jobs.reruns_of(connection, job["id"])
    said = fields.job_fields(job, now(), reruns)
    if sys.stdout.isatty():
        console = printing.console()
        console.print(head(job["name"], job, now()))
        console.print(Padding(printing.grid(said), (1, 0)))
        console.print(tables.step_table(job["steps"], now()))
    else:
        click.echo(f"{formatting.safe(job['name'])}: {job['status']}")
        printing.print_fields(said)
        for step in job["steps"]:
            click.echo(formatting.step_line(step, now()))
    print_end(job)


def print_end(job):
    """Print what came of a job that has ended: its result in short, or what went wrong."""
    if job["status"] == FAILED:
        failed = [step for step in job["steps"] if step["status"] == FAILED]
        if not any(job["error"].startswith(f"{step['name']}: ") for step in failed):
            click.echo(f"\nThe job failed: {formatting.safe(job['error'])}")
        with read() as connection:
            pks = {step["name"]: step["pk"] for step in store.steps.details(connection, job["id"])}
            for step in failed[:STEPS]:
                _print_reasons(connection, step, pks[step["name"]])
        if len(failed) > STEPS:
            click.echo(f"\nand {len(failed) - STEPS:,} more steps failed")
        url = server_address.find(current_app.config["DATA_DIR"])
        if url:
            click.echo(f"\nIts page: {url}jobs/{job['id']}")
    if job["status"] == COMPLETED and job["result"]:
        _print_result(job["result"])


def _print_result(result):
    figures, sums = fields.result_fields(result), list(fields.result_sums(result))
    if sys.stdout.isatty():
        console = printing.console()
        console.print(Padding(printing.grid(figures), (1, 0, 0, 0)))
        for title, rows in sums:
            console.print(Padding(tables.sums_table(title, rows), (1, 0, 0, 0)))
        return
    for name, text in figures:
        click.echo(f"{name}: {text}")
    for title, rows in sums:
        for name, files, size, lines in rows[: tables.ROWS]:
            click.echo(f"{title}: {name}: {files:,} files, {size:,} bytes, {lines:,} lines")


def _print_reasons(connection, step, step_pk):
    """Print why a step failed: its reason, and its first failed children with their last lines;
    without any, its own last lines.
    """
    click.echo(f"\n{step['name']} failed: {formatting.safe(step['error'])}")
    children = store.children.failed(connection, step_pk, REASONS)
    for child in children:
        click.echo(f"  {formatting.safe(child.name)}: {formatting.safe(child.error)}")
        _print_lines(
            logs.last_lines_of(
                connection,
                step["name"],
                step_pk,
                step["log_count"],
                child.pk,
                child.finished_at,
                LINES,
            )
        )
    left_out = step["children"][FAILED] - len(children)
    if left_out > 0:
        click.echo(f"  and {left_out:,} more")
    if not children:
        _print_lines(
            logs.last_lines_of(
                connection,
                step["name"],
                step_pk,
                step["log_count"],
                None,
                formatting.ms_of(step["finished_at"]),
                LINES,
            )
        )


def _print_lines(lines):
    """Print log lines as the last words of a child."""
    if lines and sys.stdout.isatty():
        printing.console().print(Padding(trouble_table(lines), (0, 0, 0, 4)))
        return
    for line in lines:
        time_of_day, message = formatting.time_of_day(line["at"]), formatting.safe(line["message"])
        click.echo(f"    {time_of_day} {line['level']} {message}")


def print_line(line):
    """Print a log line."""
    if sys.stdout.isatty():
        text = Text.assemble(
            (formatting.time_of_day(line["at"]), "dim"),
            f" {line['level']:<7} ",
            (formatting.safe(line["message"]), formatting.LEVEL_STYLES[line["level"]]),
        )
        printing.console().print(text, soft_wrap=True)
    else:
        click.echo(f"{line['at']} {line['level']} {formatting.safe(line['message'])}")
