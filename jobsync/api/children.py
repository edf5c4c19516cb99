"""`/api/jobs/{id}/steps/{name}`: controlling a step, and its children, the units of its work."""

from jobsync import lifecycle, schemas, store
from jobsync.api.answer import long_answer
from jobsync.api.resource import Resource
from jobsync.db.json import Encoded
from jobsync.db.transactions import read
from jobsync.store.structure import structure_of

blueprint = Resource(
    "children", __name__, url_prefix="/api/jobs", description="Steps and their units of work"
)


@blueprint.get("/<job_id>/steps/<step_name>/children")
@blueprint.arguments(schemas.ChildrenQuery, location="query")
@blueprint.response(200, schemas.Children)
def list_children(query, job_id, step_name):
    """List a step's children, in the order they were planned unless `sort` says otherwise

    A page of more than 4 MiB ends before `limit`: `next_cursor` goes on.
    """
    with read() as connection:
        page = store.children.page(connection, job_id, step_name, **query, read_json=Encoded)
    return long_answer(page, "items")


@blueprint.post("/<job_id>/steps/<step_name>/cancel")
@blueprint.response(202, schemas.Structure)
def cancel_step(job_id, step_name):
    """Cancel a step and its unfinished children; the job goes on with the others"""
    lifecycle.cancel_step(job_id, step_name)
    return _structure(job_id)


@blueprint.post("/<job_id>/steps/<step_name>/retry")
@blueprint.response(202, schemas.Structure)
def retry_step(job_id, step_name):
    """Run a step's failed and cancelled children again, and what was skipped because of it"""
    lifecycle.retry_step(job_id, step_name)
    return _structure(job_id)


def _structure(job_id):
    with read() as connection:
        return structure_of(connection, job_id)


@blueprint.get("/<job_id>/steps/<step_name>/children/<child_id>")
@blueprint.response(200, schemas.ChildDetails)
def get_child(job_id, step_name, child_id):
    """Get a child with its attempts"""
    return _details(job_id, step_name, child_id)


def _details(job_id, step_name, child_id):
    with read() as connection:
        return store.children.details(connection, job_id, step_name, child_id)


@blueprint.post("/<job_id>/steps/<step_name>/children/<child_id>/cancel")
@blueprint.response(202, schemas.ChildDetails)
def cancel_child(job_id, step_name, child_id):
    """Cancel one child; its step goes on with the others"""
    lifecycle.cancel_child(job_id, step_name, child_id)
    return _details(job_id, step_name, child_id)


@blueprint.post("/<job_id>/steps/<step_name>/children/<child_id>/retry")
@blueprint.response(202, schemas.ChildDetails)
def retry_child(job_id, step_name, child_id):
    """Run one failed or cancelled child again, and what was skipped because its step failed"""
    lifecycle.retry_child(job_id, step_name, child_id)
    return _details(job_id, step_name, child_id)
