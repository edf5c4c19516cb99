"""`/api/docs`: the OpenAPI document as a page that needs no other host and no script of its own."""

import json
import re

from flask import Blueprint, render_template

METHODS = ("get", "post", "put", "patch", "delete")
NOTES = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} long",
    "maxLength": "at most {} long",
    "default": "{} when left out",
    "enum": "one of {}",
}


def blueprint(spec):
    """Return the blueprint that shows `spec` (apispec's)."""
    docs = Blueprint("docs", __name__)

    @docs.get("/api/docs")
    def show():
        document = spec.to_dict()
        return render_template(
            "docs.html", resources=list(_resources(document)), shapes=list(_shapes(document))
        )

    return docs


def _resources(document):
    """Yield `{"name", "description", "calls"}`, a resource each."""
    calls = list(_calls(document))
    for tag in document["tags"]:
        yield {**tag, "calls": [call for call in calls if tag["name"] in call["tags"]]}


def _calls(document):
    """Yield `{"method", "path", "anchor", "summary", "description", "tags", "fields", "body",
    "answers"}` of every call.
    """
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                call = item[method]
                yield {
                    "method": method.upper(),
                    "path": path,
                    "anchor": f"{method}-{re.sub('[^a-z_]+', '-', path).strip('-')}",
                    "summary": call["summary"],
                    "description": call.get("description", ""),
                    "tags": call["tags"],
                    "fields": [_parameter(found) for found in call.get("parameters", ())],
                    "body": _body(call.get("requestBody")),
                    "answers": [
                        _answer(document, status, answer)
                        for status, answer in sorted(call["responses"].items())
                    ],
                }


def _parameter(parameter):
    """Return a parameter of the query as a field. Those of the path stand in the path."""
    return _field(
        parameter["name"],
        {**parameter["schema"], "description": parameter.get("description", "")},
        parameter["required"],
    )


def _body(body):
    return {**_type(_content(body)), "required": body["required"]} if body else None


def _answer(document, status, answer):
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
    if status == "default":
        status, answer = "else", {**answer, "description": "an error"}
    return {
        "status": status,
        "description": answer["description"],
        "mimetypes": list(answer.get("content", ())),
        **_type(_content(answer)),
    }


def _content(holder):
    """Return the schema of a body or an answer, {} where there is none.

    Several content types have the same one here.
    """
    return next((content["schema"] for content in holder.get("content", {}).values()), {})


def _shapes(document):
    """Yield `{"name", "fields"}` of the shapes that something refers to."""
    used = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    for name, schema in document["components"]["schemas"].items():
        if name in used:
            required = schema.get("required", ())
            yield {
                "name": name,
                "fields": [
                    _field(key, found, key in required)
                    for key, found in schema["properties"].items()
                ],
            }


def _field(name, schema, is_required):
    notes = [note.format(_value(schema[key])) for key, note in NOTES.items() if key in schema]
    marks = ["required"] if is_required else []
    return {
        "name": name,
        "description": schema.get("description", ""),
        "notes": ", ".join(marks + notes),
        **_type(schema),
    }


def _value(value):
    return (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else "none"
        if value in ("", {})
        else str(value)
    )


def _type(schema):
    """Return `{"type", "shape"}`: words, and the name of the shape that they end with, or None."""
    if "$ref" in schema:
        return {"type": "", "shape": schema["$ref"].rsplit("/", 1)[1]}
    if schema.get("type") == "array":
        inner = _type(schema["items"])
        return {"type": f"list of {inner['type']}".strip(), "shape": inner["shape"]}
    words = schema.get("format") or schema.get("type") or "anything"
    return {"type": words + " or null" * schema.get("nullable", False), "shape": None}
