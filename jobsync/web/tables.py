"""What can be taken away from a result: all of it as JSON, a table of it as CSV."""

import csv
import io
import json
import re

from flask import Blueprint, Response, request, stream_with_context

from jobsync import store
from jobsync.errors import NotFound
from jobsync.extensions import socketio
from jobsync.web.result import grid

blueprint = Blueprint("tables", __name__)

RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are wide forms of the first
BOM = "\ufeff"  # else Excel takes the file for one of the machine's own code page and garbles names; what programs read is the JSON


@blueprint.get("/jobs/<job_id>/result.json")
def download_result(job_id):
    """Send the whole result."""
    job = store.job(job_id)
    text = json.dumps(_result(job), ensure_ascii=False, indent=2)
    return _file(text + "\n", "application/json", f"{job['definition']}-{job_id}.json")


@blueprint.get("/jobs/<job_id>/result.csv")
def download_table(job_id):
    """Send the table that `?table=` points at (RFC 6901), with all its rows."""
    job = store.job(job_id)
    pointer = request.args.get("table", "")
    found = _table(_result(job), pointer)
    if found is None:
        raise NotFound(f"There is no table {pointer!r} in the result of job {job_id!r}.")
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", pointer).strip("-") or "result"
    return _file(BOM + as_csv(*found), "text/csv", f"{job['definition']}-{job_id}-{name}.csv")


@blueprint.get("/jobs/<job_id>/steps/<step_name>/files.csv")
def download_files(job_id, step_name):
    """Send all files that the children of a step list in their results, as they are found: there may be very many."""
    job, step = store.job(job_id), store.step_row(job_id, step_name)
    chunks = stream_with_context(_file_rows(step.pk))
    return _file(chunks, "text/csv", f"{job['definition']}-{job_id}-files.csv")


def _file_rows(step_pk):
    """Yield a CSV of the `files` of all completed children of a step. Its head has the keys of the first file."""
    names = None
    for pk in store.completed_children(step_pk):
        files = store.child_result(pk, "files")
        socketio.sleep(0)  # each takes some milliseconds; others have their turn between
        if not isinstance(files, list) or not files or not all(isinstance(file, dict) for file in files):
            continue
        is_first, names = names is None, names or list(files[0])
        text = as_csv(names, [[file.get(name) for name in names] for file in files])
        yield (BOM + text if is_first else text.partition("\n")[2]).encode("utf-8", "replace")


def _result(job):
    if job["result"] is None:
        raise NotFound(f"The job {job['id']!r} has no result.")
    return job["result"]


def _table(value, pointer):
    keys = pointer.split("/")[1:]
    for key in keys:
        key = key.replace("~1", "/").replace("~0", "~")
        if not (isinstance(value, dict) and key in value):
            return None
        value = value[key]
    return grid(value, depth=len(keys))


def as_csv(names, rows):
    """Return a table as CSV (RFC 4180). A text that a spreadsheet would run gets an apostrophe in front; numbers stay numbers."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_harmless(name) for name in _headed(names)])
    writer.writerows([_written(value) for value in row] for row in rows)
    return out.getvalue()


def _headed(names):
    alone = "value" if len(names) == 1 else "name"
    return [name or alone for name in names]


def _written(value):
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return _harmless(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _harmless(text):
    return f"'{text}" if text.startswith(RUN_BY_SPREADSHEETS) else text


def _file(text, mimetype, name):
    """Return a download of a text, or of chunks of bytes as they come."""
    body = text.encode("utf-8", "replace") if isinstance(text, str) else text  # a result may hold half a surrogate pair, which no encoding can say
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-cache"}
    return Response(body, content_type=f"{mimetype}; charset=utf-8", headers=headers)
