"""What a walk leaves out: `exclude_paths`, and what `.gitignore` files say, by git's rules.

git asks its patterns about each folder and file on the way down and never enters a folder that is ignored. So do we: a pattern is
asked about the path itself only, the deepest `.gitignore` first, its last line first, and the first answer counts.
"""

from typing import NamedTuple

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore import GitIgnorePatternError

from jobsync.steps._folder import FILE, FOLDER, reason_of, shown
from jobsync.text import printable

GITIGNORE = ".gitignore"
MAX_GITIGNORE = 1 << 20


class Pattern(NamedTuple):
    """A line of a .gitignore. hides: False where it begins with `!`. folders_only: it ends with a slash."""

    regex: object
    hides: bool
    folders_only: bool


class Ignore:
    """The patterns that hold in one folder. levels: [(number of folders above, patterns)], from the root down."""

    def __init__(self, exclude, gitignore, levels=()):
        self.exclude = exclude
        self.gitignore = gitignore
        self.levels = levels

    def below(self, folder, parts, entries, log):
        """Return the Ignore that holds in a folder with these entries: with its own .gitignore, if it has one."""
        if not self.gitignore or (*parts, GITIGNORE) not in (entry.parts for entry in entries if entry.kind == FILE):
            return self
        patterns = read_gitignore(folder, (*parts, GITIGNORE), log)
        return Ignore(self.exclude, True, (*self.levels, (len(parts), patterns)))

    def hides(self, entry):
        """Return whether an Entry is left out, given that the folders above it are not."""
        is_folder = entry.kind == FOLDER
        if self.exclude and verdict(self.exclude, "/".join(entry.parts), is_folder):
            return True
        if self.gitignore and entry.parts[-1] == ".git":
            return True
        for depth, patterns in reversed(self.levels):
            answer = verdict(patterns, "/".join(entry.parts[depth:]), is_folder)
            if answer is not None:
                return answer
        return False


def verdict(patterns, path, is_folder):
    """Return whether the patterns (last line first) hide the path; None if they say nothing of it."""
    for regex, hides, folders_only in patterns:
        if folders_only and not is_folder:
            continue
        match = regex.search(path)
        # The expressions have one group: the slash where a pattern matched a folder above and not the path itself.
        if match and match.lastgroup is None:
            return hides
    return None


def parse_exclude(lines):
    """Return the patterns of `exclude_paths`, last first. Raises ValueError that names the bad one."""
    return [pattern for line in reversed(lines) for pattern in parse(anchored(line))]


def anchored(line):
    """Return `./src` as git would write it: `/src`."""
    return line[1:] if line.startswith("./") else line


def read_gitignore(folder, parts, log):
    """Return the patterns of a .gitignore file, last line first. What can't be read or understood costs a warning line."""
    name = shown("/".join(parts))
    try:
        with folder.open(parts) as file:
            raw = file.read(MAX_GITIGNORE)
    except OSError as error:
        log(f"{name}: not read, so nothing is ignored by it: {reason_of(error)}", level="warning")
        return []
    lines = raw.decode("utf-8-sig", "surrogateescape").split("\n")
    return [pattern for line in reversed(lines) for pattern in parse_or_warn(line, name, log)]


def parse_or_warn(line, name, log):
    try:
        return parse(line.removesuffix("\r"))
    except ValueError as error:
        log(f"{name}: {printable(str(error))}", level="warning")
        return []


def parse(line):
    """Return the Pattern of a line in a list, an empty list for a comment or a blank line. Raises ValueError.

    The slash at the end is taken off and remembered, because then all expressions can be asked about paths without one.
    """
    if not line.endswith("\\ "):
        line = line.rstrip()
    folders_only = line.endswith("/")
    try:
        spec = GitIgnoreSpec.from_lines([line[:-1] if folders_only else line])
    except GitIgnorePatternError as error:
        raise ValueError(f"{line!r} is not a pattern") from error
    return [Pattern(found.regex, found.include, folders_only) for found in spec.patterns if found.include is not None]
