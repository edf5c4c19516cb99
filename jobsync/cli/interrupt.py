"""Ctrl-C, heeded where it does no harm.

Python's own KeyboardInterrupt is lost where it arises in a callback, as of SQLite or of a weak
reference.
"""

import signal
import threading
import time
from contextlib import contextmanager

EXIT_CODE = 130  # of a program that Ctrl-C has ended

_noted = False


@contextmanager
def heeded():
    """Have the first SIGINT only noted in here; the second interrupts at once."""
    if threading.current_thread() is not threading.main_thread():  # where Python allows no handlers
        yield
        return
    before = signal.signal(signal.SIGINT, _note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _forget()


def heed():
    """Raise KeyboardInterrupt if a SIGINT has been noted."""
    if _noted:
        raise KeyboardInterrupt


def sleep(seconds):
    """Sleep, and raise KeyboardInterrupt if a SIGINT has been noted by then."""
    time.sleep(seconds)
    heed()


def _note(*_):
    global _noted
    if _noted:
        raise KeyboardInterrupt
    _noted = True


def _forget():
    global _noted
    _noted = False
