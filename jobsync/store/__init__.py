"""The queries. Each takes the connection of a transaction that its caller has opened.

A long scan has transactions of its own instead, and says so.
"""

from jobsync.store import (
    children,
    jobs,
    limits,
    listing,
    logs,
    steps,
    stops,
    structure,
    waiting,
    workers,
)

__all__ = [
    "children",
    "jobs",
    "limits",
    "listing",
    "logs",
    "steps",
    "stops",
    "structure",
    "waiting",
    "workers",
]
