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

__all__ = [
    "cancel",
    "check_allowed",
    "clear_deleted",
    "delete",
    "rerun",
    "retry",
    "submit",
    "time_out",
]
