"""As much of HTTP/1.1 as a proxy between one browser and one server needs."""

import asyncio
import re

UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Message:
    """A request or an answer: `head` with its empty line and `body`, as bytes.

    A chunked body is kept in its chunks.
    """

    def __init__(self, head, body=b""):
        self.head, self.body = head, body
        self._first = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")

    @property
    def bytes(self):
        return self.head + self.body

    def header(self, name):
        """Return a header's value, "" where there is none."""
        found = re.search(rb"(?im)^" + name.encode() + rb":[ \t]*(.*?)\r?$", self.head)
        return found[1].decode("latin-1") if found else ""

    def without(self, name):
        """Return the bytes without a header."""
        return re.sub(rb"(?im)^" + name.encode() + rb":.*\r\n", b"", self.head) + self.body


class Request(Message):
    @property
    def method(self):
        return self._first[0]

    @property
    def path(self):
        return self._first[1]

    @property
    def is_websocket(self):
        return self.header("Upgrade").lower() == "websocket"


class Answer(Message):
    @property
    def status(self):
        return int(self._first[1])

    @property
    def goes_on(self):
        """Whether the connection can carry another request."""
        has_end = self.header("Content-Length") or self.is_chunked or self.status in (204, 304)
        return bool(has_end) and self.header("Connection").lower() != "close"

    @property
    def is_chunked(self):
        return self.header("Transfer-Encoding").lower() == "chunked"

    def with_body(self, body):
        """Return the bytes with another body."""
        return (
            re.sub(rb"(?im)^(Content-Length:[ \t]*)\d+", rb"\g<1>%d" % len(body), self.head) + body
        )


async def read_head(reader):
    """Return the bytes up to and with the empty line, b"" at the connection's end."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


async def read_request(reader):
    """Return the next Request, None at the connection's end."""
    head = await read_head(reader)
    if not head:
        return None
    request = Request(head)
    request.body = await reader.readexactly(int(request.header("Content-Length") or 0))
    return request


async def read_answer(reader, method):
    """Return the Answer to a request of that method, read whole.

    Raises EOFError where there is none.
    """
    answer = Answer(await read_head(reader) or _no_answer())
    if method == "HEAD" or answer.status in (204, 304):
        return answer
    if answer.is_chunked:
        answer.body = await _read_chunks(reader)
    elif length := answer.header("Content-Length"):
        answer.body = await reader.readexactly(int(length))
    else:
        answer.body = await reader.read()
    return answer


def _no_answer():
    raise EOFError("the server closed the connection instead of answering")


async def _read_chunks(reader):
    """Return a chunked body as it is, its end included."""
    body = b""
    while True:
        size = await reader.readuntil(b"\r\n")
        chunk = await reader.readexactly(int(size, 16) + 2)
        body += size + chunk
        if int(size, 16) == 0:
            return body
