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
    created_at: str | None
    started_at: str | None
    finished_at: str | None
    updated_at: str | None
    damage: NotRequired[list[str]]


class ShownJob(ListedJob):
    """A job by itself. `actions`: what may be done to it."""

    result: dict[str, Any] | None
    actions: list[str]


class JobPage(TypedDict):
    """A page of the list of jobs."""

    items: list[ListedJob]
    next_cursor: str | None
    total: int


class ShownChild(TypedDict):
    """A unit of work of a step."""

    id: str
    name: str
    status: str
    attempt: int
    input: Any
    result: Any
    error: str | None
    started_at: str | None
    finished_at: str | None
    damage: NotRequired[list[str]]


class ChildPage(TypedDict):
    """A page of a step's children."""

    items: list[ShownChild]
    next_cursor: str | None
    total: int


class ShownLine(TypedDict):
    """A line of a step's log."""

    line: int
    step: str
    at: str | None
    level: str
    message: str
    child_id: str | None


class LogPage(TypedDict):
    """A page of a step's lines. `next`: what to ask with to go on, where it ends early."""

    items: list[ShownLine]
    total: int | None
    log_count: int
    next: NotRequired[dict[str, int]]
