"""What a running system measures of itself, in the form that Prometheus reads (`GET /metrics`).

Latencies begin at the commit (`updated_at` of the job) and count changes of status alone: growth of
counts and lines waits on purpose.
"""

from flask import current_app
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from werkzeug.local import LocalProxy

SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2, 5, 10, 30)
KEY = "jobsync.metrics"

metrics = LocalProxy(lambda: current_app.extensions[KEY])  # those of the present app


class Metrics:
    """The figures of one app, and those of its process, in a registry of their own."""

    def __init__(self):
        registry = self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self.broadcast = Histogram(
            "jobsync_commit_to_broadcast_seconds",
            "From the commit of a change of status until it was told to viewers",
            buckets=SECONDS,
            registry=registry,
        )
        self.painted = Histogram(
            "jobsync_commit_to_painted_seconds",
            "From the commit of a change of status until a page had painted it, of the pages "
            "that JOBSYNC_PAINT_SAMPLING lets report",
            buckets=SECONDS,
            registry=registry,
        )
        self.messages = Counter(
            "jobsync_messages",
            "job_update messages, each counted once however many viewers it went to",
            ["context"],
            registry=registry,
        )
        self.cut_off = Counter(
            "jobsync_viewers_cut_off",
            "Viewers that were cut off because they didn't read what was sent to them",
            registry=registry,
        )
        self.viewers = Gauge(
            "jobsync_viewers", "Connections of viewers that are open now", registry=registry
        )
        self.unfinished = Gauge(
            "jobsync_jobs_unfinished",
            "Jobs that are pending or running now",
            ["status"],
            registry=registry,
        )
        self.workers = Gauge(
            "jobsync_workers", "Worker processes with a heartbeat now", registry=registry
        )
