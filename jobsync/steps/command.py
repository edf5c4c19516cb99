"""`command`: runs a program, once or for each item of a list or glob. Its output becomes log lines as it comes; exit code 0 is success."""

import os
import signal
import time

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from jobsync import placeholders
from jobsync.errors import StepFailed
from jobsync.registry import Unit, step
from jobsync.steps import _glob
from jobsync.steps._arguments import check_scripts, check_values, fill_arguments, variable
from jobsync.steps._lines import level_of
from jobsync.steps._process import Program
from jobsync.text import one_line, path_to_text, printable, text_to_path

ITEM = "item"
LEVELS = {"stdout": "info", "stderr": "warning"}
OWN, PARAMS = "JOBSYNC_", "PARAM_"
OURS = (OWN, "FLASK_RUN_FROM_CLI")  # what a worker has in its environment for its own sake


def _check_run(run):
    if not run:
        raise ValidationError('must be a list with the program first, as in ["wc", "-l", "README.md"]')
    if not run[0].strip():
        raise ValidationError({0: ["must be the name or path of a program"]})
    reasons = check_scripts(run)
    if reasons:
        raise ValidationError({place: [reason] for place, reason in reasons.items()})


def _check_variable(name):
    if not name or "=" in name:
        raise ValidationError("must be the name of a variable, which is not empty and has no = in it")
    if name.startswith((OWN, PARAMS)):
        raise ValidationError(f"must not begin with {OWN}, which no command gets, or {PARAMS}, which the parameters have")


class Items(fields.Field):
    """A list of texts and numbers, or a glob."""

    def _deserialize(self, value, attr, data, **kwargs):
        is_list = isinstance(value, list) and all(type(item) in (str, int, float) for item in value)
        if not is_list and not (isinstance(value, str) and value):
            raise ValidationError('must be a list of texts and numbers, or a glob such as "src/**/*.py"')
        return value


class CommandOptions(Schema):
    """What to run.

    run: the program and its arguments, each of which reaches it as it is: no shell splits or expands them. `{name}` is a parameter,
    `{item}` the item. In a script for a shell (see `_shells`) no placeholder may stand: it reads `$PARAM_NAME` and `$PARAM_ITEM` from the
    environment. A program that is not a shell but is given a script (`python -c`) is the definition's own risk.
    for_each: the items, one child for each: a list, or a glob relative to `cwd`.
    env: more variables. stderr: "merge" gives stdout and stderr one pipe, so that their lines come in exact order. cwd: the folder to run in; the one that jobsync was started in by default.
    """

    run = fields.List(
        fields.String(),
        required=True,
        validate=_check_run,
        error_messages={"invalid": 'must be a list, as in ["wc", "-l", "README.md"]: no shell takes a text apart'},
    )
    for_each = Items(load_default=None, allow_none=False)
    env = fields.Dict(keys=fields.String(validate=_check_variable), values=fields.String(), load_default=dict)
    stderr = fields.String(load_default="separate", validate=validate.OneOf(["separate", "merge"]))
    cwd = fields.String(load_default="", validate=validate.Length(min=1, error="must not be empty"))

    @validates_schema
    def check_glob(self, options, **_):
        if isinstance(options["for_each"], str) and ITEM in placeholders.names(options["cwd"]):
            raise ValidationError("must not hold {item} where for_each is a glob, which is looked for in it", "cwd")


def _check(options, params):
    """Return the reasons why these parameters can't be used: what they would become in `run`."""
    if options["for_each"] is None:
        return check_values(options["run"], params)
    return check_values(options["run"], {**params, ITEM: "x"})  # the items themselves are checked one by one, in `run`


@step("command", options=CommandOptions, templates=("run", "env", "cwd"), placeholders={ITEM: "for_each"}, check=_check)
def command(context, unit):
    """Run the program for one child. Input: {}, {"item": text} or {"path": path text}. Result: {"exit_code", "seconds", "lines"}."""
    context.check()
    values = {**context.params, **_item_of(unit)}
    reasons = check_values(context.options["run"], values)
    if reasons:
        raise StepFailed(reasons[0])
    is_merged = context.options["stderr"] == "merge"
    output = Output(context, {"stdout"} if is_merged else {"stderr"})
    arguments, environment = fill_arguments(context.options["run"], values), _environment(context, values)
    program = Program(arguments, environment, _folder(context, values), output.write, is_merged)
    context.on_stop(program.stop)
    started = time.monotonic()
    code = program.run()
    seconds = round(time.monotonic() - started, 3)
    context.check()
    if program.left_behind:
        context.log("the program has ended, what it left running in the background was ended too", "warning")
    if code != 0:
        raise StepFailed(": ".join(filter(None, (_describe(code), one_line(output.last_error)))))
    return {"exit_code": code, "seconds": seconds, "lines": output.lines}


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
    paths = _glob.find(pattern, folder, context.check)
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


class Output:
    """Takes a program's lines into the log, and remembers what the child's result or error needs of them.

    error_pipes: the pipes whose last line says best why a program failed.
    """

    def __init__(self, context, error_pipes):
        self._log = context.log
        self._error_pipes = error_pipes
        self.lines = 0
        self.last_error = ""

    def write(self, line, pipe):
        self.lines += 1
        if pipe in self._error_pipes and line.strip():
            self.last_error = line
        self._log(line, level_of(line, LEVELS[pipe]))


def _item_of(unit):
    if "path" in unit:
        return {ITEM: text_to_path(unit["path"])}
    return {ITEM: unit["item"]} if "item" in unit else {}


def _folder(context, values):
    folder = placeholders.as_text(placeholders.fill(context.options["cwd"], values)) or os.getcwd()
    if not os.path.isdir(folder):
        raise StepFailed(f"cwd: {printable(folder)} is not a folder")
    return folder


def _environment(context, values):
    """Return the worker's environment without what is jobsync's own, with the parameters, the item, and the step's `env`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    given = {variable(name): placeholders.as_text(value) for name, value in values.items()}
    filled = {name: placeholders.as_text(value) for name, value in placeholders.fill(context.options["env"], values).items()}
    return {**inherited, **given, **filled}


def _describe(code):
    if code is None:
        return "the program could not be ended"
    return f"killed by {_signal_name(-code)}" if code < 0 else f"exit code {code}"


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # most of the real-time ones have no name
