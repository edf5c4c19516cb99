"""The writes that all of `lifecycle` is made of: each guarded by the status it starts from, each leaving the counters right.

Every function works in the caller's write transaction.
"""

from sqlalchemy import bindparam, insert, update

from jobsync.listing import words_of
from jobsync.models import Child, Counter, Job, JobWords, Step
from jobsync.status import CANCELLED, PENDING, RUNNING, TERMINAL, UNFINISHED, allowed
from jobsync.store import moment
from jobsync.text import one_line

# In every transaction, while everybody else waits: made once, as those of the store
COUNTERS, JOBS = Counter.__table__, Job.__table__
NEXT_CHANGE = update(COUNTERS).where(COUNTERS.c.name == "change").values(value=COUNTERS.c.value + 1).returning(COUNTERS.c.value)
TOUCH = (
    update(JOBS)
    .where(JOBS.c.id == bindparam("job_id"))
    .values(revision=JOBS.c.revision + 1, change=bindparam("new_change"), updated_at=bindparam("moment"))
    .returning(JOBS.c.revision)
)


NAME = 32  # bytes of a name within a reason, so that there is room for the reason


def next_change(session):
    """Return the number of the change that is being made. It also makes other writers wait where the database has row locks."""
    return session.execute(NEXT_CHANGE).scalar_one()


def add_job(session, values):
    """Store a job's row, and the words that it is found by."""
    number = session.execute(insert(Job).values(values)).inserted_primary_key[0]
    session.execute(insert(JobWords).values(number=number, words=words_of(values["id"], values["name"], values["params"])))


def touch(session, job_id):
    """Give a job its next revision and return it."""
    return session.execute(TOUCH, {"job_id": job_id, "new_change": next_change(session), "moment": moment(session)}).scalar_one()


def move_job(session, job_id, old, new, **values):
    """Move a job from status `old` to `new`. Returns False, and changes nothing, when it isn't in `old` any more."""
    _insist("job", old, new)
    values.update(status=new, **_end_time(session, new))
    return _changed(session, update(Job).where(Job.id == job_id, Job.status == old).values(values))


def move_step(session, step_pk, old, new, revision, **values):
    """Move a step from status `old` to `new`. Returns False, and changes nothing, when it isn't in `old` any more."""
    _insist("step", old, new)
    values.update(status=new, revision=revision, status_revision=revision, **_end_time(session, new))
    if new in TERMINAL:
        values["worker_id"] = None
    return _changed(session, update(Step).where(Step.pk == step_pk, Step.status == old).values(values))


def move_child(session, child_pk, old, new, *guards, **values):
    """Move a child from status `old` to `new` where `guards` hold. Returns False, and changes nothing, when they don't.

    The caller counts (`count_children`): several moves of a step are counted at once.
    """
    _insist("child", old, new)
    values.update(status=new, **_end_time(session, new))
    return _changed(session, update(Child).where(Child.pk == child_pk, Child.status == old, *guards).values(values))


def _insist(kind, old, new):
    if not allowed(kind, old, new):
        raise ValueError(f"a {kind} never goes from {old} to {new}")


def _end_time(session, status):
    return {"finished_at": moment(session) if status in TERMINAL else None}


def _changed(session, statement):
    return session.execute(statement).rowcount == 1


def count_children(session, step_pk, revision, moves):
    """Bring a step's counters along: `moves` is a list of `(old, new)` statuses, old None for a new child."""
    change = {}
    for old, new in moves:
        change[new] = change.get(new, 0) + 1
        if old:
            change[old] = change.get(old, 0) - 1
    values = {status: getattr(Step, status) + number for status, number in change.items() if number}
    session.execute(update(Step).where(Step.pk == step_pk).values(revision=revision, **values))


def cancel_children(session, step_pk):
    """Cancel a step's unfinished children, and count them as that."""
    values = {"status": CANCELLED, "finished_at": moment(session), "worker_id": None}
    session.execute(update(Child).where(Child.step_pk == step_pk, Child.status.in_(UNFINISHED)).values(values))
    counters = {CANCELLED: Step.cancelled + Step.pending + Step.running, PENDING: 0, RUNNING: 0}
    session.execute(update(Step).where(Step.pk == step_pk).values(counters))


def short(error):
    """Return an error as `structure` shows it, None for none: with the longest name and the longest counts a step stays under 600 bytes."""
    return one_line(error, 150) if error else None
