"""Serves as app.py does, and is killed as by `kill -9` at the moment that the file FAULT_DIE names,
once: the file is removed first.

The moments of the step monitor are "read" (it knows what follows), "written" (in its transaction),
"committed", and "told" (half of what it has to tell is told).
"""

import warnings

warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
import eventlet  # noqa: E402

eventlet.monkey_patch()

import os  # noqa: E402
import runpy  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from jobsync.lifecycle import moves  # noqa: E402
from jobsync.live import broadcast  # noqa: E402

ORDER = Path(os.environ["FAULT_DIE"])
_write, _tell_step = moves.write, broadcast.tell_step


def reach(moment):
    """Die here if that was ordered."""
    if ORDER.exists() and ORDER.read_text() == moment:
        ORDER.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def write(*how):
    reach("read")
    with _write(*how) as connection:
        yield connection
        reach("written")
    reach("committed")


def tell_step(*what):
    _tell_step(*what)
    reach("told")


moves.write, broadcast.tell_step = write, tell_step
runpy.run_path(str(ROOT / "app.py"), run_name="__main__")
