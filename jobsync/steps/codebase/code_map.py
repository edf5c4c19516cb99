"""Step type `code_map`: a map of a folder's code: lines of code, comment and blank lines per
language and folder, biggest files, depth.

It walks the folder by itself, so it can run beside an import. What a line is, and which kind,
`_count.py` says; binary files, and those that aren't read, have none. Files are counted as they
are, copies, generated and minified ones too; how much of the whole is generated, minified or has
very long lines is told beside it (`_generated.py`), and so are the encodings (`_encoding.py`). A
file whose size and times (of its content, and of anything of it) are those that the last run over
the same folder recorded isn't read again.
"""

from typing import NamedTuple

import chardet
import pygments

from jobsync.base.text import path_to_text, text_to_path
from jobsync.definitions.fields import WholeNumber
from jobsync.registry import step
from jobsync.steps.codebase.count import Lines, count_lines, lines_without_comments
from jobsync.steps.codebase.encoding import WESTERN, decode, guess_of, no_guess
from jobsync.steps.codebase.folder import Folder, TooLarge, look, read_chunks, reason_of
from jobsync.steps.codebase.generated import MARKS, marks_of
from jobsync.steps.codebase.language import KINDS, is_binary, kind_of_language, language_of
from jobsync.steps.codebase.previous_run import Before, find_run, tell_before, when
from jobsync.steps.codebase.sentences import (
    OTHER,
    Largest,
    Sums,
    Unread,
    counted,
    folder_of,
    report_cut,
    shorten,
)
from jobsync.steps.codebase.walk import FolderOptions, cut_of, plan_batches, root_of, tell
from jobsync.steps.isolated import GaveUp

FILES_PER_CHILD = (50, 1000)  # least and most
# A lexer reads about 1 MB a second: this keeps a child under a second or so.
BYTES_PER_CHILD = 512 << 10
LARGEST_PER_CHILD = MAX_LARGEST = 20
MAX_LANGUAGES = 60
MAX_FOLDERS = 50
MAX_FOLDER_LANGUAGES = 5
MAX_ENCODINGS = 20
FIELDS = ("files", "bytes", "lines", "code", "comment", "blank")
MARKED = ("files", "lines", "code")
NO_LINES = Lines(0, 0, 0)
BINARY, UNKNOWN = "(binary)", "(unknown)"
# What a record and the sums say depends on these: the first number is raised when files come to be
# counted in another way
READER = f"3, Pygments {pygments.__version__}, chardet {chardet.__version__}"


class Examined(NamedTuple):
    """What is known of a file. encoding: None for a binary file and one that wasn't read;
    reason: why it wasn't, or None.
    """

    language: str
    size: int
    lines: Lines = NO_LINES
    marks: tuple = ()
    encoding: str | None = None
    reason: str | None = None


class CodeMapOptions(FolderOptions):
    """The options of `code_map`: those of the walk.

    A file is held in memory while it is read, so `max_file_size` ends at 64 MiB.
    """

    max_file_size = WholeNumber(1, 64 << 20, load_default=1 << 20)


@step("code_map", options=CodeMapOptions, batch=True, resumes=True, sums="sums")
def code_map(context, unit):
    """Count the lines of one batch of files.

    Returns {"files": [{"path", "size": bytes, "mtime", "ctime", "language", "code", "comment",
    "blank": lines, "marks", "encoding", "reason"}], "reader", "sums"}. marks: "generated,
    long_lines", "" for a file that is none of these; encoding: None for a binary file and one that
    wasn't read; reason: why it wasn't, or None; reader: what the records depend on besides; sums:
    see `add_up`; it is all that the summary needs.
    """
    files, unread, before = [], [], Before(context, unit, READER, was_read)
    with Folder(text_to_path(unit["root"])) as folder:
        for path in unit["files"]:
            context.check()
            found = look(folder, path, context.options["max_file_size"])
            file = before.record_of(found) or record_of(found, examine(context, folder, found))
            if file["reason"]:
                unread.append({"path": path, "reason": file["reason"]})
            if found.is_file:
                files.append(file)
    then = before.results_of(files)
    sums = (then[0]["sums"] if len(then) == 1 else add_up(files)) | {
        "unread": unread,
        "cut": cut_of(unit),
    }
    log_counts(context, sums["rows"], before.reused)
    return {"files": files, "reader": READER, "sums": sums}


def was_read(file):
    return file["reason"] is None


def record_of(found, seen):
    """Return what a result says of one plain file."""
    return {
        "path": found.path,
        "size": seen.size,
        "mtime": when(found.mtime),
        "ctime": when(found.ctime),
        "language": seen.language,
        **seen.lines._asdict(),
        "marks": ", ".join(seen.marks),
        "encoding": seen.encoding,
        "reason": seen.reason,
    }


def add_up(files):
    """Return the sums of one batch.

    {"rows": one {"directory", "language", "files", "bytes", "lines", "code", "comment", "blank"}
    per folder and language, "generated", "minified", "long_lines": {"files", "lines", "code"} of
    the files that are so, "encodings": {name: files}, "largest": [{"path", "language", "bytes",
    "lines", "code", "marks"}], "deepest": path or None}.
    """
    rows, marked, encodings, largest = (
        Sums(*FIELDS),
        Sums(*MARKED),
        Sums("files"),
        Largest(LARGEST_PER_CHILD, by="lines"),
    )
    for file in files:
        kinds = (file["code"], file["comment"], file["blank"])
        rows.add((folder_of(file["path"]), file["language"]), 1, file["size"], sum(kinds), *kinds)
        for mark in filter(None, file["marks"].split(", ")):
            marked.add(mark, 1, sum(kinds), file["code"])
        if file["encoding"]:
            encodings.add(file["encoding"], 1)
        row = {
            "path": file["path"],
            "language": file["language"],
            "bytes": file["size"],
            "lines": sum(kinds),
        }
        largest.offer(row | {"code": file["code"], "marks": file["marks"]})
    return {
        "rows": [
            {"directory": at, "language": name, **dict(zip(FIELDS, row, strict=True))}
            for (at, name), row in rows.rows.items()
        ],
        **report_marks(marked),
        "encodings": report_encodings(encodings),
        "largest": largest.rows(),
        "deepest": deepest([file["path"] for file in files]),
    }


def report_marks(marked):
    """Return {mark: {"files", "lines", "code"}} of Sums by mark, all the marks of
    `_generated.py`.
    """
    none = [0] * len(MARKED)
    return {mark: dict(zip(MARKED, marked.rows.get(mark, none), strict=True)) for mark in MARKS}


def report_encodings(encodings):
    """Return {name: files} of Sums by encoding, the most common first."""
    return {name: row["files"] for name, row in encodings.report(MAX_ENCODINGS, by="files").items()}


@code_map.plan
def plan_map(context):
    """Yield batches of files; input as `plan_batches` and `tell_before` make it."""
    root = path_to_text(root_of(context.options))
    run = find_run(context, root)
    batches = plan_batches(context, FILES_PER_CHILD, BYTES_PER_CHILD, run and run.is_seam)
    yield from tell_before(context, run, root, batches) if run else batches


def examine(context, folder, found):
    """Return what a look found as Examined. What went wrong costs a warning line."""
    name = found.parts[-1]
    reason, trouble = found.reason, found.trouble
    if not reason:
        try:
            with folder.open(found.parts) as file:
                raw = b"".join(read_chunks(file, context.options["max_file_size"]))
            return classify(context, found, raw)
        except TooLarge as error:
            reason = error.message
        except OSError as error:
            reason, trouble = reason_of(error), True
    tell(context, found.path, reason, trouble)
    return Examined(language_of(name) or UNKNOWN, found.size, reason=reason)


def classify(context, found, raw):
    """Return a file's bytes as Examined."""
    if is_binary(raw):
        return Examined(BINARY, len(raw))
    name = found.parts[-1]
    text, encoding = decode_or_tell(context, found, raw)
    language = language_of(name, raw)
    lines = count_or_guess(context, found, text, language)
    return Examined(
        language or UNKNOWN,
        len(raw),
        lines,
        marks_of(name, language, text),
        encoding if raw else None,
    )


def decode_or_tell(context, found, raw):
    """Return bytes as Decoded; if the guess at their encoding is given up, as Western European."""
    try:
        return decode(raw, lambda some: guess_of(some, context.check))
    except GaveUp as error:
        tell(
            context,
            found.path,
            f"the guess at the encoding {error.message}, so it is read as {WESTERN}",
            trouble=True,
        )
        return decode(raw, no_guess)


def count_or_guess(context, found, text, language):
    """Return the Lines of a text; if its lexer is given up, as if it had no comments."""
    try:
        return count_lines(text, language, context.check)
    except GaveUp as error:
        tell(
            context,
            found.path,
            f"the lexer for {language} {error.message}, so comments are counted as code",
            trouble=True,
        )
        return lines_without_comments(text)


def deepest(paths):
    """Return the path with the most folders above it, the first by name of those; None if there
    is none.
    """
    return min(paths, key=lambda path: (-path.count("/"), path), default=None)


def log_counts(context, rows, reused):
    files, lines, *kinds = (
        sum(row[name] for row in rows) for name in ("files", "lines", "code", "comment", "blank")
    )
    told = ", ".join(
        f"{number:,} {name}"
        for number, name in zip(kinds, ("code", "comment", "blank"), strict=True)
    )
    context.log(
        f"mapped {counted(files, 'file')}, {counted(lines, 'line')}: "
        f"{told}{f'; {reused:,} as they were' if reused else ''}"
    )


@code_map.summarize
def sum_up(context, results):
    """Return the whole map.

    {"root", "files", "bytes", "lines", "code", "comment", "blank", "languages": {name: those six},
    "kinds": {"code", "prose", "data", "other": those six}, "directories": {path: those six and
    "languages"}, "directory_count", "generated", "minified", "long_lines": {"files", "lines",
    "code"}, "encodings": {name: files}, "largest": [{"path", "language", "bytes", "lines", "code",
    "marks"}], "depth", "deepest": path, "skipped": number, "skipped_reasons", "skipped_examples",
    and "cut" as `report_cut` has it}.

    A folder's numbers are those of the files right in it, "." is the root; the folders with the
    most lines are shown, the others added up. kinds: where the code is, as "code" has the lines of
    prose and data too. generated, minified, long_lines: how much of the whole is in files that are
    so. encodings: of the text files that were read and aren't empty. depth: number of folders above
    the deepest file.
    """
    languages, folders, marked, encodings = Sums(*FIELDS), {}, Sums(*MARKED), Sums("files")
    largest, unread, bottom, cut = Largest(MAX_LARGEST, by="lines"), Unread(), None, None
    for sums in results:
        context.check()
        cut = cut or sums["cut"]
        for row in sums["rows"]:
            amounts = [row[name] for name in FIELDS]
            languages.add(row["language"], *amounts)
            folders.setdefault(row["directory"], Sums(*FIELDS)).add(row["language"], *amounts)
        for mark in MARKS:
            marked.add(mark, *sums[mark].values())
        for name, files in sums["encodings"].items():
            encodings.add(name, files)
        for row in sums["largest"]:
            largest.offer(row | {"path": shorten(row["path"])})
        for row in sums["unread"]:
            unread.add(row["path"], row["reason"])
        bottom = deepest([path for path in (bottom, sums["deepest"]) if path])
    return {
        "root": shorten(path_to_text(root_of(context.options))),
        **languages.total(),
        "languages": languages.report(MAX_LANGUAGES),
        "kinds": report_kinds(languages),
        "directories": report_folders(folders),
        "directory_count": len(folders),
        **report_marks(marked),
        "encodings": report_encodings(encodings),
        "largest": largest.rows(),
        "depth": bottom.count("/") if bottom else 0,
        "deepest": bottom and shorten(bottom),
        **unread.report(),
        **report_cut(cut),
    }


def report_kinds(languages):
    """Return {kind: row} of Sums by language, the kinds that there are, with the most lines
    first.
    """
    kinds = Sums(*FIELDS)
    for name, row in languages.rows.items():
        kinds.add(kind_of_language(name), *row)
    return kinds.report(len(KINDS))


def report_folders(folders):
    """Return the rows of the largest folders, each with its largest languages, of {path: Sums
    by language}.
    """
    sums = Sums(*FIELDS)
    for path, languages in folders.items():
        sums.add(path, *languages.total().values())
    report = sums.report(MAX_FOLDERS)
    return {
        shorten(path): row
        | ({} if path == OTHER else {"languages": folders[path].report(MAX_FOLDER_LANGUAGES)})
        for path, row in report.items()
    }
