"""`python app.py` with two more routes: `/empty` answers `{}`, what the server's own routes are compared with; `/held` says for how long the
event loop was held at most since it was asked last, in ms, as a greenlet sees it that wants to run every millisecond.
"""

if __name__ == "__main__":  # as in app.py: patched before anything else is imported
    import warnings

    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    import eventlet

    eventlet.monkey_patch()

import runpy
import time

import jobsync
from jobsync.extensions import socketio

TICK = 0.001  # seconds


class Watch:
    """Notes how late it runs when it wants to run every TICK seconds."""

    def __init__(self):
        self._longest = 0.0

    def run(self):
        """Watch for ever."""
        while True:
            due = time.monotonic() + TICK
            socketio.sleep(TICK)
            self._longest = max(self._longest, time.monotonic() - due)

    def take(self):
        """Return the longest hold since it was last called."""
        longest, self._longest = self._longest, 0.0
        return {"ms": 1000 * longest}


def main():
    """Serve as app.py does, with an app that has the routes."""
    create_app = jobsync.create_app

    def with_more_routes(*arguments, **options):
        app = create_app(*arguments, **options)
        watch = Watch()
        socketio.start_background_task(watch.run)
        app.add_url_rule("/empty", "empty", dict)
        app.add_url_rule("/held", "held", watch.take)
        return app

    jobsync.create_app = with_more_routes
    runpy.run_path("app.py", run_name="__main__")


if __name__ == "__main__":
    main()
