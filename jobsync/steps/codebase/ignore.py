"""What a walk leaves out: `exclude_paths`, and what `.gitignore` files say, by git's rules.

git asks its patterns about each folder and file on the way down and never enters a folder that is
ignored. So do we: a pattern is asked about the path itself only, the deepest `.gitignore` first,
its last line first, and the first answer counts.
"""

from typing import NamedTuple

from jobsync.base.text import printable
from jobsync.steps.codebase.folder import FILE, FOLDER, reason_of, shown
from jobsync.steps.codebase.sentences import counted
from jobsync.steps.wildmatch import BadPattern, as_bytes, compile_pattern

GITIGNORE = ".gitignore"
MAX_GITIGNORE = 1 << 20  # bytes
MAX_SHOWN = 60
MAX_PATTERNS = 20_000  # that hold in one folder: each is asked about each file


class Pattern(NamedTuple):
    """A line of a .gitignore. hides: False where it begins with `!`. folders_only: it ends with
    a slash. is_name: it has no other slash.
    """

    regex: object
    hides: bool
    folders_only: bool
    is_name: bool


class Ignore:
    """The patterns that hold in one folder. levels: [(number of folders above, patterns)], from
    the root down.
    """

    def __init__(self, exclude, gitignore, levels=()):
        self.exclude = exclude
        self.gitignore = gitignore
        self.levels = levels
        self.size = len(exclude) + sum(len(patterns) for _, patterns in levels)

    def below(self, folder, parts, entries, log):
        """Return the Ignore that holds in a folder with these entries: with its own .gitignore,
        if it has one.
        """
        if not self.gitignore or (*parts, GITIGNORE) not in (
            entry.parts for entry in entries if entry.kind == FILE
        ):
            return self
        patterns = read_gitignore(folder, (*parts, GITIGNORE), MAX_PATTERNS - self.size, log)
        return Ignore(self.exclude, True, (*self.levels, (len(parts), patterns)))

    def hides(self, entry):
        """Return whether an Entry is left out, given that the folders above it are not."""
        is_folder = entry.kind == FOLDER
        if self.exclude and verdict(self.exclude, entry.parts, is_folder):
            return True
        if self.gitignore and entry.parts[-1] == ".git":
            return True
        for depth, patterns in reversed(self.levels):
            answer = verdict(patterns, entry.parts[depth:], is_folder)
            if answer is not None:
                return answer
        return False


def verdict(patterns, parts, is_folder):
    """Return whether the patterns (last line first) hide the path; None if they say nothing of
    it.
    """
    path, name = as_bytes("/".join(parts)), as_bytes(parts[-1])
    for regex, hides, folders_only, is_name in patterns:
        if (is_folder or not folders_only) and regex.match(name if is_name else path):
            return hides
    return None


def parse_exclude(lines):
    """Return the patterns of `exclude_paths`, last first.

    Raises ValueError that names the bad one.
    """
    return [pattern for line in reversed(lines) for pattern in parse(anchored(line))]


def anchored(line):
    """Return `./src` as git would write it: `/src`."""
    return line[1:] if line.startswith("./") else line


def read_gitignore(folder, parts, room, log):
    """Return the patterns of a .gitignore file, last line first, at most `room` of them.

    What can't be read or understood costs a warning line.
    """
    name = shown("/".join(parts))
    try:
        with folder.open(parts) as file:
            raw = file.read(MAX_GITIGNORE + 1)
    except OSError as error:
        log(f"{name}: not read, so nothing is ignored by it: {reason_of(error)}", level="warning")
        return []
    *lines, rest = raw[:MAX_GITIGNORE].decode("utf-8-sig", "surrogateescape").split("\n")
    patterns, bad = [], []
    for line in [*lines, rest] if len(raw) <= MAX_GITIGNORE else lines:
        try:
            patterns += parse(line.removesuffix("\r"))
        except ValueError:
            bad.append(line)
        if len(patterns) > room:
            break
    if bad:
        which = (
            f"{bad[0][:MAX_SHOWN]!r}"
            if len(bad) == 1
            else f"{counted(len(bad), 'line')} such as {bad[0][:MAX_SHOWN]!r}"
        )
        log(f"{name}: {printable(which)}: no pattern, so nothing is ignored by it", level="warning")
    if len(patterns) > room or len(raw) > MAX_GITIGNORE:
        log(
            (
                f"{name}: too long, so only its first "
                f"{counted(min(len(patterns), room), 'pattern')} count"
            ),
            level="warning",
        )
    return patterns[:room][::-1]


def parse(line):
    """Return the Pattern of a line in a list, an empty list for a comment or a blank line. Raises
    ValueError.

    The slash at the end is taken off and remembered, because then all expressions can be asked
    about paths without one.
    """
    if line.startswith("#"):
        return []
    text = without_spaces_at_its_end(line.partition("\0")[0])
    hides = not text.startswith("!")
    text = text if hides else text[1:]
    folders_only = text.endswith("/")
    text = text.removesuffix("/")
    if not text and hides:
        return []
    try:
        if not text:
            raise BadPattern
        return [
            Pattern(
                compile_pattern(as_bytes(text.removeprefix("/"))),
                hides,
                folders_only,
                "/" not in text,
            )
        ]
    except BadPattern as error:
        raise ValueError(f"{line!r} is not a pattern") from error


def without_spaces_at_its_end(line):
    """Return a line without the spaces at its end; one that a backslash stands before stays."""
    short = line.rstrip(" ")
    backslashes = len(short) - len(short.rstrip("\\"))
    return line[: len(short) + backslashes % 2]
