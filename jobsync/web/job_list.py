"""The list of jobs: its page, and its numbers alone for pages that are open.

Its rows are made in rows.py.
"""

import hashlib

from flask import Response, current_app, jsonify, request
from marshmallow import EXCLUDE, ValidationError

from jobsync import store
from jobsync.base.errors import BadInput
from jobsync.db.transactions import read
from jobsync.schemas import JobsQuery
from jobsync.status import JOB_STATUSES
from jobsync.store import listing
from jobsync.store.listing import Wanted
from jobsync.web.bulk import WORDS
from jobsync.web.job_row import Row
from jobsync.web.pages import blueprint
from jobsync.web.rendering import render
from jobsync.web.runs import Runs

__all__ = ["blueprint"]


@blueprint.get("/")
def list_jobs():
    """Show a page of jobs.

    The ETag changes with any change of any job, so that asking again costs next to nothing.
    """
    query = _query()
    wanted = _wanted(query)
    folder = current_app.extensions["jobsync.definitions"]
    definitions, problems = folder.all(), folder.problems()
    # what is read below is of this moment or a later one, which does no harm
    change = listing.present_change()
    etag = _etag(
        change,
        [(item.id, item.name, item.description, item.params) for item in definitions],
        problems,
    )
    if request.if_none_match.contains_weak(etag):
        return _with_etag(Response(status=304), etag)
    numbers, next_cursor = listing.find(wanted, query["limit"], query.get("cursor"))
    _, counts = _counts(wanted)
    with read() as connection:
        jobs, cut_cursor = listing.rows(connection, wanted, numbers)
        strips = store.steps.strips(connection, [job["id"] for job in jobs])
        runs = listing.recent_runs(connection, [item.id for item in definitions])
    by_id = {item.id: item for item in definitions}
    html = render(
        "jobs/index.html",
        rows=[Row(job, strips[job["id"]], by_id.get(job["definition"])) for job in jobs],
        query=query,
        limits=_limits(query),
        address=_address(query),
        next_cursor=cut_cursor or next_cursor,
        counts=counts,
        total=_total(counts, wanted),
        definitions=definitions,
        runs={definition: Runs(found) for definition, found in runs.items()},
        problems=problems,
        statuses=JOB_STATUSES,
        etag=f'"{etag}"',
        change=change,
        bulk_words=WORDS,
    )
    return _with_etag(Response(html), etag)


@blueprint.get("/counts")
def show_counts():
    """Return the numbers of a list as JSON, `{"change", "counts", "total"}`: what a page that
    is open asks for when a status changes.
    """
    wanted = _wanted(_query())
    etag = _etag(listing.present_change())
    if request.if_none_match.contains_weak(etag):
        return _with_etag(Response(status=304), etag)
    change, counts = _counts(wanted)
    numbers = jsonify(
        change=change, counts={"all": sum(counts.values()), **counts}, total=_total(counts, wanted)
    )
    return _with_etag(numbers, _etag(change))


def _query():
    given = {name: value for name, value in request.args.items() if value}
    try:
        return JobsQuery(unknown=EXCLUDE).load(given)
    except ValidationError as error:
        raise BadInput("The address is not valid.", error.normalized_messages()) from error


def _wanted(query):
    return Wanted(
        tuple(query["status"]), *(query.get(name) for name in ("definition", "q", "since", "until"))
    )


def _limits(query):
    """Return what the list is limited to besides status, as it stands in an address."""
    return {
        name: str(query[name]) for name in ("definition", "q", "since", "until") if name in query
    }


def _address(query):
    """Return what all links of this list share: its limits, and how many jobs a page has where
    that isn't the usual.
    """
    usual = JobsQuery().load({})["limit"]
    return {**_limits(query), **({} if query["limit"] == usual else {"limit": query["limit"]})}


def _counts(wanted):
    """Return `(change, numbers)` of the jobs by status."""
    return current_app.extensions["jobsync.counts"].get(wanted)


def _total(counts, wanted):
    return sum(counts[status] for status in wanted.status or JOB_STATUSES)


def _etag(change, *others):
    said = repr([*map(str, others)]).encode("utf-8", "replace")
    return (
        f"{current_app.extensions['jobsync.web']}-{change}-{hashlib.sha256(said).hexdigest()[:8]}"
    )


def _with_etag(response, etag):
    response.set_etag(etag)
    return response
