"""How values are stored as JSON."""

import json
from dataclasses import dataclass

from jobsync.base.text import storable


@dataclass(frozen=True)
class Encoded:
    """A value that is JSON already.

    A large one needn't be encoded once to see that it can be, and again to store it.
    """

    text: str


def encoded(value):
    """Return a value as Encoded; None, which is stored as NULL, as it is. Raises as `json_text`."""
    return None if value is None else Encoded(json_text(value))


def json_text(value):
    """Return `value` as the JSON that is stored.

    Raises TypeError or ValueError (NaN too) for what JSON can't say.
    """
    if isinstance(value, Encoded):
        return value.text
    return storable(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
