"""`python app.py` with two more routes: `/empty` answers `{}`, what the server's own routes are
compared with; `/held` says for how long the event loop was held at most since it was asked last, as
a greenlet sees it that wants to run every millisecond: `{"ms", "busy_ms"}`, the second being the
most processor time of the loop's own thread in between, which doesn't count what other processes
take of the machine.
"""

if __name__ == "__main__":  # as in app.py: patched before anything else is imported
    import warnings

    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    import eventlet

    eventlet.monkey_patch()

import runpy
import time

import jobsync

TICK = 0.001  # seconds


class Watch:
    """Notes how late it runs when it wants to run every TICK seconds."""

    def __init__(self):
        self._longest = self._busiest = 0.0

    def run(self):
        """Watch for ever."""
        while True:
            due, used = time.monotonic() + TICK, time.thread_time()
            time.sleep(TICK)  # green
            self._longest = max(self._longest, time.monotonic() - due)
            self._busiest = max(self._busiest, time.thread_time() - used)

    def take(self):
        """Return the longest hold since it was last called."""
        longest, busiest = self._longest, self._busiest
        self._longest = self._busiest = 0.0
        return {"ms": 1000 * longest, "busy_ms": 1000 * busiest}


def main():
    """Serve as app.py does, with an app that has the routes."""
    create_app = jobsync.create_app

    def with_more_routes(*arguments, **options):
        app = create_app(*arguments, **options)
        watch = Watch()
        app.extensions["socketio"].start_background_task(watch.run)
        app.add_url_rule("/empty", "empty", dict)
        app.add_url_rule("/held", "held", watch.take)
        return app

    jobsync.create_app = with_more_routes
    runpy.run_path("app.py", run_name="__main__")


if __name__ == "__main__":
    main()
