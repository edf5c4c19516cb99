"""What can be done with a job, its steps and their children: forms that post, for pages without
scripts. Those with scripts use the API.

What changes more than a new job does is asked first: `GET` gives the question for a dialog, a
`POST` without `sure` gives it as a page.
"""

from flask import Blueprint, Response, current_app, redirect, render_template, request, url_for

from jobsync import lifecycle, store
from jobsync.base.errors import JobsyncError, NotFound, WrongState
from jobsync.db.transactions import read
from jobsync.web import questions

blueprint = Blueprint("actions", __name__)

SOURCE = "web"
OF_JOB = "/jobs/<job_id>/<any(cancel, retry, delete):action>"
OF_STEP = "/jobs/<job_id>/steps/<step_name>/<any(cancel, retry):action>"
OF_CHILD = "/jobs/<job_id>/steps/<step_name>/children/<child_id>/<any(cancel, retry):action>"
DO = {"cancel": lifecycle.cancel, "retry": lifecycle.retry, "delete": lifecycle.delete}
DO_TO_STEP = {"cancel": lifecycle.cancel_step, "retry": lifecycle.retry_step}
DO_TO_CHILD = {"cancel": lifecycle.cancel_child, "retry": lifecycle.retry_child}


@blueprint.post(OF_JOB)
def act_on_job(job_id, action):
    """Cancel, retry or delete a job, once the viewer has said that it is meant."""
    if not _is_sure():
        return _ask(questions.about_job, action, job_id)
    DO[action](job_id)
    if action == "delete":
        return redirect(url_for("pages.list_jobs"), 303)
    return _to_job(job_id)


@blueprint.post(OF_STEP)
def act_on_step(job_id, step_name, action):
    """Cancel or retry a step."""
    if not _is_sure():
        return _ask(questions.about_step, action, job_id, step_name)
    DO_TO_STEP[action](job_id, step_name)
    return _to_job(job_id, open=step_name, _anchor=f"step-{step_name}")


@blueprint.post(OF_CHILD)
def act_on_child(job_id, step_name, child_id, action):
    """Cancel or retry a child."""
    if not _is_sure():
        return _ask(questions.about_child, action, job_id, step_name, child_id)
    DO_TO_CHILD[action](job_id, step_name, child_id)
    return _to_job(job_id, children=step_name, child=child_id, _anchor=f"step-{step_name}")


@blueprint.get(OF_JOB)
def ask_of_job(job_id, action):
    """Ask for a dialog whether an action on a job is meant."""
    return _asked(questions.about_job, action, job_id)


@blueprint.get(OF_STEP)
def ask_of_step(job_id, step_name, action):
    """Ask the same of a step."""
    return _asked(questions.about_step, action, job_id, step_name)


@blueprint.get(OF_CHILD)
def ask_of_child(job_id, step_name, child_id, action):
    """Ask the same of a child."""
    return _asked(questions.about_child, action, job_id, step_name, child_id)


@blueprint.post("/jobs/<job_id>/rerun")
def rerun_job(job_id):
    """Start a new job like this one and go to its page."""
    with read() as connection:
        old = store.jobs.get(connection, job_id)
    try:
        definition = current_app.extensions["jobsync.definitions"].find(old["definition"])
    except NotFound as error:
        raise WrongState(f"The job can't be run again: {error.message}") from error
    return _to_job(lifecycle.rerun(job_id, definition, {}, SOURCE))


def _is_sure():
    return request.form.get("sure") == "yes"


def _ask(about, action, job_id, *part):
    with read() as connection:
        question = about(connection, action, job_id, *part)
        job = store.jobs.get(connection, job_id)
    return render_template("jobs/ask.html", job=job, question=question)


def _asked(about, action, *what):
    """Return a question alone, or the reason why it isn't one: a text, to be said at the button."""
    try:
        with read() as connection:
            question = about(connection, action, *what)
    except JobsyncError as error:
        return Response(error.message, error.code, mimetype="text/plain")
    return render_template("jobs/_question.html", question=question)


def _to_job(job_id, **at):
    return redirect(url_for("pages.show_job", job_id=job_id, **at), 303)
