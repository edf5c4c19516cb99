"""What a followed job looks like: a live table on a terminal, lines in a pipe."""

import sys
import time
from contextlib import contextmanager

import click
from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from jobsync.base.clock import now
from jobsync.cli import formatting, tables
from jobsync.status import FAILED, PENDING, RUNNING

FRAME = 0.1  # seconds between two pictures at least
SECOND = 1.0  # seconds after which the clock in the picture moves on
PROGRESS = 5.0  # seconds between two lines of progress at least
FAILURES = 5  # failed steps told of
AROUND = 6  # lines of a terminal that aren't the table's or the messages'


@contextmanager
def open_screen(name, stream):
    """Open the screen that suits `stream`, for a job of that name: its methods are those that
    `follow.Follower` names.
    """
    console = Console(file=stream, highlight=False)
    if stream.isatty() and not console.is_dumb_terminal:
        with Live(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        ) as live:
            yield LiveScreen(name, live)
    else:
        yield PlainScreen(stream)


class LiveScreen:
    """A table that is drawn anew whenever something has changed, and each second."""

    def __init__(self, name, live):
        self._name = name
        self._live = live
        self._structure, self._trouble = None, []
        self._due = False
        self._drawn = 0.0

    def show(self, structure, trouble):
        self._structure, self._trouble = structure, trouble
        self._due = True
        if structure["finished_at"]:
            self._draw()

    def tick(self):
        """Draw if there is something new, at most each FRAME; each SECOND in any case."""
        waited = time.monotonic() - self._drawn
        if waited >= SECOND or (self._due and waited >= FRAME):
            self._draw()

    def note(self, text):
        """Tell something above the table; where stderr goes elsewhere, there."""
        if sys.stderr.isatty():
            self._live.console.print(Text(text, "yellow"))
        else:
            click.echo(text, err=True)

    def _draw(self):
        self._due, self._drawn = False, time.monotonic()
        self._live.update(self._picture(now()), refresh=True)

    def _picture(self, moment):
        messages = [*_failures(self._structure["steps"]), *self._trouble]
        waiting = waiting_line(self._structure)
        room = self._live.console.height - AROUND - len(messages) - len(waiting)
        steps = Padding(
            tables.step_table(self._structure["steps"], moment, max(room, 3)), (1, 0, 0, 0)
        )
        told = [Padding(trouble_table(messages), (1, 0, 0, 0))] if messages else []
        # the cursor rests on a line where ^C has room
        return Group(head(self._name, self._structure, moment), *waiting, steps, *told, Text())


def waiting_line(job):
    """Return a list of the line that says what a job waits for, an empty one if it doesn't."""
    if not job["waiting_for"]:
        return []
    text = f"waiting for {formatting.safe(job['waiting_for'])}"
    return [Text(text, "yellow", no_wrap=True, overflow="ellipsis")]


def _failures(steps):
    """Return the steps that failed as lines like those of a log."""
    failed = [step for step in steps if step["status"] == FAILED][-FAILURES:]
    return [
        {
            "at": step["finished_at"],
            "level": "error",
            "step": step["name"],
            "message": f"failed: {step['error']}",
        }
        for step in failed
    ]


def head(name, job, moment):
    """Return the first line of a job or child: status, name, time."""
    return Text.assemble(
        formatting.status_text(job["status"], job.get("stopping", False)),
        "  ",
        (formatting.safe(name), "bold"),
        "  ",
        (formatting.elapsed(job, moment), "dim"),
    )


def trouble_table(lines):
    """Return the table of warnings and errors."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column()
    for line in lines:
        level = Text(line["level"], formatting.LEVEL_STYLES[line["level"]])
        message = Text(formatting.safe(line["message"]), no_wrap=True, overflow="ellipsis")
        table.add_row(
            Text(formatting.time_of_day(line["at"]), "dim"),
            level,
            Text(line["step"], "dim"),
            message,
        )
    return table


class PlainScreen:
    """A line for each change of a status, and now and then one for progress."""

    def __init__(self, stream):
        self._stream = stream
        self._statuses = {}
        self._told = {}
        self._structure = None
        self._waiting_for = None
        self._told_at = time.monotonic()

    def show(self, structure, trouble):
        self._structure = structure
        if structure["waiting_for"] not in (None, self._waiting_for):
            self._print(f"waiting for {formatting.safe(structure['waiting_for'])}")
        self._waiting_for = structure["waiting_for"]
        for step in structure["steps"]:
            if step["status"] != self._statuses.get(step["name"], PENDING):
                self._tell(step)
            self._statuses[step["name"]] = step["status"]

    def tick(self):
        """Tell how far the running steps are that have moved since that was told."""
        if time.monotonic() - self._told_at < PROGRESS:
            return
        self._told_at = time.monotonic()
        for step in self._structure["steps"] if self._structure else ():
            if step["status"] == RUNNING and _amounts(step) != self._told.get(step["name"]):
                self._tell(step)

    def note(self, text):
        click.echo(text, err=True)

    def _tell(self, step):
        self._told[step["name"]] = _amounts(step)
        self._print(formatting.step_line(step, now()))

    def _print(self, text):
        click.echo(f"{time.strftime('%H:%M:%S')} {text}", file=self._stream)


def _amounts(step):
    return step["children"], step["log_count"]
