"""`/api/jobs`: listing, starting and controlling jobs."""

import hashlib
import json

from flask import current_app

from jobsync import lifecycle, schemas, store
from jobsync.api.answer import long_answer
from jobsync.api.resource import Resource
from jobsync.base.errors import AlreadySubmitted, BadInput, NotFound, WrongState
from jobsync.db.transactions import read
from jobsync.lifecycle import bulk
from jobsync.store import listing

blueprint = Resource("jobs", __name__, url_prefix="/api/jobs", description="Runs of definitions")

SOURCE = "api"


def _shown(job_id):
    with read() as connection:
        return store.jobs.get(connection, job_id)


def _definition(definition_id):
    return current_app.extensions["jobsync.definitions"].find(definition_id)


@blueprint.get("")
@blueprint.arguments(schemas.JobsQuery, location="query")
@blueprint.response(200, schemas.Jobs)
def list_jobs(query):
    """List jobs, newest first"""
    wanted = listing.Wanted.of(query)
    return listing.page(wanted, query["limit"], query.get("cursor"))


@blueprint.post("")
@blueprint.arguments(schemas.NewJob)
@blueprint.arguments(schemas.SubmitHeaders, location="headers")
@blueprint.response(202, schemas.Job)
def submit_job(body, headers):
    """Start a job

    With an Idempotency-Key that was used for the same body within 24 h it is the job of that time,
    and the answer has the header Idempotent-Replayed.
    """
    asked = _request(headers.get("key"), body)
    try:
        if asked:
            lifecycle.refuse_repeated(asked)  # whatever has become of the definition since
        return _shown(_submit(body, asked))
    except AlreadySubmitted as error:
        return _shown(error.job_id), 202, {"Idempotent-Replayed": "true"}


def _submit(body, asked):
    try:
        definition = _definition(body["definition"])
    except NotFound as error:
        raise BadInput("The input is not valid.", {"definition": [error.message]}) from error
    return lifecycle.submit(
        definition, body["params"], SOURCE, priority=body.get("priority"), request=asked
    )


def _request(key, body):
    if key is None:
        return None
    text = json.dumps(body, sort_keys=True)
    return lifecycle.Request(key, hashlib.sha256(text.encode()).hexdigest())


@blueprint.post("/bulk")
@blueprint.arguments(schemas.Bulk)
@blueprint.response(200, schemas.BulkDone)
def act_on_many(body):
    """Cancel, retry or delete many jobs

    Each by itself: those that don't allow it are named, the others are done.
    """
    if "ids" in body:
        job_ids = dict.fromkeys(body["ids"])
    else:
        job_ids = listing.ids(listing.Wanted.of(body["filter"]))
    act = bulk.check if body["dry_run"] else bulk.act
    return long_answer(act(body["action"], job_ids), "refused")


@blueprint.get("/<job_id>")
@blueprint.response(200, schemas.Job)
def get_job(job_id):
    """Get a job with its result"""
    return _shown(job_id)


@blueprint.delete("/<job_id>")
@blueprint.response(204)
def delete_job(job_id):
    """Delete a job that has ended, with all it owns"""
    lifecycle.delete(job_id)


@blueprint.post("/<job_id>/cancel")
@blueprint.response(202, schemas.Job)
def cancel_job(job_id):
    """Cancel a job, its unfinished steps and children"""
    lifecycle.cancel(job_id)
    return _shown(job_id)


@blueprint.post("/<job_id>/retry")
@blueprint.response(202, schemas.Job)
def retry_job(job_id):
    """Run the failed, cancelled and skipped steps of a failed or cancelled job again"""
    lifecycle.retry(job_id)
    return _shown(job_id)


@blueprint.post("/<job_id>/rerun")
@blueprint.arguments(schemas.Rerun, required=False)
@blueprint.response(202, schemas.Job)
def rerun_job(body, job_id):
    """Start a new job like this one; given parameters replace its own"""
    old = _shown(job_id)
    try:
        definition = _definition(old["definition"])
    except NotFound as error:
        raise WrongState(f"The job can't be run again: {error.message}") from error
    return _shown(lifecycle.rerun(job_id, definition, body["params"], SOURCE))
