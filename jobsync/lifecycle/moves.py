"""What follows by itself: the moves of steps and jobs. Only the step monitor calls these."""

from sqlalchemy import delete, select, update

from jobsync import store
from jobsync.lifecycle import rows
from jobsync.lifecycle.jobs import end_values
from jobsync.models import Child, Deletion, Job, Step
from jobsync.status import FAILED, PENDING, RUNNING, TERMINAL, derive_job, derive_moves
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
    keys = dict(session.execute(select(Step.name, Step.pk).where(Step.job_id == job_id)).all())
    statuses = {name: step.status for name, step in before.items()}
    for name, move in moves:
        _move_step(session, keys[name], statuses[name], move, revision)
        statuses[name] = move.status
    if next_status:
        _move_job(session, job_id, status, next_status)
    return True


def _move_step(session, step_pk, status, move, revision):
    if move.status == status:
        session.execute(update(Step).where(Step.pk == step_pk).values(stage=move.stage, worker_id=None))
        return
    values = {"stage": move.stage}
    if move.status == RUNNING:
        values["started_at"] = moment(session)
    if move.status == FAILED:
        values["error"] = rows.short(move.error + _first_failure(session, step_pk))
        rows.cancel_children(session, step_pk)
    rows.move_step(session, step_pk, status, move.status, revision, **values)


def _first_failure(session, step_pk):
    """Return the reason of the first child that failed, to be added to the step's own."""
    query = select(Child.name, Child.error).where(Child.step_pk == step_pk, Child.status == FAILED).order_by(Child.pk).limit(1)
    child = session.execute(query).first()
    return f", first {one_line(child.name, rows.NAME)}: {child.error}" if child else ""


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
