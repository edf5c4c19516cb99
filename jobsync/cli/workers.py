"""`flask jobs workers`, `queues`, `drain`, `pause` and `resume`: who does the work, and what waits
for them.
"""

import sys

import click

from jobsync import lifecycle, store
from jobsync.base.clock import now
from jobsync.cli import printing, tables
from jobsync.cli.commands import StoreCommand
from jobsync.cli.options import JSON, QUEUE, Name
from jobsync.db.transactions import read
from jobsync.store.workers import Heartbeats


@click.command("workers", cls=StoreCommand)
@JSON
def workers(as_json):
    """List the workers, with what each one does.

    In a pipe: id, state, host, process, children completed and failed, bytes of memory, time of
    start, and what it does (JOB/STEP/CHILD, with commas between them), with tabs between them.
    """
    # Nothing was seen of them before: those are lost whose last heartbeat is old by the clock
    heartbeats = Heartbeats()
    with read() as connection:
        heartbeats.look(connection)
        found = store.workers.shown(connection, heartbeats)
    if as_json:
        printing.print_json({"items": found})
    else:
        _print_workers(found)


def _print_workers(workers):
    """Print workers as `GET /api/workers` gives them."""
    if not sys.stdout.isatty():
        printing.print_rows(
            (
                worker["id"],
                worker["state"],
                worker["host"],
                worker["pid"],
                worker["completed"],
                worker["failed"],
                worker["memory_bytes"],
                worker["started_at"],
                ",".join(_unit(busy) for busy in worker["busy"]),
            )
            for worker in workers
        )
        return
    printing.console().print(
        tables.worker_table(workers, now())
        if workers
        else "No worker is running: start `python app.py`."
    )


def _unit(busy):
    return "/".join(filter(None, (busy["job_id"], busy["step"], busy["child_id"])))


@click.command("queues", cls=StoreCommand)
@JSON
def queues(as_json):
    """List the queues, with what waits in each.

    In a pipe: name, open or paused, the numbers of children that wait and that run, and of workers,
    with tabs between them.
    """
    with read() as connection:
        found = store.workers.queues(connection)
    if as_json:
        printing.print_json({"items": found})
    else:
        _print_queues(found)


def _print_queues(queues):
    """Print queues as `GET /api/queues` gives them."""
    if sys.stdout.isatty():
        printing.console().print(tables.queue_table(queues))
        return
    printing.print_rows(
        (
            queue["name"],
            "paused" if queue["paused"] else "open",
            queue["pending"],
            queue["running"],
            queue["workers"],
        )
        for queue in queues
    )


@click.command("drain", cls=StoreCommand)
@click.argument("worker", type=Name())
def drain(worker):
    """Let a worker take nothing new; it ends when it has nothing left."""
    lifecycle.drain(worker)
    click.echo(f"{worker} takes nothing new, and ends when it has nothing left.")


@click.command("pause", cls=StoreCommand)
@QUEUE
def pause(queue):
    """Let workers take nothing more from a queue; what runs goes on."""
    lifecycle.pause_queue(queue, True)
    click.echo(f"The queue {queue} is paused; what runs goes on.")


@click.command("resume", cls=StoreCommand)
@QUEUE
def resume(queue):
    """Let workers take from a queue again."""
    lifecycle.pause_queue(queue, False)
    click.echo(f"The queue {queue} is open.")
