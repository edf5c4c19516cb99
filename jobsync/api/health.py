"""`/healthz` and `/readyz`: is it alive, and can it do its work?"""

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from jobsync import schemas
from jobsync.api.resource import Resource
from jobsync.base.trouble import reason
from jobsync.db.transactions import read

blueprint = Resource("health", __name__, description="Liveness and readiness")


@blueprint.get("/healthz")
@blueprint.response(200, schemas.Health)
def is_alive():
    """Say that the server answers"""
    return {"status": "ok"}


@blueprint.get("/readyz")
@blueprint.response(200, schemas.Readiness)
@blueprint.alt_response(503, schema=schemas.Readiness, description="Not ready, with the reasons")
def is_ready():
    """Say whether the database can be read and written and workers are there"""
    reasons = list(_reasons())
    return {"ready": not reasons, "reasons": reasons}, 503 if reasons else 200


def _reasons():
    try:
        with read() as connection:
            workers = current_app.extensions["jobsync.heartbeats"].look(connection)
    except SQLAlchemyError as error:
        yield f"The database can't be read: {reason(error)}"
    else:
        problem = current_app.extensions["jobsync.write_probe"].why_not()
        if problem:
            # which is why a worker can't say that it lives
            yield f"The database can't be written to: {problem}"
        elif not workers:
            yield "No worker is running."
    monitor = current_app.extensions.get("jobsync.monitor")
    if monitor is None:
        yield "The step monitor is not running."
    elif monitor.trouble.text:
        yield f"The step monitor can't work: {monitor.trouble.text}"
