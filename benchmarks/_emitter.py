"""A bare Socket.IO server on jobsync's stack, which does nothing but emit when it is told to:
`python -m benchmarks._emitter`.

It speaks as `_helper.py` does: it says `{"port"}` first; told `{"emit": n}` it sends one
`job_update` to all who have subscribed and answers
`{"step", "at"}`: the step that it names, and the moment just before.
"""

if __name__ == "__main__":  # as in app.py: patched before anything else is imported
    import warnings

    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    import eventlet

    eventlet.monkey_patch()

import socket
import time

import eventlet.tpool
from flask import Flask
from flask_socketio import SocketIO, join_room

from app import SEND_BUFFER
from benchmarks._helper import answer, questions

ROOM = "job"
CONNECTIONS = 10_000  # each websocket holds one of the server's green threads


def main():
    flask = Flask(__name__)
    socketio = SocketIO(
        flask, async_mode="eventlet", cors_allowed_origins=[], max_http_buffer_size=100_000
    )

    @socketio.on("subscribe")
    def subscribe(payload):
        join_room(ROOM)
        return {"ok": True, "job_id": payload["job_id"], "status": "running", "revision": 1}

    listener = eventlet.listen(("127.0.0.1", 0), backlog=1024, reuse_port=False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    options = {"custom_pool": eventlet.GreenPool(CONNECTIONS), "log_output": False, "debug": False}
    eventlet.spawn(eventlet.wsgi.server, listener, flask, **options)
    answer({"port": listener.getsockname()[1]})
    told = questions()
    while (question := eventlet.tpool.execute(next, told, None)) is not None:
        step = f"s{question['emit']:03d}"
        message = {
            "context": "job_step",
            "job_id": "bare",
            "step_name": step,
            "status": "completed",
        }
        at = time.time()
        socketio.emit(
            "job_update",
            {**message, "refresh_logs": True, "revision": 1 + question["emit"]},
            to=ROOM,
        )
        answer({"step": step, "at": at})


if __name__ == "__main__":
    main()
