"""The Socket.IO door: subscribing to jobs and to the feed. It sends nothing but acks; the monitor
tells what changes.

It also shows out those who don't read what they asked for: what waits for them is kept in the
server's memory.
"""

import json
import logging
import time

from flask_socketio import SocketIO, join_room, leave_room, rooms
from sqlalchemy.exc import SQLAlchemyError

from jobsync import store
from jobsync.base.text import storable
from jobsync.db.transactions import read
from jobsync.live import broadcast

MOST_ROOMS = 200
MOST_BYTES = 64 * 1024  # of one message: a larger one ends its connection
# messages that may wait for one viewer: some 100 KB, and more than a live page is ever behind
BACKLOG = 500
BACKLOG_INTERVAL = 1.0  # seconds between two looks at the backlogs

_log = logging.getLogger(__name__)


class LenientJson:
    """Reads what is no JSON that Python can hold (nested a thousand deep, cut off) as an event that
    nobody knows: it is acked as such.

    Raising there would leave the client without an ack, and a traceback in the log for each of its
    packets.
    """

    dumps = staticmethod(json.dumps)

    @staticmethod
    def loads(text):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return ["malformed"]


def init_app(app, async_mode):
    """Register the handlers and put Socket.IO in front of the app."""
    broadcast.init_app(app)
    server = SocketIO()
    server.on_event("subscribe", subscribe)
    server.on_event("unsubscribe", unsubscribe)
    server.on_event("*", refuse_unknown)
    server.on_error_default(_log_error)
    # cors_allowed_origins=[]: the gate checks origins, for Engine.IO as for everything else
    server.init_app(
        app, async_mode=async_mode, cors_allowed_origins=[], max_http_buffer_size=MOST_BYTES
    )
    # not as init_app's option: Engine.IO tells texts from JSON by what its own reader raises
    server.server.packet_class.json = LenientJson


def subscribe(*args):
    """Join a job's room (`{"job_id": …}`) or the feed (`{}`).

    Returns the ack of the contract's section 3; never raises.
    """
    try:
        job_id = _job_id(args)
        room = broadcast.room_of(job_id) if job_id else broadcast.FEED
        if room not in rooms() and len(rooms()) > MOST_ROOMS:  # one room is the connection's own
            return _refused(f"One connection may follow {MOST_ROOMS} jobs at most.")
        return _join_job(job_id, room) if job_id else _join_feed(room)
    except ValueError as error:
        return _refused(str(error))
    except SQLAlchemyError as error:
        _log.error("A subscription failed: %s", error)
        return _refused("The database can't be read at the moment.")


def _join_feed(room):
    join_room(room)
    broadcast.note_joined(room)
    return {"ok": True}


def _join_job(job_id, room):
    """Join first, read then: a change in between is told to the room, one before is in the ack.

    Who is refused is in no room.
    """
    join_room(room)
    head = None
    try:
        with read() as session:
            head = store.jobs.head(session, job_id)
    finally:
        if head is None:
            leave_room(room)
    if head is None:
        return _refused(f"There is no job {job_id!r}.")
    broadcast.note_joined(room)
    return {"ok": True, "job_id": job_id, "status": head.status, "revision": head.revision}


def unsubscribe(*args):
    """Leave a job's room or the feed. Leaving one that wasn't joined is no error."""
    try:
        job_id = _job_id(args)
    except ValueError as error:
        return _refused(str(error))
    leave_room(broadcast.room_of(job_id) if job_id else broadcast.FEED)
    return {"ok": True, "job_id": job_id} if job_id else {"ok": True}


def refuse_unknown(event, *args):
    """Ack an event that there is none of. `args` are of no interest."""
    return _refused("There is no such event: subscribe and unsubscribe are.")


def _job_id(args):
    """Return the job id of a payload, None for the feed. Raises ValueError for anything else."""
    payload = args[0] if len(args) == 1 else None
    if payload == {}:
        return None
    if not isinstance(payload, dict) or payload.keys() != {"job_id"}:
        raise ValueError('The payload must be {"job_id": "…"} or {}.')
    job_id = payload["job_id"]
    if not isinstance(job_id, str) or not 0 < len(job_id) <= 64:
        raise ValueError("job_id must be a text of 1 to 64 characters.")
    return storable(job_id)  # a lone surrogate can't even be asked for


def _refused(reason):
    return {"ok": False, "error": reason}


def watch_backlogs(app):
    """Cut off viewers that don't read, for ever: start it in the background."""
    while True:
        time.sleep(BACKLOG_INTERVAL)  # green in the web process
        cut_off_slow_viewers(app)


def cut_off_slow_viewers(app, most=BACKLOG):
    """Disconnect the viewers for whom more than `most` messages wait, and return how many those
    were.

    What waited is dropped: a viewer that comes back reads the truth from `structure`. Until it
    reads again its connection can't even be closed in good order; the kernel ends it then (`app.py`
    says after how long).
    """
    slow = [
        viewer
        for viewer in list(app.extensions["socketio"].server.eio.sockets.values())
        if not viewer.closed and viewer.queue.qsize() > most
    ]
    for viewer in slow:
        _log.warning(
            "Viewer %s is cut off: it has left %d messages unread", viewer.sid, viewer.queue.qsize()
        )
        app.extensions["jobsync.metrics"].cut_off.inc()
        while not viewer.queue.empty():
            viewer.queue.get_nowait()
            viewer.queue.task_done()
        viewer.close(wait=False, reason="slow viewer")
    return len(slow)


def _log_error(error):
    _log.error("A Socket.IO handler failed", exc_info=error)
    return _refused("The server failed; its log says why.")
