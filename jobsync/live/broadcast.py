"""The one message about jobs, `job_update`, and the rooms it goes to. Nothing else spells either.

A message is a hint to look at the store: it carries the revision at which it was true.
"""

from jobsync.base import metrics
from jobsync.db.extensions import socketio

EVENT = "job_update"
FEED = "feed"
DELETED = "deleted"
_ROOM = "job:"

_joined = set()  # rooms that somebody has joined since `take_joined` was called


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


def tell_feed(job_id, status, revision, refresh_logs, news):
    """Tell the feed about a job.

    `news`: how much news the feed has carried so far, so that who lost some finds out.
    """
    _send({**_about_job(job_id, status, revision, refresh_logs), "news": news}, FEED)


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
    metrics.MESSAGES.labels(message["context"]).inc()


def note_joined(room):
    """Note that somebody has joined a room: whoever keeps rooms from being quiet takes it from
    here.
    """
    _joined.add(room)


def take_joined():
    """Return the rooms that somebody has joined since the last call."""
    joined = set(_joined)
    _joined.difference_update(joined)
    return joined


def watched_jobs():
    """Return the ids of the jobs that have viewers."""
    return [room.removeprefix(_ROOM) for room in _rooms() if room and room.startswith(_ROOM)]


def is_feed_watched():
    """Say whether anyone follows the feed."""
    return FEED in _rooms()


def _rooms():
    return socketio.server.manager.rooms.get("/", {})
