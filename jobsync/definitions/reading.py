"""One file: its bytes, read as TOML and checked."""

import os
import re
import time
import tomllib
from dataclasses import dataclass, replace

from jobsync.base.loop import outside
from jobsync.base.regular_files import Unfit, read_regular
from jobsync.base.text import path_to_text, printable
from jobsync.definitions.definition import Definition, read_table
from jobsync.definitions.lines import TooDeep, check_depth, find_lines
from jobsync.definitions.mistakes import Problem
from jobsync.definitions.shapes import NAME

MAX_FILE = 1024 * 1024  # bytes
# ns: a file changed so lately may change again within one tick of the file system's clock
SETTLED = 2_000_000_000


@dataclass(frozen=True)
class Reading:
    """A file as it was last read.

    `stamp` differs once it has changed, None: nothing is certain; `id` also of a bad file, if it
    has one.
    """

    file: str
    stamp: tuple | None = None
    data: bytes | None = None
    id: str | None = None
    definition: Definition | None = None
    problems: tuple = ()


def read_file(path, types, old=None):
    """Return the Reading of a file. types: a Registry.

    `old`, the last one, spares reading it where the stamp, and checking it where the bytes are the
    same.
    """
    file = printable(path_to_text(path.name)).replace("\n", "\\n")
    stamp = None
    try:
        seen = os.stat(path)
        if max(seen.st_mtime_ns, seen.st_ctime_ns) < time.time_ns() - SETTLED:
            stamp = (seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino, seen.st_dev)
        if old and stamp and old.stamp == stamp:
            return old
        data = read_regular(path, MAX_FILE)
    except (OSError, Unfit, ValueError) as error:
        reason = f"can't be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        return Reading(file, stamp, problems=(Problem(file, "", reason),))
    if old and old.data == data:
        return replace(old, stamp=stamp)
    return replace(read_data(data, file, types), stamp=stamp)


def read_data(data, file, types):
    """Return the Reading of what is in a file, without a stamp. types: a Registry."""
    try:
        table = outside(_parse, data)
    except ValueError as error:
        problem = Problem(file, "", _reason(error), line=_line(error, data))
        return Reading(file, data=data, id=_guess_id(data), problems=(problem,))
    definition, problems = read_table(table, file, types)
    found = table.get("id")
    return Reading(
        file,
        data=data,
        id=found if isinstance(found, str) else None,
        definition=definition,
        problems=tuple(problems),
    )


def validate(data, types):
    """Return the mistakes that a file with this content (bytes) would have, as `(Problem, line)`:
    the line, from 1 on, where its key or the nearest table around it stands.

    types: a Registry. No other file is looked at.
    """
    problems = read_data(data, "", types).problems
    if any(problem.line for problem in problems):  # it is no TOML, so it has no keys
        return [(problem, problem.line) for problem in problems]
    lines = outside(find_lines, _text(data), [problem.path for problem in problems])
    return [(problem, lines[problem.path]) for problem in problems]


def _parse(data):
    text = _text(data)
    check_depth(text)
    return tomllib.loads(text)


def _text(data):
    return data.decode("utf-8-sig")


def _reason(error):
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return f"must be UTF-8 text, which line {line} is not"
    if isinstance(error, tomllib.TOMLDecodeError):
        return f"must be TOML: {printable(str(error))}"
    if isinstance(error, TooDeep):
        return str(error)
    return f"must be TOML with numbers that fit into 64 bits: {error}"


def _line(error, data):
    """Return the line of `data` that an error complains of, 1 for one that doesn't say."""
    if isinstance(error, UnicodeDecodeError):
        return error.object.count(b"\n", 0, error.start) + 1
    if isinstance(error, tomllib.TOMLDecodeError):
        place = re.search(r"\(at line ([0-9]+), column [0-9]+\)$", str(error))
        # else it is the end: the last line that there is something in
        return int(place.group(1)) if place else data.rstrip().count(b"\n") + 1
    return error.line if isinstance(error, TooDeep) else 1


def _guess_id(data):
    """Return the id that a file which isn't TOML seems to have, so that whoever asks for it
    learns what is wrong, or None.
    """
    match = re.search(
        rf"^\s*id\s*=\s*[\"']({NAME})[\"']", data.decode("utf-8", "replace"), re.MULTILINE
    )
    return match and match.group(1)
