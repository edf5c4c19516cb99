"""The page of one job, and what all pages have."""

import random
import secrets

from flask import Blueprint, current_app, request

from jobsync import listing, store
from jobsync.status import TERMINAL, actions
from jobsync.web import job_page
from jobsync.web.failures import find_failures
from jobsync.web.parts import contained
from jobsync.web.rendering import render
from jobsync.web.result import sections

blueprint = Blueprint("pages", __name__)


@blueprint.record
def _begin(state):
    """Give this start of the server a name: pages kept by an older one are never taken for
    current.
    """
    state.app.extensions["jobsync.web"] = secrets.token_hex(4)


@blueprint.after_request
def _forbid_stale_copies(response):
    response.headers.setdefault("Cache-Control", "no-cache")
    return response


# One job


@blueprint.get("/jobs/<job_id>")
def show_job(job_id):
    """Show a job. `?open=STEP` has that step's lines too, `&before=LINE` those before a line,
    `&level=LEVEL` those of a level or above: what scripts do without asking.
    """
    structure = store.structure(job_id)
    job = store.job(job_id)
    return render(
        "jobs/show.html",
        job=job,
        structure=structure,
        **job_page.parts(structure, job_page.Asked.of(request.args)),
        reruns=store.reruns_of(job_id),
        neighbours=listing.neighbours(job_id),
        result=_result(job, structure),
        actions=actions(structure["status"]),
        reports_paints=random.random() < current_app.config["PAINT_SAMPLING"],
    )


@blueprint.get("/jobs/<job_id>/failures")
def show_failures(job_id):
    """Show what failed in a job, alone: what a page that is open puts in place when that
    changes.
    """
    structure = store.structure(job_id)
    details = store.step_details(job_id)
    if not details:
        store.job_exists(job_id)  # raises: it was deleted this moment
    failures = find_failures(structure, details)
    return render("jobs/_failures.html", structure=structure, failures=failures)


def _result(job, structure):
    """Return the result to show: that of the end which `structure` tells of, not of a later one."""
    is_same_end = structure["status"] in TERMINAL and job["finished_at"] == structure["finished_at"]
    return _sections(job) if is_same_end else None


def _sections(job):
    return contained("The result", lambda: sections(job["result"]))


@blueprint.get("/jobs/<job_id>/result")
def show_result(job_id):
    """Show a job's result alone: what a page that is open puts in place when the job ends."""
    job = store.job(job_id)
    return render("jobs/_result.html", job=job, result=_sections(job))
