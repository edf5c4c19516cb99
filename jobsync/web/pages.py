"""The page of one job, and what all pages have."""

import random
import secrets

from flask import Blueprint, current_app, request

from jobsync import store
from jobsync.db.transactions import read
from jobsync.status import TERMINAL, actions
from jobsync.store import listing
from jobsync.web import job_page
from jobsync.web.failures import find_failures
from jobsync.web.job_graph import job_graph
from jobsync.web.parts import contained
from jobsync.web.receipt import receipt
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
    `&level=LEVEL` those of a level or above; `?children=STEP` has a table of its children:
    what scripts do without asking.
    """
    with read() as connection:
        structure = store.structure.structure_of(connection, job_id)
        job = store.jobs.get(connection, job_id)
        asked = job_page.Asked.of(request.args)
        parts = job_page.parts(connection, structure, asked)
        reruns = store.jobs.reruns_of(connection, job_id)
        neighbours = listing.neighbours(connection, job_id)
    return render(
        "jobs/show.html",
        job=job,
        structure=structure,
        **parts,
        asked=asked,
        reruns=reruns,
        neighbours=neighbours,
        receipt=contained("The receipt", lambda: receipt(job["status"], job["cancellation"])),
        result=_sections(job) if job["status"] in TERMINAL else None,
        actions=actions(structure["status"]),
        reports_paints=random.random() < current_app.config["PAINT_SAMPLING"],
    )


@blueprint.get("/jobs/<job_id>/failures")
def show_failures(job_id):
    """Show what failed in a job, alone: what a page that is open puts in place when that
    changes.
    """
    with read() as connection:
        structure = store.structure.structure_of(connection, job_id)
        failures = find_failures(connection, structure, store.steps.details(connection, job_id))
    return render("jobs/_failures.html", structure=structure, failures=failures)


@blueprint.get("/jobs/<job_id>/graph")
def show_graph(job_id):
    """Show the steps of a job as a graph, alone."""
    with read() as connection:
        structure = store.structure.structure_of(connection, job_id)
        details = store.steps.details(connection, job_id)
    return render("jobs/_graph.html", graph=job_graph(structure, details))


@blueprint.get("/jobs/<job_id>/receipt")
def show_receipt(job_id):
    """Show what became of a cancel, alone: what a page that is open puts in place while work is
    being stopped.
    """
    with read() as connection:
        job = store.jobs.get(connection, job_id)
    return render("jobs/_receipt.html", receipt=receipt(job["status"], job["cancellation"]))


def _sections(job):
    return contained("The result", lambda: sections(job["result"]))


@blueprint.get("/jobs/<job_id>/result")
def show_result(job_id):
    """Show a job's result alone: what a page that is open puts in place when the job ends."""
    with read() as connection:
        job = store.jobs.get(connection, job_id)
    return render("jobs/_result.html", job=job, result=_sections(job))
