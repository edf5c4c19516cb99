"""`/api/docs`: the OpenAPI document as a page that needs no other host and no script."""

from flask import Blueprint, render_template


def blueprint(spec):
    """Return the blueprint that shows `spec` (apispec's)."""
    docs = Blueprint("docs", __name__)

    @docs.get("/api/docs")
    def show():
        document = spec.to_dict()
        return render_template("docs.html", document=document, calls=list(_calls(document)))

    return docs


def _calls(document):
    """Yield `{"method", "path", …}` of every call, what it takes and what it answers."""
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method, call in item.items():
            if method in ("get", "post", "delete", "put", "patch"):
                yield {"method": method.upper(), "path": path, **call, "parameters": shared + call.get("parameters", [])}
