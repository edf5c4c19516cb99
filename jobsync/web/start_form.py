"""A definition: what it does, the form that starts a job of it, and the runs before."""

import json
import re
from functools import partial

from flask import Blueprint, current_app, redirect, request, url_for

from jobsync import lifecycle, store
from jobsync.base.clock import iso, now
from jobsync.base.errors import BadInput, StoreBusy
from jobsync.db.transactions import read
from jobsync.definitions.placeholders import as_text
from jobsync.store import listing
from jobsync.store.listing import Wanted
from jobsync.web import graph, shown_commands
from jobsync.web.parts import contained
from jobsync.web.rendering import render
from jobsync.web.rules import rules_of_definition, rules_of_step

blueprint = Blueprint("start_form", __name__)

SOURCE = "web"
PREFIX = "params."  # of the form's fields that are parameters
PRIORITIES = range(-100, 101)
WHOLE = re.compile("-?(0|[1-9][0-9]{0,2})")  # as JSON writes it
RECENT = 5  # runs that are shown
LOOKED_AT = 20  # runs whose parameters are offered again
MOST_LAST = 3  # of them, for a field
MOST_OFFERED = 8  # values that a browser offers while one types
LONGEST_OFFERED = 80  # characters


@blueprint.get("/definitions/<definition_id>")
def show_definition(definition_id):
    """Show the form, filled with the defaults, or with the parameters of the job named by
    `?from=`.
    """
    definition = _find(definition_id)
    with read() as connection:
        old = store.jobs.get(connection, request.args["from"]) if request.args.get("from") else None
    given = old["params"] if old else {}
    return _form(
        definition,
        {name: as_text(value) for name, value in given.items()},
        rerun_of=old and old["id"],
    )


@blueprint.post("/definitions/<definition_id>")
def start_job(definition_id):
    """Start a job and go to its page, or show the form again with the mistakes at their fields."""
    definition = _find(definition_id)
    values = {
        name.removeprefix(PREFIX): _sent(name) for name in request.form if name.startswith(PREFIX)
    }
    rerun_of = request.form.get("rerun_of") or None
    priority = _priority(request.form.get("priority", ""))
    params = shown_commands.given(values, _types(definition))
    try:
        if priority["reason"]:
            definition.bind(params)  # so that all mistakes are told at once
            return _form(definition, values, {}, rerun_of, priority), 422
        job_id = _submit(definition, params, rerun_of, priority["value"])
    except BadInput as error:
        errors = error.errors.get("params") or {"_schema": [error.message]}
        return _form(definition, values, errors, rerun_of, priority), 422
    except StoreBusy as error:  # what was typed isn't lost: it can be sent again
        errors = {"_schema": [error.message]}
        return _form(definition, values, errors, rerun_of, priority), error.code
    return redirect(url_for("pages.show_job", job_id=job_id), 303)


def _sent(name):
    """Return a field's last value, its lines ended as everywhere else: browsers send them as CR
    LF.
    """
    return request.form.getlist(name)[-1].replace("\r\n", "\n")


def _priority(text):
    """Return what the field of the priority needs: `text` as typed, its `value` as a number, None
    for none, and the `reason` why it is none that there may be.
    """
    typed = text.strip()
    value = int(typed) if WHOLE.fullmatch(typed) else None
    if not typed or value in PRIORITIES:
        return {"text": text, "value": value, "reason": None}
    reason = f"must be a whole number from {PRIORITIES[0]} to {PRIORITIES[-1]}"
    return {"text": text, "value": None, "reason": reason}


def _submit(definition, params, rerun_of, priority):
    if rerun_of:
        return lifecycle.rerun(rerun_of, definition, params, SOURCE)
    return lifecycle.submit(definition, params, SOURCE, priority=priority)


def _priority_of(job_id):
    with read() as connection:
        return store.jobs.get(connection, job_id)["priority"]


def _find(definition_id):
    return current_app.extensions["jobsync.definitions"].find(definition_id)


def _types(definition):
    return {param.name: param.type for param in definition.params}


def _form(definition, values, errors=None, rerun_of=None, priority=None):
    priority = priority or _priority("")
    errors = dict(errors or {})
    page = listing.page(Wanted(definition=definition.id), LOOKED_AT)
    used = [job["params"] for job in page["items"]]
    fields = [
        field_of(param, values, errors.pop(param.name, []), used) for param in definition.params
    ]
    others = [
        reason if name == "_schema" else f"{name}: {reason}"
        for name, reasons in errors.items()
        for reason in reasons
    ]
    return render(
        "definitions/show.html",
        definition=definition,
        fields=fields,
        wrong=[field for field in fields if field["reasons"]],
        others=others,
        rerun_of=rerun_of,
        rerun_priority=_priority_of(rerun_of) if rerun_of else 0,
        priority=priority,
        priorities=PRIORITIES,
        drawing=graph.draw(definition.steps),
        rules=list(rules_of_definition(definition)),
        steps=[_about(step) for step in definition.steps],
        runs=[
            (job, contained(f"The job {job['id']}", partial(_difference, job, definition), ""))
            for job in page["items"][:RECENT]
        ],
        total=page["total"],
        as_of=iso(now()),
        commands=_commands(definition, fields, rerun_of, priority["text"]),
        host=request.host_url.rstrip("/"),
    )


def field_of(param, values, reasons=(), used=()):
    """Return what the template of a field needs. values: `{name: text}`; used: the parameters
    of earlier runs, the latest first.
    """
    default = "" if param.default is None else as_text(param.default)
    offered = _offered(param, used)
    value = values.get(param.name, default)
    return {
        "param": param,
        "name": PREFIX + param.name,
        "value": value,
        "default": default if len(default) <= LONGEST_OFFERED else "",
        "choices": [as_text(choice) for choice in param.choices],
        "offered": [] if param.choices or param.type == "boolean" else offered[:MOST_OFFERED],
        "last": []
        if param.type == "boolean" or "\n" in value
        else [text for text in offered if text != value][:MOST_LAST],
        "reasons": reasons,
    }


def _offered(param, used):
    """Return the values that a parameter had in earlier runs, the latest first, those aside
    that don't fit on a line.
    """
    texts = dict.fromkeys(as_text(params[param.name]) for params in used if param.name in params)
    return [text for text in texts if text and text.isprintable() and len(text) <= LONGEST_OFFERED]


def _commands(definition, fields, rerun_of, priority):
    ranked = "" if rerun_of else priority
    types = _types(definition)
    values = shown_commands.given({field["param"].name: _ticked(field) for field in fields}, types)
    return {
        "curl": shown_commands.curl(
            request.host_url.rstrip("/"), definition.id, values, types, rerun_of, ranked
        ),
        "cli": shown_commands.cli(definition.id, values, rerun_of, ranked),
    }


def _ticked(field):
    """Return what the field sends: a box is ticked for "true" and nothing else."""
    return (
        field["value"]
        if field["param"].type != "boolean"
        else "true"
        if field["value"] == "true"
        else "false"
    )


def _about(step):
    """Return a step for people: its rules as phrases, its options as text."""
    options = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in step.options.items()
    }
    return {
        "name": step.name,
        "type": step.type,
        "rules": list(rules_of_step(step)),
        "options": options,
    }


def _difference(job, definition):
    """Return what a run was given that isn't the default, as text."""
    return ", ".join(
        f"{name} {as_text(value)}" for name, value in definition.differences(job["params"]).items()
    )
