"""Waiting for a condition, never for a time."""

import time


def wait_for(condition, seconds=15, what="it"):
    """Return what `condition()` returns as soon as that is true."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)
