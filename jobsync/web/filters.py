"""How values look on a page. `static/js/show.js` shows the same values in the same way when they change."""

import re
from datetime import datetime

from jobsync.clock import now

CONTROL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
DELETE = "\u2421"  # the picture of \x7f; those of the others follow U+2400


def init_app(app):
    """Make them known to the templates."""
    app.jinja_env.filters.update(number=number, moment=moment, clock=clock, plain=plain)
    app.jinja_env.globals.update(took=took, now=now)


def number(value):
    """Return 1,234 for 1234."""
    return f"{value:,}"


def moment(time):
    """Return `2026-11-22 13:00:00 UTC` for an ISO time, "" for None. Scripts put the viewer's own time zone there."""
    return f"{time[:10]} {time[11:19]} UTC" if time else ""


def clock(time):
    """Return `13:00:00.123` for an ISO time."""
    return time[11:23]


def took(start, end):
    """Return how long it was between two ISO times: `0.3 s`, `2 min 05 s`, `3 h 02 min`; "" unless both are there."""
    if not (start and end):
        return ""
    milliseconds = max(0, round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() * 1000))
    seconds, minutes = milliseconds // 1000, milliseconds // 60_000
    if seconds < 60:
        return f"{seconds}.{milliseconds % 1000 // 100} s"
    if minutes < 60:
        return f"{minutes} min {seconds % 60:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def plain(text):
    """Return a log line's text without terminal escapes; other control characters become their pictures (U+2400 and on)."""
    return CONTROL.sub(_picture, CONTROL_SEQUENCE.sub("", text))


def _picture(match):
    code = ord(match.group())
    return DELETE if code == 0x7F else chr(0x2400 + code)
