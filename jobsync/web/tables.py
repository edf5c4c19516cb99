"""What can be taken away from a result: all of it as JSON, a table of it as CSV."""

import csv
import io
import json
import re

from flask import Blueprint, Response, request

from jobsync import store
from jobsync.errors import NotFound
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
    body = text.encode("utf-8", "replace")  # a result may hold half a surrogate pair, which no encoding can say
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-cache"}
    return Response(body, content_type=f"{mimetype}; charset=utf-8", headers=headers)
