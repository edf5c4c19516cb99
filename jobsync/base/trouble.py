"""A trouble that goes on for a while, told to the log when it begins and when it is over, not
each time that something fails for it.
"""

import time

from jobsync.base.text import one_line


def reason(error):
    """Return in one line what went wrong: of a database's error its own words, without the
    statement.
    """
    return one_line(str(getattr(error, "orig", None) or error) or type(error).__name__)


class OngoingError:
    """What is wrong at the moment with one thing: `text` is None while it is well.

    `what`: how the log begins ("The monitor can't work").
    """

    def __init__(self, log, what):
        self.text = None
        self._log, self._what = log, what
        self._since = 0.0

    def note(self, error, exc_info=False):
        """Note an error, or a reason as text. The log is told unless it was told the same last."""
        text = error if isinstance(error, str) else reason(error)
        if self.text is None:
            self._since = time.monotonic()
        if text != self.text:
            self._log.error("%s: %s", self._what, text, exc_info=exc_info)
        self.text = text

    def over(self):
        """Note that all is well."""
        if self.text is not None:
            self._log.info(
                "%s: that is over, after %.0f s", self._what, time.monotonic() - self._since
            )
        self.text = None


class Once:
    """Tells things apart that the log has been told already. It remembers `most` of them."""

    def __init__(self, most=1000):
        self._most = most
        self._told = set()

    def is_first(self, thing):
        """Say whether this thing comes for the first time. Beyond `most` nothing does."""
        is_first = thing not in self._told and len(self._told) < self._most
        if is_first:
            self._told.add(thing)
        return is_first
