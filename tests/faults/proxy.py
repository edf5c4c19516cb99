"""A proxy between a browser and a server that breaks things when a test says so. It runs in a
thread of its own.

It reads HTTP/1.1 and websocket frames, so that it can harm one answer or one message and let all
others pass. What it does to messages it does to Socket.IO's events only, whether they come by
websocket or by long-polling: Engine.IO's own pings and pongs go through.
"""

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass

from faults import _http, _websocket
from faults._gates import Gate, Hold
from faults._line import Line

EVENT = "42"  # how a packet of Socket.IO's that carries an event begins
NOTHING = "6"  # a packet of Engine.IO's that does nothing: a long-polling answer must have one
BETWEEN = "\x1e"  # what stands between the packets of one long-polling answer
LOOK = 0.05  # seconds between two looks whether the browser has closed a connection


@dataclass
class Arrival:
    """One request as it came: when (monotonic seconds), its path with the query, and whether it
    asks for a websocket.
    """

    at: float
    path: str
    is_websocket: bool


def always(*_):
    return True


def is_websocket(_, is_websocket):
    return is_websocket


class Proxy:
    """Listens on a port of its own and passes everything on to `port` of this machine.

    Its methods are for other threads to call.
    """

    def __init__(self, port):
        self._upstream = port
        self._lines = set()
        self._loop = asyncio.new_event_loop()
        self._flows = self._new_flows()
        self._holds = []
        self._kept = {}  # path → the Answer that it gets, whatever the server would say
        self._copies = None  # a function of an event's packet: how often it is passed on
        self._refuses = None  # a function of a path and whether it is a websocket's
        self._pace = {}  # what Line.send gets
        self.arrivals = []
        self.lost = 0  # events, on all connections
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._listener = self._call(self._listen(0))
        self.port = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self):
        """End everything, the thread as well."""
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    # What tests do to connections

    def cut(self, with_reset=True, matches=always):
        """End the connections whose last request matches (path, is_websocket), with RST or with
        FIN. New ones are taken.
        """
        self._call(self._cut(with_reset, matches))

    def shut(self, with_reset=True):
        """End all connections and have the system refuse new ones, until `open`."""
        self._call(self._shut())
        self.cut(with_reset)

    def open(self):
        """Listen again, on the same port."""
        self._listener = self._call(self._listen(self.port))

    def stall(self, *ways):
        """Take connections but pass nothing on: `"up"` to the server, `"down"` to the browser,
        neither if none is named. Until `flow`.
        """
        for way in ways or self._flows:
            self._flows[way].shut()

    def flow(self, lose=False):
        """Pass on again.

        With `lose`, what is under way never arrives, as when a router has forgotten it; idle
        connections are closed.
        """
        if lose:
            self._call(self._bury())
        for gate in self._flows.values():
            gate.open()

    def slow(self, speed, latency):
        """Pass `speed` bytes a second to the browser on each connection, and each answer and
        message `latency` seconds late. Until `hurry`.
        """
        self._pace = {"speed": speed, "latency": latency}

    def hurry(self):
        self._pace = {}

    # What tests do to requests

    def refuse(self, matches=is_websocket):
        """Answer 503 to requests that match (path, is_websocket), and cut those that are under way.

        Until `accept`.
        """
        self._refuses = matches
        self.cut(matches=matches)

    def accept(self):
        self._refuses = None

    def hold(self, matches, most=1):
        """Keep back the next answers to paths that match, at most so many. Returns the Hold."""
        hold = Hold(self._loop, matches, most)
        self._holds.append(hold)
        return hold

    def keep(self, *paths):
        """Return what the server says to these paths now, for `serve_stale`."""
        return {path: self._call(self._fetch(path)) for path in paths}

    def serve_stale(self, kept):
        """Answer the paths of `keep` with what was kept, whatever the server would say.

        Until `serve_fresh`.
        """
        self._kept = kept

    def serve_fresh(self):
        self._kept = {}

    # What tests do to messages

    def copy_events(self, copies):
        """Pass each event on `copies(packet)` times: 0 loses it, 2 doubles it.

        Until `pass_events`.
        """
        self._copies = copies

    def lose_events(self):
        self.copy_events(lambda packet: 0)

    def pass_events(self):
        self._copies = None

    # Connections

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def _new_flows(self):
        return {"up": Gate(self._loop), "down": Gate(self._loop)}

    async def _listen(self, port):
        return await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def _shut(self):
        self._listener.close()

    async def _cut(self, with_reset, matches):
        for line in [line for line in self._lines if matches(line.path, line.is_websocket)]:
            line.cut(with_reset)

    async def _bury(self):
        """Leave the lines that carry something at gates which nobody opens any more."""
        for gate in self._flows.values():
            gate.shut()
        self._flows = self._new_flows()
        for line in [line for line in self._lines if line.is_idle]:
            line.cut(with_reset=False)

    async def _end(self):
        self._listener.close()
        await self._cut(True, always)
        await asyncio.gather(
            *(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True
        )

    async def _serve(self, reader, writer):
        """Carry one connection until either side has ended it."""
        line = Line(reader, writer, self._flows)
        self._lines.add(line)
        carrying = asyncio.ensure_future(self._carry_all(line))
        try:
            while not carrying.done() and not line.is_gone:
                await asyncio.wait({carrying}, timeout=LOOK)
        finally:
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)
            self._lines.discard(line)
            await line.end()

    async def _carry_all(self, line):
        with contextlib.suppress(OSError, EOFError):
            while await self._carry(line):
                pass

    async def _carry(self, line):
        """Carry one request and its answer. Returns whether the connection goes on."""
        request = await _http.read_request(line.reader)
        if request is None:
            return False
        line.path, line.is_websocket, line.is_idle = request.path, request.is_websocket, False
        self.arrivals.append(Arrival(time.monotonic(), line.path, line.is_websocket))
        await line.flows["up"].wait()
        if self._refuses and self._refuses(line.path, line.is_websocket):
            await line.send(_http.UNAVAILABLE)
            return False
        if line.is_websocket:
            await self._carry_websocket(line, request)
            return False
        answer = self._kept.get(line.path) or await self._ask(line, request)
        await self._hold_back(line.path)
        await line.send(self._harmed(line.path, answer), **self._pace)
        line.is_idle = True
        return answer.goes_on

    async def _ask(self, line, request):
        reader, writer = await line.server(self._upstream)
        writer.write(request.without("Accept-Encoding"))  # a packed answer couldn't be read here
        return await _http.read_answer(reader, request.method)

    async def _fetch(self, path):
        reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())
        answer = await _http.read_answer(reader, "GET")
        writer.close()
        return answer

    async def _hold_back(self, path):
        for hold in [hold for hold in self._holds if hold.takes(path)]:
            await hold.wait(path)

    # Messages

    async def _carry_websocket(self, line, request):
        reader, writer = await line.server(self._upstream)
        writer.write(request.without("Sec-WebSocket-Extensions"))  # nor could a packed frame
        answer = await _http.read_head(reader)
        await self._hold_back(line.path)
        await line.send(answer, **self._pace)
        if b" 101 " not in answer.split(b"\r\n", 1)[0]:
            return
        up, down = (
            asyncio.ensure_future(self._carry_up(line, writer)),
            asyncio.ensure_future(self._carry_down(line, reader)),
        )
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _carry_up(self, line, writer):
        while data := await line.reader.read(65536):
            await line.flows["up"].wait()
            writer.write(data)

    async def _carry_down(self, line, reader):
        while frame := await _websocket.read_frame(reader):
            await line.send(frame.bytes * self._copies_of(frame.text), **self._pace)

    def _copies_of(self, packet):
        copies = self._copies(packet) if self._copies and packet.startswith(EVENT) else 1
        self.lost += copies == 0
        return copies

    def _harmed(self, path, answer):
        """Return an answer's bytes; those of a long-polling one with each event as often as is
        asked for.
        """
        if not (
            self._copies and path.startswith("/socket.io/") and answer.status == 200 and answer.body
        ):
            return answer.bytes
        packets = [
            packet
            for packet in answer.body.decode().split(BETWEEN)
            for _ in range(self._copies_of(packet))
        ]
        return answer.with_body(BETWEEN.join(packets or [NOTHING]).encode())
