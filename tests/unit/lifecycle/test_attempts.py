"""Each attempt of a child is a row: who did it, when, how it ended, and what it wrote."""

import pytest
from sqlalchemy import select, update

from helpers.ask import ask, fetch
from helpers.by_hand import line, messages, recount
from jobsync import lifecycle, store
from jobsync.base.clock import milliseconds, now
from jobsync.db.extensions import db
from jobsync.db.models import Child
from jobsync.db.transactions import write
from jobsync.lifecycle import parts, recording, results, workers
from jobsync.lifecycle.tasks import End


def child_of(job_id, place=0, step="a"):
    item = ask(store.children.page, job_id, step)["items"][place]
    return ask(store.children.details, job_id, step, item["id"])


def attempts(job_id, *names, place=0):
    return [tuple(row[name] for name in names) for row in child_of(job_id, place)["attempts"]]


def lines_of(task, *texts):
    return [line(text, child_pk=task.child_pk) for text in texts]


def fail_with(task, error="it broke", **more):
    results.record(task, [], [End(task, "failed", None, error, now(), **more)])


# What is kept


def test_a_child_that_nobody_has_begun_has_no_attempt(hand):
    job_id = hand.begin()
    assert child_of(job_id)["attempts"] == []


def test_each_attempt_has_its_worker_times_outcome_error_exit_code_and_lines(hand):
    job_id = hand.begin("[step.a]\nretries = 1")
    (first,) = hand.claim("w1")
    results.record(first, lines_of(first, "one", "two"))
    end = End(first, "failed", None, "no", now() - 5, now(), exit_code=3)
    results.record(first, lines_of(first, "three"), [end])
    (second,) = hand.claim("w2")
    hand.complete(second, {"x": 1}, lines_of(second, "again"))
    found = child_of(job_id)["attempts"]
    assert [(row["attempt"], row["status"], row["worker"]) for row in found] == [
        (1, "failed", "w1"),
        (2, "completed", "w2"),
    ]
    assert [(row["error"], row["exit_code"]) for row in found] == [("no", 3), (None, None)]
    # the fourth is the engine's own: that it will be tried again
    assert [(row["first_line"], row["last_line"]) for row in found] == [(1, 4), (5, 5)]
    times = [milliseconds(row[name]) for row in found for name in ("started_at", "finished_at")]
    assert times == sorted(times)
    recount(job_id)


def test_an_attempt_that_runs_is_there_while_it_runs(hand):
    job_id = hand.begin()
    hand.claim("w1")
    assert attempts(job_id, "attempt", "status", "worker", "finished_at") == [
        (1, "running", "w1", None)
    ]


def test_short_children_that_share_a_transaction_have_their_attempts_and_lines_each(hand):
    job_id = hand.begin(number=3)
    tasks = hand.claim("w1", number=3)
    lines = [line(f"of {task.key}", child_pk=task.child_pk) for task in tasks for _ in range(2)]
    results.record(tasks[-1], lines, [End(task, "completed", None, None, now()) for task in tasks])
    for place in range(3):
        assert attempts(job_id, "attempt", "status", "first_line", "last_line", place=place) == [
            (1, "completed", 2 * place + 1, 2 * place + 2)
        ]
    recount(job_id)


def test_a_second_end_of_the_same_attempt_changes_nothing(hand):
    job_id = hand.begin()
    (task,) = hand.claim()
    hand.complete(task, {"n": 1})
    before = child_of(job_id)
    fail_with(task)
    hand.complete(task, {"n": 2})
    assert child_of(job_id) == before


def test_attempts_go_on_being_counted_after_a_retry_by_hand(hand):
    job_id = hand.begin()
    for _ in range(2):
        fail_with(*hand.claim())
        hand.advance(job_id)
        lifecycle.retry(job_id)
        hand.advance(job_id)
    hand.complete(*hand.claim())
    assert attempts(job_id, "attempt", "status") == [
        (1, "failed"),
        (2, "failed"),
        (3, "completed"),
    ]


def test_the_attempts_of_a_deleted_job_are_cleared_away_with_it(hand):
    job_id = hand.begin()
    hand.complete(*hand.claim())
    hand.advance(job_id)
    lifecycle.delete(job_id)
    while lifecycle.clear_deleted():
        pass
    for table in ("attempts", "stops", "children", "steps"):
        assert fetch(select(db.metadata.tables[table])).all() == []


def test_lines_beyond_a_limit_belong_to_no_attempt(hand, monkeypatch):
    monkeypatch.setitem(hand.app.config, "LOG_LIMIT", 3)
    job_id = hand.begin()
    (task,) = hand.claim()
    hand.complete(task, lines=lines_of(task, "1", "2", "3", "4", "5"))
    assert attempts(job_id, "first_line", "last_line") == [(1, 3)]
    assert len(messages(job_id)) == 3


# Tried again by itself


def due_in(job_id):
    """Return in how many ms the job's only child may be tried again, None for at once."""
    due_at = fetch(select(Child.due_at)).scalar_one()
    return due_at and due_at - now()


@pytest.mark.parametrize(
    ("keys", "delays"),
    [
        ("", [0, 0, 0]),
        ('retry_delay = "10s"', [10, 20, 40]),
        ('retry_delay = "10s"\nretry_backoff = 1', [10, 10, 10]),
        ('retry_delay = "10s"\nretry_backoff = 3.5', [10, 35, 122.5]),
        ('retry_delay = "10s"\nretry_max_delay = "15s"', [10, 15, 15]),
        ('retry_delay = "2h"', [3600, 3600, 3600]),
    ],
)
def test_the_next_attempt_waits_by_the_contract_s_formula(hand, monkeypatch, keys, delays):
    monkeypatch.setattr(recording.random, "uniform", lambda low, high: 1)
    job_id = hand.begin(f"[step.a]\nretries = 3\n{keys}")
    for delay in delays:
        fail_with(*hand.claim())
        waited = due_in(job_id)
        assert (waited or 0) == pytest.approx(1000 * delay, abs=1000)
        if waited:
            assert hand.claim() == []
            parts.make_ready(now() + waited + 1000)
    (last,) = hand.claim()
    assert last.attempt == 4
    fail_with(last)
    assert child_of(job_id)["status"] == "failed"


def test_delays_differ_by_up_to_a_fifth_either_way(hand):
    job_id = hand.begin('[step.a]\nretries = 100\nretry_delay = "100s"\nretry_backoff = 1')
    delays = []
    for _ in range(40):
        fail_with(*hand.claim())
        delays.append(due_in(job_id))
        parts.make_ready(now() + 10**9)
    assert 79_000 < min(delays) < 95_000 and 105_000 < max(delays) <= 120_000


def test_a_back_off_that_no_number_can_hold_ends_at_the_longest_delay(hand):
    job_id = hand.begin('[step.a]\nretries = 100\nretry_delay = "1s"\nretry_backoff = 100')
    with write() as connection:
        connection.execute(update(Child).values(failures=99))
    fail_with(*hand.claim())
    assert 2_800_000 < due_in(job_id) < 4_400_000


ENDS = {
    "exit code 75": {"exit_code": 75},
    "exit code 1": {"exit_code": 1},
    "killed by SIGTERM": {"exit_code": -15},
    "OSError": {"names": ("OSError", "builtins.OSError", "Exception", "builtins.Exception")},
    "own error": {"names": ("Busy", "shop.Busy", "Exception", "builtins.Exception")},
    "out of time": {"names": ("TimeoutError",)},
}


@pytest.mark.parametrize(
    ("retry_on", "tried_again"),
    [
        (None, set(ENDS)),
        ("[75]", {"exit code 75"}),
        ("[1, 75]", {"exit code 75", "exit code 1"}),
        ("[-15]", {"killed by SIGTERM"}),
        ('["OSError"]', {"OSError"}),
        ('["shop.Busy", 1]', {"own error", "exit code 1"}),
        ('["Exception"]', {"OSError", "own error"}),
        ('["TimeoutError"]', {"out of time"}),
    ],
)
def test_only_what_retry_on_names_is_worth_another_attempt(hand, retry_on, tried_again):
    keys = f"\nretry_on = {retry_on}" if retry_on else ""
    job_id = hand.begin(f"[step.a]\nretries = 1\nmax_child_failures = 100{keys}", len(ENDS))
    for task, more in zip(hand.claim("w1", number=len(ENDS)), ENDS.values(), strict=True):
        fail_with(task, **more)
    found = {name: child["status"] for name, child in zip(ENDS, hand.children(job_id), strict=True)}
    assert {name for name, status in found.items() if status != "failed"} == tried_again
    recount(job_id)


# Lost


@pytest.mark.parametrize(
    ("keys", "outcomes"),
    [
        ("", ["failed"]),
        ("retries = 1", ["pending", "failed"]),
        ("rerun_when_lost = true", ["pending", "pending", "failed"]),
        ("rerun_when_lost = true\nretries = 1", ["pending", "pending", "pending", "failed"]),
    ],
)
def test_a_child_whose_worker_dies_each_time_ends_as_lost_after_what_its_step_allows(
    hand, keys, outcomes
):
    job_id = hand.begin(f"[step.a]\n{keys}")
    for outcome in outcomes:
        assert len(hand.claim("w1")) == 1
        workers.release("w1", "the worker was killed by SIGKILL")
        child = child_of(job_id)
        assert (child["status"], child["error"]) == (
            outcome,
            "lost: the worker was killed by SIGKILL",
        )
    assert attempts(job_id, "status", "error") == [
        ("failed", "lost: the worker was killed by SIGKILL")
    ] * len(outcomes)
    assert (
        messages(job_id)[-1] == f"Lost during attempt {len(outcomes)}: the worker was killed "
        "by SIGKILL."
    )
    recount(job_id)


@pytest.mark.parametrize(
    ("keys", "status"),
    [("", "failed"), ("retries = 1", "pending"), ("rerun_when_lost = true", "pending")],
)
def test_what_a_worker_gives_back_in_good_order_is_begun_again_only_where_that_is_allowed(
    hand, keys, status
):
    job_id = hand.begin(f"[step.a]\n{keys}")
    hand.claim("w1")
    workers.release("w1")
    child = child_of(job_id)
    assert child["status"] == status
    assert child["error"] == (
        "lost: the worker was shut down" if status == "failed" else child["error"]
    )
    assert attempts(job_id, "status") == [("cancelled",)]
    recount(job_id)


def test_restarts_in_good_order_can_be_so_for_ever_where_it_may_run_again(hand):
    job_id = hand.begin("[step.a]\nrerun_when_lost = true")
    for number in range(1, 9):
        assert hand.claim("w1")[0].attempt == number
        workers.release("w1")
    assert child_of(job_id)["status"] == "pending"


def test_losses_count_anew_after_a_retry_by_hand(hand):
    job_id = hand.begin("[step.a]\nrerun_when_lost = true")
    for _ in range(2):
        for _ in range(3):
            hand.claim("w1")
            workers.release("w1", "it died")
        assert child_of(job_id)["status"] == "failed"
        hand.advance(job_id)
        lifecycle.retry(job_id)
        hand.advance(job_id)
    assert child_of(job_id)["status"] == "pending"


# Progress


def test_progress_is_shown_while_the_attempt_runs_and_gone_with_it(hand):
    job_id = hand.begin("[step.a]\nretries = 1")
    (task,) = hand.claim()
    before = ask(store.structure.structure_of, job_id)["revision"]
    results.record(task, progress=(37, 120))
    assert child_of(job_id)["progress"] == {"done": 37, "total": 120}
    assert ask(store.structure.structure_of, job_id)["revision"] > before
    results.record(task, progress=(37.5, None))
    assert child_of(job_id)["progress"] == {"done": 37.5, "total": None}
    fail_with(task)
    assert child_of(job_id)["progress"] is None
    (again,) = hand.claim()
    results.record(task, progress=(1, 2))  # a worker that was taken for dead
    assert child_of(job_id)["progress"] is None
    results.record(again, progress=(2, 2))
    lifecycle.cancel(job_id)
    results.record(again, progress=(1, 2))
    assert child_of(job_id)["progress"] == {"done": 2, "total": 2}
    recount(job_id)
