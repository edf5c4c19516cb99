"""How far a job has come, in words.

`static/js/job/progress.js` does the same as it goes on.
"""

from jobsync.base.clock import milliseconds
from jobsync.status import COMPLETED, PENDING, RUNNING, TERMINAL, UNFINISHED, count_done

LEAST_ENDED = 5  # children, before their rate means something
LEAST_RUNNING = 5000  # ms


def progress(structure, now, taken_up_again=()):
    """Return `(share, words)`: how much is done (0 to 1) and what is left. now: ms.
    taken_up_again: names of steps that kept children.

    Done is what has ended. Of a job that is over it is what has completed.
    """
    steps = structure["steps"]
    is_over = structure["status"] in TERMINAL
    done = _count(steps, (COMPLETED,) if is_over else TERMINAL)
    left = None if is_over else time_left(steps, now, taken_up_again)
    rest = " completed" if is_over else f", {roughly(left)} left" if left is not None else ""
    return done.share, done.words + rest


def _count(steps, done=TERMINAL):
    return count_done(((step["status"], step["children"]) for step in steps), done)


def time_left(steps, now, taken_up_again=()):
    """Return the ms that the running steps need by the rate of their ended children, None where
    that would mean nothing.

    It does when no step is still to begin, at least 5 children have ended and 5 s have passed.
    Children kept of an earlier try have no rate.
    """
    running = [step for step in steps if step["status"] == RUNNING]
    if (
        not running
        or any(step["status"] == PENDING for step in steps)
        or any(step["name"] in taken_up_again for step in running)
    ):
        return None
    ran = now - min(
        (milliseconds(step["started_at"]) for step in running if step["started_at"]), default=now
    )
    ended = _count(running).children
    left = sum(step["children"][status] for step in running for status in UNFINISHED)
    return left * ran / ended if left and ended >= LEAST_ENDED and ran >= LEAST_RUNNING else None


def roughly(ms):
    """Return a time in words that don't pretend: `about 40 s`, `about 2 min`, `about 3 h`."""
    seconds = max(10, round_up(ms / 1000, 10))
    if seconds < 60:
        return f"about {seconds} s"
    minutes = round_up(ms / 60_000, 1)
    return f"about {minutes} min" if minutes < 60 else f"about {round_up(ms / 3_600_000, 1)} h"


def round_up(value, unit):
    """Return the least multiple of `unit` that isn't less than `value`."""
    return -int(-value // unit) * unit
