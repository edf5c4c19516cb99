"""`/api/definitions`: what can be run."""

from flask import current_app

from jobsync import schemas
from jobsync.api.answer import long_answer
from jobsync.api.resource import Resource
from jobsync.base.loop import in_turns
from jobsync.definitions import validate

blueprint = Resource(
    "definitions", __name__, url_prefix="/api/definitions", description="What can be run"
)


def _definitions():
    return current_app.extensions["jobsync.definitions"]


@blueprint.get("")
@blueprint.arguments(schemas.Strict, location="query")
@blueprint.response(200, schemas.Definitions)
def list_definitions(_query):
    """List the definitions, and what is wrong with those that can't be used"""
    items = [definition.shown() for definition in in_turns(_definitions().all())]
    problems = [
        {"file": problem.file, "key": problem.key, "reason": problem.reason}
        for problem in _definitions().problems()
    ]
    return long_answer(
        {"items": items, "next_cursor": None, "total": len(items), "problems": problems}, "items"
    )


@blueprint.post("/validate")
@blueprint.response(200, schemas.Validation)
@blueprint.text("text/plain")
def validate_definition(text):
    """Check the TOML of a definition, without making it one that can be run"""
    problems = [
        {"key": problem.key, "line": line, "message": problem.reason}
        for problem, line in validate(text, current_app.extensions["jobsync.registry"])
    ]
    return long_answer({"ok": not problems, "problems": problems}, "problems")


@blueprint.get("/<definition_id>")
@blueprint.response(200, schemas.Definition)
def get_definition(definition_id):
    """Get a definition with its parameters and steps"""
    return long_answer(_definitions().find(definition_id).shown(), "steps")
