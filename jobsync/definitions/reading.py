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
    stamp = data = None
    try:
        seen = os.stat(path)
        if max(seen.st_mtime_ns, seen.st_ctime_ns) < time.time_ns() - SETTLED:
            stamp = (seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino, seen.st_dev)
        if old and stamp and old.stamp == stamp:
            return old
        data = read_regular(path, MAX_FILE)
        if old and old.data == data:
            return replace(old, stamp=stamp)
        table = outside(tomllib.loads, data.decode("utf-8-sig"))
    except (OSError, Unfit, ValueError, RecursionError) as error:
        return Reading(
            file, stamp, data, _guess_id(data or b""), problems=(Problem(file, "", _reason(error)),)
        )
    definition, problems = read_table(table, file, types)
    found = table.get("id")
    return Reading(
        file, stamp, data, found if isinstance(found, str) else None, definition, tuple(problems)
    )


def _reason(error):
    if isinstance(error, OSError):
        return f"can't be read: {error.strerror}"
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return f"must be UTF-8 text, which line {line} is not"
    if isinstance(error, tomllib.TOMLDecodeError):
        return f"must be TOML: {printable(str(error))}"
    if isinstance(error, ValueError):  # a number of thousands of digits
        return f"must be TOML with numbers that fit into 64 bits: {error}"
    return (
        "must be TOML that is not nested so deep"
        if isinstance(error, RecursionError)
        else str(error)
    )


def _guess_id(data):
    """Return the id that a file which isn't TOML seems to have, so that whoever asks for it
    learns what is wrong, or None.
    """
    match = re.search(
        rf"^\s*id\s*=\s*[\"']({NAME})[\"']", data.decode("utf-8", "replace"), re.MULTILINE
    )
    return match and match.group(1)
