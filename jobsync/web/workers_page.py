"""The page of the workers and the queues, and what can be done with them.

An open page asks for its changing part alone, `/workers/now`.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property

from flask import Blueprint, Response, current_app, redirect, render_template, request, url_for

from jobsync import lifecycle, store
from jobsync.base.errors import BadInput, NotFound, WrongState
from jobsync.db.transactions import read
from jobsync.status import RUNNING, WORKER_STATES
from jobsync.web.rendering import render

QUEUE = re.compile("[A-Za-z0-9_-]{1,64}")

blueprint = Blueprint("workers_page", __name__)


@dataclass(frozen=True)
class Floor:
    """All that works, and what waits for it, from one moment.

    workers, queues: as `store.workers` shows them. names: of the jobs and the children that are
    being done, by id. jobs: how many aren't terminal.
    """

    workers: list
    queues: list
    names: dict
    jobs: int

    @cached_property
    def running(self):
        """How many workers take work."""
        return sum(worker["state"] == RUNNING for worker in self.workers)

    @cached_property
    def busy(self):
        """How many workers have something to do."""
        return sum(bool(worker["busy"]) for worker in self.workers)

    @property
    def sum(self):
        """`2 running, 1 draining · 3 at work`."""
        states = [worker["state"] for worker in self.workers]
        found = [state for state in WORKER_STATES if state in states or state == RUNNING]
        said = ", ".join(f"{states.count(state):,} {state}" for state in found)
        return f"{said} · {self.busy:,} at work" if self.workers else said

    @cached_property
    def pending(self):
        """How many children wait."""
        return sum(queue["pending"] for queue in self.queues)

    def others(self, worker):
        """Return how many workers would go on taking work without this one."""
        return self.running - (worker["state"] == RUNNING)

    def find(self, worker_id):
        """Return a worker. Raises NotFound."""
        for worker in self.workers:
            if worker["id"] == worker_id:
                return worker
        raise NotFound(f"There is no worker {worker_id!r}. It has ended.")

    @property
    def etag(self):
        """A text that differs as soon as anything shown does, but for what time alone changes."""
        heard = [
            {**worker, "beat_at": worker["beat_at"] if worker["state"] == "lost" else None}
            for worker in self.workers
        ]
        said = repr((heard, self.queues, self.names, self.jobs)).encode("utf-8", "replace")
        start = current_app.extensions["jobsync.web"]
        return f"{start}-{hashlib.sha256(said).hexdigest()[:16]}"


def _look():
    heartbeats = current_app.extensions["jobsync.heartbeats"]
    with read() as connection:
        heartbeats.look(connection)
        workers = store.workers.shown(connection, heartbeats)
        queues = store.workers.queues(connection)
        names = store.workers.names(connection, workers)
        jobs = sum(store.jobs.count_unfinished(connection).values())
    return Floor(workers, queues, names, jobs)


@blueprint.after_request
def _forbid_stale_copies(response):
    response.headers.setdefault("Cache-Control", "no-cache")
    return response


@blueprint.get("/workers")
def show_workers():
    """Show the workers and the queues."""
    return _page("workers/index.html")


@blueprint.get("/workers/now")
def show_workers_now():
    """Show what changes of the page, alone: what a page that is open puts in place."""
    return _page("workers/_now.html")


def _page(template):
    floor = _look()
    if request.if_none_match.contains_weak(floor.etag):
        response = Response(status=304)
    else:
        started = current_app.config["WORKERS"]
        etag = f'"{floor.etag}"'
        response = Response(render(template, floor=floor, started=started, etag=etag))
    response.set_etag(floor.etag)
    return response


@blueprint.post("/workers/<worker_id>/drain")
def drain_worker(worker_id):
    """Drain a worker, once the viewer has said that it is meant."""
    floor = _look()
    worker = floor.find(worker_id)
    if worker["state"] != RUNNING:
        raise WrongState(f"The worker is {worker['state']} already.")
    if request.form.get("sure") != "yes":
        return render_template("workers/drain.html", floor=floor, worker=worker)
    lifecycle.drain(worker_id)
    return redirect(url_for("workers_page.show_workers"), 303)


@blueprint.post("/queues/<name>/pause")
def pause_queue(name):
    """Let workers take nothing more from a queue."""
    return _set_paused(name, True)


@blueprint.post("/queues/<name>/resume")
def resume_queue(name):
    """Let workers take from a queue again."""
    return _set_paused(name, False)


def _set_paused(name, is_paused):
    if not QUEUE.fullmatch(name):
        reason = "Must be 1 to 64 of the characters A-Z a-z 0-9 _ -."
        raise BadInput("The input is not valid.", {"name": [reason]})
    lifecycle.pause_queue(name, is_paused)
    return redirect(url_for("workers_page.show_workers"), 303)
