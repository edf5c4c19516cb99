"""The people and the workers of the model: what can be done to its one job, whatever state that
is in.
"""

from sqlalchemy import select

from helpers.ask import ask
from helpers.by_hand import Hand, line
from jobsync import lifecycle, store
from jobsync.base.errors import NotFound, WrongState
from jobsync.db.extensions import db
from jobsync.db.models import Worker
from jobsync.db.transactions import read, write
from jobsync.lifecycle import results, stops, submit, workers
from jobsync.lifecycle.tasks import NewChild
from jobsync.status import RETRYABLE, UNFINISHED

DEFINITIONS = (
    """
id = "two"
[step.a]
type = "by_hand"
[step.b]
type = "by_hand_summed"
depends = "a"
""",
    """
id = "tolerant"
[step.a]
type = "by_hand_summed"
retries = 1
max_child_failures = 1
on_error = "continue"
[step.b]
type = "by_hand_summed"
""",
    """
id = "limited"
concurrency = 1
[step.a]
type = "by_hand"
concurrency = 1
retries = 3
retry_delay = "1s"
rerun_when_lost = true
cancel_grace = "1s"
[step.b]
type = "by_hand_summed"
depends = "a"
always_run = true
step_timeout = "20s"
""",
)
WORKER = "w1"
CHILDREN = 4  # of a step
ACTIONS = (
    *("go_on", "claim", "complete", "fail", "log", "look", "die", "leave", "drain"),
    *("cancel", "cancel_step", "cancel_child", "retry", "retry_step", "retry_child", "delete"),
    *("pause", "resume", "rival"),
)


def clear(app):
    """Empty the store."""
    with app.app_context(), write() as connection:
        for table in reversed(db.metadata.sorted_tables):
            if table.name != "counters":
                connection.execute(table.delete())


class Workers:
    """Each method does one thing, or nothing where that can't be done, in a context of its own:
    between any two steps of others.
    """

    def __init__(self, app, folder):
        self._app = app
        self._hand = Hand(app, folder)
        with app.app_context():
            self._definitions = [self._hand.define(text) for text in DEFINITIONS]

    def submit(self, number):
        """Submit a job and return its id."""
        self._tasks = []
        self._count = 0
        self._definition, self._rival_id = self._definitions[number], None
        with self._app.app_context():
            self.job_id = submit(self._definition, {}, "api")
        return self.job_id

    def do(self, action):
        """Do one of ACTIONS."""
        with self._app.app_context():
            try:
                getattr(self, f"_{action}")()
            except (NotFound, WrongState):
                return  # as people are told who come too late

    def _lines(self):
        self._count += 1
        return [line(f"line {self._count}"), line(f"and more of {self._count}")]

    def _go_on(self):
        """Do what comes next in a job's life."""
        job = ask(store.jobs.head, self.job_id)
        self._look()
        if job and job.status in RETRYABLE:
            self._retry()
        elif not self._tasks:
            self._claim()
        elif self._count % 3:
            self._log()
        else:
            self._complete()

    def _claim(self):
        if not self._tasks and self._is_draining():
            workers.release(WORKER)  # and another one comes
        for task in self._hand.claim(WORKER, 2):
            if task.kind == "plan":
                results.add_planned(
                    task,
                    [NewChild(str(place), f"c{place}", {}) for place in range(1, CHILDREN + 1)],
                    self._lines(),
                )
                results.finish_plan(task)
            elif task.kind == "summary":
                self._count += 1
                results.finish_summary(task, {"count": self._count})
            else:
                self._tasks.append(task)

    def _complete(self):
        if self._tasks:
            self._hand.complete(self._tasks.pop(0), lines=self._lines())

    def _fail(self):
        if self._tasks:
            self._hand.fail(self._tasks.pop(0), lines=self._lines())

    def _log(self):
        if self._tasks:
            results.record(self._tasks[0], self._lines())

    def _look(self):
        """Notice what isn't wanted any more, and stop it."""
        for task in self._tasks:
            if not results.is_current(task):
                stops.confirm_stop(task)
        self._tasks = [task for task in self._tasks if results.is_current(task)]

    def _die(self):
        workers.release(WORKER, "it was killed")  # what it had in hand it may still try to hand in

    def _leave(self):
        workers.release(WORKER)

    def _drain(self):
        lifecycle.drain(WORKER)

    def _is_draining(self):
        with read() as connection:
            query = select(Worker.id).where(Worker.id == WORKER, Worker.state == workers.DRAINING)
            return connection.execute(query).first() is not None

    def _pause(self):
        lifecycle.pause_queue("default")

    def _resume(self):
        lifecycle.pause_queue("default", False)

    def _cancel(self):
        lifecycle.cancel(self.job_id)

    def _cancel_step(self):
        lifecycle.cancel_step(self.job_id, self._step())

    def _cancel_child(self):
        self._act_on_child(lifecycle.cancel_child, UNFINISHED)

    def _retry(self):
        lifecycle.retry(self.job_id)

    def _retry_step(self):
        lifecycle.retry_step(self.job_id, self._step())

    def _retry_child(self):
        self._act_on_child(lifecycle.retry_child, RETRYABLE)

    def _step(self):
        self._count += 1
        return "ab"[self._count % 2]

    def _act_on_child(self, act, statuses):
        """Do something to the first child that it can be done to."""
        for step in ("a", "b"):
            found = ask(store.children.page, self.job_id, step, statuses, 1)["items"]
            if found:
                act(self.job_id, step, found[0]["id"])
                return

    def _rival(self):
        """Have another job come that may take the place of this one, or that one go."""
        if self._rival_id is None:
            self._rival_id = submit(self._definition, {}, "api", priority=1)
        else:
            rival, self._rival_id = self._rival_id, None
            lifecycle.cancel(rival)

    def _delete(self):
        lifecycle.delete(self.job_id)
