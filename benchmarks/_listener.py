"""A Socket.IO client, websocket only, that notes when it hears of which step: `python -m
benchmarks._listener URL`.

It is told `{"subscribe": job}` or `{"unsubscribe": job}`, which it answers with the ack, or
`{"report": true}`, which it answers with all messages since the last report about steps:
`[[at, job, step, status]]`.
"""

import sys
import time

import socketio

from benchmarks._helper import answer, questions


def main():
    heard = []
    client = socketio.Client(reconnection=False)
    client.on("job_update", lambda message: heard.append((time.time(), message)))
    client.connect(sys.argv[1], transports=["websocket"])
    answer({"ready": True})
    for question in questions():
        (asked, job_id), *_ = question.items()
        if asked != "report":
            answer(client.call(asked, {"job_id": job_id}))
        else:
            number = len(heard)  # another thread goes on adding to it meanwhile
            answer(
                [
                    [at, it["job_id"], it["step_name"], it["status"]]
                    for at, it in heard[:number]
                    if it["context"] == "job_step"
                ]
            )
            del heard[:number]
    client.disconnect()


if __name__ == "__main__":
    main()
