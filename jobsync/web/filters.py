"""How values look on a page.

`static/js/lib/show.js` shows the same values in the same way when they change.
"""

from datetime import UTC, datetime

from jobsync.base.clock import milliseconds, now
from jobsync.base.text import plain

UNITS = ("kB", "MB", "GB", "TB")
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def init_app(app):
    """Make them known to the templates."""
    app.jinja_env.filters.update(
        number=number,
        moment=moment,
        clock=clock,
        plain=plain,
        times=times,
        day_time=day_time,
        lasting=lasting,
        size=size,
    )
    app.jinja_env.globals.update(took=took, elapsed=elapsed, now=now)


def number(value):
    """Return 1,234 for 1234."""
    return f"{value:,}"


def size(amount):
    """Return a number of bytes as people say it: 84.2 MB."""
    power = min((len(str(amount)) - 1) // 3, len(UNITS))
    return f"{amount / 1000**power:,.1f} {UNITS[power - 1]}" if power else f"{amount} bytes"


def moment(time):
    """Return `2026-11-22 13:00:00 UTC` for an ISO time, "" for None.

    Scripts put the viewer's own time zone there.
    """
    return f"{time[:10]} {time[11:19]} UTC" if time else ""


def day_time(time):
    """Return `22 Nov, 13:00 UTC` for an ISO time, with the year if it isn't this one, "" for
    None.
    """
    if not time:
        return ""
    moment = datetime.fromisoformat(time)
    year = (
        "" if moment.year == datetime.fromtimestamp(now() / 1000, UTC).year else f" {moment.year}"
    )
    return f"{moment.day} {MONTHS[moment.month - 1]}{year}, {time[11:16]} UTC"


def clock(time):
    """Return `13:00:00.123` for an ISO time."""
    return time[11:23]


def took(start, end):
    """Return how long it was between two ISO times, "" unless both are there."""
    if not (start and end):
        return ""
    return lasting(
        (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() * 1000
    )


def lasting(ms, is_rough=False):
    """Return a duration: `0.3 s`, `2 min 05 s`, `3 h 02 min`.

    A rough one is in whole seconds: what ticks would flicker otherwise.
    """
    ms = max(0, round(ms))
    seconds, minutes = ms // 1000, ms // 60_000
    if seconds < 60:
        return f"{seconds} s" if is_rough else f"{seconds}.{ms % 1000 // 100} s"
    if minutes < 60:
        return f"{minutes} min {seconds % 60:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def elapsed(start, end, at):
    """Return how long something took, or has taken by `at` (ms) if it goes on; "" if it hasn't
    begun.
    """
    return (
        took(start, end) if end or not start else lasting(at - milliseconds(start), is_rough=True)
    )


def times(step):
    """Return a step's status and exact times in one line, those of day in UTC."""
    if not step["started_at"]:
        return step["status"]
    begun, ended = (step[name] and step[name][11:19] for name in ("started_at", "finished_at"))
    if not ended:
        return f"{step['status']}, started {begun} UTC"
    return (
        f"{step['status']}, {begun} to {ended} UTC, "
        f"took {took(step['started_at'], step['finished_at'])}"
    )
