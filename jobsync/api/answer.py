"""Answers that may be long, as JSON: made an item at a time, letting others run in between.

What they hold is of the documented shape as it is.
"""

from flask import Response, current_app

from jobsync.base.loop import in_turns
from jobsync.db.json import Encoded


def long_answer(value, *keys):
    """Return the response for a dict, of which what is under each of `keys` is a list that may
    be long. What is Encoded is put in as it is.
    """
    parts = [
        f"{_text(key)}:{_listed(found) if key in keys else _text(found)}"
        for key, found in value.items()
    ]
    # half a surrogate pair is written as JSON does
    body = f"{{{','.join(parts)}}}\n".encode("utf-8", "backslashreplace")
    return Response(body, mimetype="application/json")


def _listed(items):
    return f"[{','.join(_text(item) for item in in_turns(items))}]"


def _text(value):
    if isinstance(value, Encoded):
        return value.text
    if isinstance(value, dict) and any(isinstance(found, Encoded) for found in value.values()):
        return f"{{{','.join(f'{_text(key)}:{_text(found)}' for key, found in value.items())}}}"
    return current_app.json.dumps(value, ensure_ascii=False, separators=(",", ":"))
