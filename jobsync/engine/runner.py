"""Runs one unit of work: a step's planning, one child, or a step's summing up.

It doesn't care who brought it.
"""

import socket
import threading
import time
import traceback
from dataclasses import dataclass
from itertools import islice

from flask import current_app

from jobsync import store
from jobsync.base.clock import now
from jobsync.base.errors import StepFailed, Stopped
from jobsync.base.text import one_line
from jobsync.db.json import encoded
from jobsync.db.transactions import read
from jobsync.engine.write_buffer import insist
from jobsync.lifecycle import results, tasks
from jobsync.status import COMPLETED, FAILED, LEVELS
from jobsync.store.logs import lines_of

CANCELLED, LATE, STALLED, SHUTDOWN = "cancelled", "late", "stalled", "shutdown"
OUT_OF_TIME = (LATE, STALLED)
SHUTDOWN_GRACE = 1.5  # seconds that processes get when the worker ends: Ctrl-C ends all within 3 s


class TaskContext:
    """What a step type's functions are given: `registry.Context` says what each name means."""

    def __init__(self, task, buffer):
        self.task = task
        self.job_id = task.job_id
        self.step_name = task.step_name
        self.options = task.options
        self.params = task.params
        self.depends = task.depends
        self.attempt = task.attempt
        self.attempt_id = task.attempt_id
        self.last_input = None
        self.cancel_grace = task.cancel_grace / 1000
        self.stop_reason = None
        self.stopped_at = None
        self.exit_code = None
        self._is_shutdown = False
        self.stopped, self.left = 0, []
        self.started, self.started_at = time.monotonic(), now()
        self.active = self.started  # when it last wrote a line or said how far it is
        self._buffer = buffer
        self._spawned = 0
        self._callbacks = []
        self._lock = threading.Lock()

    def log(self, message, level="info", at=None):
        if level not in LEVELS:
            raise ValueError(f"{level!r} is not a level: {', '.join(LEVELS)}")
        self.active = time.monotonic()
        self._buffer.add_lines(
            lines_of(message, level, now() if at is None else at, self.task.child_pk)
        )

    def progress(self, done, total=None):
        for number in (done, *([] if total is None else [total])):
            if type(number) not in (int, float) or not 0 <= number < float("inf"):
                raise ValueError(f"{number!r} is not a number of 0 or more")
        self.active = time.monotonic()
        self._buffer.set_progress((done, total))

    def grace(self):
        """Return the seconds that processes have from being asked to end until they are killed."""
        if self._is_shutdown:  # also in the middle of a cancel
            return min(self.cancel_grace, SHUTDOWN_GRACE)
        return self.cancel_grace

    def note_stopped(self, number, left):
        self.stopped += number
        self.left += [{"host": socket.gethostname(), **process} for process in left]

    def check(self):
        if self.stop_reason:
            raise Stopped(f"The work was stopped: {self.stop_reason}.")

    def on_stop(self, callback):
        with self._lock:
            if not self.stop_reason:
                self._callbacks.append(callback)
                return
        self._call(callback)

    def stop(self, reason):
        """Ask the work to stop. The first reason stays."""
        with self._lock:
            self._is_shutdown = self._is_shutdown or reason == SHUTDOWN
            if self.stop_reason:
                return
            self.stop_reason, self.stopped_at = reason, time.monotonic()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._call(callback)

    def _call(self, callback):
        """Call a step type's callback.

        One that raises costs a line in the log: the thread it runs in has others to call, and a
        worker to watch.
        """
        try:
            callback()
        except BaseException:  # noqa: BLE001 - SystemExit too would end the watching thread without a word
            self.log(
                "A callback for the stop of this work failed:\n" + traceback.format_exc().rstrip(),
                "error",
            )

    def spawn(self, unit):
        child = _new_child(f"{self.task.key}.{self._spawned + 1}", unit, self.task.child_pk)
        self._spawned += 1
        self._buffer.add_spawned(self.task, child)

    def children(self, step_name):
        return (str(pk) for pk in store.children.completed(self._step(step_name).pk))

    def result(self, child_id):
        return _result_of(int(child_id))

    def step_result(self, step_name):
        with read() as connection:
            return store.steps.result(connection, self.job_id, step_name)

    def step_type(self, step_name):
        return self._step(step_name).type

    def last_run(self):
        with read() as connection:
            run = store.steps.last_run_like(connection, self.task.step_pk)
        return run and {
            "id": str(run.pk),
            "job_id": run.job_id,
            "started_at": run.started_at,
            "child_count": run.completed,
        }

    def run_children(self, run_id):
        return ((str(pk), given) for pk, given in store.children.completed_inputs(int(run_id)))

    def _step(self, step_name):
        # which ends here: the worker's view of the store must not stand still while the work goes
        # on
        with read() as connection:
            return store.steps.get(connection, self.job_id, step_name)


def _result_of(child_pk):
    with read() as connection:
        return store.children.result(connection, child_pk)


def _new_child(key, unit, parent_pk=None):
    """Return the NewChild of a Unit.

    What can't be stored is its step type's mistake, found here and not in the buffer.
    """
    return tasks.NewChild(key, one_line(str(unit.name), 1000), encoded(unit.input), parent_pk)


def is_batch(task):
    """Say whether several children of the task's step may be taken at a time."""
    step_type = current_app.extensions["jobsync.registry"].find(task.step_type)
    return bool(step_type and step_type.batch)


@dataclass(frozen=True)
class Failure:
    """Why a piece of work failed.

    names: of the exception and of its base classes, None for work that was stopped.
    """

    message: str
    names: tuple = ()
    exit_code: int | None = None


def run_child(context, buffer):
    """Do one child's attempt and leave its end in the buffer. Returns that End, or None: a stopped
    one has none, unless it was out of time.
    """
    result, failure = _attempt(
        context, lambda step_type: encoded(step_type.run(context, context.task.input))
    )
    if context.stop_reason not in (None, *OUT_OF_TIME):
        return None
    end = _end_of(context, result, failure)
    buffer.add_end(end)
    return end


def _end_of(context, result, failure):
    has_code = failure and failure.exit_code is not None
    return tasks.End(
        context.task,
        FAILED if failure else COMPLETED,
        result,
        failure and failure.message,
        context.started_at,
        now(),
        failure.exit_code if has_code else context.exit_code,
        failure.names if failure else (),
        stopped=context.stopped,
        left=tuple(context.left),
    )


def why_late(context):
    """Return LATE for an attempt that is past its `timeout`, STALLED for one that has said nothing
    for its `stall_timeout`, else None.
    """
    task, moment = context.task, time.monotonic()
    if task.kind != "child":
        return None
    if task.timeout and moment - context.started >= task.timeout / 1000:
        return LATE
    if task.stall_timeout and moment - context.active >= task.stall_timeout / 1000:
        return STALLED
    return None


def late_end(context):
    """Return the End of an attempt that is out of time and didn't stop when it was asked to."""
    return _end_of(context, None, _out_of_time(context))


def run_plan(context, buffer, between=lambda: None):
    """Plan a step's children, after those that an interrupted planning has stored.

    `between` is called after each one.
    """
    number, context.last_input = insist(lambda: results.planned_so_far(context.task.step_pk))

    def plan(step_type):
        units = iter(step_type.planner(context))
        if not step_type.resumes:
            units = islice(units, number, None)
        for place, unit in enumerate(units, number + 1):
            context.check()
            buffer.add_planned(_new_child(str(place), unit))
            between()

    _, failure = _attempt(context, plan)
    buffer.flush()
    if failure and not context.stop_reason:
        insist(lambda: results.break_unit(context.task, f"planning failed: {failure.message}"))
    elif not context.stop_reason:
        insist(lambda: results.finish_plan(context.task))


def run_summary(context, buffer):
    """Make a step's result of its completed children's."""

    def sum_up(step_type):
        found = store.children.results(context.task.step_pk, step_type.sums)
        result = step_type.summary(context, found)
        if not isinstance(result, dict):
            raise StepFailed(f"a summary must be a table (dict), not {type(result).__name__}")
        return encoded(result)

    result, failure = _attempt(context, sum_up)
    buffer.flush()
    if failure and not context.stop_reason:
        insist(lambda: results.break_unit(context.task, f"summing up failed: {failure.message}"))
    elif not context.stop_reason:
        insist(lambda: results.finish_summary(context.task, result))


def _attempt(context, do):
    """Return `(result, None)` or `(None, Failure)`.

    Whatever a step type raises is its child's failure, never the worker's.
    """
    try:
        return do(_step_type(context.task)), None
    except Stopped:
        if context.stop_reason in OUT_OF_TIME:
            return None, _out_of_time(context)
        return None, Failure("stopped")
    except StepFailed as error:
        return None, Failure(error.message, _names_of(error), error.exit_code)
    except BaseException as error:  # noqa: BLE001 - SystemExit too: a step type must not be able to end its worker
        context.log(traceback.format_exc().rstrip(), "error")
        return None, Failure(one_line(f"{type(error).__name__}: {error}", 1000), _names_of(error))


def _names_of(error):
    """Return the names that `retry_on` may give an exception: its class's and those of the
    classes that this is made of, with and without their modules.
    """
    kinds = [kind for kind in type(error).__mro__ if kind not in (object, BaseException)]
    return tuple(
        name for kind in kinds for name in (kind.__name__, f"{kind.__module__}.{kind.__name__}")
    )


def _step_type(task):
    step_type = current_app.extensions["jobsync.registry"].find(task.step_type)
    if step_type is None:
        raise StepFailed(f"This worker knows no step type {task.step_type!r}.")
    return step_type


def _out_of_time(context):
    task = context.task
    if context.stop_reason == STALLED:
        message = f"wrote no line for {_seconds(task.stall_timeout)} (stall_timeout)"
    else:
        message = f"timed out after {_seconds(task.timeout)} (timeout)"
    return Failure(message, ("TimeoutError",))


def _seconds(milliseconds):
    return f"{(milliseconds or 0) / 1000:g} s"
