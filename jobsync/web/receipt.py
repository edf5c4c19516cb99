"""What became of a cancel or a time-out, in words: how many children it ended, and which processes
are left where.
"""

from dataclasses import dataclass, field

from jobsync.status import RETRYABLE
from jobsync.web.words import amount, children_of


@dataclass(frozen=True)
class Receipt:
    """`is_over`: nothing is being stopped any more. `left`: the processes that could not be ended,
    as the contract has them.
    """

    words: str
    is_over: bool
    left: list = field(default_factory=list)


def receipt(status, cancellation):
    """Return the Receipt of a job of that status, None where there is nothing to say.

    cancellation: as of `store.stops.cancellation`. One that was taken up again has none: what is
    shown is of its present run.
    """
    if cancellation is None or status not in RETRYABLE:
        return None
    children, processes = cancellation["children"], cancellation["processes"]
    queued, running = children["pending"], children["running"]
    if cancellation["done_at"] is None:
        said = [f"Cancelled {children_of({'queued': queued})}"] if queued else []
        said += [_being_stopped(running)]
        return Receipt("; ".join(said) + ".", False, processes["left"])
    ended = children_of({"queued": queued, "running": running})
    said = [f"Cancelled {ended}" if ended else "Cancelled before any child was there"]
    if processes["stopped"]:
        said += [f"ended {amount(processes['stopped'], 'process', 'processes')}"]
    left = len(processes["left"])
    said += [
        f"{amount(left, 'process', 'processes')} could not be ended" if left else "no process left"
    ]
    return Receipt("; ".join(said) + (":" if left else "."), True, processes["left"])


def _being_stopped(running):
    if not running:
        return "What runs is being stopped"
    return f"{amount(running, 'running child is', 'running children are')} being stopped"
