"""Socket.IO's client as the pages use it, on `_wire`: a websocket, or long-polling that is made
a websocket, whichever is to be tried first.
"""

import json
import os
from base64 import b64encode

from benchmarks._wire import Kept, WebSocket

PATH = "/socket.io/?EIO=4&transport="
SEPARATOR = "\x1e"  # between the packets of one answer of long-polling


def get(host, port, path, *lines, method="GET", body=""):
    """Return a request as bytes. lines: further headers."""
    length = (
        [f"Content-Length: {len(body)}", "Content-Type: text/plain;charset=UTF-8"] if body else []
    )
    return (
        "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}:{port}", *lines, *length])
        + "\r\n\r\n"
        + body
    ).encode()


class Socket:
    """One connection of a page, for as long as it lasts. on_connect(), on_event(name, data),
    on_ack(data), on_end(); on_request(): at each.
    """

    def __init__(self, site, transports, on_connect, on_event, on_ack, on_end, on_request):
        self._host, self._port = site
        self._left = list(transports)
        self._on_connect = on_connect
        self._on_event = on_event
        self._on_ack = on_ack
        self._on_end = on_end
        self._on_request = on_request
        self._websocket = None
        self._polls = self._posts = None  # Kept, while it is long-polling
        self._is_open = self._is_polling = self._is_probed = False
        # what waits for the last request that brings something, or for the websocket
        self._sending = []
        self._is_posting = False
        self._try_next()

    def emit(self, name, data):
        """Send an event that wants an ack; one is awaited at a time."""
        self._send("420" + json.dumps([name, data], separators=(",", ":")))

    def cut(self):
        """End it at once, without a word."""
        for wire in (self._websocket, self._polls, self._posts):
            if wire:
                wire.cut()

    # Opening

    def _try_next(self):
        """Try the next transport, as `tryAllTransports` says; when none is left this one has
        ended.
        """
        if not self._left or self._is_open:
            self.cut()
            self._on_end()
        elif self._left.pop(0) == "websocket":
            self._open_websocket("", self._take)
        else:
            self._polls = self._connect(Kept(self._take_poll, self._try_next, self._on_request))
            self._posts = self._connect(Kept(self._take_posted, self._try_next, self._on_request))
            self._poll()

    def _connect(self, wire):
        wire.connect(self._host, self._port)
        return wire

    def _open_websocket(self, query, on_text, greeting=None):
        key = b64encode(os.urandom(16)).decode()
        lines = (
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        )
        head = get(self._host, self._port, f"{PATH}websocket{query}", *lines)
        self._websocket = self._connect(
            WebSocket(head, on_text, self._try_next, self._on_request, greeting)
        )

    # Packets

    def _take(self, packet):
        """Take one packet from the server."""
        if packet.startswith("42"):
            self._on_event(*json.loads(packet[2:]))
        elif packet.startswith("43"):
            self._on_ack(json.loads(packet[packet.index("[") :])[0])
        elif packet.startswith("40"):
            self._on_connect()
        elif packet[0] == "0":
            self._opened(json.loads(packet[1:]))
        elif packet[0] == "2":
            self._send("3")
        elif packet[:2] in ("1", "41", "44"):
            self._left.clear()
            self._try_next()

    def _opened(self, about):
        self._is_open = True
        if self._polls:
            self._query = f"&sid={about['sid']}"
            self._is_polling = True
            self._open_websocket(self._query, self._take_probe, "2probe")
        self._send("40")

    def _send(self, packet):
        if not self._is_polling:
            self._websocket.send(packet)
            return
        self._sending.append(packet)
        self._post()

    # Long-polling, until it is made a websocket

    def _poll(self):
        query = self._query if self._is_polling else ""
        self._polls.ask(get(self._host, self._port, f"{PATH}polling{query}"))
        self._is_asking = True

    def _take_poll(self, status, _, body):
        self._is_asking = False
        if status != 200:
            self._left.clear()
            self._try_next()
            return
        for packet in body.decode().split(SEPARATOR):
            self._take(packet)
        if not self._is_probed:
            self._poll()
        self._upgrade()

    def _post(self):
        if self._sending and not self._is_posting and not self._is_probed:
            body, self._sending = SEPARATOR.join(self._sending), []
            self._is_posting = True
            self._posts.ask(
                get(self._host, self._port, f"{PATH}polling{self._query}", method="POST", body=body)
            )

    def _take_posted(self, *_):
        self._is_posting = False
        self._post()
        self._upgrade()

    def _take_probe(self, packet):
        """Take the first packet of the new websocket, which answers the probe; what follows
        comes after the polling's last answer.
        """
        if packet == "3probe":
            self._is_probed = True
            self._upgrade()
        else:
            self._take(packet)

    def _upgrade(self):
        """Leave long-polling, once it has nothing under way any more."""
        if not self._is_probed or not self._is_polling or self._is_asking or self._is_posting:
            return
        self._is_polling = False
        self._polls.cut()
        self._posts.cut()
        self._websocket.send("5")
        for packet in self._sending:
            self._websocket.send(packet)
