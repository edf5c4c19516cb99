"""What the page of one job shows: its steps with their lines, how far it has come, its timeline
and what failed.
"""

from dataclasses import dataclass, field
from functools import partial
from statistics import median

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from jobsync import store
from jobsync.base.clock import now
from jobsync.base.loop import in_turns
from jobsync.base.text import json_size
from jobsync.status import FAILED, LEVELS, RUNNING, step_actions
from jobsync.store import listing, logs
from jobsync.store.logs import LINE_BYTES
from jobsync.web import filters
from jobsync.web.children import Asked as AskedTable
from jobsync.web.children import Table, table_of
from jobsync.web.failures import LINES_SERVED, Failure, Failures, find_failures
from jobsync.web.job_graph import job_graph
from jobsync.web.parts import contained
from jobsync.web.progress import progress
from jobsync.web.timeline import empty_timeline, timeline

STEPS_WITH_LINES = 20  # more expanded ones are served without; scripts fetch theirs
SERVED = 1024 * 1024  # bytes of lines: a page is rendered whole; scripts fetch the rest
# of a step that the address asks for, whatever the steps before it took
SERVED_IF_ASKED = 128 * 1024
NO_LINES = {"items": []}
ROUGH = 10_000  # ms: what usually takes longer is said without tenths of a second


@dataclass(frozen=True)
class Asked:
    """What an address asks for: which steps are open, and for those the lines before a line,
    and the lowest level shown; and of one step a page of its children; and whether the
    steps are drawn as a graph.
    """

    opened: tuple = ()
    before: int | None = None
    level: str = LEVELS[0]
    with_children: str | None = None
    with_graph: bool = False
    table: AskedTable = AskedTable()

    @classmethod
    def of(cls, args):
        level, step = args.get("level"), args.get("children")
        return cls(
            (*args.getlist("open"), *([step] if step else [])),
            args.get("before", type=int),
            level if level in LEVELS else LEVELS[0],
            step,
            args.get("graph") == "1",
            AskedTable.of(args),
        )


@dataclass(frozen=True)
class StepView:
    """A step as the page shows it: `shown` as in structure, `about` as in `store.steps.details`,
    and its lines if it is expanded.

    `level` is the lowest level of these lines, `usual` how long it takes in words,
    `is_taken_up_again` as in the store. `is_cut`: there are more lines of that level than the page
    has room for. `table`: its children, where the address asks for them.
    """

    shown: dict
    about: dict
    is_expanded: bool
    lines: list = field(default_factory=list)
    level: str = LEVELS[0]
    usual: str = ""
    failure: Failure | None = None
    is_taken_up_again: bool = False
    is_cut: bool = False
    table: Table | None = None

    @property
    def actions(self):
        return step_actions(self.shown["status"], self.shown["children"])

    @property
    def first_line(self):
        return self.lines[0]["line"] if self.lines else None

    @property
    def last_line(self):
        return self.lines[-1]["line"] if self.lines else 0

    @property
    def has_earlier(self):
        """Say whether there are lines of that level before the first one, as far as is known
        without looking.
        """
        if self.level == LEVELS[0]:
            return bool(self.lines) and self.first_line > 1
        return self.is_cut or len(self.lines) == LINES_SERVED

    def at_least(self, level):
        """Return how many lines there are of a level or above."""
        return sum(self.shown["levels"][name] for name in LEVELS[LEVELS.index(level) :])


def parts(connection, structure, asked):
    """Return what the template needs beside the job and its structure: `served`, `steps`,
    `failures`, `timeline`, `progress`, `graph`.
    """
    job_id, moment = structure["job_id"], now()
    details = store.steps.details(connection, job_id)
    failures = contained(
        "What failed",
        lambda: find_failures(connection, structure, details),
        Failures([], 0, structure["error"]),
    )
    steps = _steps(connection, structure, details, asked, failures)
    depends = {step["name"]: step["depends"] for step in details}
    again = {step.shown["name"] for step in steps if step.is_taken_up_again}
    drawn = (
        contained("The graph of the steps", lambda: job_graph(structure, details))
        if asked.with_graph
        else None
    )
    return {
        "graph": drawn,
        "served": _as_json(structure),
        "steps": steps,
        "failures": failures,
        "timeline": contained(
            "The timeline", lambda: timeline(structure, depends, moment), empty_timeline(structure)
        ),
        "progress": contained("The progress", lambda: progress(structure, moment, again), (0, "")),
    }


def _as_json(structure):
    """Return a structure as JSON for an attribute in single quotes, as the filter `tojson` does.

    Others run in between.
    """
    steps = ",".join(htmlsafe_json_dumps(step) for step in in_turns(structure["steps"]))
    head = htmlsafe_json_dumps(
        {name: value for name, value in structure.items() if name != "steps"}
    )
    return Markup(f'{head[:-1]}, "steps": [{steps}]}}')


def _steps(connection, structure, details, asked, failures):
    about = {step["name"]: step for step in details}
    durations = contained(
        "Usual durations", lambda: listing.earlier_durations(connection, structure["job_id"]), {}
    )
    usual = {name: _usual(found) for name, found in durations.items()}
    again = store.steps.taken_up_again(connection, structure["job_id"])
    views, served, room = [], 0, SERVED
    for step in in_turns(structure["steps"]):
        name, is_asked = step["name"], step["name"] in asked.opened
        is_expanded = step["status"] in (RUNNING, FAILED) or is_asked
        has_lines = is_expanded and served < STEPS_WITH_LINES
        served += has_lines
        level = asked.level if is_asked else LEVELS[0]
        own = max(room, SERVED_IF_ASKED) if is_asked else room
        find = partial(
            _lines,
            connection,
            structure["job_id"],
            step,
            asked.before if is_asked else None,
            level,
            own,
        )
        page = (
            contained(f"The log of {name}", find, NO_LINES) if has_lines and own > 0 else NO_LINES
        )
        room -= sum(LINE_BYTES + json_size(line["message"]) for line in page["items"])
        more = (
            usual.get(name, ""),
            failures.of(name),
            step["status"] == RUNNING and name in again,
            "next" in page,
            _table(connection, structure["job_id"], step, asked),
        )
        views.append(StepView(step, about[name], is_expanded, page["items"], level, *more))
    return views


def _table(connection, job_id, step, asked):
    if step["name"] != asked.with_children:
        return None
    return contained(
        f"The children of {step['name']}",
        lambda: table_of(connection, job_id, step, asked.table),
    )


def _usual(durations):
    middle = median(durations)
    return filters.lasting(middle, is_rough=middle >= ROUGH)


def _lines(connection, job_id, step, before, level, room):
    """Return a page of a step's last lines before one, of those that `structure` has counted:
    lines and counts are of one moment.
    """
    end = step["log_count"] + 1
    before = min(max(before or end, 1), end)
    return logs.page(
        connection, job_id, step["name"], before=before, limit=LINES_SERVED, level=level, room=room
    )
