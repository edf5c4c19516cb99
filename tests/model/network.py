"""The network of the model: what is under way between pages and server, and what can happen to
it.
"""

from dataclasses import dataclass

STEP = 400  # ms: the longest time that passes at once
DELAYS = (200, 900, 2500, 4500)  # ms
BAD_ANSWERS = (
    (502, "Bad Gateway"),
    (503, '{"code": 503}'),
    (200, "<html>Sign in to this network</html>"),
    (500, ""),
)
TROUBLES = {  # what can happen to each kind of thing, with the number of ways in which it can
    "connect": {"fail": 1, "lose": 1, "delay": 2},
    "emit": {"lose": 1, "delay": 2, "interrupt": 2},
    "ack": {"lose": 1, "delay": 2},
    "frame": {"lose": 3, "double": 1, "delay": 4},
    "ask": {
        "fail": 2,
        "lose": 2,
        "delay": 2,
        "answer_badly": 4,
        "answer_from_cache": 4,
        "interrupt": 4,
    },
    "answer": {"fail": 1, "lose": 1, "double": 1, "delay": 4},
    "bye": {"lose": 1},
}
# things that are delivered without any time passing; more is a page that hammers the server
MOST_AT_ONCE = 500


@dataclass(eq=False)
class Socket:
    """A page's connection.

    `client` is the server's side of it; a cut one carries nothing, and nobody need know.
    """

    page: object
    number: int
    client: object = None
    is_cut: bool = False
    is_closed: bool = False


@dataclass(eq=False)
class Thing:
    """Something under way: `kind` is connect, emit, ack, frame, ask, answer or bye.

    It meets with its `trouble` once it is its turn.
    """

    kind: str
    page: object
    socket: Socket | None
    given: tuple = ()
    trouble: tuple | None = None
    not_before: int = 0  # ms

    @property
    def is_for_page(self):
        return self.kind in ("connect", "ack", "frame", "answer")


def is_any_text(thing):
    """Say whether a page can't tell a wrong answer to this request from a right one: a fragment
    has no revision, and may be any text.
    """
    return not thing.given[1].startswith("/api/")


class Clock:
    """The time of everything, in ms."""

    def __init__(self):
        self.now = 0


class Network:
    """node: the Node that the pages live in. others(): does something to the job that a page's
    request may be interrupted by.

    `is_flowing`: whether things arrive at once; else each waits until it is told to.
    """

    def __init__(self, node, clock, server, others):
        self._node, self._clock, self._server, self._others = node, clock, server, others
        self.is_flowing = True
        self.pages = []
        self.under_way = []
        self.sockets = {}  # (page number, socket number) → Socket
        self.troubles = {}  # kind → what the next things of that kind meet with
        self.cached = {}  # url → the answers that a cache may have kept

    # Pages

    def add(self, page, options):
        """Have a page begin to live."""
        self.pages.append(page)
        page.is_active = True
        self.do(page, "new", options)
        self.call(page, "start")

    def call(self, page, name, *given):
        """Call a method of a page's sync."""
        self.do(page, "call", name, *given)

    def do(self, page, command, *given):
        """Carry out a command of driver.mjs on a page, and take notice of what follows."""
        self._take(self._node.do([command, page.number, *given]))

    def _take(self, events):
        for number, at, what, *given in events:
            page = self.pages[number]
            page.take(at, what, *given)
            note = getattr(self, f"_note_{what}", None)
            if note:
                note(page, *given)

    def _note_open(self, page, number):
        socket = self.sockets[page.number, number] = Socket(page, number)
        self._send(Thing("connect", page, socket))

    def _note_close(self, page, number):
        socket = self.sockets[page.number, number]
        socket.is_closed = True
        self._send(Thing("bye", page, socket))

    def _note_emit(self, page, number, message, name, payload):
        self._send(Thing("emit", page, self.sockets[page.number, number], (message, name, payload)))

    def _note_ask(self, page, number, url, etag):
        self._send(Thing("ask", page, None, (number, url, etag)))

    def _send(self, thing):
        troubles = self.troubles.get(thing.kind)
        thing.trouble = troubles.pop(0) if troubles else None
        self.under_way.append(thing)

    # What becomes of what is under way

    def flow(self):
        """Deliver all that can be, in order, and what follows from it."""
        for _ in range(MOST_AT_ONCE):
            thing = next((thing for thing in self.under_way if self._is_ready(thing)), None)
            if thing is None:
                return
            if thing.trouble:
                self.trouble(thing, *thing.trouble)
            else:
                self.deliver(thing)
        raise AssertionError(f"there is no end of it: {self.under_way[0]}")

    def _is_ready(self, thing):
        return thing.not_before <= self._clock.now and not (
            thing.page.is_asleep and (thing.is_for_page or thing.trouble)
        )

    def trouble(self, thing, what, number):
        """Have something happen to a thing instead of its arrival, `number` says in which way:
        see TROUBLES.
        """
        thing.trouble = None
        getattr(self, what)(thing, number)

    def settle(self):
        """Let things arrive, if they do by themselves."""
        if self.is_flowing:
            self.flow()

    def deliver(self, thing, plan=None):
        """Have a thing arrive. plan: what comes between the server's instructions, see Server."""
        self.under_way.remove(thing)
        if thing.kind in ("emit", "ask"):
            getattr(self, f"_deliver_{thing.kind}")(thing, plan)
        else:
            getattr(self, f"_deliver_{thing.kind}")(thing)
        self.collect()

    def fail(self, thing, _=0):
        """Have a thing not arrive; of a request and of a connection the page gets to know."""
        self.under_way.remove(thing)
        if thing.kind == "connect":
            self._hear(thing.socket, "connect_error")
        elif thing.kind in ("ask", "answer"):
            self._answer(thing.page, thing.given[0], "fail")

    def lose(self, thing, _=0):
        """Have a thing not arrive, and nobody know."""
        self.under_way.remove(thing)

    def double(self, thing, _=0):
        """Have a thing arrive twice."""
        self.under_way.append(Thing(thing.kind, thing.page, thing.socket, thing.given))

    def delay(self, thing, number):
        """Have a thing arrive later, and what comes after it sooner."""
        thing.not_before = self._clock.now + DELAYS[number]

    def interrupt(self, thing, points):
        """Have others do something while the server sees to a thing."""
        self.deliver(thing, (points, self._others))

    def answer_badly(self, thing, number):
        """Have a request be answered by something else than the server."""
        status, text = BAD_ANSWERS[number]
        if status == 200 and is_any_text(thing):
            return
        self.under_way.remove(thing)
        self._answer(thing.page, thing.given[0], "answer", status, text, None)

    def answer_from_cache(self, thing, age):
        """Have a request be answered by what was right `age` answers ago."""
        kept = self.cached.get(thing.given[1], [])
        if not kept or is_any_text(thing):
            return
        self.under_way.remove(thing)
        status, etag, text = kept[max(0, len(kept) - 1 - age)]
        if etag and etag == thing.given[2]:
            status, text = 304, ""
        self._send(Thing("answer", thing.page, None, (thing.given[0], status, text, etag)))

    def collect(self):
        """Take up what the server has sent, to whom it thinks it is connected."""
        for socket in self.sockets.values():
            if socket.client in self._server.clients:
                for message in self._server.take_messages(socket.client):
                    if not socket.is_cut:
                        self._send(Thing("frame", socket.page, socket, (message,)))

    # Each kind

    def _deliver_connect(self, thing):
        socket = thing.socket
        if socket.is_closed:
            return
        if not self._server.is_up or not thing.page.is_online:
            self._hear(socket, "connect_error")
            return
        socket.client = self._server.connect()
        thing.page.is_opened()
        self._hear(socket, "connect")

    def _deliver_bye(self, thing):
        if thing.socket.client and not thing.socket.is_cut:
            self._server.disconnect(thing.socket.client)

    def _deliver_emit(self, thing, plan):
        socket, (message, name, payload) = thing.socket, thing.given
        if socket.is_cut or socket.client not in self._server.clients:
            return
        ack = self._server.hear(socket.client, name, payload, plan)
        self.collect()
        if ack is not None:
            self._send(Thing("ack", thing.page, socket, (message, ack)))

    def _deliver_ack(self, thing):
        socket, (message, ack) = thing.socket, thing.given
        if socket.is_cut or socket.is_closed:
            return
        page = thing.page
        if ack["ok"]:
            page.is_told(ack["revision"])
        self.do(page, "ack", socket.number, message, ack)
        if not ack["ok"]:
            assert not page.may_ask or page.is_asking, "it was refused and doesn't ask why"

    def _deliver_frame(self, thing):
        socket, (message,) = thing.socket, thing.given
        if socket.is_cut or socket.is_closed:
            return
        thing.page.is_hinted()
        if message["status"] != "deleted":
            thing.page.is_told(message["revision"])
        self._hear(socket, "job_update", message)

    def _deliver_ask(self, thing, plan):
        number, url, etag = thing.given
        answer = (
            self._server.get(url, etag, plan)
            if self._server.is_up and thing.page.is_online
            else None
        )
        if answer is None:
            self._answer(thing.page, number, "fail")
            return
        status, new_etag, text = answer
        if status == 200:
            self.cached.setdefault(url, []).append((status, new_etag, text))
        self._send(Thing("answer", thing.page, None, (number, status, text, new_etag)))

    def _deliver_answer(self, thing):
        number, status, text, etag = thing.given
        if number in thing.page.air and status in (200, 304, 404):
            thing.page.answered_at = thing.page.now
        self._answer(thing.page, number, "answer", status, text, etag)

    def _answer(self, page, number, command, *given):
        events = page.is_answered(
            number, lambda: self._node.do([command, page.number, number, *given])
        )
        self._take(events)

    def _hear(self, socket, name, *given):
        if not socket.is_closed:
            self.do(socket.page, "hear", socket.number, name, *given)

    # Faults of connections

    def open_sockets(self):
        """Return the sockets that are connected, at least for the page."""
        return [
            socket for socket in self.sockets.values() if socket.client and not socket.is_closed
        ]

    def cut(self, socket, page_notices, server_notices):
        """Cut a connection, so that those notice who are said to."""
        socket.is_cut = True
        if server_notices:
            self._server.disconnect(socket.client)
        if page_notices:
            self._hear(socket, "disconnect", "transport close")

    def lose_server(self, page_notices):
        """Have the connections of a server that was killed be cut."""
        for socket in self.open_sockets():
            if socket.client not in self._server.clients and not socket.is_cut:
                self.cut(socket, page_notices and not socket.page.is_asleep, False)

    # Time

    def pass_time(self, ms, step=STEP, is_ticking=True):
        """Let `ms` pass for everybody; the monitor ticks as `Monitor.run` would, unless it is
        stuck.
        """
        end = self._clock.now + ms
        while self._clock.now < end:
            part = min(step, end - self._clock.now)
            if is_ticking and self._server.is_up:
                part = min(part, max(1, self._server.due_in))
            self._pass(part)
            if is_ticking and self._server.is_up and self._server.due_in == 0:
                self._server.run_monitor()
                self.collect()
                self._server.check_told()
            self.settle()
            self.check()

    def _pass(self, ms):
        self._clock.now += ms
        awake = [page for page in self.pages if not page.is_asleep and not page.is_left]
        for page in awake:
            page.passed(ms)
        if awake:
            self._take(self._node.do(["advance", ms, [page.number for page in awake]]))

    def check(self):
        """Assert what must hold of each page at each moment."""
        for page in self.pages:
            if not page.is_left:
                page.check()
