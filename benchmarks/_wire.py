"""HTTP and websockets by hand over asyncio's plain connections: as little as viewers by the
hundred need, so that they cost little.
"""

import asyncio

TEXT, CLOSE = 1, 8


class Wire(asyncio.Protocol):
    """A connection that tells once when it has ended (`on_end()`), also if it never came about.
    After `cut` it tells nothing more.

    on_request(): is told whenever a request has really been sent.
    """

    def __init__(self, on_end, on_request):
        self._on_end = on_end
        self._on_request = on_request
        self._transport = None
        self._rest = b""

    def connect(self, host, port):
        """Connect in the background; the first thing that is written waits for it."""
        self._task = asyncio.get_running_loop().create_task(self._connect(host, port))

    async def _connect(self, host, port):
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, host, port)
        except OSError:
            self.connection_lost(None)

    def connection_made(self, transport):
        self._transport = transport
        if not self._on_end:
            transport.abort()

    def connection_lost(self, _):
        on_end, self._on_end = self._on_end, None
        if on_end:
            on_end()

    def cut(self):
        """Close it at once, without a word to the other side or to `on_end`."""
        self._on_end = None
        if self._transport:
            self._transport.abort()


class WebSocket(Wire):
    """A client's websocket. on_text(text): is told each message. greeting: is sent as soon as
    it is open, None for nothing.
    """

    def __init__(self, head, on_text, on_end, on_request, greeting=None):
        super().__init__(on_end, on_request)
        self._head = head
        self._greeting = greeting
        self._on_text = on_text
        self._is_open = False

    def connection_made(self, transport):
        super().connection_made(transport)
        if self._on_end:
            transport.write(self._head)
            self._on_request()

    def send(self, text):
        """Send a message of less than 64 KiB. It is masked with zeros, which leaves it as it is."""
        body = text.encode()
        size = (
            bytes([128 | len(body)])
            if len(body) < 126
            else bytes([128 | 126]) + len(body).to_bytes(2)
        )
        self._transport.write(b"\x81" + size + b"\0\0\0\0" + body)

    def data_received(self, data):
        data = self._rest + data
        if not self._is_open:
            head, found, rest = data.partition(b"\r\n\r\n")
            if found and b" 101 " not in head[:16]:
                self._transport.abort()
                return
            self._is_open, data = bool(found), rest if found else head
            if self._is_open and self._greeting:
                self.send(self._greeting)
        if self._is_open:
            data = data[self._take_frames(data) :]
        self._rest = data

    def _take_frames(self, data):
        """Take all whole frames, and return where the rest begins."""
        start = 0
        while (frame := frame_at(data, start)) is not None:
            kind, first, start = frame
            if kind == TEXT and self._on_end:
                self._on_text(data[first:start].decode())
            elif kind == CLOSE:
                self._transport.abort()
        return start


def frame_at(data, start):
    """Return `(kind, first, end)` of the unmasked frame at `start`, where its body is
    `data[first:end]`; None if it isn't whole yet.
    """
    if len(data) < start + 2:
        return None
    size, first = data[start + 1], start + 2
    if size > 125:
        first += 2 if size == 126 else 8
        size = int.from_bytes(data[start + 2 : first])
    if len(data) < first or len(data) < first + size:
        return None
    return data[start] & 15, first, first + size


class Kept(Wire):
    """A kept HTTP connection with one request in the air. on_answer(status, head, body): is
    told each answer.
    """

    def __init__(self, on_answer, on_end, on_request):
        super().__init__(on_end, on_request)
        self._on_answer = on_answer
        self._waiting = None

    def ask(self, request):
        """Send a request, as soon as the connection is there."""
        if self._transport:
            self._transport.write(request)
            self._on_request()
        else:
            self._waiting = request

    def connection_made(self, transport):
        super().connection_made(transport)
        if self._waiting and self._on_end:
            self.ask(self._waiting)

    def data_received(self, data):
        self._rest += data
        head, found, body = self._rest.partition(b"\r\n\r\n")
        if not found:
            return
        status = int(head[9:12])
        size = 0 if status == 304 else int(header(head, b"content-length"))
        if len(body) >= size:
            self._rest = body[size:]
            if self._on_end:
                self._on_answer(status, head, body[:size])


def header(head, name):
    """Return the value of a header, "0" for none; `name` in small letters."""
    place = head.lower().find(b"\r\n" + name + b":")
    if place < 0:
        return b"0"
    return head[place + len(name) + 3 :].partition(b"\r\n")[0].strip()
