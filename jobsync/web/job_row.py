"""A row of the list of jobs, in words.

`static/js/list/list.js` does the same as the job goes on.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from jobsync.definitions import Definition
from jobsync.definitions.placeholders import as_text
from jobsync.status import COMPLETED, RUNNING, TERMINAL, count_done

MOST_DIFFERING = 3  # parameters
LONGEST = 24  # characters of a value
MOST_SEGMENTS = 100  # steps shown one by one: a list of 200 jobs of 1,000 steps would be 60 MB


@dataclass(frozen=True)
class Row:
    """A job as `listing.rows` has it, its steps as `steps.strips`, and its Definition,
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
    def waiting(self):
        """What keeps the job from going on, "" for nothing."""
        reason = self.job["waiting_for"]
        return f"waiting for {reason}" if reason else ""

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
        return self._count((COMPLETED,)).words

    @property
    def share(self):
        """How far the job has come, 0 to 1: each step counts the same, a running one by its
        children.
        """
        return self._count(TERMINAL).share

    def _count(self, done):
        return count_done(((step["status"], step) for step in self.steps), done)


def shortened(text):
    """Return a value on one line, without its middle when it is long: how it begins and ends
    tells values apart best.
    """
    text = " ".join(text.split()) or "“”"
    return (
        text if len(text) <= LONGEST else f"{text[: LONGEST // 3]}…{text[-LONGEST * 2 // 3 + 1 :]}"
    )
