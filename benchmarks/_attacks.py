"""Clients that send what no good client sends, in a process of their own: `python -m
benchmarks._attacks HOST PORT`.

It is told `{"attack": name, "seconds": n}` (`"path"` besides, for those that ask for something) and
answers `{"sent", "received", "ended_after"}`: bytes, and the seconds after which the server had
ended its first connection, null if it didn't.
"""

import json
import os
import select
import socket
import struct
import sys
import time
from base64 import b64encode
from contextlib import suppress

from benchmarks._helper import answer, questions
from benchmarks._socket import get

BLOCK = 64 * 1024  # bytes that are sent at once
MANY = 3500  # connections
OPENING = 0.5  # seconds that are left for the newcomers after all have been opened
SOCKET = "/socket.io/?EIO=4&transport="
JSON = "Content-Type: application/json"


def frame(payload, opcode=1, final=True):
    """Return a masked frame of a websocket."""
    payload = payload.encode() if isinstance(payload, str) else payload
    size = len(payload)
    length = (
        bytes([128 | size])
        if size < 126
        else b"\xfe" + struct.pack("!H", size)
        if size < 65536
        else b"\xff" + struct.pack("!Q", size)
    )
    return bytes([128 * final | opcode]) + length + b"\0\0\0\0" + payload


def handshake(site, version="13", key=None):
    """Return the request for a websocket."""
    key = b64encode(os.urandom(16)).decode() if key is None else key
    return get(
        *site,
        f"{SOCKET}websocket",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        f"Sec-WebSocket-Version: {version}",
    )


class Flood:
    """One connection on which a block of bytes is sent again and again, whatever comes back.

    `ended_at`: when the server ended it.
    """

    def __init__(self, site, beginning, block):
        self._block = block * max(1, BLOCK // len(block))
        self._left = beginning
        self.sent = self.received = 0
        self.ended_at = None
        self.socket = socket.create_connection(site, timeout=10)
        self.socket.setblocking(False)

    def go_on(self, until):
        """Send and receive until a moment of `time.monotonic()`, or until the server ends it.

        Returns whether it still stands.
        """
        while self.ended_at is None and (left := until - time.monotonic()) > 0:
            readable, writable, _ = select.select([self.socket], [self.socket], [], left)
            try:
                if readable:
                    self._receive()
                if writable:
                    self._send()
            except BlockingIOError:
                pass
            except OSError:
                self.ended_at = time.monotonic()
        return self.ended_at is None

    def _receive(self):
        data = self.socket.recv(BLOCK)
        self.received += len(data)
        if not data:
            self.ended_at = time.monotonic()

    def _send(self):
        self._left = self._left or self._block
        number = self.socket.send(self._left)
        self.sent += number
        self._left = self._left[number:]


def flood(site, seconds, beginning, block, again=False):
    """Flood on one connection, with `again` on a new one whenever the server ends it."""
    started, sent, received, ended_after = time.monotonic(), 0, 0, None
    while (left := started + seconds - time.monotonic()) > 0:
        with suppress(OSError):  # it isn't let in
            one = Flood(site, beginning, block)
            with one.socket:
                if not one.go_on(started + seconds):
                    ended_after = ended_after or one.ended_at - started
                sent, received = sent + one.sent, received + one.received
        if not again:
            break
        time.sleep(min(0.001, left))
    return {"sent": sent, "received": received, "ended_after": ended_after}


def of_websocket(*frames, again=False):
    """Return an attack that sends these frames once it is let in."""

    def attack(site, seconds):
        return flood(site, seconds, handshake(site) + frame("40"), b"".join(frames), again)

    return attack


def of_requests(*lines, path="/healthz", method="GET", rest=b"", block=None):
    """Return an attack that sends a request, `rest`, and then `block` again and again; without
    `block` the request.
    """

    def attack(site, seconds):
        request = get(*site, path, *lines, method=method) + rest
        return flood(site, seconds, request if block else b"", block or request)

    return attack


def endless_header(site, seconds):
    """Send a header that doesn't end."""
    return flood(site, seconds, get(*site, "/healthz")[:-2] + b"X: ", b"x")


def asking(path):
    """Return an attack that asks for a path again and again, each time on a new connection
    where the server closes the last.
    """

    def attack(site, seconds):
        started, received, ended_after = time.monotonic(), 0, None
        while time.monotonic() < started + seconds:
            with socket.create_connection(site, timeout=30) as connection:
                connection.sendall(get(*site, path, "Connection: close"))
                while data := connection.recv(BLOCK):
                    received += len(data)
        return {"sent": 0, "received": received, "ended_after": ended_after}

    return attack


def idle(site, seconds, beginning=b""):
    """Open so many connections that say nothing more than their beginning, and hold them."""
    started, connections, ended_after = time.monotonic(), [], None
    while time.monotonic() < started + seconds - OPENING and len(connections) < MANY:
        with suppress(OSError):
            connections.append(socket.create_connection(site, timeout=1))
            connections[-1].sendall(beginning)
    time.sleep(max(0, started + seconds - time.monotonic()))
    with suppress(OSError):
        connections[0].setblocking(False)
        while connections[0].recv(BLOCK):
            pass
        ended_after = seconds
    for connection in connections:
        connection.close()
    return {"sent": len(connections), "received": 0, "ended_after": ended_after}


def sessions(*lines):
    """Return an attack that opens sessions of long-polling one after the other, on one kept
    connection.
    """

    def attack(site, seconds):
        request = get(*site, f"{SOCKET}polling", *lines)
        started, number, received = time.monotonic(), 0, 0
        while time.monotonic() < started + seconds:
            with suppress(OSError), socket.create_connection(site, timeout=10) as connection:
                while time.monotonic() < started + seconds:
                    connection.sendall(request)
                    data = connection.recv(BLOCK)
                    number, received = number + 1, received + len(data)
                    if not data:
                        break
        return {"sent": number, "received": received, "ended_after": None}

    return attack


def broken_handshakes(site, seconds):
    """Ask for websockets of an old version, one after the other."""
    started, number = time.monotonic(), 0
    while time.monotonic() < started + seconds:
        with suppress(OSError), socket.create_connection(site, timeout=10) as connection:
            connection.sendall(
                handshake(site, version="8") if number % 2 else handshake(site, key="short")
            )
            connection.recv(BLOCK)
            number += 1
    return {"sent": number, "received": 0, "ended_after": None}


CHUNKED = (JSON, "Transfer-Encoding: chunked")
ATTACKS = {
    "websocket: subscribe": of_websocket(frame('420["subscribe",{}]')),
    "websocket: unknown events": of_websocket(
        frame('421["nonsense",' + json.dumps("x" * 200) + "]")
    ),
    "websocket: unknown events, back after each end": of_websocket(
        frame('421["nonsense",' + json.dumps("x" * 200) + "]"), again=True
    ),
    "websocket: frames of 1 MB": of_websocket(frame("4" + "2" * 1_000_000)),
    "websocket: frames of 60 KB": of_websocket(frame("42" + json.dumps(["x", "y" * 60_000]))),
    "websocket: fragments without end": of_websocket(
        *([frame("4", final=False)] + 2000 * [frame("2" * 500, opcode=0, final=False)])
    ),
    "websocket: empty fragments without end": of_websocket(
        *([frame("4", final=False)] + 9000 * [frame("", opcode=0, final=False)])
    ),
    "websocket: pings": of_websocket(frame("x" * 100, opcode=9)),
    "websocket: broken handshakes": broken_handshakes,
    "pipelined GET /healthz": of_requests(),
    "a body in chunks of one byte": of_requests(
        *CHUNKED, path="/api/jobs", method="POST", block=b"1\r\nx\r\n"
    ),
    "a chunk-size line without end": of_requests(
        *CHUNKED, path="/api/jobs", method="POST", block=b"1"
    ),
    "a trailer line without end": of_requests(
        *CHUNKED, path="/api/jobs", method="POST", rest=b"0\r\n", block=b"x"
    ),
    "a header without end": endless_header,
    "a body without end": of_requests(
        JSON, "Content-Length: 1000000000000", path="/api/jobs", method="POST", block=b"x"
    ),
    "idle connections": idle,
    "connections within a head": lambda site, seconds: idle(
        site, seconds, get(*site, "/healthz")[:-2]
    ),
    "kept connections": lambda site, seconds: idle(site, seconds, get(*site, "/healthz")),
    "polling sessions of a foreign page": sessions(
        "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"
    ),
    "polling sessions": sessions(),
}


def main():
    site = sys.argv[1], int(sys.argv[2])
    for question in questions():
        attack = asking(question["path"]) if "path" in question else ATTACKS[question["attack"]]
        answer(attack(site, question["seconds"]))


if __name__ == "__main__":
    main()
