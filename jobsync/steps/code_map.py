"""Step type `code_map`: a map of a folder's code: lines of code, comment and blank lines per language and folder, biggest files, depth.

It walks the folder by itself, so it can run beside an import. What a line is, and which kind, `_count.py` says; binary files,
and those that aren't read, have none. Files are counted as they are: copies and generated ones too.
"""

from jobsync.definitions.fields import WholeNumber
from jobsync.errors import Stopped
from jobsync.registry import step
from jobsync.steps._count import Lines, count_lines, decode, without_comments
from jobsync.steps._folder import Folder, TooLarge, look, read_chunks, reason_of
from jobsync.steps._language import is_binary, language_of
from jobsync.steps._report import OTHER, Largest, Sums, Unread, counted, folder_of, shorten
from jobsync.steps._walk import FolderOptions, plan_batches, root_of, tell
from jobsync.text import path_to_text, text_to_path

FILES_PER_CHILD = 50
# A lexer reads about 1 MB a second: this keeps a child under a second or so.
BYTES_PER_CHILD = 512 << 10
LARGEST_PER_CHILD = MAX_LARGEST = 20
MAX_LANGUAGES = 60
MAX_FOLDERS = 50
MAX_FOLDER_LANGUAGES = 5
FIELDS = ("files", "bytes", "lines", "code", "comment", "blank")
NO_LINES = Lines(0, 0, 0)
BINARY, UNKNOWN = "(binary)", "(unknown)"


class CodeMapOptions(FolderOptions):
    """The options of `code_map`: those of the walk. A file is held in memory while it is read, so `max_file_size` ends at 64 MiB."""

    max_file_size = WholeNumber(1, 64 << 20, load_default=1 << 20)


@step("code_map", options=CodeMapOptions, batch=True, resumes=True)
def code_map(context, unit):
    """Count the lines of one batch of files.

    Returns {"rows": one {"directory", "language", "files", "bytes", "lines", "code", "comment", "blank"} per folder and language,
    "largest": [{"path", "language", "bytes", "lines", "code"}], "deepest": path or None, "unread": [{"path", "reason"}], "cut"}.
    """
    rows, largest, paths, unread = Sums(*FIELDS), Largest(LARGEST_PER_CHILD, by="lines"), [], []
    with Folder(text_to_path(unit["root"])) as folder:
        for path in unit["files"]:
            context.check()
            found = look(folder, path, context.options["max_file_size"])
            language, size, lines, reason = examine(context, folder, found)
            if reason:
                unread.append({"path": path, "reason": reason})
            if found.is_file:
                paths.append(path)
                rows.add((folder_of(path), language), 1, size, sum(lines), *lines)
                largest.offer({"path": path, "language": language, "bytes": size, "lines": sum(lines), "code": lines.code})
    log_counts(context, rows)
    return {
        "rows": [{"directory": at, "language": name, **dict(zip(FIELDS, row, strict=True))} for (at, name), row in rows.rows.items()],
        "largest": largest.rows(),
        "deepest": deepest(paths),
        "unread": unread,
        "cut": unit.get("cut", False),
    }


@code_map.plan
def plan_map(context):
    """Yield batches of files; input as `plan_batches` makes it."""
    yield from plan_batches(context, FILES_PER_CHILD, BYTES_PER_CHILD)


def examine(context, folder, found):
    """Return (language, bytes, Lines, reason why it wasn't read or None) of what a look found. Trouble costs a warning line."""
    name = found.parts[-1]
    reason, trouble = found.reason, found.trouble
    if not reason:
        try:
            with folder.open(found.parts) as file:
                raw = b"".join(read_chunks(file, context.options["max_file_size"]))
            return *classify(context, found, raw), None
        except TooLarge as error:
            reason = error.message
        except OSError as error:
            reason, trouble = reason_of(error), True
    tell(context, found.path, reason, trouble)
    return language_of(name) or UNKNOWN, found.size, NO_LINES, reason


def classify(context, found, raw):
    """Return (language, bytes, Lines) of a file's bytes."""
    if is_binary(raw):
        return BINARY, len(raw), NO_LINES
    language = language_of(found.parts[-1], raw)
    return language or UNKNOWN, len(raw), count_or_guess(context, found, decode(raw), language)


def count_or_guess(context, found, text, language):
    """Return the Lines of a text; if its lexer fails, as if it had no comments."""
    try:
        return count_lines(text, language, context.check)
    except Stopped:
        raise
    except Exception as error:  # noqa: BLE001  A lexer is a stranger's code run on a stranger's text: one bad pair must not end the map.
        reason = f"the lexer for {language} failed ({type(error).__name__}), so comments are counted as code"
        tell(context, found.path, reason, trouble=True)
        return without_comments(text)


def deepest(paths):
    """Return the path with the most folders above it, the first by name of those; None if there is none."""
    return min(paths, key=lambda path: (-path.count("/"), path), default=None)


def log_counts(context, rows):
    total = rows.total()
    context.log(
        f"mapped {counted(total['files'], 'file')}, {counted(total['lines'], 'line')}: "
        f"{total['code']:,} code, {total['comment']:,} comment, {total['blank']:,} blank"
    )


@code_map.summarize
def sum_up(context, results):
    """Return the whole map.

    {"root", "files", "bytes", "lines", "code", "comment", "blank", "languages": {name: those six}, "directories": {path: those six
    and "languages"}, "directory_count", "largest": [{"path", "language", "bytes", "lines", "code"}], "depth", "deepest": path,
    "skipped": number, "skipped_reasons", "skipped_examples", "cut"}. A folder's numbers are those of the files right in it, "." is the
    root; the folders with the most lines are shown, the others added up. depth: number of folders above the deepest file.
    """
    languages, folders = Sums(*FIELDS), {}
    largest, unread, bottom, cut = Largest(MAX_LARGEST, by="lines"), Unread(), None, False
    for result in results:
        context.check()
        cut = cut or result["cut"]
        for row in result["rows"]:
            amounts = [row[name] for name in FIELDS]
            languages.add(row["language"], *amounts)
            folders.setdefault(row["directory"], Sums(*FIELDS)).add(row["language"], *amounts)
        for row in result["largest"]:
            largest.offer(row | {"path": shorten(row["path"])})
        for row in result["unread"]:
            unread.add(row["path"], row["reason"])
        bottom = deepest([path for path in (bottom, result["deepest"]) if path])
    return {
        "root": shorten(path_to_text(root_of(context.options))),
        **languages.total(),
        "languages": languages.report(MAX_LANGUAGES),
        "directories": report_folders(folders),
        "directory_count": len(folders),
        "largest": largest.rows(),
        "depth": bottom.count("/") if bottom else 0,
        "deepest": bottom and shorten(bottom),
        **unread.report(),
        "cut": cut,
    }


def report_folders(folders):
    """Return the rows of the largest folders, each with its largest languages, of {path: Sums by language}."""
    sums = Sums(*FIELDS)
    for path, languages in folders.items():
        sums.add(path, *languages.total().values())
    report = sums.report(MAX_FOLDERS)
    return {
        shorten(path): row | ({} if path == OTHER else {"languages": folders[path].report(MAX_FOLDER_LANGUAGES)})
        for path, row in report.items()
    }
