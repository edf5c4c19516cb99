"""Tells when something is written in a folder, by Linux's inotify.

Python has no call for it, and its libraries wait by `poll`, which eventlet takes away.
"""

import contextlib
import ctypes
import os
import select

_MODIFY = 0x2  # IN_MODIFY of inotify(7)
_READ = 65536  # bytes of events read at once; what they say doesn't matter


class FileWatch:
    """Watches a folder. Raises OSError where there is no inotify, or no more of it."""

    def __init__(self, folder):
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            self._file = _checked(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
            _checked(libc.inotify_add_watch(self._file, os.fsencode(folder), _MODIFY))
        except (AttributeError, TypeError) as error:  # another system's library, or none
            raise OSError("there is no inotify here") from error

    def wait(self, seconds):
        """Wait until something was written since the last call, at most so long.

        Returns whether something was.
        """
        readable, _, _ = select.select([self._file], [], [], seconds)
        if readable:
            with contextlib.suppress(BlockingIOError):
                os.read(self._file, _READ)
        return bool(readable)

    def close(self):
        """Watch no more."""
        os.close(self._file)


def _checked(result):
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
