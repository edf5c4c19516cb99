"""Idempotency keys: a request that is sent twice starts one job."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from jobsync.base.clock import now
from jobsync.base.errors import AlreadySubmitted, BadInput, WrongState
from jobsync.db.models import IdempotencyKey, Job
from jobsync.db.transactions import moment, read

KEPT = 24 * 3600 * 1000  # ms


@dataclass(frozen=True)
class Request:
    """An Idempotency-Key, and the digest of the body that it came with."""

    key: str
    digest: str


def refuse_repeated(request: Request) -> None:
    """Raise AlreadySubmitted for a request that a job was started by within KEPT, BadInput for a
    key that came with another body, WrongState if that job was deleted.
    """
    with read() as connection:
        _refuse(connection, request, now())


def claim(connection: Connection, request: Request, job_id: str) -> None:
    """Give a request's key to a new job, in the transaction that stores it.

    Raises as `refuse_repeated`.
    """
    at = moment(connection)
    _refuse(connection, request, at)
    connection.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at <= at - KEPT))
    values = {**vars(request), "job_id": job_id, "created_at": at}
    connection.execute(insert(IdempotencyKey).values(values))


def _refuse(connection: Connection, request: Request, at: int) -> None:
    query = select(IdempotencyKey.digest, IdempotencyKey.job_id).where(
        IdempotencyKey.key == request.key, IdempotencyKey.created_at > at - KEPT
    )
    known = connection.execute(query).first()
    if known is None:
        return
    if known.digest != request.digest:
        reason = "Was used for another request within the last 24 hours."
        raise BadInput("The input is not valid.", {"Idempotency-Key": [reason]})
    if connection.execute(select(Job.id).where(Job.id == known.job_id)).first() is None:
        raise WrongState("The job that was started with this Idempotency-Key has been deleted.")
    raise AlreadySubmitted(known.job_id)
