"""Cancelling and retrying a step or a child by itself, and the receipts of what is cancelled."""

from itertools import product

import pytest
from sqlalchemy import select, update

from helpers.ask import ask, fetch
from helpers.by_hand import recount
from jobsync import lifecycle, store
from jobsync.base.clock import now
from jobsync.base.errors import NotFound, WrongState
from jobsync.db.extensions import db
from jobsync.db.models import Child, Stop
from jobsync.db.transactions import write
from jobsync.lifecycle import parts, results, stops, workers
from jobsync.lifecycle.tasks import End, NewChild
from jobsync.status import CHILD_STATUSES, STEP_STATUSES, child_actions, step_actions

CHAIN = '[step.a]\n[step.b]\ndepends = "a"\n[step.c]\ndepends = "b"'
BESIDE = '[step.a]\n[step.b]\n[step.c]\ndepends = "a"'


def job_of(job_id):
    return ask(store.jobs.get, job_id)


def ids(hand, job_id, step="a"):
    return [child["id"] for child in hand.children(job_id, step)]


def child_statuses(hand, job_id, step="a"):
    return [child["status"] for child in hand.children(job_id, step)]


def take(hand, worker="w1"):
    """Claim a child for a worker; another one has the plannings that come first."""
    while (found := hand.claim(worker)) and found[0].kind != "child":
        workers.release(worker)
        hand.claim("planner")
    (task,) = found
    return task


# A step


def test_a_cancelled_step_ends_with_its_children_and_what_depends_on_it_is_skipped(hand):
    job_id = hand.begin(BESIDE, number=3)
    hand.complete(take(hand))
    take(hand)
    lifecycle.cancel_step(job_id, "a")
    assert child_statuses(hand, job_id) == ["completed", "cancelled", "cancelled"]
    hand.advance(job_id)
    assert hand.statuses(job_id) == {"a": "cancelled", "b": "running", "c": "skipped"}
    recount(job_id)
    workers.release("planner")
    assert hand.run_out(job_id) == "cancelled"
    assert hand.statuses(job_id)["b"] == "completed"


def test_a_job_with_a_cancelled_and_a_failed_step_has_failed(hand):
    job_id = hand.begin("[step.a]\n[step.b]")
    lifecycle.cancel_step(job_id, "a")
    assert hand.run_out(job_id, "fail") == "failed"


def test_a_step_that_waits_for_others_can_be_cancelled(hand):
    job_id = hand.begin(CHAIN)
    lifecycle.cancel_step(job_id, "b")
    hand.advance(job_id)
    assert hand.statuses(job_id) == {"a": "running", "b": "cancelled", "c": "skipped"}
    assert hand.run_out(job_id) == "cancelled"


def test_a_step_can_be_cancelled_while_it_is_planned_and_gets_no_more_children(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    (plan,) = hand.claim("w1")
    lifecycle.cancel_step(job_id, "a")
    assert not results.is_current(plan)
    assert not results.add_planned(plan, [NewChild("1", "c1", {})])
    results.finish_plan(plan)
    hand.advance(job_id)
    assert job_of(job_id)["status"] == "cancelled" and ids(hand, job_id) == []
    recount(job_id)


@pytest.mark.parametrize("action", ["cancel", "retry"])
@pytest.mark.parametrize("status", STEP_STATUSES)
def test_a_step_in_any_status_allows_what_its_actions_say(hand, action, status):
    job_id = {
        "pending": lambda: hand.begin('[step.x]\n[step.a]\ndepends = "x"'),
        "running": hand.begin,
        "completed": lambda: run(hand, "complete"),
        "failed": lambda: run(hand, "fail"),
        "cancelled": lambda: cancelled(hand),
        "skipped": lambda: run(hand, "fail", '[step.x]\n[step.a]\ndepends = "x"'),
    }[status]()
    assert hand.step(job_id)["status"] == status
    before = ask(store.structure.structure_of, job_id)
    call = getattr(lifecycle, f"{action}_step")
    if action in step_actions(status, hand.step(job_id)["children"]):
        call(job_id, "a")
        assert hand.step(job_id)["status"] == ("cancelled" if action == "cancel" else "pending")
    else:
        with pytest.raises(WrongState, match=status):
            call(job_id, "a")
        assert ask(store.structure.structure_of, job_id) == before
    recount(job_id)


def run(hand, outcome, steps="[step.a]"):
    job_id = hand.submit(steps)
    hand.run_out(job_id, outcome)
    return job_id


def cancelled(hand):
    job_id = hand.begin()
    lifecycle.cancel(job_id)
    return job_id


def test_of_a_failed_step_its_failed_and_cancelled_children_run_again_and_what_was_skipped(hand):
    job_id = hand.begin(CHAIN, number=3)
    hand.complete(*hand.claim())
    hand.fail(*hand.claim())
    hand.advance(job_id)
    assert job_of(job_id)["status"] == "failed"
    lifecycle.retry_step(job_id, "a")
    assert job_of(job_id)["status"] == "pending"
    assert child_statuses(hand, job_id) == ["completed", "pending", "pending"]
    assert hand.run_out(job_id) == "completed"
    assert set(hand.statuses(job_id).values()) == {"completed"}
    recount(job_id)


def test_a_retried_step_leaves_others_that_failed_or_ran_as_they_are(hand):
    job_id = hand.submit('[step.a]\n[step.b]\n[step.after]\ndepends = "b"\nalways_run = true')
    assert hand.run_out(job_id, "fail") == "failed"
    lifecycle.retry_step(job_id, "a")
    assert hand.statuses(job_id) == {"a": "pending", "b": "failed", "after": "failed"}
    assert hand.run_out(job_id) == "failed"
    assert hand.statuses(job_id) == {"a": "completed", "b": "failed", "after": "failed"}


def test_a_step_can_be_retried_while_its_job_goes_on(hand):
    job_id = hand.begin("[step.a]\n[step.b]")
    hand.fail(take(hand))
    hand.advance(job_id)
    assert hand.statuses(job_id) == {"a": "failed", "b": "running"}
    workers.release("planner")
    lifecycle.retry_step(job_id, "a")
    assert job_of(job_id)["status"] == "running"
    assert hand.run_out(job_id) == "completed"


def test_of_a_completed_step_the_tolerated_failures_can_run_again(hand):
    job_id = hand.begin("[step.a]\nmax_child_failures = 5", number=4)
    for outcome in ("complete", "fail", "fail", "complete"):
        getattr(hand, outcome)(*hand.claim())
    hand.advance(job_id)
    assert job_of(job_id)["status"] == "completed"
    lifecycle.retry_step(job_id, "a")
    hand.advance(job_id)
    assert child_statuses(hand, job_id) == ["completed", "pending", "pending", "completed"]
    assert hand.run_out(job_id) == "completed"
    assert child_statuses(hand, job_id) == ["completed"] * 4
    recount(job_id)


def test_of_10_000_children_of_which_12_failed_12_run_again(hand):
    job_id = hand.begin("[step.a]\nmax_child_failures = 12", number=1)
    step_pk = ask(store.steps.get, job_id, "a").pk
    hand.complete(*hand.claim())
    with write() as connection:
        rows = [
            {
                "step_pk": step_pk,
                "key": f"x{number}",
                "name": f"x{number}",
                "status": "failed" if number % 833 == 0 else "completed",
                "input": {},
                "attempt": 1,
            }
            for number in range(1, 10_000)
        ]
        connection.execute(db.insert(Child), rows)
        number = sum(row["status"] == "failed" for row in rows)
        connection.execute(
            update(db.metadata.tables["steps"]).values(failed=number, completed=10_000 - number)
        )
    hand.advance(job_id)
    lifecycle.retry_step(job_id, "a")
    hand.advance(job_id)
    done = 0
    while tasks := hand.claim():
        hand.complete(*tasks)
        done += 1
    hand.advance(job_id)
    assert (number, done, job_of(job_id)["status"]) == (12, 12, "completed")


# A child


def test_a_cancelled_child_leaves_its_step_to_go_on(hand):
    job_id = hand.begin(number=3)
    first, second, _ = ids(hand, job_id)
    (task,) = hand.claim()
    lifecycle.cancel_child(job_id, "a", first)
    lifecycle.cancel_child(job_id, "a", second)
    assert not results.is_current(task)
    hand.complete(task, {"too": "late"})
    assert hand.run_out(job_id) == "completed"
    assert child_statuses(hand, job_id) == ["cancelled", "cancelled", "completed"]
    recount(job_id)


@pytest.mark.parametrize("action", ["cancel", "retry"])
@pytest.mark.parametrize("status", CHILD_STATUSES)
def test_a_child_in_any_status_allows_what_its_actions_say(hand, action, status):
    job_id = hand.begin("[step.a]\nmax_child_failures = 9", number=2)
    child = ids(hand, job_id)[0]
    if status != "pending":
        (task,) = hand.claim()
    if status == "cancelled":
        lifecycle.cancel_child(job_id, "a", child)
    elif status in ("completed", "failed"):
        {"completed": hand.complete, "failed": hand.fail}[status](task)
    before = ask(store.structure.structure_of, job_id)
    call = getattr(lifecycle, f"{action}_child")
    if action in child_actions(status):
        call(job_id, "a", child)
        assert child_statuses(hand, job_id)[0] == ("cancelled" if action == "cancel" else "pending")
    else:
        with pytest.raises(WrongState, match=status):
            call(job_id, "a", child)
        assert ask(store.structure.structure_of, job_id) == before
    recount(job_id)


def test_a_retried_child_of_a_failed_step_runs_and_the_others_stay_as_they_are(hand):
    job_id = hand.begin(CHAIN.replace("[step.a]", "[step.a]\nmax_child_failures = 1"), number=4)
    hand.fail(*hand.claim())
    hand.fail(*hand.claim())
    hand.advance(job_id)
    assert job_of(job_id)["status"] == "failed"
    first = ids(hand, job_id)[0]
    lifecycle.retry_child(job_id, "a", first)
    hand.advance(job_id)
    assert child_statuses(hand, job_id) == ["pending", "failed", "cancelled", "cancelled"]
    (task,) = hand.claim()
    assert task.attempt == 2
    hand.complete(task)
    hand.advance(job_id)
    # one failure is tolerated
    assert hand.statuses(job_id)["a"] == "completed"
    recount(job_id)


def test_the_failures_that_are_left_fail_the_step_when_the_retried_child_has_ended(hand):
    job_id = hand.begin(number=3)
    tasks = [*hand.claim("w1"), *hand.claim("w2"), *hand.claim("w3")]
    results.record(tasks[0], ended=[failed(task) for task in tasks[:1]])
    hand.advance(job_id)
    lifecycle.retry_step(job_id, "a")
    for worker in ("w1", "w2", "w3"):
        workers.release(worker)
    hand.advance(job_id)
    with write() as connection:  # three that failed at the same moment, as none was tolerated
        connection.execute(update(Child).values(status="failed", attempt=1, due_at=None))
        connection.execute(
            update(db.metadata.tables["steps"]).values(pending=0, running=0, failed=3, cancelled=0)
        )
    hand.advance(job_id)
    assert job_of(job_id)["status"] == "failed"
    lifecycle.retry_child(job_id, "a", ids(hand, job_id)[0])
    hand.advance(job_id)
    assert hand.statuses(job_id) == {"a": "running"}
    hand.complete(*hand.claim())
    hand.advance(job_id)
    assert child_statuses(hand, job_id) == ["completed", "failed", "failed"]
    assert hand.step(job_id)["error"].startswith("2 children failed")
    recount(job_id)


def failed(task):
    return End(task, "failed", None, "no", now())


def test_a_child_that_fails_again_fails_its_step_at_once(hand):
    job_id = hand.begin(number=2)
    hand.fail(*hand.claim())
    hand.advance(job_id)
    lifecycle.retry_child(job_id, "a", ids(hand, job_id)[0])
    hand.advance(job_id)
    hand.fail(*hand.claim())
    hand.advance(job_id)
    assert job_of(job_id)["status"] == "failed"
    recount(job_id)


@pytest.mark.parametrize("is_made", [False, True], ids=["being made", "made"])
def test_a_child_that_is_retried_while_its_step_sums_up_is_summed_up_too(hand, is_made):
    summed = '[step.a] #\ntype = "by_hand_summed"\nmax_child_failures = 1'
    job_id = hand.begin(summed, number=2)
    hand.fail(*hand.claim())
    hand.complete(*hand.claim())
    hand.advance(job_id)
    (early,) = hand.claim()
    if is_made:
        results.finish_summary(early, {"of": 1})
    lifecycle.retry_child(job_id, "a", ids(hand, job_id)[0])
    if not is_made:
        results.finish_summary(early, {"of": 1})
    hand.advance(job_id)
    assert hand.statuses(job_id) == {"a": "running"}
    recount(job_id)
    hand.complete(*hand.claim())
    hand.advance(job_id)
    (summary,) = hand.claim()
    results.finish_summary(summary, {"of": 2})
    hand.advance(job_id)
    assert (hand.statuses(job_id), job_of(job_id)["result"]) == ({"a": "completed"}, {"of": 2})
    recount(job_id)


def test_a_child_of_a_step_that_has_just_failed_is_retried_by_itself(hand):
    """The monitor hasn't said so yet, but the end of another child was refused: nobody does that
    one any more.
    """
    job_id = hand.begin(number=3)
    first, second = *hand.claim("w1"), *hand.claim("w2")
    hand.fail(first)
    hand.complete(second)
    lifecycle.retry_child(job_id, "a", ids(hand, job_id)[0])
    hand.advance(job_id)
    assert child_statuses(hand, job_id) == ["pending", "cancelled", "cancelled"]
    recount(job_id)
    hand.complete(*hand.claim())
    hand.advance(job_id)
    assert job_of(job_id)["status"] == "completed"


def test_a_child_of_a_step_whose_planning_has_just_failed_is_retried_and_the_rest_is_planned(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    (plan,) = hand.claim("planner")
    results.add_planned(plan, [NewChild("1", "c1", {})])
    (task,) = hand.claim()
    lifecycle.cancel_child(job_id, "a", str(task.child_pk))
    stops.confirm_stop(task)
    results.break_unit(plan, "it broke")
    lifecycle.retry_child(job_id, "a", str(task.child_pk))
    hand.advance(job_id)
    assert hand.statuses(job_id) == {"a": "running"}
    (plan,) = hand.claim("planner")
    assert plan.kind == "plan"
    results.finish_plan(plan)
    hand.complete(*hand.claim())
    hand.advance(job_id)
    assert job_of(job_id)["status"] == "completed"
    recount(job_id)


@pytest.mark.parametrize("child_id", ["0", "999999", "x", "", "-1", "1e3", "９", "1" * 30])
def test_an_unknown_child_is_told_by_name(hand, child_id):
    job_id = hand.begin("[step.a]\n[step.b]")
    for call in (lifecycle.cancel_child, lifecycle.retry_child):
        with pytest.raises(NotFound, match="child"):
            call(job_id, "a", child_id)


def test_a_child_of_another_step_or_job_is_unknown(hand):
    job_id, other = hand.begin("[step.a]\n[step.b]"), hand.begin("[step.a]\n[step.b]")
    child = ids(hand, job_id)[0]
    for wrong in ((job_id, "b"), (other, "a")):
        with pytest.raises(NotFound):
            lifecycle.cancel_child(*wrong, child)
    for names in (("nobody", "a"), (job_id, "nobody")):
        with pytest.raises(NotFound, match="nobody"):
            lifecycle.cancel_step(*names)


# Time limits of a step


def test_a_step_past_its_time_fails_with_the_reason_and_the_job_goes_by_on_error(hand):
    job_id = hand.begin('[step.a]\nstep_timeout = "10s"\n[step.b]\ndepends = "a"', number=2)
    hand.claim()
    (row,) = ask(store.steps.timed)
    parts.time_out_step(row.pk)
    hand.advance(job_id)
    assert hand.step(job_id)["error"] == "timed out after 10 s (step_timeout)"
    assert hand.statuses(job_id) == {"a": "failed", "b": "skipped"}
    assert child_statuses(hand, job_id) == ["cancelled", "cancelled"]
    assert job_of(job_id)["status"] == "failed"
    parts.time_out_step(row.pk)  # once more does nothing
    recount(job_id)


# Receipts


def test_nothing_is_stopped_where_nothing_ran(hand):
    job_id = hand.begin(number=37)
    lifecycle.cancel(job_id)
    receipt = job_of(job_id)["cancellation"]
    assert receipt["requested_at"] == receipt["done_at"]
    assert receipt["children"] == {"pending": 37, "running": 0}
    assert receipt["processes"] == {"stopped": 0, "left": []}


def test_a_job_that_was_never_cancelled_has_no_receipt(hand):
    job_id = hand.begin()
    assert job_of(job_id)["cancellation"] is None


def test_the_receipt_is_done_when_each_worker_has_said_that_nothing_runs_any_more(hand):
    job_id = hand.begin(number=5)
    tasks = [*hand.claim("w1"), *hand.claim("w2")]
    lifecycle.cancel(job_id)
    assert [child["stopping"] for child in hand.children(job_id)] == [True, True] + [False] * 3
    revision = job_of(job_id)["revision"]
    stops.confirm_stop(tasks[0], 3)
    assert job_of(job_id)["cancellation"]["done_at"] is None
    left = [{"host": "h", "pid": 5, "command": "sleep 9"}]
    stops.confirm_stop(tasks[1], 1, left)
    receipt = job_of(job_id)["cancellation"]
    assert receipt["done_at"] >= receipt["requested_at"]
    assert receipt["children"] == {"pending": 3, "running": 2}
    assert receipt["processes"] == {"stopped": 4, "left": left}
    assert job_of(job_id)["revision"] > revision
    assert not any(child["stopping"] for child in hand.children(job_id))


def test_a_result_that_comes_after_the_cancel_is_refused_and_closes_the_stop(hand):
    job_id = hand.begin()
    (task,) = hand.claim()
    lifecycle.cancel(job_id)
    hand.complete(task, {"n": 1})
    job = job_of(job_id)
    assert job["status"] == "cancelled" and job["cancellation"]["done_at"]
    assert hand.children(job_id)[0]["result"] is None


def test_a_worker_that_dies_while_it_stops_something_has_stopped_it(hand):
    job_id = hand.begin()
    hand.claim("w1")
    lifecycle.cancel(job_id)
    left = [{"host": "h", "pid": 5, "command": "sleep 9"}]
    workers.release("w1", "it died", left)
    receipt = job_of(job_id)["cancellation"]
    assert receipt["done_at"] and receipt["processes"]["left"] == left


def test_what_says_nothing_is_given_up_after_the_grace_and_named(hand):
    job_id = hand.begin('[step.a]\ncancel_grace = "2s"')
    hand.claim("w1")
    lifecycle.cancel(job_id)
    deadline = ask(store.stops.next_deadline)
    assert deadline - now() == pytest.approx(7000, abs=1000)
    assert stops.give_up_late(deadline - 1) == 0
    assert stops.give_up_late(deadline) == 1
    receipt = job_of(job_id)["cancellation"]
    (left,) = receipt["processes"]["left"]
    assert receipt["done_at"] and left["pid"] == 1 and "w1" in left["command"]
    assert ask(store.stops.next_deadline) is None
    assert fetch(select(Stop.attempt)).scalars().all() == [1]


def test_a_planning_that_is_cancelled_is_stopped_too(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    (plan,) = hand.claim()
    lifecycle.cancel(job_id)
    assert job_of(job_id)["cancellation"]["done_at"] is None
    stops.confirm_stop(plan)
    assert job_of(job_id)["cancellation"]["done_at"]


def test_a_job_that_timed_out_has_a_receipt(hand):
    job_id = hand.begin(head='timeout = "1s"', number=2)
    hand.claim()
    lifecycle.time_out(job_id)
    assert job_of(job_id)["cancellation"]["children"] == {"pending": 1, "running": 1}


def test_a_second_cancel_has_a_receipt_of_its_own(hand):
    job_id = hand.begin(number=2)
    (task,) = hand.claim()
    lifecycle.cancel(job_id)
    stops.confirm_stop(task, 7)
    lifecycle.retry(job_id)
    hand.advance(job_id)
    with write() as connection:
        connection.execute(update(Stop).values(requested_at=1))
    lifecycle.cancel(job_id)
    receipt = job_of(job_id)["cancellation"]
    assert (receipt["children"], receipt["processes"]["stopped"]) == (
        {"pending": 2, "running": 0},
        0,
    )


def test_an_exceeded_tolerance_stops_what_runs_of_the_step(hand):
    job_id = hand.begin(number=3)
    first, second = *hand.claim("w1"), *hand.claim("w2")
    hand.fail(first)
    hand.advance(job_id)
    assert [child["stopping"] for child in hand.children(job_id)] == [False, True, False]
    stops.confirm_stop(second)
    assert not any(child["stopping"] for child in hand.children(job_id))
    recount(job_id)


# Every way to end a step, through the engine's own calls


@pytest.mark.parametrize(
    ("outcome", "on_error", "always_run", "tolerated"),
    list(product(("complete", "fail", "cancel"), ("fail", "continue"), (False, True), (0, 1))),
)
def test_every_combination_of_an_end_with_on_error_always_run_and_tolerance(
    hand, outcome, on_error, always_run, tolerated
):
    """The contract's section 1: how a step ends, what then becomes of one that depends on it,
    and of the job.
    """
    job_id = hand.begin(
        f'[step.a]\non_error = "{on_error}"\nmax_child_failures = {tolerated}\n'
        f'[step.b]\ndepends = "a"\nalways_run = {str(always_run).lower()}\n[step.c]\ndepends = "b"'
    )
    if outcome == "cancel":
        lifecycle.cancel_step(job_id, "a")
    else:
        getattr(hand, outcome)(*hand.claim())
    hand.advance(job_id)
    is_failed = outcome == "fail" and not tolerated
    first = {"complete": "completed", "fail": "completed", "cancel": "cancelled"}[outcome]
    first = "failed" if is_failed else first
    runs = first == "completed" or always_run or (first == "failed" and on_error == "continue")
    end = hand.run_out(job_id)
    rest = "completed" if runs else "skipped"
    assert hand.statuses(job_id) == {"a": first, "b": rest, "c": rest}
    assert end == (
        "failed"
        if is_failed and on_error == "fail"
        else "cancelled"
        if first == "cancelled"
        else "completed"
    )
    recount(job_id)
