"""Finds the files that a pattern names: `*`, `?` and `[abc]` within a name, `**` for any folders.

Hidden names match only where the pattern has the dot. Unlike the standard library's, it doesn't
follow links under `**` (they may lead round in a circle), and it can be stopped.
"""

import fnmatch
import os
import re

MAGIC = re.compile(r"[*?\[]")


def find(pattern, folder, check):
    """Return the paths that match, sorted, relative to `folder` unless the pattern is absolute.
    `check()` is called at each folder.

    Folders that can't be read hold nothing, as in a shell. No folder is asked twice about the same
    rest of the pattern: with several `**` there are very many ways to come to it.
    """
    top = "/" if pattern.startswith("/") else ""
    parts = [part for place, part in enumerate(pattern.split("/")) if part or place]
    return sorted(set(_find(folder, top, _without_repeats(parts), _Once(check))))


class _Once:
    """Says of each folder and rest of a pattern whether it is new. check() is called each time."""

    def __init__(self, check):
        self._check = check
        self._seen = set()

    def is_new(self, path, rest):
        self._check()
        place = (path, *rest)
        if place in self._seen:
            return False
        self._seen.add(place)
        return True


def _without_repeats(parts):
    """Drop empty parts but the last (`a/` asks for a folder) and a `**` after another."""
    last = len(parts) - 1
    parts = [part for place, part in enumerate(parts) if part or place == last]
    return [
        part
        for place, part in enumerate(parts)
        if part != "**" or parts[place - 1 : place] != ["**"]
    ]


def _find(folder, path, parts, once):
    """Yield the matches of `parts` below `path`, which is "" or ends with a slash, and is
    relative to `folder`.
    """
    if not once.is_new(path, parts):
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _find_deep(folder, path, rest or ["*"], once)
    elif MAGIC.search(part):
        matches = re.compile(fnmatch.translate(part)).match
        for name in _names(folder, path, part.startswith(".")):
            if matches(name):
                yield from _go_on(folder, path + name, rest, once)
    elif part:
        yield from _go_on(folder, path + part, rest, once)
    elif path:
        yield path


def _go_on(folder, path, rest, once):
    full = os.path.join(folder, path)
    if not rest:
        if os.path.lexists(full):
            yield path
    elif os.path.isdir(full):
        yield from _find(folder, path + "/", rest, once)


def _find_deep(folder, path, rest, once):
    waiting = [path]
    while waiting:
        path = waiting.pop()
        if not once.is_new(path, (None, *rest)):
            continue  # another `**` has been here, and below
        yield from _find(folder, path, rest, once)
        waiting += [
            f"{path}{name}/"
            for name in _names(folder, path, hidden=False)
            if _is_real_folder(os.path.join(folder, path, name))
        ]


def _is_real_folder(path):
    return os.path.isdir(path) and not os.path.islink(path)


def _names(folder, path, hidden):
    try:
        names = os.listdir(os.path.join(folder, path))
    except OSError:
        return []  # not readable, or gone meanwhile
    return [name for name in names if hidden or not name.startswith(".")]
