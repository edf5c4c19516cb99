"""What the last run over the same folder knew, so that unchanged files aren't read again and a
result can say what changed since.

The plan tells each batch which children of that run to look at: both runs list their files in the
same order, so the two lists are gone through side by side. A batch stands for the part of the order
that follows the batch before it, up to its own last file, and the last batch for all the rest. So a
file that is gone belongs to exactly one batch, and is missed there. Batches end where some of that
run did: then they stand for the same files, and where none of these has changed the sums are taken
over too.
"""

from typing import NamedTuple

from jobsync.base.clock import iso
from jobsync.registry import Unit
from jobsync.steps.codebase.folder import parts_of
from jobsync.steps.codebase.sentences import shorten

MAX_EXAMPLES = 20
# ms: some file systems keep times no finer than this, so a file that was written so shortly before
# it was read may have changed since, unseen
COARSE = 2000
ADDED, REMOVED, MODIFIED, UNCHANGED = "added", "removed", "modified", "unchanged"


def when(moment):
    """Return a file's time (ms) as ISO 8601; None beyond the years 1 to 9999, which file
    systems can hold too.
    """
    try:
        return iso(moment)
    except OverflowError:
        return None


# Planning


class Batch(NamedTuple):
    """A child of the run before: its id, and the parts of the path of its last file."""

    id: str
    last: tuple


class RunBefore:
    """The batches of the run before, gone through once, in order. run: what `Context.last_run`
    says of it.
    """

    def __init__(self, context, run):
        self.run = run
        self._children = context.run_children(run["id"])
        self._to_come = run["child_count"]
        self._open = []
        self._ahead = None
        self._advance()
        self.root = self._ahead and self._ahead[1]["root"]
        self.known_to = None  # the last path it listed, if it was cut there

    @property
    def is_gone(self):
        """Say whether some of it was missing: its job is being deleted."""
        return self._ahead is None and self._to_come > 0

    def _advance(self):
        """Go to the next batch that has files."""
        self._ahead = None
        for child, given in self._children:
            self._to_come -= 1
            if given["files"]:
                self._ahead = (child, given)
                return

    def _open_to(self, upto):
        """Open the batches that begin in the part of the order up to `upto`; None: to the end."""
        while self._ahead and (upto is None or parts_of(self._ahead[1]["files"][0]) <= upto):
            child, given = self._ahead
            self._open.append(Batch(child, parts_of(given["files"][-1])))
            self.known_to = given["files"][-1] if given.get("cut") else None
            self._advance()

    def is_seam(self, last, following):
        """Say whether a batch of it ended after the file `last` and before the `following` one,
        given their parts: its sums can be taken over then.
        """
        self._open_to(last)
        return any(last <= batch.last < following for batch in self._open)

    def among(self, after, upto):
        """Return the ids of the batches with files in the part of the order after the parts
        `after`, up to `upto`; None: from the begin, to the end.
        """
        self._open_to(upto)
        self._open = [batch for batch in self._open if after is None or batch.last > after]
        return [batch.id for batch in self._open]


def find_run(context, root):
    """Return the RunBefore that this one is compared with (see `Context.last_run`), the same one
    all along; None if there is none.

    root: the folder, as text. A run over another one is none.
    """
    given = context.last_input
    run = given.get("before", {}).get("run") if given else context.last_run()
    found = run and RunBefore(context, run)
    return found if found and found.root in (None, root) else None


def tell_before(context, before, root, units):
    """Yield the Units of a walk, each with a `before` in its input.

    before: {"run": see `Context.last_run`, "children": [ids], "after": path or None: where the
    Unit's part begins, "known_to": path or None: beyond it the run before knows nothing, because it
    was cut there, "is_gone": whether that run was deleted meanwhile}.
    """
    given = context.last_input
    after = given["files"][-1] if given and given["files"] else None
    for unit in at_least_one(units, root) if not given else units:
        end = end_of(unit.input)
        children = before.among(after and parts_of(after), end and parts_of(end))
        about = {
            "run": before.run,
            "children": children,
            "after": after,
            "known_to": before.known_to,
            "is_gone": before.is_gone,
        }
        yield Unit(unit.name, unit.input | {"before": about})
        after = end


def at_least_one(units, root):
    """Yield the Units, or one without files: somebody has to miss what was in a folder that is
    empty by now.
    """
    first = next(units, None)
    yield first or Unit("no files", {"root": root, "start": 0, "files": [], "last": True})
    yield from units


def end_of(unit):
    """Return the path at which a batch's part of the order ends; None: with the order."""
    return None if unit.get("last") and not unit.get("cut") else unit["files"][-1]


# Doing a batch


class Before:
    """What the run before knew of one batch's part of the order.

    reader: what a record depends on besides its file; those of another reader aren't taken over.
    was_read(file): whether a record is of a file that was read.
    """

    def __init__(self, context, unit, reader, was_read):
        self._about = unit.get("before")
        self._files, self._usable, self._missing, self._results = {}, {}, [], []
        self._is_gone = bool(self._about and self._about["is_gone"])
        self.reused = 0  # records that were taken over
        if self._about:
            self._started_at = self._about["run"]["started_at"]
            self._load(context, unit, reader, was_read)

    def _load(self, context, unit, reader, was_read):
        listed = set(unit["files"])
        after, upto = (path and parts_of(path) for path in (self._about["after"], end_of(unit)))
        for child in self._about["children"]:
            context.check()
            result = context.result(child)
            if result is None:
                self._is_gone = True
                continue
            records = {file["path"]: file for file in result["files"]}
            self._files.update(records)
            if result["reader"] == reader:
                self._results.append(result)
                self._usable.update(
                    (path, file)
                    for path, file in records.items()
                    if was_read(file) and file["mtime"] and file["ctime"]
                )
        unlisted = self._files.keys() - listed
        self._missing = [
            path
            for path in unlisted
            if (after is None or parts_of(path) > after)
            and (upto is None or parts_of(path) <= upto)
        ]
        for path in unlisted:
            del self._files[path]

    def record_of(self, found):
        """Take over the record of the file that a Look found, if it was read then and has kept
        its size and times; None if it wasn't or hasn't.
        """
        file = self._usable.get(found.path)
        if not file or (file["size"], file["mtime"], file["ctime"]) != (
            found.size,
            when(found.mtime),
            when(found.ctime),
        ):
            return None
        # What changed while that run read it, or so shortly before that the times can't show it,
        # may be another content
        if found.mtime > self._started_at - COARSE or found.ctime >= self._started_at:
            return None
        self.reused += 1
        return file

    def results_of(self, files):
        """Return the results of those batches of that run whose records are all of these, each
        taken over; none if some of these aren't from there.
        """
        if self.reused == len(files) == sum(len(result["files"]) for result in self._results):
            return self._results
        return []

    def compare(self, files):
        """Return what changed in this part, given its files' records now.

        {"since": {"job_id", "at"}, "added", "removed", "modified", "unchanged": numbers,
        "examples": [{"path", "change"}]}. None without a run before, or when its job was deleted
        meanwhile. A file is modified if its bytes are others, or, where they weren't read, its size
        or time.
        """
        if not self._about or self._is_gone:
            return None
        numbers, changed = (
            dict.fromkeys((ADDED, REMOVED, MODIFIED), 0) | {UNCHANGED: self.reused},
            [],
        )
        for path, change in self._changes(files):
            numbers[change] += 1
            if change != UNCHANGED:
                changed.append((path, change))
        changed.sort(key=lambda pair: parts_of(pair[0]))
        examples = [
            {"path": shorten(path), "change": change} for path, change in changed[:MAX_EXAMPLES]
        ]
        run = self._about["run"]
        since = {"job_id": run["job_id"], "at": iso(run["started_at"])}
        return {"since": since, **numbers, "examples": examples}

    def _changes(self, files):
        """Yield (path, change) of all but the records that were taken over.

        What the run before can't know, since it was cut before it came there, is left out.
        """
        known_to = self._about["known_to"]
        for file in files:
            path, before = file["path"], self._files.get(file["path"])
            if before is file:
                continue
            if before:
                yield path, change_between(before, file)
            elif known_to is None or parts_of(path) <= parts_of(known_to):
                yield path, ADDED
        for path in (*self._missing, *self._files.keys() - {file["path"] for file in files}):
            yield path, REMOVED


def change_between(before, after):
    """Return whether a file's record tells of other bytes than the one before it."""
    told = ("sha256",) if before["sha256"] and after["sha256"] else ("size", "mtime")
    return UNCHANGED if all(before[name] == after[name] for name in told) else MODIFIED


def add_up_changes(parts):
    """Return the changes of a whole folder from those of its batches (see `Before.compare`),
    None if one of them isn't known.
    """
    parts = list(parts)
    if not parts or None in parts:
        return None
    numbers = {
        name: sum(part[name] for part in parts) for name in (ADDED, REMOVED, MODIFIED, UNCHANGED)
    }
    examples = [example for part in parts for example in part["examples"]]
    return {"since": parts[0]["since"], **numbers, "examples": examples[:MAX_EXAMPLES]}
