"""What can be taken away from a result: all of it as JSON, a table of it as CSV."""

import csv
import io
import json
import re
import time
from itertools import chain

from flask import Blueprint, Response, request, stream_with_context

from jobsync import store
from jobsync.base.errors import NotFound
from jobsync.base.loop import in_turns
from jobsync.base.text import gathered
from jobsync.db.transactions import read
from jobsync.web.result import grid

blueprint = Blueprint("tables", __name__)

# Where a cell that a spreadsheet would run may begin: at the start of a text, and behind whatever
# separates cells somewhere. A file whose separator isn't the reader's is cut there, its quotes
# notwithstanding. The last four signs are wide forms of the first.
SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
RUN_BY_SPREADSHEETS = re.compile(f"^(?=[{SIGNS}\t\r\n])|[;,|\t\r\n]['\" ]*(?=[{SIGNS}])")
ROWS = 250  # of a CSV made at a time
# else Excel takes the file for one of the machine's own code page and garbles names; what programs
# read is the JSON
BOM = "\ufeff"


@blueprint.get("/jobs/<job_id>/result.json")
def download_result(job_id):
    """Send the whole result."""
    with read() as connection:
        job = store.jobs.get(connection, job_id)
    pieces = chain(json.JSONEncoder(ensure_ascii=False, indent=2).iterencode(_result(job)), "\n")
    return _file(pieces, "application/json", f"{job['definition']}-{job_id}.json")


@blueprint.get("/jobs/<job_id>/result.csv")
def download_table(job_id):
    """Send the table that `?table=` points at (RFC 6901), with all its rows."""
    with read() as connection:
        job = store.jobs.get(connection, job_id)
    pointer = request.args.get("table", "")
    found = _table(_result(job), pointer)
    if found is None:
        raise NotFound(f"There is no table {pointer!r} in the result of job {job_id!r}.")
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", pointer).strip("-") or "result"
    names, rows = found
    pieces = chain([BOM, as_csv([_headed(names)])], (as_csv([row]) for row in rows))
    return _file(pieces, "text/csv", f"{job['definition']}-{job_id}-{name}.csv")


@blueprint.get("/jobs/<job_id>/steps/<step_name>/files.csv")
def download_files(job_id, step_name):
    """Send all files that the children of a step list in their results, as they are found:
    there may be very many.
    """
    with read() as connection:
        job, step = (
            store.jobs.get(connection, job_id),
            store.steps.get(connection, job_id, step_name),
        )
    return _file(_file_rows(step.pk), "text/csv", f"{job['definition']}-{job_id}-files.csv")


def _file_rows(step_pk):
    """Yield a CSV of the `files` of all completed children of a step.

    Its head has the keys of the first file.
    """
    names = None
    for pk in store.children.completed(step_pk):
        with read() as connection:
            files = store.children.result(connection, pk, "files")
        time.sleep(0)  # each takes some milliseconds; others have their turn between
        if (
            not isinstance(files, list)
            or not files
            or not all(isinstance(file, dict) for file in files)
        ):
            continue
        if names is None:
            names = list(files[0])
            yield BOM + as_csv([_headed(names)])
        for start in range(0, len(files), ROWS):
            yield as_csv([file.get(name) for name in names] for file in files[start : start + ROWS])


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


def as_csv(rows):
    """Return rows as CSV (RFC 4180), all cells in quotes.

    What a spreadsheet would run gets an apostrophe in front; numbers stay numbers.
    """
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(
        [_written(value) for value in row] for row in rows
    )
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
    return RUN_BY_SPREADSHEETS.sub(r"\g<0>'", text)


def _file(pieces, mimetype, name):
    """Return a download of pieces of text, sent as they come."""
    # A result may hold half a surrogate pair, which no encoding can say
    body = stream_with_context(
        piece.encode("utf-8", "replace") for piece in gathered(in_turns(pieces))
    )
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-cache"}
    return Response(body, content_type=f"{mimetype}; charset=utf-8", headers=headers)
