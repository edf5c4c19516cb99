"""The one message about jobs, `job_update`, and the rooms it goes to. Nothing else spells either.

A message is a hint to look at the store: it carries the revision at which it was true.
"""

from flask import current_app

from jobsync.base.metrics import metrics
from jobsync.db.extensions import socketio

EVENT = "job_update"
FEED = "feed"
DELETED = "deleted"
_ROOM = "job:"

KEY = "jobsync.joined"


def init_app(app):
    """Let the app note which rooms somebody has joined since `take_joined` was called."""
    app.extensions[KEY] = set()


def room_of(job_id):
    """Return the name of a job's room."""
    return _ROOM + job_id


def tell_step(job_id, step_name, status, revision, refresh_logs):
    """Tell a job's viewers about one of its steps."""
    message = {
        "context": "job_step",
        "job_id": job_id,
        "step_name": step_name,
        "status": status,
        "refresh_logs": refresh_logs,
        "revision": revision,
    }
    _send(message, room_of(job_id))


def tell_job(job_id, status, revision, refresh_logs):
    """Tell a job's viewers about the job as a whole."""
    _send(_about_job(job_id, status, revision, refresh_logs), room_of(job_id))


def tell_feed(job_id, status, revision, refresh_logs, change, since):
    """Tell the feed about a job.

    change: up to which the feed has been told by now. since: the same of the message before, so
    that who has lost one finds out.
    """
    about = _about_job(job_id, status, revision, refresh_logs)
    _send({**about, "change": change, "since": since}, FEED)


def _about_job(job_id, status, revision, refresh_logs):
    return {
        "context": "job",
        "job_id": job_id,
        "status": status,
        "refresh_logs": refresh_logs,
        "revision": revision,
    }


def _send(message, room):
    socketio.emit(EVENT, message, to=room)
    metrics.messages.labels(message["context"]).inc()


def note_joined(room):
    """Note that somebody has joined a room: whoever keeps rooms from being quiet takes it from
    here.
    """
    current_app.extensions[KEY].add(room)


def take_joined():
    """Return the rooms that somebody has joined since the last call."""
    joined, current_app.extensions[KEY] = current_app.extensions[KEY], set()
    return joined


def watched_jobs():
    """Return the ids of the jobs that have viewers."""
    return [room.removeprefix(_ROOM) for room in _rooms() if room and room.startswith(_ROOM)]


def is_feed_watched():
    """Say whether anyone follows the feed."""
    return FEED in _rooms()


def _rooms():
    return socketio.server.manager.rooms.get("/", {})
