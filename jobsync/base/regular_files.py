"""Reading a file by its name, whatever has taken its place meanwhile: a pipe, a device or a
huge file must not hold up the process.
"""

import os
import stat

# A pipe that nobody writes to, and some devices, would keep a plain `open` waiting; a terminal
# would become this process's own
FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Unfit(Exception):
    """Not a file that can be read here."""


def open_regular(path):
    """Return a regular file, open for reading bytes.

    Raises Unfit for another kind, OSError, or ValueError for what can't be a name.
    """
    _check_kind(os.stat(path))  # opening a device may have an effect already
    file = open(os.open(path, FLAGS), "rb")  # noqa: SIM115 - the caller's
    try:
        # once more: another may have come in between, and this is the one that is read
        _check_kind(os.fstat(file.fileno()))
    except BaseException:
        file.close()
        raise
    return file


def read_regular(path, most):
    """Return the bytes of a regular file of at most `most` bytes.

    Raises as `open_regular`, and Unfit for a larger one.
    """
    with open_regular(path) as file:
        data = file.read(most + 1) if os.fstat(file.fileno()).st_size <= most else None
    if data is None or len(data) > most:
        raise Unfit(f"must be at most {most} bytes")
    return data


def _check_kind(about):
    if not stat.S_ISREG(about.st_mode):
        raise Unfit("must be a regular file")
