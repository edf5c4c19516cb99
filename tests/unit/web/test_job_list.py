"""The list of jobs as served: its numbers, filters, rows, what it says when there is nothing to
show, and the runs of definitions.
"""

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from helpers.ask import ask
from jobsync import lifecycle, store
from jobsync.db.models import Job
from jobsync.db.transactions import write
from jobsync.store.answers import cursor_of
from jobsync.store.listing import Run
from jobsync.web import job_row
from jobsync.web.filters import day_time
from jobsync.web.job_row import Row, shortened
from jobsync.web.runs import Runs

PARAMS = """[params.text]
type = "string"
default = "usual"
[params.count]
type = "integer"
default = 3
[params.folder]
type = "path"
default = "."
[params.dry]
type = "boolean"
default = false
[params.needed]
type = "string"
"""


def counts(page):
    """Return what the filters by status say, in order."""
    return [link.text for link in page.one(data_part="counts").all("a")]


def addresses(page, part):
    return [link["href"] for link in page.one(data_part=part).all("a")]


# Filters


def test_the_numbers_are_of_what_the_other_filters_match(hand, browser):
    hand.begin()
    hand.submit()
    all_of_them = ["all 2", "pending 1", "running 1", "completed 0", "failed 0", "cancelled 0"]
    for query in ("", "?status=running", "?status=failed,cancelled&q=d"):
        assert counts(browser.get(f"/{query}")) == all_of_them
    assert counts(browser.get("/?definition=other&status=running"))[0] == "all 0"
    assert browser.get("/?status=running").one(data_part="total").text == "1 job"


def test_an_open_page_gets_the_same_numbers_alone(hand, browser):
    hand.begin()
    hand.submit()
    response = browser.client.get("/counts?status=running,failed&q=d")
    every = {"all": 2, "pending": 1, "running": 1, "completed": 0, "failed": 0, "cancelled": 0}
    assert response.json == {"change": ask(store.jobs.last_change), "counts": every, "total": 1}
    etag = response.headers["ETag"]
    assert browser.client.get("/counts?q=d", headers={"If-None-Match": etag}).status_code == 304
    lifecycle.cancel(hand.submit())
    assert (
        browser.client.get("/counts?q=d", headers={"If-None-Match": etag}).json["counts"][
            "cancelled"
        ]
        == 1
    )
    assert browser.client.get("/counts?status=odd").status_code == 422


def test_numbers_that_are_kept_are_those_of_the_same_list(hand, browser):
    hand.submit()
    for _ in "12":
        assert counts(browser.get("/?q=d"))[0] == "all 1"
        assert counts(browser.get("/?q=none"))[0] == "all 0"
        assert counts(browser.get("/?until=2001-01-01"))[0] == "all 0"


def test_all_links_of_a_list_keep_its_limits(hand, browser):
    for _ in range(4):
        hand.submit()
    today = datetime.now(UTC).date()
    page = browser.get(f"/?limit=2&q=d&definition=d&since={today}&until={today}&status=pending")
    for address in [*addresses(page, "counts"), *addresses(page, "pager")]:
        assert set(re.findall(r"(\w+)=", address)) >= {
            "limit",
            "q",
            "definition",
            "since",
            "until",
        }, address
    (older,) = addresses(page, "pager")
    newest, *_ = addresses(browser.get(older), "pager")
    assert (
        browser.get(newest).one(data_part="rows").all(data_job_id=True)
        and "cursor" not in newest
        and "limit=2" in newest
    )
    hidden = {field["name"]: field["value"] for field in page.all("input", type="hidden")}
    assert hidden == {"status": "pending", "limit": "2"}
    assert {field["name"]: field["value"] for field in page.all("input", type="date")} == {
        "since": str(today),
        "until": str(today),
    }


def test_older_jobs_come_as_many_at_a_time_as_was_asked_for(hand, browser):
    ids, found, address = [hand.submit() for _ in range(5)], [], "/?limit=2"
    while address:
        page = browser.get(address)
        found += [row["data-job-id"] for row in page.all(data_job_id=True)]
        address = next(
            (
                link["href"]
                for link in page.one(data_part="pager").all("a")
                if link.text == "Older jobs"
            ),
            None,
        )
    assert found == ids[::-1]


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "until=2026-02-30",
        "since=20261122",
        "since=2026-W47-7",
        "until=10000-01-01",
    ],
)
def test_a_day_that_is_none_is_said(browser, query):
    page = browser.get(f"/?{query}", 422)
    assert page.all("li")[0].text == f"{query.partition('=')[0]}: Not a day such as 2026-11-22."


# Nothing to show


def said(page):
    empty = page.one(data_part="empty")
    return empty.text if empty.is_shown else None


def test_an_empty_list_says_how_to_fill_it(hand, browser, folder):
    assert (
        said(browser.get("/"))
        == "No jobs yet. Write a definition first, or load some jobs to look at: flask seed"
    )
    assert "JOBSYNC_DEFINITIONS" in browser.get("/").one(data_part="definitions").text
    hand.define('id = "d"\n[step.a]\ntype = "by_hand"')
    assert said(browser.get("/")) == "No jobs yet. Start one, or load some to look at: flask seed"


def test_a_list_without_a_match_says_where_there_are_some(hand, browser):
    hand.submit()
    page = browser.get("/?status=failed&definition=d")
    assert said(page) == "No job matches. 1 job does in another status: show it. Show all jobs"
    assert addresses(page, "empty") == ["/?definition=d", "/"]
    page = browser.get("/?q=none")
    assert (said(page), addresses(page, "empty")) == ("No job matches. Show all jobs", ["/"])
    assert said(browser.get("/")) is None


def test_a_list_beyond_its_end_leads_back(hand, browser):
    hand.submit()
    page = browser.get(f"/?status=pending&cursor={cursor_of(1, 1)}")
    assert (said(page), addresses(page, "empty")) == (
        "There are no older jobs. To the newest",
        ["/?status=pending"],
    )


# Rows


@pytest.fixture
def row_of(hand, browser):
    """Return the row of a job with these parameters."""
    definition = hand.define(f'id = "d"\n{PARAMS}[step.a]\ntype = "by_hand"')

    def row_of(**params):
        job_id = lifecycle.submit(definition, {"needed": "n", **params}, "api")
        return browser.get("/").one(data_job_id=job_id)

    return row_of


def test_a_row_shows_what_differs_from_the_defaults(row_of, folder):
    def differing(row):
        return [" ".join(span.text.split()) for span in row.one(class_="row-params small").children]

    assert differing(row_of()) == ["needed n"]
    assert differing(row_of(text="usual", count="3", dry="false")) == ["needed n"]
    assert differing(row_of(count=4, dry=True)) == ["count 4", "dry true", "needed n"]
    assert differing(row_of(text="", count=4, folder="/", dry=True)) == [
        "text “”",
        "count 4",
        "folder /",
    ]
    assert row_of(count=4).one(class_="row-params small")["title"].splitlines()[:2] == [
        "text: usual",
        "count: 4",
    ]


def test_a_row_of_a_definition_that_is_gone_shows_its_first_parameters(row_of, browser, folder):
    row_of(count=4)
    for file in (folder / "definitions").glob("*.toml"):
        file.unlink()
    assert (
        browser.get("/")
        .one(class_="row-params small")
        .text.startswith("text usual count 4 folder ")
    )


def test_a_long_value_keeps_its_ends():
    assert shortened("short\n  and  plain") == "short and plain"
    cut = shortened("/home/someone/projects/bookshop/orders")
    assert cut == "/home/so…bookshop/orders" and len(cut) <= job_row.LONGEST


def step(status, **children):
    return {
        "status": status,
        **{
            name: children.get(name, 0)
            for name in ("pending", "running", "completed", "failed", "cancelled")
        },
    }


def test_only_what_completed_counts_as_done_and_all_that_ended_as_way_gone():
    steps = [
        step("completed", completed=8),
        step("running", running=2, completed=1, failed=1),
        step("cancelled", cancelled=1200),
        step("skipped"),
    ]
    row = Row({}, steps, None)
    assert (row.done, row.share) == ("1 of 4 steps · 9 of 1,212 children", (1 + 0.5 + 1 + 1) / 4)
    assert (Row({}, [step("pending")], None).done, Row({}, [step("pending")], None).share) == (
        "0 of 1 step",
        0,
    )


def test_a_cancelled_job_does_not_claim_to_have_done_its_steps(hand, browser):
    job_id = hand.begin("[step.a]\n[step.b]\ndepends = 'a'", number=3)
    hand.complete(hand.claim()[0])
    lifecycle.cancel(job_id)
    row = browser.get("/").one(data_job_id=job_id)
    assert row.one(data_part="done").text == "0 of 2 steps · 1 of 3 children"
    assert row.one(data_part="bar").one("rect")["width"] == "0"


def test_a_running_job_shows_how_far_it_is_and_how_long_it_has_run(hand, browser):
    job_id = hand.begin(number=4)
    hand.complete(hand.claim()[0])
    with write() as connection:
        connection.execute(
            update(Job).where(Job.id == job_id).values(started_at=Job.started_at - 61_000)
        )
    row = browser.get("/").one(data_job_id=job_id)
    assert row.one(data_part="bar").one("rect")["width"] == "250"
    assert re.fullmatch("1 min 0[12] s", row.one(data_part="took").text)
    assert row.one("time")["datetime"] == ask(store.jobs.get, job_id)["created_at"]


def test_a_time_has_its_day_and_another_year():
    assert day_time(f"{datetime.now(UTC).year}-03-07T08:09:10.123Z") == "7 Mar, 08:09 UTC"
    assert day_time("2019-11-22T13:00:00.000Z") == "22 Nov 2019, 13:00 UTC"


def test_a_rerun_leads_to_what_it_is_a_rerun_of(hand, browser):
    old = hand.submit()
    new = lifecycle.rerun(old, hand.app.extensions["jobsync.definitions"].find("d"), {}, "web")
    assert browser.get("/").one(data_job_id=new).one("a", href=f"/jobs/{old}").text == "rerun"


# The last runs


@pytest.mark.parametrize(
    ("runs", "words", "median"),
    [
        (
            [Run("completed", 3100), Run("failed", 900), Run("completed", 5400)],
            "Last 3 runs: 3.1 s to 5.4 s, median 4.2 s, 1 failed",
            "4.2 s",
        ),
        ([Run("completed", 61_000)], "Last run: 1 min 01 s", "1 min 01 s"),
        ([Run("failed", 5), Run("failed", 5)], "Last 2 runs: 2 failed", ""),
    ],
)
def test_the_last_runs_are_told_in_words(runs, words, median):
    assert (Runs(runs).words, Runs(runs).median) == (words, median)


def test_the_last_runs_are_drawn_by_length_with_a_head_on_those_that_failed(hand, browser):
    for outcome in ("complete", "fail"):
        hand.run_out(hand.submit(), outcome)
    (card,) = browser.get("/").one(data_part="definitions").all("a")
    drawing = card.one("svg")
    assert drawing["aria-label"].startswith("Last 2 runs: ") and len(drawing.all("circle")) == 1
    bars = Runs([Run("completed", 100), Run("completed", 50), Run("failed", 0)]).bars
    assert bars[0].y < bars[1].y < bars[2].y < 24 and [bar.is_failed for bar in bars] == [
        False,
        False,
        True,
    ]


def test_a_definition_that_never_ran_says_so(hand, browser):
    hand.define('id = "d"\n[step.a]\ntype = "by_hand"')
    card = browser.get("/").one(data_part="definitions")
    assert card.text.endswith("no run has ended yet") and card.one("svg")["aria-hidden"] == "true"


def test_of_very_many_steps_the_first_are_shown_one_by_one_and_all_are_counted(
    hand, browser, monkeypatch
):
    monkeypatch.setattr(job_row, "MOST_SEGMENTS", 3)
    job_id = hand.submit("\n".join(f"[step.s{place}]" for place in range(5)))
    row = browser.get("/").one(data_job_id=job_id)
    *shown, more = row.one(class_="strip").all("li")
    assert [segment["data-segment"] for segment in shown] == ["s0", "s1", "s2"]
    assert more.text == "and 2 more"
    assert "0 of 5 steps" in row.one(data_part="done").text
