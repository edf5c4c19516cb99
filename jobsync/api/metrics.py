"""`/metrics`: what the running system measures of itself, for Prometheus, and what pages report
that may.
"""

from flask import Response, current_app
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from jobsync import schemas, store
from jobsync.api.resource import Resource
from jobsync.base.clock import milliseconds, now
from jobsync.base.metrics import metrics
from jobsync.db.extensions import socketio
from jobsync.db.transactions import read
from jobsync.status import UNFINISHED

LONGEST = 60_000  # ms: what is older was not painted late but by a page that slept

blueprint = Resource(
    "metrics", __name__, url_prefix="/metrics", description="Figures of the running system"
)
READ = {
    "description": "The figures in Prometheus' text format",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}


@blueprint.get("")
@blueprint.doc(responses={"200": READ})
@blueprint.response(200)
def get_metrics():
    """Get the figures, for Prometheus"""
    metrics.viewers.set(len(socketio.server.eio.sockets))
    with read() as connection:
        metrics.workers.set(current_app.extensions["jobsync.heartbeats"].look(connection))
        counted = store.jobs.count_unfinished(connection)
    for status in UNFINISHED:
        metrics.unfinished.labels(status).set(counted.get(status, 0))
    return Response(generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST)


@blueprint.post("/painted")
@blueprint.arguments(schemas.Painted)
@blueprint.response(204)
def note_painted(body):
    """Report when changes were painted

    A page says which commit it painted, by `updated_at` of `structure`, and how long ago that was
    by its own stopwatch: no clock but the server's is compared with the server's. The way of the
    report counts too, so the figure is never too good.
    """
    if not current_app.config["PAINT_SAMPLING"]:
        return
    moment = now()
    for paint in body["paints"]:
        latency = moment - milliseconds(paint["updated_at"]) - paint["age_ms"]
        if 0 <= latency <= LONGEST:
            metrics.painted.observe(latency / 1000)
