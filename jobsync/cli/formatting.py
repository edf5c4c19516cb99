"""How things look on a terminal and in a pipe: words, icons and figures.

What came from outside goes through `safe` first.
"""

from datetime import datetime

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

# of statuses, and of the states of workers
ICONS = {
    COMPLETED: "✓",
    FAILED: "✗",
    CANCELLED: "■",
    RUNNING: "●",
    PENDING: "○",
    SKIPPED: "–",
    "draining": "◌",
    "lost": "✗",
}
STYLES = {
    COMPLETED: "green",
    FAILED: "red",
    CANCELLED: "yellow",
    RUNNING: "cyan",
    PENDING: "dim",
    SKIPPED: "dim",
    "draining": "yellow",
    "lost": "red",
}
LEVEL_STYLES = {"debug": "dim", "info": "", "warning": "yellow", "error": "red"}
MIB = 1024 * 1024


def safe(value):
    """Return `value` as text on one line that a terminal shows and doesn't obey."""
    return printable(str(value)).replace("\t", " ").replace("\n", "\\n")


def status_text(status, stopping=False):
    """Return a status as icon and word in its colour. stopping: what it runs is being ended."""
    text = f"{ICONS.get(status, '?')} {safe(status)}"
    return Text(text + (" (stopping)" if stopping else ""), STYLES.get(status, ""))


def amount(number, noun, plural=None):
    """Return `1 job` or `1,200 jobs`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


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


# Children


def progress(child):
    """Return `37/120`: how far a child is; "" where it doesn't say so."""
    amounts = child["progress"]
    if amounts is None:
        return ""
    return f"{amounts['done']:,}" + (f"/{amounts['total']:,}" if amounts["total"] else "")


def attempt_line(attempt, moment):
    """Return an attempt as a plain line: `attempt 1 failed on w1, 0.2 s, exit code 3, lines 4 to 9,
    it broke`.
    """
    parts = [f"attempt {attempt['attempt']} {attempt['status']} on {attempt['worker']}"]
    if attempt["started_at"]:
        parts.append(elapsed(attempt, moment))
    if attempt["exit_code"] is not None:
        parts.append(f"exit code {attempt['exit_code']}")
    if lines := attempt_lines(attempt):
        parts.append(f"lines {lines}")
    if attempt["error"]:
        parts.append(attempt["error"])
    return safe(", ".join(parts))


def attempt_lines(attempt):
    """Return `4 to 9`: the first and the last line of the step's log that an attempt wrote; ""
    where it wrote none.
    """
    first, last = attempt["first_line"], attempt["last_line"]
    if first is None:
        return ""
    return str(first) if first == last else f"{first} to {last}"


# Workers


def doing(worker, moment):
    """Return what a worker does: `5eed00000001 build, child 12, 3.2 s`; "" for nothing."""
    if not worker["busy"]:
        return ""
    first, *rest = worker["busy"]
    unit = f"child {first['child_id']}" if first["child_id"] else "planning or summing up"
    since = elapsed({"started_at": first["since"], "finished_at": None}, moment)
    more = f", and {len(rest)} more" if rest else ""
    return f"{first['job_id']} {first['step']}, {unit}, {since}{more}"


def memory(size):
    """Return a number of bytes as `45 MiB`; "" for None."""
    return "" if size is None else f"{size / MIB:,.0f} MiB"
