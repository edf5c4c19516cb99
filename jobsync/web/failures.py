"""What failed in a job, for the panel on its page: which steps, which children, why, and the
last lines before.
"""

from dataclasses import dataclass, field

from jobsync import store
from jobsync.base.clock import milliseconds
from jobsync.base.loop import in_turns
from jobsync.status import FAILED, RUNNING
from jobsync.store import logs

STEPS = 10  # shown with what failed in them; of more only the number
CHILDREN = 5  # of a step, shown with their reasons
STEPS_WITH_LINES = 3  # whose first failed child is shown with its last lines
LINES = 5
LINES_SERVED = 500  # of an expanded step with its page


@dataclass(frozen=True)
class FailedChild:
    """A child that failed, why, and its last lines (as `logs.page` has them); `last_line` is
    the number of the last, None for none.
    """

    name: str
    error: str
    lines: list

    @property
    def last_line(self):
        return self.lines[-1]["line"] if self.lines else None


@dataclass(frozen=True)
class Failure:
    """What failed in a step.

    `step` is as in structure; `lines` are the last ones before the failure.
    """

    step: dict
    tolerated: int
    children: list = field(default_factory=list)
    lines: list = field(default_factory=list)

    @property
    def more(self):
        """How many failed children aren't among `children`."""
        return self.step["children"][FAILED] - len(self.children)

    def address(self, line):
        """Return the address that opens the step at a line, without scripts as well: those
        serve the last lines of a failed step only.
        """
        name, here = self.step["name"], f"#{self.step['name']}:{line}"
        is_served = (
            self.step["status"] in (FAILED, RUNNING)
            and line > self.step["log_count"] - LINES_SERVED
        )
        return here if is_served else f"?open={name}&before={line + 1}{here}"


@dataclass(frozen=True)
class Failures:
    """What failed in a job. `left_out` is the number of failed steps that aren't in `items`."""

    items: list
    left_out: int
    error: str | None

    @property
    def says_why(self):
        """Say whether what the job's error says is said by the items too. A time-out isn't."""
        return any(
            (self.error or "").startswith(f"{failure.step['name']}: ") for failure in self.items
        )

    def of(self, name):
        """Return the Failure of a step, None for none."""
        return next((failure for failure in self.items if failure.step["name"] == name), None)


def find_failures(connection, structure, details):
    """Return the Failures of a job, from one moment with its `structure`.

    details: as of `store.steps.details`.
    """
    details = {step["name"]: step for step in details}
    failed = [
        step for step in structure["steps"] if step["status"] == FAILED or step["children"][FAILED]
    ]
    failed.sort(key=lambda step: step["status"] != FAILED)  # those that are tolerated come last
    items = [
        _failure(connection, step, details[step["name"]], place < STEPS_WITH_LINES)
        for place, step in enumerate(in_turns(failed[:STEPS]))
    ]
    return Failures(items, len(failed) - len(items), structure["error"])


def _failure(connection, step, about, has_lines):
    known = min(CHILDREN, step["children"][FAILED])
    children = [
        _child(connection, step, about, row)
        for row in in_turns(store.children.failed(connection, about["pk"], known))
    ]
    lines = []
    if has_lines and step["status"] == FAILED:
        lines = children[0].lines if children else _last_of_step(connection, step, about)
    return Failure(step, about["max_child_failures"], children, lines)


def _child(connection, step, about, row):
    lines = logs.last_lines_of(
        connection, step["name"], about["pk"], step["log_count"], row.pk, row.finished_at, LINES
    )
    return FailedChild(row.name, row.error or "", lines)


def _last_of_step(connection, step, about):
    """Return the last lines of a step that failed by itself, as when its planning did: those
    that are no child's.
    """
    return logs.last_lines_of(
        connection,
        step["name"],
        about["pk"],
        step["log_count"],
        None,
        step["finished_at"] and milliseconds(step["finished_at"]),
        LINES,
    )
