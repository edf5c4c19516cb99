"""One client that sends what no good client sends isn't felt by the others: a second one measures
meanwhile.

The attacks are those of `benchmarks/_attacks.py`, and `python -m benchmarks hostile` lasts longer
and tells more.
"""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import websocket

from benchmarks import _attacks
from benchmarks._attacks import ATTACKS, SOCKET, frame, handshake
from benchmarks._helper import Helper
from benchmarks._load import Connection, ask_at_pace
from benchmarks._report import percentile
from benchmarks._server import waited_seconds
from benchmarks.hostile import watched_memory
from helpers.definition_files import define
from helpers.paths import ROOT
from helpers.servers import Server
from helpers.waiting import wait_for

SECONDS = 1.2  # of an attack
MIB = 1024 * 1024
LATE = 0.1  # seconds, the 95th percentile of others may be above what it is without an attack
GROWN = 64 * MIB
STEPS = """
id = "still"
[step.a]
type = "test_job_generator"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server without workers, and a job on it that waits."""
    server = Server(tmp_path_factory.mktemp("hostile"), JOBSYNC_WORKERS="0")
    define(server.folder, STEPS)
    server.start()
    server.job_id = server.submit("still")
    yield server
    server.stop()
    log = server.log.read_text()
    assert "Traceback" not in log, log[:4000]
    assert len(log.splitlines()) < 60, "a line for each of a flood's packets would be thousands"


@pytest.fixture
def fresh(tmp_path):
    """A server whose log no other test has filled: of equal things it tells so many a minute."""
    server = Server(tmp_path, JOBSYNC_WORKERS="0")
    define(server.folder, STEPS)
    server.start()
    server.job_id = server.submit("still")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def attacker(server):
    with Helper("_attacks", *netloc(server)) as helper:
        yield helper


def netloc(server):
    address = urlsplit(server.url)
    return address.hostname, str(address.port)


def site(server):
    host, port = netloc(server)
    return host, int(port)


def others(server, seconds):
    """Return the 95th percentile of the seconds that `structure` takes."""
    connection = Connection(*site(server), f"/api/jobs/{server.job_id}/structure", {})
    with closing(connection):
        return percentile(ask_at_pace(connection, seconds, 0.02)["delays"], 0.95)


# What floods


@pytest.mark.parametrize("attack", ATTACKS)
def test_others_are_served_and_memory_stays_while_one_client_attacks(server, attacker, attack):
    quiet = others(server, 0.3)
    pids = server.process.pid, os.getpid()
    # for a processor, while the tests' other half has it: that is nobody's fault here
    waited = sum(map(waited_seconds, pids))
    with watched_memory(server.process.pid) as grown:
        attacker.tell(attack=attack, seconds=SECONDS)
        late = others(server, SECONDS + 0.3)
        waited = sum(map(waited_seconds, pids)) - waited
        attacker.hear()
    assert late < quiet + LATE + waited, (
        f"{1000 * late:.0f} ms, {1000 * quiet:.0f} ms before, {1000 * waited:.0f} ms without "
        "a processor"
    )
    assert max(grown) < GROWN
    assert requests.get(f"{server.url}/healthz", timeout=5).status_code == 200


FLOODS = {
    name: ATTACKS[name]
    for name in (
        "websocket: unknown events",
        "websocket: empty fragments without end",
        "pipelined GET /healthz",
        "a body in chunks of one byte",
    )
}


def test_who_floods_is_slowed_and_then_cut_off_with_one_line_in_the_log(fresh):
    helpers = [Helper("_attacks", *netloc(fresh)) for _ in FLOODS]
    for helper, name in zip(helpers, FLOODS, strict=True):
        helper.__enter__()
        # until it is cut off, which takes a busy machine longer
        helper.tell(attack=name, seconds=60)
    try:
        ends = [helper.hear()["ended_after"] for helper in helpers]
    finally:
        for helper in helpers:
            helper.__exit__()
    assert all(end and end > 1 for end in ends), ends
    assert len(cut_off(fresh)) == len(FLOODS)


def cut_off(server):
    return [line for line in server.log.read_text().splitlines() if "is cut off: it sent" in line]


def test_a_client_that_asks_one_thing_after_the_other_is_never_slowed(server):
    with closing(Connection(*site(server), "/healthz", {})) as connection:
        delays = ask_at_pace(connection, 1, 0.001)["delays"]
    assert len(delays) > 100


# Websockets


@pytest.fixture
def let_in(server):
    """A websocket of a session of Socket.IO."""
    connection = websocket.create_connection(
        f"ws://{':'.join(netloc(server))}{SOCKET}websocket", timeout=10
    )
    connection.recv()
    connection.send("40")
    connection.recv()
    yield connection
    # close() leaves it to the garbage collector where the server was the first to close
    connection.shutdown()


def end_of(connection):
    """Return the code with which the server closes a websocket, None when it just goes."""
    try:
        while True:
            opcode, data = connection.recv_data(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return int.from_bytes(data[:2]) if data else None
            if not data:
                return None
    except (websocket.WebSocketException, OSError):
        return None


def test_a_message_in_fragments_is_read_whole_with_pings_in_between(let_in):
    sent = '427["subscribe",{}]'
    let_in.sock.sendall(
        frame(sent[:5], final=False)
        + frame("?", opcode=9)
        + frame(sent[5:9], opcode=0, final=False)
        + frame(sent[9:], opcode=0)
    )
    assert let_in.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"?")
    assert let_in.recv() == '437[{"ok":true}]'


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame("42" + " " * 64 * 1024), 1009),
        (frame("42" + " " * 40_000, final=False) + frame(" " * 40_000, opcode=0), 1009),
        (frame(b"4\xff"), 1007),
        (frame("x"), 1002),
        (frame(""), 1002),
        (frame("42[]", opcode=0), 1002),
        (frame("42[]", final=False) + frame("42[]"), 1002),
        (frame("42[]", opcode=3), 1002),
        (frame("x" * 126, opcode=9), 1002),
        (frame("x", opcode=9, final=False), 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x81\x0342[", 1002),
    ],
    ids=[
        "one frame",
        "two frames",
        "no UTF-8",
        "no packet",
        "nothing",
        "goes on with nothing",
        "begins again",
        "unknown",
        "long ping",
        "ping in two",
        "compressed",
        "unmasked",
    ],
)
def test_what_is_no_websocket_message_ends_the_connection_and_says_why(let_in, sent, code):
    with suppress(OSError):  # the server may have closed it already
        let_in.sock.sendall(sent)
    assert end_of(let_in) == code


HANDSHAKES = {
    "version 8": {"version": "8"},
    "version 7": {"version": "7"},
    "no version": {"version": ""},
    "no key": {"key": ""},
    "a short key": {"key": "AAAA"},
    "no base64": {"key": "é" * 12},
}
OLD = "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n"


@pytest.mark.parametrize("options", HANDSHAKES.values(), ids=HANDSHAKES)
def test_a_broken_handshake_is_400(server, options):
    assert status_of(exchange(server, handshake(site(server), **options))) == 400


def test_websockets_before_their_standard_are_off(server):
    head = handshake(site(server)).decode().split("Sec-WebSocket-Key")[0]
    assert status_of(exchange(server, f"{head}{OLD}\r\n12345678".encode())) == 400
    assert status_of(exchange(server, f"{head}\r\n".encode())) == 400


def test_broken_handshakes_are_logged_once_and_open_no_session(fresh):
    before = viewers(fresh)
    for _ in range(20):
        exchange(fresh, handshake(site(fresh), version="8"))
    assert viewers(fresh) == before
    assert (
        len(
            [
                line
                for line in fresh.log.read_text().splitlines()
                if "broken websocket handshake" in line
            ]
        )
        <= 1
    )


def viewers(server):
    text = requests.get(f"{server.url}/metrics", timeout=5).text
    return float(re.search(r"^jobsync_viewers (\S+)", text, re.MULTILINE)[1])


# Long-polling


def open_session(url):
    """Open a session of long-polling, and return its address."""
    answer = requests.get(f"{url}{SOCKET}polling", timeout=5)
    assert answer.status_code == 200, answer.text
    return f"{url}{SOCKET}polling&sid={json.loads(answer.text[1:])['sid']}"


MALFORMED = [
    "4x",
    "4",
    "x",
    "9",
    "0",
    "42",
    "42[]",
    "45-[",
    "4" + "[" * 30_000,
    "42\x1e",
    "\x1e",
    "b!",
    "d=4x",
    "40\x1e4x",
    b"\xff\xfe",
    "40\x1e" * 40,
    "40\x1e451000000-[]",
    "41x" * 5,
]


@pytest.mark.parametrize("body", MALFORMED, ids=[repr(body[:12]) for body in MALFORMED])
def test_malformed_packets_by_long_polling_are_400_and_no_traceback(server, body):
    session = open_session(server.url)
    size = server.log.stat().st_size
    answer = requests.post(
        session, data=body if isinstance(body, bytes) else body.encode(), timeout=5
    )
    assert answer.status_code == 400, answer.text
    assert requests.get(session, timeout=5).status_code == 400, "the session has ended"
    assert server.log.stat().st_size - size < 300


def test_packets_of_more_than_64_kib_are_413(server):
    session = open_session(server.url)
    assert requests.post(session, data="4" + "2" * 65536, timeout=5).status_code == 413


def test_one_session_has_one_poll_at_a_time(server):
    session = open_session(server.url)
    with socket.create_connection(site(server), timeout=5) as first:
        first.sendall(
            (
                f"GET {session.removeprefix(server.url)} HTTP/1.1\r\n"
                f"Host: {urlsplit(server.url).netloc}\r\n\r\n"
            ).encode()
        )
        wait_for(
            lambda: requests.get(session, timeout=5).status_code == 400,
            5,
            "the second poll's refusal",
        )
        assert requests.post(session, data="40", timeout=5).text == "OK"
        assert b'40{"sid"' in first.recv(4096)


# HTTP


def exchange(server, sent, half_close=False):
    """Return all that the server answers to some bytes."""
    with socket.create_connection(site(server), timeout=5) as connection:
        connection.sendall(sent)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        with suppress(OSError):
            while b"\r\n\r\n" not in received and (data := connection.recv(65536)):
                received += data
        return received


def status_of(answer):
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return found and int(found[1])


HOST = "Host: localhost\r\n"
AMBIGUOUS = {
    "two lengths": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}x",
    "the same length twice": (
        f"POST / HTTP/1.1\r\n{HOST}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}"
    ),
    "a list of lengths": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 2, 2\r\n\r\n{{}}",
    "a length and chunks": (
        f"POST / HTTP/1.1\r\n{HOST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    **{
        f"length {value!r}": f"POST / HTTP/1.1\r\n{HOST}Content-Length: {value}\r\n\r\n{{}}"
        for value in ("+5", "-1", "1_0", "0x1", "", "2.0", "²", "1 0", "9" * 30)
    },
    **{
        f"coding {value!r}": f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: {value}\r\n\r\n0\r\n\r\n"
        for value in (
            "gzip, chunked",
            "chunked, chunked",
            "chunked, identity",
            "identity",
            "xchunked",
            "chunked;q=1",
            '"chunked"',
            "\x0bchunked",
            "",
        )
    },
    "two codings": (
        f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n"
        "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"
    ),
    "chunks in HTTP/1.0": f"POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "LF after the first line": f"GET /healthz HTTP/1.1\n{HOST}\r\n",
    "LF after a header": "GET /healthz HTTP/1.1\r\nHost: localhost\n\r\n",
    "LF alone": "GET /healthz HTTP/1.1\nHost: localhost\n\n",
    "CR within a header": f"GET /healthz HTTP/1.1\r\n{HOST}X: a\rb\r\n\r\n",
    "NUL within a header": f"GET /healthz HTTP/1.1\r\n{HOST}X: a\0b\r\n\r\n",
    "a header that is folded": f"GET /healthz HTTP/1.1\r\n{HOST}X: a\r\n b\r\n\r\n",
    "a space before the colon": f"POST / HTTP/1.1\r\n{HOST}Content-Length : 2\r\n\r\n{{}}",
    "no colon": f"GET /healthz HTTP/1.1\r\n{HOST}X\r\n\r\n",
    "no name": f"GET /healthz HTTP/1.1\r\n{HOST}: x\r\n\r\n",
    "no version": "GET /healthz\r\n\r\n",
    "another version": f"GET /healthz HTTP/2.0\r\n{HOST}\r\n",
    "two spaces": f"GET  /healthz HTTP/1.1\r\n{HOST}\r\n",
    "a tab": f"GET\t/healthz HTTP/1.1\r\n{HOST}\r\n",
    "a space in the address": f"GET /healthz x HTTP/1.1\r\n{HOST}\r\n",
    "a method that is none": f"G(T /healthz HTTP/1.1\r\n{HOST}\r\n",
}
CHUNKS = ["+2", "0x2", "2_0", "-2", " 2", "", "2 2", "2;\n", "²", "2\n", "fffffffff"]


@pytest.mark.parametrize("sent", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_request_that_could_be_read_in_two_ways_is_400_and_ends_the_connection(server, sent):
    answer = exchange(
        server, sent.encode("latin-1") + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    assert status_of(answer) == 400 and b"connection: close" in answer.lower()
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("size", CHUNKS, ids=map(repr, CHUNKS))
def test_a_chunk_whose_size_is_malformed_is_400_and_ends_the_connection(server, size):
    head = (
        f"POST /api/jobs HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    answer = exchange(
        server,
        f"{head}{size}\r\n{{}}\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n{HOST}\r\n".encode("latin-1"),
    )
    assert status_of(answer) == 400 and answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "body",
    [
        "2\r\n{}x\r\n0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "2\r\n{}\r\n0\r\nX\r\n\r\n",
        "2\r\n{}\r\n0\r\n X: y\r\n\r\n",
        "2\r\n{}\r\n0\r\n\n",
    ],
)
def test_a_chunk_or_a_trailer_that_is_malformed_is_400_and_ends_the_connection(server, body):
    head = (
        f"POST /api/jobs HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    answer = exchange(server, f"{head}{body}GET /healthz HTTP/1.1\r\n{HOST}\r\n".encode())
    assert status_of(answer) == 400 and answer.count(b"HTTP/1.1 ") == 1


def test_what_is_odd_but_clear_is_answered(server):
    body = b'{"definition": "nope"}'
    chunks = (
        b"5;name=value\r\n"
        + body[:5]
        + b"\r\n%X\r\n" % (len(body) - 5)
        + body[5:]
        + b"\r\n0\r\nX-Sum: 1\r\n\r\n"
    )
    head = f"POST /api/jobs HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n"
    assert status_of(
        exchange(server, b"\r\n" + f"{head}Transfer-Encoding: Chunked\r\n\r\n".encode() + chunks)
    ) in (404, 422)
    assert status_of(
        exchange(server, f"{head}Content-Length:\t0{len(body)} \r\n\r\n".encode() + body)
    ) in (404, 422)
    assert (
        status_of(
            exchange(
                server,
                f"{head}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body,
            )
        )
        == 100
    )
    assert (
        status_of(
            exchange(
                server,
                (
                    f"GET /healthz?{'x' * 4000} HTTP/1.1\r\n{HOST}X: {'y' * 4000}\r\nEmpty:\r\n\r\n"
                ).encode(),
            )
        )
        == 422
    )


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (f"GET /{'x' * 9000} HTTP/1.1\r\n{HOST}\r\n", 414),
        (f"GET / HTTP/1.1\r\n{HOST}X: {'x' * 9000}\r\n\r\n", 431),
        (f"GET / HTTP/1.1\r\n{HOST}{'X: yyyyyyyyyyyyyyyyyyyy' * 10}\r\n" + "X: y\r\n" * 8000, 431),
        (f"GET / HTTP/1.1\r\n{HOST}" + "X: y\r\n" * 200 + "\r\n", 431),
    ],
    ids=["address", "header", "headers", "many headers"],
)
def test_a_head_that_is_too_long_is_refused(server, sent, status):
    assert status_of(exchange(server, sent.encode())) == status


def test_a_few_requests_at_once_are_answered_in_order(server):
    paths = ["/healthz", "/nope", "/healthz"]
    with socket.create_connection(site(server), timeout=5) as connection:
        connection.sendall(b"".join(_attacks.get(*site(server), path) for path in paths))
        received = b""
        while len(found := re.findall(rb"HTTP/1\.1 (\d+)", received)) < 3:
            received += connection.recv(65536)
    assert found == [b"200", b"404", b"200"]


# Time-outs, and room for newcomers


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A server with little patience and little room: `small.py` says how little."""
    server = Server(tmp_path_factory.mktemp("small"), JOBSYNC_WORKERS="0")
    server.program = ROOT / "tests" / "faults" / "small.py"
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log.read_text()


def seconds_until_end(connection, received):
    """Read until the server closes a connection. Returns the seconds; `received` gets what came."""
    started = time.monotonic()
    with suppress(ConnectionError):
        while data := connection.recv(65536):
            received.append(data)
    return time.monotonic() - started


HALVES = {
    "nothing": ("", None),
    "half a first line": ("GET /heal", 408),
    "half a head": (f"GET /healthz HTTP/1.1\r\n{HOST}", 408),
    "half a body": (
        (
            f"POST /api/jobs HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n"
            "Content-Length: 10\r\n\r\n{"
        ),
        400,
    ),
    "half a chunk": (
        (
            f"POST /api/jobs HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n5\r\n{"
        ),
        400,
    ),
    "a whole request": (f"GET /healthz HTTP/1.1\r\n{HOST}\r\n", 200),
}


@pytest.mark.parametrize(("sent", "status"), HALVES.values(), ids=HALVES)
def test_who_does_not_go_on_is_let_go(small, sent, status):
    received = []
    with socket.create_connection(site(small), timeout=8) as connection:
        connection.sendall(sent.encode())
        assert 0.2 < seconds_until_end(connection, received) < 6
    assert status_of(b"".join(received)) == status


def test_a_byte_now_and_then_does_not_help(small):
    with socket.create_connection(site(small), timeout=8) as connection:
        wait_for(lambda: not takes_a_byte(connection), 6, "the end of the connection")


def takes_a_byte(connection):
    try:
        connection.sendall(b"G")
        return True
    except OSError:
        return False


@pytest.fixture
def connections():
    """A list of connections that are closed at the end."""
    connections = []
    yield connections
    for connection in connections:
        connection.close()


def hold(connections, server, number, sent=b""):
    """Open so many connections, all of which send something."""
    for _ in range(number):
        with suppress(OSError):
            connections.append(socket.create_connection(site(server), timeout=5))
            connections[-1].sendall(sent)


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ids=["silent", "half a head", "answered"],
)
def test_idle_connections_make_room_for_who_comes_to_look(small, connections, sent):
    for _ in range(3):
        hold(connections, small, 60, sent)
        assert small.get("/healthz").status_code == 200
    assert small.process.poll() is None


def test_viewers_fill_their_part_and_pages_are_still_served(small, connections):
    viewers = []
    try:
        for _ in range(6):
            viewers.append(
                websocket.create_connection(
                    f"ws://{':'.join(netloc(small))}{SOCKET}websocket", timeout=5
                )
            )
            viewers[-1].recv()
            viewers[-1].send("40")
            viewers[-1].recv()
            viewers[-1].send('420["subscribe",{}]')
            assert viewers[-1].recv().startswith("430")
        refused = requests.get(f"{small.url}{SOCKET}polling", timeout=5)
        assert refused.status_code == 503 and refused.headers["Retry-After"]
        with pytest.raises(websocket.WebSocketBadStatusException, match="503"):
            websocket.create_connection(
                f"ws://{':'.join(netloc(small))}{SOCKET}websocket", timeout=5
            )
        hold(connections, small, 60)
        assert small.get("/healthz").status_code == 200
        assert all(viewer.connected for viewer in viewers)
        viewers.pop().shutdown()
        wait_for(
            lambda: requests.get(f"{small.url}{SOCKET}polling", timeout=5).status_code == 200,
            5,
            "room for one more",
        )
    finally:
        for viewer in viewers:
            viewer.shutdown()


def test_sessions_that_follow_nothing_make_room(small):
    sessions = [open_session(small.url) for _ in range(20)]
    assert requests.post(sessions[0], data="40", timeout=5).status_code == 400
    assert requests.post(sessions[-1], data="40", timeout=5).status_code == 200


# Open files


def limits_of(pid):
    """Return the soft and the hard limit of open files of a process."""
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)


def test_the_limit_of_open_files_is_raised_for_the_server_and_not_for_what_it_starts(
    server, tmp_path
):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    other = Server(tmp_path, JOBSYNC_WORKERS="1")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))
    try:
        other.start()
        (worker,) = (
            Path(f"/proc/{other.process.pid}/task/{other.process.pid}/children").read_text().split()
        )
        assert limits_of(other.process.pid) == (hard, hard)
        assert limits_of(int(worker)) == (hard // 2, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        other.stop()


def test_a_server_without_open_files_to_spare_accepts_again_once_it_has_some(small, connections):
    pid = small.process.pid
    before = limits_of(pid)
    files = len(os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (files + 3, before[1]))
    try:
        hold(connections, small, 30)
        wait_for(lambda: "can't be accepted" in small.log.read_text(), 5, "an error of accept")
        assert small.get("/healthz").status_code == 200, "the quiet ones are closed for it"
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    assert small.get("/healthz").status_code == 200
    assert small.log.read_text().count("can't be accepted") == 1


def test_a_server_that_accepts_no_more_ends_with_a_message(server, tmp_path):
    other = Server(tmp_path, JOBSYNC_WORKERS="0")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "faults" / "small.py"), "deaf"],
        cwd=ROOT,
        env=other.environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "accepts no more connections" in done.stderr.splitlines()[-1]


# Signals


def test_sighup_reads_definitions_again_and_the_server_goes_on(server):
    define(server.folder, STEPS.replace("still", "another"))
    os.kill(server.process.pid, signal.SIGHUP)
    wait_for(
        lambda: "Definitions read again: 2, with 0 mistakes" in server.log.read_text(),
        5,
        "the reading",
    )
    assert server.get("/healthz").status_code == 200


def test_sigusr1_writes_what_everything_is_doing_into_the_log(small):
    assert small.get("/healthz").status_code == 200  # it has begun, and is not only about to
    os.kill(small.process.pid, signal.SIGUSR1)
    wait_for(lambda: "greenlets and threads are doing" in small.log.read_text(), 5, "the stacks")
    log = small.log.read_text()
    assert "in _accept" in log and "monitor/__init__.py" in log
    assert small.get("/healthz").status_code == 200
