"""All children of a step at a glance: a square each, or one for a group of them where there are
many.

`static/js/job/squares.js` makes the same of the same letters, for when it goes on.
"""

from dataclasses import dataclass

from jobsync.status import CANCELLED, COMPLETED, FAILED, PENDING, RUNNING
from jobsync.store.children import LETTERS

MOST = 1000  # squares
WORST = (FAILED, CANCELLED, RUNNING, PENDING, COMPLETED)  # the first one that is in a group shows


@dataclass(frozen=True)
class Square:
    """Children `first` to `last`, counted from 1. `counts`: of each status that there is, the
    worst first.
    """

    first: int
    last: int
    counts: dict

    @property
    def status(self):
        """The worst status of these children."""
        return next(iter(self.counts))

    @property
    def share(self):
        """How much of the square is of that status, in eighths: at least one."""
        return -(-8 * self.counts[self.status] // (self.last - self.first + 1))

    @property
    def words(self):
        """`7: failed`, `101–200: 3 failed, 97 completed`."""
        if self.first == self.last:
            return f"{self.first:,}: {self.status}"
        counted = ", ".join(f"{count:,} {status}" for status, count in self.counts.items())
        return f"{self.first:,}–{self.last:,}: {counted}"


def squares(letters):
    """Return the Squares of the statuses that `store.children.statuses` gave."""
    size = -(-len(letters) // MOST) or 1
    return [_square(start, letters[start : start + size]) for start in range(0, len(letters), size)]


def _square(start, letters):
    counts = {status: letters.count(LETTERS[status]) for status in WORST}
    found = {status: count for status, count in counts.items() if count}
    return Square(start + 1, start + len(letters), found or {PENDING: 0})
