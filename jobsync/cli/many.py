"""The same for many jobs: `--all` of some commands, and `flask jobs prune`."""

import sys
import time

import click

from jobsync import lifecycle
from jobsync.base.clock import DAY, now
from jobsync.base.errors import NotFound, WrongState
from jobsync.cli import printing, report
from jobsync.cli.commands import Mistakes, StoreCommand
from jobsync.cli.formatting import amount, ms_of
from jobsync.cli.options import Age, Name, Search, Statuses
from jobsync.lifecycle import bulk
from jobsync.status import JOB_STATUSES, actions
from jobsync.store import listing
from jobsync.store.listing import Wanted

PAGE = 500  # jobs read at a time
OLD = 30 * DAY  # age in ms at which jobs are pruned where nothing else is said
PAUSE = 0.01  # seconds between two transactions that clear away, for other writers
# the statuses of the jobs that allow an action
ALLOWING = {
    action: tuple(status for status in JOB_STATUSES if action in actions(status))
    for action in bulk.ACTIONS
}
DONE = {"cancel": "cancelled", "retry": "retried", "delete": "deleted"}


# --all


def selection(action):
    """Return a decorator that gives a command the options that select many jobs for an action."""
    allowing = ALLOWING[action]
    options = [
        click.option(
            "--all",
            "is_all",
            is_flag=True,
            help=f"All jobs that are {_listed(allowing)}, or those of them that --status, "
            "--definition and --q leave.",
        ),
        click.option(
            "--status", type=Statuses(allowing), help=f"Only these: {', '.join(allowing)}."
        ),
        click.option("--definition", type=Name(), help="Only jobs of this definition."),
        click.option(
            "--q", type=Search(), help="Only jobs with this in their name, id or parameters."
        ),
        click.option("--dry-run", is_flag=True, help=f"Only list what would be {DONE[action]}."),
        click.option("--yes", is_flag=True, help="Don't ask."),
    ]

    def give(command):
        for option in reversed(options):
            command = option(command)
        return command

    return give


def _listed(words):
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def is_meant(job_id, selected, of_one):
    """Say whether a command means many jobs, not the one with an id. Raises UsageError for both,
    for neither, and for options that don't go with what is meant.

    of_one: the values of options that one job has only, `{"--wait": False}`.
    """
    if selected["is_all"]:
        if job_id is not None:
            raise click.UsageError("Either ID or --all, not both.")
        wrong = [name for name, value in of_one.items() if value]
        if wrong:
            raise click.UsageError(f"{wrong[0]} is for one job: it doesn't go with --all.")
        return True
    if job_id is None:
        raise click.UsageError("Missing argument 'ID'; --all is for many jobs.")
    wrong = [name for name, value in selected.items() if value]
    if wrong:
        raise click.UsageError(f"--{wrong[0].replace('_', '-')} goes with --all only.")
    return False


def act(action, selected, as_json=False):
    """Cancel, retry or delete many jobs, after a question. What is refused is told, and the exit
    code is 1 then.
    """
    status = selected["status"] or ALLOWING[action]
    wanted = Wanted(status, selected["definition"], selected["q"])
    if selected["dry_run"]:
        _list(wanted, as_json)
        return
    job_ids = list(listing.ids(wanted))
    if job_ids and not selected["yes"]:
        _ask(action, len(job_ids))
    outcome = bulk.act(action, job_ids)
    if as_json:
        printing.print_json(outcome)
    else:
        click.echo(f"{amount(outcome['done'], 'job')} {DONE[action]}.")
    if action == "delete":
        clear_deleted()
    if outcome["refused"]:
        raise Mistakes([f"{refusal['id']}: {refusal['message']}" for refusal in outcome["refused"]])


def _list(wanted, as_json):
    found = list(_jobs_of(wanted))
    page = {"items": found, "total": len(found)}
    if as_json:
        printing.print_json(page)
    else:
        report.print_jobs(page)


def _jobs_of(wanted):
    """Yield all jobs that are wanted, newest first."""
    cursor = ""
    while cursor is not None:
        page = listing.page(wanted, PAGE, cursor)
        yield from page["items"]
        cursor = page["next_cursor"]


def _ask(action, number):
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"Nobody can be asked here: --yes {action}s without asking, --dry-run only lists."
        )
    click.confirm(f"{action.capitalize()} {amount(number, 'job')}?", abort=True)


def clear_deleted():
    """Clear away what deleted jobs have left."""
    while lifecycle.clear_deleted():
        time.sleep(PAUSE)


# prune


@click.command("prune", cls=StoreCommand)
@click.option(
    "--older-than",
    type=Age(),
    help="Only jobs that ended longer ago, such as 30d or 12h.  [default: 30d, none with --keep]",
)
@click.option("--keep", type=click.IntRange(0), help="Keep so many of them, the newest.")
@click.option(
    "--status",
    type=Statuses(ALLOWING["delete"]),
    default=ALLOWING["delete"],
    help=f"Only these: {', '.join(ALLOWING['delete'])}.",
)
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def prune(older_than, keep, status, dry_run, yes):
    """Delete jobs that have ended, with all they own."""
    if older_than is None and keep is None:
        older_than = OLD
    ended = list(_jobs_of(Wanted(status)))
    doomed = [job for job in ended[keep or 0 :] if _is_old(job, older_than)]
    if dry_run:
        report.print_jobs({"items": doomed, "total": len(doomed)})
        return
    if doomed and not yes:
        _ask("delete", len(doomed))
    click.echo(f"{amount(sum(_is_deleted(job['id']) for job in doomed), 'job')} deleted.")
    clear_deleted()


def _is_old(job, age):
    return age is None or ms_of(job["finished_at"]) < now() - age


def _is_deleted(job_id):
    """Delete a job. Returns False when somebody was quicker: it is gone, or runs again."""
    try:
        lifecycle.delete(job_id)
        return True
    except (NotFound, WrongState):
        return False
