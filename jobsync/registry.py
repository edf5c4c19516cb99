"""Step types by name, and the decorator that makes one.

A step type is a function with up to two more beside it:

    @step("greet", options=GreetOptions)
    def greet(context, unit):            # does one child, returns its result (JSON) or None
        context.log(f"Hello {unit['name']}")
        return {"greeted": unit["name"]}

    @greet.plan                          # yields the children as it finds them
    def plan_greetings(context):
        for name in context.options["names"]:
            yield Unit(name, {"name": name})

    @greet.summarize                     # makes the step's result of its completed children's
    def sum_up(context, results):
        return {"greeted": sum(1 for _ in results)}

Without `plan` there is a single child, without `summarize` no result.

Making one registers nothing: `create_app` fills its Registry from `jobsync.steps` and from the
entry-point group `jobsync.steps`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Protocol

from marshmallow import Schema

from jobsync.base.errors import JobsyncError

GROUP = "jobsync.steps"


class NoOptions(Schema):
    """The options of a step type that takes none."""


@dataclass(frozen=True)
class Unit:
    """One child to be: a name for people and the input (JSON) that `run` gets."""

    name: str
    input: dict = field(default_factory=dict)


class Context(Protocol):
    """What a step type's functions are given besides their input.

    options: the step's options, checked and filled in (those named in `StepType.templates` still as
    written).
    params: the job's parameters. depends: names of the steps this one depends on. attempt: 1 for a
    child's first attempt.
    attempt_id: names the attempt among all of the database, as `job/child/attempt`.
    cancel_grace: seconds that what the work has started gets to end after it was asked to.
    exit_code: None; a step type that runs a program sets it to what that ended with.
    stop_reason: None, or why the work is to stop: "cancelled", "late", "stalled" or "shutdown".
    last_input: in `plan`, the input of the last child an interrupted planning stored, else None.
    The engine passes over as many units as were stored; a plan that can resume better says
    `resumes=True` and yields only what comes after `last_input`.
    """

    job_id: str
    step_name: str
    options: dict
    params: dict
    depends: list
    attempt: int
    attempt_id: str
    last_input: dict | None
    cancel_grace: float
    exit_code: int | None
    stop_reason: str | None

    def log(self, message: str, level: str = "info", at: int | None = None) -> None:
        """Write log lines (one per line of `message`) of level debug, info, warning or error;
        `at` in ms, default now.
        """

    def progress(self, done: float, total: float | None = None) -> None:
        """Say how much of this child's work is done, and of how much where that is known: numbers
        of 0 or more.
        """

    def grace(self) -> float:
        """Return the seconds that hold for this stop: `cancel_grace`, or less when the worker
        ends.
        """

    def note_stopped(self, number: int, left: list[dict]) -> None:
        """Say how many processes were ended because the work is to stop, and which could not be:
        each `{"pid", "command"}`.
        """

    def check(self) -> None:
        """Raise `Stopped` if this work was cancelled or is out of time.

        Call it in every long loop; don't catch it.
        """

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Have `callback` called (from another thread) when the work is to be stopped, at once
        if it already is.
        """

    def spawn(self, unit: Unit) -> None:
        """Add a child to this child's own step.

        Safe to repeat: a later attempt's n-th spawn is the same child.
        """

    def children(self, step_name: str) -> Iterator[str]:
        """Yield the ids of the completed children of another step of the job, in the order they
        were planned.
        """

    def result(self, child_id: str) -> Any:
        """Return the result of such a child; None if it is gone."""

    def step_result(self, step_name: str) -> Any:
        """Return the result of another step of the job, or None."""

    def step_type(self, step_name: str) -> str:
        """Return the type of another step of the job."""

    def last_run(self) -> dict | None:
        """Return the latest run of this step by another job, of the same type with the same
        options, that completed with all its children.

        {"id", "job_id", "started_at": ms, "child_count"}; None if there is none. Deleting its job
        takes it away, also while it is looked at.
        """

    def run_children(self, run_id: str) -> Iterator[tuple[str, dict]]:
        """Yield `(id, input)` of the completed children of such a run, in the order they were
        planned; `result` takes their ids too.
        """


class StepType:
    """A step type: `run`, and what its decorators added. Call it to call `run`."""

    def __init__(
        self,
        name: str,
        run: Callable,
        options: Any = NoOptions,
        batch: bool = False,
        resumes: bool = False,
        templates: Iterable[str] = (),
        placeholders: dict[str, str] | None = None,
        check: Callable | None = None,
        sums: str | None = None,
    ) -> None:
        self.name = name
        self.run = run
        self.options = options
        self.batch = batch
        self.resumes = resumes
        self.templates = frozenset(templates)
        self.placeholders = dict(placeholders or {})
        self.check = check
        self.sums = sums
        self.planner: Callable[[Context], Iterable[Unit]] = single_child
        self.summary: Callable[[Context, Iterator[dict]], dict] | None = None

    def __call__(self, context: Context, unit: dict[str, Any]) -> Any:
        return self.run(context, unit)

    def plan(self, function: Callable[[Context], Iterable[Unit]]) -> Callable:
        """Use `function` to plan the step's children."""
        self.planner = function
        return function

    def summarize(self, function: Callable[[Context, Iterator[dict]], dict]) -> Callable:
        """Use `function` to make the step's result of the results of its completed children,
        which it gets one by one.
        """
        self.summary = function
        return function


def single_child(context: Context) -> Iterator[Unit]:
    """Plan one child, named after the step, with an empty input."""
    yield Unit(context.step_name)


def step(name: str, **options: Any) -> Callable[[Callable], StepType]:
    """Make a StepType of the function below.

    options: a marshmallow Schema for the step's own keys in a definition.
    batch: its children may be short and can be done again without harm, so a worker may take
    several at a time.
    resumes: its plan goes on after `context.last_input` by itself.
    templates: options that stay as written because `run` fills them in; placeholders: the names it
    adds to the parameters, each with the option that it needs.
    check(options, params): returns a list of reasons why these parameters can't be used (checked
    before a job is accepted).
    sums: a key of the results whose value is all that `summarize` wants to get of each; by default
    it gets whole results.
    """
    return lambda run: StepType(name, run, **options)


class Registry:
    """The step types that one app knows, by name."""

    def __init__(self, *step_types: StepType) -> None:
        self._types: dict[str, StepType] = {}
        self.register(*step_types)

    def register(self, *step_types: StepType) -> None:
        """Add step types. A name that another one has is an error that names it."""
        for step_type in step_types:
            if self._types.setdefault(step_type.name, step_type) is not step_type:
                raise JobsyncError(f"two step types are named {step_type.name!r}")

    def register_entry_points(self) -> None:
        """Add the step types of installed packages (entry-point group `jobsync.steps`)."""
        for entry_point in entry_points(group=GROUP):
            self.register(entry_point.load())

    def find(self, name: str) -> StepType | None:
        """Return the step type of that name, or None."""
        return self._types.get(name)

    def names(self) -> list[str]:
        """Return the names of all step types, sorted."""
        return sorted(self._types)
