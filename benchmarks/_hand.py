"""Does the workers' part of one job at a pace, and notes when it committed what: `python -m
benchmarks._hand [QUEUE]`, with a server's environment. Its workers serve that queue, or all.

It uses the store as a worker does, so that the moment of a commit is known to the microsecond. It
is told:

- `{"begin": job, "children": m, "ready": n}`: takes the job in hand. Steps are planned with m
  children each as they begin; it waits until n of them are, and the first child of each is begun
  (without children: until they can be ended). Answers `{"ready": n}`.
- `{"end": true}`: ends one more of the steps that can be ended. Answers `{"step", "at"}`.
- `{"mix": rate, "steps": n, "lines": k, "seconds": s or null}`: works n steps off at so many
  commits a second, for s seconds at most: each writes a line of a child, and ends the child with
  its k-th, or ends a step when its children have ended. Answers `{"lines": [[at, step, log_count]],
  "ends": [[at, step]], "seconds"}`.
- `{"grow": rate, "seconds": s}`: writes a line at a time, to the steps in turns. Answers
  `{"revisions": [[revision, at]]}`.

Steps are of the type `test_job_generator`, so that each is ended by its summing up.
"""

import math
import sys
import time
from collections import deque

import config
import jobsync
from benchmarks._helper import answer, questions
from benchmarks._worker import Workers
from jobsync import store
from jobsync.base.clock import now
from jobsync.db.transactions import read
from jobsync.lifecycle import claims, results
from jobsync.lifecycle.tasks import End, NewChild
from jobsync.store.logs import Line

LOOK = 0.002  # seconds between two looks for work
PATIENCE = 30  # seconds that the monitor gets to let a step begin or be summed up


class StepInHand:
    """A step in hand. lines: how many it has. tasks: its children that are left, the first one
    begun, once it `has_children`.

    summary: set when the step can be ended.
    """

    def __init__(self, plan):
        self.plan = plan
        self.name = plan.step_name
        self.lines = 0
        self.tasks = deque()
        self.has_children = False
        self.summary = None

    @property
    def is_ready(self):
        return bool(self.tasks or self.summary)


class Hand:
    """Workers that hold all running steps of a job in their hands. Needs an app context."""

    def __init__(self, staff):
        self._staff = staff
        self._id = staff.add()
        self._steps = []

    # What it is told

    def begin(self, job_id, children, ready):
        """Take a job in hand and wait until something can be done for so many of its steps."""
        self._job_id = job_id
        self._children = children
        self._steps = []
        self._take_until(lambda: sum(step.is_ready for step in self._steps) >= ready)
        return {"ready": ready}

    def end(self):
        """End one more step: the commit is the one that makes the monitor complete it."""
        return self._end(next(step for step in self._steps if step.summary))

    def mix(self, rate, steps, of_child, seconds):
        """Work so many steps off at a pace, and return what was committed when."""
        lines, ends, started = [], [], time.monotonic()
        while len(ends) < steps and time.monotonic() - started < (seconds or math.inf):
            self._wait_until(started + (len(lines) + len(ends)) / rate)
            step = self._next_ready()
            if step.tasks:
                lines.append(self._next_line(step, of_child))
            else:
                done = self._end(step)
                ends.append([done["at"], done["step"]])
        return {"lines": lines, "ends": ends, "seconds": time.monotonic() - started}

    def grow(self, rate, seconds):
        """Write a line at a time to the steps in turns, and return the revisions and when they
        were committed.
        """
        started, revisions = time.monotonic(), []
        for number in range(round(rate * seconds)):
            self._wait_until(started + number / rate)
            step = self._steps[number % len(self._steps)]
            step.lines += 1
            results.record(step.plan, [self._line(step)])
            at = time.time()
            with read() as connection:
                revisions.append([store.jobs.head(connection, self._job_id).revision, at])
        return {"revisions": revisions}

    # Taking work

    def _take_until(self, condition):
        """Take work until this holds. Raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if not self._take():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the monitor let nothing go on within {PATIENCE} s")
                time.sleep(LOOK)

    def _take(self):
        """Take what is to be done, if anything is, and return whether there was. A plan is done at
        once.

        Of a step in hand no children are taken again. Each step's are another worker's: one that
        asks for work gives back what is reserved for it.
        """
        in_hand = {step.plan.step_pk for step in self._steps if step.has_children}
        claimed = claims.claim(
            self._id, lambda step_pk: 0 if step_pk in in_hand else self._children
        )
        for task in claimed:
            if task.kind == "plan":
                self._steps.append(StepInHand(task))
                results.add_planned(
                    task,
                    [
                        NewChild(str(number), f"part {number}", {})
                        for number in range(1, self._children + 1)
                    ],
                )
                results.finish_plan(task)
            elif task.kind == "child":
                step = self._step_of(task)
                step.tasks.append(task)
                step.has_children = True
            else:
                self._step_of(task).summary = task
        if any(task.kind == "child" for task in claimed):
            self._id = self._staff.add()
        return bool(claimed)

    def _step_of(self, task):
        return next(step for step in self._steps if step.name == task.step_name)

    def _next_ready(self):
        """Return the next step, in turns, for which something can be done."""
        if not all(step.is_ready for step in self._steps):
            self._take()
        self._take_until(lambda: any(step.is_ready for step in self._steps))
        step = next(step for step in self._steps if step.is_ready)
        self._steps.remove(step)
        self._steps.append(step)
        return step

    # Doing it

    def _next_line(self, step, of_child):
        """Write the next line of the child that is under way, and end it with its last.

        Returns `[at, step, log_count]`.
        """
        step.lines += 1
        if step.lines % of_child:
            results.record(step.tasks[0], [self._line(step)])
        else:
            task = step.tasks.popleft()
            ended = [End(task, "completed", {}, None, now())]
            results.record(
                task, [self._line(step)], ended=ended, begin=step.tasks[0] if step.tasks else None
            )
        return [time.time(), step.name, step.lines]

    def _end(self, step):
        self._steps.remove(step)
        results.finish_summary(step.summary, {})
        return {"step": step.name, "at": time.time()}

    def _line(self, step):
        return Line(now(), "info", f"line {step.lines} of {step.name}")

    def _wait_until(self, due):
        time.sleep(max(0.0, due - time.monotonic()))


def do(hand, question):
    """Return the answer to a question."""
    if "begin" in question:
        return hand.begin(question["begin"], question["children"], question["ready"])
    if "mix" in question:
        return hand.mix(
            question["mix"], question["steps"], question["lines"], question.get("seconds")
        )
    return hand.grow(question["grow"], question["seconds"]) if "grow" in question else hand.end()


def main():
    app = jobsync.create_app(config.load())
    with app.app_context(), Workers(app, sys.argv[1:] or None) as staff:
        hand = Hand(staff)
        for question in questions():
            answer(do(hand, question))


if __name__ == "__main__":
    main()
