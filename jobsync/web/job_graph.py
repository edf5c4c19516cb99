"""The steps of a job drawn with their statuses; the drawing is that of its definition."""

from dataclasses import dataclass
from types import SimpleNamespace

from jobsync.status import CANCELLED, COMPLETED, FAILED, STEP_STATUSES
from jobsync.web import graph
from jobsync.web.words import amount

ROOM = 4  # letters: for the icon before a name, which is bold
LONGEST = max(STEP_STATUSES, key=len)


@dataclass(frozen=True)
class JobGraph:
    """A Drawing, and the steps by name as in `structure`.

    `static/js/job/graph.js` brings it along.
    """

    drawing: graph.Drawing
    steps: dict

    def share(self, step):
        """How much of a step is done, 0 to 1."""
        if not step["child_count"]:
            return float(step["status"] == COMPLETED)
        return _ended(step) / step["child_count"]

    def title(self, step):
        """`build: running, 37 of 1,200 children ended`."""
        words = f"{step['name']}: {step['status']}"
        if not step["child_count"]:
            return words
        whole = amount(step["child_count"], "child", "children")
        return f"{words}, {_ended(step):,} of {whole} ended"


def _ended(step):
    return sum(step["children"][status] for status in (COMPLETED, FAILED, CANCELLED))


def job_graph(structure, details):
    """Return the JobGraph of a job, None of a single step or of too many for a picture.

    details: as of `store.steps.details`.
    """
    drawing = graph.draw(
        [
            SimpleNamespace(name=step["name"], type=LONGEST, depends=step["depends"])
            for step in details
        ],
        extra=ROOM,
    )
    return drawing and JobGraph(drawing, {step["name"]: step for step in structure["steps"]})
