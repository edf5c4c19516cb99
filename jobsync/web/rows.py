"""A row of the list of jobs, in words.

`static/js/list/list.js` says the same in the same way as the job goes on.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from jobsync.definitions import Definition
from jobsync.definitions.placeholders import as_text
from jobsync.status import CHILD_STATUSES, COMPLETED, RUNNING, TERMINAL, UNFINISHED
from jobsync.web.filters import number

MOST_DIFFERING = 3  # parameters
LONGEST = 24  # characters of a value
MOST_SEGMENTS = 100  # steps shown one by one: a list of 200 jobs of 1,000 steps would be 60 MB


@dataclass(frozen=True)
class Row:
    """A job as `listing.rows` has it, its steps as `store.step_strips`, and its Definition,
    None if that is gone.
    """

    job: dict
    steps: list
    definition: Definition | None

    @property
    def is_running(self):
        return self.job["status"] == RUNNING

    @cached_property
    def differing(self):
        """The parameters in which the job differs from its definition's defaults: `[(name,
        text)]`, the first few, long ones cut.
        """
        params = self.job["params"]
        differences = self.definition.differences(params) if self.definition else params
        return [
            (name, shortened(as_text(value)))
            for name, value in islice(differences.items(), MOST_DIFFERING)
        ]

    @property
    def all_params(self):
        return "\n".join(f"{name}: {as_text(value)}" for name, value in self.job["params"].items())

    @property
    def segments(self):
        """The steps that are shown one by one."""
        return self.steps[:MOST_SEGMENTS]

    @property
    def left_out(self):
        """How many steps aren't among `segments`."""
        return len(self.steps) - len(self.segments)

    @property
    def done(self):
        """`2 of 4 steps · 37 of 120 children`: those that completed.

        What failed or was cancelled isn't done.
        """
        children = sum(map(_children, self.steps))
        words = (
            f"{_sum(self.steps, lambda step: step['status'] == COMPLETED)} "
            f"of {_amount(len(self.steps), 'step', 'steps')}"
        )
        return (
            (
                f"{words} · {_sum(self.steps, lambda step: step[COMPLETED])} of "
                f"{_amount(children, 'child', 'children')}"
            )
            if children
            else words
        )

    @property
    def share(self):
        """How far the job has come, 0 to 1: each step counts the same, a running one by its
        children.
        """
        shares = [
            1 if step["status"] in TERMINAL else _ended(step) / (_children(step) or 1)
            for step in self.steps
        ]
        return sum(shares) / (len(shares) or 1)


def shortened(text):
    """Return a value on one line, without its middle when it is long: how it begins and ends
    tells values apart best.
    """
    text = " ".join(text.split()) or "“”"
    return (
        text if len(text) <= LONGEST else f"{text[: LONGEST // 3]}…{text[-LONGEST * 2 // 3 + 1 :]}"
    )


def _sum(steps, count):
    return number(sum(map(count, steps)))


def _amount(count, noun, plural):
    return f"{number(count)} {noun if count == 1 else plural}"


def _children(step):
    return sum(step[status] for status in CHILD_STATUSES)


def _ended(step):
    return _children(step) - sum(step[status] for status in UNFINISHED)
