"""How long work shares its process: where one event loop serves everybody, nothing may hold it for
more than a few milliseconds.

`in_turns` is for a long loop in Python, `outside` for one long call into C. How to run a call
outside of the event loop is said by the doorway, which knows it; where there is none (workers,
command line) it is simply made.
"""

import time

# seconds that a loop goes on before it lets others run: several may take turns, and to switch takes
# 0.03 ms
TURN = 0.002

_run = None


def run_outside_with(run):
    """Have `outside` make calls by `run(call, *args)`, which returns or raises what the call
    does, and lets others run meanwhile.
    """
    global _run
    _run = run


def outside(call, *args):
    """Make a call that may take long and return what it returns; others run meanwhile.

    It is made in a thread of the system, where nothing works that was patched for the event loop:
    no lock, no log, no session. So it must be plain computing, or C code that lets go of Python's
    lock, such as a statement of the database.
    """
    return _run(call, *args) if _run else call(*args)


def in_turns(items):
    """Yield the items, and let others run whenever TURN seconds have passed.

    Never inside a write transaction.
    """
    began = time.monotonic()
    for item in items:
        if time.monotonic() - began > TURN:
            time.sleep(0)  # green where there is an event loop
            began = time.monotonic()
        yield item
