"""`/styleguide`: every part in every state, made by the pages' own templates of data that never
changes. In debug mode only.
"""

import re
from pathlib import Path
from types import SimpleNamespace

from flask import Blueprint, current_app, render_template

from jobsync.base.clock import iso, milliseconds
from jobsync.definitions.params import Param
from jobsync.status import (
    CHILD_STATUSES,
    JOB_STATUSES,
    LEVELS,
    STEP_STATUSES,
    TERMINAL,
    actions,
    step_actions,
)
from jobsync.store.children import LETTERS
from jobsync.store.listing import Run
from jobsync.web import graph
from jobsync.web.children import Asked as AskedTable
from jobsync.web.children import Details, Row, Table
from jobsync.web.failures import FailedChild, Failure, Failures
from jobsync.web.job_graph import job_graph
from jobsync.web.job_row import Row as JobRow
from jobsync.web.progress import progress
from jobsync.web.questions import STOPPED, Question
from jobsync.web.receipt import receipt
from jobsync.web.result import sections
from jobsync.web.runs import Runs
from jobsync.web.squares import squares
from jobsync.web.start_form import field_of
from jobsync.web.timeline import timeline
from jobsync.web.workers_page import Floor

blueprint = Blueprint("styleguide", __name__)

AT, END = "2026-11-22T13:00:00.123Z", "2026-11-22T13:02:05.623Z"
CONNECTIONS = {
    "live": "Live",
    "polling": "No live updates: asking every 3 s",
    "reconnecting": "Reconnecting, as of 12 s ago",
    "offline": "Offline, as of 3 min ago",
}
REASONS = {
    "failed": "build: 2 children failed, first worker 1.1: exit code 3",
    "cancelled": None,
}


@blueprint.get("/styleguide")
def show():
    """Show the guide."""
    jobs = [_job(place, status) for place, status in enumerate(JOB_STATUSES)]
    moment = milliseconds(AT) + 72_000  # what runs has run for that long each time
    timed = [_timed_step(status) for status in STEP_STATUSES]
    structure = {
        **jobs[1],
        "waiting_for": WAITING,
        "job_id": jobs[1]["id"],
        "steps": [step.shown for step in timed],
    }
    return render_template(
        "styleguide.html",
        statuses=STEP_STATUSES,
        connections=CONNECTIONS,
        icons=_icons(),
        favicons=sorted(
            path.name
            for path in (Path(current_app.root_path) / "static" / "favicons").glob("*.svg")
        ),
        levels=LEVELS,
        rows=[JobRow(job, _strip(job["status"]), None) for job in jobs],
        refused=[
            ("The job is already completed.", [f"{place:012}" for place in range(12)]),
            ("There is no job.", ["00000000000c"]),
        ],
        counts=dict(zip(JOB_STATUSES, (0, 12, 1204, 31, 7), strict=True)),
        runs=_runs(),
        now=lambda: moment,
        actions=actions(structure["status"]),
        job={**jobs[1], "priority": 5},
        job_id=jobs[1]["id"],
        receipts=[receipt("cancelled", each) for each in RECEIPTS],
        question=Question(
            "cancel",
            "Cancel this job?",
            ["Cancels 37 queued and 4 running children.", STOPPED],
            "Cancel it",
            "Let it go on",
        ),
        table=_children_table(),
        graph=_job_graph(structure, timed),
        structure=structure,
        neighbours=(jobs[0]["id"], jobs[2]["id"]),
        reruns=[jobs[4]["id"]],
        progress=progress(structure, moment),
        failures=_failures(structure),
        timed=timed,
        timeline=timeline(
            structure, {step.about["name"]: step.about["depends"] for step in timed}, moment
        ),
        steps=[_step(status) for status in STEP_STATUSES],
        fields=_fields(),
        drawing=graph.draw(_definition()),
        floor=Floor(_workers(), QUEUES, {"000000000001": "Test job", "7": "worker 3"}, 2),
        nobody=Floor([], QUEUES, {}, 2),
        started=3,
        etag='"0"',
        results={title: sections(value) for title, value in RESULTS.items()},
        at=AT,
    )


def _runs():
    """Return the Runs of definitions with many runs, one and none."""
    many = [
        Run("failed" if place in (5, 12) else "completed", 3000 + place * 997 % 5000)
        for place in range(20)
    ]
    return [Runs(many), Runs(many[:1]), Runs([])]


def _icons():
    """Return the names of all icons of the sprite."""
    return re.findall(
        r'id="i-([\w-]+)"', str(current_app.jinja_env.get_template("_macros.html").module.symbols())
    )


# Jobs and steps, in the shapes of the store


def _job(place, status):
    started = AT if status != "pending" else None
    return {
        "id": f"00000000000{place}",
        "definition": "test_job",
        "name": "Test job",
        "status": status,
        "revision": 42,
        "params": {"workers": 3, "word": "a rather long value that shows what happens to one"},
        "result": None,
        "error": REASONS.get(status),
        "tags": ["demo"],
        "source": "web",
        "rerun_of": "000000000009" if status == "failed" else None,
        "priority": 5 if status == "pending" else 0,
        "waiting_for": "the queue gpu, which is paused" if status == "pending" else None,
        "created_at": AT,
        "started_at": started,
        "finished_at": END if status in TERMINAL else None,
        "updated_at": END,
    }


STRIPS = {
    "pending": ("pending", "pending", "pending", "pending"),
    "running": ("completed", "running", "running", "pending"),
    "completed": ("completed", "completed", "completed", "completed"),
    "failed": ("completed", "failed", "completed", "skipped"),
    "cancelled": ("completed", "cancelled", "completed", "cancelled"),
}
NAMES = ("prepare", "build", "analyse", "publish")


def _strip(status):
    return [
        {"name": name, "status": found, **_children(found)}
        for name, found in zip(NAMES, STRIPS[status], strict=True)
    ]


CHILDREN = {
    "running": {"completed": 1200, "failed": 3, "running": 4, "pending": 793},
    "completed": {"completed": 2000},
    "failed": {"completed": 5, "failed": 2, "cancelled": 1},
    "cancelled": {"completed": 1, "cancelled": 7},
}


def _children(status):
    return dict.fromkeys(CHILD_STATUSES, 0) | CHILDREN.get(status, {})


def _step(status):
    """Return a step as the page of a job shows it; a failed one is open.

    A running one has no start, else its time would never stand still.
    """
    children = _children(status)
    lines = (
        [_line(place, level) for place, level in enumerate(LEVELS, 1)] if status == "failed" else []
    )
    has_begun = status not in ("pending", "running", "skipped")
    levels = dict.fromkeys(LEVELS, 1 if lines else 0)
    shown = {
        "name": f"a_{status}_step",
        "status": status,
        "log_count": len(lines),
        "child_count": sum(children.values()),
        "children": children,
        "levels": levels,
        "error": "2 children failed, first worker 1.1: exit code 3" if status == "failed" else None,
        "started_at": AT if has_begun else None,
        "finished_at": END if has_begun else None,
    }
    about = {
        "name": shown["name"],
        "type": "command",
        "depends": [] if status == "pending" else ["prepare"],
    }
    return SimpleNamespace(
        shown=shown,
        about=about,
        is_expanded=status == "failed",
        lines=lines,
        first_line=1 if lines else None,
        last_line=len(lines),
        has_earlier=False,
        level=LEVELS[0],
        at_least=lambda level: sum(levels[name] for name in LEVELS[LEVELS.index(level) :]),
        usual="2 min 10 s",
        actions=step_actions(status, children),
        table=None,
        failure=None,
        is_taken_up_again=False,
    )


# What became of a cancel, and what a job waits for

WAITING = "a place: at most 1 job of test_job may run at once"
RECEIPTS = [
    {
        "done_at": done_at,
        "children": {"pending": 37, "running": 4},
        "processes": {"stopped": 6, "left": left},
    }
    for done_at, left in (
        (None, []),
        (END, []),
        (END, [{"host": "build-7", "pid": 4711, "command": "python train.py --all"}]),
    )
]


# The children of a step


def _children_table():
    """Return a table with a child in every status: one is open, one has spawned others."""
    rows = [
        Row(
            SimpleNamespace(
                pk=place,
                key=str(place),
                name=f"worker {place}",
                parent_pk=None,
                status=status,
                attempt=int(status != "pending"),
                exit_code=_exit_code(status),
                error="exit code 3: no such column" if status == "failed" else None,
                progress_done=37 if status == "running" else None,
                progress_total=120 if status == "running" else None,
                started_at=milliseconds(AT) if status != "pending" else None,
                finished_at=milliseconds(END) if status in TERMINAL else None,
            ),
            status == "cancelled",
            3 * (status == "completed"),
            _open_child() if status == "failed" else None,
        )
        for place, status in enumerate(CHILD_STATUSES, 1)
    ]
    letters = "".join(LETTERS[status] * 30 for status in CHILD_STATUSES)
    grouped = "p" * 900 + "l" * 3 + "p" * 1500 + "d" * 3000
    return Table(
        AskedTable(opened=("4",), sort="-status"),
        rows,
        204,
        has_tree=True,
        is_tree=True,
        counts=dict(zip(CHILD_STATUSES, (793, 4, 1200, 3, 7), strict=True)),
        squares=[*squares(letters), *squares(grouped)[148:156]],
    )


def _exit_code(status):
    return {"completed": 0, "failed": 3}.get(status)


def _open_child():
    attempts = [
        {
            "attempt": number,
            "status": "failed",
            "worker": "0b53e4ee81e91cea",
            "started_at": AT,
            "finished_at": END,
            "error": "exit code 3: no such column",
            "exit_code": 3,
            "first_line": number,
            "last_line": number + 1,
        }
        for number in (2, 1)
    ]
    lines = [_line(place, level) for place, level in enumerate(("info", "warning", "error"), 1)]
    return Details(attempts, lines, ["retry"])


def _job_graph(structure, timed):
    """Return the graph of a job with a step in every status."""
    return job_graph(structure, [{"type": "", **step.about} for step in timed])


# s after the job's start
SPANS = {"completed": (0, 21), "failed": (21, 42), "cancelled": (25, 51), "running": (28, None)}


def _timed_step(status):
    """Return a step of a job that runs, with the times that `_step` leaves out."""
    started, finished = (_after(seconds) for seconds in SPANS.get(status, (None, None)))
    depends = [] if status == "completed" else ["a_timed_completed_step"]
    name = f"a_timed_{status}_step"
    shown = {**_step(status).shown, "name": name, "started_at": started, "finished_at": finished}
    return SimpleNamespace(shown=shown, about={"name": name, "type": "command", "depends": depends})


def _after(seconds):
    return None if seconds is None else iso(milliseconds(AT) + 1000 * seconds)


def _failures(structure):
    """Return what failed in two steps: more than was tolerated, and less."""
    failed, running = (
        next(step for step in structure["steps"] if step["status"] == status)
        for status in ("failed", "running")
    )
    lines = [_line(place, level) for place, level in enumerate(("info", "warning", "error"), 1)]
    children = [
        FailedChild(f"worker {number}", "exit code 3", lines if number == 1 else [])
        for number in (1, 2)
    ]
    return Failures([Failure(failed, 0, children, lines), Failure(running, 50, children)], 1, None)


def _line(place, level):
    return {
        "line": place,
        "level": level,
        "at": AT,
        "message": f"a line of level {level}, with \x1b[31mescapes\x1b[0m and a bell \x07",
    }


# Workers and queues

QUEUES = [
    {"name": "default", "paused": False, "pending": 37, "running": 1, "workers": 1},
    {"name": "gpu", "paused": False, "pending": 3, "running": 0, "workers": 0},
    {"name": "night", "paused": True, "pending": 12, "running": 0, "workers": 1},
]


def _workers():
    """Return a worker in every state, and one that has nothing to do."""
    task = {"job_id": "000000000001", "step": "build", "since": AT}
    child, planning = {**task, "child_id": "7"}, {**task, "child_id": None}
    busy = (("running", [child]), ("running", []), ("draining", [planning]), ("lost", [child]))
    return [
        {
            "id": f"{place:016}",
            "host": "machine",
            "pid": 4000 + place,
            "state": state,
            "queues": ["default", "night"],
            "slots": 1,
            "busy": doing,
            "completed": 1204 * place,
            "failed": place,
            "memory_bytes": 84_200_000 if place else None,
            "started_at": AT,
            "beat_at": AT,
        }
        for place, (state, doing) in enumerate(busy)
    ]


# A definition


def _fields():
    used = [{"rounds": 7, "word": "earlier"}, {"rounds": 5, "word": "earliest"}]
    params = [
        (Param("word", "string", description="Any word"), [], "a word"),
        (
            Param("rounds", "integer", 3, "How many rounds", minimum=1, maximum=9),
            ["must be at most 9"],
            "12",
        ),
        (Param("size", "string", "small", choices=("small", "large")), [], "large"),
        (Param("loud", "boolean", False, "Whether it shouts"), [], "true"),
        (Param("note", "string", "", "Several lines"), [], "one\ntwo"),
    ]
    return [field_of(param, {param.name: value}, reasons, used) for param, reasons, value in params]


def _definition():
    depends = {
        "import": (),
        "count": (),
        "classify": ("import",),
        "check": ("import", "count"),
        "publish": ("import", "classify", "check"),
    }
    return [
        SimpleNamespace(name=name, type="command", depends=before)
        for name, before in depends.items()
    ]


# Results

AMOUNTS = {
    "Python": 25745,
    "JavaScript": 3418,
    "Text only": 1771,
    "TOML": 1504,
    "HTML": 559,
    "CSS": 342,
    "Markdown": 306,
    "JSON": 158,
}
RESULTS = {
    "A report": {
        "summary": "250 files with 34,018 lines in 2.0 MB: 52 % source, 32 % test, 16 % docs.",
        "files": 250,
        "bytes": 2012076,
        "lines": 34018,
        "categories": {
            name: {"files": files, "lines": lines}
            for name, files, lines in (
                ("source", 129, 18376),
                ("test", 81, 11776),
                ("docs", 40, 3866),
            )
        },
        "languages": {
            name: {"files": lines // 200 + 1, "lines": lines} for name, lines in AMOUNTS.items()
        },
        "skipped": 0,
        "cut": False,
        "steps": {"import_files": {"files": 250, "skipped": 0}},
    },
    "Any other": {
        "passed": 12,
        "share": 0.25,
        "report": "/a/path/to/a/report",
        "page": "https://example.org/report",
        "output": "A longer text\n  keeps its lines",
        "slowest": [
            {"name": "test_a", "seconds": 1.5, "tags": ["slow"]},
            {"name": "test_b", "seconds": 0.25, "tags": []},
        ],
    },
}
