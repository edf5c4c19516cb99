"""`/api/jobs/{id}/steps/{name}/children`: the units of work of a step."""

from jobsync import schemas, store
from jobsync.api.answer import long_answer
from jobsync.api.problem import Resource
from jobsync.db.extensions import Encoded

blueprint = Resource(
    "children", __name__, url_prefix="/api/jobs", description="Units of work of a step"
)


@blueprint.get("/<job_id>/steps/<step_name>/children")
@blueprint.arguments(schemas.ChildrenQuery, location="query")
@blueprint.response(200, schemas.Children)
def list_children(query, job_id, step_name):
    """List a step's children in the order they were planned

    A page of more than 4 MiB ends before `limit`: `next_cursor` goes on.
    """
    return long_answer(store.children(job_id, step_name, **query, read_json=Encoded), "items")
