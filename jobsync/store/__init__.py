"""The queries. Each takes the session of a transaction that its caller has opened.

A long scan has transactions of its own instead, and says so.
"""

from jobsync.store import children, jobs, listing, logs, steps, structure, workers

__all__ = ["children", "jobs", "listing", "logs", "steps", "structure", "workers"]
