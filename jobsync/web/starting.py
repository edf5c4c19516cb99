"""A definition and the form that starts a job of it."""

from flask import Blueprint, current_app, redirect, render_template, request, url_for

from jobsync import lifecycle, store
from jobsync.errors import BadInput
from jobsync.placeholders import as_text

blueprint = Blueprint("starting", __name__)

SOURCE = "web"
PREFIX = "params."  # of the form's fields that are parameters


@blueprint.get("/definitions/<definition_id>")
def show_definition(definition_id):
    """Show the form, filled with the defaults, or with the parameters of the job named by `?from=`."""
    definition = _find(definition_id)
    old = store.job(request.args["from"]) if request.args.get("from") else None
    given = old["params"] if old else {}
    return _form(definition, {name: as_text(value) for name, value in given.items()}, rerun_of=old and old["id"])


@blueprint.post("/definitions/<definition_id>")
def start_job(definition_id):
    """Start a job and go to its page, or show the form again with the mistakes at their fields."""
    definition = _find(definition_id)
    values = {name.removeprefix(PREFIX): request.form.getlist(name)[-1] for name in request.form if name.startswith(PREFIX)}
    rerun_of = request.form.get("rerun_of") or None
    try:
        job_id = _submit(definition, _given(definition, values), rerun_of)
    except BadInput as error:
        return _form(definition, values, error.errors.get("params") or {"_schema": [error.message]}, rerun_of), 422
    return redirect(url_for("pages.show_job", job_id=job_id), 303)


def _submit(definition, params, rerun_of):
    if rerun_of:
        return lifecycle.rerun(rerun_of, definition, params, SOURCE)
    return lifecycle.submit(definition, params, SOURCE)


def _find(definition_id):
    return current_app.extensions["jobsync.definitions"].find(definition_id)


def _given(definition, values):
    """Return the values to submit: a field left empty is not given, save for text, which may be empty."""
    types = {param.name: param.type for param in definition.params}
    return {name: value for name, value in values.items() if value.strip() or types.get(name, "string") == "string"}


def _form(definition, values, errors=None, rerun_of=None):
    errors = dict(errors or {})
    fields = [_field(param, values, errors.pop(param.name, [])) for param in definition.params]
    others = [reason if name == "_schema" else f"{name}: {reason}" for name, reasons in errors.items() for reason in reasons]
    return render_template("definitions/show.html", definition=definition, fields=fields, others=others, rerun_of=rerun_of)


def _field(param, values, reasons):
    default = "" if param.default is None else as_text(param.default)
    return {
        "param": param,
        "name": PREFIX + param.name,
        "value": values.get(param.name, default),
        "choices": [as_text(choice) for choice in param.choices],
        "reasons": reasons,
    }
