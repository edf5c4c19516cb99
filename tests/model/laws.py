"""What must hold after each step of a history, looked up in the rows."""

from collections import defaultdict

from sqlalchemy import select

from helpers.by_hand import recount
from jobsync.db.models import Attempt, Child, Job, Step, Stop
from jobsync.db.transactions import read
from jobsync.status import COMPLETED, PENDING, RUNNING, TERMINAL

JOBS = select(Job.id, Job.status)
STEPS = select(Step.pk, Step.job_id, Step.status)
OF_STEP = Step.pk == Child.step_pk
CHILDREN = select(Child.pk, Step.job_id, Child.status, Child.attempt, Child.result).join(
    Step, OF_STEP
)
BEGUN = (
    select(Child.pk, Child.status, Child.attempt, Step.job_id, Step.retries)
    .join(Step, OF_STEP)
    .where(~Step.rerun_when_lost, Step.job_id.is_not(None))
)
STOPPING = (
    select(Step.job_id).join(Stop, Stop.step_pk == Step.pk).where(Stop.done_at.is_(None)).distinct()
)
LIMITED_JOBS = select(
    Job.id, Job.definition, Job.status, Job.concurrency, Job.concurrency_value
).where(Job.concurrency.is_not(None))
LIMITED_STEPS = select(Step.pk, Step.name, Step.concurrency).where(Step.concurrency.is_not(None))
HELD = select(Child.step_pk, Child.worker_id).where(Child.worker_id.is_not(None))
STOPPED = select(Stop.step_pk, Stop.worker_id).where(Stop.child_pk > 0, Stop.done_at.is_(None))

TAKEN_TOO_EARLY = (
    select(Child.pk, Stop.attempt, Stop.worker_id, Child.worker_id.label("taken_by"))
    .join(Stop, Stop.child_pk == Child.pk)
    .where(Stop.done_at.is_(None), Child.worker_id.is_not(None))
)
OF_ANOTHER_WORKER = (
    select(Child.pk, Child.result, Attempt.worker_id)
    .join(Attempt, (Attempt.child_pk == Child.pk) & (Attempt.attempt == Child.attempt))
    .where(Child.status == COMPLETED, Child.result["by"].as_string() != Attempt.worker_id)
)


class Laws:
    """Checks a history. It remembers what was terminal, and how often each child was retried."""

    def __init__(self):
        self._ended = {}  # (kind, key) → what must not change
        self._statuses = {}  # of children
        self._retries = defaultdict(int)  # of children by hand

    def check(self, retried=None):
        """Assert all of them. retried: the id of a job that was just retried, or a part of it,
        perhaps after it was cancelled.
        """
        recount()
        with read() as connection:
            self._check_ends(connection, retried)
            self._check_beginnings(connection, retried)
            check_jobs_limit(connection)
            check_steps_limit(connection)
            taken = connection.execute(TAKEN_TOO_EARLY).all()
            assert taken == [], "taken though their last attempts are still being stopped"
            foreign = connection.execute(OF_ANOTHER_WORKER).all()
            assert foreign == [], "these have the results of workers that didn't have them"

    def _check_ends(self, connection, retried):
        """What is terminal stays as it is, but for a retry; what has completed, in any case."""
        jobs = connection.execute(JOBS).all()
        steps = connection.execute(STEPS).all()
        children = connection.execute(CHILDREN).all()
        ended = {("job", row.id): (row.id, row.status) for row in jobs if row.status in TERMINAL}
        ended |= {
            ("step", row.pk): (row.job_id, row.status) for row in steps if row.status in TERMINAL
        }
        ended |= {
            ("child", row.pk): (row.job_id, row.status, row.attempt, str(row.result))
            for row in children
            if row.status in TERMINAL
        }
        there = {("job", row.id) for row in jobs} | {("step", row.pk) for row in steps}
        there |= {("child", row.pk) for row in children}
        for key, before in self._ended.items():
            is_free = before[0] == retried and not (key[0] == "child" and before[1] == COMPLETED)
            if key in there and not is_free:
                after = ended.get(key)
                assert after and after[1:] == before[1:], f"{key} was {before} and is {after}"
        self._ended = ended

    def _check_beginnings(self, connection, retried):
        """What may not run again when it is lost is begun once, and once for each retry that its
        step allows, and all that again for each retry that people asked for.
        """
        statuses = {}
        for child in connection.execute(BEGUN):
            statuses[child.pk] = child.status
            # one that waited for its next attempt may have been cancelled and retried
            may_be = child.retries or self._statuses.get(child.pk, PENDING) != PENDING
            if child.job_id == retried and child.status == PENDING and may_be:
                self._retries[child.pk] += 1
            most = (1 + child.retries) * (1 + self._retries[child.pk])
            assert child.attempt <= most, f"child {child.pk} was begun {child.attempt} times"
        self._statuses = statuses


def check_jobs_limit(connection):
    """Of the jobs of a limit that run or are still being stopped there are never more than allowed.

    A job goes by the limit that its definition had when it was submitted: of those that hold
    places together, the one that began last found them few enough.
    """
    stopping = set(connection.execute(STOPPING).scalars())
    holders = defaultdict(list)
    for job in connection.execute(LIMITED_JOBS):
        if job.status == RUNNING or job.id in stopping:
            holders[job.definition, job.concurrency_value].append(job)
    for limit, jobs in holders.items():
        most = max(job.concurrency for job in jobs)
        assert len(jobs) <= most, f"{len(jobs)} of at most {most} run of {limit}: {jobs}"


def check_steps_limit(connection):
    """No more workers than allowed have children of a step, or are still stopping some."""
    workers = defaultdict(set)
    for query in (HELD, STOPPED):
        for step_pk, worker_id in connection.execute(query):
            workers[step_pk].add(worker_id)
    for step in connection.execute(LIMITED_STEPS):
        assert len(workers[step.pk]) <= step.concurrency, (step.name, workers[step.pk])
