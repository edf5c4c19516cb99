"""The terminal door: `flask jobs …`, `flask seed`, and what the embedded engine starts its
workers with.
"""

import gc
import os
import signal

import click
from flask import current_app
from flask.cli import with_appcontext

from jobsync.cli import children, control, jobs, many, seed, workers
from jobsync.engine.worker import Worker, lower_priority

OF_JOBS = (
    control.cancel,
    control.retry,
    control.delete,
    many.prune,
    children.children,
    children.child,
    workers.workers,
    workers.queues,
    workers.drain,
    workers.pause,
    workers.resume,
)


def init_app(app):
    """Register the commands."""
    for command in OF_JOBS:
        jobs.jobs.add_command(command)
    for command in (jobs.jobs, seed.seed, worker):
        app.cli.add_command(command)


@click.command(hidden=True)
@click.argument("worker_id")
@with_appcontext
def worker(worker_id):
    """Work for the server that started this process, until that ends."""
    signal.signal(signal.SIGINT, lambda *_: None)
    lower_priority()
    # what a worker is made of is no garbage: to look at all of that took 0.1 s every time that many
    # results were read
    gc.freeze()
    Worker(current_app._get_current_object(), worker_id).run()
    # all is stored: what Python would do yet takes longer than the rest of the stop, and the server
    # waits for it
    os._exit(0)
