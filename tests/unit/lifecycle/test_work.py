"""What workers say: claiming, recording, fencing, retries, giving back."""

import subprocess
import sys
from collections import Counter

import pytest
from sqlalchemy import select

from helpers.ask import ask, fetch
from helpers.by_hand import line, messages, recount
from helpers.paths import ROOT
from jobsync import lifecycle, store
from jobsync.base.clock import now
from jobsync.db.extensions import db
from jobsync.db.models import Child, Step
from jobsync.db.transactions import write
from jobsync.lifecycle import results, workers
from jobsync.lifecycle.tasks import End, NewChild
from jobsync.store.logs import lines_of


def keys(tasks):
    return [task.key for task in tasks]


def end_of(task, status="completed", result=None, error=None):
    return End(task, status, result, error, now())


# Claiming


def test_there_is_nothing_to_claim_in_an_empty_store_or_before_the_monitor_has_moved_a_job(hand):
    assert hand.claim() == []
    hand.submit()
    assert hand.claim() == []


@pytest.mark.parametrize(
    ("table", "column", "good", "is_planned"),
    [
        ("steps", "depends", "[]", False),
        ("jobs", "params", "{}", True),
        ("children", "input", "{}", True),
    ],
)
def test_what_can_not_be_read_is_claimed_by_nobody_until_it_is_mended(
    hand, table, column, good, is_planned
):
    if is_planned:
        hand.begin()
    else:
        hand.advance(hand.submit())

    def store_raw(text):
        with write() as connection:
            connection.exec_driver_sql(f"UPDATE {table} SET {column} = ?", (text,))

    store_raw("{")
    assert hand.claim("w1") == [] == hand.claim("w2")
    store_raw(good)
    [task] = hand.claim("w2")
    assert task.kind == ("child" if is_planned else "plan")


def test_a_planning_is_claimed_by_one_worker_alone(hand):
    hand.advance(hand.submit())
    (task,) = hand.claim("w1")
    assert (task.kind, task.step_name, task.attempt) == ("plan", "a", 1)
    assert hand.claim("w2") == []


def test_a_child_is_claimed_by_one_worker_alone_and_shown_as_running(hand):
    job_id = hand.begin(number=2)
    first, second = hand.claim("w1"), hand.claim("w2")
    assert (keys(first), keys(second), hand.claim("w3")) == (["1"], ["2"], [])
    assert hand.step(job_id)["children"]["running"] == 2
    assert first[0].input == {"n": 1}
    recount(job_id)


def test_children_start_before_planning_has_ended(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    (plan,) = hand.claim("planner")
    results.add_planned(plan, [NewChild("1", "c1", {})])
    assert keys(hand.claim("w2")) == ["1"]


def test_of_children_taken_together_the_first_is_begun_and_the_others_are_put_by(hand):
    job_id = hand.begin(number=5)
    tasks = hand.claim("w1", number=3)
    assert keys(tasks) == ["1", "2", "3"]
    assert [child["status"] for child in hand.children(job_id)] == [
        "running",
        "pending",
        "pending",
        "pending",
        "pending",
    ]
    assert keys(hand.claim("w2", number=3)) == ["4", "5"]
    assert hand.claim("w3") == []


def test_a_child_that_is_put_by_is_begun_by_record_or_ended_without_ever_being_shown_as_running(
    hand,
):
    job_id = hand.begin(number=3)
    first, second, third = hand.claim(number=3)
    assert results.record(first, [], [end_of(first)], begin=second)
    assert [child["status"] for child in hand.children(job_id)] == [
        "completed",
        "running",
        "pending",
    ]
    assert not results.record(second, [], [end_of(second), end_of(third, result={"n": 3})])
    assert [(child["status"], child["attempt"]) for child in hand.children(job_id)] == [
        ("completed", 1)
    ] * 3
    assert hand.children(job_id)[2]["result"] == {"n": 3}
    recount(job_id)


def test_what_is_put_back_is_there_for_others_and_the_first_one_stays(hand):
    job_id = hand.begin(number=3)
    first, second, _ = hand.claim("slow", number=3)
    workers.return_reserved("slow")
    assert keys(hand.claim("quick", number=3)) == ["2", "3"]
    assert results.is_current(first) and not results.is_current(second)
    assert not results.record(first, [], [end_of(first)], begin=second)
    results.record(first, [], [end_of(second, result={"from": "slow"})])
    assert hand.children(job_id)[1]["status"] == "running"
    recount(job_id)


def test_a_worker_that_asks_again_gets_what_was_put_by_for_it(hand):
    """Its own word to put them back may have met a locked database: nobody else would ever take
    them.
    """
    hand.begin(number=3)
    hand.claim("w1", number=3)
    assert keys(hand.claim("w1", number=3)) == ["2", "3"]


def test_the_step_with_the_fewest_running_children_comes_first(hand):
    long, short = hand.begin(number=9), hand.begin(number=2)
    served = Counter(hand.claim(f"w{n}")[0].job_id for n in range(4))
    assert served == {long: 2, short: 2}
    assert {hand.claim(f"v{n}")[0].job_id for n in range(3)} == {long}


def test_a_long_queue_of_one_job_does_not_keep_the_planning_of_another_waiting(hand):
    hand.begin(number=50)
    job_id = hand.submit()
    hand.advance(job_id)
    (task,) = hand.claim("w1")
    assert (task.kind, task.job_id) == ("plan", job_id)


@pytest.mark.parametrize("values", ["options = 'no table'", "depends = 'no list'", "job_id = NULL"])
@pytest.mark.parametrize("is_planned", [False, True])
def test_a_step_whose_rows_can_not_be_read_is_passed_over_and_told_of_once(
    hand, caplog, values, is_planned
):
    odd, sound = (
        (hand.begin() for _ in range(2)) if is_planned else (hand.submit() for _ in range(2))
    )
    for job_id in (odd, sound):
        hand.advance(job_id)
    with write() as connection:
        connection.exec_driver_sql(f"UPDATE steps SET {values} WHERE job_id = '{odd}'")
    (task,) = hand.claim()
    assert (task.job_id, task.kind) == (sound, "child" if is_planned else "plan")
    assert hand.claim("w2") == []
    assert sum("can't be read" in message for message in caplog.messages) == (
        values != "job_id = NULL"
    )


def test_looking_for_work_where_there_is_none_takes_no_write_lock(hand):
    hand.begin(number=0)
    with db.engine.connect() as other:
        other.exec_driver_sql("COMMIT")
        other.exec_driver_sql("BEGIN IMMEDIATE")
        assert hand.claim() == []
        other.exec_driver_sql("ROLLBACK")


WORKER = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}, {root!r} + "/tests"]
from helpers.apps import make_app
from jobsync.base.clock import now
from jobsync.lifecycle import claims, results, workers
from jobsync.lifecycle.tasks import End, NewChild
from jobsync.store.logs import lines_of
app = make_app(Path({folder!r}))
with app.app_context():
    workers.register({name!r}, 1)
    print("ready", flush=True)
    sys.stdin.readline()
    done = []
    while tasks := claims.claim({name!r}, lambda step_pk: 3):
        for task, following in zip(tasks, [*tasks[1:], None]):
            done.append(task.key)
            end = End(task, "completed", {{"by": {name!r}}}, None, now())
            results.record(task, [], [end], begin=following)
    print(*done)
"""


@pytest.mark.slow
def test_processes_that_claim_at_the_same_time_share_the_children_and_do_each_once(hand, folder):
    job_id = hand.begin(number=120)
    codes = [WORKER.format(root=str(ROOT), folder=str(folder), name=f"p{n}") for n in range(2)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for code in codes
    ]
    assert [worker.stdout.readline().strip() for worker in workers] == ["ready"] * 2
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    done = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert sorted(map(int, sum(done, []))) == list(range(1, 121))
    assert hand.step(job_id)["children"]["completed"] == 120
    by = Counter(
        ask(store.children.result, pk)["by"] for pk in fetch(select(Child.pk)).scalars().all()
    )
    assert by == {f"p{place}": len(keys) for place, keys in enumerate(done) if keys}
    recount(job_id)


# Recording


def test_lines_counters_and_revision_are_of_one_commit(hand):
    job_id = hand.begin()
    (task,) = hand.claim()
    before = ask(store.structure.structure_of, job_id)["revision"]
    results.record(
        task, [line("one"), line("two", "error", task.child_pk)], [end_of(task, result={"x": 1})]
    )
    structure = ask(store.structure.structure_of, job_id)
    assert structure["revision"] == before + 1
    step = structure["steps"][0]
    assert (step["log_count"], step["levels"]["error"], step["children"]["completed"]) == (2, 1, 1)
    assert hand.children(job_id)[0]["result"] == {"x": 1}


def test_the_end_of_an_attempt_counts_once(hand):
    job_id = hand.begin()
    (task,) = hand.claim()
    results.record(task, [], [end_of(task, result={"n": 1}), end_of(task, "failed", error="no")])
    results.record(task, [], [end_of(task, "failed", error="no")])
    assert [(child["status"], child["result"]) for child in hand.children(job_id)] == [
        ("completed", {"n": 1})
    ]
    recount(job_id)


def test_a_result_after_a_cancel_is_refused_and_the_lines_are_kept(hand):
    job_id = hand.begin(number=2)
    first, second = hand.claim(number=2)
    lifecycle.cancel(job_id)
    assert not results.is_current(first) and not results.is_current(second)
    assert not results.record(
        first,
        [line("my last words")],
        [end_of(first, result={"x": 1})],
        [(first, NewChild("1.1", "s", {}))],
        second,
    )
    assert [(child["status"], child["result"]) for child in hand.children(job_id)] == [
        ("cancelled", None)
    ] * 2
    assert messages(job_id) == ["my last words"]
    recount(job_id)


def test_lines_that_come_after_the_end_let_the_revision_grow(hand):
    job_id = hand.begin()
    (task,) = hand.claim()
    lifecycle.cancel(job_id)
    before = ask(store.structure.structure_of, job_id)["revision"]
    results.record(task, [line("my last words")])
    assert ask(store.structure.structure_of, job_id)["revision"] > before


def test_children_that_a_planning_or_an_attempt_adds_twice_are_there_once(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    (plan,) = hand.claim()
    for names in (("1", "2"), ("2", "3"), ("1", "2", "3")):
        results.add_planned(plan, [NewChild(name, f"c{name}", {}) for name in names])
    results.finish_plan(plan)
    hand.advance(job_id)
    (task,) = hand.claim()
    for _ in range(2):
        results.record(task, spawned=[(task, NewChild("1.1", "spawned", {}))])
    assert [child["name"] for child in hand.children(job_id)] == ["c1", "c2", "c3", "spawned"]
    recount(job_id)


def test_what_a_child_spawns_keeps_the_step_open(hand):
    job_id = hand.begin()
    (task,) = hand.claim()
    results.record(task, [], [end_of(task)], [(task, NewChild("1.1", "grandchild", {}))])
    hand.advance(job_id)
    assert hand.step(job_id)["status"] == "running"
    (spawned,) = hand.claim()
    hand.complete(spawned)
    hand.advance(job_id)
    assert hand.step(job_id)["status"] == "completed"


def test_a_worker_of_an_earlier_attempt_is_refused_even_if_it_is_the_same_worker(hand):
    job_id = hand.begin("[step.a]\nretries = 5")
    (old,) = hand.claim("w1")
    hand.fail(old)
    (new,) = hand.claim("w1")
    assert new.attempt == old.attempt + 1
    results.record(old, [], [end_of(old, result={"of": "old"})])
    assert hand.children(job_id)[0]["status"] == "running"
    results.record(new, [], [end_of(new, result={"of": "new"})])
    assert hand.children(job_id)[0]["result"] == {"of": "new"}
    recount(job_id)


# Retries


def test_a_failed_attempt_goes_back_to_pending_while_there_are_retries_left(hand):
    job_id = hand.begin("[step.a]\nretries = 2")
    seen = []
    for _ in range(3):
        hand.fail(hand.claim()[0], "it broke")
        hand.advance(job_id)
        seen.append((hand.children(job_id)[0]["status"], hand.step(job_id)["status"]))
        recount(job_id)
    assert seen == [("pending", "running"), ("pending", "running"), ("failed", "failed")]
    assert messages(job_id) == [
        "Attempt 1 failed: it broke. It will be tried again (2 left).",
        "Attempt 2 failed: it broke. It will be tried again (1 left).",
    ]
    assert (hand.children(job_id)[0]["attempt"], hand.children(job_id)[0]["error"]) == (
        3,
        "it broke",
    )


def test_a_later_attempt_that_succeeds_leaves_no_error(hand):
    job_id = hand.begin("[step.a]\nretries = 1")
    hand.fail(hand.claim()[0])
    hand.complete(hand.claim()[0], {"ok": True})
    child = hand.children(job_id)[0]
    assert (child["status"], child["error"], child["attempt"], child["result"]) == (
        "completed",
        None,
        2,
        {"ok": True},
    )


def test_a_short_child_that_was_never_shown_as_running_can_fail_and_be_tried_again(hand):
    job_id = hand.begin("[step.a]\nretries = 1", number=2)
    first, second = hand.claim(number=2)
    results.record(first, [], [end_of(first), end_of(second, "failed", error="no")])
    assert [(child["status"], child["attempt"]) for child in hand.children(job_id)] == [
        ("completed", 1),
        ("pending", 1),
    ]
    recount(job_id)
    (again,) = hand.claim()
    hand.fail(again, "no again")
    assert [(child["status"], child["error"]) for child in hand.children(job_id)][1] == (
        "failed",
        "no again",
    )
    recount(job_id)


# Planning and summing up


def test_an_interrupted_planning_is_taken_up_where_it_was(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    (plan,) = hand.claim("w1")
    assert results.planned_so_far(plan.step_pk) == (0, None)
    results.add_planned(plan, [NewChild(str(n), f"c{n}", {"n": n}) for n in range(1, 13)])
    (task,) = hand.claim("w2")
    results.record(task, spawned=[(task, NewChild("1.1", "spawned", {"n": 99}))])
    assert results.planned_so_far(plan.step_pk) == (12, {"n": 12})


def test_only_the_worker_that_plans_can_say_that_it_has_ended(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    (old,) = hand.claim("w1")
    workers.release("w1", "the worker was killed")
    (new,) = hand.claim("w2")
    assert new.attempt == old.attempt + 1
    results.finish_plan(old)
    results.break_unit(old, "no")
    results.finish_summary(old, {"no": 1})
    assert not results.add_planned(old, [NewChild("1", "c1", {})], [line("kept")])
    hand.advance(job_id)
    assert (
        hand.step(job_id)["status"],
        hand.step(job_id)["child_count"],
        hand.step(job_id)["log_count"],
    ) == ("running", 0, 1)
    results.finish_plan(new)
    hand.advance(job_id)
    assert hand.step(job_id)["status"] == "completed"


def test_a_summary_is_claimed_when_all_children_have_ended_and_its_result_completes_the_step(hand):
    job_id = hand.submit('[step.a] #\ntype = "by_hand_summed"')
    hand.advance(job_id)
    hand.plan(job_id, 1)
    (task,) = hand.claim()
    hand.complete(task)
    assert hand.claim() == []
    hand.advance(job_id)
    (summary,) = hand.claim()
    assert summary.kind == "summary"
    assert hand.step(job_id)["status"] == "running"
    results.finish_summary(summary, {"n": 1})
    hand.advance(job_id)
    assert ask(store.jobs.get, job_id)["result"] == {"n": 1}


def test_a_broken_summary_fails_the_step_though_its_children_completed(hand):
    job_id = hand.submit('[step.a] #\ntype = "by_hand_summed"')
    hand.advance(job_id)
    hand.plan(job_id, 0)
    results.break_unit(hand.claim()[0], "summing up failed: no")
    hand.advance(job_id)
    assert (hand.step(job_id)["status"], hand.step(job_id)["error"]) == (
        "failed",
        "summing up failed: no",
    )
    lifecycle.retry(job_id)
    hand.advance(job_id)
    assert hand.claim()[0].kind == "summary"


def test_a_planning_that_the_same_worker_began_earlier_is_not_its_any_more(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    (old,) = hand.claim("w1")
    workers.release("w1")
    (new,) = hand.claim("w1")
    assert not results.is_current(old) and results.is_current(new)
    assert not results.add_planned(old, [NewChild("1", "c1", {})])
    results.finish_plan(old)
    hand.advance(job_id)
    assert hand.step(job_id)["status"] == "running"


# Workers that end


def test_what_a_killed_worker_was_doing_fails_with_the_reason(hand):
    job_id = hand.begin("[step.a]\nmax_child_failures = 1", number=3)
    hand.claim("w1", number=2)
    workers.release("w1", "the worker was killed by SIGKILL")
    children = hand.children(job_id)
    assert [child["status"] for child in children] == ["failed", "pending", "pending"]
    assert children[0]["error"] == "lost: the worker was killed by SIGKILL"
    assert messages(job_id) == ["Lost during attempt 1: the worker was killed by SIGKILL."]
    assert keys(hand.claim("w2", number=5)) == ["2", "3"]
    recount(job_id)


def test_what_a_killed_worker_was_doing_runs_again_while_there_are_retries(hand):
    job_id = hand.begin("[step.a]\nretries = 1")
    hand.claim("w1")
    workers.release("w1", "the worker was killed")
    assert hand.children(job_id)[0]["status"] == "pending"
    (again,) = hand.claim("w2")
    assert again.attempt == 2
    hand.complete(again)
    hand.advance(job_id)
    assert ask(store.jobs.get, job_id)["status"] == "completed"
    recount(job_id)


def test_what_may_run_again_and_is_given_back_in_good_order_does_and_uses_no_retry_up(hand):
    job_id = hand.begin("[step.a]\nrerun_when_lost = true", number=2)
    (old, _) = hand.claim("w1", number=2)
    workers.release("w1")
    assert [(child["status"], child["started_at"]) for child in hand.children(job_id)] == [
        ("pending", None)
    ] * 2
    hand.complete(old, {"too": "late"})
    (again,) = hand.claim("w2")
    assert (again.key, again.attempt) == ("1", 2)
    hand.fail(again)
    assert hand.children(job_id)[0]["status"] == "failed"
    recount(job_id)


def test_a_planning_whose_worker_dies_is_begun_again_twice_and_then_fails_the_step(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    for _ in range(3):
        assert hand.step(job_id)["status"] == "running"
        assert hand.claim("w1")[0].kind == "plan"
        workers.release("w1", "the worker was killed")
        hand.advance(job_id)
    assert hand.step(job_id)["error"] == "planning was lost 3 times: the worker was killed"
    assert ask(store.jobs.get, job_id)["status"] == "failed"


def test_a_planning_that_is_given_back_in_good_order_can_be_so_for_ever(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    for _ in range(5):
        assert hand.claim("w1")[0].kind == "plan"
        workers.release("w1")
        hand.advance(job_id)
    assert hand.step(job_id)["status"] == "running"


def test_releasing_a_worker_of_a_cancelled_job_changes_nothing_but_its_receipt(hand):
    job_id = hand.begin(number=2)
    hand.claim("w1", number=2)
    lifecycle.cancel(job_id)
    before = ask(store.jobs.get, job_id)
    assert before["cancellation"]["done_at"] is None
    workers.release("w1", "the worker was killed")
    after = ask(store.jobs.get, job_id)
    assert after["cancellation"]["done_at"]
    changing = {"cancellation": 0, "revision": 0, "updated_at": 0}
    assert after | changing == before | changing


def test_a_worker_beats_until_it_was_released(hand):
    workers.register("w1", 123)
    assert workers.beat("w1") and workers.beat("w1")
    assert [(row.id, row.pid, row.beat) for row in ask(store.workers.heartbeats)] == [
        ("w1", 123, 2)
    ]
    workers.release("w1", "the worker was killed")
    assert not workers.beat("w1")
    assert ask(store.workers.heartbeats) == []


# What step types may come up with


def test_names_errors_and_results_of_any_text_can_be_stored(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    (plan,) = hand.claim()
    nasty = "a\x00b\ud800 \U0001f600\r\n\x1b[31m"
    results.add_planned(
        plan,
        [NewChild("1", nasty, {nasty: nasty}), NewChild("2", nasty, {})],
        lines_of(nasty, "info", now()),
    )
    results.finish_plan(plan)
    hand.advance(job_id)
    hand.complete(hand.claim()[0], {nasty: nasty})
    hand.fail(hand.claim()[0], nasty)
    hand.advance(job_id)
    assert hand.step(job_id)["status"] == "failed"
    assert all("\ud800" not in child["name"] for child in hand.children(job_id))
    assert "\x00" not in hand.children(job_id)[1]["error"]


def test_a_job_of_many_steps_has_counters_of_its_own_for_each(hand):
    job_id = hand.submit("\n".join(f"[step.s{n}]" for n in range(20)))
    hand.run_out(job_id)
    assert recount(job_id) == 20
    assert fetch(select(Step.completed).where(Step.job_id == job_id)).scalars().all() == [1] * 20


# An exceeded tolerance


def test_when_the_tolerance_is_exceeded_nothing_more_counts_and_nothing_more_begins(hand):
    job_id = hand.begin("[step.a]\nmax_child_failures = 2", number=40)
    tasks = hand.claim(number=20)
    ends = [
        End(task, "failed" if place < 10 else "completed", None, "it broke", 0)
        for place, task in enumerate(tasks)
    ]
    results.record(tasks[0], ended=ends[:8], begin=tasks[8])
    assert hand.step(job_id)["children"] == {
        "pending": 37,
        "running": 0,
        "completed": 0,
        "failed": 3,
        "cancelled": 0,
    }
    results.record(tasks[0], ended=ends[8:])
    assert not any(results.is_current(task) for task in tasks)
    assert hand.claim("w2") == []
    hand.advance(job_id)
    assert hand.step(job_id)["children"] == {
        "pending": 0,
        "running": 0,
        "completed": 0,
        "failed": 3,
        "cancelled": 37,
    }
    assert hand.step(job_id)["error"].startswith("3 children failed, 2 tolerated")
    recount(job_id)


def test_a_worker_that_dies_beyond_the_tolerance_costs_no_more_failures(hand):
    job_id = hand.begin(number=3)
    (one,), _ = hand.claim("w1"), hand.claim("w2")
    hand.fail(one)
    workers.release("w2", "the worker was killed")
    hand.advance(job_id)
    assert hand.step(job_id)["children"] == {
        "pending": 0,
        "running": 0,
        "completed": 0,
        "failed": 1,
        "cancelled": 2,
    }
    recount(job_id)
