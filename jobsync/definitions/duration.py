"""Lengths of time, as in `"1h30m"`."""

import re
from typing import NamedTuple

UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
PATTERN = re.compile("".join(f"(?:([0-9]{{1,12}}){unit})?" for unit in UNITS))
LONGEST = 365 * UNITS["d"]
REASON = (
    'must be a duration such as "90s", "10m", "1h30m" or "2d", or a whole number of seconds: '
    "more than 0, at most 365 days"
)


class Duration(NamedTuple):
    """A length of time in ms, and as the definition writes it."""

    ms: int
    text: str


def read_duration(value):
    """Return the Duration that `"1h30m"`, `"500ms"` or a whole number of seconds stands for.

    Raises ValueError with the reason.
    """
    text = f"{value}s" if type(value) is int and 0 < value <= LONGEST else value
    match = PATTERN.fullmatch(text) if isinstance(text, str) else None
    ms = (
        sum(
            int(amount or 0) * unit
            for amount, unit in zip(match.groups(), UNITS.values(), strict=True)
        )
        if match
        else 0
    )
    if not 0 < ms <= LONGEST:
        raise ValueError(REASON)
    return Duration(ms, text)
