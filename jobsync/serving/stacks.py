"""What every greenlet and thread is doing, for the log: the way to see why a server doesn't
answer.
"""

import gc
import logging
import sys
import traceback
from collections import Counter

import greenlet

_log = logging.getLogger(__name__)


def log_stacks(*_):
    """Log all stacks, equal ones once with their number.

    It is a handler of a signal, so that it works while something holds the loop.
    """
    frozen = gc.get_freeze_count()
    gc.unfreeze()  # what `app.py` has frozen isn't told otherwise
    greenlets = [found for found in gc.get_objects() if isinstance(found, greenlet.greenlet)]
    if frozen:
        gc.collect()
        gc.freeze()
    frames = [found.gr_frame for found in greenlets if found.gr_frame] + list(
        sys._current_frames().values()
    )
    stacks = Counter("".join(traceback.format_stack(frame)) for frame in frames)
    told = "".join(f"\n{number} times:\n{stack}" for stack, number in stacks.most_common())
    _log.warning("What %d greenlets and threads are doing:%s", len(frames), told)
