"""`/api/jobs/{id}/logs`: lines by the page, and all of them as a file."""

import json

from flask import Response, stream_with_context

from jobsync import schemas, store
from jobsync.api.answer import long_answer
from jobsync.api.resource import Resource
from jobsync.base.loop import in_turns
from jobsync.base.text import gathered, printable
from jobsync.db.transactions import read
from jobsync.store import logs

TEXT, JSONL = "text/plain", "application/jsonl"
_LINES = {"type": "string"}
DOWNLOADED = {
    "description": "The lines, as text or a JSON object each",
    "content": {TEXT: {"schema": _LINES}, JSONL: {"schema": _LINES}},
}

blueprint = Resource(
    "logs", __name__, url_prefix="/api/jobs", description="What steps have written"
)


@blueprint.get("/<job_id>/logs")
@blueprint.arguments(schemas.LogsQuery, location="query")
@blueprint.response(200, schemas.Logs)
def list_lines(query, job_id):
    """Get a page of a step's lines, ascending

    `after=k` gives the lines after line k, `before=k` those that end just before k, neither the
    last ones. A page of more than 4 MiB ends
    early: `next` is there then, and says with which `after` or `before` to go on.
    """
    step, q = query.pop("step"), query.pop("q", None)
    if q:
        page = logs.search(job_id, step, q, **query)
    else:
        with read() as connection:
            page = logs.page(connection, job_id, step, **query)
    return long_answer(page, "items")


@blueprint.get("/<job_id>/logs/download")
@blueprint.arguments(schemas.DownloadQuery, location="query")
@blueprint.doc(responses={"200": DOWNLOADED})
@blueprint.response(200)
def download_lines(query, job_id):
    """Download all lines of a step, or of all steps, that there are now"""
    with read() as connection:
        names = [query["step"]] if "step" in query else store.steps.names(connection, job_id)
    lines = [logs.everything(job_id, name, query["level"]) for name in names]
    write, mimetype, ending = FORMATS[query["format"]]
    name = "-".join([job_id, *([query["step"]] if "step" in query else [])])
    headers = {"Content-Disposition": f'attachment; filename="{name}.{ending}"'}
    body = gathered(in_turns(write(line) for step_lines in lines for line in step_lines))
    return Response(stream_with_context(body), mimetype=mimetype, headers=headers)


def _as_text(line):
    """Return a line for people: what a terminal would obey is written out."""
    return (
        f"{line['step']}\t{line['line']}\t{line['at']}\t{line['level']}\t"
        f"{printable(line['message'])}\n"
    )


def _as_json(line):
    return json.dumps(line) + "\n"


FORMATS = {"text": (_as_text, TEXT, "log"), "jsonl": (_as_json, JSONL, "jsonl")}
