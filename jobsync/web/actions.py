"""What can be done with a job: forms that post, for pages without scripts.

Those with scripts use the API.
"""

from flask import Blueprint, current_app, redirect, render_template, request, url_for

from jobsync import lifecycle, store
from jobsync.base.errors import NotFound, WrongState
from jobsync.db.transactions import read

blueprint = Blueprint("actions", __name__)

SOURCE = "web"


@blueprint.post("/jobs/<job_id>/cancel")
def cancel_job(job_id):
    """Cancel a job."""
    lifecycle.cancel(job_id)
    return _to_job(job_id)


@blueprint.post("/jobs/<job_id>/retry")
def retry_job(job_id):
    """Run again what didn't complete."""
    lifecycle.retry(job_id)
    return _to_job(job_id)


@blueprint.post("/jobs/<job_id>/rerun")
def rerun_job(job_id):
    """Start a new job like this one and go to its page."""
    with read() as session:
        old = store.jobs.get(session, job_id)
    try:
        definition = current_app.extensions["jobsync.definitions"].find(old["definition"])
    except NotFound as error:
        raise WrongState(f"The job can't be run again: {error.message}") from error
    return _to_job(lifecycle.rerun(job_id, definition, {}, SOURCE))


@blueprint.post("/jobs/<job_id>/delete")
def delete_job(job_id):
    """Delete a job, once the viewer has said that it is meant."""
    if request.form.get("sure") != "yes":
        with read() as session:
            job = store.jobs.get(session, job_id)
        lifecycle.check_allowed("delete", job["status"])
        return render_template("jobs/delete.html", job=job)
    lifecycle.delete(job_id)
    return redirect(url_for("pages.list_jobs"), 303)


def _to_job(job_id):
    return redirect(url_for("pages.show_job", job_id=job_id), 303)
