"""Folders and files that their owner alone may use, whatever the umask is.

The umask itself is left alone: the commands of jobs inherit it, and what they write is their user's
business.
"""

import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER, FILE = 0o700, 0o600


def make_folder(path):
    """Make a folder with those above it if it isn't there.

    One that is there keeps its rights. Raises OSError.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(FOLDER)
        path.chmod(FOLDER)  # a umask may have taken the owner's own rights away
    except FileExistsError:
        if not path.is_dir():
            raise


def make_file(path):
    """Make an empty file if it isn't there. One that is there keeps its rights. Raises OSError."""
    with suppress(FileExistsError):
        os.close(_created(path, os.O_WRONLY))


def opener(path, flags):
    """Open a file for `open(…, opener=opener)`: a new one is made for its owner alone."""
    with suppress(FileExistsError):
        return _created(path, flags)
    return os.open(path, flags, FILE)


def _created(path, flags):
    file = os.open(path, flags | os.O_CREAT | os.O_EXCL, FILE)
    os.fchmod(file, FILE)
    return file


def open_to_others(paths):
    """Return `[(path, mode)]` of those of the paths, if they are there, on which others than
    the owner have any right.
    """
    found = []
    for path in paths:
        with suppress(OSError):
            mode = stat.S_IMODE(os.stat(path).st_mode)
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                found.append((path, mode))
    return found


@contextmanager
def locked(path):
    """Hold a lock file of this machine. The lock of a process that was killed is free at once."""
    with open(path, "w", opener=opener) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
