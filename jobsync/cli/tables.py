"""The tables that people are shown on a terminal.

What came from outside goes through `safe` or `_cut` first.
"""

from rich import box
from rich.table import Table
from rich.text import Text

from jobsync.cli.formatting import (
    attempt_lines,
    children_done,
    day_time,
    doing,
    elapsed,
    memory,
    progress,
    safe,
    status_text,
)
from jobsync.status import (
    CANCELLED,
    COMPLETED,
    FAILED,
    PENDING,
    RUNNING,
    SKIPPED,
    count_done,
)

WIDTHS = (10, 11, 9, 7, 8)  # least ones of the columns of a table of steps
ROWS = 12  # of a table of sums


def _table(*headers):
    """Return a table without lines.

    `>` before a header puts its column to the right, `~` lets it shrink: its cells are made by
    `_cut`.
    """
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="dim",
        border_style="dim",
    )
    for header in headers:
        name = header.lstrip(">~")
        table.add_column(
            name, justify="right" if header[0] == ">" else "left", no_wrap=header[0] != "~"
        )
    return table


def _cut(text, style=""):
    """Return a cell of a column that may shrink: it ends with `…` then."""
    return Text(safe(text), style, no_wrap=True, overflow="ellipsis")


# Steps and jobs


def step_table(steps, moment, most=None):
    """Return the table of a job's steps, of which at most `most` are shown: those where
    something happens come first.
    """
    table = _table("~step", "status", ">children", ">lines", ">time")
    for column, width in zip(table.columns, WIDTHS, strict=True):
        # a live table that changed its widths with its figures would be restless
        column.min_width = width
    shown, rest = _most_interesting(steps, most)
    for step in shown:
        name = _cut(step["name"], "dim" if step["status"] in (PENDING, SKIPPED) else "")
        lines = f"{step['log_count']:,}" if step["log_count"] else ""
        table.add_row(
            name, status_text(step["status"]), children_done(step), lines, elapsed(step, moment)
        )
    if rest:
        table.add_row(_cut(f"and {len(rest)} more: {_counted(rest)}", "dim"))
    return table


INTEREST = (RUNNING, FAILED, PENDING, CANCELLED, COMPLETED, SKIPPED)


def _most_interesting(steps, most):
    if most is None or len(steps) <= most:
        return steps, []
    order = sorted(
        range(len(steps)), key=lambda place: (INTEREST.index(steps[place]["status"]), place)
    )
    shown = set(order[: max(most - 1, 1)])
    return [steps[place] for place in sorted(shown)], [
        step for place, step in enumerate(steps) if place not in shown
    ]


def _counted(steps):
    statuses = [step["status"] for step in steps]
    return ", ".join(
        f"{statuses.count(status)} {status}" for status in INTEREST if status in statuses
    )


def job_table(jobs, strips, moment, wide):
    """Return the table of a list of jobs, with their errors if it may be wide.

    `strips` are their steps, as `steps.strips` has them.
    """
    table = _table(
        "id", "status", "~definition", "created", ">time", ">steps", *(["~error"] if wide else [])
    )
    for job in jobs:
        done = count_done((step["status"], step) for step in strips[job["id"]])
        cells = [
            job["id"],
            status_text(job["status"]),
            _cut(job["definition"]),
            day_time(job["created_at"]),
            elapsed(job, moment),
            f"{done.steps}/{done.all_steps}",
        ]
        table.add_row(*cells, *([_cut(job["error"] or "", "red")] if wide else []))
    return table


# Children


def child_table(children, moment):
    """Return the table of a step's children; how far they are stands in it where any of them says
    so.
    """
    has_progress = any(child["progress"] for child in children)
    table = _table(
        ">id",
        "~name",
        "status",
        ">attempt",
        *([">progress"] if has_progress else []),
        ">time",
        ">exit",
        "~error",
    )
    for child in children:
        table.add_row(
            child["id"],
            _cut(child["name"]),
            status_text(child["status"], child["stopping"]),
            str(child["attempt"] or ""),
            *([progress(child)] if has_progress else []),
            elapsed(child, moment),
            _number(child["exit_code"]),
            _cut(child["error"] or "", "red"),
        )
    return table


def attempt_table(attempts, moment):
    """Return the table of a child's attempts."""
    table = _table(">attempt", "status", "~worker", "started", ">time", ">exit", "lines", "~error")
    for attempt in attempts:
        table.add_row(
            str(attempt["attempt"]),
            status_text(attempt["status"]),
            _cut(attempt["worker"]),
            day_time(attempt["started_at"]),
            elapsed(attempt, moment),
            _number(attempt["exit_code"]),
            attempt_lines(attempt),
            _cut(attempt["error"] or "", "red"),
        )
    return table


def _number(value):
    return "" if value is None else str(value)


# Workers and queues


def worker_table(workers, moment):
    """Return the table of workers, with what each one does."""
    table = _table(
        "id", "state", "~host", ">pid", "~does", ">done", ">failed", ">memory", ">runs for"
    )
    for worker in workers:
        table.add_row(
            safe(worker["id"]),
            status_text(worker["state"]),
            _cut(worker["host"] or ""),
            str(worker["pid"]),
            _cut(doing(worker, moment)),
            f"{worker['completed']:,}",
            f"{worker['failed']:,}",
            memory(worker["memory_bytes"]),
            elapsed({**worker, "finished_at": None}, moment),
        )
    return table


def queue_table(queues):
    """Return the table of queues."""
    table = _table("queue", "state", ">pending", ">running", ">workers")
    for queue in queues:
        table.add_row(
            safe(queue["name"]),
            Text("paused", "yellow") if queue["paused"] else "open",
            *(f"{queue[name]:,}" for name in ("pending", "running", "workers")),
        )
    return table


# Results


def sums_table(title, rows):
    """Return the table of such sums."""
    table = _table("~" + title, ">files", ">bytes", ">lines")
    rest = rows[ROWS:]
    if rest:
        _, *amounts = zip(*rest, strict=True)
        rows = [*rows[:ROWS], (f"and {len(rest)} more", *map(sum, amounts))]
    for name, *amounts in rows:
        table.add_row(_cut(name), *(f"{amount:,}" for amount in amounts))
    return table
