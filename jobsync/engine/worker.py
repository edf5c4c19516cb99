"""A worker process: takes work from the store, runs it, and lives as long as the process that
started it.

Two threads: one works; the other watches: it stores lines in time, sends heartbeats, and notices
that work was cancelled, is out of time, or that the worker is to stop. Work that doesn't stop when
it is asked to takes its worker with it.
"""

import logging
import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy.exc import OperationalError

from jobsync.base import processes
from jobsync.base.errors import StoreBusy
from jobsync.engine import exit_codes, runner
from jobsync.engine.write_buffer import LONGEST, SHORT, WriteBuffer, insist
from jobsync.lifecycle import claims, results, stops, workers
from jobsync.status import COMPLETED, FAILED

BEAT = 2.0  # seconds between heartbeats
WATCH_INTERVAL = 0.05  # seconds between two looks of the watcher while there is work
IDLE = 1.0  # seconds after which an idle worker looks for work unasked
CHECK = 0.25  # seconds between two looks whether the work is still wanted
MARGIN = 0.75  # seconds after its grace until work that doesn't stop takes its worker with it
SHUTDOWN_GRACE = 2.0  # the same in all when the worker is to stop: Ctrl-C ends all within 3 s
# seconds after which a child is no short one: those reserved behind it go to other workers
SLOW = 0.25
TARGET = 0.2  # seconds of work that a worker takes at a time
MOST = 500  # children taken at a time
# seconds of planning after which a worker does some of the children itself if nobody else does
HELP = 0.5
NICENESS = 10
SESSION = Path("/proc/self/autogroup")
STATM = Path("/proc/self/statm")

_log = logging.getLogger(__name__)


def lower_priority():
    """Let the web process come first, before this process and all that it starts.

    Where the kernel shares time out by session (Linux's autogroups), being nice only counts among
    the processes of one session, and each worker leads its own. So the session gets it
    as well.
    """
    os.nice(NICENESS)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # a kernel without autogroups
            SESSION.write_text(str(NICENESS))


def memory_of_this_process():
    """Return the bytes of memory that this process has, None where that isn't known."""
    try:
        pages = int(STATM.read_text().split()[1])
    except (OSError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


class Worker:
    """One worker. `run` returns when it is told to stop."""

    def __init__(self, app, worker_id):
        self._app = app
        self._id = worker_id
        self._buffer = WriteBuffer(app)
        self._wakeup, self._busy = (  # of the working thread, and of the other one
            os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) for _ in range(2)
        )
        self._is_idle = self._is_over = False
        self._is_stopping = False
        self._context = None
        self._has_reserved = False
        self._planning_since = 0.0  # or since it last helped out
        self._seconds = {}  # of the latest children, by step: how long one takes
        self._completed = self._failed = 0
        self._draining = False

    def run(self):
        """Work until told to stop: by SIGTERM, or by the end of standard input, which is the
        parent's end. Raises SystemExit when it was drained.
        """
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        # Ctrl-C is the server's to handle; SIG_IGN would be inherited by commands
        signal.signal(signal.SIGINT, lambda *_: None)
        self._register()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        while not self._is_stopping:
            try:
                self._work_once()
            except (StoreBusy, OperationalError):
                time.sleep(0.5)
        self._end_own()  # before others are given its work
        self._buffer.flush()
        self._is_over = True
        with self._app.app_context():
            workers.release(self._id)
        if self._draining:
            raise SystemExit(exit_codes.DRAINED)

    def _register(self):
        """Make this worker known.

        A database that can't be written to is waited for, as long as there is a server.
        """
        while not self._is_stopping:
            try:
                with self._app.app_context():
                    workers.register(self._id, os.getpid())
                return
            except (StoreBusy, OperationalError):
                self._rest(0.5)

    def _stop(self):
        """Have both threads see that the worker is to end. A signal may come at any time, within
        this too.
        """
        self._is_stopping = True
        os.eventfd_write(self._wakeup, 1)
        os.eventfd_write(self._busy, 1)

    def _rest(self, seconds):
        """Wait for the parent's word while there is nothing to do: a byte says that there may be
        work, the end of standard input stops this worker.
        """
        self._is_idle = True
        ready, _, _ = select.select([sys.stdin, self._wakeup], [], [], seconds)
        if sys.stdin in ready and not os.read(sys.stdin.fileno(), 4096):
            self._is_stopping = True
        if self._wakeup in ready:
            os.eventfd_read(self._wakeup)

    def _work_once(self):
        with self._app.app_context():
            tasks = claims.claim(self._id, self._batch_size)
            if not tasks and workers.is_draining(self._id):
                self._draining = self._is_stopping = True
            elif not tasks:
                self._rest(IDLE)
            elif tasks[0].kind == "child":
                self._do_children(tasks)
            else:
                self._do_unit(tasks[0])

    def _batch_size(self, step_pk):
        """Return how many children to take of a step: one until it is known that they are short."""
        seconds = self._seconds.get(step_pk)
        if seconds is None:
            return 1
        return max(1, min(MOST, int(TARGET / max(seconds, 0.001))))

    def _do_unit(self, task):
        context = self._enter(task, begun=True)
        self._planning_since = time.monotonic()
        try:
            if task.kind == "plan":
                runner.run_plan(context, self._buffer, lambda: self._help_out(context))
            else:
                runner.run_summary(context, self._buffer)
        finally:
            self._leave()
        self._confirm_stop(context)

    def _help_out(self, context):
        """Do some children of the step that is being planned if nobody else does.

        Otherwise none would begin before the end of a long planning where there is one worker, or
        where all of them are planning.
        """
        if time.monotonic() - self._planning_since < HELP:
            return
        self._buffer.flush()
        try:
            tasks = claims.claim_idle(context.task, self._batch_size)
            if tasks:
                self._do_children(tasks)
        except (StoreBusy, OperationalError):
            pass  # the children are still there: another time, or another worker
        self._enter_again(context)
        self._planning_since = time.monotonic()

    def _do_children(self, tasks):
        """Do the children that were taken together.

        Each end is stored together with the next one's beginning. Where children are short and can
        be repeated, several ends share a transaction; should the worker die meanwhile, those
        children are still pending and run again.
        """
        batch = runner.is_batch(tasks[0])
        self._has_reserved = len(tasks) > 1
        begun = True
        for task, following in zip(tasks, [*tasks[1:], None], strict=True):
            context = self._enter(task, begun)
            try:
                self._count(runner.run_child(context, self._buffer))
            finally:
                self._leave()
            self._confirm_stop(context)
            self._note_seconds(task, context)
            if following and batch and self._buffer.age() < SHORT and not self._is_stopping:
                begun = False
                continue
            begun = self._buffer.flush(begin=following)
            if not begun or self._is_stopping:
                break
        if following:
            workers.return_reserved(self._id)
        self._has_reserved = False

    def _count(self, end):
        if end:
            self._completed += end.status == COMPLETED
            self._failed += end.status == FAILED

    def _confirm_stop(self, context):
        """Say that nothing runs any more of work that was cancelled."""
        if context.stop_reason == runner.CANCELLED:
            insist(lambda: stops.confirm_stop(context.task, context.stopped, context.left))

    def _note_seconds(self, task, context):
        seconds = time.monotonic() - context.started
        if len(self._seconds) > 1000:
            self._seconds.clear()
        self._seconds[task.step_pk] = (self._seconds.get(task.step_pk, seconds) + seconds) / 2

    def _enter(self, task, begun):
        self._buffer.begin_task(task, begun)
        return self._watch_over(runner.TaskContext(task, self._buffer))

    def _enter_again(self, context):
        self._buffer.begin_task(context.task, begun=True)
        self._watch_over(context)

    def _watch_over(self, context):
        """Have the watching thread watch over this piece of work."""
        self._context = context
        if self._is_idle:
            self._is_idle = False
            os.eventfd_write(self._busy, 1)
        if self._is_stopping:
            context.stop(runner.SHUTDOWN)
        return context

    def _leave(self):
        self._context = None

    # The watching thread

    def _watch(self):
        """Watch for ever.

        Whatever fails here unforeseen ends the worker: one without heartbeats, which nobody can
        stop, must not go on.
        """
        try:
            self._watch_on()
        except BaseException:  # noqa: BLE001 - it is the end of the process, whatever it was
            _log.exception("Worker %s ends: its watching thread failed", self._id)
            self._end_own()
            os._exit(exit_codes.UNWATCHED)

    def _watch_on(self):
        last_beat = last_check = 0.0
        poll = select.poll()
        poll.register(sys.stdin, select.POLLRDHUP)  # nothing but its end
        poll.register(self._busy, select.POLLIN)
        while True:
            self._await(poll)
            moment = time.monotonic()
            try:
                if moment - last_beat >= BEAT:
                    last_beat = moment
                    self._beat()
                context = self._context
                if context:
                    self._keep_up(context)
                    if moment - last_check >= CHECK:
                        last_check = moment
                        self._check(context)
            except (StoreBusy, OperationalError):
                continue  # the working thread says so; what is gathered is kept
            if self._is_stopping:
                self._end(self._context)

    def _await(self, poll):
        """Wait for a moment, until there is work to watch over, or until the parent has ended,
        which stops this worker.

        The parent's other words wake nobody while there is work: the working thread reads them when
        it has nothing to do.
        """
        if self._is_stopping:
            time.sleep(WATCH_INTERVAL)
            return
        ready = dict(poll.poll(1000 * (IDLE if self._is_idle else WATCH_INTERVAL)))
        if ready.pop(self._busy, None):
            os.eventfd_read(self._busy)
        if ready:
            self._stop()

    def _beat(self):
        figures = workers.Figures(self._completed, self._failed, memory_of_this_process())
        with self._app.app_context():
            state = workers.beat(self._id, figures)
        if self._is_over:
            return
        if state is None:
            self._end_own()
            os._exit(exit_codes.TAKEN_FOR_DEAD)

    def _keep_up(self, context):
        """Store what has waited, and show a child that isn't a short one as running."""
        if self._buffer.age() >= LONGEST:
            self._buffer.try_flush()
        running = time.monotonic() - context.started
        if running >= SHORT and context is self._context:
            self._buffer.begin_current()
        if running >= SLOW and self._has_reserved:
            self._has_reserved = False
            with self._app.app_context():
                workers.return_reserved(self._id)

    def _check(self, context):
        """Ask work to stop that isn't wanted any more or is out of time, and end the worker if
        it doesn't.
        """
        with self._app.app_context():
            current = results.is_current(context.task)
        if context is not self._context:
            return
        reason = runner.why_late(context)
        if not current:
            context.stop(runner.CANCELLED)
        elif reason:
            context.stop(reason)
        if context.stopped_at and time.monotonic() - context.stopped_at >= context.grace() + MARGIN:
            is_late = context.stop_reason in runner.OUT_OF_TIME
            self._give_up([runner.late_end(context)] if is_late else ())

    def _end(self, context):
        if context is None:
            return
        context.stop(runner.SHUTDOWN)
        if time.monotonic() - context.stopped_at >= SHUTDOWN_GRACE:
            self._give_up()

    def _give_up(self, ends=()):
        """End the process in the middle of work that doesn't stop. What is gathered is stored with
        these ends, the rest given back.

        What it has started ends first: whoever takes the work next must not find it running. An end
        that were gathered before might be stored meanwhile by the working thread, and the next
        attempt begin.
        """
        # or the working thread, whose program ends with it, would begin the next child
        self._is_stopping = True
        left = self._end_own()
        for end in ends:
            self._buffer.add_end(end)
        self._buffer.flush()
        with self._app.app_context():
            workers.release(self._id, left=left)
        os._exit(exit_codes.FAILED)

    def _end_own(self):
        """Kill what this process has started, if it is a process of its own for this worker.

        Returns what could not be ended, as a receipt names it.
        """
        if os.environ.get(processes.WORKER_MARK) != self._id:
            return []
        left = processes.kill_all(self._find_own)
        if left:
            _log.error(
                "Worker %s can't end what it has started: %s", self._id, processes.shown(left)
            )
        return processes.named(left)

    def _find_own(self):
        context = self._context
        marked = processes.marked(
            processes.ATTEMPT_MARK, *([context.attempt_id] if context else [])
        )
        found = processes.of_worker(self._id, os.getpid()) | marked
        return {pid: process for pid, process in found.items() if pid != os.getpid()}
