"""Runs one unit of work: a step's planning, one child, or a step's summing up.

It doesn't care who brought it.
"""

import threading
import time
import traceback
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

CANCELLED, LATE, SHUTDOWN = "cancelled", "late", "shutdown"


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
        self.stop_reason = None
        self.stopped_at = None
        self.started, self.started_at = time.monotonic(), now()
        self._buffer = buffer
        self._spawned = 0
        self._callbacks = []
        self._lock = threading.Lock()

    def log(self, message, level="info", at=None):
        if level not in LEVELS:
            raise ValueError(f"{level!r} is not a level: {', '.join(LEVELS)}")
        self._buffer.add_lines(
            lines_of(message, level, now() if at is None else at, self.task.child_pk)
        )

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
        child = _new_child(f"{self.task.key}.{self._spawned + 1}", unit)
        self._spawned += 1
        self._buffer.add_spawned(self.task, child)

    def children(self, step_name):
        return (str(pk) for pk in store.children.completed(self._step(step_name).pk))

    def result(self, child_id):
        return _result_of(int(child_id))

    def step_result(self, step_name):
        with read() as session:
            return store.steps.result(session, self.job_id, step_name)

    def step_type(self, step_name):
        return self._step(step_name).type

    def last_run(self):
        with read() as session:
            run = store.steps.last_run_like(session, self.task.step_pk)
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
        with read() as session:
            return store.steps.get(session, self.job_id, step_name)


def _result_of(child_pk, key=None):
    with read() as session:
        return store.children.result(session, child_pk, key)


def _new_child(key, unit):
    """Return the NewChild of a Unit.

    What can't be stored is its step type's mistake, found here and not in the buffer.
    """
    return tasks.NewChild(key, one_line(str(unit.name), 1000), encoded(unit.input))


def is_batch(task):
    """Say whether several children of the task's step may be taken at a time."""
    step_type = current_app.extensions["jobsync.registry"].find(task.step_type)
    return bool(step_type and step_type.batch)


def run_child(context, buffer):
    """Do one child's attempt and leave its end in the buffer.

    A stopped one has no end, unless it was out of time.
    """
    task, started_at = context.task, context.started_at
    result, error = _attempt(context, lambda step_type: encoded(step_type.run(context, task.input)))
    if error is None and context.stop_reason in (None, LATE):
        buffer.add_end(tasks.End(task, COMPLETED, result, None, started_at))
    elif context.stop_reason in (None, LATE):
        buffer.add_end(tasks.End(task, FAILED, None, error, started_at))


def late_end(context):
    """Return the End of an attempt that is out of time and didn't stop when it was asked to."""
    return tasks.End(context.task, FAILED, None, _out_of_time(context.task), context.started_at)


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

    _, error = _attempt(context, plan)
    buffer.flush()
    if error and not context.stop_reason:
        insist(lambda: results.break_unit(context.task, f"planning failed: {error}"))
    elif not context.stop_reason:
        insist(lambda: results.finish_plan(context.task))


def run_summary(context, buffer):
    """Make a step's result of its completed children's."""
    pks = store.children.completed(context.task.step_pk)

    def sum_up(step_type):
        result = step_type.summary(context, (_result_of(pk, step_type.sums) for pk in pks))
        if not isinstance(result, dict):
            raise StepFailed(f"a summary must be a table (dict), not {type(result).__name__}")
        return encoded(result)

    result, error = _attempt(context, sum_up)
    buffer.flush()
    if error and not context.stop_reason:
        insist(lambda: results.break_unit(context.task, f"summing up failed: {error}"))
    elif not context.stop_reason:
        insist(lambda: results.finish_summary(context.task, result))


def _attempt(context, do):
    """Return `(result, None)` or `(None, error)`.

    Whatever a step type raises is its child's failure, never the worker's.
    """
    try:
        return do(_step_type(context.task)), None
    except Stopped:
        return None, _out_of_time(context.task) if context.stop_reason == LATE else "stopped"
    except StepFailed as error:
        return None, error.message
    except BaseException as error:  # noqa: BLE001 - SystemExit too: a step type must not be able to end its worker
        context.log(traceback.format_exc().rstrip(), "error")
        return None, one_line(f"{type(error).__name__}: {error}", 1000)


def _step_type(task):
    step_type = current_app.extensions["jobsync.registry"].find(task.step_type)
    if step_type is None:
        raise StepFailed(f"This worker knows no step type {task.step_type!r}.")
    return step_type


def _out_of_time(task):
    return f"timed out after {(task.timeout or 0) / 1000:g} s"
