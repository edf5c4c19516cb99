"""What people ask of a job, and what follows by itself: guarded, counted, in one transaction."""

import itertools
import threading
import time

import pytest
from sqlalchemy import func, select, update

from helpers.ask import ask, fetch, jobs_page
from helpers.by_hand import line, messages, recount
from jobsync import lifecycle, store
from jobsync.base.errors import BadInput, NotFound, StoreBusy, WrongState
from jobsync.db.extensions import db
from jobsync.db.models import Child, Deletion, Job, LogLine, Step
from jobsync.db.transactions import write
from jobsync.lifecycle import moves, results, rows
from jobsync.lifecycle.tasks import End, NewChild
from jobsync.status import (
    CHILD_STATUSES,
    JOB_STATUSES,
    STEP_STATUSES,
    TERMINAL,
    TRANSITIONS,
    allowed,
)

CHAIN = """
[step.a]
[step.b]
depends = "a"
[step.c]
depends = "b"
"""


def job_of(job_id):
    return ask(store.jobs.get, job_id)


# Submitting


def test_a_new_job_is_pending_with_all_its_steps(hand):
    job_id = hand.submit(CHAIN)
    job = job_of(job_id)
    assert (job["status"], job["revision"], job["started_at"], job["finished_at"]) == (
        "pending",
        1,
        None,
        None,
    )
    assert hand.statuses(job_id) == {"a": "pending", "b": "pending", "c": "pending"}
    assert job["created_at"] == job["updated_at"]


def test_bad_parameters_store_nothing(hand):
    definition = hand.define('id = "p"\n[params.n]\ntype = "integer"\n[step.a]\ntype = "by_hand"')
    with pytest.raises(BadInput) as caught:
        lifecycle.submit(definition, {"n": "many", "m": 1}, "api")
    assert set(caught.value.errors["params"]) == {"n", "m"}
    assert jobs_page()["total"] == 0


def test_a_job_keeps_the_steps_of_its_definition_though_the_file_changes(hand):
    job_id = hand.submit(CHAIN)
    hand.define('id = "d"\n[step.z]\ntype = "by_hand"')
    assert list(hand.statuses(job_id)) == ["a", "b", "c"]


# What follows by itself


def test_a_job_goes_step_by_step_to_its_end(hand):
    job_id = hand.begin(CHAIN)
    assert hand.statuses(job_id) == {"a": "running", "b": "pending", "c": "pending"}
    assert hand.run_out(job_id) == "completed"
    assert hand.statuses(job_id) == {"a": "completed", "b": "completed", "c": "completed"}
    job = job_of(job_id)
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    recount(job_id)


def test_steps_that_wait_for_nothing_run_side_by_side(hand):
    job_id = hand.submit("[step.a]\n[step.b]\n[step.c]")
    hand.advance(job_id)
    assert set(hand.statuses(job_id).values()) == {"running"}


def test_a_step_without_children_completes(hand):
    job_id = hand.begin(number=0)
    assert hand.statuses(job_id) == {"a": "completed"}
    assert job_of(job_id)["status"] == "completed"


def test_a_failed_child_fails_its_step_and_the_job_with_the_reason_and_cancels_the_others(hand):
    job_id = hand.begin(CHAIN, number=3)
    (task,) = hand.claim()
    hand.fail(task, "no such file")
    hand.advance(job_id)
    assert [child["status"] for child in hand.children(job_id)] == [
        "failed",
        "cancelled",
        "cancelled",
    ]
    assert hand.statuses(job_id) == {"a": "failed", "b": "skipped", "c": "skipped"}
    assert hand.step(job_id)["error"] == "1 child failed, first c1: no such file"
    assert job_of(job_id)["status"] == "failed"
    assert job_of(job_id)["error"] == "a: 1 child failed, first c1: no such file"
    recount(job_id)


def test_tolerated_failures_let_the_step_complete(hand):
    job_id = hand.begin("[step.a]\nmax_child_failures = 1", number=2)
    hand.fail(hand.claim()[0])
    hand.complete(hand.claim()[0])
    hand.advance(job_id)
    assert hand.step(job_id)["status"] == "completed"
    assert hand.step(job_id)["children"] == {
        "pending": 0,
        "running": 0,
        "completed": 1,
        "failed": 1,
        "cancelled": 0,
    }


def test_one_failure_more_than_tolerated_fails_the_step_while_it_is_still_being_planned(hand):
    job_id = hand.submit("[step.a]\nmax_child_failures = 1")
    hand.advance(job_id)
    (plan,) = hand.claim("planner")
    assert results.add_planned(plan, [NewChild(str(n), f"c{n}", {}) for n in (1, 2, 3)])
    for _ in range(2):
        hand.fail(hand.claim()[0])
    hand.advance(job_id)
    assert hand.step(job_id)["status"] == "failed"
    assert not results.is_current(plan)
    assert not results.add_planned(plan, [NewChild("4", "c4", {})])
    assert hand.step(job_id)["child_count"] == 3
    recount(job_id)


def test_a_broken_planning_fails_the_step(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    results.break_unit(hand.claim()[0], "planning failed: no such folder")
    hand.advance(job_id)
    assert hand.step(job_id)["error"] == "planning failed: no such folder"
    assert job_of(job_id)["error"] == "a: planning failed: no such folder"


def test_a_failure_with_on_error_continue_lets_what_depends_on_it_run(hand):
    job_id = hand.begin('[step.a]\non_error = "continue"\n[step.b]\ndepends = "a"')
    hand.fail(hand.claim()[0])
    assert hand.run_out(job_id) == "completed"
    assert hand.statuses(job_id) == {"a": "failed", "b": "completed"}
    assert job_of(job_id)["error"] is None


def test_a_step_that_always_runs_does_so_after_a_failure_and_the_job_still_fails(hand):
    job_id = hand.begin('[step.a]\n[step.b]\ndepends = "a"\nalways_run = true')
    hand.fail(hand.claim()[0])
    assert hand.run_out(job_id) == "failed"
    assert hand.statuses(job_id) == {"a": "failed", "b": "completed"}


def test_steps_that_do_not_depend_on_a_failed_one_run_to_their_end_before_the_job_fails(hand):
    job_id = hand.submit("[step.a]\n[step.b]\n[step.c]\ndepends = 'b'")
    hand.advance(job_id)
    results.break_unit(hand.claim()[0], "broken")
    hand.advance(job_id)
    assert job_of(job_id)["status"] == "running"
    assert hand.run_out(job_id) == "failed"
    assert hand.statuses(job_id) == {"a": "failed", "b": "completed", "c": "completed"}


def test_the_result_of_a_job_is_the_last_one_of_its_steps_with_the_others_beside_it(hand):
    job_id = hand.submit(
        '[step.a] #\ntype = "by_hand_summed"\n[step.b]\ndepends = "a"\n'
        '[step.c] #\ntype = "by_hand_summed"\ndepends = "b"'
    )
    hand.run_out(job_id)
    assert job_of(job_id)["result"] == {"of": "c", "steps": {"a": {"of": "a"}}}


def test_advancing_a_job_at_rest_writes_nothing(hand):
    job_id = hand.begin()
    before = job_of(job_id)["revision"]
    assert not moves.advance(job_id)
    assert job_of(job_id)["revision"] == before
    assert not moves.advance("no such job")


# Cancelling


def test_cancelling_ends_the_job_its_steps_and_children_at_once(hand):
    job_id = hand.begin('[step.a]\n[step.b]\ndepends = "a"\nalways_run = true', number=3)
    hand.complete(hand.claim()[0])
    hand.claim()
    lifecycle.cancel(job_id)
    assert job_of(job_id)["status"] == "cancelled"
    assert hand.statuses(job_id) == {"a": "cancelled", "b": "cancelled"}
    assert hand.step(job_id)["children"] == {
        "pending": 0,
        "running": 0,
        "completed": 1,
        "failed": 0,
        "cancelled": 2,
    }
    assert not moves.advance(job_id)
    recount(job_id)


def test_cancelling_a_job_that_has_not_begun(hand):
    job_id = hand.submit(CHAIN)
    lifecycle.cancel(job_id)
    assert job_of(job_id)["status"] == "cancelled"
    assert hand.claim() == []


def test_cancelling_keeps_what_has_ended(hand):
    job_id = hand.begin("[step.a]\n[step.b]", number=0)
    lifecycle.cancel(job_id)
    assert hand.statuses(job_id) == {"a": "completed", "b": "cancelled"}


def test_a_cancel_that_comes_after_the_last_child_and_before_the_monitor_still_wins(hand):
    job_id = hand.begin()
    hand.complete(hand.claim()[0])
    lifecycle.cancel(job_id)
    hand.advance(job_id)
    assert job_of(job_id)["status"] == "cancelled"
    recount(job_id)


@pytest.mark.parametrize("action", [lifecycle.cancel, lifecycle.retry, lifecycle.delete])
def test_an_unknown_job_is_told_by_its_id(hand, action):
    with pytest.raises(NotFound, match="'nope'"):
        action("nope")


def end_in(hand, status):
    """Return a job that has this status."""
    job_id = hand.submit()
    if status != "pending":
        hand.advance(job_id)
    if status == "cancelled":
        lifecycle.cancel(job_id)
    elif status in ("completed", "failed"):
        hand.run_out(job_id, "complete" if status == "completed" else "fail")
    assert job_of(job_id)["status"] == status
    return job_id


@pytest.mark.parametrize("status", JOB_STATUSES)
def test_each_action_is_possible_in_its_statuses_alone_and_a_refusal_changes_nothing(hand, status):
    possible = {
        lifecycle.cancel: ("pending", "running"),
        lifecycle.retry: ("failed", "cancelled"),
        lifecycle.delete: tuple(TERMINAL),
    }
    for action, statuses in possible.items():
        job_id = end_in(hand, status)
        before = ask(store.structure.structure_of, job_id)
        if status in statuses:
            action(job_id)
        else:
            with pytest.raises(WrongState, match=status):
                action(job_id)
            assert ask(store.structure.structure_of, job_id) == before


# Running out of time


def test_a_job_that_is_out_of_time_is_stopped_as_by_a_cancel_but_fails_with_the_reason(hand):
    job_id = hand.begin(CHAIN, number=2, head='timeout = "4s"')
    hand.claim()
    lifecycle.time_out(job_id)
    job = job_of(job_id)
    assert (job["status"], job["error"]) == ("failed", "timed out after 4 s (timeout of the job)")
    assert set(hand.statuses(job_id).values()) == {"cancelled"}
    recount(job_id)


def test_timing_out_a_job_that_has_ended_or_is_gone_does_nothing(hand):
    job_id = end_in(hand, "completed")
    before = ask(store.structure.structure_of, job_id)
    with write() as connection:
        connection.execute(update(Job).values(timeout=1))
    lifecycle.time_out(job_id)
    assert ask(store.structure.structure_of, job_id) == before
    lifecycle.delete(job_id)
    lifecycle.time_out(job_id)


# Retrying


def test_a_retry_runs_again_what_did_not_complete_and_keeps_what_did(hand):
    job_id = hand.begin(CHAIN, number=3)
    hand.complete(hand.claim()[0], {"kept": True})
    hand.fail(hand.claim()[0])
    hand.advance(job_id)
    lifecycle.retry(job_id)
    job = job_of(job_id)
    assert (job["status"], job["error"], job["started_at"], job["finished_at"]) == (
        "pending",
        None,
        None,
        None,
    )
    assert hand.statuses(job_id) == {"a": "pending", "b": "pending", "c": "pending"}
    assert [child["status"] for child in hand.children(job_id)] == [
        "completed",
        "pending",
        "pending",
    ]
    recount(job_id)
    assert hand.run_out(job_id) == "completed"
    assert [(child["status"], child["attempt"]) for child in hand.children(job_id)] == [
        ("completed", 1),
        ("completed", 2),
        ("completed", 1),
    ]
    assert hand.children(job_id)[0]["result"] == {"kept": True}
    recount(job_id)


def test_a_retry_of_a_cancelled_planning_goes_on_where_it_was(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    (task,) = hand.claim()
    results.add_planned(task, [NewChild("1", "c1", {"n": 1}), NewChild("2", "c2", {"n": 2})])
    lifecycle.cancel(job_id)
    lifecycle.retry(job_id)
    hand.advance(job_id)
    (again,) = hand.claim()
    assert (again.kind, again.attempt) == ("plan", task.attempt + 1)
    assert results.planned_so_far(again.step_pk) == (2, {"n": 2})


def test_a_retry_gives_children_their_tries_back(hand):
    job_id = hand.begin("[step.a]\nretries = 1")
    for _ in range(2):
        hand.fail(hand.claim()[0])
    hand.advance(job_id)
    assert job_of(job_id)["status"] == "failed"
    lifecycle.retry(job_id)
    hand.advance(job_id)
    hand.fail(hand.claim()[0])
    hand.advance(job_id)
    assert hand.children(job_id)[0]["status"] == "pending"
    hand.complete(hand.claim()[0])
    hand.advance(job_id)
    assert (hand.children(job_id)[0]["attempt"], job_of(job_id)["status"]) == (4, "completed")


def test_a_retry_after_a_step_was_cancelled_when_all_its_children_had_ended_knows_when_it_began(
    hand,
):
    job_id = hand.begin()
    hand.complete(hand.claim()[0])
    lifecycle.cancel(job_id)
    lifecycle.retry(job_id)
    hand.advance(job_id)
    job = job_of(job_id)
    assert job["status"] == "completed" and job["started_at"] and job["finished_at"]


def test_a_worker_of_before_a_retry_is_refused_and_its_lines_are_kept(hand):
    job_id = hand.begin()
    (old,) = hand.claim("slow")
    lifecycle.cancel(job_id)
    lifecycle.retry(job_id)
    hand.advance(job_id)
    assert hand.claim("quick") == []  # the old attempt is still being stopped
    hand.complete(old, {"from": "old"}, [line("still here")])
    (new,) = hand.claim("quick")
    hand.complete(old, {"from": "old"})
    assert hand.children(job_id)[0]["status"] == "running"
    hand.complete(new, {"from": "new"})
    assert hand.children(job_id)[0]["result"] == {"from": "new"}
    assert messages(job_id) == ["still here"]
    recount(job_id)


def test_a_job_can_be_retried_again_and_again(hand):
    job_id = hand.begin()
    for _ in range(3):
        assert hand.run_out(job_id, "fail") == "failed"
        lifecycle.retry(job_id)
    assert hand.run_out(job_id) == "completed"
    assert hand.children(job_id)[0]["attempt"] == 4
    recount(job_id)


# Running anew


def test_a_rerun_is_a_new_job_with_the_old_parameters_where_no_new_ones_are_given(hand):
    definition = hand.define(
        'id = "p"\n[params.n]\ntype = "integer"\n[params.m]\ntype = "integer"\ndefault = 1\n'
        '[step.a]\ntype = "by_hand"'
    )
    first = lifecycle.submit(definition, {"n": 3}, "api")
    second = lifecycle.rerun(first, definition, {"m": 7}, "web")
    job = job_of(second)
    assert (job["params"], job["rerun_of"], job["status"], job["source"]) == (
        {"n": 3, "m": 7},
        first,
        "pending",
        "web",
    )
    assert job_of(first)["params"] == {"n": 3, "m": 1}
    assert ask(store.jobs.reruns_of, first) == [second]


def test_a_rerun_of_an_unknown_job_or_with_bad_parameters_stores_nothing(hand):
    definition = hand.define('id = "d"\n[step.a]\ntype = "by_hand"')
    job_id = hand.submit()
    with pytest.raises(NotFound):
        lifecycle.rerun("nope", definition, {}, "api")
    with pytest.raises(BadInput):
        lifecycle.rerun(job_id, definition, {"x": 1}, "api")
    assert jobs_page()["total"] == 1


# Deleting


def test_a_deleted_job_is_gone_at_once_and_its_rows_bit_by_bit(hand, monkeypatch):
    for name in ("CLEARED", "CLEARED_CHILDREN"):
        monkeypatch.setattr(f"jobsync.lifecycle.jobs.{name}", 3)
    kept = end_in(hand, "completed")
    job_id = hand.begin(number=7)
    (task,) = hand.claim()
    hand.complete(task, lines=[line(f"line {n}") for n in range(8)])
    lifecycle.cancel(job_id)
    lifecycle.delete(job_id)
    with pytest.raises(NotFound):
        ask(store.structure.structure_of, job_id)
    rounds = 0
    while lifecycle.clear_deleted():
        rounds += 1
    assert rounds > 5  # no round takes more than a few rows
    number_of = {
        model: fetch(select(func.count()).select_from(model)).scalar()
        for model in (Job, Step, Child, LogLine)
    }
    assert number_of == {Job: 1, Step: 1, Child: 1, LogLine: 0}
    assert job_of(kept)["status"] == "completed"


def test_a_worker_of_a_deleted_job_writes_nothing_and_nowhere(hand):
    job_id = hand.begin()
    (task,) = hand.claim()
    lifecycle.cancel(job_id)
    lifecycle.delete(job_id)
    assert not results.is_current(task)
    assert not results.record(
        task,
        [line("too late")],
        [End(task, "completed", None, None, 0)],
        [(task, NewChild("1.1", "c", {}))],
        task,
    )
    assert not results.add_planned(task, [NewChild("9", "c9", {})], [line("too late")])
    while lifecycle.clear_deleted():
        pass
    # under keys of its own, where a late worker of the deleted job can't meet it
    other = hand.begin()
    hand.complete(task, lines=[line("too late")])
    assert messages(other) == []
    recount()


def test_a_deletion_is_there_to_be_told_until_it_was(hand):
    job_id = end_in(hand, "completed")
    revision = job_of(job_id)["revision"]
    lifecycle.delete(job_id)
    ((change, deleted, later),) = ask(store.jobs.deletions_since, 0)
    assert (deleted, later > revision) == (job_id, True)
    moves.forget_deletions(change)
    assert ask(store.jobs.deletions_since, 0) == []
    assert fetch(select(func.count()).select_from(Deletion)).scalar() == 0


# Guards


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [("job", JOB_STATUSES), ("step", STEP_STATUSES), ("child", CHILD_STATUSES)],
)
def test_every_transition_that_is_not_allowed_raises_and_writes_nothing(hand, kind, statuses):
    job_id = hand.begin()
    keys = {
        "job": job_id,
        "step": fetch(select(Step.pk)).scalar_one(),
        "child": fetch(select(Child.pk)).scalar_one(),
    }
    model = {"job": Job, "step": Step, "child": Child}[kind]
    move = {
        "job": rows.move_job,
        "step": lambda session, _, old, new: rows.move_all_steps(
            connection, Step.job_id == job_id, [old], new, 9
        ),
        "child": rows.move_child,
    }[kind]
    refused = [(old, new) for old in statuses for new in statuses if not allowed(kind, old, new)]
    assert len(refused) > len(statuses)
    for old, new in refused:
        with write() as connection:
            connection.execute(update(model).values(status=old))
        with (
            pytest.raises(ValueError, match=f"a {kind} never goes from {old} to {new}"),
            write() as connection,
        ):
            move(connection, keys[kind], old, new)
        assert fetch(select(model.status)).scalar_one() == old


def test_a_step_is_moved_on_by_ways_alone_whose_every_move_is_allowed(hand):
    hand.begin()
    step_pk = fetch(select(Step.pk)).scalar_one()
    ways = [way for number in (2, 3) for way in itertools.product(STEP_STATUSES, repeat=number)]
    for way in ways:
        if all(old == new or allowed("step", old, new) for old, new in itertools.pairwise(way)):
            continue
        with write() as connection:
            connection.execute(update(Step).values(status=way[0]))
        with pytest.raises(ValueError, match="a step never goes from"), write() as connection:
            rows.move_steps(connection, [rows.StepMove(step_pk, way, "done")], 9)
        assert fetch(select(Step.status)).scalar_one() == way[0]


@pytest.mark.parametrize("kind", ["job", "step", "child"])
def test_a_move_from_a_status_that_it_is_not_in_any_more_changes_nothing(hand, kind):
    job_id = hand.begin()
    step_pk, child_pk = fetch(select(Child.step_pk, Child.pk)).one()
    lifecycle.cancel(job_id)
    with write() as connection:
        moved = {
            "job": lambda: rows.move_job(connection, job_id, "running", "completed"),
            "step": lambda: (
                rows.move_steps(
                    connection, [rows.StepMove(step_pk, ("running", "completed"), "done")], 99
                )
                == 1
            ),
            "child": lambda: rows.move_child(connection, child_pk, "pending", "running"),
        }[kind]()
    assert moved is False
    assert (
        job_of(job_id)["status"],
        hand.step(job_id)["status"],
        hand.children(job_id)[0]["status"],
    ) == ("cancelled",) * 3


def test_every_way_to_a_terminal_status_is_in_the_table_and_sets_the_time_of_the_end(hand):
    assert all(
        new in TERMINAL or new in ("pending", "running")
        for table in TRANSITIONS.values()
        for targets in table.values()
        for new in targets
    )
    for status in ("completed", "failed", "cancelled"):
        job_id = end_in(hand, status)
        assert job_of(job_id)["finished_at"] and hand.step(job_id)["finished_at"]


# Many at a time


def at_once(app, *calls):
    """Call them all at a time, each in a thread with a session of its own.

    Returns what each returned or raised.
    """
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(place, call):
        with app.app_context():
            barrier.wait()
            try:
                results[place] = call()
            except (WrongState, NotFound) as error:
                results[place] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_of_many_who_cancel_at_once_one_succeeds(hand):
    job_id = hand.begin()
    results = at_once(hand.app, *[lambda: lifecycle.cancel(job_id)] * 8)
    assert sum(isinstance(result, WrongState) for result in results) == 7
    recount(job_id)


def test_a_cancel_and_the_end_of_the_last_child_at_once_leave_one_truth(hand):
    for _ in range(10):
        job_id = hand.begin()
        (task,) = hand.claim()
        at_once(
            hand.app,
            lambda job_id=job_id: lifecycle.cancel(job_id),
            lambda task=task: hand.complete(task),
            lambda job_id=job_id: hand.advance(job_id),
        )
        hand.advance(job_id)
        assert job_of(job_id)["status"] in ("cancelled", "completed")
        recount(job_id)


def test_retry_delete_and_rerun_at_once_leave_a_whole_job_or_none(hand):
    definition = hand.define('id = "d"\n[step.a]\ntype = "by_hand"')
    for _ in range(5):
        job_id = end_in(hand, "failed")
        calls = (
            lifecycle.retry,
            lifecycle.delete,
            lambda job_id: lifecycle.rerun(job_id, definition, {}, "api"),
        )
        at_once(hand.app, *[lambda call=call, job_id=job_id: call(job_id) for call in calls])
        head = ask(store.jobs.head, job_id)
        assert head is None or head.status == "pending"
        recount()


def test_many_writers_lose_nothing(hand):
    job_id = hand.begin(number=1)
    (task,) = hand.claim()
    before = job_of(job_id)["revision"]
    at_once(hand.app, *[lambda: [results.record(task, [line("x")]) for _ in range(10)]] * 6)
    assert hand.step(job_id)["log_count"] == 60
    assert job_of(job_id)["revision"] == before + 60
    recount(job_id)


def test_a_writer_gives_up_with_one_clear_line_when_the_lock_is_not_given_free(hand):
    job_id = hand.begin()
    holding, enough = threading.Event(), threading.Event()

    def hold():
        with hand.app.app_context(), db.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            holding.set()
            enough.wait(20)
            connection.exec_driver_sql("ROLLBACK")

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(10)
    started = time.monotonic()
    try:
        with pytest.raises(StoreBusy, match="locked"), write(patience=0.2):
            pass
        assert time.monotonic() - started < 2
        assert job_of(job_id)["status"] == "running"  # readers read on
    finally:
        enough.set()
        thread.join()
    lifecycle.cancel(job_id)


def test_a_transaction_that_breaks_leaves_nothing_of_itself(hand):
    job_id = hand.begin()
    before = ask(store.structure.structure_of, job_id)
    with pytest.raises(ZeroDivisionError), write() as connection:
        rows.touch(connection, job_id)
        rows.cancel_steps_children(connection, select(Step.pk))
        raise ZeroDivisionError
    assert ask(store.structure.structure_of, job_id) == before
    with write() as connection:  # and the way is free for the next one
        rows.touch(connection, job_id)


def test_what_happens_in_one_transaction_happens_at_one_time(hand, monkeypatch):
    ticks = itertools.count(1_800_000_000_000, 1000)
    monkeypatch.setattr("jobsync.base.clock.time.time_ns", lambda: next(ticks) * 1_000_000)
    job_id = hand.submit("[step.a]\n[step.b]")
    hand.run_out(job_id)
    job, steps = ask(store.jobs.get, job_id), ask(store.structure.structure_of, job_id)["steps"]
    assert job["created_at"] < job["started_at"] == steps[0]["started_at"] == steps[1]["started_at"]
    assert job["finished_at"] == job["updated_at"] == max(step["finished_at"] for step in steps)


def result_of(hand, values):
    """Return the result of a job whose steps end with these results."""
    names = "abc"[: len(values)]
    job_id = hand.submit("\n".join(f"[step.{name}] #\ntype = 'by_hand_summed'" for name in names))
    hand.advance(job_id)
    while claimed := hand.claim():
        for task in claimed:
            if task.kind == "summary":
                results.finish_summary(task, dict(zip(names, values, strict=True))[task.step_name])
            else:
                results.finish_plan(task)
        hand.advance(job_id)
    return ask(store.jobs.get, job_id)["result"]


@pytest.mark.parametrize("own", [3, None, [], {"x": 1}, {"a": {"n": 1}}], ids=repr)
def test_what_the_last_step_calls_steps_is_not_lost_from_the_job_s_result(hand, own):
    first, last = {"n": 1}, {"files": 2, "steps": own}
    assert result_of(hand, [first, last]) == {"files": 2, "steps": {"a": first, "b": last}}
    assert result_of(hand, [last, first]) == {"n": 1, "steps": {"a": last}}
    assert result_of(hand, [last]) == last


def test_lines_of_a_deleted_job_are_cleared_away_by_their_size(hand, monkeypatch):
    monkeypatch.setattr("jobsync.lifecycle.jobs.CLEARED_BYTES", 1000)
    job_id = hand.begin()
    hand.complete(*hand.claim(), lines=[line("x" * 500)] * 20)
    hand.advance(job_id)
    lifecycle.delete(job_id)
    rounds = 0
    while lifecycle.clear_deleted():
        rounds += 1
    assert rounds >= 10
