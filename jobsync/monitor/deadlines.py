"""Moments of the wall clock, kept on the monotonic one: a jump of the wall clock ends nothing."""

from jobsync.base.clock import now


class Deadlines:
    """What must be done when, by kind and key. clock: monotonic, in seconds."""

    def __init__(self, clock):
        self._clock = clock
        self._known = {}  # (kind, key) → (moment in ms of the wall clock, moment by the clock)

    def note(self, kind, key, at, longest=None):
        """Remember that something is to be done at a moment.

        at: in ms since 1970; None: not at all. longest: the most ms that it can be away. It can't
        have begun in the future: a clock was set back.
        """
        if at is None:
            self._known.pop((kind, key), None)
        elif self._known.get((kind, key), (None,))[0] != at:
            left = at - now() if longest is None else min(at - now(), longest)
            self._known[kind, key] = (at, self._clock() + left / 1000)

    def __len__(self):
        return len(self._known)

    def keep(self, kind, keys):
        """Forget those of a kind whose keys aren't among these."""
        for known in [known for known in self._known if known[0] == kind and known[1] not in keys]:
            del self._known[known]

    def passed(self):
        """Return the `(kind, key)` of those that are due, in the order in which they were noted."""
        moment = self._clock()
        return [known for known, (_, deadline) in self._known.items() if moment >= deadline]

    def times(self):
        """Return when they are due, by the clock."""
        return [deadline for _, deadline in self._known.values()]

    def forget(self, kind, key):
        """Forget one that was done."""
        self._known.pop((kind, key), None)
