"""The store's queries: shapes, paging, searching, and that `structure` stays small, cheap and of one moment."""

import json
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from by_hand import line, recount, statements
from sqlalchemy import insert, update

from jobsync import lifecycle, listing, logs, store
from jobsync.alarm import Alarm
from jobsync.changes import Changes, changes
from jobsync.errors import BadInput, NotFound
from jobsync.extensions import db, socketio
from jobsync.lifecycle import work
from jobsync.models import Child, LogLine, Step

STEP_BYTES = 600  # the contract's section 2


def pages_of(ask, limit):
    """Return the items of all pages and the totals that they said."""
    items, totals, cursor = [], set(), None
    while True:
        page = ask(limit=limit, cursor=cursor)
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
        items, totals = pages_of(listing.jobs, limit)
        assert ([job["id"] for job in items], totals) == (ids[::-1], {7})


def test_a_page_that_is_just_full_names_no_next_one(hand):
    hand.submit()
    assert listing.jobs(limit=1)["next_cursor"] is None


def test_new_jobs_do_not_disturb_who_is_paging(hand):
    ids = [hand.submit() for _ in range(4)]
    first = listing.jobs(limit=2)
    hand.submit()
    second = listing.jobs(limit=2, cursor=first["next_cursor"])
    assert [job["id"] for job in first["items"] + second["items"]] == ids[::-1]


def test_jobs_are_found_by_status_definition_and_words(hand):
    done, waiting = hand.submit(), hand.submit()
    hand.run_out(done)
    other = hand.define('id = "other"\nname = "50% of_it ÄÖ"\n[params.path]\ntype = "string"\n[step.a]\ntype = "by_hand"')
    third = lifecycle.submit(other, {"path": "C:/Straße"}, "api")

    def found(**asked):
        page = listing.jobs(**asked)
        assert page["total"] == len(page["items"])
        return [job["id"] for job in page["items"]]

    assert found(status=["completed"]) == [done]
    assert found(status=["completed", "pending"]) == [third, waiting, done]
    assert found(definition="other") == [third]
    assert found(q="50%") == found(q="of_it") == found(q="äö") == found(q="STRASSE".replace("SS", "ß")) == [third]
    assert found(q=waiting[2:9].upper()) == [waiting]
    assert found(q="5_%") == found(q="x%") == []
    assert found(status=["running"], q="other") == []


@pytest.mark.parametrize("cursor", ["x", "é", "====", "MTIz!", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "\x00", "   "])
def test_a_cursor_that_is_none_is_bad_input(hand, cursor):
    hand.submit()
    with pytest.raises(BadInput) as caught:
        listing.jobs(cursor=cursor)
    assert "cursor" in caught.value.errors


def test_what_is_not_there_is_told_by_its_name(hand):
    job_id = hand.submit()
    for ask in (store.job, store.structure, store.job_exists):
        with pytest.raises(NotFound, match="'nope'"):
            ask("nope")
    with pytest.raises(NotFound, match="step 'z'"):
        store.children(job_id, "z")
    with pytest.raises(NotFound, match="step 'a'"):
        store.children("nope", "a")
    assert store.job_head("nope") is None


# Children


def test_children_are_listed_as_planned_each_once_at_any_page_size(hand):
    job_id = hand.begin(number=7)
    for limit in (1, 3, 7, 8):
        items, totals = pages_of(lambda **page: store.children(job_id, "a", **page), limit)
        assert ([child["name"] for child in items], totals) == ([f"c{n}" for n in range(1, 8)], {7})


def test_children_are_found_by_status_with_their_number(hand):
    job_id = hand.begin("[step.a]\nmax_child_failures = 9", number=4)
    hand.complete(hand.claim()[0])
    hand.fail(hand.claim()[0], "no")
    for status, names in ((["completed"], ["c1"]), (["failed", "completed"], ["c1", "c2"]), (["pending"], ["c3", "c4"]), (["running"], [])):
        page = store.children(job_id, "a", status=status)
        assert ([child["name"] for child in page["items"]], page["total"]) == (names, len(names))


def test_a_child_is_shown_as_the_contract_says(hand):
    job_id = hand.begin()
    hand.complete(hand.claim()[0], {"x": 1})
    (child,) = hand.children(job_id)
    assert set(child) == {"id", "name", "status", "attempt", "input", "result", "error", "started_at", "finished_at"}
    assert isinstance(child["id"], str)
    assert child["started_at"].endswith("Z") and child["finished_at"].endswith("Z")


def test_completed_children_come_in_the_order_of_the_plan_however_many(hand):
    job_id = hand.begin(number=0)
    step = store.step_row(job_id, "a")
    with store.write() as session:
        values = [{"step_pk": step.pk, "key": f"x{n}", "name": "x", "status": "completed" if n % 2 else "failed", "input": {}} for n in range(1202)]
        session.execute(insert(Child), values)
    pks = list(store.completed_children(step.pk))
    assert len(pks) == 601 and pks == sorted(pks)


# Structure


def test_structure_is_what_the_contract_says(hand):
    job_id = hand.begin("[step.b]\n[step.a]", number=2)
    hand.claim("planner of the other step")
    hand.complete(hand.claim()[0], lines=[line("x"), line("y", "error")])
    structure = store.structure(job_id)
    assert list(structure) == ["job_id", "status", "revision", "error", "updated_at", "started_at", "finished_at", "steps"]
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
    with store.write() as session:
        if children:
            values = [{"step_pk": step_pk, "key": f"x{n}", "name": "x", "status": "completed", "input": {}} for n in range(children)]
            session.execute(insert(Child), values)
            session.execute(update(Step).where(Step.pk == step_pk).values(completed=Step.completed + children))
        for start in range(1, lines + 1, 20_000):
            values = [{"step_pk": step_pk, "line": n, "at": 0, "level": 1, "message": "x"} for n in range(start, min(start + 20_000, lines + 1))]
            session.execute(insert(LogLine), values)
        session.execute(update(Step).where(Step.pk == step_pk).values(log_count=lines, info=lines))


def test_the_reruns_of_a_job_are_found_without_looking_at_all_jobs(hand):
    with statements() as sent:
        assert store.reruns_of("nobody") == []
    plan = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sent[0]}", ("nobody",))
    assert "ix_jobs_rerun_of" in str(plan.all())


@pytest.mark.parametrize("ask", ["structure", "job", "head", "lines", "last lines", "errors"])
def test_the_same_statements_are_sent_whatever_the_number_of_children_and_lines(hand, ask):
    job_id = hand.begin(number=0)
    asks = {
        "structure": lambda: store.structure(job_id),
        "job": lambda: store.job(job_id),
        "head": lambda: store.job_head(job_id),
        "lines": lambda: logs.page(job_id, "a", after=0, limit=10),
        "last lines": lambda: logs.page(job_id, "a", limit=10),
        "errors": lambda: logs.page(job_id, "a", limit=10, level="error"),
    }
    with statements() as few:
        asks[ask]()
    fill(store.step_row(job_id, "a").pk, children=1000, lines=10_000)
    with statements() as many:
        asks[ask]()
    assert few == many
    assert len(many) <= 2


def test_structure_reads_no_child_and_no_line(hand):
    job_id = hand.begin()
    with statements() as sent:
        store.structure(job_id)
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
    with store.write() as session:
        names = ("log_count", "debug", "info", "warning", "error_count", "pending", "running", "completed", "failed", "cancelled")
        session.execute(update(Step).values(dict.fromkeys(names, 99_999_999)))
    body = hand.app.test_client().get(f"/api/jobs/{job_id}/structure").data
    structure = json.loads(body)
    (step,) = structure["steps"]
    assert step["error"].startswith("1 child failed, first c1:") and "\n" not in step["error"]
    head = len(json.dumps({**structure, "steps": []}, ensure_ascii=False, separators=(",", ":")).encode())
    assert len(body) - head <= STEP_BYTES


def test_a_broken_step_keeps_its_error_short_as_well(hand):
    job_id = hand.submit()
    hand.advance(job_id)
    work.break_unit(hand.claim()[0], "planning failed: " + "\U0001f600\n" * 900)
    hand.advance(job_id)
    assert len(json.dumps(hand.step(job_id), ensure_ascii=False).encode()) <= STEP_BYTES
    assert len(json.dumps(store.structure(job_id)["error"], ensure_ascii=False).encode()) <= STEP_BYTES


def test_every_commit_that_changes_structure_makes_the_revision_grow(hand):
    """Each thing that can happen is done in turn, and structures are compared before and after."""
    job_id = hand.submit('[step.a]\nretries = 1\n[step.b] #\ntype = "by_hand_summed"\ndepends = "a"')
    tasks = []

    def claim():
        tasks[:] = hand.claim()

    happenings = [
        lambda: hand.advance(job_id),
        claim,
        lambda: work.add_planned(tasks[0], [work.NewChild("1", "c1", {}), work.NewChild("2", "c2", {})]),
        lambda: work.add_planned(tasks[0], [], [line("planning")]),
        lambda: work.finish_plan(tasks[0]),
        claim,
        lambda: work.record(tasks[0], [line("hello", "error")]),
        lambda: hand.fail(tasks[0]),
        claim,
        lambda: work.release("w1", "the worker was killed"),
        claim,
        lambda: work.release("w1"),
        lambda: lifecycle.cancel(job_id),
        lambda: lifecycle.retry(job_id),
        lambda: hand.advance(job_id),
        lambda: hand.run_out(job_id),
    ]
    before, changed = store.structure(job_id), 0
    for happen in happenings:
        happen()
        after = store.structure(job_id)
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
                work.record(task, [line("x") for _ in range(number % 3 + 1)])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        seen = []
        while thread.is_alive() and (len(seen) < 150 or len({count for _, count in seen}) <= 3):
            structure = store.structure(job_id)
            step = structure["steps"][0]
            assert step["log_count"] == sum(step["levels"].values())
            seen.append((structure["revision"], step["log_count"]))
    finally:
        enough.set()
        thread.join()
    assert seen == sorted(seen)
    assert len({log_count for _, log_count in seen}) > 3
    assert len(set(seen)) == len({revision for revision, _ in seen})  # one revision never shows two things


# What the monitor and the engine ask


def test_jobs_that_changed_are_found_in_the_order_of_their_changes(hand):
    first, second = hand.submit(), hand.submit()
    place = store.last_change()
    assert store.jobs_changed_since(place) == []
    hand.advance(second)
    hand.advance(first)
    assert [job.id for job in store.jobs_changed_since(place)] == [second, first]
    assert store.last_changed_job().id == first


def test_steps_that_changed_are_found_and_those_whose_status_did_are_told_apart(hand):
    job_id = hand.begin("[step.a]\n[step.b]")
    (task,) = [task for task in hand.claim("p") if task.kind == "plan"]
    work.finish_plan(task)
    (child,) = hand.claim()
    revision = store.structure(job_id)["revision"]
    hand.advance(job_id)
    work.record(child, [line("x")])
    changed = {step.name: step.status_revision > revision for step in store.steps_changed_since(job_id, revision)}
    assert changed == {"a": False, "b": True}


def test_work_is_waiting_only_when_a_claim_would_find_some(hand):
    assert not store.is_work_waiting()
    job_id = hand.submit()
    assert not store.is_work_waiting()
    hand.advance(job_id)
    assert store.is_work_waiting()
    (plan,) = hand.claim()
    assert not store.is_work_waiting()
    work.add_planned(plan, [work.NewChild("1", "c1", {})])
    work.finish_plan(plan)
    assert store.is_work_waiting()
    hand.claim()
    assert not store.is_work_waiting()


def test_a_commit_wakes_who_has_subscribed_and_a_rollback_does_not(hand):
    event = changes.subscribe()
    try:
        with pytest.raises(ZeroDivisionError), store.write():
            raise ZeroDivisionError
        assert not event.is_set()
        hand.submit()
        assert event.is_set()
    finally:
        changes.unsubscribe(event)


def test_the_version_of_the_database_differs_after_another_connection_has_committed_and_only_then(hand):
    first = changes.version()
    assert changes.version() == first
    with store.read():
        store.job_head("x")
    assert changes.version() == first
    hand.submit()
    assert changes.version() != first


def test_the_watch_over_the_database_goes_on_after_an_error_and_wakes_everybody_for_it(monkeypatch):
    class Enough(BaseException):
        """Ends the watch."""

    watch, woken = Changes(), []
    event = watch.subscribe()
    versions = iter([1, sqlite3.OperationalError("disk I/O error"), sqlite3.OperationalError("disk I/O error"), 1, 1, Enough()])

    def version():
        found = next(versions)
        if isinstance(found, BaseException):
            raise found
        return found

    def sleep(seconds):
        woken.append(event.is_set())
        event.clear()

    monkeypatch.setattr(watch, "version", version)
    def no_alarm(folder):
        raise OSError("there is none")

    monkeypatch.setattr(sys.modules["jobsync.changes"], "Alarm", no_alarm)
    monkeypatch.setattr(socketio, "sleep", sleep)
    with pytest.raises(Enough):
        watch.watch()
    assert woken == [True, True, False, True, False]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of writings")
def test_an_alarm_tells_of_what_another_connection_writes_and_of_nothing_else(hand):
    folder = Path(hand.app.config["DATA_DIR"])
    alarm = Alarm(folder)
    try:
        assert not alarm.wait(0)
        store.structure(hand.submit())
        assert alarm.wait(5) and not alarm.wait(0)
        changes.version()
        assert not alarm.wait(0), "reading writes nothing"
        with closing(sqlite3.connect(folder / "jobsync.db", isolation_level=None)) as other:
            other.execute("UPDATE jobs SET name = 'other'")
            assert alarm.wait(5)
    finally:
        alarm.close()


def test_without_inotify_there_is_no_alarm(monkeypatch):
    monkeypatch.setattr("jobsync.alarm.ctypes.CDLL", lambda *_, **__: object())
    with pytest.raises(OSError):
        Alarm("/tmp")
