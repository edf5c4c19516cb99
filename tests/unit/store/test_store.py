"""The store's queries: shapes, paging, searching, and that `structure` stays small, cheap and
of one moment.
"""

import json
import sqlite3
import sys
import threading
import time
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import insert, select, update

from helpers.ask import ask, jobs_page, lines_page
from helpers.by_hand import line, recount, statements
from helpers.waiting import wait_for
from jobsync import lifecycle, store
from jobsync.base.errors import BadInput, NotFound, StoreUnreadable
from jobsync.db import transactions
from jobsync.db.changes import Changes, changes
from jobsync.db.extensions import db
from jobsync.db.file_watch import FileWatch
from jobsync.db.models import Child, Job, LogLine, Step
from jobsync.db.transactions import PATIENCE, chunked_read, read, write
from jobsync.lifecycle import results, workers
from jobsync.lifecycle.tasks import End, NewChild
from jobsync.status import COMPLETED
from jobsync.store import listing
from jobsync.store.answers import ANSWER_BYTES, bounded
from jobsync.store.listing import Wanted

STEP_BYTES = 600  # the contract's section 2


def pages_of(get_page, limit):
    """Return the items of all pages and the totals that they said."""
    items, totals, cursor = [], set(), None
    while True:
        page = get_page(limit=limit, cursor=cursor)
        assert len(page["items"]) <= limit
        items += page["items"]
        totals.add(page["total"])
        cursor = page["next_cursor"]
        if cursor is None:
            return items, totals


# Jobs


def test_jobs_are_listed_newest_first_each_once_at_any_page_size(hand):
    ids = [hand.submit() for _ in range(7)]
    for limit in (1, 2, 3, 7, 8):
        items, totals = pages_of(jobs_page, limit)
        assert ([job["id"] for job in items], totals) == (ids[::-1], {7})


def test_a_page_that_is_just_full_names_no_next_one(hand):
    hand.submit()
    assert jobs_page(limit=1)["next_cursor"] is None


def test_new_jobs_do_not_disturb_who_is_paging(hand):
    ids = [hand.submit() for _ in range(4)]
    first = jobs_page(limit=2)
    hand.submit()
    second = jobs_page(limit=2, cursor=first["next_cursor"])
    assert [job["id"] for job in first["items"] + second["items"]] == ids[::-1]


def test_jobs_are_found_by_status_definition_and_words(hand):
    done, waiting = hand.submit(), hand.submit()
    hand.run_out(done)
    other = hand.define(
        'id = "other"\nname = "50% of_it ÄÖ"\n[params.path]\ntype = "string"\n'
        '[step.a]\ntype = "by_hand"'
    )
    third = lifecycle.submit(other, {"path": "C:/Straße"}, "api")

    def found(**asked):
        page = jobs_page(**asked)
        assert page["total"] == len(page["items"])
        return [job["id"] for job in page["items"]]

    assert found(status=["completed"]) == [done]
    assert found(status=["completed", "pending"]) == [third, waiting, done]
    assert found(definition="other") == [third]
    assert (
        found(q="50%")
        == found(q="of_it")
        == found(q="äö")
        == found(q="STRASSE".replace("SS", "ß"))
        == [third]
    )
    assert found(q=waiting[2:9].upper()) == [waiting]
    assert found(q="5_%") == found(q="x%") == []
    assert found(status=["running"], q="other") == []


@pytest.mark.parametrize(
    "cursor", ["x", "é", "====", "MTIz!", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "\x00", "   "]
)
def test_a_cursor_that_is_none_is_bad_input(hand, cursor):
    hand.submit()
    with pytest.raises(BadInput) as caught:
        jobs_page(cursor=cursor)
    assert "cursor" in caught.value.errors


def test_what_is_not_there_is_told_by_its_name(hand):
    job_id = hand.submit()
    for query in (store.jobs.get, store.structure.structure_of, store.jobs.require):
        with pytest.raises(NotFound, match="'nope'"):
            ask(query, "nope")
    with pytest.raises(NotFound, match="step 'z'"):
        ask(store.children.page, job_id, "z")
    with pytest.raises(NotFound, match="job 'nope'"):
        ask(store.children.page, "nope", "a")
    assert ask(store.jobs.head, "nope") is None


# Children


def test_children_are_listed_as_planned_each_once_at_any_page_size(hand):
    job_id = hand.begin(number=7)
    for limit in (1, 3, 7, 8):
        items, totals = pages_of(
            lambda **page: ask(store.children.page, job_id, "a", **page), limit
        )
        assert ([child["name"] for child in items], totals) == ([f"c{n}" for n in range(1, 8)], {7})


def test_children_are_found_by_status_with_their_number(hand):
    job_id = hand.begin("[step.a]\nmax_child_failures = 9", number=4)
    hand.complete(hand.claim()[0])
    hand.fail(hand.claim()[0], "no")
    for status, names in (
        (["completed"], ["c1"]),
        (["failed", "completed"], ["c1", "c2"]),
        (["pending"], ["c3", "c4"]),
        (["running"], []),
    ):
        page = ask(store.children.page, job_id, "a", status=status)
        assert ([child["name"] for child in page["items"]], page["total"]) == (names, len(names))


def test_a_child_is_shown_as_the_contract_says(hand):
    job_id = hand.begin()
    hand.complete(hand.claim()[0], {"x": 1})
    (child,) = hand.children(job_id)
    assert set(child) == {
        "id",
        "name",
        "status",
        "attempt",
        "input",
        "result",
        "error",
        "started_at",
        "finished_at",
        "parent_id",
        "exit_code",
        "progress",
        "stopping",
    }
    assert isinstance(child["id"], str)
    assert child["started_at"].endswith("Z") and child["finished_at"].endswith("Z")


def test_completed_children_come_in_the_order_of_the_plan_however_many(hand):
    job_id = hand.begin(number=0)
    step = ask(store.steps.get, job_id, "a")
    with write() as connection:
        values = [
            {
                "step_pk": step.pk,
                "key": f"x{n}",
                "name": "x",
                "status": "completed" if n % 2 else "failed",
                "input": {},
            }
            for n in range(1202)
        ]
        connection.execute(insert(Child), values)
    pks = list(store.children.completed(step.pk))
    assert len(pks) == 601 and pks == sorted(pks)


# Structure


def test_structure_is_what_the_contract_says(hand):
    job_id = hand.begin("[step.b]\n[step.a]", number=2)
    hand.claim("planner of the other step")
    hand.complete(hand.claim()[0], lines=[line("x"), line("y", "error")])
    structure = ask(store.structure.structure_of, job_id)
    assert list(structure) == [
        "job_id",
        "status",
        "revision",
        "error",
        "waiting_for",
        "updated_at",
        "started_at",
        "finished_at",
        "steps",
    ]
    assert [step["name"] for step in structure["steps"]] == ["b", "a"]  # the definition's order
    assert structure["steps"][0] == {
        "name": "b",
        "status": "running",
        "log_count": 2,
        "child_count": 2,
        "children": {"pending": 1, "running": 0, "completed": 1, "failed": 0, "cancelled": 0},
        "levels": {"debug": 0, "info": 1, "warning": 0, "error": 1},
        "error": None,
        "started_at": structure["steps"][0]["started_at"],
        "finished_at": None,
    }


def fill(step_pk, children=0, lines=0):
    """Put many rows of a step straight into the store."""
    with write() as connection:
        if children:
            values = [
                {
                    "step_pk": step_pk,
                    "key": f"x{n}",
                    "name": "x",
                    "status": "completed",
                    "input": {},
                }
                for n in range(children)
            ]
            connection.execute(insert(Child), values)
            connection.execute(
                update(Step).where(Step.pk == step_pk).values(completed=Step.completed + children)
            )
        for start in range(1, lines + 1, 20_000):
            values = [
                {"step_pk": step_pk, "line": n, "at": 0, "level": 1, "message": "x"}
                for n in range(start, min(start + 20_000, lines + 1))
            ]
            connection.execute(insert(LogLine), values)
        connection.execute(
            update(Step).where(Step.pk == step_pk).values(log_count=lines, info=lines)
        )


def test_the_reruns_of_a_job_are_found_without_looking_at_all_jobs(hand):
    with statements() as sent:
        assert ask(store.jobs.reruns_of, "nobody") == []
    with read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sent[0]}", ("nobody",)).all()
    assert "ix_jobs_rerun_of" in str(plan)


@pytest.mark.parametrize("asked", ["structure", "job", "head", "lines", "last lines", "errors"])
def test_the_same_statements_are_sent_whatever_the_number_of_children_and_lines(hand, asked):
    asks = {
        "structure": partial(ask, store.structure.structure_of),
        "job": partial(ask, store.jobs.get),
        "head": partial(ask, store.jobs.head),
        "lines": lambda job_id: lines_page(job_id, "a", after=0, limit=10),
        "last lines": lambda job_id: lines_page(job_id, "a", limit=10),
        "errors": lambda job_id: lines_page(job_id, "a", limit=10, level="error"),
    }
    sent = []
    for children, lines in ((1, 10), (1000, 10_000)):
        job_id = hand.begin(number=0)
        fill(ask(store.steps.get, job_id, "a").pk, children, lines)
        with statements() as seen:
            asks[asked](job_id)
        sent.append(seen)
    few, many = sent
    assert few == many
    assert len(many) <= 2


def test_structure_reads_no_child_and_no_line(hand):
    job_id = hand.begin()
    with statements() as sent:
        ask(store.structure.structure_of, job_id)
    assert len(sent) == 2
    assert not any(table in statement for statement in sent for table in ("children", "log_lines"))


NASTY = [
    "x" * 5000,
    "\u20ac" * 5000,
    "\U0001f600" * 5000,
    '"' * 5000,
    "\\" * 5000,
    "\x00\x01\x1b\x7f\u2028" * 1000,
    "\ud800" * 5000,
    "line one\nline two\r\n" * 300,
    "",
    " ",
]


@pytest.mark.parametrize("error", NASTY, ids=range(len(NASTY)))
def test_a_step_takes_600_bytes_at_most_whatever_its_error_and_numbers(hand, error):
    name = "s" * 64
    job_id = hand.begin(f"[step.{name}]")
    (task,) = hand.claim()
    hand.fail(task, error)
    hand.advance(job_id)
    with write() as connection:
        names = (
            "log_count",
            "debug",
            "info",
            "warning",
            "error_count",
            "pending",
            "running",
            "completed",
            "failed",
            "cancelled",
        )
        connection.execute(update(Step).values(dict.fromkeys(names, 99_999_999)))
    body = hand.app.test_client().get(f"/api/jobs/{job_id}/structure").data
    structure = json.loads(body)
    (step,) = structure["steps"]
    assert step["error"].startswith("1 child failed, first c1:") and "\n" not in step["error"]
    head = len(
        json.dumps({**structure, "steps": []}, ensure_ascii=False, separators=(",", ":")).encode()
    )
    assert len(body) - head <= STEP_BYTES


def test_a_broken_step_keeps_its_error_short_as_well(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    results.break_unit(hand.claim()[0], "planning failed: " + "\U0001f600\n" * 900)
    hand.advance(job_id)
    assert len(json.dumps(hand.step(job_id), ensure_ascii=False).encode()) <= STEP_BYTES
    assert (
        len(
            json.dumps(
                ask(store.structure.structure_of, job_id)["error"], ensure_ascii=False
            ).encode()
        )
        <= STEP_BYTES
    )


def test_every_commit_that_changes_structure_makes_the_revision_grow(hand):
    """Each thing that can happen is done in turn, and structures are compared before and after."""
    job_id = hand.submit(
        '[step.a]\nretries = 1\n[step.b] #\ntype = "by_hand_summed"\ndepends = "a"'
    )
    claimed = []

    def claim():
        claimed[:] = hand.claim()

    happenings = [
        lambda: hand.advance(job_id),
        claim,
        lambda: results.add_planned(claimed[0], [NewChild("1", "c1", {}), NewChild("2", "c2", {})]),
        lambda: results.add_planned(claimed[0], [], [line("planning")]),
        lambda: results.finish_plan(claimed[0]),
        claim,
        lambda: results.record(claimed[0], [line("hello", "error")]),
        lambda: hand.fail(claimed[0]),
        claim,
        lambda: workers.release("w1", "the worker was killed"),
        claim,
        lambda: workers.release("w1"),
        lambda: lifecycle.cancel(job_id),
        lambda: lifecycle.retry(job_id),
        lambda: hand.advance(job_id),
        lambda: hand.run_out(job_id),
    ]
    before, changed = ask(store.structure.structure_of, job_id), 0
    for happen in happenings:
        happen()
        after = ask(store.structure.structure_of, job_id)
        assert after["revision"] >= before["revision"]
        if after != before:
            changed += 1
            assert after["revision"] > before["revision"]
        before = after
        recount(job_id)
    assert changed >= len(happenings) - 3 and before["status"] == "completed"


def test_a_reader_sees_one_moment_while_a_writer_is_busy(hand):
    job_id = hand.begin()
    (task,) = hand.claim()
    enough = threading.Event()

    def write():
        with hand.app.app_context():
            for number in range(300):
                if enough.is_set():
                    return
                results.record(task, [line("x") for _ in range(number % 3 + 1)])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        seen = []
        while thread.is_alive() and (len(seen) < 150 or len({count for _, count in seen}) <= 3):
            structure = ask(store.structure.structure_of, job_id)
            step = structure["steps"][0]
            assert step["log_count"] == sum(step["levels"].values())
            seen.append((structure["revision"], step["log_count"]))
    finally:
        enough.set()
        thread.join()
    assert seen == sorted(seen)
    assert len({log_count for _, log_count in seen}) > 3
    # one revision never shows two things
    assert len(set(seen)) == len({revision for revision, _ in seen})


# What the monitor and the engine ask


def test_jobs_that_changed_are_found_in_the_order_of_their_changes(hand):
    first, second = hand.submit(), hand.submit()
    place = ask(store.jobs.last_change)
    assert ask(store.jobs.changed_since, place) == []
    hand.advance(second)
    hand.advance(first)
    assert [job.id for job in ask(store.jobs.changed_since, place)] == [second, first]
    assert ask(store.jobs.last_changed).id == first


def test_steps_that_changed_are_found_and_those_whose_status_did_are_told_apart(hand):
    job_id = hand.begin("[step.a]\n[step.b]")
    (task,) = [task for task in hand.claim("p") if task.kind == "plan"]
    results.finish_plan(task)
    (child,) = hand.claim()
    revision = ask(store.structure.structure_of, job_id)["revision"]
    hand.advance(job_id)
    results.record(child, [line("x")])
    changed = {
        step.name: step.status_revision > revision
        for step in ask(store.steps.changed_since, job_id, revision)
    }
    assert changed == {"a": False, "b": True}


def test_work_is_waiting_only_when_a_claim_would_find_some(hand):
    assert not ask(store.steps.is_work_waiting)
    job_id = hand.submit()
    assert not ask(store.steps.is_work_waiting)
    hand.advance(job_id)
    assert ask(store.steps.is_work_waiting)
    (plan,) = hand.claim()
    assert not ask(store.steps.is_work_waiting)
    results.add_planned(plan, [NewChild("1", "c1", {})])
    results.finish_plan(plan)
    assert ask(store.steps.is_work_waiting)
    hand.claim()
    assert not ask(store.steps.is_work_waiting)


def test_a_commit_wakes_who_has_subscribed_and_a_rollback_does_not(hand):
    event = changes.subscribe()
    try:
        with pytest.raises(ZeroDivisionError), write():
            raise ZeroDivisionError
        assert not event.is_set()
        hand.submit()
        assert event.is_set()
    finally:
        changes.unsubscribe(event)


def test_the_version_of_the_database_differs_after_another_connection_has_committed_and_only_then(
    hand,
):
    first = changes.version()
    assert changes.version() == first
    ask(store.jobs.head, "x")
    assert changes.version() == first
    hand.submit()
    assert changes.version() != first


def test_the_watch_over_the_database_goes_on_after_an_error_and_wakes_everybody_for_it(monkeypatch):
    class Enough(BaseException):
        """Ends the watch."""

    class Watcher:
        folder = "of the database"

        def version(self):
            found = next(versions)
            if isinstance(found, BaseException):
                raise found
            return found

    watch, woken = Changes(Watcher()), []
    event = watch.subscribe()
    versions = iter(
        [
            1,
            StoreUnreadable("disk I/O error"),
            StoreUnreadable("disk I/O error"),
            1,
            1,
            Enough(),
        ]
    )

    def sleep(seconds):
        woken.append(event.is_set())
        event.clear()

    def no_file_watch(folder):
        raise OSError("there is none")

    module = sys.modules["jobsync.db.changes"]
    monkeypatch.setattr(module, "FileWatch", no_file_watch)
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    with pytest.raises(Enough):
        watch.watch()
    assert woken == [True, True, False, True, False]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of writings")
def test_a_file_watch_tells_of_what_another_connection_writes_and_of_nothing_else(hand):
    folder = Path(hand.app.config["DATA_DIR"])
    files = FileWatch(folder)
    try:
        assert not files.wait(0)
        ask(store.structure.structure_of, hand.submit())
        assert files.wait(5) and not files.wait(0)
        changes.version()
        assert not files.wait(0), "reading writes nothing"
        with closing(sqlite3.connect(folder / "jobsync.db", isolation_level=None)) as other:
            other.execute("UPDATE jobs SET name = 'other'")
            assert files.wait(5)
    finally:
        files.close()


def test_without_inotify_there_is_no_file_watch(monkeypatch):
    monkeypatch.setattr("jobsync.db.file_watch.ctypes.CDLL", lambda *_, **__: object())
    with pytest.raises(OSError):
        FileWatch("/tmp")


# Transactions don't nest


TRANSACTIONS = {"read": read, "write": write}


@pytest.mark.parametrize("inner", TRANSACTIONS)
@pytest.mark.parametrize("outer", TRANSACTIONS)
def test_a_transaction_inside_another_is_an_error_at_once_and_the_outer_one_loses_nothing(
    hand, outer, inner
):
    job_id, began = hand.submit(), time.monotonic()
    with TRANSACTIONS[outer]() as connection:
        if outer == "write":
            connection.execute(update(Job).where(Job.id == job_id).values(name="written before"))
        with (
            pytest.raises(
                RuntimeError, match=rf"^{inner}\(\) inside {outer}\(\): transactions don't nest"
            ),
            TRANSACTIONS[inner](),
        ):
            pass
        assert connection.execute(select(Job.id).where(Job.id == job_id)).scalar() == job_id
    assert time.monotonic() - began < PATIENCE / 2
    assert ask(store.jobs.get, job_id)["name"] == ("written before" if outer == "write" else "d")
    for transaction in TRANSACTIONS.values():
        with transaction():
            pass


def test_a_writer_inside_a_writer_is_an_error_through_another_session_too(hand):
    with write(), hand.app.app_context():
        with pytest.raises(RuntimeError, match="don't nest"), write():
            pass
        with read() as connection:  # of its own: it sees what was before, and ends nothing
            connection.execute(select(Job.id)).all()
    assert hand.submit()


def test_a_writer_in_another_thread_is_no_nested_one_and_waits_for_its_turn(hand):
    done = threading.Event()

    def write_too():
        with hand.app.app_context(), write():
            done.set()

    thread = threading.Thread(target=write_too)
    with write():
        thread.start()
        assert not done.wait(0.1)
    assert done.wait(10)
    thread.join()


def test_who_raises_inside_a_transaction_leaves_none_open(hand):
    for transaction in TRANSACTIONS.values():
        with pytest.raises(ZeroDivisionError), transaction():
            raise ZeroDivisionError
        with transaction():
            pass


# Long scans


def read_two_jobs(connection, place):
    """Read two jobs from a place on: their numbers in the order of the store."""
    query = select(Job.number).where(Job.number > place).order_by(Job.number).limit(2)
    numbers = list(connection.execute(query).scalars())
    return numbers, numbers[-1] if len(numbers) == 2 else None


def numbers_of_jobs():
    with read() as connection:
        return list(connection.execute(select(Job.number).order_by(Job.number)).scalars())


def submit_elsewhere(hand):
    """Submit a job as another process would."""
    with hand.app.app_context():
        hand.submit()


def test_a_long_scan_finds_all_with_and_without_a_session(hand):
    for number in range(6):
        expected = numbers_of_jobs()
        assert len(expected) == number
        assert list(chunked_read(read_two_jobs, 0)) == expected
        with read() as connection:
            assert list(chunked_read(read_two_jobs, 0, connection)) == expected
        hand.submit()


def test_a_scan_without_a_session_has_no_transaction_open_while_its_items_are_used(hand):
    for _ in range(4):
        hand.submit()
    expected, found = numbers_of_jobs(), []
    for number in chunked_read(read_two_jobs, 0):
        found.append(number)
        assert db.engine.pool.checkedout() == 0
        with write() as connection:  # who uses an item may write
            connection.execute(update(Job).where(Job.number == number).values(name="seen"))
        if number == expected[2]:
            submit_elsewhere(hand)
    assert found == numbers_of_jobs(), "it finds what comes while it goes on"
    assert len(found) == len(expected) + 1


def test_a_scan_with_a_session_is_of_one_moment_and_in_its_transaction(hand):
    for _ in range(4):
        hand.submit()
    expected, found = numbers_of_jobs(), []
    with read() as connection:

        def read_chunk(present, place):
            assert present is connection
            return read_two_jobs(present, place)

        for number in chunked_read(read_chunk, 0, connection):
            found.append(number)
            submit_elsewhere(hand)
            with pytest.raises(RuntimeError, match="don't nest"), write():
                pass
        assert connection.execute(select(Job.number)).scalars().all() == expected
    assert found == expected


@pytest.mark.parametrize("has_session", [False, True])
def test_a_scan_lets_others_run_between_its_chunks(hand, monkeypatch, has_session):
    for _ in range(5):
        hand.submit()
    pauses = []
    pausing = SimpleNamespace(
        sleep=lambda seconds: pauses.append(len(found)), monotonic=time.monotonic
    )
    monkeypatch.setattr(transactions, "time", pausing)
    found = []
    with read() if has_session else nullcontext() as connection:
        for number in chunked_read(read_two_jobs, 0, connection):
            found.append(number)
    assert pauses == [2, 4]


def test_a_scan_that_has_no_place_to_begin_at_reads_nothing(hand):
    with statements() as sent:
        assert list(chunked_read(read_two_jobs, None)) == []
    assert sent == []


def test_a_scan_that_is_given_up_or_fails_leaves_no_transaction_open(hand):
    for _ in range(5):
        hand.submit()
    scan = chunked_read(read_two_jobs, 0)
    next(scan)
    scan.close()

    def fail(connection, place):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(chunked_read(fail, 0))
    with write():
        pass
    assert db.engine.pool.checkedout() == 0


def test_a_scan_without_a_session_inside_a_transaction_is_an_error(hand):
    with read(), pytest.raises(RuntimeError, match="don't nest"):
        list(chunked_read(read_two_jobs, 0))


# Large rows


def test_a_page_of_large_children_ends_early_and_its_cursor_leads_through_all_of_them(hand):
    job_id = hand.begin(number=30)
    for task in hand.claim(number=30):
        results.record(task, ended=[End(task, COMPLETED, {"text": "é" * 100_000}, None, 1)])
    names, cursor, sizes = [], None, []
    while True:
        page = ask(store.children.page, job_id, "a", limit=1000, cursor=cursor)
        names += [child["name"] for child in page["items"]]
        sizes.append(
            sum(
                len(json.dumps(child["result"], ensure_ascii=False).encode())
                for child in page["items"]
            )
        )
        assert page["total"] == 30
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == [f"c{number}" for number in range(1, 31)]
    assert len(sizes) == 2 and max(sizes) <= ANSWER_BYTES


def test_one_child_that_is_larger_than_a_page_is_a_page(hand, monkeypatch):
    monkeypatch.setattr(bounded, "__defaults__", (1000,))
    job_id = hand.begin(number=3)
    for task in hand.claim(number=3):
        hand.complete(task, {"text": "x" * 5000})
    first = ask(store.children.page, job_id, "a")
    assert [child["name"] for child in first["items"]] == ["c1"]
    assert [
        child["name"]
        for child in ask(store.children.page, job_id, "a", cursor=first["next_cursor"])["items"]
    ] == ["c2"]


def test_a_page_of_jobs_with_large_parameters_ends_early_and_its_cursor_leads_through_all_of_them(
    hand,
):
    jobs = [hand.submit() for _ in range(6)]
    with write() as connection:
        for number, job_id in enumerate(jobs):
            connection.execute(
                update(Job)
                .where(Job.id == job_id)
                .values(params={"text": f"{number}" + "x" * 900_000})
            )
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = jobs_page(limit=200, cursor=cursor)
        found += [(job["id"], job["params"]["text"][0]) for job in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
    assert found == [(job_id, f"{number}") for number, job_id in enumerate(jobs)][::-1]
    assert pages == 2


def test_what_a_step_is_asked_for_leaves_its_result_unread(hand):
    job_id = hand.submit()
    with statements() as sent:
        ask(store.steps.get, job_id, "a")
        assert ask(store.steps.result, job_id, "a") is None
    assert len(sent) == 2 and "result" not in sent[0]


# Numbers that are kept


def test_a_hundred_who_ask_for_the_numbers_at_once_have_them_counted_once_and_hold_no_connection(
    hand, monkeypatch
):
    hand.submit()
    counted, taken, go_on, kept = [], [], threading.Event(), listing.KeptCounts()
    real = listing.counts

    def count(wanted, statuses):
        counted.append(wanted)
        go_on.wait(30)
        return real(wanted, statuses)

    def get():
        with hand.app.app_context():
            taken.append(kept.get(Wanted()))

    monkeypatch.setattr(listing, "counts", count)
    threads = [threading.Thread(target=get) for _ in range(100)]
    for thread in threads:
        thread.start()
    wait_for(lambda: counted, 10)
    wait_for(lambda: db.engine.pool.checkedout() == 0, 10, "their holding no connection")
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert len(counted) <= 2, "those who asked after it had begun may have it counted once more"
    assert taken == [(ask(store.jobs.last_change), real(Wanted()))] * 100


def test_who_asks_for_the_numbers_after_a_change_gets_none_of_before(hand, monkeypatch):
    kept, real = listing.KeptCounts(), listing.counts
    begun, go_on, first, second = threading.Event(), threading.Event(), [], []

    def count(*asked):
        found = real(*asked)
        begun.set()
        go_on.wait(30)
        return found

    def get(into):
        with hand.app.app_context():
            into.append(kept.get(Wanted())[1]["pending"])

    monkeypatch.setattr(listing, "counts", count)
    threads = [threading.Thread(target=get, args=(first,))]
    threads[0].start()
    assert begun.wait(10)
    hand.submit()  # while it is being counted
    threads.append(threading.Thread(target=get, args=(second,)))
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert (first, second) == ([0], [1])


def test_numbers_of_many_lists_are_kept_of_the_last_ones_only(hand):
    kept = listing.KeptCounts()
    for number in range(listing.MOST_KEPT + 5):
        kept.get(Wanted(definition=f"d{number}"))
    assert len(kept._kept) == listing.MOST_KEPT
