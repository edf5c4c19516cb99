"""Serves as app.py does, with little room and little patience; with `deaf` as its argument it
accepts connections for a moment alone.
"""

if __name__ == "__main__":  # as in app.py: patched before anything else is imported
    import warnings

    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    import eventlet

    eventlet.monkey_patch()

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from jobsync.serving import connections, limits, server  # noqa: E402

limits.HEAD_TIME = limits.BODY_TIME = limits.IDLE_TIME = 1.0
limits.SESSIONS_EACH = 6
connections.CONNECTIONS = 40
if "deaf" in sys.argv:
    server.Server._accept = lambda self: eventlet.sleep(0.1)

runpy.run_path(str(ROOT / "app.py"), run_name="__main__")
