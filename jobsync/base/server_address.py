"""Where the server of a data folder can be reached, for those who have the folder only: it
writes its address into a file, locked while it lives.
"""

import fcntl
import os
import time
from contextlib import contextmanager
from pathlib import Path

from jobsync.base.regular_files import Unfit, read_regular

NAME = "server.address"
MOST = 1000  # bytes
TRIES = 50  # to lock the file, 20 ms apart: who looks at it holds it for a moment


@contextmanager
def announced(data_dir, url):
    """Have `find` return this address while in here.

    The lock of a server that was killed is free at once.
    """
    path = Path(data_dir) / NAME
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "w") as file:
        _lock(file)
        file.truncate(0)
        file.write(url)
        file.flush()
        yield


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
