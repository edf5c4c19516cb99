"""The engine of a history: workers that are played, and a step monitor whose clock is the model's.

Each call does one thing between any two of others, as processes of their own would.
"""

from sqlalchemy import select

from helpers.by_hand import line
from jobsync.base.clock import now
from jobsync.db.models import Queue, Step
from jobsync.db.transactions import read
from jobsync.lifecycle import claims, results, stops, workers
from jobsync.lifecycle.tasks import End, NewChild
from jobsync.monitor.scheduler import Scheduler
from jobsync.status import COMPLETED, FAILED

MOST_TICKS = 50  # one after another, with nothing but the monitor's own commits between them


class Worker:
    """A worker process as far as the store knows it: it asks for work when it has nothing in hand,
    does it in order, and says what became of it.
    """

    def __init__(self, worker_id):
        self.id = worker_id
        self.tasks = []  # the first one is being done, the others are reserved
        self.is_begun = False  # whether the store knows that the first one was begun
        self._plan = None  # the planning that it goes on with after the children in hand
        self.is_gone = False
        workers.register(worker_id, 1)

    def claim(self, number):
        """Ask for work. One that is to end and gets none ends."""
        if self.tasks or self.is_gone:
            return
        state = workers.beat(self.id)
        self.tasks = claims.claim(self.id, lambda step_pk: number)
        self.is_begun = bool(self.tasks)
        self._assert_may_take(self.tasks, state)
        if not self.tasks and state == workers.DRAINING:
            self.leave()

    def _assert_may_take(self, tasks, state):
        if tasks:
            assert state == "running", f"{self.id} is {state} and takes something"
            query = select(Queue.name).where(Queue.paused).join(Step, Step.queue == Queue.name)
            with read() as connection:
                paused = connection.execute(query.where(Step.pk == tasks[0].step_pk)).all()
            assert paused == [], "taken from a queue that is paused"

    def look(self):
        """Notice that what is being done isn't wanted any more, and stop it."""
        if self.tasks and not self.is_gone and not results.is_current(self.tasks[0]):
            stops.confirm_stop(self.tasks[0], stopped=1)
            self._give_back()

    def say(self, message):
        """Write a line, and say how far the work is."""
        if self.tasks and not self.is_gone:
            task = self.tasks[0]
            begin = None if self.is_begun or task.kind != "child" else task
            if task.kind == "child":
                lines = [line(message, child_pk=task.child_pk)]
                results.record(task, lines, begin=begin, progress=(1, 2))
                self.is_begun = True
            else:
                results.add_planned(task, [], [line(message)])

    def help_out(self, number):
        """Do children of the step that it is planning, if nobody does."""
        if self.tasks and self.tasks[0].kind == "plan" and not self.is_gone:
            (plan,) = self.tasks
            results.add_planned(plan, [NewChild("1", "c1", {})])
            state = workers.beat(self.id)
            children = claims.claim_idle(plan, lambda step_pk: number)
            self._assert_may_take(children, state)
            if children:
                self.tasks, self.is_begun, self._plan = children, True, plan

    def end(self, status, children=1, is_short=False, spawns=False):
        """End what is being done, and begin the next one with that.

        children: how many a planning finds in all. is_short: it ends without a beginning of the
        next one, which may then end unbegun.
        """
        if not self.tasks or self.is_gone:
            return
        task = self.tasks[0]
        if task.kind != "child":
            self._end_unit(task, status, children)
            self._give_back()
            return
        following = self.tasks[1] if len(self.tasks) > 1 else None
        begin = None if is_short else following
        spawned = (
            [(task, NewChild(f"{task.key}.1", "spawned", {}, task.child_pk))] if spawns else []
        )
        is_begun = results.record(task, (), [ended(task, status)], spawned, begin)
        if following and (is_short or is_begun):
            self.tasks.pop(0)
            self.is_begun = is_begun
        else:
            self._give_back()

    def _end_unit(self, task, status, children):
        if status == FAILED:
            results.break_unit(task, "it broke")
        elif task.kind == "plan":
            found = [NewChild(str(place), f"c{place}", {}) for place in range(1, children + 1)]
            results.add_planned(task, found)
            results.finish_plan(task)
        else:
            results.finish_summary(task, {"by": task.worker_id})

    def _give_back(self):
        if len(self.tasks) > 1:
            workers.return_reserved(self.id)
        self.tasks, self.is_begun = [self._plan] if self._plan else [], False
        self._plan = None

    def leave(self):
        """End in good order."""
        if not self.is_gone:
            workers.release(self.id)
            self.is_gone, self.tasks = True, []

    def die(self):
        """Be killed. What it had in hand it may still try to hand in: see `speak_late`."""
        if not self.is_gone:
            workers.release(self.id, "the worker was killed by SIGKILL")
            self.is_gone = True

    def speak_late(self, status):
        """Hand in what it had in hand though it was taken for dead."""
        if self.is_gone and self.tasks:
            task = self.tasks[0]
            if task.kind == "child":
                spawned = [(task, NewChild(f"{task.key}.2", "late", {}, task.child_pk))]
                results.record(task, (), [ended(each, status) for each in self.tasks], spawned)
            else:
                self._end_unit(task, status, 4)


def ended(task, status):
    """Return the End of a task."""
    result = {"by": task.worker_id} if status == COMPLETED else None
    error = None if status == COMPLETED else "it broke"
    return End(task, status, result, error, now())


class Monitor:
    """The step monitor. clock: has `now` in ms."""

    def __init__(self, app, clock):
        self._app, self._clock = app, clock
        self.start()

    def start(self):
        """Start it anew: it has forgotten everything."""
        self._scheduler = Scheduler(self._app, clock=lambda: self._clock.now / 1000)
        self._scheduler.clear_deleted = self._scheduler._clear_deleted

    def tick(self):
        """Tick once."""
        self._scheduler.tick()

    def settle(self):
        """Tick until nothing more follows."""
        changes, before = self._app.extensions["jobsync.changes"], None
        for _ in range(MOST_TICKS):
            version = changes.version()
            if version == before:
                return
            before = version
            self.tick()
        raise AssertionError("the monitor doesn't come to rest")
