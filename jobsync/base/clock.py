"""Wall-clock time as it is stored (integer milliseconds since 1970, UTC) and as it is shown
(ISO 8601 with Z).
"""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
DAY = 86_400_000  # ms
# The first and the last time that a calendar has
FIRST, LAST = (
    (moment.replace(tzinfo=UTC) - EPOCH) // MILLISECOND for moment in (datetime.min, datetime.max)
)


def now():
    """Return the present time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def milliseconds(text):
    """Return the stored time for an ISO 8601 text with a zone.

    Raises ValueError for what isn't one.
    """
    return (datetime.fromisoformat(text) - EPOCH) // MILLISECOND


def midnight(day):
    """Return the stored time at which a date begins in UTC."""
    return (day.toordinal() - EPOCH.toordinal()) * DAY


def iso(milliseconds):
    """Return `2026-11-22T13:00:00.123Z` for a stored time; None stays None, and what no
    calendar has becomes it.
    """
    if milliseconds is None or not FIRST <= milliseconds <= LAST:
        return None
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_iso_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=1024)
def _iso_second(seconds):
    # strftime takes longer, and writes year 1 as "1"
    return (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
