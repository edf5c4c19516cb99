"""What is asked before something is done to a job, a step or a child: what exactly will happen,
in numbers of this moment.
"""

from dataclasses import dataclass

from jobsync import lifecycle, store
from jobsync.base.errors import NotFound, WrongState
from jobsync.lifecycle.parts import CHILD_REFUSALS, STEP_REFUSALS
from jobsync.status import (
    PENDING,
    RETRYABLE,
    RUNNING,
    SKIPPED,
    UNFINISHED,
    child_actions,
    step_actions,
)
from jobsync.web.words import amount, children_of

STOPPED = "Their processes are asked to end, and are killed if they don't."
STOPPED_ONE = "Its processes are asked to end, and are killed if they don't."


@dataclass(frozen=True)
class Question:
    """`says`: a sentence each. `yes` and `no` are the words of the two buttons."""

    action: str
    title: str
    says: list
    yes: str
    no: str

    @property
    def is_grave(self):
        return self.action != "retry"


def about_job(connection, action, job_id):
    """Return the Question of an action on a job. Raises NotFound, WrongState."""
    structure = store.structure.structure_of(connection, job_id)
    lifecycle.check_allowed(action, structure["status"])
    steps = structure["steps"]
    if action == "cancel":
        return Question(action, "Cancel this job?", _cancelled(steps), "Cancel it", "Let it go on")
    if action == "retry":
        says = _runs_again([step for step in steps if step["status"] in (*RETRYABLE, SKIPPED)])
        kept = sum(step["children"]["completed"] for step in steps)
        return Question(action, "Run this job again?", [says + _kept(kept)], "Retry", "Leave it")
    lines, children = (sum(step[name] for step in steps) for name in ("log_count", "child_count"))
    owned = [
        amount(len(steps), "step"),
        amount(children, "child", "children"),
        amount(lines, "log line"),
    ]
    says = [f"Its {', '.join(owned)} and its result go with it.", "This can't be undone."]
    return Question(action, "Delete this job?", says, "Delete for good", "Keep it")


def _cancelled(steps):
    queued, running = (sum(step["children"][name] for step in steps) for name in UNFINISHED)
    unfinished = sum(step["status"] in UNFINISHED for step in steps)
    words = children_of({"queued": queued, "running": running})
    says = [f"Cancels {words or 'the job before any of its children runs'}."]
    says += [f"{amount(unfinished, 'step ends', 'steps end')} unfinished."]
    return says + [STOPPED] * (running > 0)


def _runs_again(steps):
    """Say what of these steps is to run again, without a full stop."""
    failed, cancelled = (sum(step["children"][name] for step in steps) for name in RETRYABLE)
    words = children_of({"failed": failed, "cancelled": cancelled})
    begun_anew = sum(not step["child_count"] for step in steps)
    if not words:
        return f"Runs {amount(begun_anew or len(steps), 'step')} again"
    more = f", and {amount(begun_anew, 'step')} that had not begun" if begun_anew else ""
    return f"Runs {words} again{more}"


def _kept(completed):
    if not completed:
        return "."
    return f"; {amount(completed, 'completed one is', 'completed ones are')} kept."


def about_step(connection, action, job_id, name):
    """Return the Question of an action on a step. Raises NotFound, WrongState."""
    steps = store.structure.structure_of(connection, job_id)["steps"]
    step = next((step for step in steps if step["name"] == name), None)
    if step is None:
        raise NotFound(f"There is no step {name!r}.")
    _check(STEP_REFUSALS, action, step["status"], step_actions(step["status"], step["children"]))
    children = step["children"]
    if action == "cancel":
        words = children_of({"queued": children[PENDING], "running": children[RUNNING]})
        says = [f"Cancels {words} of this step." if words else "Cancels the step before it runs."]
        says += [STOPPED] * (children[RUNNING] > 0)
        says += ["The job goes on with its other steps; those that need this one are skipped."]
        return Question(action, f"Cancel {name}?", says, "Cancel the step", "Let it go on")
    says = [_runs_again([step]) + _kept(children["completed"])]
    if any(other["status"] == SKIPPED for other in steps):
        says += ["What was skipped because of it runs after it."]
    return Question(action, f"Run {name} again?", says, "Retry the step", "Leave it")


def about_child(connection, action, job_id, name, child_id):
    """Return the Question of an action on a child. Raises NotFound, WrongState."""
    child = store.children.details(connection, job_id, name, child_id)
    _check(CHILD_REFUSALS, action, child["status"], child_actions(child["status"]))
    what = f"{child['name']} of {name}"
    if action == "cancel":
        says = (
            [f"Stops attempt {child['attempt']}, which is running.", STOPPED_ONE]
            if child["status"] == RUNNING
            else ["It is queued and will not run."]
        )
        says += ["Its step goes on with the others."]
        return Question(action, f"Cancel {what}?", says, "Cancel the child", "Let it go on")
    says = [f"Runs it again, as attempt {child['attempt'] + 1}.", "All others stay as they are."]
    return Question(action, f"Run {what} again?", says, "Retry the child", "Leave it")


def _check(refusals, action, status, allowed):
    if action not in allowed:
        raise WrongState(refusals[action].format(status=status))
