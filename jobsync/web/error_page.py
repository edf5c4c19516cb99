"""An error as a page."""

from http import HTTPStatus

from flask import render_template

from jobsync.base.errors import JobsyncError


def show_error(error):
    """Return the response for an HTTPException or a JobsyncError."""
    message = error.message if isinstance(error, JobsyncError) else error.description
    reasons = [
        f"{field}: {reason}"
        for field, found in getattr(error, "errors", {}).items()
        for reason in found
    ]
    status = HTTPStatus(error.code)
    headers = (
        {"Allow": ", ".join(sorted(error.valid_methods))}
        if getattr(error, "valid_methods", None)
        else {}
    )
    return (
        render_template("error.html", status=status, message=message, reasons=reasons),
        status.value,
        headers,
    )
