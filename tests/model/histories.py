"""Whole histories: what people, workers and the step monitor may do to many jobs, in any order, and
what must hold all the same.
"""

import dataclasses
import sys

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from sqlalchemy import select

from helpers.ask import ask
from helpers.by_hand import Hand
from jobsync import lifecycle, store
from jobsync.base.errors import NotFound, WrongState
from jobsync.db.models import Child, Job, Step, Stop
from jobsync.db.transactions import read
from jobsync.lifecycle import moves
from jobsync.status import COMPLETED, FAILED, RETRYABLE, TERMINAL, UNFINISHED
from model.engine import Monitor, Worker
from model.laws import Laws
from model.network import Clock
from model.workers import clear

MOST_JOBS, WORKERS = 4, 4
ROUNDS = 500  # in which all jobs end when nothing is disturbed any more
ROUND = 500  # ms

DEFINITIONS = (
    """
id = "plain"
[step.a]
type = "by_hand"
[step.b]
type = "by_hand_summed"
max_child_failures = 2
""",
    """
id = "free"
[step.a]
type = "by_hand"
retries = 2
retry_delay = "1s"
rerun_when_lost = true
[step.b]
type = "by_hand"
depends = "a"
queue = "other"
[step.c]
type = "by_hand_summed"
depends = "b"
always_run = true
""",
    """
id = "one"
concurrency = 1
[step.a]
type = "by_hand_summed"
concurrency = 1
max_child_failures = 1
[step.b]
type = "by_hand"
concurrency = 2
retries = 1
on_error = "continue"
[step.c]
type = "by_hand"
depends = "a, b"
""",
    """
id = "keyed"
concurrency = 2
concurrency_key = "{k}"
timeout = "60s"
[params.k]
type = "string"
default = "x"
[step.a]
type = "by_hand"
retries = 1
retry_delay = "3s"
cancel_grace = "2s"
[step.b]
type = "by_hand"
step_timeout = "8s"
max_child_failures = 2
""",
)
QUEUES = ("default", "other")
# What can happen, the more often the oftener it is named
WORK = ("go_on",) * 12 + ("fail",) * 4 + ("look",) * 2 + ("short", "spawn", "say", "help_out")
ENGINE = (
    *("die", "come_back", "come_back", "leave", "drain", "hire", "hire", "hire"),
    *("pause", "resume", "resume"),
)
PEOPLE = (
    ("submit",) * 2
    + ("cancel", "retry", "retry", "start_over", "start_over", "rerun", "delete")
    + ("cancel_step", "retry_step", "cancel_child", "retry_child", "retry_child", "change_limit")
    + ("retry_failed",) * 3
)
MONITOR = ("look_on",) * 2 + ("wait",) * 3 + ("restart",)
WAITS = (10, 400, 1500, 4000, 20_000)  # ms
events = st.tuples(
    st.sampled_from(WORK + ENGINE + PEOPLE + MONITOR),
    st.integers(0, 11),  # a place in a list, wrapped around
    st.integers(1, 3),
    st.sampled_from((True, True, False)),  # whether the monitor ticks before the next event
)


class Histories(RuleBasedStateMachine):
    """`shared` (set by the test) has what all runs share: app, folder and clock."""

    shared = None
    runs = steps = 0

    @initialize(definitions=st.lists(st.integers(0, len(DEFINITIONS) - 1), min_size=1, max_size=3))
    def begin(self, definitions):
        type(self).runs += 1
        clear(self.shared.app)
        self.shared.clock, self.shared.moments = Clock(), 0
        self.clock = self.shared.clock
        self.context = self.shared.app.app_context()
        self.context.push()
        hand = Hand(self.shared.app, self.shared.folder)
        if not self.shared.definitions:
            self.shared.definitions = [hand.define(text) for text in DEFINITIONS]
        self.definitions = list(self.shared.definitions)
        self.laws, self.workers, self.hired, self.retried = Laws(), [], 0, None
        self.monitor = Monitor(self.shared.app, self.clock)
        for _ in range(WORKERS):
            self.hire()
        for place in definitions:
            self.submit(place, 1)
        self.settle()

    def __init__(self):
        super().__init__()
        self.context = None

    @rule(some=st.lists(events, min_size=1, max_size=8))
    def live(self, some):
        """Let things happen. All laws hold after each."""
        for what, place, number, is_noticed in some:
            type(self).steps += 1
            self.retried = None  # the id of a job, by this very event
            getattr(self, what)(place, number)
            self.laws.check(self.retried)
            if is_noticed:
                self.monitor.tick()
                self.laws.check()

    # People

    def submit(self, place, number):
        """Start a job, or delete the oldest one where there are enough."""
        if len(self.jobs()) >= MOST_JOBS:
            self.act("delete", self.jobs()[0])
            return
        definition = self.definitions[place % len(self.definitions)]
        params = {"k": "xyx"[number - 1]} if definition.id == "keyed" else {}
        priority = 7 if number == 3 else None
        lifecycle.submit(definition, params, "api", priority=priority)

    def cancel(self, place, number):
        self.act("cancel", one_of(self.jobs(), place))

    def retry(self, place, number):
        self.act("retry", one_of(self.jobs(), place))

    def start_over(self, place, number):
        """Cancel a job and retry it at once."""
        self.cancel(place, number)
        self.retry(place, number)

    def delete(self, place, number):
        self.act("delete", one_of(self.jobs(), place))

    def rerun(self, place, number):
        job_id = one_of(self.jobs(), place)
        if job_id and len(self.jobs()) < MOST_JOBS:
            name = ask(store.jobs.get, job_id)["definition"]
            (definition,) = [found for found in self.definitions if found.id == name]
            lifecycle.rerun(job_id, definition, {}, "api")

    def cancel_step(self, place, number):
        self.act("cancel_step", *self.step_at(place, number))

    def retry_step(self, place, number):
        self.act("retry_step", *self.step_at(place, number))

    def step_at(self, place, number):
        job_id = one_of(self.jobs(), place)
        return (job_id, one_of(ask(store.steps.names, job_id), number)) if job_id else (None,)

    def cancel_child(self, place, number):
        self.act("cancel_child", *self.child_at(place, UNFINISHED))

    def retry_child(self, place, number):
        self.act("retry_child", *self.child_at(place, RETRYABLE))

    def retry_failed(self, place, number):
        """Have a child fail, and be retried before the monitor has looked, perhaps after other
        workers have gone on.
        """
        worker = one_of(self.present(), place)
        if worker and worker.tasks and worker.tasks[0].kind == "child":
            task = worker.tasks[0]
            worker.end(FAILED)
            for other in range(1, number):
                self.go_on(place + other, number)
            self.act("retry_child", task.job_id, task.step_name, str(task.child_pk))

    def child_at(self, place, statuses):
        """Return the job, step and id of one of the children with such a status."""
        query = select(Step.job_id, Step.name, Child.pk).join(Step, Step.pk == Child.step_pk)
        query = query.where(Step.job_id.is_not(None), Child.status.in_(statuses))
        with read() as connection:
            child = one_of(connection.execute(query.order_by(Child.pk)).all(), place)
        return (child.job_id, child.name, str(child.pk)) if child else (None,)

    def act(self, what, job_id, *part):
        """Do it if it is allowed, and to a job that there is (not None)."""
        if job_id is None:
            return
        try:
            getattr(lifecycle, what)(job_id, *part)
        except (NotFound, WrongState):
            return  # as people are told who come too late
        if what.startswith("retry"):
            self.retried = job_id

    def change_limit(self, place, number):
        """Edit a definition: the limit is another one for jobs that are started from now on."""
        place = -1 - place % 2
        changed = dataclasses.replace(self.definitions[place], concurrency=number)
        self.definitions[place] = changed

    # Workers

    def go_on(self, place, number):
        """Have a worker do what comes next: take work, or complete what it has in hand."""
        if worker := one_of(self.present(), place):
            if worker.tasks:
                worker.end(COMPLETED, 2 * number - 1)
            else:
                worker.claim(number)

    def fail(self, place, number):
        if worker := one_of(self.present(), place):
            worker.end(FAILED, number)

    def short(self, place, number):
        if worker := one_of(self.present(), place):
            worker.end(COMPLETED, number, is_short=True)

    def spawn(self, place, number):
        if worker := one_of(self.present(), place):
            worker.end(COMPLETED, number, spawns=True)

    def say(self, place, number):
        if worker := one_of(self.present(), place):
            worker.say("a line")

    def look(self, place, number):
        if worker := one_of(self.present(), place):
            worker.look()

    def help_out(self, place, number):
        if worker := one_of(self.present(), place):
            worker.help_out(number)

    def die(self, place, number):
        if worker := one_of(self.present(), place):
            worker.die()

    def leave(self, place, number):
        if worker := one_of(self.present(), place):
            worker.leave()

    def drain(self, place, number):
        if worker := one_of(self.present(), place):
            lifecycle.drain(worker.id)

    def come_back(self, place, number):
        """Have a worker be taken for dead, and say what it did when others have gone on."""
        if worker := one_of(self.present(), place):
            worker.die()
            for other in range(number):
                self.go_on(place + other, number)
            worker.speak_late(COMPLETED)

    def hire(self, *_):
        """Have another worker come, if there are too few."""
        if len(self.present()) < WORKERS:
            self.hired += 1
            self.workers.append(Worker(f"w{self.hired}"))

    def present(self):
        return [worker for worker in self.workers if not worker.is_gone]

    def pause(self, place, number):
        lifecycle.pause_queue(one_of(QUEUES, place))

    def resume(self, place, number):
        lifecycle.pause_queue(one_of(QUEUES, place), False)

    # The monitor

    def look_on(self, *_):
        self.settle()

    def settle(self):
        self.monitor.settle()
        for job_id in self.jobs():
            before = ask(store.structure.structure_of, job_id)
            if moves.advance(job_id):
                after = ask(store.structure.structure_of, job_id)
                raise AssertionError(f"the monitor has left something undone: {before}, {after}")

    def wait(self, place, number):
        self.clock.now += one_of(WAITS, place)
        self.settle()

    def restart(self, *_):
        """Have a monitor go on that has just begun."""
        self.monitor.start()
        self.settle()

    # The end

    def teardown(self):
        try:
            if self.context and sys.exc_info()[0] is None:
                self.come_to_the_end()
        finally:
            if self.context:
                self.context.pop()

    def come_to_the_end(self):
        """With workers that work, and nobody who disturbs them, every job ends, and nothing is held
        any more.
        """
        for queue in QUEUES:
            lifecycle.pause_queue(queue, False)
        for _ in range(WORKERS):
            self.hire()
        for _ in range(ROUNDS):
            self.settle()
            for worker in self.present():
                worker.look()
                worker.end(COMPLETED)
                worker.claim(2)
            if self.is_over():
                break
            self.clock.now += ROUND
        assert self.is_over(), self.unfinished()
        self.settle()
        self.laws.check()
        for worker in self.present():
            worker.claim(1)
            assert worker.tasks == [], "there is still work"

    def unfinished(self):
        """Return what hasn't ended: jobs, and what is being stopped."""
        jobs = select(Job.id, Job.definition, Job.status, Job.waiting_for)
        stops = select(Stop.step_pk, Stop.child_pk, Stop.attempt, Stop.worker_id)
        with read() as connection:
            return [
                *connection.execute(jobs.where(Job.status.not_in(TERMINAL))).all(),
                *connection.execute(stops.where(Stop.done_at.is_(None))).all(),
            ]

    def is_over(self):
        return not self.unfinished()

    # What there is

    def jobs(self):
        """Return the ids of all jobs, in the order in which they were submitted."""
        with read() as connection:
            return list(connection.execute(select(Job.id).order_by(Job.number)).scalars())


def one_of(found, place):
    """Return one of some things, None where there are none."""
    return found[place % len(found)] if found else None
