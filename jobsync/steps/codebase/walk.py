"""The walk that `local_dir` and `code_map` share: their options, the order of files, and batches of
them as children.

The order is that of the names, folder by folder, so a walk can go on after any path, exactly.
"""

import os

from marshmallow import Schema, ValidationError, fields, post_load, validate

from jobsync.base.errors import StepFailed
from jobsync.base.text import path_to_text, text_to_path
from jobsync.definitions.fields import TrueOrFalse, WholeNumber
from jobsync.registry import Unit
from jobsync.steps.codebase.folder import FOLDER, Folder, parts_of, shown
from jobsync.steps.codebase.ignore import Ignore, parse_exclude
from jobsync.steps.codebase.sentences import first_of

STEPS_OF_GROWTH = 10
EXTENSION = r"\*?\.?[^/*.][^/*]*\Z"
EXTENSION_REASON = "must be an extension such as .py"


def check_pattern(line):
    """Refuse a line of `exclude_paths` that is no pattern."""
    try:
        parse_exclude([line])
    except ValueError as error:
        raise ValidationError(str(error)) from error


class FolderOptions(Schema):
    """Which files of a folder are walked over.

    dir_path: the folder; relative to the folder that jobsync was started in.
    extensions: `[".py", "md"]`, in upper or lower case, with or without the dot; empty: all files.
    exclude_paths: patterns as in a .gitignore at the top of the folder: `node_modules` is left out
    wherever it is, `docs/old` (or `./docs/old`, `/docs`) only there, `*.min.js` by its name,
    `build/` only where it is a folder.
    gitignore: leave out what the folder's own .gitignore files say (those of inner folders too),
    and `.git`. Unlike git, that holds for a file that was committed all the same, and no ignore
    file outside the folder or inside `.git` counts.
    max_file_size: bytes; larger files are listed, not read. max_files: the files behind these are
    counted, not listed, and the result says so.
    """

    dir_path = fields.String(required=True, validate=validate.Length(min=1))
    extensions = fields.List(
        fields.String(validate=validate.Regexp(EXTENSION, error=EXTENSION_REASON)),
        load_default=list,
    )
    exclude_paths = fields.List(
        fields.String(validate=[validate.Length(min=1), check_pattern]), load_default=list
    )
    gitignore = TrueOrFalse(load_default=True)
    max_file_size = WholeNumber(1, load_default=1 << 20)
    max_files = WholeNumber(1, load_default=1_000_000)

    @post_load
    def normalize(self, options, **_):
        options["extensions"] = sorted(
            {"." + name.lstrip("*.").lower() for name in options["extensions"]}
        )
        return options


def root_of(options):
    """Return the absolute path of the folder."""
    return os.path.abspath(options["dir_path"])


def plan_batches(context, files, size=None, is_seam=None):
    """Yield Units of some files, or `size` bytes that are to be read (None: any), going on after
    `context.last_input`.

    files: (least, most). The further the walk, the more: each Unit costs some time of its own, but
    a small folder needs some for all workers.
    is_seam(last, next): whether a Unit may well end between two files, given their parts; one of
    twice as many files ends anywhere.
    Input: {"root", "start": number of files in earlier Units, "files": [path texts], "last": True
    on the last, and on it, if there are more than `max_files`, "cut": True and "found": how many
    there are}.
    """
    last = context.last_input
    if last and last.get("last"):
        return
    root = root_of(context.options)
    start, after = (
        (last["start"] + len(last["files"]), parts_of(last["files"][-1])) if last else (0, ())
    )
    batch, weight, limit = [], 0, limit_from(files, start)
    with Folder(root) as folder:
        entries = wanted(context, folder, after, sized=size is not None)
        for entry in entries:
            listed = start + len(batch)
            if listed == context.options["max_files"]:
                found = listed + 1 + sum(1 for _ in entries)
                context.log(
                    f"{first_of(listed, found)} (max_files): the rest is left out", level="warning"
                )
                yield batch_unit(root, start, batch, last=True, cut=True, found=found)
                return
            is_full = len(batch) >= limit or (size and weight >= size)
            if is_full and (
                is_seam is None
                or len(batch) >= 2 * limit
                or is_seam(parts_of(batch[-1]), entry.parts)
            ):
                yield batch_unit(root, start, batch)
                start, batch, weight = start + len(batch), [], 0
                limit = limit_from(files, start)
            batch.append(path_to_text("/".join(entry.parts)))
            weight += entry.size if entry.size <= context.options["max_file_size"] else 0
    if batch:
        yield batch_unit(root, start, batch, last=True)


def cut_of(unit):
    """Return where a walk was cut, {"listed", "found": files}, by the input of its last Unit;
    None of others and of one that wasn't.
    """
    return (
        {"listed": unit["start"] + len(unit["files"]), "found": unit["found"]}
        if unit.get("cut")
        else None
    )


def limit_from(files, start):
    """Return how many files the batch that begins with the file number `start` is to have."""
    least, most = files
    return max(least, min(most, start // STEPS_OF_GROWTH))


def batch_unit(root, start, batch, **more):
    name = f"files {start + 1:,} to {start + len(batch):,}"
    return Unit(name, {"root": path_to_text(root), "start": start, "files": batch, **more})


def wanted(context, folder, after, sized):
    """Return an iterator of the Entries of a walk that have one of the extensions; a folder,
    which is one that can't be read, needs none.
    """
    extensions = tuple(context.options["extensions"])
    ignore = Ignore(parse_exclude(context.options["exclude_paths"]), context.options["gitignore"])
    entries = walk(context, folder, ignore, after, sized)
    if not extensions:
        return entries
    return (
        entry
        for entry in entries
        if entry.kind == FOLDER or entry.parts[-1].lower().endswith(extensions)
    )


def walk(context, folder, ignore, after=(), sized=True):
    """Yield the Entries after the path `after` that are not ignored, in order: all but folders,
    and folders that can't be read.
    """
    top = listing(context, folder, (), ignore, after, sized)
    if top is None:
        raise StepFailed(f"{shown(root_of(context.options))}: can't be listed")
    levels = [top]
    while levels:
        context.check()
        ignore, entries = levels[-1]
        entry = next(entries, None)
        if entry is None:
            levels.pop()
        elif ignore.hides(entry):
            continue
        elif entry.kind == FOLDER and (
            level := listing(context, folder, entry.parts, ignore, after, sized)
        ):
            levels.append(level)
        elif entry.parts > after:
            yield entry


def listing(context, folder, parts, ignore, after, sized):
    """Return (the Ignore that holds in a folder, its Entries that aren't wholly before
    `after`), None if it can't be read.
    """
    context.check()
    try:
        entries = folder.entries(parts, sized)
    except OSError:
        return None
    ignore = ignore.below(folder, parts, entries, context.log)
    return ignore, iter([entry for entry in entries if entry.parts >= after[: len(entry.parts)]])


def tell(context, path, reason, trouble=False):
    """Write why a path isn't read into the log: a warning if it is trouble, else at level debug."""
    context.log(f"{shown(text_to_path(path))}: {reason}", level="warning" if trouble else "debug")
