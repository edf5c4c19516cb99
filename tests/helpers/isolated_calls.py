"""What the tests of `isolated.py` call in a helper process: a module that takes no time to
import there.
"""

import os
import re
import signal
import sys
import time
from contextlib import suppress


def compute_for_ever():
    while True:
        pass


def match_for_ever():
    re.match(r"(a|a)*b", "a" * 40)


def wait_for_ever():
    time.sleep(600)


def take_memory():
    return [bytearray(64 << 20) for _ in range(64)]


def swallow_memory_errors():
    while True:
        with suppress(MemoryError):
            take_memory()


def recurse():
    return recurse()


def leave():
    sys.exit("bye")


def leave_at_once():
    os._exit(7)


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def give_what_cannot_be_pickled():
    return lambda: None


def print_and_read():
    print("text" * 10_000, flush=True)
    os.write(1, b"more")
    return sys.stdin.read(), os.read(0, 10)


def modules():
    return set(sys.modules)


def length(text):
    return len(text)
