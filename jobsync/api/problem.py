"""The one shape of an error: `{"code", "status", "message", "errors"}`."""

from http import HTTPStatus

from flask import jsonify
from flask_smorest import Blueprint
from marshmallow import RAISE
from webargs import flaskparser
from werkzeug.exceptions import HTTPException

from jobsync.errors import JobsyncError


def show_error(error):
    """Return the response for an HTTPException or a JobsyncError."""
    if isinstance(error, JobsyncError):
        return _problem(error.code, error.message, getattr(error, "errors", {}))
    response = _problem(error.code, _message(error), _errors(error))
    if getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        response.headers["Connection"] = "close"  # the rest of the body is not read
    return response


def _problem(code, message, errors):
    response = jsonify({"code": code, "status": HTTPStatus(code).phrase, "message": message, "errors": errors})
    response.status_code = code
    return response


def _message(error: HTTPException):
    data = getattr(error, "data", None) or {}
    if "messages" in data:
        return "The input is not valid."
    return data.get("message") or error.description


def _errors(error):
    """Return webargs' messages, which say for each place of a request (json, query) what is wrong with which field, by field."""
    messages = (getattr(error, "data", None) or {}).get("messages", {})
    places = [found for found in messages.values() if isinstance(found, dict)]
    if len(places) == len(messages):
        return {field: reasons for place in places for field, reasons in place.items()}
    return dict(messages)


class Parser(flaskparser.FlaskParser):
    """Refuses unknown fields in queries as in bodies."""

    DEFAULT_UNKNOWN_BY_LOCATION = dict.fromkeys(flaskparser.FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, RAISE)


class Resource(Blueprint):
    """A flask-smorest blueprint that parses strictly."""

    ARGUMENTS_PARSER = Parser()
