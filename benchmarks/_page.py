"""What a job's page does to stay right, without a page: `lib/request.js`, `sync/connection.js` and
`sync/sync.js` of `static/js` once more, for viewers by the hundred.

It does what the server can notice: connects, subscribes, asks and waits as they do. What they only
show is left out, and so is the waking up.
"""

import json

from benchmarks._socket import Socket, get
from benchmarks._wire import Kept, header

# Seconds, each as the constant of the same name in static/js (there in ms); a test compares them.
# request.js
TIME_OUT = 4.0
LONGEST_PAUSE = 3.0
FIRST_PAUSE = 0.25
# connection.js
SILENT_AFTER = 3.5
SILENT_SPREAD = 0.5
ACK_WITHIN = 4.0
TICK = 0.25
GIVE_UP_AFTER = 5.0
LONGEST_GIVE_UP = 10.0
SPREAD = 1.5
POLL_EVERY = 3.0

LONG_AGO = float("-inf")


def pause_after(failures, random):
    """Return the seconds to wait after so many failures."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2**failures) * (0.5 + 0.5 * random.random())


class Request:
    """One thing that is asked for again and again, at most once in the air.

    send(): asks, and calls `succeed` or `fail`. abort(): gives up the one in the air. take(answer):
    returns whether it was news.
    """

    def __init__(self, loop, random, send, abort, take, is_wanted):
        self._loop, self._random = loop, random
        self._ask, self._abort, self._take, self._is_wanted = send, abort, take, is_wanted
        self._time_out = None  # set while one is in the air
        self._timer = None
        self._failures = 0

    def ask(self):
        """Ask, unless that is under way or about to be."""
        if not self._time_out and not self._timer:
            self._send()

    def _send(self):
        self._timer = None
        self._time_out = self._loop.call_later(TIME_OUT, self._give_up)
        self._ask()

    def _give_up(self):
        self._abort()
        self.fail()

    def _land(self):
        flight, self._time_out = self._time_out, None
        if flight:
            flight.cancel()
        return bool(flight)

    def fail(self):
        """Be told that there will be no answer."""
        if self._land():
            self._retry()

    def succeed(self, answer):
        """Be told the answer."""
        if not self._land():
            return
        is_news = self._take(answer)
        is_wanted = self._is_wanted()
        if is_news or not is_wanted:
            self._failures = 0
        if is_wanted and is_news:
            self._send()
        elif is_wanted:
            self._retry()

    def _retry(self):
        if not self._timer:
            self._timer = self._loop.call_later(
                pause_after(self._failures, self._random), self._send
            )
            self._failures += 1

    def stop(self):
        """Ask no more."""
        for timer in (self._time_out, self._timer):
            if timer:
                timer.cancel()


class Connection:
    """The page's one socket: subscribing, noticing silence, connecting again."""

    def __init__(self, loop, random, site, job_id, on_ack, on_hint, on_silence, on_request):
        self._loop, self._random, self._site = loop, random, site
        self._job_id = job_id
        self._on_ack, self._on_hint, self._on_silence, self._on_request = (
            on_ack,
            on_hint,
            on_silence,
            on_request,
        )
        self._transports = ["websocket", "polling"]
        self._socket = self._opening = self._ticking = None
        self._failures = 0
        self._give_up_after, self._silent_after = GIVE_UP_AFTER, SILENT_AFTER
        self._heard_at = self._asked_at = LONG_AGO
        self._subscribed_at = None  # while it is connected
        self.is_acked = False
        self.is_silent = False
        self.minds_silence = False

    def start(self):
        self._started_at = self._loop.time()
        self._open()
        self._tick()

    def stop(self):
        self._close()
        for timer in (self._opening, self._ticking):
            if timer:
                timer.cancel()

    def _open(self):
        self._opening = None
        self._asked_at = self._loop.time()
        self._socket = Socket(
            self._site,
            self._transports,
            self._subscribe,
            self._hear,
            self._take_ack,
            self.reopen,
            self._on_request,
        )

    def _close(self):
        self.is_acked, self._subscribed_at = False, None
        if self._socket:
            self._socket.cut()
            self._socket = None

    def reopen(self):
        """Connect again after a pause.

        One that opened and brought nothing is followed by one that tries the other transport first.
        """
        if self._subscribed_at is not None and self._heard_at < self._asked_at:
            self._transports.reverse()
        self._close()
        pause = (
            SPREAD * self._random.random()
            if self._failures == 0
            else pause_after(self._failures + 1, self._random)
        )
        self._failures += 1
        if self._opening:
            self._opening.cancel()
        self._opening = self._loop.call_later(pause, self._open)

    def _subscribe(self):
        self._subscribed_at = self._loop.time()
        self.is_acked = False
        self._socket.emit("subscribe", {"job_id": self._job_id})

    def _take_ack(self, ack):
        self.is_acked = True
        self._on_ack(ack)

    def _hear(self, _, hint):
        spread = SILENT_SPREAD * self._random.random()
        self._heard_at = self._loop.time()
        self._failures = 0
        self.is_silent = False
        self._silent_after = SILENT_AFTER + spread
        self._give_up_after = GIVE_UP_AFTER + spread
        self._on_hint(hint)

    def _tick(self):
        now = self._loop.time()
        self._ticking = self._loop.call_later(TICK, self._tick)
        if not self.minds_silence:
            return
        heard_at = max(self._heard_at, self._started_at)
        if not self.is_silent and now - heard_at >= self._silent_after:
            self.is_silent = True
            self._on_silence()
        if self._socket and now - max(heard_at, self._asked_at) >= self._give_up_after:
            self._give_up()
        if (
            self._subscribed_at is not None
            and not self.is_acked
            and now - self._subscribed_at >= ACK_WITHIN
        ):
            self._subscribe()

    def _give_up(self):
        self._give_up_after = (
            min(LONGEST_GIVE_UP, self._give_up_after * 1.5) + SILENT_SPREAD * self._random.random()
        )
        if self._heard_at < self._asked_at:
            self._transports.reverse()
        self._close()
        self._open()


class Page:
    """A viewer of a job. record: what is told of it, see `_viewers.Record`.

    Before `fetch` it is no more than a subscribed socket.
    """

    def __init__(self, number, loop, random, site, job_id, record):
        self._number, self._loop, self._random, self._site = number, loop, random, site
        self._record = record
        self._path = f"/api/jobs/{job_id}/structure"
        self._request = Request(
            loop,
            random,
            self._send,
            self._abort,
            self._take_structure,
            lambda: self._wanted > self.shown,
        )
        on_request = record.note_connecting
        self._connection = Connection(
            loop, random, site, job_id, self._take_ack, self._take_hint, self._poll, on_request
        )
        self._kept = None
        self._etag = None
        self._polling = None
        self._wanted = 0
        self.shown = 0  # the revision
        self._fetches = False

    def start(self):
        self._connection.start()

    def fetch(self):
        """Fetch what is newer from now on, and mind silence: a server that only emits gives no
        hints at rest.
        """
        self._fetches = self._connection.minds_silence = True
        self._want(self._wanted)

    def stop(self):
        self._connection.stop()
        self._request.stop()
        if self._polling:
            self._polling.cancel()
        self._abort()

    def cut(self):
        """Lose all connections, as when the server's machine goes away."""
        self._abort()
        self._request.fail()
        self._connection.reopen()

    def is_right(self, revision):
        """Say whether it is subscribed and shows this revision or a later one."""
        return self._connection.is_acked and self.shown >= revision

    def _take_ack(self, ack):
        if not ack["ok"]:
            if self._fetches:
                self._request.ask()  # `structure` will say what is the matter
            return
        if not self.shown:
            self.shown = ack["revision"]  # as served
        self._record.note_ack(self._number)
        self._want(ack["revision"])

    def _take_hint(self, hint):
        if self._polling:
            self._polling.cancel()
            self._polling = None
        self._record.note_hint(hint)
        self._want(hint["revision"])

    def _want(self, revision):
        self._wanted = max(self._wanted, revision)
        if self._fetches and self._wanted > self.shown:
            self._request.ask()

    # Asking for `structure`

    def _send(self):
        if not self._kept:
            self._kept = Kept(self._take_answer, self._lose, self._record.note_fetching)
            self._kept.connect(*self._site)
        lines = (f"If-None-Match: {self._etag}",) if self._etag else ()
        self._kept.ask(get(*self._site, self._path, *lines))

    def _take_answer(self, status, head, body):
        if status in (200, 304):
            self._request.succeed((status, head, body))
        else:
            self._request.fail()

    def _lose(self):
        self._kept = None
        self._request.fail()

    def _abort(self):
        if self._kept:
            self._kept.cut()
            self._kept = None

    def _take_structure(self, answer):
        status, head, body = answer
        if status == 304:
            return False
        revision = json.loads(body)["revision"]
        if revision <= self.shown:
            return False
        self._etag = header(head, b"etag").decode()
        self.shown = revision
        self._record.note_shown(self._number, revision)
        return True

    def _poll(self):
        self._polling = None
        if self._connection.is_silent and self._fetches:
            self._request.ask()
            self._polling = self._loop.call_later(
                POLL_EVERY * (0.9 + 0.1 * self._random.random()), self._poll
            )
