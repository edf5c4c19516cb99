"""The one way to change a status: guarded, counted, committed.

`jobs` is what people ask for, `work` what workers say, `moves` what follows by itself (the step
monitor's alone).
"""

from jobsync.lifecycle.jobs import (
    cancel,
    check_allowed,
    clear_deleted,
    delete,
    rerun,
    retry,
    submit,
    time_out,
)
from jobsync.lifecycle.keys import Request, refuse_repeated
from jobsync.lifecycle.parts import cancel_child, cancel_step, retry_child, retry_step
from jobsync.lifecycle.workers import drain, pause_queue

__all__ = [
    "Request",
    "cancel",
    "cancel_child",
    "cancel_step",
    "check_allowed",
    "clear_deleted",
    "delete",
    "drain",
    "pause_queue",
    "refuse_repeated",
    "rerun",
    "retry",
    "retry_child",
    "retry_step",
    "submit",
    "time_out",
]
