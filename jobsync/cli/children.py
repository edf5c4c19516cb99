"""`flask jobs children` and `flask jobs child`: the units of a step's work, and their attempts."""

import sys

import click
from rich.padding import Padding

from jobsync import store
from jobsync.base.clock import now
from jobsync.cli import fields, formatting, printing, tables
from jobsync.cli.commands import StoreCommand
from jobsync.cli.options import JOB, JSON, PARENT, STEP, Form, Name, Statuses
from jobsync.cli.screens import head
from jobsync.db.transactions import read
from jobsync.status import CHILD_SORTS, CHILD_STATUSES

PAGE = 1000  # children read at a time


@click.command("children", cls=StoreCommand)
@JOB
@STEP
@click.option(
    "--status",
    type=Statuses(CHILD_STATUSES),
    default=(),
    help=f"Only these: {', '.join(CHILD_STATUSES)}.",
)
@click.option(
    "--sort",
    type=click.Choice([sign + name for name in CHILD_SORTS for sign in ("", "-")]),
    default="number",
    show_default=True,
    help="With - before it the largest come first.",
)
@click.option(
    "--parent",
    type=Form("id", PARENT, "the id of a child, or none"),
    help="Only those that this child has spawned; none: those that no child has.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="At most so many, the first.",
)
@JSON
def children(job_id, step, status, sort, parent, limit, as_json):
    """List the children of a step: the units of its work.

    In a pipe: id, status, attempt, times of begin and end, exit code, name and error, with tabs
    between them.
    """
    wanted = {"status": status, "sort": sort, "parent": parent}
    if as_json:
        printing.print_json(_first(job_id, step, limit, wanted))
    else:
        # what they were given and what they made can be large
        _print_children(_first(job_id, step, limit, wanted, read_json=_nothing))


def _first(job_id, step, limit, wanted, read_json=None):
    """Return the first `limit` children as `GET …/children` gives them.

    A thousand at a time, each with a transaction of its own: a server is at work beside this.
    """
    items, cursor = [], None
    while True:
        number = min(limit - len(items), PAGE)
        with read() as connection:
            page = store.children.page(
                connection,
                job_id,
                step,
                limit=number,
                cursor=cursor,
                read_json=read_json,
                **wanted,
            )
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None or len(items) >= limit:
            return {**page, "items": items}


def _nothing(text):
    return None


def _print_children(page):
    """Print children as `GET …/children` gives them: a table on a terminal, else a line for each
    with tabs between the columns.
    """
    children = page["items"]
    if not sys.stdout.isatty():
        printing.print_rows(
            (
                child["id"],
                child["status"],
                child["attempt"],
                child["started_at"],
                child["finished_at"],
                child["exit_code"],
                child["name"],
                child["error"],
            )
            for child in children
        )
        return
    printing.console().print(
        tables.child_table(children, now()) if children else "There are no such children."
    )
    if page["total"] > len(children):
        click.echo(f"\n{len(children):,} of {page['total']:,} children; --limit shows more.")


@click.command("child", cls=StoreCommand)
@JOB
@STEP
@click.argument("child_id", metavar="CHILD", type=Name())
@JSON
def child(job_id, step, child_id, as_json):
    """Show a child of a step with its attempts."""
    with read() as connection:
        found = store.children.details(connection, job_id, step, child_id)
    if as_json:
        printing.print_json(found)
    else:
        _print_child(found)


def _print_child(child):
    """Print a child with its attempts, as `GET …/children/{child}` gives it."""
    said = fields.child_fields(child, now())
    if sys.stdout.isatty():
        console = printing.console()
        console.print(head(child["name"], child, now()))
        console.print(Padding(printing.grid(said), (1, 0)))
        if child["attempts"]:
            console.print(tables.attempt_table(child["attempts"], now()))
        return
    stopping = " (stopping)" if child["stopping"] else ""
    click.echo(f"{formatting.safe(child['name'])}: {child['status']}{stopping}")
    printing.print_fields(said)
    for attempt in child["attempts"]:
        click.echo(formatting.attempt_line(attempt, now()))
