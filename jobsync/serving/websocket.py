"""Websockets: version 13 alone, without extensions, each message small, and not too many of
them.
"""

import base64
import binascii
import logging
import socket
import struct
from hashlib import sha1

import eventlet
from eventlet import wsgi
from eventlet.websocket import (
    PROTOCOL_GUID,
    ConnectionClosedError,
    FailedConnectionError,
    RFC6455WebSocket,
)

from jobsync.serving import limits
from jobsync.serving.limits import CUT_OFF, Allowance, CutOff

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
POLICY, TOO_BIG, PROTOCOL, NOT_TEXT = 1008, 1009, 1002, 1007  # codes of RFC 6455, section 7.4.1

_log = logging.getLogger(__name__)


def fault_of(environ):
    """Return in a few words what is wrong with a handshake, None if it is a good one."""
    if environ["REQUEST_METHOD"] != "GET" or "upgrade" not in [
        part.strip() for part in environ.get("HTTP_CONNECTION", "").lower().split(",")
    ]:
        return "It must be a GET with Connection: Upgrade."
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        return "Sec-WebSocket-Version must be 13."
    try:
        key = base64.b64decode(environ.get("HTTP_SEC_WEBSOCKET_KEY", ""), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    return None if len(key) == 16 else "Sec-WebSocket-Key must be 16 bytes in base64."


class WebSocketWSGI:
    """What Engine.IO asks for a websocket: `WebSocketWSGI(handler, server)` is a WSGI app that
    calls `handler(websocket)`.
    """

    @staticmethod
    def make(environ):
        """Return the WebSocket of a request."""
        return WebSocket(environ)

    def __init__(self, handler, server):
        self._handler = handler

    def __call__(self, environ, start_response):
        websocket = self.make(environ)
        websocket.greet(environ["HTTP_SEC_WEBSOCKET_KEY"])
        environ["eventlet.set_idle"]()
        try:
            self._handler(websocket)
        except OSError:
            pass  # the client has gone
        except Exception:  # noqa: BLE001 - whatever it is, others go on
            _log.exception("A websocket failed")
        websocket.close()
        wsgi.WSGI_LOCAL.already_handled = True  # the connection is no HTTP any more
        return []


class WebSocket(RFC6455WebSocket):
    """A websocket whose frames are read from the connection's Reader, each counted, and each
    message limited as a whole.
    """

    def __init__(self, environ):
        self._body = environ["eventlet.input"]
        super().__init__(self._body.get_socket(), environ)
        self._has_ended = False
        self._reader = self._body.rfile
        self._reader.deadline = None  # Engine.IO's pings look after it
        # not `client`, by which eventlet decides to mask what is sent
        self._peer = environ["jobsync.connection"].name
        self._allowance = Allowance(
            self._peer, {"packets": limits.PACKETS, "bytes": limits.PACKET_BYTES}
        )

    def greet(self, key):
        """Answer the handshake."""
        accept = base64.b64encode(sha1(key.encode() + PROTOCOL_GUID).digest())
        head = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: "
        )
        self.socket.sendall(head + accept + b"\r\n\r\n")

    def wait(self):
        """Return the next message, None when there are no more."""
        try:
            return super().wait()
        except (OSError, EOFError, ValueError):
            return None

    def close(self, close_data=None):
        """Say goodbye, unless the client doesn't even take what was sent before, and end the
        connection. Never raises.

        close_data: `(code, reason)` when it is for something that the client said: it gets a moment
        to read that.
        """
        if self._has_ended:
            return
        self._has_ended = True
        is_stuck = self._sendlock.locked()
        try:
            if not is_stuck:
                self._send_closing_frame(close_data=close_data, ignore_send_errors=True)
            # the latter wakes who reads
            self.socket.shutdown(
                socket.SHUT_WR if close_data and not is_stuck else socket.SHUT_RDWR
            )
        except OSError:
            pass  # it has ended already
        self.websocket_closed = True
        if close_data:
            self._body.give_up()

    def _get_bytes(self, numbytes):
        data = self._reader.read(numbytes)
        if len(data) < numbytes:
            raise ConnectionClosedError
        return data

    def _recv_frame(self, message=None):
        """Read one frame.

        Returns its message: a new one, or the given one, which it goes on with.
        """
        try:
            first, second = self._get_bytes(2)
            eventlet.sleep(0)
            self._allowance.take("packets")
            opcode, is_final, length = first & 15, first >> 7 == 1, second & 127
            self._check_frame(first, second, message)
            if length > 125:
                form = "!H" if length == 126 else "!Q"
                (length,) = struct.unpack(form, self._get_bytes(struct.calcsize(form)))
            if opcode & 8 or not message:
                message = Message(opcode)
            if message.length + length > limits.MESSAGE:
                CUT_OFF.tell(
                    f"{self._peer} is cut off: it sent a message of more than "
                    f"{limits.MESSAGE // limits.KIB} KiB"
                )
                raise FailedConnectionError(TOO_BIG, "The message is too long.")
            self._allowance.take("bytes", length)
        except CutOff as error:
            raise FailedConnectionError(POLICY, f"{error.strerror.capitalize()}.") from error
        mask = self._get_bytes(4)
        message.add(unmasked(self._get_bytes(length), mask), is_final)
        return message

    @staticmethod
    def _check_frame(first, second, message):
        """Raise FailedConnectionError for a frame that isn't one, or not now."""
        opcode = first & 15
        if first & 0x70:
            raise FailedConnectionError(PROTOCOL, "There are no extensions.")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise FailedConnectionError(PROTOCOL, "There is no such frame.")
        if not second & 128:
            raise FailedConnectionError(PROTOCOL, "Frames of a client must be masked.")
        if opcode & 8 and (first < 128 or second & 127 > 125):
            raise FailedConnectionError(PROTOCOL, "A control frame is short and whole.")
        if not opcode & 8 and bool(opcode) == bool(message):
            raise FailedConnectionError(
                PROTOCOL, "A message begins with its kind, and goes on until it ends."
            )


class Message:
    """A message whose frames are coming in."""

    def __init__(self, opcode):
        self.opcode = opcode
        self.length = 0
        self.finished = False
        self._pieces = []

    def add(self, piece, is_final):
        """Add what a frame has."""
        self._pieces.append(piece)
        self.length += len(piece)
        self.finished = is_final

    def getvalue(self):
        """Return all of it: a text as str. Raises FailedConnectionError when that isn't UTF-8."""
        value = b"".join(self._pieces)
        if self.opcode != TEXT:
            return value
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise FailedConnectionError(NOT_TEXT, "A text must be UTF-8.") from error


def unmasked(data, mask):
    """Return what a masked frame says. As one large number: byte by byte took 16 ms for 64 KiB."""
    whole = mask * (len(data) // 4 + 1)
    return (int.from_bytes(data, "big") ^ int.from_bytes(whole[: len(data)], "big")).to_bytes(
        len(data), "big"
    )
