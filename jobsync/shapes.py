"""The shapes that cross the wire, as the contract has them: what REST answers and Socket.IO sends.

Times are ISO 8601 texts in UTC (`2026-11-22T13:00:00.123Z`), null where there is none yet.
"""

from typing import Any, NotRequired, TypedDict


class ChildCounts(TypedDict):
    """Children of a step by status."""

    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int


class LevelCounts(TypedDict):
    """Lines of a step by level."""

    debug: int
    info: int
    warning: int
    error: int


class ShownStep(TypedDict):
    """A step in a `structure`."""

    name: str
    status: str
    log_count: int
    child_count: int
    children: ChildCounts
    levels: LevelCounts
    error: str | None
    started_at: str | None
    finished_at: str | None


class Structure(TypedDict):
    """What a page needs to be right: a job and its steps, from one moment."""

    job_id: str
    status: str
    revision: int
    error: str | None
    waiting_for: str | None
    updated_at: str | None
    started_at: str | None
    finished_at: str | None
    steps: list[ShownStep]


class ListedJob(TypedDict):
    """A job in a list. `damage` names the columns that hold what can't be used."""

    id: str
    definition: str
    name: str
    status: str
    revision: int
    params: dict[str, Any]
    error: str | None
    tags: list[str]
    source: str
    rerun_of: str | None
    priority: int
    waiting_for: str | None
    created_at: str | None
    started_at: str | None
    finished_at: str | None
    updated_at: str | None
    damage: NotRequired[list[str]]


class CancelledChildren(TypedDict):
    """How many children a cancel has cancelled, by what they were."""

    pending: int
    running: int


class LeftProcess(TypedDict):
    """A process that could not be ended."""

    host: str | None
    pid: int | None
    command: str


class EndedProcesses(TypedDict):
    """The processes that a cancel has ended, and those that it could not end."""

    stopped: int
    left: list[LeftProcess]


class Cancellation(TypedDict):
    """The receipt of a job's cancel or time-out. `done_at`: when nothing of it ran any more."""

    requested_at: str | None
    done_at: str | None
    children: CancelledChildren
    processes: EndedProcesses


class ShownJob(ListedJob):
    """A job by itself. `actions`: what may be done to it."""

    cancellation: Cancellation | None
    result: dict[str, Any] | None
    actions: list[str]


class JobPage(TypedDict):
    """A page of the list of jobs."""

    items: list[ListedJob]
    next_cursor: str | None
    total: int


class Progress(TypedDict):
    """How much of a child's work is done. `total` is null where that isn't known."""

    done: float
    total: float | None


class ShownChild(TypedDict):
    """A unit of work of a step. `stopping`: it was cancelled, and its worker is ending it."""

    id: str
    parent_id: str | None
    name: str
    status: str
    attempt: int
    exit_code: int | None
    progress: Progress | None
    stopping: bool
    input: Any
    result: Any
    error: str | None
    started_at: str | None
    finished_at: str | None
    damage: NotRequired[list[str]]


class ShownAttempt(TypedDict):
    """An attempt of a child. `first_line`, `last_line`: the step's lines that it wrote."""

    attempt: int
    status: str
    worker: str
    started_at: str | None
    finished_at: str | None
    error: str | None
    exit_code: int | None
    first_line: int | None
    last_line: int | None


class ChildDetails(ShownChild):
    """A child by itself. `actions`: what may be done to it."""

    attempts: list[ShownAttempt]
    actions: list[str]


class ChildPage(TypedDict):
    """A page of a step's children."""

    items: list[ShownChild]
    next_cursor: str | None
    total: int


class ShownLine(TypedDict):
    """A line of a step's log. `attempt`: it is the first of a second or later one of its child."""

    line: int
    step: str
    at: str | None
    level: str
    message: str
    child_id: str | None
    attempt: NotRequired[int]


class LogPage(TypedDict):
    """A page of a step's lines. `next`: what to ask with to go on, where it ends early."""

    items: list[ShownLine]
    total: int | None
    log_count: int
    next: NotRequired[dict[str, int]]


class Busy(TypedDict):
    """What a worker does. `child_id` is null while it plans or sums up."""

    job_id: str
    step: str
    child_id: str | None
    since: str | None


class ShownWorker(TypedDict):
    """A worker. `completed`, `failed`: attempts since it started."""

    id: str
    host: str | None
    pid: int
    state: str
    queues: list[str]
    slots: int
    busy: list[Busy]
    completed: int
    failed: int
    memory_bytes: int | None
    started_at: str | None
    beat_at: str | None


class ShownQueue(TypedDict):
    """A queue. `pending`, `running`: children of its steps. `workers`: how many serve it."""

    name: str
    paused: bool
    pending: int
    running: int
    workers: int
