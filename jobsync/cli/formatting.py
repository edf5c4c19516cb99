"""How things look on a terminal and in a pipe: words, icons, tables.

What came from outside goes through `safe` first.
"""

from datetime import datetime

from rich import box
from rich.table import Table
from rich.text import Text

from jobsync.base.clock import EPOCH
from jobsync.base.text import printable
from jobsync.status import (
    CANCELLED,
    COMPLETED,
    FAILED,
    PENDING,
    RUNNING,
    SKIPPED,
    TERMINAL,
    count_done,
)

ICONS = {COMPLETED: "✓", FAILED: "✗", CANCELLED: "■", RUNNING: "●", PENDING: "○", SKIPPED: "–"}
STYLES = {
    COMPLETED: "green",
    FAILED: "red",
    CANCELLED: "yellow",
    RUNNING: "cyan",
    PENDING: "dim",
    SKIPPED: "dim",
}
LEVEL_STYLES = {"debug": "dim", "info": "", "warning": "yellow", "error": "red"}
# tables of a result that are shown: name to {"files", "bytes", "lines"}
SUMS = ("categories", "languages")
WIDTHS = (10, 11, 9, 7, 8)  # least ones of the columns of a table of steps
ROWS = 12  # of such a table


def safe(value):
    """Return `value` as text on one line that a terminal shows and doesn't obey."""
    return printable(str(value)).replace("\t", " ").replace("\n", "\\n")


def status_text(status):
    """Return a status as icon and word in its colour."""
    return Text(f"{ICONS.get(status, '?')} {safe(status)}", STYLES.get(status, ""))


# Times


def ms_of(iso):
    """Return the milliseconds since 1970 of a time as the store shows it, None for None."""
    return iso and round((datetime.fromisoformat(iso) - EPOCH).total_seconds() * 1000)


def day_time(iso):
    """Return such a time as `2026-11-22 13:00` where the reader is."""
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M") if iso else ""


def time_of_day(iso):
    """Return such a time as `13:00:02` where the reader is."""
    return datetime.fromisoformat(iso).astimezone().strftime("%H:%M:%S")


def duration(ms):
    """Return a length of time as `0.4 s`, `2:05 min` or `3:02 h`."""
    seconds = max(ms, 0) / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds) // 60
    return (
        f"{minutes}:{int(seconds) % 60:02} min"
        if minutes < 60
        else f"{minutes // 60}:{minutes % 60:02} h"
    )


def elapsed(thing, moment):
    """Return how long a job or step has run at `moment` (ms), or took; "" if it never started."""
    started = ms_of(thing["started_at"])
    if started is None:
        return ""
    return duration((ms_of(thing["finished_at"]) or moment) - started)


# Steps


def children_done(step):
    """Return `3/8`: children that have ended of all; "" where there are none."""
    done = count_done([(step["status"], step["children"])])
    return f"{done.children}/{done.all_children}" if done.all_children else ""


def step_line(step, moment):
    """Return a step as a plain line: `import_files completed, 8/8 children, 15 lines, 6.2 s`."""
    parts = [f"{step['name']} {step['status']}"]
    if step["child_count"]:
        parts.append(f"{children_done(step)} children")
    if step["log_count"]:
        parts.append(f"{step['log_count']} lines")
    if step["status"] in TERMINAL and step["started_at"]:
        parts.append(elapsed(step, moment))
    if step["error"]:
        parts.append(safe(step["error"]))
    return ", ".join(parts)


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


# Jobs


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


def job_fields(job, moment):
    """Return what there is to say of a job besides its status, steps and end, as a list of
    `(word, text)`.
    """
    fields = [
        ("id", job["id"]),
        ("definition", job["definition"]),
        ("created", f"{day_time(job['created_at'])} by {job['source']}"),
    ]
    if job["started_at"]:
        fields.append(("time", elapsed(job, moment)))
    if job["rerun_of"]:
        fields.append(("rerun of", job["rerun_of"]))
    if job["tags"]:
        fields.append(("tags", ", ".join(job["tags"])))
    fields += [
        ("parameter" if place == 0 else "", f"{name} = {value}")
        for place, (name, value) in enumerate(job["params"].items())
    ]
    return [(word, safe(text)) for word, text in fields]


# Results


def result_fields(result):
    """Return the plain values of a result as a list of `(name, text)`; tables and lists are
    left out, and what is empty.
    """
    return [
        (safe(name), _figure(value))
        for name, value in (result or {}).items()
        if isinstance(value, (str, int, float)) and value != ""
    ]


def _figure(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return safe(value) if isinstance(value, str) else f"{value:,}"


def result_sums(result):
    """Yield `(title, rows)` for the tables of a result that add up files, bytes and lines; a
    row is `(name, files, bytes, lines)`.
    """
    for title in SUMS:
        sums = (result or {}).get(title)
        if isinstance(sums, dict) and sums and all(_is_sum(row) for row in sums.values()):
            rows = [
                (safe(name), row["files"], row["bytes"], row["lines"]) for name, row in sums.items()
            ]
            yield title, sorted(rows, key=lambda row: (-row[3], -row[1], row[0]))


def _is_sum(row):
    return isinstance(row, dict) and all(
        isinstance(row.get(key), int) for key in ("files", "bytes", "lines")
    )


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
