"""The list of jobs: its order, its limits, its numbers, and that it holds nobody up however
many jobs there are.
"""

import time
from contextlib import contextmanager
from datetime import date
from types import SimpleNamespace

import pytest
from sqlalchemy import event, select, text, update

from helpers.apps import make_app
from helpers.ask import ask, fetch, jobs_page
from jobsync import lifecycle
from jobsync.base.clock import DAY, midnight
from jobsync.base.errors import BadInput
from jobsync.db.extensions import db
from jobsync.db.models import Job, JobWords, Step
from jobsync.db.transactions import write
from jobsync.store import listing
from jobsync.store.answers import cursor_of
from jobsync.store.listing import Run, Wanted

MANY = 100_000
# instructions of SQLite's for each row that a statement may look at: going by an index takes about
# 12, matching words some more
MOST = 30


def create_at(job_id, moment):
    with write() as connection:
        connection.execute(update(Job).where(Job.id == job_id).values(created_at=moment))


def ids(**asked):
    """Return the ids of all pages of a list; they and the total agree."""
    found, cursor = [], None
    while True:
        page = jobs_page(limit=2, cursor=cursor, **asked)
        found += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            assert page["total"] == len(found)
            return found


# Order


def test_newest_first_is_by_the_time_of_creation_and_not_by_that_of_storing(hand):
    first, second, third = (hand.submit() for _ in range(3))
    create_at(third, 1000)
    assert ids() == [second, first, third]


def test_jobs_of_one_moment_come_each_once_last_stored_first(hand):
    made = [hand.submit() for _ in range(5)]
    for job_id in made:
        create_at(job_id, 5000)
    assert (
        ids()
        == ids(status=["pending", "running"])
        == ids(definition="d", status=["pending"])
        == ids(q="d")
        == made[::-1]
    )


def test_a_cursor_of_another_list_is_refused(hand):
    hand.submit()
    with pytest.raises(BadInput):
        jobs_page(cursor=cursor_of(5))


# Words


@pytest.fixture
def wordy(hand):
    """A definition with a text, a number and a yes or no."""
    params = "".join(
        f'[params.{name}]\ntype = "{kind}"\n'
        for name, kind in (("text", "string"), ("count", "integer"), ("dry", "boolean"))
    )
    return hand.define(f'id = "wordy"\nname = "Wordy ΟΔΟΣ"\n{params}[step.a]\ntype = "by_hand"')


def submit(definition, text="x", count=1, dry=False):
    return lifecycle.submit(definition, {"text": text, "count": count, "dry": dry}, "api")


@pytest.mark.parametrize(
    "q",
    [
        'C:\\dir "q"',
        '"q"',
        'DIR "Q',
        "text C:",
        "count 42",
        "42",
        "dry true",
        "wordy οδος",
        "οδο",
        "WORDY",
        "é\n",
    ],
)
def test_a_job_is_found_by_what_people_see_of_it(hand, wordy, q):
    job_id = submit(wordy, 'C:\\dir "q" é\nline two', 42, True)
    submit(wordy, "another")
    assert job_id in ids(q=q)


@pytest.mark.parametrize("q", ["{", "}", '":', "\\\\", "%", "_", "wordy\\"])
def test_a_job_is_not_found_by_how_it_is_stored(hand, wordy, q):
    submit(wordy, 'C:\\dir "q"', 42, True)
    assert ids(q=q) == []


def test_what_is_deleted_leaves_no_words(hand, wordy):
    job_id = submit(wordy)
    lifecycle.cancel(job_id)
    lifecycle.delete(job_id)
    assert fetch(select(JobWords.number)).all() == []


def test_a_search_goes_on_from_window_to_window_until_its_page_is_full(hand, wordy, monkeypatch):
    monkeypatch.setattr(listing, "SEARCHED", 2)
    made = [submit(wordy, "odd" if place % 3 else "even") for place in range(11)]
    for job_id in made[3:8]:
        create_at(job_id, 7000)
    wanted = [job_id for job_id in listing_order(made) if made.index(job_id) % 3]
    assert ids(q="odd") == wanted
    assert ids(q="odd", status=["pending", "failed"], definition="wordy") == wanted
    assert listing.counts(Wanted(q="even"))["pending"] == 4


def listing_order(job_ids):
    return sorted(
        job_ids,
        key=lambda job_id: tuple(
            fetch(select(Job.created_at, Job.number).where(Job.id == job_id)).one()
        ),
        reverse=True,
    )


def test_a_job_that_leaves_the_list_while_it_is_searched_is_not_shown_in_it(hand, monkeypatch):
    job_id = hand.submit()
    monkeypatch.setattr(listing, "counts", lambda *_: lifecycle.cancel(job_id) or {})
    assert jobs_page(["pending"], q="d")["items"] == []


# Days


def test_days_are_whole_ones_in_utc(hand):
    day = date(2026, 11, 22)
    before, first, last, after = (hand.submit() for _ in range(4))
    moments = (midnight(day) - 1, midnight(day), midnight(day) + DAY - 1, midnight(day) + DAY)
    for job_id, moment in zip((before, first, last, after), moments, strict=True):
        create_at(job_id, moment)
    assert (
        ids(since=day, until=day)
        == ids(since=day, until=day, q="d", status=["pending"])
        == [last, first]
    )
    assert ids(since=day) == [after, last, first]
    assert ids(until=day, definition="d") == [last, first, before]
    assert ids(since=date.max) == ids(until=date.min) == []


# Numbers


def test_counts_are_of_all_statuses_that_the_other_limits_let_through(hand):
    hand.begin()
    hand.run_out(hand.submit())
    hand.submit()
    every = {"pending": 1, "running": 1, "completed": 1, "failed": 0, "cancelled": 0}
    assert (
        listing.counts(Wanted())
        == listing.counts(Wanted(status=("failed",), definition="d"))
        == listing.counts(Wanted(q="d"))
        == every
    )
    assert set(listing.counts(Wanted(definition="other")).values()) == {0}


def test_the_last_runs_of_definitions_are_told_oldest_first_and_not_more_than_some(
    hand, monkeypatch
):
    monkeypatch.setattr(listing, "RUNS", 3)
    jobs = [hand.submit() for _ in range(5)]
    for place, job_id in enumerate(jobs):
        hand.run_out(job_id, "fail" if place == 3 else "complete")
        with write() as connection:
            connection.execute(
                update(Job)
                .where(Job.id == job_id)
                .values(started_at=1000, finished_at=1000 + place)
            )
    hand.submit()
    assert ask(listing.recent_runs, ["d", "other"]) == {
        "d": [Run("completed", 2), Run("failed", 3), Run("completed", 4)],
        "other": [],
    }


def test_the_runs_next_to_one_are_those_of_its_definition_by_time(hand, wordy):
    first, second, third, fourth = (hand.submit() for _ in range(4))
    submit(wordy)
    for job_id, moment in ((fourth, 1000), (second, 2000), (third, 2000), (first, 3000)):
        create_at(job_id, moment)
    assert [ask(listing.neighbours, job_id) for job_id in (fourth, second, third, first)] == [
        (None, second),
        (fourth, third),
        (second, first),
        (third, None),
    ]


def test_what_was_usual_is_of_the_runs_before_by_time(hand):
    before, job_id, after = (hand.submit() for _ in range(3))
    for place, run in enumerate((after, before)):
        hand.run_out(run)
        with write() as connection:
            connection.execute(
                update(Step).where(Step.job_id == run).values(started_at=0, finished_at=100 + place)
            )
    create_at(after, 1000)
    create_at(before, 10**15)
    assert ask(listing.earlier_durations, job_id) == {"a": [100]}


# Many jobs


JOBS = """INSERT INTO jobs (
        id, definition, name, status, revision, change, params, tags, source,
        created_at, updated_at)
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :number)
    SELECT printf('%012x', n), 'd' || (n % 3), 'Job',
        CASE n % 5 WHEN 0 THEN 'failed' ELSE 'completed' END, 1, n, '{}', '[]', 'api',
        CASE WHEN n % 2 THEN 5000 ELSE n END, 0 FROM numbers"""
WORDS = (
    "INSERT INTO job_words SELECT number, 'job' || char(10) || id || char(10) || "
    "'folder /home/someone/projects/' || number FROM jobs"
)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """An app with many jobs, half of them of one and the same moment."""
    app = make_app(tmp_path_factory.mktemp("many"))
    with app.app_context():
        with write() as connection:
            connection.execute(text(JOBS), {"number": MANY})
            connection.execute(text(WORDS))
        yield app


@contextmanager
def instructions():
    """Gather the number of instructions, in hundreds, that SQLite takes for each statement that
    is sent meanwhile.
    """
    counted = []

    def begin(connection, *_):
        counted.append(0)
        connection.connection.set_progress_handler(count, 100)

    def count():
        counted[-1] += 1

    event.listen(db.engine, "before_cursor_execute", begin)
    try:
        yield counted
    finally:
        event.remove(db.engine, "before_cursor_execute", begin)


ASKED = [
    {},
    {"status": ["failed", "running"]},
    {"definition": "d1", "status": ["completed"]},
    {"since": date(1970, 1, 1), "until": date(1970, 1, 1)},
    {"q": "no such word"},
    {"q": "job", "status": ["running", "completed"]},
    {"q": "job", "definition": "d2"},
]


@pytest.mark.slow
@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_no_statement_of_a_list_goes_through_many_of_100_000_jobs(many, asked, monkeypatch):
    pauses = []
    pausing = SimpleNamespace(sleep=pauses.append, monotonic=time.monotonic)
    monkeypatch.setattr(listing, "time", pausing)
    deep = cursor_of(5000, MANY // 2)
    with instructions() as counted:
        first, later = (jobs_page(**asked, cursor=cursor) for cursor in (None, deep))
        listing.counts(Wanted(**{**asked, "status": ()}))
    assert first["total"] == later["total"] and bool(first["items"]) == (
        asked.get("q") != "no such word"
    )
    looked_at = max(listing.SEARCHED if asked.get("q") else listing.COUNTED, 4 * 51)
    assert max(counted) * 100 < looked_at * MOST, max(counted) * 100
    assert len(pauses) >= MANY // looked_at // 5


@pytest.mark.slow
def test_a_page_of_100_000_jobs_costs_the_same_at_any_depth(many):
    costs = []
    for cursor in (
        None,
        cursor_of(5000, MANY - 100),
        cursor_of(5000, 200),
        cursor_of(400, 400),
    ):
        with instructions() as counted:
            assert len(listing.find(Wanted(status=("completed", "failed")), 50, cursor)[0]) == 50
        costs.append(sum(counted))
    assert max(costs) < 80, costs  # a walk along an index: the whole of it would be 10,000


@pytest.mark.slow
def test_a_job_among_100_000_finds_the_runs_around_it_by_walking_along_an_index(many):
    middle = f"{MANY // 2:012x}"
    with instructions() as counted:
        assert all(ask(listing.neighbours, middle))
        ask(listing.earlier_durations, middle)
        ask(listing.recent_runs, ["d0", "d1", "d2"])
    assert sum(counted) < 80, counted
