"""The loop that accepts connections, whatever happens, and their orderly end."""

import logging

import eventlet
from eventlet import greenio, wsgi

from jobsync.serving.connections import Connection, Connections
from jobsync.serving.limits import ACCEPTING
from jobsync.serving.protocol import Protocol

# seconds after an error of accept: most are of open files or memory, and pass when somebody leaves
PAUSE = 0.1

_log = logging.getLogger(__name__)


class Server:
    """Serves an app on a listening socket. environ: what each request's environ has besides."""

    def __init__(self, listener, app, environ):
        self._listener = listener
        self._server = wsgi.Server(
            listener, listener.getsockname(), app, environ=environ, log_output=False, debug=False
        )
        # They are written well: to write them anew takes a tenth of a small answer's time
        self._server.capitalize_response_headers = False
        self._server.connections = self._connections = Connections()
        self._server.ending = eventlet.Semaphore()
        self._states = {}  # of each Connection, as eventlet has it
        # never full: those that are being closed are in it too
        self._pool = eventlet.GreenPool(self._connections.most + 1000)
        self._accepting = None

    def start(self, on_end):
        """Begin to accept. on_end(): is called should that ever end before `stop`."""
        self._accepting = eventlet.spawn(self._accept)
        self._accepting.link(lambda _: self._accepting and on_end())

    def _accept(self):
        while True:
            try:
                self._take(*self._listener.accept())
            except Exception as error:  # noqa: BLE001 - whatever it is: nobody would get in any more without this loop
                ACCEPTING.tell(f"A connection can't be accepted: {error}")
                self._connections.close_one()
                eventlet.sleep(PAUSE)
            eventlet.sleep(0)

    def _take(self, socket, peer):
        connection = Connection(socket, peer, self._connections)
        if not self._connections.admit(connection):
            socket.close()
            return
        self._states[connection] = [peer, socket, wsgi.STATE_IDLE, connection]
        self._pool.spawn_n(self._serve, connection)

    def _serve(self, connection):
        try:
            Protocol(self._states[connection], self._server)
        except OSError:
            pass  # it has gone
        except Exception:  # noqa: BLE001 - whatever it is, others go on
            _log.exception("A connection failed")
        finally:
            del self._states[connection]
            self._connections.leave(connection)
            greenio.shutdown_safe(connection.socket)
            connection.socket.close()

    def stop(self):
        """Accept no more, and end the connections that wait for a request.

        Those with one end when it is answered.
        """
        accepting, self._accepting = self._accepting, None
        accepting.kill()
        self._listener.close()
        for connection, state in list(self._states.items()):
            is_idle = state[2] == wsgi.STATE_IDLE
            state[2] = wsgi.STATE_CLOSE
            if is_idle:
                connection.close()

    def wait(self, seconds):
        """Wait until all connections have ended, at most so long."""
        with eventlet.Timeout(seconds, False):
            self._pool.waitall()
