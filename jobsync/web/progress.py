"""How far a job has come, in words.

`static/js/job/progress.js` says the same in the same way as it goes on.
"""

from jobsync.base.clock import milliseconds
from jobsync.status import COMPLETED, PENDING, RUNNING, TERMINAL, UNFINISHED
from jobsync.web.filters import number

LEAST_ENDED = 5  # children, before their rate means something
LEAST_RUNNING = 5000  # ms


def progress(structure, now, taken_up_again=()):
    """Return `(share, words)`: how much is done (0 to 1) and what is left. now: ms.
    taken_up_again: names of steps that kept children.
    """
    steps = structure["steps"]
    is_over = structure["status"] in TERMINAL
    ended = sum(step["status"] in TERMINAL for step in steps)
    children, total = sum(map(_ended, steps)), sum(step["child_count"] for step in steps)
    if is_over:
        ended = sum(step["status"] == COMPLETED for step in steps)
        children = sum(step["children"][COMPLETED] for step in steps)
    words = f"{number(ended)} of {_amount(len(steps), 'step', 'steps')}"
    if total:
        words += f" · {number(children)} of {_amount(total, 'child', 'children')}"
    left = None if is_over else time_left(steps, now, taken_up_again)
    words += " completed" if is_over else f", {roughly(left)} left" if left is not None else ""
    return _share(steps, is_over), words


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
    ended, left = (
        sum(map(_ended, running)),
        sum(step["children"][status] for step in running for status in UNFINISHED),
    )
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


def _amount(count, noun, plural):
    return f"{number(count)} {noun if count == 1 else plural}"


def _ended(step):
    return step["child_count"] - sum(step["children"][status] for status in UNFINISHED)


def _share(steps, is_over):
    """Return how much of a job is done, or of one that is over has completed: each step counts
    the same, with its children's share.
    """
    whole = {COMPLETED} if is_over else TERMINAL
    children = (lambda step: step["children"][COMPLETED]) if is_over else _ended
    done = [
        1 if step["status"] in whole else children(step) / (step["child_count"] or 1)
        for step in steps
    ]
    return sum(done) / (len(done) or 1)
