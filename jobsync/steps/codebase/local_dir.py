"""Step type `local_dir`: imports a folder, in batches of files.

A line is what `wc -l` counts: a newline character. Binary files (see `is_binary`) have none. A file
whose size and times (of its content, and of anything of it) are those that the last run over the
same folder recorded isn't read again.
"""

import hashlib

import pygments

from jobsync.base.text import path_to_text, text_to_path
from jobsync.registry import step
from jobsync.steps.codebase.folder import Folder, TooLarge, look, parts_of, read_chunks, reason_of
from jobsync.steps.codebase.generated import looks_generated
from jobsync.steps.codebase.language import is_binary, language_of
from jobsync.steps.codebase.previous_run import Before, add_up_changes, find_run, tell_before, when
from jobsync.steps.codebase.sentences import (
    Largest,
    Sums,
    Unread,
    counted,
    report_cut,
    shorten,
    top_folder,
)
from jobsync.steps.codebase.walk import FolderOptions, cut_of, plan_batches, root_of, tell

FILES_PER_CHILD = (50, 1000)  # least and most
FILES_LOOKED_AT_PER_CHILD = (400, 4000)
BYTES_PER_CHILD = 16 << 20
MAX_LANGUAGES = 60
MAX_FOLDERS = 50
MAX_LARGEST = 20
# What a record and the sums say depends on these: the first number is raised when something else
# comes to be said of the same bytes
READER = f"3, Pygments {pygments.__version__}"


class LocalDirOptions(FolderOptions):
    """The options of `local_dir`: those of the walk."""


@step("local_dir", options=LocalDirOptions, batch=True, resumes=True, sums="sums")
def local_dir(context, unit):
    """Import one batch of files.

    Returns {"root", "files", "others", "reader", "sums"}. A file is {"path", "size": bytes,
    "mtime", "ctime": ISO 8601, "language", "lines", "sha256", "binary", "generated": whether its
    name or head says that a program wrote it}. One that wasn't read has null for what isn't known,
    and the reason as "skipped" (too large) or "error". `others` are {"path", "reason"} of what is
    no file: links (with their "target", which is not followed), pipes, sockets, devices, folders
    that can't be read, and files that have vanished. reader: what the records depend on besides.
    sums: see `add_up`; it is all that the step's summary needs.
    """
    files, others, before = [], [], Before(context, unit, READER, was_read)
    with Folder(text_to_path(unit["root"])) as folder:
        for path in unit["files"]:
            context.check()
            found = look(folder, path, context.options["max_file_size"])
            if found.reason:
                tell(context, path, found.reason, found.trouble)
            if found.is_file:
                files.append(before.record_of(found) or import_file(context, folder, found))
            else:
                others.append(describe_other(found))
    then = before.results_of(files)
    if then and others == [other for result in then for other in result["others"]]:
        sums = add_together(result["sums"] for result in then)
    else:
        sums = add_up(files, others)
    sums |= {"reused": before.reused, "changes": before.compare(files), "cut": cut_of(unit)}
    context.log(
        f"imported {counted(sums['files'], 'file')}, {counted(sums['lines'], 'line')}{notes(sums)}"
    )
    return {"root": unit["root"], "files": files, "others": others, "reader": READER, "sums": sums}


@local_dir.plan
def plan_import(context):
    """Yield batches of files; input as `plan_batches` and `tell_before` make it."""
    root = path_to_text(root_of(context.options))
    run = find_run(context, root)
    if run is None:
        yield from plan_batches(context, FILES_PER_CHILD, BYTES_PER_CHILD)
    else:  # most files won't be read, so their sizes say little of the time that a batch takes
        yield from tell_before(
            context,
            run,
            root,
            plan_batches(context, FILES_LOOKED_AT_PER_CHILD, is_seam=run.is_seam),
        )


def was_read(file):
    return file["sha256"] is not None


def import_file(context, folder, found):
    """Return what a result says of one plain file, reading it once."""
    record = {
        "path": found.path,
        "size": found.size,
        "mtime": when(found.mtime),
        "ctime": when(found.ctime),
        "language": language_of(found.parts[-1]),
        "lines": None,
        "sha256": None,
        "binary": None,
        "generated": None,
    }
    if found.reason:
        return record | {"skipped": found.reason}
    try:
        with folder.open(found.parts) as file:
            return record | read(context, file, found.parts[-1])
    except TooLarge as error:
        tell(context, found.path, error.message)
        return record | {"skipped": error.message}
    except OSError as error:
        tell(context, found.path, reason_of(error), trouble=True)
        return record | {"error": reason_of(error)}


def read(context, file, name):
    """Return what only the bytes of a file tell. Raises OSError, TooLarge."""
    digest, size, lines, head = hashlib.sha256(), 0, 0, b""
    for chunk in read_chunks(file, context.options["max_file_size"]):
        context.check()
        head = head or chunk
        digest.update(chunk)
        size += len(chunk)
        lines += chunk.count(b"\n")
    binary = is_binary(head)
    return {
        "size": size,
        "language": None if binary else language_of(name, head),
        "lines": 0 if binary else lines,
        "sha256": digest.hexdigest(),
        "binary": binary,
        "generated": looks_generated(name, b"" if binary else head),
    }


def describe_other(found):
    """Return what a result says of what is no file."""
    record = {"path": found.path, "reason": found.reason}
    return record if found.target is None else record | {"target": found.target}


def add_up(files, others):
    """Return the sums of one batch.

    {"files", "bytes", "lines", "binary", "languages": {name: [files, bytes, lines]}, "directories":
    the same by top folder, "largest", and as `Unread.report` has it what wasn't read}.
    """
    languages, folders = Sums("files", "bytes", "lines"), Sums("files", "bytes", "lines")
    largest, unread = Largest(MAX_LARGEST, by="bytes"), Unread()
    for file in files:
        lines, label = file["lines"] or 0, language_label(file)
        languages.add(label, 1, file["size"], lines)
        folders.add(top_folder(file["path"]), 1, file["size"], lines)
        largest.offer(
            {
                "path": shorten(file["path"]),
                "bytes": file["size"],
                "lines": lines,
                "language": label,
            }
        )
    left_out = [(file["path"], reason_unread(file)) for file in files if reason_unread(file)] + [
        (other["path"], other["reason"]) for other in others
    ]
    for path, reason in sorted(left_out, key=lambda pair: parts_of(pair[0])):
        unread.add(path, reason)
    binary = sum(1 for file in files if file["binary"])
    return {
        **languages.total(),
        "binary": binary,
        "languages": languages.rows,
        "directories": folders.rows,
        "largest": largest.rows(),
        **unread.report(),
    }


def add_together(batches):
    """Return the sums of several batches as those of one."""
    totals = Totals()
    for sums in batches:
        totals.add(sums)
    return totals.sums()


class Totals:
    """The sums of several batches (see `add_up`), added up."""

    def __init__(self):
        self.numbers = dict.fromkeys(("files", "bytes", "lines", "binary"), 0)
        self.languages, self.folders = (
            Sums("files", "bytes", "lines"),
            Sums("files", "bytes", "lines"),
        )
        self.largest, self.unread = Largest(MAX_LARGEST, by="bytes"), Unread()

    def add(self, sums):
        """Add those of one batch."""
        for name in self.numbers:
            self.numbers[name] += sums[name]
        self.languages.add_rows(sums["languages"])
        self.folders.add_rows(sums["directories"])
        for row in sums["largest"]:
            self.largest.offer(row)
        self.unread.add_report(sums)

    def sums(self):
        """Return them as those of one batch."""
        rows = {"languages": self.languages.rows, "directories": self.folders.rows}
        return {**self.numbers, **rows, "largest": self.largest.rows(), **self.unread.report()}


def notes(sums):
    """Return what else is to be said of a batch: "; 48 as they were; 2 not read"."""
    told = {"as they were": sums["reused"], "not read": sums["skipped"]}
    return "".join(f"; {number:,} {words}" for words, number in told.items() if number)


def reason_unread(file):
    """Return why a file of a result wasn't read, None if it was."""
    return file.get("skipped") or file.get("error")


def language_label(file):
    """Return the name under which a report counts a file of a result."""
    return "(binary)" if file["binary"] else file["language"] or "(unknown)"


@local_dir.summarize
def sum_up(context, results):
    """Return the totals, the same per language and per top folder, the largest files, what wasn't
    read and why, and what changed.

    {"root", "files", "bytes", "lines", "binary", "reused": files that weren't read again,
    "languages": {name: {"files", "bytes", "lines"}}, "directories": the same by top folder ("." for
    the files in none), "largest": [{"path", "bytes", "lines", "language"}], "skipped": number,
    "skipped_reasons": {reason: number}, "skipped_examples": [{"path", "reason"}], "changes": see
    `Before.compare`, and as `report_cut` has it, "cut"}. `files` are plain files, read or not;
    `skipped` are those of them that weren't read, and all that is no file.
    """
    totals, reused, changes, cut = Totals(), 0, [], None
    for sums in results:
        context.check()
        totals.add(sums)
        reused, cut = reused + sums["reused"], cut or sums["cut"]
        changes.append(sums["changes"])
    return {
        "root": shorten(path_to_text(root_of(context.options))),
        **totals.numbers,
        "reused": reused,
        "languages": totals.languages.report(MAX_LANGUAGES),
        "directories": totals.folders.report(MAX_FOLDERS),
        "largest": totals.largest.rows(),
        **totals.unread.report(),
        "changes": add_up_changes(changes),
        **report_cut(cut),
    }
