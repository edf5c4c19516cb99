"""The list of jobs and the page of one job."""

import hashlib
import random
import secrets

from flask import Blueprint, Response, current_app, render_template, request
from marshmallow import EXCLUDE, ValidationError

from jobsync import listing, store
from jobsync.errors import BadInput
from jobsync.schemas import JobsQuery
from jobsync.status import JOB_STATUSES, TERMINAL
from jobsync.web import job_page
from jobsync.web.failures import find_failures
from jobsync.web.result import sections

blueprint = Blueprint("pages", __name__)


@blueprint.record
def _begin(state):
    """Give this start of the server a name: pages kept by an older one are never taken for current."""
    state.app.extensions["jobsync.web"] = secrets.token_hex(4)


@blueprint.after_request
def _forbid_stale_copies(response):
    response.headers.setdefault("Cache-Control", "no-cache")
    return response


# The list


@blueprint.get("/")
def list_jobs():
    """Show a page of jobs. The ETag changes with any change of any job, so that asking again costs next to nothing."""
    query = _list_query()
    definitions = current_app.extensions["jobsync.definitions"]
    choices, problems = definitions.all(), definitions.problems()
    with store.read():
        change = store.last_change()
        etag = _list_etag(change, choices, problems)
        if request.if_none_match.contains_weak(etag):
            return _with_etag(Response(status=304), etag)
        page = listing.jobs(**query)
        strips = store.step_strips([job["id"] for job in page["items"]])
    html = render_template(
        "jobs/index.html",
        page=page,
        strips=strips,
        query=query,
        definitions=choices,
        problems=problems,
        statuses=JOB_STATUSES,
        terminal=TERMINAL,
        etag=f'"{etag}"',
        change=change,
    )
    return _with_etag(Response(html), etag)


def _list_query():
    given = {name: value for name, value in request.args.items() if value}
    try:
        return JobsQuery(unknown=EXCLUDE).load(given)
    except ValidationError as error:
        raise BadInput("The address is not valid.", error.normalized_messages()) from error


def _list_etag(change, definitions, problems):
    said = repr(([(item.id, item.name, item.description) for item in definitions], [str(problem) for problem in problems]))
    return f"{current_app.extensions['jobsync.web']}-{change}-{hashlib.sha256(said.encode('utf-8', 'replace')).hexdigest()[:8]}"


def _with_etag(response, etag):
    response.set_etag(etag)
    return response


# One job


@blueprint.get("/jobs/<job_id>")
def show_job(job_id):
    """Show a job. `?open=STEP` has that step's lines too, `&before=LINE` those before a line, `&level=LEVEL` those of a level or above:
    what scripts do without asking."""
    structure = store.structure(job_id)
    job = store.job(job_id)
    return render_template(
        "jobs/show.html",
        job=job,
        structure=structure,
        **job_page.parts(structure, job_page.Asked.of(request.args)),
        reruns=store.reruns_of(job_id),
        neighbours=store.neighbours(job_id),
        result=_result(job, structure),
        terminal=TERMINAL,
        reports_paints=random.random() < current_app.config["PAINT_SAMPLING"],
    )


@blueprint.get("/jobs/<job_id>/failures")
def show_failures(job_id):
    """Show what failed in a job, alone: what a page that is open puts in place when that changes."""
    structure = store.structure(job_id)
    failures = find_failures(structure, store.step_details(job_id))
    return render_template("jobs/_failures.html", structure=structure, failures=failures)


def _result(job, structure):
    """Return the result to show: that of the end which `structure` tells of, not of a later one."""
    is_same_end = structure["status"] in TERMINAL and job["finished_at"] == structure["finished_at"]
    return sections(job["result"]) if is_same_end else None


@blueprint.get("/jobs/<job_id>/result")
def show_result(job_id):
    """Show a job's result alone: what a page that is open puts in place when the job ends."""
    job = store.job(job_id)
    return render_template("jobs/_result.html", job=job, result=sections(job["result"]))
