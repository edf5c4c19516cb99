"""The server of the model: the real app, Socket.IO handlers and monitor, in this process, on the
model's clock.

What runs side by side in a real server is put between two of its instructions here: at each point
where it begins to read and before each message another process may commit, or this one may be
killed.
"""

from contextlib import contextmanager

from flask_socketio import SocketIOTestClient
from sqlalchemy import event

from jobsync.db.extensions import db
from jobsync.monitor import Monitor

NOTICED = 20  # ms until the commit of another process is noticed (changes.POLL)
MOST_TICKS = 50  # one after another, with nothing but the monitor's own commits between them


class Killed(BaseException):
    """The server was killed with `kill -9`."""


class QuietMonitor(Monitor):
    """Clears away at once what a server clears away in the background, so that a run can be
    repeated.
    """

    def __init__(self, app, clock):
        super().__init__(app, clock)
        self.scheduler.clear_deleted = self.scheduler._clear_deleted


class Server:
    """clock: has `now` in ms. truth: a Truth, whose `job_id` is watched over."""

    def __init__(self, app, clock, truth):
        self._app, self._clock, self._truth = app, clock, truth
        self._socketio = app.extensions["socketio"]
        self._web = app.test_client()
        with app.app_context():
            self._engine = db.engine
        self._plan = None  # (points to pass, action)
        self._is_inside = False
        self._is_dying = False
        self._wrong = []  # told, of which the monitor would make a line of its log
        self._told = {}  # client → the revisions that it was told, to be seen never to fall
        self.clients = []
        self.is_up = False
        self._dirty_at = self._due_at = 0

    # What surrounds it

    @contextmanager
    def watched(self):
        """Take notice of commits, of messages and of the points between them."""
        sockets, changes = self._socketio, self._app.extensions["jobsync.changes"]
        emit, notify = sockets.emit, changes.notify
        sockets.emit = lambda name, message, to: self._emit(emit, name, message, to)
        changes.notify = lambda: (notify(), self._note_commit())
        listeners = [("begin", self._before_begin), ("commit", self._before_commit)]
        for name, listener in listeners:
            event.listen(self._engine, name, listener, insert=True)
        self.start()
        try:
            yield self
        finally:
            self.kill()
            for name, listener in listeners:
                event.remove(self._engine, name, listener)
            del sockets.emit, changes.notify

    def _note_commit(self):
        self._dirty_at = min(self._dirty_at, self._clock.now)
        # looking at the truth is no part of the server's work
        was_inside, self._is_inside = self._is_inside, True
        with self._app.app_context():
            self._truth.note()
        self._is_inside = was_inside

    def _emit(self, emit, name, message, to):
        self._point()
        if message["job_id"] == self._truth.job_id and not self._truth.allows(message):
            self._wrong.append(message)
        emit(name, message, to=to)

    def _before_begin(self, connection):
        is_writing = connection.get_execution_options().get("begin") == "IMMEDIATE"
        self._point(is_writing)

    def _before_commit(self, connection):
        self._point(is_writing=True)

    def _point(self, is_writing=False):
        """Do what is planned for this point.

        Within a write nobody else can commit, but the server can still die.
        """
        if self._is_inside:
            return
        if self._is_dying:
            raise Killed
        if self._plan is None or (is_writing and self._plan[1] is not None):
            return
        points, action = self._plan
        self._plan = (points - 1, action)
        if points == 0:
            self._plan = None
            self._interrupt(action)

    def _interrupt(self, action):
        if action is None:
            self._is_dying = True  # what is left to be done on the way out is not done
            raise Killed
        self._is_inside = True
        try:
            action()
        finally:
            self._is_inside = False

    @contextmanager
    def _interrupted(self, plan):
        """Carry out `plan` inside: `(points to pass before, action)`, action None for kill, or
        None for nothing.
        """
        self._plan = plan
        try:
            yield
        except Killed:
            self.kill()
            self._note_commit()  # a long statement's commit comes before the point that it died at
        finally:
            self._plan = None

    # Its life

    def start(self):
        """Start it. Does nothing while it is up."""
        if self.is_up:
            return
        self.is_up = True
        self._monitor = QuietMonitor(self._app, clock=lambda: self._clock.now / 1000)
        self._dirty_at = self._due_at = self._clock.now

    def kill(self):
        """End it as `kill -9` does: whoever was connected is not any more."""
        if not self.is_up:
            return
        self.is_up = self._is_dying = False
        self._monitor.close()
        for client in list(self.clients):
            self.disconnect(client)

    # The monitor

    @property
    def due_in(self):
        """The ms until its monitor ticks."""
        return max(0, min(self._due_at, self._dirty_at + NOTICED) - self._clock.now)

    def run_monitor(self, plan=None):
        """Tick as `Monitor.run` does: until nothing has changed since the last tick began."""
        for _ in range(MOST_TICKS):
            self.tick(plan)
            plan = None
            if not self.is_up or self._dirty_at > self._clock.now:
                return
        raise AssertionError("the monitor doesn't come to rest")

    def check_told(self):
        """Assert that all who have subscribed were told of the last change of status: the next
        hint would tell them too, but later.
        """
        for told in filter(None, self._told.values()):
            assert self._truth.is_known_at(told), (
                f"who was told of revision {told} isn't told of {self._truth.revision}"
            )

    def tick(self, plan=None):
        """Tick once."""
        self._dirty_at = float("inf")
        with self._interrupted(plan):
            self._monitor.tick()
            self._due_at = self._clock.now + 1000 * self._monitor.until_due()
        assert not self._wrong, f"it told what the store had not come to: {self._wrong}"

    # Its doors

    def get(self, url, etag=None, plan=None):
        """Return `(status, ETag, text)`, None where it died meanwhile."""
        with self._interrupted(plan):
            answer = self._web.get(url, headers={"If-None-Match": etag} if etag else {})
            assert answer.status_code in (200, 304, 404), (url, answer.status_code)
            return answer.status_code, answer.headers.get("ETag"), answer.text
        return None

    def connect(self):
        """Return a new client."""
        client = SocketIOTestClient(self._app, self._socketio)
        self.clients.append(client)
        self._told[client] = 0
        return client

    def disconnect(self, client):
        """Notice that a client is gone. Does nothing for one that was noticed."""
        if client not in self.clients:
            return
        self.clients.remove(client)
        del self._told[client]
        self._socketio.server._handle_eio_disconnect(client.eio_sid, "transport close")
        del SocketIOTestClient.clients[client.eio_sid]

    def hear(self, client, name, payload, plan=None):
        """Return the ack of a message, None where it died meanwhile."""
        with self._interrupted(plan):
            ack = client.emit(name, payload, callback=True)
            # who is refused is in no room
            self._told[client] = max(self._told[client], ack["revision"]) if ack["ok"] else 0
            return ack
        return None

    def take_messages(self, client):
        """Return what was sent to a client since this was last asked, and assert that revisions
        don't fall.
        """
        messages = [packet["args"][0] for packet in client.get_received()]
        for message in messages:
            if message["job_id"] == self._truth.job_id:
                assert message["revision"] >= self._told[client], (
                    f"told of revision {self._told[client]} before {message}"
                )
                self._told[client] = message["revision"]
        return messages
