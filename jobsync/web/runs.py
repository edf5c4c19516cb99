"""The last runs of a definition as a sparkline: a bar each, as high as the run was long."""

from dataclasses import dataclass
from functools import cached_property
from statistics import median

from jobsync.status import COMPLETED
from jobsync.store.listing import RUNS
from jobsync.web.filters import lasting

PITCH = 6  # of the drawing, from bar to bar
HEIGHT = 24
LEAST = 2  # of a bar's height
HEAD = 2  # the radius of the head that a failed run has


@dataclass(frozen=True)
class Bar:
    """A run in the drawing: `x` is its middle, `y` its top."""

    x: float
    y: float
    is_failed: bool


@dataclass(frozen=True)
class Runs:
    """`runs` as `listing.recent_runs` has those of one definition."""

    runs: list

    width = RUNS * PITCH
    height = HEIGHT
    head = HEAD

    @cached_property
    def median(self):
        """The usual duration in words, "" for none."""
        return lasting(median(self._completed)) if self._completed else ""

    @property
    def _completed(self):
        return [run.took for run in self.runs if run.status == COMPLETED]

    @property
    def words(self):
        """`Last 12 runs: 3.1 s to 5.4 s, median 3.8 s, 2 failed`."""
        failed = len(self.runs) - len(self._completed)
        said = []
        if len(self._completed) > 1:
            said.append(
                f"{lasting(min(self._completed))} to {lasting(max(self._completed))}, median "
                f"{self.median}"
            )
        elif self._completed:
            said.append(self.median)
        if failed:
            said.append(f"{failed} failed")
        return (
            f"{'Last run' if len(self.runs) == 1 else f'Last {len(self.runs)} runs'}: "
            f"{', '.join(said)}"
        )

    @property
    def bars(self):
        longest = max((run.took for run in self.runs), default=0) or 1
        return [
            Bar((place + 0.5) * PITCH, _top(run, longest), run.status != COMPLETED)
            for place, run in enumerate(self.runs)
        ]


def _top(run, longest):
    room = HEIGHT - HEAD - LEAST
    return round(HEIGHT - LEAST - room * run.took / longest, 1)
