"""What there is to say of a job, a child or a result: lists of `(word, text)`."""

import json

from jobsync.base.text import one_line
from jobsync.cli.formatting import amount, day_time, elapsed, progress, safe
from jobsync.status import PENDING, RUNNING

# tables of a result that are shown: name to {"files", "bytes", "lines"}
SUMS = ("categories", "languages")
CUT = 200  # bytes of the input or the result of a child that are shown


def job_fields(job, moment, reruns=()):
    """Return what there is to say of a job besides its status, steps and end, as a list of
    `(word, text)`. reruns: the ids of the jobs that are reruns of it.
    """
    fields = [
        ("id", job["id"]),
        ("definition", job["definition"]),
        ("created", f"{day_time(job['created_at'])} by {job['source']}"),
    ]
    if job["started_at"]:
        fields.append(("time", elapsed(job, moment)))
    if job["priority"]:
        fields.append(("priority", job["priority"]))
    if job["waiting_for"]:
        fields.append(("waiting for", job["waiting_for"]))
    if job["cancellation"]:
        fields += _receipt_fields(job["cancellation"])
    if job["rerun_of"]:
        fields.append(("rerun of", job["rerun_of"]))
    if reruns:
        fields.append(("rerun as", ", ".join(reruns)))
    if job["tags"]:
        fields.append(("tags", ", ".join(job["tags"])))
    fields += [
        ("parameter" if place == 0 else "", f"{name} = {value}")
        for place, (name, value) in enumerate(job["params"].items())
    ]
    return [(word, safe(text)) for word, text in fields]


def _receipt_fields(cancellation):
    when = ("stopped", f"{day_time(cancellation['requested_at'])}, {receipt(cancellation)}")
    return [when, *(("left", text) for text in left(cancellation))]


def receipt(cancellation):
    """Return the receipt of a cancel or time-out in words: `cancelled 37 queued and 4 running
    children, stopped 4 processes, no process left`.
    """
    children, processes = cancellation["children"], cancellation["processes"]
    counted = [
        f"{children[status]:,} {word}"
        for status, word in ((PENDING, "queued"), (RUNNING, "running"))
        if children[status]
    ]
    noun = "child" if sum(children.values()) == 1 else "children"
    parts = [f"cancelled {' and '.join(counted)} {noun}"] if counted else []
    if processes["stopped"]:
        parts.append(f"stopped {amount(processes['stopped'], 'process', 'processes')}")
    if processes["left"]:
        parts.append(f"{amount(len(processes['left']), 'process', 'processes')} left")
    elif cancellation["done_at"]:
        parts.append("no process left")
    if not cancellation["done_at"]:
        parts.append("what ran is being stopped")
    return ", ".join(parts)


def left(cancellation):
    """Return what could not be ended, and where, as a list of texts."""
    return [_left(process) for process in cancellation["processes"]["left"]]


def _left(process):
    known = "a process" if process["pid"] is None else f"process {process['pid']}"
    where = f" on {process['host']}" if process["host"] else ""
    return f"{known}{where}: {process['command']}"


# Children


def child_fields(child, moment):
    """Return what there is to say of a child besides its name, status and attempts, as a list of
    `(word, text)`.
    """
    fields = [
        ("id", child["id"]),
        ("spawned by", child["parent_id"]),
        ("time", elapsed(child, moment)),
        ("progress", progress(child)),
        ("exit code", child["exit_code"]),
        ("input", _cut_json(child["input"])),
        ("result", _cut_json(child["result"])),
        ("error", child["error"]),
    ]
    return [(word, safe(text)) for word, text in fields if text not in (None, "")]


def _cut_json(value):
    return "" if value is None else one_line(json.dumps(value, ensure_ascii=False), CUT)


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
