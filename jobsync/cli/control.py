"""`flask jobs cancel`, `retry` and `delete`: of a job, of a part of one, or of many jobs."""

import sys

import click

from jobsync import lifecycle, store
from jobsync.cli import fields, follow, interrupt, many, printing, report
from jobsync.cli.commands import Mistakes, StoreCommand
from jobsync.cli.options import JSON, WAIT, Name
from jobsync.cli.started import after_start
from jobsync.db.transactions import read

OPTIONAL_JOB = click.argument("job_id", metavar="[ID]", required=False, type=Name())


def part(command):
    """Give a command the options that name a part of a job."""
    step = click.option("--step", type=Name(), help="Only this step of the job.")
    child = click.option("--child", type=Name(), help="Only this child of the step, by its id.")
    return step(child(command))


def _check_part(step, child):
    if child is not None and step is None:
        raise click.UsageError("--child needs --step: the step that it is a child of.")


@click.command("cancel", cls=StoreCommand)
@OPTIONAL_JOB
@part
@many.selection("cancel")
@click.option(
    "--wait",
    is_flag=True,
    help="Wait until nothing of the job runs any more; exit code 0 only if no process is left.",
)
@JSON
def cancel(job_id, step, child, wait, as_json, **selection):
    """Cancel a job, a step or a child of it, or many jobs."""
    _check_part(step, child)
    if many.is_meant(job_id, selection, {"--step": step, "--wait": wait}):
        many.act("cancel", selection, as_json)
        return
    if step is not None and wait:
        raise click.UsageError("--wait waits for a whole job: it doesn't go with --step.")
    _cancel(job_id, step, child)
    if not as_json:
        click.echo(f"{_named(job_id, step, child)} is cancelled.")
    receipt = None if step else _receipt_of(job_id, wait)
    if as_json:
        printing.print_json(report.details(job_id))
    elif receipt:
        _tell_receipt(receipt, wait)
    left = fields.left(receipt) if receipt else []
    if left:
        raise Mistakes([f"left: {text}" for text in left])


def _cancel(job_id, step, child):
    if step is None:
        lifecycle.cancel(job_id)
    elif child is None:
        lifecycle.cancel_step(job_id, step)
    else:
        lifecycle.cancel_child(job_id, step, child)


def _named(job_id, step, child):
    if step is None:
        return job_id
    whole = f"The step {step} of {job_id}"
    return whole if child is None else f"The child {child} of the step {step} of {job_id}"


def _receipt_of(job_id, wait):
    """Return the receipt of a job that was just cancelled: as it is now, or once nothing of the job
    is being stopped any more.
    """
    if not wait:
        with read() as connection:
            return store.jobs.get(connection, job_id)["cancellation"]
    try:
        with interrupt.heeded():
            return follow.wait_until_stopped(job_id, lambda text: click.echo(text, err=True))
    except KeyboardInterrupt:
        click.echo("Not waited for any more; the job stays cancelled.", err=True)
        sys.exit(interrupt.EXIT_CODE)


def _tell_receipt(receipt, wait):
    """Print a receipt, unless it says nothing but that there was nothing to stop."""
    if wait or any(receipt["children"].values()) or not receipt["done_at"]:
        text = fields.receipt(receipt)
        click.echo(f"{text[0].upper()}{text[1:]}.")


@click.command("retry", cls=StoreCommand)
@OPTIONAL_JOB
@part
@many.selection("retry")
@WAIT
@JSON
def retry(job_id, step, child, wait, as_json, **selection):
    """Run what failed or was cancelled again, and print the job's id.

    Children that completed are kept. With --step or --child it is that part alone, and what was
    skipped because of it. With --all the number of jobs is printed.
    """
    _check_part(step, child)
    if many.is_meant(job_id, selection, {"--step": step, "--wait": wait}):
        many.act("retry", selection, as_json)
        return
    if step is None:
        lifecycle.retry(job_id)
    elif child is None:
        lifecycle.retry_step(job_id, step)
    else:
        lifecycle.retry_child(job_id, step, child)
    after_start(job_id, wait, as_json)


@click.command("delete", cls=StoreCommand)
@OPTIONAL_JOB
@many.selection("delete")
def delete(job_id, **selection):
    """Delete a job that has ended, or many, with all they own."""
    if many.is_meant(job_id, selection, {}):
        many.act("delete", selection)
        return
    lifecycle.delete(job_id)
    click.echo(f"{job_id} is deleted.")
    many.clear_deleted()
