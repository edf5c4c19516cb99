"""The embedded engine: worker processes of this machine, started, woken and watched over by the web
process.

They are spawned clean (never forked from the web process) and each leads a session of its own, by
which what it started is found when it dies. Its standard input is a socket: a byte wakes it, the
end stops it, so that no worker outlives its server.
"""

import logging
import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from jobsync import store
from jobsync.base import processes
from jobsync.base.errors import JobsyncError
from jobsync.base.trouble import OngoingError
from jobsync.db.transactions import read
from jobsync.engine import exit_codes
from jobsync.lifecycle import workers

APP = Path(__file__).resolve().parents[2] / "app.py"
INTERVAL = 0.25  # seconds between two looks whether all workers live
# seconds after workers were woken: while they work they commit hundreds of times a second, and need
# no waking for each
WOKEN = 0.02
BEATS = 2.0  # seconds between two looks at their heartbeats
# seconds without a heartbeat after which it is looked whether one can be written at all
OVERDUE = 3.0
# seconds without a heartbeat after which a worker is taken for dead: with the time until it is
# looked again, what it held is free within 15 s
LEASE = 11.0
ORPHANS = 4.0  # seconds that workers of a killed server get to end by themselves
STOPPING = 2.3  # seconds that workers get to end when the server does

_log = logging.getLogger(__name__)


@dataclass
class WorkerProcess:
    """A worker process as its supervisor sees it. `started` is the supervisor's monotonic time."""

    id: str
    process: subprocess.Popen
    # the other end of its standard input. No pipe: under eventlet, writing to one whose reader has
    # died never returns
    wakeup: socket.socket
    started: float = field(default_factory=time.monotonic)


class Supervisor:
    """Keeps `number` workers at work. open_files: their limits of open files (soft, hard), None
    for the server's own.
    """

    def __init__(self, app, number, open_files=None):
        self._app = app
        self._number = number
        self._open_files = open_files
        self._changed = app.extensions["jobsync.changes"].subscribe()
        self._workers = []
        self._stopping = False
        self._beats_at = 0.0
        self._start_after = 0.0
        self._to_release = []
        self._earlier = None
        self._earlier_until = 0.0
        self._trouble = OngoingError(_log, "The workers can't be looked after")
        self._store_trouble = OngoingError(_log, "The database can't be written to")

    def run(self):
        """Start the workers and watch over them until `stop`. A greenlet of the web process."""
        while not self._stopping:
            changed = self._changed.wait(INTERVAL)
            self._changed.clear()
            try:
                self._tick(changed)
                self._trouble.over()
            except Exception as error:  # noqa: BLE001 - whatever it is: without this loop nothing would be done any more
                self._trouble.note(
                    error, exc_info=not isinstance(error, SQLAlchemyError | JobsyncError | OSError)
                )
                time.sleep(0.5)

    def _tick(self, changed):
        self._find_earlier()
        self._reap()
        self._release_earlier()
        self._release_lost()
        self._fill_up()
        self._watch_beats()
        if changed and self._is_work_waiting():
            self._wake_workers()
            time.sleep(WOKEN)

    def _is_work_waiting(self):
        with self._app.app_context(), read() as connection:
            return store.steps.is_work_waiting(connection)

    # Starting and waking

    def _fill_up(self):
        while (
            len(self._workers) < self._number
            and not self._stopping
            and time.monotonic() >= self._start_after
        ):
            self._workers.append(self._start_worker())

    def _start_worker(self):
        worker_id = secrets.token_hex(8)
        command = [sys.executable, "-m", "flask", "--app", str(APP), "worker", worker_id]
        child_end, wakeup = socket.socketpair()
        wakeup.setblocking(False)
        # `app.py` has taken the secret out of it
        environ = {**os.environ, processes.WORKER_MARK: worker_id}
        process = subprocess.Popen(command, stdin=child_end, start_new_session=True, env=environ)
        child_end.close()
        # the server raises its own, which what a worker starts should know nothing of
        if self._open_files:
            with suppress(OSError):  # it has ended already
                resource.prlimit(process.pid, resource.RLIMIT_NOFILE, self._open_files)
        return WorkerProcess(worker_id, process, wakeup)

    def _wake_workers(self):
        for worker in self._workers:
            # full: it will wake anyway; broken: it has ended, and is reaped next
            with suppress(BlockingIOError, ConnectionError):
                worker.wakeup.send(b"!")

    # Watching over them

    def _reap(self):
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._workers.remove(worker)
            if worker.process.returncode == exit_codes.DRAINED:
                self._note_drained(worker)
            else:
                self._note_exit(worker, _exit_reason(worker.process.returncode))

    def _note_drained(self, worker):
        """Go on with one worker less: this one was drained, and has ended in good order."""
        _log.info("Worker %s (process %s) was drained and has ended", worker.id, worker.process.pid)
        worker.wakeup.close()
        self._end_rest(worker.id, worker.process.pid, is_ours=True)
        self._number -= 1

    def _note_exit(self, worker, reason):
        """Take a dead worker's work back and end what it had started.

        One that dies young is replaced after a pause.
        """
        _log.warning(
            "Worker %s (process %s) %s; another one is started",
            worker.id,
            worker.process.pid,
            reason,
        )
        worker.wakeup.close()
        self._end_rest(worker.id, worker.process.pid, is_ours=True)
        if time.monotonic() - worker.started < 5:
            self._start_after = time.monotonic() + 1
        self._to_release.append((worker.id, f"the worker {reason}"))

    def _release_lost(self):
        """Take back the work of each; who comes first and can't be helped doesn't keep the
        others waiting.
        """
        waiting, self._to_release = self._to_release, []
        while waiting:
            worker_id, reason = waiting.pop(0)
            try:
                with self._app.app_context():
                    find = partial(
                        processes.marked, processes.ATTEMPT_MARK, *workers.attempts_of(worker_id)
                    )
                    left = processes.kill_all(find, time.sleep)
                    workers.release(worker_id, reason, processes.named(left))
            except BaseException:
                self._to_release = [*waiting, *self._to_release, (worker_id, reason)]
                raise

    def _watch_beats(self):
        """Take a worker for dead whose heartbeat hasn't changed for LEASE seconds of this process's
        own time.

        A look that comes late (the machine slept, the server was stopped) gives all of them a new
        lease, and so does a database that can't be written to: then no heartbeat can be.
        """
        moment = time.monotonic()
        if moment - self._beats_at < BEATS:
            return
        late = moment - self._beats_at > 2 * BEATS
        self._beats_at = moment
        heartbeats = self._app.extensions["jobsync.heartbeats"]
        is_overdue = any(heartbeats.silence(worker.id) > OVERDUE for worker in self._workers)
        with self._app.app_context():
            # else somebody writes: no need to write something to know it
            is_doubtful = is_overdue or self._store_trouble.text
            excuse = late or (is_doubtful and not self._is_writable())
            with read() as connection:
                heartbeats.look(connection, excuse)
        own = {worker.id: worker for worker in self._workers}
        for worker_id in heartbeats.silent(LEASE):
            if worker_id in own:
                own[worker_id].process.kill()
            elif worker_id not in (self._earlier or ()):
                # of another machine, or started by hand
                self._to_release.append((worker_id, "the worker gave no sign of life"))
            else:
                continue
            _log.warning("Worker %s gave no sign of life for %s s", worker_id, LEASE)

    def _is_writable(self):
        problem = self._app.extensions["jobsync.write_probe"].why_not()
        if problem:
            self._store_trouble.note(problem)
        else:
            self._store_trouble.over()
        return not problem

    # Those of a server that was killed

    def _registered(self):
        """Return `{worker's id: its process number}`."""
        with self._app.app_context(), read() as connection:
            return {row.id: row.pid for row in store.workers.heartbeats(connection)}

    def _find_earlier(self):
        """Note, before there are any of its own, the workers that an earlier server has left."""
        if self._earlier is None:
            self._earlier = self._registered()
            self._earlier_until = time.monotonic() + ORPHANS

    def _release_earlier(self):
        """Take the work of those that are gone. Workers end by themselves when their server dies,
        and give their work back.

        One that is gone and hasn't done so died with its server. One that is still there after
        ORPHANS seconds is stuck: it is ended.
        """
        if not self._earlier:
            return
        present = self._registered()
        is_over = time.monotonic() > self._earlier_until
        for worker_id, pid in list(self._earlier.items()):
            is_left = worker_id in present
            if (
                is_left
                and not is_over
                and processes.is_marked(pid, processes.WORKER_MARK, worker_id)
            ):
                continue
            del self._earlier[worker_id]
            if self._end_rest(worker_id, pid):
                _log.warning(
                    (
                        "Worker %s (process %s) of an earlier server had left something running; "
                        "it was ended"
                    ),
                    worker_id,
                    pid,
                )
            if is_left:
                self._to_release.append((worker_id, "the worker was gone when the server started"))

    # Stopping

    def stop(self):
        """End all workers: they give their work back.

        Those that don't within STOPPING seconds are killed.
        """
        self._stopping = True
        deadline = time.monotonic() + STOPPING
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.wakeup.close()
        while time.monotonic() < deadline and any(
            worker.process.poll() is None for worker in workers
        ):
            time.sleep(0.02)
        for worker in workers:
            if worker.process.poll() is None:
                worker.process.kill()
            self._end_rest(worker.id, worker.process.pid, is_ours=True)
            worker.process.wait()

    def _end_rest(self, worker_id, pid, is_ours=False):
        """Kill what a worker has left running, and the worker if it still lives. Returns whether
        there was anything.

        is_ours: this process has started the worker, so that nobody else can have its number as a
        session.
        """
        find = partial(processes.of_worker, worker_id, pid, is_ours)
        found = find()
        left = processes.kill_all(find, time.sleep)
        if left:
            _log.error(
                "What worker %s has left running can't be ended: %s",
                worker_id,
                processes.shown(left),
            )
        return bool(found)


def _exit_reason(code):
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return exit_codes.REASONS.get(code, f"ended with exit code {code}")
