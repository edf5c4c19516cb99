"""Engine.IO's sessions: so many of one address and in all, and each ends with the first thing
it says that is no packet.
"""

import base64
import re
import time
from io import BytesIO
from urllib.parse import parse_qs

import engineio
import eventlet
from engineio import packet
from engineio.exceptions import SocketIsClosedError
from engineio.payload import Payload

from jobsync.serving import limits
from jobsync.serving.limits import BROKEN, REFUSED, Allowance, CutOff
from jobsync.serving.websocket import PROTOCOL, WebSocket, WebSocketWSGI, fault_of

# What a client may say: a message of Socket.IO, or Engine.IO's own words. Engine.IO would stumble
# over anything else
PACKET = re.compile(r"4[02-6]|41(?:/[^,]*,?)?\Z|[1-6](?:probe)?\Z")
SEPARATOR = "\x1e"  # between the packets of one body of long-polling
MOST_ATTACHED = 8


class Refused(Exception):
    """A request for which Engine.IO isn't asked: `Refused(status, reason, *headers)`."""


class PacketSocket(WebSocket):
    """A websocket that brings packets of Engine.IO alone."""

    def wait(self):
        message = super().wait()
        if message is None or isinstance(message, bytes) or PACKET.match(message):
            return message
        BROKEN.tell(f"{self._peer} sent what is no packet of Engine.IO")
        self.close((PROTOCOL, "This is no packet of Engine.IO."))
        return None


class PacketSocketWSGI(WebSocketWSGI):
    make = staticmethod(PacketSocket)


class Engine(engineio.Server):
    """Engine.IO's server with limits. Made of the one that Socket.IO has, by `protect`."""

    @classmethod
    def protect(cls, socketio):
        """Put the limits on a Socket.IO server."""
        engine = socketio.eio
        engine.__class__ = cls  # Flask-SocketIO makes it and doesn't let one choose
        engine._async = {**engine._async, "websocket": PacketSocketWSGI}
        engine._socketio = socketio
        engine._polling = set()  # the sessions with a poll in the air

    def handle_request(self, environ, start_response):
        """Answer a request after looking whether Engine.IO can make something of it."""
        sid = parse_qs(environ.get("QUERY_STRING", "")).get("sid", [None])[0]
        session = self.sockets.get(sid)
        if session and session.closed:
            del self.sockets[sid]
        try:
            self._check(environ, session, sid)
        except Refused as error:
            status, reason, *headers = error.args
            start_response(status, [("Content-Type", "text/plain; charset=UTF-8"), *headers])
            return [reason.encode()]
        if environ["REQUEST_METHOD"] == "GET":
            return self._wait(environ, start_response, sid)
        return super().handle_request(environ, start_response)

    def _check(self, environ, session, sid):
        """Raise Refused for what Engine.IO is better not asked."""
        if environ["REQUEST_METHOD"] == "POST":
            if session:
                self._check_body(environ, session)
        elif "HTTP_UPGRADE" in environ:
            fault = fault_of(environ) or (
                session and session.upgrading and "There is a websocket of this session already."
            )
            if fault:
                BROKEN.tell(
                    f"{environ['jobsync.connection'].name} sent a broken websocket handshake: "
                    f"{fault}"
                )
                raise Refused("400 Bad Request", fault, ("Sec-WebSocket-Version", "13"))
        elif sid in self._polling:
            raise Refused("400 Bad Request", "There is a poll of this session already.")

    def _wait(self, environ, start_response, sid):
        """Answer a GET, for which the client may wait long: a poll, or a websocket until its
        end.
        """
        connection = environ["jobsync.connection"]
        is_poll = sid in self.sockets and "HTTP_UPGRADE" not in environ
        connection.keep()
        if is_poll:
            self._polling.add(sid)
        try:
            return super().handle_request(environ, start_response)
        finally:
            if is_poll:
                self._polling.discard(sid)
            connection.release()

    # What clients say

    def _check_body(self, environ, session):
        """Read and check what long-polling brings. Raises Refused, and ends the session."""
        try:
            body = environ["wsgi.input"].read(limits.MESSAGE + 1)
            if len(body) > limits.MESSAGE:
                raise Refused(
                    "413 Content Too Large", f"More than {limits.MESSAGE // limits.KIB} KiB."
                )
            if not environ["eventlet.input"].is_read():
                raise ValueError("it breaks off")
            texts = body.decode().split(SEPARATOR) if body else []
            if len(texts) > Payload.max_decode_packets or not all(map(_is_packet, texts)):
                raise ValueError("no packets")
            session.allowance.take("packets", len(texts))
            session.allowance.take("bytes", len(body))
        except CutOff as error:
            self.disconnect(session.sid)
            raise Refused("429 Too Many Requests", f"{error.strerror.capitalize()}.") from error
        except (ValueError, OSError) as error:
            self.disconnect(session.sid)
            BROKEN.tell(
                f"{environ['jobsync.connection'].name} sent what are no packets of Engine.IO"
            )
            raise Refused("400 Bad Request", "These are no packets of Engine.IO.") from error
        environ.update({"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))})

    def _trigger_event(self, event, *args, **options):
        if event == "connect":
            self._note_address(*args)
        if event != "message":
            return super()._trigger_event(event, *args, **options)
        try:
            self.handlers[event](*args)
            self._check_attachments(args[0])
        except SocketIsClosedError:
            raise
        # what a client can say wrong in Socket.IO's words is found by what Socket.IO raises
        except Exception as error:
            BROKEN.tell(f"A client sent what is no packet of Socket.IO: {error!r}")
            self.disconnect(args[0])
            raise SocketIsClosedError from error
        return None

    def _check_attachments(self, sid):
        """Raise ValueError when a message is given more, or larger, binary parts than anyone
        needs: they are kept until the last has come.
        """
        waiting = self._socketio._binary_packet.get(sid)
        if waiting and (
            waiting.attachment_count > MOST_ATTACHED
            or sum(map(len, waiting.attachments)) > limits.MESSAGE
        ):
            raise ValueError("too many attachments")

    # How many there are

    def _handle_connect(self, environ, *arguments, **options):
        if self._make_room(environ["jobsync.connection"].address):
            return super()._handle_connect(environ, *arguments, **options)
        REFUSED.tell(
            f"{environ['jobsync.connection'].name} gets no session: there are "
            f"{len(self.sockets)}, all of them at work"
        )
        return {
            "status": "503 Service Unavailable",
            "headers": [("Retry-After", "5"), ("Content-Type", "text/plain")],
            "response": b"Too many viewers.",
        }

    def _note_address(self, sid, environ):
        connection, session = environ["jobsync.connection"], self.sockets[sid]
        session.address = connection.address
        session.next_ping = None
        session.allowance = Allowance(
            connection.name, {"packets": limits.PACKETS, "bytes": limits.PACKET_BYTES}
        )

    def _make_room(self, address):
        """Return whether one more session of an address may come.

        One that follows nothing is ended for it if need be, the oldest first.
        """
        open_ones = [session for session in self.sockets.values() if not session.closed]
        of_address = [session for session in open_ones if session.address == address]
        if len(of_address) < limits.SESSIONS_EACH and len(open_ones) < limits.SESSIONS:
            return True
        for session in of_address if len(of_address) >= limits.SESSIONS_EACH else open_ones:
            if not self._is_at_work(session):
                self.disconnect(session.sid)
                return True
        return False

    def _is_at_work(self, session):
        """Say whether a session follows anything, and its client is there to hear of it."""
        manager = self._socketio.manager
        sid = manager.sid_from_eio_sid(session.sid, "/")
        return (
            bool(sid)
            and (session.upgraded or session.sid in self._polling)
            and len(manager.get_rooms(sid, "/")) > 1
        )

    # Their pings and their end

    def disconnect(self, sid=None):
        """End a session at once: Engine.IO's own waits until its client has taken everything."""
        session = self.sockets.pop(sid, None)
        if session is None:
            if sid is None:
                super().disconnect()
            return
        session.close(wait=False, reason=self.reason.SERVER_DISCONNECT)
        if session.next_ping:
            session.next_ping.cancel()

    def start_background_task(self, target, *args, **kwargs):
        """Start a greenlet; for a ping one that isn't there until it is due, and that an ended
        session isn't kept by.
        """
        if getattr(target, "__func__", None) is not engineio.socket.Socket._send_ping:
            return super().start_background_task(target, *args, **kwargs)
        session = target.__self__
        session.next_ping = eventlet.spawn_after(self.ping_interval, _ping, session)
        return session.next_ping


def _is_packet(text):
    """Say whether a text of long-polling is a packet.

    Raises ValueError for an attachment that isn't base64.
    """
    return bool(PACKET.match(text)) or (
        text.startswith("b") and base64.b64decode(text[1:]) is not None
    )


def _ping(session):
    if not session.closing and not session.closed:
        session.last_ping = time.time()
        session.send(packet.Packet(packet.PING))
