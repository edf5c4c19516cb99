"""Times as they are stored and as they are shown."""

import pytest

from jobsync.base.clock import iso, milliseconds


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000_007, "2023-11-14T22:13:20.007Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_is_shown_and_read_again(stored, shown):
    assert iso(stored) == shown and milliseconds(shown) == stored


def test_no_time_stays_none():
    assert iso(None) is None
