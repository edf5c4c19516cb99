"""The step monitor, tick by tick: with a recorder for Socket.IO and a clock set by hand."""

import logging
import threading
from itertools import pairwise
from types import SimpleNamespace

import pytest
from sqlalchemy import insert, text, update

from helpers.ask import ask, fetch
from helpers.by_hand import line, recount, statements
from helpers.waiting import wait_for
from jobsync import lifecycle, monitor, store
from jobsync.base.clock import now
from jobsync.base.errors import StoreBusy
from jobsync.db.extensions import db
from jobsync.db.models import Deletion, Job, Step
from jobsync.db.transactions import write
from jobsync.lifecycle import results, workers
from jobsync.lifecycle.tasks import End
from jobsync.live import broadcast
from jobsync.monitor import INTERVAL, Monitor, deadlines, notifier, scheduler
from jobsync.monitor.notifier import GROWTH, HEARTBEAT, MEMORY, Notifier
from jobsync.monitor.scheduler import DELETIONS_KEPT, SWEEP


class Recorder:
    """Stands in for `socketio`: keeps what is emitted, knows who is in which room, and breaks
    when it is told to.
    """

    def __init__(self):
        self.sent = []
        self.rooms = {}
        self.breaks_after = None
        self.server = self.manager = self  # the way to the rooms is socketio.server.manager.rooms

    def emit(self, event, message, to):
        assert event == "job_update"
        if self.breaks_after is not None:
            if self.breaks_after == 0:
                raise ConnectionError("the network is gone")
            self.breaks_after -= 1
        self.sent.append((to, message))

    def watch(self, *job_ids, feed=False):
        rooms = {broadcast.room_of(job_id): {} for job_id in job_ids}
        self.rooms = {
            "/": {None: {}, "some-sid": {}, **rooms, **({broadcast.FEED: {}} if feed else {})}
        }

    def take(self):
        """Return what was sent since the last look."""
        sent, self.sent = self.sent, []
        return sent


class Stage:
    """A monitor, its clock and what it says."""

    def __init__(self, hand, recorder):
        self.hand, self.recorder = hand, recorder
        self.time = 1000.0
        self.monitor = self.new_monitor()

    def new_monitor(self):
        return Monitor(self.hand.app, clock=lambda: self.time)

    def tick(self, seconds=0.0):
        """Let some time pass, tick, and return the messages."""
        self.time += seconds
        self.monitor.tick()
        return self.recorder.take()

    def to_job(self, job_id, messages):
        return [message for room, message in messages if room == broadcast.room_of(job_id)]

    def to_feed(self, messages):
        return [message for room, message in messages if room == broadcast.FEED]

    def steps(self, job_id, messages):
        """Return `(step, status, refresh_logs)` of the messages about steps."""
        told = self.to_job(job_id, messages)
        return [
            (message["step_name"], message["status"], message["refresh_logs"])
            for message in told
            if message["context"] == "job_step"
        ]


@pytest.fixture
def stage(hand, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(broadcast, "socketio", recorder)
    stage = Stage(hand, recorder)
    stage.tick()
    return stage


def running(stage, steps="[step.a]", children=1):
    """Submit a job, have the monitor move it, plan its first step; everything so far has been
    told.
    """
    job_id = stage.hand.submit(steps)
    stage.tick()
    stage.hand.plan(job_id, children)
    stage.tick()
    stage.tick(2 * GROWTH)
    return job_id


def write_lines(task, number=1):
    results.record(task, [line("x") for _ in range(number)])


# Moving on and telling it


def test_a_tick_moves_a_job_on_and_tells_it_with_the_revision_in_the_store(stage):
    before = ask(store.jobs.last_change)
    job_id = stage.hand.submit('[step.a]\n[step.b]\ndepends = "a"')
    messages = stage.tick()
    revision = ask(store.structure.structure_of, job_id)["revision"]
    change = ask(store.jobs.last_change)
    assert stage.hand.statuses(job_id) == {"a": "running", "b": "pending"}
    assert stage.to_job(job_id, messages) == [
        {
            "context": "job_step",
            "job_id": job_id,
            "step_name": "a",
            "status": "running",
            "refresh_logs": True,
            "revision": revision,
        },
        {
            "context": "job",
            "job_id": job_id,
            "status": "running",
            "refresh_logs": True,
            "revision": revision,
        },
    ]
    assert stage.to_feed(messages) == [
        {
            "context": "job",
            "job_id": job_id,
            "status": "running",
            "refresh_logs": True,
            "revision": revision,
            "change": change,
            "since": before,
        }
    ]


def test_a_new_job_is_told_though_it_does_not_move(stage, monkeypatch):
    monkeypatch.setattr(scheduler.moves, "advance", lambda job_id: False)
    job_id = stage.hand.submit()
    messages = stage.tick()
    assert [message["status"] for message in stage.to_job(job_id, messages)] == ["pending"]
    assert [message["status"] for message in stage.to_feed(messages)] == ["pending"]


def test_every_change_of_status_is_told_at_once_however_fast_they_come(stage):
    job_id = running(stage, '[step.a]\n[step.b]\ndepends = "a"\n[step.c]\ndepends = "b"', 0)
    told = []
    for _ in range(9):
        for task in stage.hand.claim():
            results.finish_plan(task)
        told += stage.steps(job_id, stage.tick(0.001))
    assert [(name, status) for name, status, _ in told] == [
        ("b", "completed"),
        ("c", "running"),
        ("c", "completed"),
    ]
    assert all(refresh_logs for *_, refresh_logs in told)


def test_what_people_do_is_told_by_the_next_tick(stage):
    job_id = running(stage)
    lifecycle.cancel(job_id)
    messages = stage.tick()
    assert stage.steps(job_id, messages) == [("a", "cancelled", True)]
    assert stage.to_job(job_id, messages)[-1]["status"] == "cancelled"
    lifecycle.retry(job_id)
    assert ("a", "running", True) in stage.steps(job_id, stage.tick())


def test_many_steps_that_change_at_once_are_told_of_some_at_a_time_each_once_and_as_at_its_revision(
    stage, monkeypatch
):
    """Between two times a step that was told of, one that wasn't, and the job change."""
    monkeypatch.setattr(notifier, "CHUNK", 4)
    job_id = stage.hand.submit("\n".join(f"[step.s{place}]" for place in range(10)))
    stage.tick()
    happenings = iter([lambda: stage.hand.claim("w", 1) and None, lambda: lifecycle.retry(job_id)])
    statuses = {}

    def others(seconds=0):
        next(happenings, lambda: None)()

    lifecycle.cancel(job_id)
    statuses[ask(store.jobs.head, job_id).revision] = "cancelled"
    monkeypatch.setattr(notifier, "time", SimpleNamespace(sleep=others))
    told = stage.to_job(job_id, stage.tick())
    revisions = [message["revision"] for message in told]
    assert revisions == sorted(revisions)
    steps = [message for message in told if message["context"] == "job_step"]
    assert {message["step_name"] for message in steps} == {f"s{place}" for place in range(10)}
    for message in steps:
        assert message["refresh_logs"] and message["status"] == statuses.get(
            message["revision"], "pending"
        )
    assert {message["step_name"] for message in steps if message["status"] == "cancelled"} >= {
        "s0",
        "s3",
        "s7",
    }
    monkeypatch.setattr(notifier, "time", SimpleNamespace(sleep=lambda seconds: None))
    told = stage.to_job(job_id, stage.tick())  # it began again meanwhile
    assert {message["status"] for message in told} == {"running"}
    assert not stage.tick()


def test_growth_of_many_steps_is_told_some_at_a_time(stage, monkeypatch):
    monkeypatch.setattr(notifier, "CHUNK", 4)
    job_id = stage.hand.submit("\n".join(f"[step.s{place}]" for place in range(10)))
    stage.tick()
    stage.tick(2 * GROWTH)
    tasks = [stage.hand.claim(f"w{place}")[0] for place in range(10)]
    for _ in range(2):
        for task in tasks:
            results.add_planned(task, [], [line("x")])
        told = stage.steps(job_id, stage.tick(2 * GROWTH))
        assert sorted(told) == [(f"s{place}", "running", True) for place in range(10)]


def test_a_tick_after_which_nothing_happened_says_nothing(stage):
    running(stage)
    assert [stage.tick(0.1) for _ in range(3)] == [[]] * 3


def test_only_the_jobs_that_changed_are_told(stage):
    first, second = running(stage), running(stage)
    lifecycle.cancel(second)
    rooms = {room for room, _ in stage.tick()}
    assert rooms == {broadcast.room_of(second), broadcast.FEED} and first != second


def test_what_a_worker_says_in_the_middle_of_a_tick_is_followed_up_by_the_next_not_just_the_sweep(
    stage, monkeypatch
):
    job_id = running(stage)
    (task,) = stage.hand.claim()
    stage.tick()
    stage.hand.submit()
    advance = scheduler.moves.advance
    # after this tick has looked which jobs changed, and before it tells of what changed
    with monkeypatch.context() as patch:
        patch.setattr(
            scheduler.moves, "advance", lambda other: stage.hand.complete(task) or advance(other)
        )
        stage.tick()
    assert stage.steps(job_id, stage.tick(0.001)) == [("a", "completed", True)]


# Growth


def test_growth_is_told_at_once_then_once_a_second_and_the_last_always(stage):
    job_id = running(stage)
    (task,) = stage.hand.claim()
    stage.tick()
    stage.tick(5)
    told = {}
    for step in range(26):  # lines every 0.1 s for 2.6 s
        write_lines(task)
        messages = stage.tick(0.1)
        if messages:
            told[step] = messages
    assert list(told) == [0, 10, 20]
    for messages in told.values():
        assert stage.steps(job_id, messages) == [("a", "running", True)]
    end = []
    for _ in range(12):
        end += stage.steps(job_id, stage.tick(0.1))
    assert end == [("a", "running", True)]
    assert ask(store.structure.structure_of, job_id)["steps"][0]["log_count"] == 26


def test_growth_of_each_job_is_coalesced_by_itself(stage):
    first = running(stage)
    (task,) = stage.hand.claim("w1")
    stage.tick()
    second = running(stage)
    (other,) = stage.hand.claim("w2")
    stage.tick()
    stage.tick(5)
    write_lines(task)
    assert stage.steps(first, stage.tick()) == [("a", "running", True)]
    write_lines(task)
    write_lines(other)
    messages = stage.tick(0.1)
    assert (stage.steps(first, messages), stage.steps(second, messages)) == (
        [],
        [("a", "running", True)],
    )


def test_growth_of_each_step_is_coalesced_by_itself(stage):
    job_id = stage.hand.submit("[step.a]\n[step.b]")
    stage.tick()
    tasks = stage.hand.claim("w1") + stage.hand.claim("w2")
    stage.tick(5)
    told = []
    for task in (tasks[0], tasks[0], tasks[1], tasks[0]):
        results.add_planned(task, [], [line("x")])
        told.append([name for name, *_ in stage.steps(job_id, stage.tick(0.1))])
    assert told == [["a"], [], ["b"], []]


def test_growth_of_counts_alone_does_not_ask_for_logs(stage):
    job_id = running(stage, children=2)
    stage.hand.complete(stage.hand.claim()[0])
    assert stage.steps(job_id, stage.tick()) == [("a", "running", False)]


def test_a_message_of_growth_carries_the_revision_of_the_moment_it_is_sent(stage):
    job_id = running(stage)
    (task,) = stage.hand.claim()
    stage.tick()
    write_lines(task)
    assert stage.tick(0.2) == []
    write_lines(task)
    (message,) = stage.to_job(job_id, stage.tick(GROWTH))
    assert message["revision"] == ask(store.structure.structure_of, job_id)["revision"]


def test_a_change_of_status_does_not_wait_for_growth_and_takes_it_along(stage):
    job_id = running(stage)
    (task,) = stage.hand.claim()
    stage.tick()
    write_lines(task)
    stage.tick(0.1)
    stage.hand.complete(task, lines=[line("last")])
    assert stage.steps(job_id, stage.tick(0.1)) == [("a", "completed", True)]
    assert stage.steps(job_id, stage.tick(5)) == []


def test_the_feed_hears_of_growth_as_of_the_job_once_a_second(stage):
    job_id = running(stage)
    (task,) = stage.hand.claim()
    stage.tick(5)
    stage.tick(5)
    counts = []
    for _ in range(21):
        write_lines(task)
        told = stage.to_feed(stage.tick(0.1))
        counts.append(len(told))
        assert {(message["context"], message["job_id"]) for message in told} <= {("job", job_id)}
    assert sum(counts) == 3


def test_a_process_that_still_writes_after_a_cancel_is_told_of(stage):
    job_id = running(stage)
    (task,) = stage.hand.claim()
    lifecycle.cancel(job_id)
    stage.tick()
    for pause in (1, MEMORY + 1):
        stage.tick(pause)
        write_lines(task)
        assert ("a", "cancelled", True) in stage.steps(job_id, stage.tick(1))


# Heartbeat hints


def gaps(stage, room, seconds, pause=INTERVAL):
    """Tick for a while and return the longest time that a room heard nothing."""
    last, longest = stage.time, 0.0
    while seconds > 0:
        if any(to == room for to, _ in stage.tick(pause)):
            longest, last = max(longest, stage.time - last), stage.time
        seconds -= pause
    return max(longest, stage.time - last)


def test_a_watched_room_hears_something_every_two_seconds_and_at_rest_it_is_the_present_revision(
    stage,
):
    job_id = running(stage)
    stage.recorder.watch(job_id)
    stage.tick()
    assert gaps(stage, broadcast.room_of(job_id), 20) <= 2
    stage.recorder.take()
    (message,) = stage.to_job(job_id, stage.tick(HEARTBEAT))
    revision = ask(store.structure.structure_of, job_id)["revision"]
    assert message == {
        "context": "job",
        "job_id": job_id,
        "status": "running",
        "refresh_logs": False,
        "revision": revision,
    }


def test_a_job_at_rest_is_hinted_at_in_every_terminal_status(stage):
    job_id = running(stage)
    lifecycle.cancel(job_id)
    stage.recorder.watch(job_id)
    stage.tick()
    stage.tick(MEMORY + 1)
    assert gaps(stage, broadcast.room_of(job_id), 10) <= 2


def test_the_feed_is_hinted_at_with_the_job_that_changed_last(stage):
    stage.recorder.watch(feed=True)
    first, second = running(stage), running(stage)
    results.record(stage.hand.claim()[0], [line("x")])
    stage.tick(5)
    stage.tick(5)
    assert gaps(stage, broadcast.FEED, 10) <= 2
    stage.recorder.take()
    (message,) = stage.to_feed(stage.tick(HEARTBEAT))
    assert (message["job_id"], message["refresh_logs"]) == (first, False)
    assert message["revision"] == ask(store.structure.structure_of, first)["revision"] and second


def test_each_message_of_the_feed_says_which_change_the_one_before_has_told_and_hints_repeat_it(
    stage,
):
    stage.recorder.watch(feed=True)
    ended, grows = running(stage), running(stage)
    tasks = stage.hand.claim(number=2)
    messages = stage.to_feed(stage.tick(GROWTH))
    for act in (
        lambda: lifecycle.cancel(ended),
        lambda: lifecycle.delete(ended),
        lambda: write_lines(tasks[-1]),
        lambda: lifecycle.cancel(grows),
    ):
        act()
        messages += [message for _ in range(8) for message in stage.to_feed(stage.tick(1))]
    for before, message in pairwise(messages):
        assert message["since"] == before["change"]
        is_new_status = message["refresh_logs"] and message["status"] == "cancelled"
        if is_new_status or message["status"] == broadcast.DELETED:
            assert message["change"] > message["since"]
        else:  # a hint at rest, or that a job has grown
            assert message["change"] == message["since"]
    assert {message["refresh_logs"] for message in messages} == {True, False}
    assert broadcast.DELETED in {message["status"] for message in messages}
    assert messages[-1]["change"] == ask(store.jobs.last_change)


def test_the_feed_hears_of_jobs_and_deletions_in_the_order_of_their_changes(stage):
    """Else one that is lost could be told by a `change` that another has told already."""
    first, deleted, last = (running(stage) for _ in range(3))
    lifecycle.cancel(deleted)
    stage.tick()
    lifecycle.cancel(first)
    lifecycle.delete(deleted)
    lifecycle.cancel(last)
    told = stage.to_feed(stage.tick())
    assert [message["job_id"] for message in told] == [first, deleted, last]
    changes = [message["change"] for message in told]
    assert changes == sorted(set(changes))
    assert [message["since"] for message in told[1:]] == changes[:-1]


def test_a_job_and_a_deletion_that_come_between_two_reads_are_told_in_their_order_as_well(
    stage, monkeypatch
):
    job_id, deleted = running(stage), running(stage)
    lifecycle.cancel(deleted)
    stage.tick()
    happenings = iter([lambda: lifecycle.cancel(job_id), lambda: lifecycle.delete(deleted)])
    find = store.jobs.changed_since

    def find_and_let_others(connection, change):
        found = find(connection, change)
        with stage.hand.app.app_context():
            for happen in happenings:
                happen()
        return found

    monkeypatch.setattr(store.jobs, "changed_since", find_and_let_others)
    for _ in range(2):
        stage.monitor.notifier.tick()
    told = stage.to_feed(stage.recorder.take())
    assert [message["job_id"] for message in told] == [job_id, deleted]
    assert told[0]["since"] < told[0]["change"] == told[1]["since"] < told[1]["change"]


def test_one_who_joins_a_quiet_room_is_greeted_soon_and_a_crowd_that_joins_is_greeted_together(
    stage,
):
    job_id = running(stage)
    stage.recorder.watch(job_id, feed=True)
    stage.tick(HEARTBEAT)
    for room in (broadcast.room_of(job_id), broadcast.FEED):
        broadcast.note_joined(room)
        assert stage.tick() == [], "it has just heard something"
        assert [to for to, _ in stage.tick(INTERVAL)] == [room]
        assert stage.tick(INTERVAL) == [], "greeted once"
        stage.tick(HEARTBEAT)
    told = []
    for _ in range(100):  # one each 10 ms
        broadcast.note_joined(broadcast.room_of(job_id))
        told += stage.to_job(job_id, stage.tick(0.01))
    assert 2 <= len(told) <= 4


def test_a_room_that_nobody_watches_gets_no_hints(stage):
    running(stage)
    assert [messages for _ in range(10) if (messages := stage.tick(1))] == []


def test_a_room_that_hears_of_changes_gets_no_hints_besides(stage):
    job_id = running(stage)
    (task,) = stage.hand.claim()
    stage.recorder.watch(job_id)
    stage.tick()
    contexts = set()
    for _ in range(10):
        write_lines(task)
        contexts |= {message["context"] for message in stage.to_job(job_id, stage.tick(GROWTH))}
    assert contexts == {"job_step"}


def test_an_empty_store_has_nothing_to_hint_at(stage):
    stage.recorder.watch("gone", feed=True)
    assert stage.tick(5) == []


# Revisions


def test_what_a_viewer_hears_of_a_job_never_falls(stage):
    job_id = running(stage, '[step.a]\nretries = 2\n[step.b]\n[step.c]\ndepends = "a"', 20)
    stage.recorder.watch(job_id, feed=True)
    heard = []
    for number in range(50):
        tasks = stage.hand.claim(f"w{number % 2}")
        for task in tasks:
            if task.kind == "plan":
                results.finish_plan(task)
            elif number % 3 == 0:
                stage.hand.fail(task)
            else:
                stage.hand.complete(task, lines=[line("x")])
        if number == 10:
            lifecycle.cancel(job_id)
        if number == 15:
            lifecycle.retry(job_id)
        heard += stage.tick(0.05 * (number % 7))
    for room in (broadcast.room_of(job_id), broadcast.FEED):
        revisions = [message["revision"] for to, message in heard if to == room]
        assert len(revisions) > 10 and revisions == sorted(revisions)
        assert revisions[-1] == ask(store.structure.structure_of, job_id)["revision"]


def test_the_status_in_a_message_is_the_one_in_the_store_at_its_revision(stage):
    job_id = stage.hand.submit('[step.a]\n[step.b]\ndepends = "a"')
    for _ in range(12):
        messages = stage.to_job(job_id, stage.tick(0.3))
        structure = ask(store.structure.structure_of, job_id)
        statuses = {step["name"]: step["status"] for step in structure["steps"]} | {
            None: structure["status"]
        }
        for message in messages:
            assert (message["status"], message["revision"]) == (
                statuses[message.get("step_name")],
                structure["revision"],
            )
        for task in stage.hand.claim():
            results.finish_plan(task)
    assert structure["status"] == "completed"


# Deletions


def test_a_deletion_is_told_once_to_the_room_and_the_feed(stage):
    job_id = running(stage)
    lifecycle.cancel(job_id)
    stage.tick()
    revision = ask(store.structure.structure_of, job_id)["revision"]
    stage.recorder.watch(job_id, feed=True)
    lifecycle.delete(job_id)
    deleted = [message for _, message in stage.tick() if message["status"] == "deleted"]
    assert [message["context"] for message in deleted] == ["job", "job"]
    assert all(message["revision"] > revision for message in deleted)
    for _ in range(5):
        assert not [
            message
            for _, message in stage.tick(1)
            if message["status"] == "deleted" or message["job_id"] == job_id
        ]


def kept_deletions():
    return [deletion.job_id for deletion in ask(store.jobs.deletions_since, 0)]


def delete_running(stage):
    job_id = running(stage)
    lifecycle.cancel(job_id)
    stage.tick()
    lifecycle.delete(job_id)
    return job_id


def test_a_deletion_is_kept_for_a_while_and_then_forgotten(stage):
    first = delete_running(stage)
    stage.tick()
    stage.tick(DELETIONS_KEPT / 2)
    second = delete_running(stage)
    stage.tick()
    assert kept_deletions() == [first, second]
    stage.tick(DELETIONS_KEPT / 2)
    assert kept_deletions() == [second]
    stage.tick(DELETIONS_KEPT)
    assert kept_deletions() == []
    assert stage.monitor.scheduler._deletions == {}
    third = delete_running(stage)
    stage.tick()
    assert kept_deletions() == [third]


def test_a_scheduler_that_starts_keeps_the_deletions_that_it_finds_for_as_long(stage):
    job_id = delete_running(stage)
    stage.tick()
    stage.time += DELETIONS_KEPT - 1
    stage.monitor = stage.new_monitor()
    stage.tick()
    stage.tick(DELETIONS_KEPT - 1)
    assert kept_deletions() == [job_id]
    stage.tick(1)
    assert kept_deletions() == []


def test_many_deletions_are_forgotten_by_the_same_statement_as_one(stage):
    """It names none of them: a statement can't have a parameter for each of 100,000."""
    forgotten = []
    for changes in ([1], range(2, 500)):
        rows = [{"change": change, "job_id": "j", "revision": 1} for change in changes]
        with write() as connection:
            connection.execute(insert(Deletion), rows)
        stage.tick()
        with statements() as sent:
            stage.tick(DELETIONS_KEPT)
        forgotten += [statement for statement in sent if statement.startswith("DELETE")]
        assert kept_deletions() == []
    assert len(forgotten) == 2 and len(set(forgotten)) == 1


def test_deletions_that_can_not_be_forgotten_now_are_forgotten_by_a_later_tick(stage, monkeypatch):
    delete_running(stage)
    stage.tick()

    def refuse(last):
        raise StoreBusy

    with monkeypatch.context() as patch, pytest.raises(StoreBusy):
        patch.setattr(scheduler.moves, "forget_deletions", refuse)
        stage.tick(DELETIONS_KEPT)
    stage.tick()
    assert kept_deletions() == []


def test_each_notifier_tells_a_deletion_once_and_one_that_starts_later_does_too(stage):
    def deleted(messages):
        return [message["job_id"] for _, message in messages if message["status"] == "deleted"]

    def told_by(notifier):
        notifier.tick()
        return deleted(stage.recorder.take())

    other = Notifier(lambda: stage.time)
    assert told_by(other) == []
    job_id = delete_running(stage)
    assert deleted(stage.tick()) == [job_id, job_id], "its room and the feed"
    assert told_by(other) == [job_id, job_id]
    stage.tick(DELETIONS_KEPT / 2)
    late = Notifier(lambda: stage.time)
    assert told_by(late) == [job_id, job_id]
    assert [told_by(notifier) for notifier in (other, late)] == [[], []]
    assert deleted(stage.tick(DELETIONS_KEPT)) == []
    assert told_by(Notifier(lambda: stage.time)) == []


def test_what_a_deleted_job_has_left_is_cleared_away(stage, monkeypatch):
    monkeypatch.setattr("jobsync.lifecycle.jobs.CLEARED", 2)
    job_id = running(stage, children=5)
    lifecycle.cancel(job_id)
    lifecycle.delete(job_id)
    stage.tick()

    def is_empty():
        return fetch(db.select(db.func.count()).select_from(Step)).scalar() == 0

    wait_for(is_empty, 10, "clearing away")


# Jobs past their time


def timed(stage, seconds=10):
    job_id = stage.hand.submit("[step.a]", head=f'timeout = "{seconds}s"')
    stage.tick()
    stage.tick()  # the commit of the first, by which the job began, wakes the monitor at once
    return job_id


def test_a_job_past_its_time_fails_with_the_reason(stage):
    job_id = timed(stage)
    stage.tick(9.5)
    assert ask(store.jobs.get, job_id)["status"] == "running"
    messages = stage.tick(1)
    assert (ask(store.jobs.get, job_id)["status"], ask(store.jobs.get, job_id)["error"]) == (
        "failed",
        "timed out after 10 s (timeout of the job)",
    )
    assert stage.to_job(job_id, messages)[-1]["status"] == "failed"
    recount(job_id)


def test_a_jump_of_the_wall_clock_ends_nothing_and_keeps_nothing_alive(stage, monkeypatch):
    late, early = timed(stage), timed(stage)
    monkeypatch.setattr(deadlines, "now", lambda: now() + 10**10)
    stage.tick(SWEEP)
    assert ask(store.jobs.get, late)["status"] == "running"
    monkeypatch.setattr(deadlines, "now", lambda: now() - 10**10)
    stage.tick(SWEEP + 1)
    assert {ask(store.jobs.get, late)["status"], ask(store.jobs.get, early)["status"]} == {"failed"}


def test_a_retried_job_gets_its_whole_time_again(stage):
    job_id = timed(stage)
    stage.tick(8)
    lifecycle.cancel(job_id)
    stage.tick()
    lifecycle.retry(job_id)
    stage.tick()
    stage.tick(8)
    assert ask(store.jobs.get, job_id)["status"] == "running"


def test_a_new_monitor_knows_the_deadlines_of_jobs_that_run(stage):
    job_id = timed(stage)
    stage.monitor = stage.new_monitor()
    stage.tick()
    stage.tick(11)
    assert ask(store.jobs.get, job_id)["status"] == "failed"


def test_a_job_that_was_deleted_before_its_time_was_over_leaves_the_monitor_in_peace(stage):
    job_id, other = timed(stage), timed(stage, 30)
    lifecycle.cancel(job_id)
    lifecycle.delete(job_id)
    stage.tick(11)
    stage.tick(20)
    assert ask(store.jobs.get, other)["status"] == "failed"


def test_the_monitor_looks_in_time_for_what_is_due(stage):
    timed(stage, 1)
    stage.time += 0.9
    assert 0.05 < stage.monitor.until_due() < 0.2
    stage.time += 5
    assert stage.monitor.until_due() == 0.001


# When things go wrong


def corrupt(job_id):
    with write() as connection:
        connection.execute(update(Step).where(Step.job_id == job_id).values(depends=["nobody"]))


def test_an_error_in_the_rows_of_one_job_does_not_stop_the_others_and_is_logged_once(stage, caplog):
    bad, good = stage.hand.submit(), stage.hand.submit()
    corrupt(bad)
    with caplog.at_level(logging.ERROR):
        for _ in range(4):
            stage.tick(SWEEP)
    assert stage.hand.statuses(good) == {"a": "running"}
    assert [record.args for record in caplog.records] == [(bad,)]
    with write() as connection:
        connection.execute(update(Step).where(Step.job_id == bad).values(depends=[]))
    stage.tick()
    assert stage.hand.statuses(bad) == {"a": "running"}


def test_a_job_whose_number_of_its_change_is_damaged_hides_no_change_of_others(stage):
    bad, good = stage.hand.submit(), stage.hand.submit()
    stage.tick(SWEEP)
    with write() as connection:
        connection.execute(update(Job).where(Job.id == bad).values(change=text("'odd'")))
    lifecycle.cancel(good)
    stage.tick()
    lifecycle.retry(good)
    assert {message["job_id"] for _, message in stage.tick()} == {good}
    assert stage.hand.statuses(good) == {"a": "running"}


@pytest.mark.parametrize("breaks_after", [0, 1, 2])
def test_what_could_not_be_sent_is_sent_by_the_next_tick(stage, breaks_after):
    job_id = stage.hand.submit()
    stage.recorder.breaks_after = breaks_after
    with pytest.raises(ConnectionError):
        stage.tick()
    stage.recorder.breaks_after = None
    stage.recorder.take()
    messages = stage.tick()
    assert stage.steps(job_id, messages) == [("a", "running", True)]
    assert [message["status"] for message in stage.to_feed(messages)] == ["running"]


@pytest.mark.parametrize("breaks_after", [0, 1])
def test_growth_that_could_not_be_sent_is_sent_by_the_next_tick(stage, breaks_after):
    job_id = running(stage)
    write_lines(stage.hand.claim()[0])
    stage.recorder.breaks_after = breaks_after
    with pytest.raises(ConnectionError):
        stage.tick()
    stage.recorder.breaks_after = None
    told = stage.recorder.take() + stage.tick(GROWTH)
    assert ("a", "running", True) in stage.steps(job_id, told)
    assert stage.to_feed(told)


def test_a_deletion_that_could_not_be_told_is_told_by_the_next_tick(stage):
    job_id = running(stage)
    lifecycle.cancel(job_id)
    stage.tick()
    lifecycle.delete(job_id)
    stage.recorder.breaks_after = 0
    with pytest.raises(ConnectionError):
        stage.tick()
    stage.recorder.breaks_after = None
    assert [message["status"] for _, message in stage.tick()] == ["deleted", "deleted"]


def test_a_monitor_that_ends_between_commit_and_message_is_followed_by_one_that_leaves_nothing_out(
    stage,
):
    job_id = running(stage)
    stage.hand.complete(stage.hand.claim()[0])
    stage.recorder.breaks_after = 0
    with pytest.raises(ConnectionError):
        stage.tick()
    assert ask(store.structure.structure_of, job_id)["status"] == "completed"
    stage.recorder.breaks_after = None
    stage.monitor = stage.new_monitor()
    stage.recorder.watch(job_id, feed=True)
    messages = stage.tick()
    for told in (stage.to_job(job_id, messages), stage.to_feed(messages)):
        assert [(message["status"], message["revision"]) for message in told] == [
            ("completed", ask(store.structure.structure_of, job_id)["revision"])
        ]


@pytest.mark.parametrize("moment", ["before the move", "before the commit"])
def test_a_monitor_that_breaks_while_it_moves_a_job_leaves_it_whole_for_the_next(
    stage, monkeypatch, moment
):
    job_id = stage.hand.submit('[step.a]\n[step.b]\ndepends = "a"')
    target = {"before the move": "move_steps", "before the commit": "move_job"}[moment]

    def break_down(*args, **values):
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(scheduler.moves.rows, target, break_down)
        stage.tick()
        assert stage.hand.statuses(job_id) == {"a": "pending", "b": "pending"}
    stage.monitor = stage.new_monitor()
    stage.tick()
    assert stage.hand.statuses(job_id) == {"a": "running", "b": "pending"}
    recount(job_id)


class Lock:
    """Holds the database's write lock as another process would."""

    def __init__(self, app):
        self._app = app
        self._holding, self._enough = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self):
        with self._app.app_context(), db.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            self._holding.set()
            self._enough.wait(30)
            connection.exec_driver_sql("ROLLBACK")

    def __enter__(self):
        self._thread.start()
        self._holding.wait(10)

    def __exit__(self, *_):
        self._enough.set()
        self._thread.join()


def test_viewers_get_their_hints_while_another_process_keeps_the_database_locked(stage):
    job_id = running(stage)
    stage.hand.complete(stage.hand.claim()[0])
    stage.recorder.watch(job_id, feed=True)
    with Lock(stage.hand.app):
        with pytest.raises(StoreBusy):
            stage.tick(HEARTBEAT)
        told = stage.recorder.take()
        assert stage.to_job(job_id, told) and stage.to_feed(told)
    assert ("a", "completed", True) in stage.steps(job_id, stage.tick())


def test_the_loop_goes_on_after_any_error_and_says_what_is_wrong(stage, monkeypatch):
    class Enough(BaseException):
        """Ends the loop."""

    happenings = iter([ValueError("odd"), OSError(), ConnectionError("gone"), None, Enough()])
    troubles = []

    def tick():
        troubles.append(stage.monitor.trouble.text)
        happening = next(happenings)
        if happening:
            raise happening

    monkeypatch.setattr(stage.monitor, "tick", tick)
    monkeypatch.setattr(stage.monitor, "until_due", lambda: 0)
    monkeypatch.setattr(monitor, "time", SimpleNamespace(sleep=lambda seconds: None))
    with pytest.raises(Enough):
        stage.monitor.run()
    assert troubles == [None, "odd", "OSError", "gone", None]


def test_waiting_a_moment_for_other_writers_is_no_trouble_and_waiting_for_long_is(
    stage, monkeypatch
):
    class Enough(BaseException):
        """Ends the loop."""

    troubles = []

    def tick():
        troubles.append(stage.monitor.trouble.text)
        stage.time += 0.34 * monitor.BUSY
        if len(troubles) == 9:
            raise Enough
        if len(troubles) != 3:
            raise StoreBusy

    monkeypatch.setattr(stage.monitor, "tick", tick)
    monkeypatch.setattr(stage.monitor, "until_due", lambda: 0)
    with pytest.raises(Enough):
        stage.monitor.run()
    busy = "The database is locked by another process."
    assert troubles == [None] * 7 + [busy] * 2


# What it costs


@pytest.mark.parametrize("watched", [False, True])
def test_an_idle_tick_sends_the_same_few_statements_with_ten_or_a_thousand_jobs_at_rest(
    stage, watched
):
    job_id = running(stage)
    lifecycle.cancel(job_id)
    if watched:
        stage.recorder.watch(job_id, feed=True)

    def cost():
        sent = []
        for pause in (0.1, HEARTBEAT, SWEEP):
            stage.tick(pause)
            with statements() as seen:
                stage.tick(pause)
            sent.append(list(seen))
        return sent

    stage.tick(MEMORY + 1)
    few, job = cost(), ask(store.jobs.get, job_id)
    with write() as connection:
        row = {
            **job,
            "params": {},
            "tags": [],
            "source": "api",
            "change": 0,
            "created_at": 1,
            "updated_at": 1,
        }
        row |= {"started_at": 1, "finished_at": 1}
        connection.execute(insert(Job), [{**row, "id": f"old{n}"} for n in range(1000)])
    many = cost()
    assert few == many
    assert max(map(len, many)) <= (6 if watched else 4)


def test_what_it_remembers_of_jobs_at_rest_is_forgotten(stage):
    job_id = running(stage)
    lifecycle.cancel(job_id)
    stage.recorder.watch(job_id)
    stage.tick()
    stage.recorder.watch()
    stage.tick(MEMORY + 1)
    stage.tick(1)
    notifier, scheduler = stage.monitor.notifier, stage.monitor.scheduler
    assert (notifier._viewers, len(scheduler._deadlines)) == ({}, 0)
    assert broadcast.room_of(job_id) not in notifier._messages_at


# What is due, and places that become free


def child_status(stage, job_id):
    return stage.hand.children(job_id)[0]["status"]


def test_a_child_that_waits_for_its_next_attempt_is_ready_when_the_delay_is_over(stage):
    job_id = running(stage, '[step.a]\nretries = 1\nretry_delay = "10s"')
    stage.hand.fail(*stage.hand.claim())
    stage.tick()
    stage.tick(7)
    assert stage.hand.claim() == []
    assert ask(store.jobs.get, job_id)["waiting_for"] == "the delay before the next attempt"
    stage.tick(5.5)  # the delay is given or taken a fifth
    (again,) = stage.hand.claim()
    stage.tick()
    assert again.attempt == 2
    assert ask(store.jobs.get, job_id)["waiting_for"] is None


def test_a_new_monitor_knows_which_children_wait(stage, monkeypatch):
    running(stage, '[step.a]\nretries = 1\nretry_delay = "10s"')
    stage.hand.fail(*stage.hand.claim())
    stage.monitor = stage.new_monitor()
    stage.tick()
    assert 7 < min(stage.monitor.scheduler.due) - stage.time <= 12
    stage.tick(12.1)
    assert len(stage.hand.claim()) == 1


def test_a_jump_of_the_wall_clock_changes_no_delay(stage, monkeypatch):
    running(stage, '[step.a]\nretries = 1\nretry_delay = "10s"')
    stage.hand.fail(*stage.hand.claim())
    stage.tick()
    monkeypatch.setattr(deadlines, "now", lambda: now() + 10**10)
    stage.tick(1)
    assert stage.hand.claim() == []
    monkeypatch.setattr(deadlines, "now", lambda: now() - 10**10)
    stage.tick(11.1)
    assert len(stage.hand.claim()) == 1


def test_a_step_past_its_time_fails_and_a_retried_one_has_its_whole_time_again(stage):
    job_id = running(stage, '[step.a]\nstep_timeout = "10s"', 2)
    stage.tick(8 - 2 * GROWTH)
    assert stage.hand.statuses(job_id) == {"a": "running"}
    stage.tick(2.5)
    assert stage.hand.step(job_id)["error"] == "timed out after 10 s (step_timeout)"
    stage.tick()
    assert ask(store.jobs.get, job_id)["status"] == "failed"
    lifecycle.retry(job_id)
    stage.tick()
    stage.tick()  # the commit of the first, by which the step began, wakes the monitor at once
    stage.tick(8)
    assert stage.hand.statuses(job_id) == {"a": "running"}
    stage.tick(2.5)
    assert stage.hand.statuses(job_id) == {"a": "failed"}
    recount(job_id)


def test_a_stop_that_nobody_confirms_is_given_up_after_the_grace_and_five_seconds(stage):
    job_id = running(stage, '[step.a]\ncancel_grace = "2s"')
    stage.hand.claim()
    lifecycle.cancel(job_id)
    stage.tick()
    stage.tick(6.9)
    assert ask(store.jobs.get, job_id)["cancellation"]["done_at"] is None
    messages = stage.tick(0.2)
    assert ask(store.jobs.get, job_id)["cancellation"]["done_at"]
    (told,) = stage.to_job(job_id, messages)
    assert (told["context"], told["refresh_logs"]) == ("job", False)


@pytest.mark.parametrize("way", ["ends", "is cancelled", "is stopped", "is deleted"])
def test_the_next_job_starts_by_the_tick_that_sees_the_place_become_free(stage, way):
    jobs = [stage.hand.submit("[step.a]", "concurrency = 1") for _ in range(4)]
    stage.tick()
    stage.tick()

    def statuses():
        return [ask(store.jobs.get, job_id)["status"] for job_id in jobs]

    assert statuses() == ["running", "pending", "pending", "pending"]
    stage.hand.plan(jobs[0], 1)
    (task,) = stage.hand.claim()
    if way == "ends":
        stage.hand.complete(task)
        stage.tick()
    else:
        lifecycle.cancel(jobs[0])
        stage.tick()
        assert statuses()[1] == "pending"
        results.record(task, ended=[End(task, "failed", None, "stopped", now())])
    if way == "is deleted":
        stage.tick()
        lifecycle.delete(jobs.pop(0))
        assert statuses()[0] == "running"
        lifecycle.cancel(jobs[0])
        lifecycle.delete(jobs.pop(0))
        stage.tick(SWEEP)
        assert statuses() == ["running", "pending"]
        return
    stage.tick()
    stage.tick()
    assert statuses()[1:] == ["running", "pending", "pending"]


def test_a_thousand_jobs_that_wait_for_one_place_cost_a_tick_no_more_than_ten(stage):
    def cost(number):
        for _ in range(number):
            stage.hand.submit("[step.a]", "concurrency = 1")
        stage.tick()
        stage.tick(SWEEP)  # each has been told once what it waits for
        with statements() as sent:
            stage.tick(SWEEP)
        return len(sent)

    few = cost(10)
    assert cost(200) == few


def test_workers_and_queues_that_come_and_go_are_seen_by_the_jobs_that_wait_for_them(stage):
    job_id = stage.hand.submit()
    stage.tick()
    stage.tick()

    def waits_for():
        return ask(store.structure.structure_of, job_id)["waiting_for"]

    assert waits_for() == "a worker: none is running"
    workers.register("w1", 1)
    stage.tick()
    assert waits_for() is None
    lifecycle.pause_queue("default")
    stage.tick()
    assert waits_for() == "the queue default, which is paused"
    lifecycle.pause_queue("default", False)
    stage.tick()
    assert waits_for() is None
    workers.release("w1")
    stage.tick()
    assert waits_for() == "a worker: none is running"
