"""HTTP on one connection: read strictly, within limits of size and time, one request after the
other, with others getting their turn in between.

What is ambiguous is refused: a proxy in front may have read it otherwise, and then one client's
bytes are taken for another's request.
"""

import json
import re
import socket
import time
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPMessage

import eventlet
from eventlet import wsgi
from eventlet.hubs import trampoline

from jobsync.security import HEADERS
from jobsync.serving import limits
from jobsync.serving.limits import Allowance, CutOff

SIZE = 16 * 1024  # bytes that are read at once
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST_LINE = re.compile(_TOKEN + rb" [\x21-\x7e\x80-\xff]+ HTTP/1\.[01]\r\n")
HEADER = re.compile(_TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")
LENGTH = re.compile(r"[0-9]{1,15}")


class Refused(Exception):
    """A request that isn't answered by the app: `Refused(status, reason)`."""


class Reader:
    """What comes in on a socket.

    `deadline`: the monotonic moment by which it must have come, None for the socket's own time-out.
    """

    def __init__(self, socket, allowance):
        self._socket = socket
        self._allowance = allowance
        self._data = b""
        self._start = 0
        self.deadline = None

    def buffered(self):
        """Return how many bytes have been received and not been read yet."""
        return len(self._data) - self._start

    def fill(self):
        """Receive more.

        Returns whether anything came before the end. Raises TimeoutError and CutOff.
        """
        data = self._receive()
        if data:
            self._data = self._data[self._start :] + data
            self._start = 0
            self._allowance.take("bytes", len(data))
        return bool(data)

    def _receive(self):
        """Return what comes next, b"" at the end.

        Others have had their turn then: in the waiting, or else after it.
        """
        has_waited = False
        while True:
            try:
                data = self._socket.fd.recv(SIZE)
            except BlockingIOError:
                self._wait()
                has_waited = True
            except ConnectionError:
                return b""
            else:
                if data and not has_waited:
                    eventlet.sleep(0)
                return data

    def _wait(self):
        left = (
            self._socket.gettimeout()
            if self.deadline is None
            else max(0.001, self.deadline - time.monotonic())
        )
        trampoline(
            self._socket.fd,
            read=True,
            timeout=left,
            timeout_exc=TimeoutError,
            mark_as_closed=self._socket._mark_as_closed,
        )

    def read(self, number):
        """Return so many bytes, or fewer at the end."""
        pieces, left = [], number
        while left:
            if not self.buffered() and not self.fill():
                break
            pieces.append(self._take(min(left, self.buffered())))
            left -= len(pieces[-1])
        return b"".join(pieces)

    def readline(self, most):
        """Return what comes up to a line's end and with it, at most so many bytes."""
        looked = 0
        while (end := self._data.find(b"\n", self._start + looked, self._start + most)) < 0:
            looked = self.buffered()
            if looked >= most or not self.fill():
                return self._take(min(most, self.buffered()))
        return self._take(end + 1 - self._start)

    def read_head(self):
        """Return a request's first line and headers with the empty line, as they came.

        Raises Refused; ConnectionError when it ends before.
        """
        looked = 0
        while True:
            end = self._data.find(b"\r\n\r\n", max(self._start, looked - 3))
            have = (end + 4 if end >= 0 else len(self._data)) - self._start
            if have > limits.HEAD:
                raise Refused(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's head is too long."
                )
            if self._data.count(b"\n", self._start, self._start + have) != self._data.count(
                b"\r\n", self._start, self._start + have
            ):
                raise Refused(HTTPStatus.BAD_REQUEST, "A line ends with LF alone.")
            if end >= 0:
                return self._take(have)
            looked = have
            if not self.fill():
                raise ConnectionError("the request ends within its head")

    def skip(self, text):
        """Skip a text if it is what comes next."""
        if self._data.startswith(text, self._start):
            self._start += len(text)

    def _take(self, number):
        data = self._data[self._start : self._start + number]
        self._start += number
        if self._start == len(self._data):
            self._data, self._start = b"", 0  # so that an idle connection keeps nothing
        return data

    def close(self):
        """Do nothing: the socket is closed by itself."""


class Writer:
    """What goes out on a socket, at once: nothing is kept for a connection that is idle."""

    closed = False

    def __init__(self, socket):
        self._socket = socket

    def write(self, data):
        self._socket.sendall(memoryview(data))
        return len(data)

    def writelines(self, pieces):
        self.write(b"".join(pieces))

    def flush(self):
        """Do nothing: all has been sent."""

    close = flush


class Body(wsgi.Input):
    """A request's body.

    Once something about it is wrong nothing more of the connection can be understood: `give_up` is
    called then.
    """

    def __init__(self, *arguments, allowance, give_up, **options):
        super().__init__(*arguments, **options)
        self._allowance = allowance
        self.give_up = give_up
        self.is_broken = False

    def is_read(self):
        """Say whether it was read to its end, so that a next request can come."""
        if self.chunked_input:
            return self.chunk_length == 0
        return self.position >= self.content_length

    def read(self, length=None):
        return self._whole(super().read, length)

    def readline(self, size=None):
        return self._whole(super().readline, size)

    def readlines(self, hint=None):
        return list(iter(self.readline, b""))

    def _whole(self, read, length):
        if self.is_broken:
            raise wsgi.ChunkReadError("the body is broken")
        try:
            return read(length)
        except (OSError, wsgi.ChunkReadError):
            self.is_broken = True
            self.give_up()
            raise

    def _chunked_read(self, rfile, length=None, use_readline=False):
        if self.should_send_hundred_continue:
            self.send_hundred_continue_response()
            self.is_hundred_continue_response_sent = True
        left = float("inf") if length is None or length < 0 else length
        pieces = []
        while left and self._open_chunk(rfile):
            most = min(left, self.chunk_length - self.position)
            piece = rfile.readline(most) if use_readline else rfile.read(most)
            if not piece:
                raise OSError("the body ends within a chunk")
            pieces.append(piece)
            self.position += len(piece)
            left -= len(piece)
            if use_readline and piece.endswith(b"\n"):
                break
        return b"".join(pieces)

    def _open_chunk(self, rfile):
        """Go to the next chunk if the present one is read.

        Returns whether there is anything in it: there isn't at the end.
        """
        if 0 <= self.position < self.chunk_length or self.chunk_length == 0:
            return self.chunk_length != 0
        if self.chunk_length > 0 and rfile.read(2) != b"\r\n":
            raise wsgi.ChunkReadError("a chunk is longer than it says")
        self._allowance.take("chunks")
        eventlet.sleep(0)
        size = CHUNK_SIZE.fullmatch(rfile.readline(limits.CHUNK_LINE))
        if not size:
            raise wsgi.ChunkReadError("the size of a chunk is malformed")
        self.position = 0
        if not int(size[1], 16):
            self._skip_trailers(rfile)
        self.chunk_length = int(size[1], 16)
        return self.chunk_length != 0

    def _skip_trailers(self, rfile):
        left = limits.TRAILERS
        while (line := rfile.readline(left)) != b"\r\n":
            left -= len(line)
            if left <= 0 or not HEADER.fullmatch(line):
                raise wsgi.ChunkReadError("the trailers are malformed")

    def discard(self, buffer_size=16 * 1024):
        """Read the rest, so that a next request can come. Raises OSError when that is too much."""
        left = limits.DISCARDED
        if not self.chunked_input and self.content_length - self.position > left:
            raise OSError("the body is too long")
        while piece := self.read(buffer_size):
            left -= len(piece)
            if left < 0:
                raise OSError("the body is too long")


class Protocol(wsgi.HttpProtocol):
    """One connection, from its first byte to its end. conn_state: eventlet's `[peer, socket,
    state]` with a Connection as its fourth.
    """

    def __init__(self, conn_state, server):
        self._connections = server.connections
        self._place = conn_state[3]
        self._allowance = Allowance(
            self._place.name,
            {"requests": limits.REQUESTS, "chunks": limits.CHUNKS, "bytes": limits.RECEIVED},
        )
        # there may be more than was read, which must not make the answer be lost
        self._is_unread = False
        super().__init__(conn_state, server)

    def setup(self):
        self.connection = self.request
        self.connection.settimeout(limits.SEND_TIME)
        # a client that sends head and body apart would wait for it
        if hasattr(socket, "TCP_QUICKACK"):
            with suppress(OSError):
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, True)
        self.rfile = Reader(self.connection, self._allowance)
        self.wfile = Writer(self.connection)

    def handle(self):
        self.close_connection = 0
        is_first = True
        while not self.close_connection and self.conn_state[2] != wsgi.STATE_CLOSE:
            if self._wait_for_request(limits.HEAD_TIME if is_first else limits.IDLE_TIME):
                self._handle_one(limits.PIPELINED if self._was_waiting and not is_first else 1)
            is_first = False
            if self.conn_state[2] != wsgi.STATE_CLOSE:
                self.conn_state[2] = wsgi.STATE_IDLE

    def _wait_for_request(self, seconds):
        """Wait for a request's first byte.

        Returns whether it came; the connection is over if not.
        """
        self._was_waiting = self.rfile.buffered() > 0
        self.rfile.deadline = time.monotonic() + seconds
        try:
            if self._was_waiting or self.rfile.fill():
                return True
        except OSError:  # a time-out too
            pass
        self.close_connection = 1
        return False

    def _handle_one(self, cost):
        if self._was_waiting:
            eventlet.sleep(0)
        try:
            self._allowance.take("requests", cost)
            self._connections.heard(self._place)
            self.conn_state[2] = wsgi.STATE_REQUEST
            self.rfile.deadline = time.monotonic() + limits.HEAD_TIME
            self._read_head()
        except Refused as error:
            self._refuse(*error.args)
        except CutOff as error:
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, f"{error.strerror.capitalize()}.")
        except TimeoutError:
            self._refuse(
                HTTPStatus.REQUEST_TIMEOUT,
                f"The request's head didn't come within {limits.HEAD_TIME:g} s.",
            )
        except OSError:
            self.close_connection = 1
        else:
            self.rfile.deadline = time.monotonic() + limits.BODY_TIME
            self._answer()

    def _read_head(self):
        """Read and check a request's head. Raises Refused."""
        self.rfile.skip(b"\r\n")  # some clients end a body with it
        first, *headers = self.rfile.read_head()[:-2].splitlines(keepends=True)
        if len(first) > limits.LINE:
            raise Refused(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
        if not REQUEST_LINE.fullmatch(first):
            raise Refused(HTTPStatus.BAD_REQUEST, "The request's first line is malformed.")
        if len(headers) > limits.HEADERS or any(len(line) > limits.LINE for line in headers):
            raise Refused(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                "A header is too long, or there are too many.",
            )
        if not all(map(HEADER.fullmatch, headers)):
            raise Refused(HTTPStatus.BAD_REQUEST, "A header is malformed.")
        self._take_apart(first.decode("latin-1"), headers)
        self._check_framing()

    def _take_apart(self, first, headers):
        """Set what `http.server` sets of a request, without its lenient and slow parser.

        All lines have been checked.
        """
        self.requestline = first.rstrip("\r\n")
        self.command, path, self.request_version = self.requestline.split(" ")
        # else a redirect to it would lead to another host
        self.path = "/" + path.lstrip("/") if path.startswith("//") else path
        self.headers = HTTPMessage()
        for line in headers:
            name, _, value = line.decode("latin-1").partition(":")
            self.headers.set_raw(name, value.strip(" \t\r\n"))
        wish = self.headers.get("Connection", "").lower()
        self.close_connection = (
            wish != "keep-alive" if self.request_version == "HTTP/1.0" else wish == "close"
        )

    def _check_framing(self):
        """Raise Refused unless it is clear where the body ends."""
        lengths, codings = (
            self.headers.get_all("Content-Length", []),
            self.headers.get_all("Transfer-Encoding", []),
        )
        if len(lengths) + len(codings) > 1:
            raise Refused(HTTPStatus.BAD_REQUEST, "The length of the body is given more than once.")
        if lengths and not LENGTH.fullmatch(lengths[0]):
            raise Refused(HTTPStatus.BAD_REQUEST, "The Content-Length is malformed.")
        if codings and (codings[0].lower() != "chunked" or self.request_version != "HTTP/1.1"):
            raise Refused(
                HTTPStatus.BAD_REQUEST, "The only Transfer-Encoding that is understood is chunked."
            )

    def _answer(self):
        self.environ = self.get_environ()
        self.application = self.server.app
        try:
            self.handle_one_response()
        except OSError:  # the client has gone, or doesn't take its answer
            self.close_connection = 1
        self._is_unread = self._is_unread or not self.environ["eventlet.input"].is_read()

    def get_environ(self):
        environ = super().get_environ()
        theirs = environ["wsgi.input"]
        body = Body(
            self.rfile,
            theirs.content_length,
            self.connection,
            theirs.wfile,
            theirs.wfile_line,
            theirs.chunked_input,
            allowance=self._allowance,
            give_up=self._give_up,
        )
        environ["wsgi.input"] = environ["eventlet.input"] = body
        environ["jobsync.connection"] = self._place
        return environ

    def _give_up(self):
        self.close_connection = 1
        self._is_unread = True

    def _refuse(self, status, reason):
        """Answer a request that the app doesn't see, and end the connection."""
        self.close_connection = 1
        self._is_unread = True
        status = HTTPStatus(status)
        body = json.dumps(
            {"code": status.value, "status": status.phrase, "message": reason, "errors": {}}
        ).encode()
        headers = {
            **HEADERS,
            "Content-Type": "application/json",
            "Content-Length": len(body),
            "Connection": "close",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.connection.settimeout(limits.LINGER_TIME)
        with suppress(OSError):
            self.wfile.write(
                f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode() + body
            )

    def finish(self):
        """Close the connection, one after the other: thousands may end at once.

        What is unread is read on for a moment, since the kernel would take the answer back
        otherwise.
        """
        with self.server.ending:
            eventlet.sleep(0)
        with suppress(OSError, EOFError):
            if self._is_unread:
                self.connection.shutdown(socket.SHUT_WR)
                self._linger()
        with suppress(OSError):
            self.connection.close()

    def _linger(self):
        until = time.monotonic() + limits.LINGER_TIME
        while (left := until - time.monotonic()) > 0:
            self.connection.settimeout(left)
            if not self.connection.recv(SIZE):
                break
            eventlet.sleep(0.01)

    def log_message(self, *_):
        """Say nothing of single requests."""
