"""The same action for many jobs of the list, without scripts: it asks with numbers, does what was
meant, and says what was refused and why.
"""

import json

import pytest

from helpers.ask import ask
from helpers.paths import ROOT
from jobsync import lifecycle, store
from jobsync.web import bulk

CASES = json.loads((ROOT / "tests" / "js" / "refusals.json").read_text())


def status(job_id):
    return ask(store.jobs.get, job_id)["status"]


@pytest.fixture
def jobs(hand):
    """Three jobs: pending, running, and cancelled."""
    found = {"running": hand.begin(), "pending": hand.submit(), "cancelled": hand.submit()}
    lifecycle.cancel(found["cancelled"])
    return found


def fields(page):
    """Return what the form of a page that asks would send."""
    found = {}
    for field in page.one("form", method="post").all("input", type="hidden"):
        found.setdefault(field["name"], []).append(field["value"])
    return found


def test_the_list_has_a_box_for_each_job_and_a_form_that_works_without_scripts(jobs, browser):
    page = browser.get("/?status=running,pending&limit=1")
    (box,) = page.all("input", name="ids")
    assert (box["form"], box["value"]) == ("bulk", jobs["pending"])
    form = page.one("form", id="bulk")
    assert (
        form.is_shown
        and form["action"] == "/jobs/bulk?status=running,pending"
        and form["method"] == "post"
    )
    assert [button["value"] for button in form.all("button", name="action")] == [
        "cancel",
        "retry",
        "delete",
    ]
    assert "all 2 jobs that match" in form.text
    assert not browser.get("/?q=nothing").one("form", id="bulk").is_shown


def test_it_asks_with_numbers_and_names_what_is_left_and_why(jobs, browser):
    page = browser.post("/jobs/bulk", action="cancel", ids=[*jobs.values()])
    asked = page.one(data_part="ask")
    assert "Cancel 2 jobs?" in asked.text and "1 of 3 is left as it is:" in asked.text
    (left,) = asked.all("li")
    assert left.text.startswith("1 job: The job is already cancelled.")
    assert left.one("a")["href"] == f"/jobs/{jobs['cancelled']}"
    assert [status(job_id) for job_id in jobs.values()] == ["running", "pending", "cancelled"]
    assert (
        browser.follow("/jobs/bulk", **{**fields(page), "ids": [jobs["running"], jobs["pending"]]})
        == "/"
    )
    assert {status(job_id) for job_id in jobs.values()} == {"cancelled"}


def test_what_was_refused_meanwhile_is_said_afterwards(jobs, browser):
    page = browser.post("/jobs/bulk", action="cancel", ids=[jobs["running"], jobs["pending"]])
    sent = fields(page)
    lifecycle.cancel(jobs["pending"])
    lifecycle.delete(jobs["cancelled"])
    sent["ids"] += [jobs["cancelled"]]
    outcome = browser.post("/jobs/bulk", **sent).one(data_part="outcome")
    assert "Cancelled 1 job" in outcome.text and "2 jobs were refused:" in outcome.text
    assert [item.one("strong").text for item in outcome.all("li")] == ["1 job:", "1 job:"]
    assert "There is no job." in outcome.text, "without its id, so that many are one line"


def test_all_that_match_are_meant_by_the_filter_and_no_more_than_were_asked_about(
    hand, jobs, browser
):
    path = "/jobs/bulk?status=running,pending"
    page = browser.post(path, action="cancel", scope="filter")
    assert "Cancel 2 jobs?" in page.one(data_part="ask").text
    sent = fields(page)
    assert "ids" not in sent and sent["matched"] == ["2"]
    third = hand.submit()
    page = browser.post(path, **sent)
    assert "Cancel 3 jobs?" in page.one(data_part="ask").text, "it asks again: there are more"
    assert {status(jobs["running"]), status(third)} == {"running", "pending"}
    address = browser.follow(path, **fields(page))
    assert address == "/?status=running,pending"
    assert {status(job_id) for job_id in (*jobs.values(), third)} == {"cancelled"}


@pytest.mark.parametrize("action", ["retry", "delete"])
def test_jobs_are_retried_and_deleted(jobs, browser, action):
    job_id = jobs["cancelled"]
    page = browser.post("/jobs/bulk", action=action, ids=[job_id])
    assert f"{bulk.WORDS[action]['verb']} 1 job?" in page.one(data_part="ask").text
    browser.follow("/jobs/bulk", **fields(page))
    response = browser.client.get(f"/api/jobs/{job_id}")
    assert (
        response.status_code == 404 if action == "delete" else response.json["status"] == "pending"
    )


def test_where_nothing_can_be_done_there_is_nothing_to_press(jobs, browser):
    asked = browser.post("/jobs/bulk", action="delete", ids=[jobs["running"]]).one(data_part="ask")
    assert "Nothing to delete" in asked.text and "Only a job that has ended" in asked.text
    assert not asked.all("button")


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("", {"action": "cancel"}),
        ("", {"action": "rerun", "ids": ["x"]}),
        ("", {"ids": ["x"]}),
        ("?status=odd", {"action": "cancel", "scope": "filter"}),
        ("?q=nothing", {"action": "cancel", "scope": "filter"}),
    ],
)
def test_what_names_no_job_or_no_action_is_refused(jobs, browser, query, sent):
    browser.post(f"/jobs/bulk{query}", 422, **sent)


@pytest.mark.parametrize("told", ["", "x", "-1", "9" * 4000, "1"])
def test_it_asks_again_where_it_is_not_told_how_many_were_asked_about(jobs, browser, told):
    sent = {"action": "cancel", "scope": "filter", "sure": "yes", "matched": told}
    assert "?" in browser.post("/jobs/bulk", **sent).one("h1").text
    assert status(jobs["running"]) == "running"


def test_the_ids_of_all_that_match_are_there_for_scripts(hand, jobs, browser, monkeypatch):
    def ids(query=""):
        return browser.client.get(f"/ids{query}").json

    newest = [jobs["cancelled"], jobs["pending"], jobs["running"]]
    assert ids() == {"ids": newest, "is_cut": False}
    assert ids("?status=running&limit=1&cursor=x") == {"ids": newest[2:], "is_cut": False}
    assert ids("?q=nothing") == {"ids": [], "is_cut": False}
    assert browser.client.get("/ids?status=odd").status_code == 422
    monkeypatch.setattr(bulk, "MOST", 2)
    assert ids() == {"ids": newest[:2], "is_cut": True}


@pytest.mark.parametrize("case", CASES, ids=[case["about"] for case in CASES])
def test_refusals_are_grouped(case):
    assert bulk.by_reason(case["refused"]) == [tuple(found) for found in case["reasons"]]


# What a row says besides


def test_a_row_says_what_its_job_waits_for_and_its_priority(hand, browser):
    hand.define('id = "one"\nconcurrency = 1\n[step.a]\ntype = "by_hand"')
    definition = hand.app.extensions["jobsync.definitions"].find("one")
    first, second = (lifecycle.submit(definition, {}, "api", priority=p) for p in (0, -7))
    hand.advance(first)
    hand.advance(second)
    rows = {row["data-job-id"]: row for row in browser.get("/").all(data_job_id=True)}
    reason = ask(store.jobs.get, second)["waiting_for"]
    assert reason
    waiting = rows[second].one(data_part="waiting")
    assert waiting.is_shown and waiting.text == waiting["title"] == f"waiting for {reason}"
    assert "priority -7" in rows[second].text
    assert "priority" not in rows[first].text
