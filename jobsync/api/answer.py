"""Answers that may be long, as JSON: made an item at a time, letting others run in between. What they hold is of the documented shape as it is."""

from flask import Response, current_app

from jobsync.loop import in_turns


def long_answer(value, *keys):
    """Return the response for a dict, of which what is under each of `keys` is a list that may be long."""
    parts = [f"{_text(key)}:{_listed(found) if key in keys else _text(found)}" for key, found in value.items()]
    return Response(f"{{{','.join(parts)}}}\n", mimetype="application/json")


def _listed(items):
    return f"[{','.join(_text(item) for item in in_turns(items))}]"


def _text(value):
    return current_app.json.dumps(value, separators=(",", ":"))
