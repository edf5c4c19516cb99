"""Does the workers' part of jobs, at a pace that it is told, and says when it committed the end of
each step.

It uses the store as a worker does, so that the moment of a commit is known to the microsecond. It
is told `{"job", "pause": [low, high]}` to begin (seconds that each step's child takes) and
`{"forget": job}`; it says `{"job", "step", "at"}` right after the commit by which that step follows
to be completed. While a child runs it writes log lines as often as a worker's buffer does.
"""

import os
import queue
import random
import secrets
import threading
import time
from dataclasses import dataclass

import config
import jobsync
from benchmarks._helper import answer, questions
from benchmarks._jobs import WRITTEN
from jobsync.base.clock import now
from jobsync.lifecycle import claims, results, workers
from jobsync.lifecycle.tasks import End, NewChild, Task
from jobsync.store.logs import Line

BEAT = 2.0  # seconds between heartbeats
FLUSH = 0.2  # seconds between two writings of a child's lines
LINES = 5  # written at a time
LOOK = 0.005  # seconds between two looks for work


@dataclass
class Running:
    """A child that is under way."""

    task: Task
    ends: float
    flushes: float


class Writer:
    """One worker that does a child of each job at the same time."""

    def __init__(self):
        self._id = secrets.token_hex(8)
        self._told = queue.SimpleQueue()
        self._pauses = {}
        self._held = []
        self._running = {}
        self._beat_at = 0.0
        self._ended = False

    def run(self):
        """Work until standard input ends. Needs an app context."""
        workers.register(self._id, os.getpid(), [WRITTEN])
        threading.Thread(target=self._listen, daemon=True).start()
        answer({"ready": True})
        while not self._ended:
            self._beat()
            self._obey()
            if not (self._take_work() or self._do_due()):
                time.sleep(LOOK)
        workers.release(self._id)

    def _listen(self):
        for message in questions():
            self._told.put(message)
        self._told.put(None)

    def _beat(self):
        if time.monotonic() - self._beat_at >= BEAT:
            self._beat_at = time.monotonic()
            workers.beat(self._id)

    def _obey(self):
        while not self._told.empty():
            message = self._told.get()
            if message is None:
                self._ended = True
            elif "forget" in message:
                self._pauses.pop(message["forget"], None)
                self._running.pop(message["forget"], None)
                self._held = [task for task in self._held if task.job_id != message["forget"]]
            else:
                self._pauses[message["job"]] = message["pause"]

    def _take_work(self):
        """Take one unit of work; that of a job that isn't to begin yet is held back. Returns
        whether there was any.
        """
        held = [task for task in self._held if task.job_id in self._pauses]
        if held:
            self._held.remove(held[0])
            self._start(held[0])
            return True
        tasks = claims.claim(self._id, lambda _: 1)
        for task in tasks:
            if task.job_id in self._pauses:
                self._start(task)
            else:
                self._held.append(task)
        return bool(tasks)

    def _start(self, task):
        if task.kind == "plan":
            results.add_planned(task, [NewChild("1", "work", {})])
            results.finish_plan(task)
        elif task.kind == "child":
            moment = time.monotonic()
            self._running[task.job_id] = Running(
                task,
                moment + random.uniform(*self._pauses[task.job_id]),
                moment + random.uniform(0, FLUSH),
            )
        else:
            results.finish_summary(task, {})
            answer({"job": task.job_id, "step": task.step_name, "at": time.time()})

    def _do_due(self):
        """Write the lines or the end of a child that is due. Returns whether one was."""
        moment = time.monotonic()
        for job_id, child in self._running.items():
            if moment >= child.ends:
                del self._running[job_id]
                results.record(child.task, ended=[End(child.task, "completed", {}, None, now())])
                return True
            if moment >= child.flushes:
                child.flushes = max(child.flushes + FLUSH, moment)
                results.record(
                    child.task,
                    [
                        Line(now(), "info", f"line {number} of {LINES} at {moment:.3f}")
                        for number in range(LINES)
                    ],
                )
                return True
        return False


def main():
    app = jobsync.create_app(config.load())
    with app.app_context():
        Writer().run()


if __name__ == "__main__":
    main()
