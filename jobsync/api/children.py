"""`/api/jobs/{id}/steps/{name}/children`: the units of work of a step."""

from jobsync import schemas, store
from jobsync.api.answer import long_answer
from jobsync.api.resource import Resource
from jobsync.db.json import Encoded
from jobsync.db.transactions import read

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
    with read() as session:
        page = store.children.page(session, job_id, step_name, **query, read_json=Encoded)
    return long_answer(page, "items")
