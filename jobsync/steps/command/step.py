"""`command`: runs a program, once or for each item of a list or glob.

Its output becomes log lines as it comes; exit code 0 is success.
"""

import os
import signal
import time
from functools import partial

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from jobsync.base import processes
from jobsync.base.errors import StepFailed
from jobsync.base.text import one_line, path_to_text, printable, text_to_path
from jobsync.definitions import placeholders
from jobsync.definitions.fields import TrueOrFalse
from jobsync.registry import Unit, step
from jobsync.steps.command import glob
from jobsync.steps.command.arguments import (
    check_scripts,
    check_values,
    fill_arguments,
    has_placeholders,
    variable,
)
from jobsync.steps.command.environment import environment_in
from jobsync.steps.command.lines import level_of, progress_of
from jobsync.steps.command.process import Program

ITEM = "item"
SETTINGS, PARAMS = "JOBSYNC_", "PARAM_"
MOST_ARGUMENTS = 10_000
LEVELS = {"stdout": "info", "stderr": "warning"}


def _check_run(run):
    if not run:
        raise ValidationError(
            'must be a list with the program first, as in ["wc", "-l", "README.md"]'
        )
    if len(run) > MOST_ARGUMENTS:
        raise ValidationError(f"must have at most {MOST_ARGUMENTS} arguments, not {len(run)}")
    if not run[0].strip():
        raise ValidationError({0: ["must be the name or path of a program"]})
    reasons = check_scripts(run)
    if reasons:
        raise ValidationError({place: [reason] for place, reason in reasons.items()})


def _check_variable(name):
    if not name or "=" in name:
        raise ValidationError(
            "must be the name of a variable, which is not empty and has no = in it"
        )
    if name.startswith((SETTINGS, PARAMS)):
        raise ValidationError(
            f"must not begin with {SETTINGS}, which no command gets, or {PARAMS}, which the "
            "parameters have"
        )
    if name in (processes.WORKER_MARK, processes.ATTEMPT_MARK):
        raise ValidationError("must not be set: by it jobsync finds what the command has started")


class Items(fields.Field):
    """A list of texts and numbers, or a glob."""

    def _deserialize(self, value, attr, data, **kwargs):
        is_list = isinstance(value, list) and all(type(item) in (str, int, float) for item in value)
        if not is_list and not (isinstance(value, str) and value):
            raise ValidationError(
                'must be a list of texts and numbers, or a glob such as "src/**/*.py"'
            )
        return value


class CommandOptions(Schema):
    """What to run.

    run: the program and its arguments, each of which reaches it as it is: no shell splits or
    expands them. `{name}` is a parameter, `{item}` the item. In a script (see `_shells`) no
    placeholder may stand: it reads `$PARAM_NAME` and `$PARAM_ITEM` from the environment.
    for_each: the items, one child for each: a list, or a glob relative to `cwd`.
    env: more variables. stderr: "merge" gives stdout and stderr one pipe, so that their lines come
    in exact order.
    leave_running: what the program leaves running when it ends with exit code 0 goes on; by default
    it is ended, with a warning line that names it. cwd: the folder to run in; the one that jobsync
    was started in by default.
    """

    run = fields.List(
        fields.String(),
        required=True,
        validate=_check_run,
        error_messages={
            "invalid": (
                'must be a list, as in ["wc", "-l", "README.md"]: no shell takes a text apart'
            )
        },
    )
    for_each = Items(load_default=None, allow_none=False)
    env = fields.Dict(
        keys=fields.String(validate=_check_variable), values=fields.String(), load_default=dict
    )
    leave_running = TrueOrFalse(load_default=False)
    stderr = fields.String(load_default="separate", validate=validate.OneOf(["separate", "merge"]))
    cwd = fields.String(load_default="", validate=validate.Length(min=1, error="must not be empty"))

    @validates_schema
    def check_glob(self, options, **_):
        if isinstance(options["for_each"], str) and ITEM in placeholders.names(options["cwd"]):
            raise ValidationError(
                "must not hold {item} where for_each is a glob, which is looked for in it", "cwd"
            )


def _check(options, params):
    """Return the reasons why these parameters can't be used: what they would become in `run`."""
    if options["for_each"] is None:
        return check_values(options["run"], params)
    # the items themselves are checked one by one, in `run`
    return check_values(options["run"], {**params, ITEM: "x"})


@step(
    "command",
    options=CommandOptions,
    templates=("run", "env", "cwd"),
    placeholders={ITEM: "for_each"},
    check=_check,
)
def command(context, unit):
    """Run the program for one child.

    Input: {}, {"item": text} or {"path": path text}. Result: {"exit_code", "seconds", "lines"}.
    """
    context.check()
    values = {**context.params, **_item_of(unit)}
    run, folder = _arguments(context, values), _folder(context, values)
    environment = _environment(context, values, folder)
    _await_earlier_attempts(context)
    context.check()
    is_merged = context.options["stderr"] == "merge"
    output = Output(context, {"stdout"} if is_merged else {"stderr"})
    may_leave = context.options["leave_running"]
    program = Program(run, environment, folder, output.write, is_merged, may_leave, context.grace)
    context.on_stop(program.stop)
    started = time.monotonic()
    code = context.exit_code = _run(context, program)
    seconds = round(time.monotonic() - started, 3)
    context.check()
    if program.left_behind:
        context.log(
            f"the program has ended, what it left running was ended too: {program.left_behind}",
            "warning",
        )
    if code != 0:
        reason = ": ".join(filter(None, (_describe(code), one_line(output.last_error))))
        raise StepFailed(reason, exit_code=code)
    return {"exit_code": code, "seconds": seconds, "lines": output.lines}


def _run(context, program):
    """Run a program, say what a stop has ended of it, and return its exit code."""
    try:
        return program.run()
    finally:
        if program.not_ended:
            context.log(f"these processes could not be ended: {program.not_ended}", "error")
        if context.stop_reason:
            context.note_stopped(len(program.stopped), program.left)


@command.plan
def plan(context):
    """Yield one child, or one for each item."""
    items = context.options["for_each"]
    if items is None:
        yield Unit(context.step_name)
    elif isinstance(items, list):
        for item in map(placeholders.as_text, items):
            yield Unit(one_line(item) or "(empty)", {"item": item})
    else:
        yield from _plan_glob(context, items)


def _plan_glob(context, pattern):
    folder = _folder(context, context.params)
    paths = glob.find(pattern, folder, context.check)
    if not paths:
        context.log(f"nothing matches {pattern} in {folder}", "warning")
    for path in map(path_to_text, paths):
        yield Unit(one_line(path), {"path": path})


@command.summarize
def sum_up(context, results):
    """Return {"runs", "seconds" (of all runs together), "lines"}."""
    total = {"runs": 0, "seconds": 0.0, "lines": 0}
    for result in results:
        total["runs"] += 1
        total["seconds"] = round(total["seconds"] + result["seconds"], 3)
        total["lines"] += result["lines"]
    return total


def _await_earlier_attempts(context):
    """Wait until nothing of this child's earlier attempts runs. What another worker is still
    stopping gets the time that it has there.

    It was asked to end by that worker: a second SIGTERM would have many a program drop what it is
    tidying up.
    """
    if context.attempt == 1:
        return
    name = context.attempt_id.rpartition("/")[0]
    earlier = [
        f"{name}/{number}" for number in range(max(1, context.attempt - 100), context.attempt)
    ]
    find = partial(processes.marked, processes.ATTEMPT_MARK, *earlier)

    def sleep(seconds):
        context.check()
        time.sleep(seconds)

    left = processes.await_end(find, context.cancel_grace, sleep) and processes.kill_all(find)
    if left:
        raise StepFailed(
            f"an earlier attempt still runs and can't be ended: {processes.shown(left)}"
        )


class Output:
    """Takes a program's lines into the log, but for those that say how far it is, and remembers
    what the child's result or error needs of them.

    error_pipes: the pipes whose last line says best why a program failed.
    """

    def __init__(self, context, error_pipes):
        self._log = context.log
        self._progress = context.progress
        self._error_pipes = error_pipes
        self.lines = 0
        self.last_error = ""

    def write(self, line, pipe):
        progress = progress_of(line)
        if progress:
            self._progress(*progress)
            return
        self.lines += 1
        if pipe in self._error_pipes and line.strip():
            self.last_error = line
        self._log(line, level_of(line, LEVELS[pipe]))


def _item_of(unit):
    if "path" in unit:
        return {ITEM: text_to_path(unit["path"])}
    return {ITEM: unit["item"]} if "item" in unit else {}


def _arguments(context, values):
    """Return the command line. Raises StepFailed where these values can't be in it."""
    run = context.options["run"]
    # without placeholders it is what was checked when the job was accepted
    reasons = has_placeholders(tuple(run)) and check_values(run, values)
    if reasons:
        raise StepFailed(reasons[0])
    return fill_arguments(run, values)


def _folder(context, values):
    written = context.options["cwd"]
    if not written:
        return os.getcwd()
    folder = placeholders.as_text(placeholders.fill(written, values)) or os.getcwd()
    if not os.path.isdir(folder):
        raise StepFailed(f"cwd: {printable(folder)} is not a folder")
    return folder


def _environment(context, values, folder):
    """Return the user's environment with the parameters, the item, and the step's `env`."""
    inherited = environment_in(folder)
    if context.options["leave_running"]:
        inherited.pop(processes.WORKER_MARK, None)  # by which it would end with its worker
    mark = {processes.ATTEMPT_MARK: context.attempt_id}
    given = {variable(name): placeholders.as_text(value) for name, value in values.items()}
    filled = {
        name: placeholders.as_text(value)
        for name, value in placeholders.fill(context.options["env"], values).items()
    }
    return {**inherited, **given, **filled, **mark}


def _describe(code):
    if code is None:
        return "the program could not be ended"
    return f"killed by {_signal_name(-code)}" if code < 0 else f"exit code {code}"


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # most of the real-time ones have no name
