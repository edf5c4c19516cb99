"""Gives a process, and all that it starts, a wall clock that jumps: by the seconds that the file
FAULT_CLOCK holds at the moment.

Python imports this first of all if the folder is on PYTHONPATH. The monotonic clock goes on
undisturbed, as it does in the real thing.
"""

import os
import time

FILE = os.environ["FAULT_CLOCK"]
_time, _time_ns = time.time, time.time_ns


def _jump():
    try:
        with open(FILE) as file:
            return int(file.read() or 0)
    except FileNotFoundError:
        return 0


time.time = lambda: _time() + _jump()
time.time_ns = lambda: _time_ns() + _jump() * 1_000_000_000
