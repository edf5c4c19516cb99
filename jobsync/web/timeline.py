"""Where the bars of a job's timeline lie.

`static/js/job/timeline.js` has the same geometry, for when it goes on.
"""

from dataclasses import dataclass
from itertools import chain, count
from math import floor

from jobsync.base.clock import milliseconds
from jobsync.base.loop import in_turns
from jobsync.status import PENDING, TERMINAL

MOST_TICKS = 4
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
TICKS = (
    *(10, 20, 50, 100, 200, 500),
    *(number * SECOND for number in (1, 2, 5, 10, 15, 30)),
    *(number * MINUTE for number in (1, 2, 5, 10, 15, 30)),
    *(number * HOUR for number in (1, 2, 6, 12)),
)


@dataclass(frozen=True)
class Timeline:
    """`ticks`: `(place, label)` each; `now`: the place of the present, None for a job that doesn't
    run; `rows`: `(wait, run)` of each step, `(place, width)` or None each. Places and widths are
    percent of the axis.
    """

    ticks: list
    now: float | None
    rows: list


def timeline(structure, depends, now):
    """Return the Timeline of a job at `now` (ms). depends: `{step: [names of steps]}`."""
    if structure["started_at"] is None:
        return empty_timeline(structure)
    is_over = structure["status"] in TERMINAL
    start = milliseconds(structure["started_at"])
    until = (
        milliseconds(structure["finished_at"])
        if is_over and structure["finished_at"]
        else max(now, start)
    )
    return lay_out(
        start, until, is_over, [_times(step, depends) for step in in_turns(structure["steps"])]
    )


def empty_timeline(structure):
    """Return the Timeline of a job of which nothing is known."""
    return Timeline([], None, [(None, None) for _ in structure["steps"]])


def _times(step, depends):
    times = {
        name: step[name] and milliseconds(step[name]) for name in ("started_at", "finished_at")
    }
    return {
        "name": step["name"],
        "status": step["status"],
        "depends": depends.get(step["name"], []),
        **times,
    }


def lay_out(start, until, is_over, steps):
    """Return the Timeline from `start` to `until` (ms): steps have `name`, `status`, `depends`,
    `started_at` and `finished_at` (ms or None).

    While a job runs its axis ends at the next tick, so that bars grow instead of everything
    shrinking each second.
    """
    lasted = max(until - start, 1)
    tick = _tick(lasted)
    span = lasted if is_over else (lasted // tick + 1) * tick
    ends = {step["name"]: step["finished_at"] for step in steps}

    def place(at):
        return _percent(min(max(at - start, 0), span), span)

    def bar(begin, end):
        return (
            place(begin),
            _percent(max(0, min(end - start, span) - max(begin - start, 0)), span),
        )

    def row(step):
        begun, ended = step["started_at"], step["finished_at"]
        run = (
            bar(begun, until if ended is None else ended)
            if begun is not None and (ended is None or ended >= start)
            else None
        )
        waits_until = (
            begun
            if begun is not None
            else until
            if step["status"] == PENDING and not is_over
            else None
        )
        ready = _ready(step, ends, start)
        wait = (
            bar(ready, waits_until)
            if ready is not None and waits_until is not None and waits_until > ready
            else None
        )
        return wait, run

    ticks = [(place(start + at), _label(at, tick)) for at in range(0, span + 1, tick)]
    return Timeline(
        ticks, None if is_over else place(until), [row(step) for step in in_turns(steps)]
    )


def _ready(step, ends, start):
    """Return when a step could have begun, None while what it depends on hasn't ended."""
    found = [ends.get(name) for name in step["depends"]]
    return None if None in found else max([start, *found])


def _percent(part, whole):
    return floor(10_000 * part / whole + 0.5) / 100


def _tick(lasted):
    days = (24 * HOUR * 2**power for power in count())
    return next(tick for tick in chain(TICKS, days) if tick * MOST_TICKS >= lasted)


def _label(at, tick):
    unit, name = (SECOND, "s") if tick < MINUTE else (MINUTE, "min") if tick < HOUR else (HOUR, "h")
    return f"{at / unit:g} {name}" if at else "0"
