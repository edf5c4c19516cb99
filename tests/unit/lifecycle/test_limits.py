"""Limits, priorities, turns, queues, draining, and what a job waits for."""

import pytest
from sqlalchemy import select, update

from helpers.ask import ask, fetch
from helpers.by_hand import recount
from jobsync import lifecycle, store
from jobsync.base.errors import NotFound
from jobsync.db.extensions import db
from jobsync.db.models import Job, Worker
from jobsync.db.transactions import write
from jobsync.lifecycle import claims, results, stops, workers
from jobsync.lifecycle.tasks import NewChild
from jobsync.monitor.scheduler import Scheduler

ONE = "concurrency = 1"


def status_of(job_id):
    return ask(store.jobs.get, job_id)["status"]


def waits_for(job_id):
    structure = ask(store.structure.structure_of, job_id)
    assert structure["waiting_for"] == ask(store.jobs.get, job_id)["waiting_for"]
    return structure["waiting_for"]


def submit(hand, number, head=ONE, steps="[step.a]"):
    return [hand.submit(steps, head) for _ in range(number)]


def advance(hand, *job_ids):
    for job_id in job_ids:
        hand.advance(job_id)


# Jobs of a definition


def test_no_more_jobs_run_than_the_definition_allows_and_the_others_say_why(hand):
    workers.register("w1", 1)
    jobs = submit(hand, 4, "concurrency = 2")
    advance(hand, *jobs[2:])
    assert list(map(status_of, jobs)) == ["pending"] * 4  # the older ones come first
    advance(hand, *jobs)
    assert list(map(status_of, jobs)) == ["running", "running", "pending", "pending"]
    reason = "a place: at most 2 jobs of d may run at once"
    assert list(map(waits_for, jobs)) == [None, None, reason, reason]


@pytest.mark.parametrize("way", ["completed", "failed", "cancelled", "timed out"])
def test_a_place_is_free_however_its_job_ended(hand, way):
    first, second = submit(hand, 2, ONE + '\ntimeout = "9s"')
    advance(hand, first, second)
    assert (status_of(first), status_of(second)) == ("running", "pending")
    {
        "completed": lambda: hand.run_out(first),
        "failed": lambda: hand.run_out(first, "fail"),
        "cancelled": lambda: lifecycle.cancel(first),
        "timed out": lambda: lifecycle.time_out(first),
    }[way]()
    hand.advance(second)
    assert status_of(second) == "running"
    recount()


def test_a_cancelled_job_holds_its_place_until_what_it_ran_has_ended(hand):
    first, second = submit(hand, 2)
    hand.advance(first)
    hand.plan(first, 1)
    (task,) = hand.claim()
    lifecycle.cancel(first)
    hand.advance(second)
    assert (status_of(first), status_of(second)) == ("cancelled", "pending")
    stops.confirm_stop(task)
    hand.advance(second)
    assert status_of(second) == "running"


def test_a_place_of_a_worker_that_died_while_it_stopped_something_is_free(hand):
    first, second = submit(hand, 2)
    hand.advance(first)
    hand.plan(first, 1)
    hand.claim("w1")
    lifecycle.cancel(first)
    workers.release("w1", "it died")
    hand.advance(second)
    assert status_of(second) == "running"


def test_a_job_that_is_retried_while_it_is_being_stopped_keeps_its_place(hand):
    waiting, first = submit(hand, 2)
    hand.run_out(waiting, "fail")
    hand.advance(first)
    hand.plan(first, 1)
    (task,) = hand.claim()
    lifecycle.retry(waiting)
    lifecycle.cancel(first)
    lifecycle.retry(first)
    advance(hand, waiting, first)
    # the older one comes first, but not before what the other one ran has ended
    assert (status_of(waiting), status_of(first)) == ("pending", "pending")
    stops.confirm_stop(task)
    advance(hand, first, waiting)
    assert (status_of(waiting), status_of(first)) == ("running", "pending")


def test_a_job_that_waits_and_is_being_stopped_holds_one_place_and_not_two(hand):
    first, second = submit(hand, 2, "concurrency = 2")
    hand.advance(first)
    hand.plan(first, 1)
    hand.claim()
    lifecycle.cancel(first)
    lifecycle.retry(first)
    hand.advance(second)
    assert status_of(second) == "running"


@pytest.fixture
def scheduler(hand):
    """The monitor's scheduler, whose clock stands still: it doesn't look at all jobs again."""
    workers.register("w1", 1)
    scheduler = Scheduler(hand.app, clock=lambda: 0.0)
    scheduler.clear_deleted = lambda: None
    scheduler.tick()
    return scheduler


@pytest.mark.parametrize("way", ["deleted", "retried", "deleted while it ran", "retried as it ran"])
def test_a_freed_place_is_taken_though_the_monitor_never_saw_the_end_of_who_had_it(
    hand, scheduler, way
):
    (first,) = submit(hand, 1)
    scheduler.tick()
    (second,) = submit(hand, 1, ONE + "\npriority = 1")
    task = None
    if "ran" in way:
        hand.plan(first, 1)
        (task,) = hand.claim()
    scheduler.tick()
    assert (status_of(first), status_of(second)) == ("running", "pending")
    lifecycle.cancel(first)
    (lifecycle.delete if "deleted" in way else lifecycle.retry)(first)
    scheduler.tick()
    if way == "retried as it ran":
        assert status_of(second) == "pending"
        stops.confirm_stop(task)
        scheduler.tick()
    assert status_of(second) == "running"


def test_who_has_a_higher_limit_is_not_kept_waiting_by_the_lower_one_of_who_ended(hand, scheduler):
    jobs = [*submit(hand, 2), *submit(hand, 2, "concurrency = 3")]
    scheduler.tick()
    assert list(map(status_of, jobs)) == ["running", "pending", "running", "pending"]
    lifecycle.cancel(jobs[0])
    scheduler.tick()
    assert list(map(status_of, jobs)) == ["cancelled", "pending", "running", "running"]


def test_who_waits_comes_by_priority_and_then_by_age(hand):
    first, low, old, new = submit(hand, 4)
    hand.advance(first)
    with write() as connection:
        for job_id, priority in ((low, -5), (old, 5), (new, 5)):
            connection.execute(update(Job).where(Job.id == job_id).values(priority=priority))
    order = [first]
    for _ in range(3):
        hand.run_out(order[-1])
        advance(hand, low, new, old)
        order += [job for job in (low, old, new) if status_of(job) == "running"]
    assert order == [first, old, new, low]


def test_each_value_of_the_key_has_a_limit_of_its_own(hand):
    head = ONE + '\nconcurrency_key = "{host}"\n[params.host]\ntype = "string"'
    definition = hand.define(f'id = "d"\n{head}\n[step.a]\ntype = "by_hand"')
    jobs = [lifecycle.submit(definition, {"host": host}, "api") for host in ("x", "y", "x", "y")]
    advance(hand, *jobs)
    assert list(map(status_of, jobs)) == ["running", "running", "pending", "pending"]
    assert waits_for(jobs[2]) == "a place: at most 1 job of d with x may run at once"
    lifecycle.cancel(jobs[1])
    advance(hand, *jobs)
    assert list(map(status_of, jobs)) == ["running", "cancelled", "pending", "running"]


def test_jobs_of_other_definitions_and_of_no_limit_hold_no_place(hand):
    unlimited = hand.submit()
    hand.advance(unlimited)
    (limited,) = submit(hand, 1)
    hand.advance(limited)
    assert status_of(limited) == "running"


def test_a_job_goes_by_the_limit_of_the_definition_when_it_was_submitted(hand):
    first, second = submit(hand, 2, "concurrency = 2")
    (third,) = submit(hand, 1, ONE)
    advance(hand, first, second, third)
    assert list(map(status_of, (first, second, third))) == ["running", "running", "pending"]
    hand.run_out(first)
    hand.advance(third)
    assert status_of(third) == "pending"
    hand.run_out(second)
    hand.advance(third)
    assert status_of(third) == "running"


def test_a_retried_job_waits_for_a_place_like_a_new_one(hand):
    first, second = submit(hand, 2)
    hand.run_out(first, "fail")
    hand.advance(second)
    lifecycle.retry(first)
    hand.advance(first)
    assert (status_of(first), status_of(second)) == ("pending", "running")
    assert waits_for(first)
    hand.run_out(second)
    hand.advance(first)
    assert (status_of(first), waits_for(first)) == ("running", None)


def test_a_job_that_waits_can_be_cancelled_and_waits_for_nothing_then(hand):
    first, second = submit(hand, 2)
    advance(hand, first, second)
    lifecycle.cancel(second)
    assert (status_of(second), waits_for(second)) == ("cancelled", None)


# Children of a step


def test_no_more_workers_do_children_of_a_step_than_it_allows(hand):
    job_id = hand.begin("[step.a]\nconcurrency = 2", number=6)
    first, second = *hand.claim("w1"), *hand.claim("w2")
    assert hand.claim("w3") == []
    hand.complete(first)
    (third,) = hand.claim("w3")
    assert hand.claim("w1") == []
    lifecycle.cancel_child(job_id, "a", str(second.child_pk))
    assert hand.claim("w1") == []  # it is still being stopped
    stops.confirm_stop(second)
    assert len(hand.claim("w1")) == 1
    assert third.key == "3"


def test_what_a_worker_has_only_reserved_holds_its_place(hand):
    hand.begin("[step.a]\nconcurrency = 1", number=6)
    first, *_ = hand.claim("w1", number=3)
    hand.complete(first)
    assert hand.claim("w2") == []
    workers.return_reserved("w1")
    assert len(hand.claim("w2")) == 1


def test_the_place_of_a_dead_worker_is_free_when_it_was_released(hand):
    job_id = hand.begin("[step.a]\nconcurrency = 1\nrerun_when_lost = true", number=3)
    hand.claim("w1", number=2)
    assert hand.claim("w2") == []
    workers.release("w1", "it died")
    assert len(hand.claim("w2")) == 1
    recount(job_id)


def test_a_limited_step_doesn_t_keep_others_waiting(hand):
    limited = hand.begin("[step.a]\nconcurrency = 1", number=3)
    other = hand.begin(number=3)
    taken = [hand.claim(f"w{place}")[0].job_id for place in range(4)]
    assert sorted(taken) == sorted([limited, other, other, other])


# Who comes first


def test_a_higher_priority_comes_first_whatever_its_age(hand):
    low, usual, high = (hand.begin(number=number) for number in (3, 2, 2))
    with write() as connection:
        for job_id, priority in ((low, -1), (high, 1)):
            connection.execute(update(Job).where(Job.id == job_id).values(priority=priority))
    taken = [hand.claim(f"w{place}")[0].job_id for place in range(7)]
    assert taken == [high] * 2 + [usual] * 2 + [low] * 3


def test_a_priority_given_at_the_start_comes_before_the_definition_s(hand):
    definition = hand.define('id = "d"\npriority = 7\n[step.a]\ntype = "by_hand"')
    usual = lifecycle.submit(definition, {}, "api")
    own = lifecycle.submit(definition, {}, "api", priority=-3)
    zero = lifecycle.submit(definition, {}, "api", priority=0)
    assert [ask(store.jobs.get, job)["priority"] for job in (usual, own, zero)] == [7, -3, 0]
    again = lifecycle.rerun(own, definition, {}, "api")
    assert ask(store.jobs.get, again)["priority"] == -3


def test_jobs_take_turns_even_where_there_is_one_worker(hand):
    jobs = [hand.begin(number=20) for _ in range(3)]
    taken = []
    for _ in range(9):
        (task,) = hand.claim("w1")
        hand.complete(task)
        taken.append(jobs.index(task.job_id))
    assert taken == [0, 1, 2] * 3


def test_a_small_job_behind_a_large_one_gets_every_second_turn(hand):
    hand.begin(number=100)
    small = hand.begin(number=3)
    taken = []
    for _ in range(6):
        (task,) = hand.claim("w1")
        hand.complete(task)
        taken.append(task.job_id == small)
    assert sum(taken) == 3


def test_who_has_more_running_lets_others_go_first(hand):
    first = hand.begin("[step.a]\n[step.b]", number=10)
    for place in range(3):
        hand.claim(f"w{place}")
    second = hand.begin(number=2)
    assert [hand.claim(f"v{place}")[0].job_id for place in range(2)] == [second] * 2
    assert first != second


# Queues


def test_nothing_is_taken_from_a_paused_queue_and_the_job_says_so(hand):
    workers.register("idle", 1)
    job_id = hand.submit('[step.a]\nqueue = "gpu"')
    hand.advance(job_id)
    lifecycle.pause_queue("gpu")
    hand.advance(job_id)
    assert hand.claim() == []
    assert waits_for(job_id) == "the queue gpu, which is paused"
    lifecycle.pause_queue("gpu", False)
    hand.advance(job_id)
    assert waits_for(job_id) is None
    assert len(hand.claim()) == 1


def test_what_runs_goes_on_when_its_queue_is_paused(hand):
    job_id = hand.begin(number=2)
    (task,) = hand.claim()
    lifecycle.pause_queue("default")
    hand.complete(task)
    assert hand.claim() == []
    assert [child["status"] for child in hand.children(job_id)] == ["completed", "pending"]


def test_a_worker_takes_from_the_queues_that_it_serves(hand):
    workers.register("gpu", 1, ["gpu"])
    job_id = hand.submit('[step.a]\n[step.b]\nqueue = "gpu"')
    hand.advance(job_id)
    assert [task.step_name for task in claims.claim("gpu", lambda pk: 1)] == ["b"]
    assert claims.claim("gpu", lambda pk: 1) == []


def test_a_job_whose_queue_nobody_serves_says_so(hand):
    workers.register("gpu", 1, ["gpu"])
    job_id = hand.submit('[step.a]\nqueue = "arm"')
    hand.advance(job_id)
    assert waits_for(job_id) == "a worker: none serves the queue arm"


def test_the_queues_are_listed_with_what_waits_in_each(hand):
    workers.register("gpu", 1, ["gpu"])
    hand.begin('[step.a]\nqueue = "big"', number=3)
    hand.claim("w2")
    lifecycle.pause_queue("old")
    lifecycle.pause_queue("older")
    lifecycle.pause_queue("older", False)
    found = {queue.pop("name"): queue for queue in ask(store.workers.queues)}
    nothing = {"paused": False, "pending": 0, "running": 0, "workers": 2}
    assert found == {
        "big": {"paused": False, "pending": 2, "running": 1, "workers": 2},
        "default": nothing,
        "gpu": {**nothing, "workers": 3},
        "old": {**nothing, "paused": True},
        "older": nothing,
    }


# Draining


def test_a_draining_worker_takes_nothing_new(hand):
    hand.begin(number=3)
    first, second = hand.claim("w1", number=2)
    lifecycle.drain("w1")
    assert workers.beat("w1") == "draining"
    assert hand.claim("w1") == []
    hand.complete(first)
    workers.return_reserved("w1")
    assert [task.key for task in hand.claim("w2", number=9)] == ["2", "3"]
    assert second.key == "2"
    lifecycle.drain("w1")  # once more is nothing new
    with pytest.raises(NotFound, match="nobody"):
        lifecycle.drain("nobody")


@pytest.mark.parametrize("end", [lifecycle.drain, workers.release])
def test_a_planning_worker_that_is_draining_or_gone_does_none_of_the_children_it_finds(hand, end):
    hand.advance(hand.submit())
    (plan,) = hand.claim("w1")
    results.add_planned(plan, [NewChild("1", "c1", {})])
    end("w1")
    assert claims.claim_idle(plan, lambda step_pk: 1) == []


def test_workers_are_listed_with_what_they_do(hand):
    workers.register("idle", 7)
    job_id = hand.begin("[step.a]\n[step.b]", number=1)
    (plan,) = hand.claim("planner")
    (task,) = hand.claim("w1")
    workers.beat("w1", workers.Figures(5, 2, 1000))
    heartbeats = store.workers.Heartbeats()
    ask(lambda session: heartbeats.look(session))
    found = {
        worker["id"]: worker
        for worker in ask(lambda session: store.workers.shown(session, heartbeats))
    }
    assert list(found["idle"]) == [
        *("id", "host", "pid", "state", "queues", "slots", "busy", "completed", "failed"),
        *("memory_bytes", "started_at", "beat_at"),
    ]
    assert found["idle"]["busy"] == [] and found["idle"]["queues"] == ["default"]
    busy = {name: found[name]["busy"][0] for name in ("planner", "w1")}
    assert [(item["job_id"], item["step"], item["child_id"]) for item in busy.values()] == [
        (job_id, plan.step_name, None),
        (job_id, "a", str(task.child_pk)),
    ]
    assert (found["w1"]["completed"], found["w1"]["failed"], found["w1"]["memory_bytes"]) == (
        *(5, 2),
        1000,
    )


# What a job waits for


def test_a_job_without_any_worker_says_so_until_there_is_one(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    assert (status_of(job_id), waits_for(job_id)) == ("running", "a worker: none is running")
    workers.register("w1", 1)
    hand.advance(job_id)
    assert waits_for(job_id) is None
    with write() as connection:
        connection.execute(update(Worker).values(state="draining"))
    hand.advance(job_id)
    assert waits_for(job_id) == "a worker: none is running"


def test_a_job_that_waits_for_its_next_attempts_alone_says_so(hand):
    job_id = hand.begin('[step.a]\nretries = 1\nretry_delay = "1h"', number=2)
    for _ in range(2):
        assert waits_for(job_id) is None
        hand.fail(*hand.claim())
        hand.advance(job_id)
    assert waits_for(job_id) == "the delay before the next attempt"
    before = ask(store.jobs.head, job_id).revision
    lifecycle.parts.make_ready(2**60)
    # the monitor looks at what has changed
    assert ask(store.jobs.head, job_id).revision > before
    hand.advance(job_id)
    assert waits_for(job_id) is None


def test_what_a_job_waits_for_makes_its_revision_grow(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    before = ask(store.structure.structure_of, job_id)["revision"]
    workers.register("w1", 1)
    hand.advance(job_id)
    after = ask(store.structure.structure_of, job_id)
    assert after["revision"] == before + 1
    hand.advance(job_id)
    assert ask(store.structure.structure_of, job_id) == after


# Keys of requests


def asked(key="k", digest="d"):
    return lifecycle.Request(key, digest)


def test_the_same_request_starts_one_job(hand):
    definition = hand.define('id = "d"\n[step.a]\ntype = "by_hand"')
    job_id = lifecycle.submit(definition, {}, "api", request=asked())
    with pytest.raises(lifecycle.keys.AlreadySubmitted) as again:
        lifecycle.submit(definition, {}, "api", request=asked())
    with pytest.raises(lifecycle.keys.AlreadySubmitted):
        lifecycle.refuse_repeated(asked())
    assert again.value.job_id == job_id
    assert len(fetch(select(Job.id)).all()) == 1
    with pytest.raises(lifecycle.keys.BadInput):
        lifecycle.submit(definition, {}, "api", request=asked(digest="other"))
    assert lifecycle.submit(definition, {}, "api", request=asked("other")) != job_id


def test_a_job_that_could_not_be_stored_leaves_no_key(hand, monkeypatch):
    definition = hand.define('id = "d"\n[step.a]\ntype = "by_hand"')

    def break_down(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(lifecycle.jobs.rows, "add_steps", break_down)
        with pytest.raises(ZeroDivisionError):
            lifecycle.submit(definition, {}, "api", request=asked())
    lifecycle.refuse_repeated(asked())
    lifecycle.submit(definition, {}, "api", request=asked())


def test_a_key_is_free_after_a_day(hand):
    definition = hand.define('id = "d"\n[step.a]\ntype = "by_hand"')
    job_id = lifecycle.submit(definition, {}, "api", request=asked())
    keys = db.metadata.tables["idempotency_keys"]
    for age, is_free in ((24 * 3600 - 60, False), (24 * 3600 + 60, True)):
        with write() as connection:
            at = lifecycle.keys.now() - 1000 * age
            connection.execute(update(keys).values(created_at=at))
        if is_free:
            assert lifecycle.submit(definition, {}, "api", request=asked(digest="new")) != job_id
        else:
            with pytest.raises(lifecycle.keys.AlreadySubmitted):
                lifecycle.submit(definition, {}, "api", request=asked())
    assert len(fetch(select(keys)).all()) == 1


def test_a_key_whose_job_was_deleted_starts_nothing(hand):
    definition = hand.define('id = "d"\n[step.a]\ntype = "by_hand"')
    job_id = lifecycle.submit(definition, {}, "api", request=asked())
    lifecycle.cancel(job_id)
    lifecycle.delete(job_id)
    with pytest.raises(lifecycle.keys.WrongState, match="deleted"):
        lifecycle.submit(definition, {}, "api", request=asked())


# Many jobs at a time


def test_an_action_for_many_jobs_is_done_to_those_that_allow_it_and_names_the_others(hand):
    running, ended = hand.begin(), hand.begin()
    lifecycle.cancel(ended)
    ids = [running, ended, "nobody"]
    outcome = lifecycle.bulk.check("cancel", ids)
    assert status_of(running) == "running"
    refused = [
        {"id": ended, "message": "The job is already cancelled."},
        {"id": "nobody", "message": "There is no job 'nobody'."},
    ]
    assert outcome == {"matched": 3, "done": 0, "refused": refused}
    assert lifecycle.bulk.act("cancel", ids) == {"matched": 3, "done": 1, "refused": refused}
    assert status_of(running) == "cancelled"
    assert lifecycle.bulk.act("retry", [running])["done"] == 1
    assert lifecycle.bulk.act("delete", [running, ended])["done"] == 1
