"""Lengths of time, as in `"1h30m"`."""

import re
from typing import NamedTuple

UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
PATTERN = re.compile("".join(f"(?:([0-9]{{1,12}}){unit})?" for unit in UNITS))
LONGEST = 365 * UNITS["d"]
REASON = (
    'must be a duration such as "90s", "10m", "1h30m" or "2d", or a whole number of seconds: '
    "{}at most {}"
)
IN_WORDS = {365 * UNITS["d"]: "365 days", UNITS["h"]: "1 hour"}  # the longest that there are


class Duration(NamedTuple):
    """A length of time in ms, and as the definition writes it."""

    ms: int
    text: str


def read_duration(value, zero=False, longest=LONGEST):
    """Return the Duration that `"1h30m"`, `"500ms"` or a whole number of seconds stands for.

    zero: whether it may be none at all, as in `"0s"`. longest: in ms, a key of IN_WORDS. Raises
    ValueError with the reason.
    """
    text = f"{value}s" if type(value) is int and 0 <= value <= longest else value
    match = PATTERN.fullmatch(text) if isinstance(text, str) and text else None
    ms = (
        sum(
            int(amount or 0) * unit
            for amount, unit in zip(match.groups(), UNITS.values(), strict=True)
        )
        if match
        else -1
    )
    if not (ms >= 0 if zero else ms > 0) or ms > longest:
        raise ValueError(REASON.format("" if zero else "more than 0, ", IN_WORDS[longest]))
    return Duration(ms, text)
