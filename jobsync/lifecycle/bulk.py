"""The same action for many jobs: each in a transaction of its own, so that nobody waits for all."""

import time
from collections.abc import Callable, Iterable
from typing import TypedDict

from sqlalchemy import select

from jobsync.base.errors import NotFound, WrongState
from jobsync.db.models import Job
from jobsync.db.transactions import read
from jobsync.lifecycle import jobs

ACTIONS: dict[str, Callable[[str], None]] = {
    "cancel": jobs.cancel,
    "retry": jobs.retry,
    "delete": jobs.delete,
}


class Refusal(TypedDict):
    """A job for which an action was refused, and why."""

    id: str
    message: str


class Outcome(TypedDict):
    """What came of an action for many jobs: how many there were, for how many it was done."""

    matched: int
    done: int
    refused: list[Refusal]


def act(action: str, job_ids: Iterable[str]) -> Outcome:
    """Do one of ACTIONS for many jobs. Those that don't allow it, or are gone, are refused."""
    return _for_each(job_ids, ACTIONS[action], True)


def check(action: str, job_ids: Iterable[str]) -> Outcome:
    """Do nothing, and return what `act` would refuse."""
    return _for_each(job_ids, lambda job_id: _check(action, job_id), False)


def _check(action: str, job_id: str) -> None:
    with read() as connection:
        status = connection.execute(select(Job.status).where(Job.id == job_id)).scalar()
    if status is None:
        raise NotFound(f"There is no job {job_id!r}.")
    jobs.check_allowed(action, status)


def _for_each(job_ids: Iterable[str], do: Callable[[str], None], is_done: bool) -> Outcome:
    outcome: Outcome = {"matched": 0, "done": 0, "refused": []}
    for job_id in job_ids:
        outcome["matched"] += 1
        try:
            do(job_id)
            outcome["done"] += is_done
        except (NotFound, WrongState) as error:
            outcome["refused"].append({"id": job_id, "message": error.message})
        time.sleep(0)  # green in the web process
    return outcome
