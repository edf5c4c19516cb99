"""Asks a server for something again and again, from a process of its own: `python -m
benchmarks._load HOST PORT`.

It is told `{"path", "headers", "seconds", "connections"}`: as often as it goes on so many kept
connections, each with one request in the air; it answers `{"requests", "seconds", "status"}`. With
`"every"` (seconds) it is one connection that asks at that pace; the answer has `"delays"` (seconds)
besides: a request counts from when it was due, so that a stall is felt by all that it holds up.
"""

import socket
import sys
import time

from benchmarks._helper import answer, questions


class Connection:
    """A kept HTTP connection that asks for one thing."""

    def __init__(self, host, port, path, headers):
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}:{port}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self._socket = socket.create_connection((host, port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def ask(self):
        """Send the request."""
        self._socket.sendall(self._request)

    def hear(self):
        """Read the answer and return its status. Raises ConnectionError."""
        while b"\r\n\r\n" not in self._rest:
            self._read()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        status, length = _status_and_length(head)
        while len(self._rest) < length:
            self._read()
        self._rest = self._rest[length:]
        return status

    def _read(self):
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._rest += data

    def close(self):
        self._socket.close()


def _status_and_length(head):
    """Return the status and the length of the body that a head tells of."""
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1])
    length = next(
        (line.partition(":")[2] for line in lines if line.lower().startswith("content-length:")),
        None,
    )
    if length is None and status != 304:
        raise ConnectionError("the answer has no Content-Length")
    return status, 0 if status == 304 else int(length)


def ask_without_pause(connections, seconds):
    """Keep all connections busy, and return `{"requests", "seconds", "status"}`."""
    started, number, status = time.perf_counter(), 0, None
    for connection in connections:
        connection.ask()
    while time.perf_counter() - started < seconds:
        for connection in connections:
            status = connection.hear()
            connection.ask()
        number += len(connections)
    took = time.perf_counter() - started
    for connection in connections:
        connection.hear()
    return {"requests": number, "seconds": took, "status": status}


def ask_at_pace(connection, seconds, every):
    """Ask every so often, and return `{"requests", "seconds", "status", "delays"}`."""
    started, delays, status = time.perf_counter(), [], None
    while (due := started + len(delays) * every) < started + seconds:
        time.sleep(max(0.0, due - time.perf_counter()))
        connection.ask()
        status = connection.hear()
        delays.append(time.perf_counter() - due)
    return {
        "requests": len(delays),
        "seconds": time.perf_counter() - started,
        "status": status,
        "delays": delays,
    }


def do(host, port, question):
    """Return the answer to a question."""
    number = 1 if "every" in question else question["connections"]
    connections = [
        Connection(host, port, question["path"], question.get("headers", {})) for _ in range(number)
    ]
    try:
        if "every" in question:
            return ask_at_pace(connections[0], question["seconds"], question["every"])
        return ask_without_pause(connections, question["seconds"])
    finally:
        for connection in connections:
            connection.close()


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    for question in questions():
        answer(do(host, port, question))


if __name__ == "__main__":
    main()
