"""`/api/workers` and `/api/queues`: who does the work, and what waits for them."""

import re

from flask import current_app

from jobsync import lifecycle, schemas, store
from jobsync.api.resource import Resource
from jobsync.base.errors import BadInput
from jobsync.db.transactions import read

QUEUE = re.compile("[A-Za-z0-9_-]{1,64}")

blueprint = Resource(
    "workers", __name__, url_prefix="/api", description="Workers, and the queues they serve"
)


def _workers():
    heartbeats = current_app.extensions["jobsync.heartbeats"]
    with read() as connection:
        heartbeats.look(connection)
        return store.workers.shown(connection, heartbeats)


@blueprint.get("/workers")
@blueprint.response(200, schemas.Workers)
def list_workers():
    """List the workers, with what each one does"""
    return {"items": _workers()}


@blueprint.post("/workers/<worker_id>/drain")
@blueprint.response(202, schemas.Workers)
def drain_worker(worker_id):
    """Let a worker take nothing new; it ends when it has nothing left"""
    lifecycle.drain(worker_id)
    return {"items": [worker for worker in _workers() if worker["id"] == worker_id]}


@blueprint.get("/queues")
@blueprint.response(200, schemas.Queues)
def list_queues():
    """List the queues, with what waits in each"""
    with read() as connection:
        return {"items": store.workers.queues(connection)}


@blueprint.post("/queues/<name>/pause")
@blueprint.response(200, schemas.Queue)
def pause_queue(name):
    """Let workers take nothing more from a queue; what runs goes on"""
    return _set_paused(name, True)


@blueprint.post("/queues/<name>/resume")
@blueprint.response(200, schemas.Queue)
def resume_queue(name):
    """Let workers take from a queue again"""
    return _set_paused(name, False)


def _set_paused(name, paused):
    if not QUEUE.fullmatch(name):
        reason = "Must be 1 to 64 of the characters A-Z a-z 0-9 _ -."
        raise BadInput("The input is not valid.", {"name": [reason]})
    lifecycle.pause_queue(name, paused)
    with read() as connection:
        return next(found for found in store.workers.queues(connection) if found["name"] == name)
