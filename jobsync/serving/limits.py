"""The figures: how much one connection may send, how long it may take, and how it is slowed and
then cut off when it sends more.
"""

import errno
import logging
import time

import eventlet

KIB, MIB = 1024, 1024 * 1024

# Sizes, in bytes
HEAD = 32 * KIB  # of a request: its first line and all headers
LINE = 8 * KIB  # of them, each
CHUNK_LINE = 256  # the line before a chunk, with its extensions
TRAILERS = 8 * KIB
# of a body that nobody wants and that is read all the same, so that its connection can be used
# again
DISCARDED = 8 * MIB
MESSAGE = 64 * KIB  # of a websocket or of long-polling, with all its fragments and attachments

# Times, in seconds
HEAD_TIME = 10.0
BODY_TIME = 30.0
IDLE_TIME = 60.0  # between two requests
SEND_TIME = 30.0  # without a byte taken
PATIENCE = 2.0  # that a client is slowed before it is cut off
LINGER_TIME = 0.5  # that a refused client gets to read why

# Numbers
HEADERS = 100  # of a request
CONNECTIONS = 3000
SESSIONS = 2000
SESSIONS_EACH = 1000  # of one address: twice the viewers that are promised to be served
FILES = 128  # open files that aren't connections: the database, workers, what is being read

# What may come from one connection: (a second, at once)
REQUESTS = (1000, 2000)
# requests that one counts for which was sent before the last was answered: no browser does
PIPELINED = 20
CHUNKS = (500, 2000)
RECEIVED = (4 * MIB, 16 * MIB)
# frames of a websocket, packets of long-polling. One connection may follow 200 jobs
PACKETS = (50, 300)
PACKET_BYTES = (64 * KIB, 512 * KIB)


class CutOff(ConnectionResetError):
    """A client went on sending more than it may although it was slowed."""

    def __init__(self, reason):
        super().__init__(errno.ECONNRESET, reason)


class Rate:
    """So much a second, and so much at once (a token bucket).

    What is taken beyond that is owed, and paid by waiting.
    """

    def __init__(self, per_second, at_once):
        self._per_second = per_second
        self._at_once = self._left = at_once
        self._at = time.monotonic()
        self._owed = 0.0  # seconds waited since it was last full

    def take(self, number=1):
        """Take so much and return the seconds to wait for it, or None when its client has had
        to wait for PATIENCE in all.
        """
        now = time.monotonic()
        self._left = min(self._at_once, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left == self._at_once:
            self._owed = 0.0
        self._left -= number
        if self._left >= 0:
            return 0.0
        wait = -self._left / self._per_second
        self._owed += wait
        return wait if self._owed <= PATIENCE else None


class Allowance:
    """What one client may send, by kind.

    `client`: its name for the log. rates: `{kind: (a second, at once)}`; a kind reads as in "too
    many packets".
    """

    def __init__(self, client, rates):
        self._client = client
        self._rates = {kind: Rate(*rate) for kind, rate in rates.items()}

    def take(self, kind, number=1):
        """Take so much, after the wait that it takes. Raises CutOff, and logs that."""
        wait = self._rates[kind].take(number)
        if wait is None:
            reason = f"too many {kind}"
            CUT_OFF.tell(f"{self._client} is cut off: it sent {reason}")
            raise CutOff(reason)
        if wait:
            eventlet.sleep(wait)


class SparseLog:
    """Tells at most so many things a minute, and then how many more there were."""

    MINUTE = 60.0

    def __init__(self, most):
        self._most = most
        self._since = -self.MINUTE
        self._told = self._untold = 0

    def tell(self, text):
        """Log a text as a warning, unless enough was told."""
        now = time.monotonic()
        if now - self._since >= self.MINUTE:
            self._since, self._told = now, 0
        if self._told >= self._most:
            self._untold += 1
            return
        self._told += 1
        more, self._untold = self._untold, 0
        _log.warning("%s%s", text, f" (and {more} more like this before)" if more else "")


_log = logging.getLogger(__name__)
CUT_OFF = SparseLog(10)  # one line for each client, but not for each of thousands
BROKEN = SparseLog(1)  # handshakes and packets
REFUSED = SparseLog(1)  # connections and sessions for which there is no room
ACCEPTING = SparseLog(1)  # errors of accept
