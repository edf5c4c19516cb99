"""The one shape of an error, `{"code", "status", "message", "errors"}`, and the strict reading
that finds most of them.
"""

from functools import wraps
from http import HTTPStatus

from flask import current_app, jsonify, request
from flask_smorest import Blueprint
from marshmallow import EXCLUDE, RAISE
from webargs import flaskparser, missing
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge

from jobsync.base.errors import BadInput, JobsyncError
from jobsync.schemas import Strict

BODY_REASON = "The body must be JSON, sent with Content-Type: application/json."
CUT_REASON = "The body is not complete."


def show_error(error):
    """Return the response for an HTTPException or a JobsyncError."""
    if isinstance(error, JobsyncError):
        return _problem(error.code, error.message, getattr(error, "errors", {}))
    response = _problem(error.code, _message(error), _errors(error))
    if getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _problem(code, message, errors):
    response = jsonify(
        {"code": code, "status": HTTPStatus(code).phrase, "message": message, "errors": errors}
    )
    response.status_code = code
    return response


def _message(error: HTTPException):
    data = getattr(error, "data", None) or {}
    if "messages" in data:
        return "The input is not valid."
    return data.get("message") or error.description


def _errors(error):
    """Return webargs' messages, which say for each place of a request (json, query) what is
    wrong with which field, by field.
    """
    messages = (getattr(error, "data", None) or {}).get("messages", {})
    places = [found for found in messages.values() if isinstance(found, dict)]
    if len(places) == len(messages):
        return {field: reasons for place in places for field, reasons in place.items()}
    return dict(messages)


class Parser(flaskparser.FlaskParser):
    """Refuses unknown fields in queries as in bodies, and bodies that say they are something
    else than JSON.
    """

    DEFAULT_UNKNOWN_BY_LOCATION = {
        **dict.fromkeys(flaskparser.FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, RAISE),
        "headers": EXCLUDE,  # every client sends some of its own
    }

    def load_json(self, req, schema):
        """Return the body, `missing` for none.

        Python's own limits (depth, digits) and a body that breaks off make it malformed too.
        """
        try:
            _refuse_cut_body(req)
            loaded = super().load_json(req, schema)
        except (OSError, RecursionError, ValueError) as error:
            return self._handle_invalid_json_error(error, req)
        if loaded is missing and req.get_data(cache=True).strip():
            raise BadInput("The input is not valid.", {"_schema": [BODY_REASON]})
        return loaded

    def load_text(self, req):
        """Return the body as bytes, whatever it says that it is. One that breaks off is refused."""
        try:
            _refuse_cut_body(req)
            data = req.get_data()
        except OSError as error:
            raise BadRequest(CUT_REASON) from error
        if len(data) < (req.content_length or 0):
            raise BadRequest(CUT_REASON)
        return data

    def load_querystring(self, req, schema):
        """Return the query. A field that stands there twice means two things, and none is taken."""
        _refuse_repeated(req.args)
        return super().load_querystring(req, schema)


def _refuse_repeated(args):
    repeated = {name: ["Given more than once."] for name, values in args.lists() if len(values) > 1}
    if repeated:
        raise BadInput("The input is not valid.", repeated)


def _refuse_cut_body(req):
    """Refuse a chunked body that goes on behind the limit: there Flask cuts it off without a
    word.
    """
    if (
        req.content_length is None
        and len(req.get_data(cache=True)) >= req.max_content_length
        and req.input_stream.read(1)
    ):
        raise RequestEntityTooLarge()


class Resource(Blueprint):
    """A flask-smorest blueprint that parses strictly.

    What a call takes no use of is unknown to it, and refused too.
    """

    ARGUMENTS_PARSER = Parser()

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.before_request(_refuse_what_is_not_taken)

    def arguments(self, schema, *, location="json", **options):
        """Do what flask-smorest's does, and note where the call takes something from."""
        decorate = super().arguments(schema, location=location, **options)

        def take(view):
            taking = decorate(view)
            taking.takes = {*getattr(view, "takes", ()), location}
            return taking

        return take

    def text(self, mimetype):
        """Give the view the body as bytes, of any type. mimetype: of the documentation alone."""
        body = {"required": False, "content": {mimetype: {"schema": {"type": "string"}}}}

        def decorate(view):
            @self.doc(requestBody=body)
            @wraps(view)
            def taking(*args, **kwargs):
                return view(self.ARGUMENTS_PARSER.load_text(request), *args, **kwargs)

            taking.takes = {*getattr(view, "takes", ()), "text"}
            return taking

        return decorate


def _refuse_what_is_not_taken():
    takes = getattr(current_app.view_functions[request.endpoint], "takes", ())
    if request.query_string and "query" not in takes:
        Resource.ARGUMENTS_PARSER.parse(Strict, location="query")
    has_body = request.content_length or "Transfer-Encoding" in request.headers
    if has_body and not {"json", "text"} & set(takes):
        Resource.ARGUMENTS_PARSER.parse(Strict, location="json")
