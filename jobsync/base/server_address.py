"""Where the server of a data folder can be reached, for those who have the folder only: it
writes its address into a file, locked while it lives.
"""

import fcntl
import logging
import os
import time
from contextlib import contextmanager
from pathlib import Path

from jobsync.base.regular_files import Unfit, read_regular

NAME = "server.address"
MOST = 1000  # bytes
TRIES = 50  # to lock the file, 20 ms apart: who looks at it holds it for a moment

_log = logging.getLogger(__name__)


@contextmanager
def announced(data_dir, url):
    """Have `find` return this address while in here.

    The lock of a server that was killed is free at once.
    """
    file = _announce(Path(data_dir) / NAME, url)
    try:
        yield
    finally:
        if file is not None:
            os.close(file)


def _announce(path, url):
    """Return the locked file with the address in it.

    None where that can't be written, as on a full disk: the server serves all the same.
    """
    file = None
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        _lock(file)
        os.truncate(file, 0)
        os.write(file, url.encode())
    except OSError as error:
        _log.warning("The server's address can't be noted for the command line: %s", error)
    return file


def _lock(file):
    for _ in range(TRIES):
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except (BlockingIOError, PermissionError):
            time.sleep(0.02)


def find(data_dir):
    """Return the address of the server that runs on a data folder, such as
    `http://127.0.0.1:5000/`, None for none.
    """
    path = Path(data_dir) / NAME
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None  # nobody has it locked
            except (BlockingIOError, PermissionError):
                return read_regular(path, MOST).decode().strip() or None
    except (OSError, Unfit, ValueError):
        return None
