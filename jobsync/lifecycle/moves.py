"""What follows by itself: the moves of steps and jobs. Only the step monitor calls these."""

from sqlalchemy import delete, select
from sqlalchemy.orm import aliased

from jobsync import store
from jobsync.lifecycle import rows
from jobsync.lifecycle.jobs import end_values
from jobsync.models import Child, Deletion, Job, Step
from jobsync.status import FAILED, PENDING, TERMINAL, derive_job, derive_moves
from jobsync.store import BRIEFLY, moment, read, write
from jobsync.text import one_line


def advance(job_id):
    """Do what follows for a job and its steps. Returns whether anything did.

    1. Look, without a lock, whether anything follows: mostly nothing does.
    2. If so look again inside the write transaction, where nobody can come between, and write the difference.
    A crash before the commit loses nothing: the next look finds the same difference.
    """
    with read():
        if not _differs(job_id):
            return False
    with write(BRIEFLY) as session:
        return _advance(session, job_id)


def _status(session, job_id):
    return session.execute(select(Job.status).where(Job.id == job_id).with_for_update()).scalar()


def _differs(job_id):
    head = store.job_head(job_id)
    if head is None or head.status in TERMINAL:
        return False
    steps = store.step_facts(job_id)
    return bool(next(derive_moves(steps), None) or derive_job(head.status, steps.values()))


def _advance(session, job_id):
    status = _status(session, job_id)
    if status is None or status in TERMINAL:
        return False
    before = store.step_facts(job_id)
    steps = dict(before)
    moves = list(derive_moves(steps))
    next_status = derive_job(status, steps.values())
    if not moves and not next_status:
        return False
    revision = rows.touch(session, job_id)
    _move_steps(session, job_id, before, moves, revision)
    if next_status:
        _move_job(session, job_id, status, next_status)
    return True


def _move_steps(session, job_id, before, moves, revision):
    """Write Moves, `[(name, Move)]`, of which a step may make several, by as many statements for one as for 1,000. before: as of the store."""
    if not moves:
        return
    keys = dict(session.execute(select(Step.name, Step.pk).where(Step.job_id == job_id)).all())
    ways = {}
    for name, move in moves:
        ways.setdefault(name, [before[name].status]).append(move.status)
    ends = {keys[name]: (ways[name], move) for name, move in moves}  # a later one in the place of an earlier one
    failed = [pk for pk, (_, move) in ends.items() if move.status == FAILED]
    reasons = _first_failures(session, failed) if failed else {}
    rows.move_steps(session, [rows.StepMove(pk, way, move.stage, _error(move, reasons.get(pk, ""))) for pk, (way, move) in ends.items()], revision)
    if failed:
        rows.cancel_children(session, failed)


def _error(move, reason):
    return rows.short(move.error + reason) if move.status == FAILED else None


def _first_failures(session, step_pks):
    """Return `{pk of a step: reason of its first child that failed}`, to be added to the steps' own."""
    child = aliased(Child)
    first = select(child.pk).where(child.step_pk == Step.pk, child.status == FAILED).order_by(child.pk).limit(1).correlate(Step)
    firsts = select(first.scalar_subquery()).where(Step.pk.in_(step_pks))
    query = select(Child.step_pk, Child.name, Child.error).where(Child.pk.in_(firsts))
    return {row.step_pk: f", first {one_line(row.name, rows.NAME)}: {row.error}" for row in session.execute(query)}


def _move_job(session, job_id, old, new):
    """A retried job whose children had all completed goes from pending to its end in one move: it begins with that, too."""
    values = {"started_at": moment(session)} if old == PENDING else {}
    if new in TERMINAL:
        values.update(end_values(session, job_id, new))
    rows.move_job(session, job_id, old, new, **values)


def untold_deletions():
    """Return rows `(change, job_id, revision)` of deleted jobs that nobody was told of."""
    with read() as session:
        return session.execute(select(Deletion.change, Deletion.job_id, Deletion.revision).order_by(Deletion.change)).all()


def deletions_told(changes):
    """Forget deletions (by their `change`) that everybody was told of."""
    with write(BRIEFLY) as session:
        session.execute(delete(Deletion).where(Deletion.change.in_(changes)))
