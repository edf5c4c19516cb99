"""Large jobs: what is asked of 1,000 steps or 100,000 children takes as few statements as of a
few, and holds up nobody else.
"""

import threading
import time
from contextlib import contextmanager
from itertools import count

import pytest
import requests
from sqlalchemy import event, text, update

from helpers.apps import make_app
from helpers.ask import ask
from helpers.by_hand import recount, statements
from helpers.servers import Server
from jobsync import lifecycle, store
from jobsync.api import structure
from jobsync.api.structure import Cache
from jobsync.base import loop
from jobsync.db.extensions import db
from jobsync.db.models import Job, Step
from jobsync.db.transactions import execute_long, write
from jobsync.lifecycle import moves, results, rows, workers

SHAPES = {
    "chain": lambda place, last: [place - 1] if place else [],
    "reversed": lambda place, last: [place + 1] if place < last else [],
    "fan_out": lambda place, last: [0] if place else [],
    "fan_in": lambda place, last: list(range(last)) if place == last else [],
    "layers": lambda place, last: (
        list(range(place // 5 * 5 - 5, place // 5 * 5)) if place >= 5 else []
    ),
}
FEW, MANY = 10, 40
TIMED = 'timeout = "1h"'


def steps_of(shape, number, keys=""):
    """Return the steps of a definition as TOML."""
    before = [SHAPES[shape](place, number - 1) for place in range(number)]
    return "\n".join(
        f"[step.s{place}]\ndepends = {[f's{other}' for other in others]}\n{keys}"
        for place, others in enumerate(before)
    )


def begin_first(hand, job_id):
    """Move a job on, and have a worker find two children of one step."""
    hand.advance(job_id)
    hand.plan(job_id, 2)


def advance(hand, job_id):
    moves.advance(job_id)


def fail_a_step(hand, job_id):
    begin_first(hand, job_id)
    hand.fail(first_child_of(hand, job_id))


def first_child_of(hand, job_id):
    """Have as many workers take something as are needed until one has a child of this job."""
    for number in count(1):
        (task,) = hand.claim(f"w{number}")
        if task.kind == "child" and task.job_id == job_id:
            return task


def fail_all_that_run(hand, job_id):
    hand.advance(job_id)
    with write() as connection:
        connection.execute(
            update(Step)
            .where(Step.job_id == job_id, Step.status == "running")
            .values(stage="broken", error="it broke")
        )
        rows.touch(connection, job_id)


def cancel_it(hand, job_id):
    begin_first(hand, job_id)
    lifecycle.cancel(job_id)


CALLS = {
    "begin": (lambda hand, job_id: None, advance),
    "cancel": (begin_first, lambda hand, job_id: lifecycle.cancel(job_id)),
    "time out": (begin_first, lambda hand, job_id: lifecycle.time_out(job_id)),
    "retry": (cancel_it, lambda hand, job_id: lifecycle.retry(job_id)),
    "a step fails": (fail_a_step, advance),
    "all that run fail": (fail_all_that_run, advance),
    "delete": (cancel_it, lambda hand, job_id: lifecycle.delete(job_id)),
    "structure": (begin_first, lambda hand, job_id: ask(store.structure.structure_of, job_id)),
}


def statements_of(hand, shape, number, call):
    prepare, act = CALLS[call]
    job_id = hand.submit(steps_of(shape, number), TIMED)
    prepare(hand, job_id)
    with statements() as sent:
        act(hand, job_id)
    recount()
    return len(sent)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("call", CALLS)
def test_what_is_done_to_many_steps_takes_as_few_statements_as_to_a_few(hand, call, shape):
    assert statements_of(hand, shape, MANY, call) == statements_of(hand, shape, FEW, call)


def test_steps_are_stored_in_batches(hand):
    definition = [
        hand.define(
            'id = "d"\n'
            + steps_of("chain", number).replace("\ndepends", '\ntype = "by_hand"\ndepends')
        )
        for number in (FEW, MANY)
    ]
    numbers = []
    for found in definition:
        with statements() as sent:
            lifecycle.submit(found, {}, "api")
        numbers.append(len(sent))
    assert numbers[0] == numbers[1]


def test_more_rows_than_a_batch_are_all_moved_and_told_of_as_moved(hand, monkeypatch):
    monkeypatch.setattr(rows, "BATCH", 7)
    job_id = hand.submit(steps_of("fan_out", 40))
    hand.advance(job_id)
    hand.plan(job_id, 0)
    assert set(hand.statuses(job_id).values()) == {"completed", "running"}
    recount(job_id)
    revision = ask(store.jobs.head, job_id).revision
    assert {
        step.status_revision
        for step in ask(store.steps.changed_since, job_id, 0)
        if step.status == "running"
    } == {revision}


def test_the_page_of_a_job_asks_for_all_its_running_steps_at_once(hand, client):
    numbers = []
    for number in (40, 160):  # of more than 20 open steps no lines are served
        job_id = hand.submit(steps_of("fan_in", number))
        hand.advance(job_id)
        with statements() as sent:
            assert client.get(f"/jobs/{job_id}").status_code == 200
        numbers.append(len(sent))
    assert numbers[0] == numbers[1]


@pytest.fixture
def client(core):
    return core.test_client()


# What is seen without a lock counts as long as the revision is the same


@contextmanager
def revisions_watched():
    """Assert of each commit: what `advance` goes by changes only together with the job's
    revision.
    """
    known = {}

    def look(connection):
        for job in connection.execute(text("SELECT id, status, revision FROM jobs")).all():
            facts = (job.status, store.steps.facts(connection, job.id))
            if job.id in known and known[job.id][0] == job.revision:
                assert known[job.id][1] == facts
            known[job.id] = (job.revision, facts)

    event.listen(db.engine, "commit", look)
    try:
        yield known
    finally:
        event.remove(db.engine, "commit", look)


def test_all_that_anything_follows_from_makes_the_revision_grow(hand):
    with revisions_watched() as known:
        for outcome in ("complete", "fail"):
            hand.run_out(
                hand.submit(
                    '[step.a]\n[step.b] #\ntype = "by_hand_summed"\ndepends = "a"\nretries = 1'
                ),
                outcome,
            )
        broken = hand.submit()
        hand.advance(broken)
        results.break_unit(hand.claim()[0], "no")
        lost = hand.begin("[step.a]\nretries = 1\n[step.b]", number=2)
        # each dies: children are lost, and the planning of b too often
        for worker in ("w2", "w3", "w4", "w5"):
            hand.claim(worker)
            workers.release(worker, "died")
            hand.advance(lost)
        hand.claim("w6")
        workers.release("w6")
        lifecycle.cancel(hand.begin())
        hand.advance(broken)
        lifecycle.retry(broken)
        lifecycle.time_out(hand.begin(head=TIMED))
    assert len(known) >= 6


def test_a_job_that_changes_between_the_look_and_the_lock_is_looked_at_again(hand, monkeypatch):
    job_id = hand.submit("[step.a]\n[step.b]\ndepends = 'a'")
    real = write

    def write_late(*arguments):
        monkeypatch.setattr(moves, "write", real)
        lifecycle.cancel(job_id)
        return real(*arguments)

    monkeypatch.setattr(moves, "write", write_late)
    assert not moves.advance(job_id)
    assert ask(store.jobs.head, job_id).status == "cancelled"
    assert set(hand.statuses(job_id).values()) == {"cancelled"}
    recount(job_id)


# Taking turns


def test_a_long_loop_lets_others_run_and_a_short_one_does_not(monkeypatch):
    moment, pauses = [0.0], []
    monkeypatch.setattr(loop.time, "monotonic", lambda: moment[0])
    monkeypatch.setattr(loop.time, "sleep", pauses.append)
    assert list(loop.in_turns(range(5))) == list(range(5)) and not pauses
    for _ in loop.in_turns(range(5)):
        moment[0] += loop.TURN * 0.6
    assert len(pauses) == 2


def test_a_call_outside_is_made_as_the_doorway_says_and_gives_what_it_gives(monkeypatch):
    calls = []
    monkeypatch.setattr(loop, "_run", None)
    assert loop.outside(divmod, 7, 2) == (3, 1)
    loop.run_outside_with(lambda call, *args: calls.append(args) or call(*args))
    assert loop.outside(divmod, 7, 2) == (3, 1) and calls == [(7, 2)]
    with pytest.raises(ZeroDivisionError):
        loop.outside(divmod, 7, 0)


def test_a_statement_that_may_take_long_is_run_outside_and_its_errors_are_those_of_any_other(
    hand, monkeypatch
):
    calls = []
    monkeypatch.setattr(
        loop,
        "_run",
        lambda call, *args: calls.append(args[1] if len(args) > 1 else "") or call(*args),
    )
    job_id = hand.begin(number=3)
    calls.clear()
    lifecycle.cancel(job_id)
    assert [statement.split()[0] for statement in calls] == ["UPDATE", "COMMIT"]
    with pytest.raises(db.exc.OperationalError), write() as connection:
        execute_long(connection, text("UPDATE nothing SET a = 1"))
    with write() as connection:  # the way is free again
        rows.touch(connection, job_id)
    recount(job_id)


def test_a_structure_made_while_others_run_is_not_taken_for_fresh_after_their_changes(
    hand, monkeypatch
):
    own_changes = hand.app.extensions["jobsync.changes"]
    job_id, cache, query = hand.begin(), Cache(own_changes), structure.structure_of

    def structure_then_change(connection, job_id):
        found = query(connection, job_id)
        monkeypatch.setattr(structure, "structure_of", query)
        with hand.app.app_context():
            lifecycle.cancel(job_id)
            cache.get_fresh(job_id)  # as another viewer asks meanwhile
        return found

    monkeypatch.setattr(structure, "structure_of", structure_then_change)
    first, _ = cache.get(job_id)
    second, body = cache.get(job_id)
    assert second == ask(store.jobs.head, job_id).revision > first and b'"cancelled"' in body


def test_a_structure_that_many_ask_for_at_once_is_made_once(hand, monkeypatch):
    own_changes = hand.app.extensions["jobsync.changes"]
    job_id, cache, query, made = hand.begin(), Cache(own_changes), structure.structure_of, []
    barrier = threading.Barrier(5)

    def slow_structure(connection, job_id):
        made.append(job_id)
        time.sleep(0.05)  # the others come meanwhile
        return query(connection, job_id)

    def get():
        with hand.app.app_context():
            barrier.wait()
            cache.get(job_id)

    monkeypatch.setattr(structure, "structure_of", slow_structure)
    threads = [threading.Thread(target=get) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [job_id] and not cache._making


# In the real server

CHILDREN = 100_000
FILL = f"""INSERT INTO children (step_pk, "key", name, status, attempt, failures, input)
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {CHILDREN})
    SELECT (SELECT pk FROM steps), n, 'child ' || n, 'pending', 0, 0, '{{}}' FROM numbers"""


def test_others_are_served_while_100_000_children_are_cancelled_and_retried(tmp_path):
    app = make_app(tmp_path)
    server = Server(tmp_path, JOBSYNC_WORKERS="0")
    (server.definitions / "wide.toml").write_text(
        'id = "wide"\n[step.work]\ntype = "command"\nrun = ["true"]\n'
    )
    with app.app_context():
        job_id = lifecycle.submit(app.extensions["jobsync.definitions"].find("wide"), {}, "api")
        with write() as connection:
            connection.execute(text(FILL))
            connection.execute(
                update(Step).values(
                    pending=CHILDREN, planned=True, stage="children", status="running"
                )
            )
            connection.execute(update(Job).values(status="running"))
    try:
        server.start()
        for action, before, after in (
            ("cancel", "running", "cancelled"),
            ("retry", "cancelled", ("pending", "running")),
        ):
            seen = served_during(server.url, job_id, action)
            assert len(seen) >= 5, f"only {len(seen)} requests were served during the {action}"
            for seen_structure in seen:  # all or nothing
                (step,) = seen_structure["steps"]
                whole = {status for status, number in step["children"].items() if number}
                assert (
                    whole == {"pending"}
                    if seen_structure["status"] in ("pending", "running")
                    else whole == {"cancelled"}
                )
                assert seen_structure["status"] in (
                    before,
                    *([after] if isinstance(after, str) else after),
                )
    finally:
        server.stop()


def served_during(url, job_id, action):
    """Return the structures that another client is given from the moment that an action is
    asked for until it is answered.
    """
    answers, seen = [], []
    acting = threading.Thread(
        target=lambda: answers.append(
            requests.post(f"{url}/api/jobs/{job_id}/{action}", timeout=60)
        )
    )
    with requests.Session() as session:
        session.get(f"{url}/healthz", timeout=60)  # connected
        acting.start()
        while acting.is_alive():
            found = session.get(f"{url}/api/jobs/{job_id}/structure", timeout=60).json()
            if acting.is_alive():
                seen.append(found)
    acting.join()
    assert answers[0].status_code == 202
    return seen
