"""The children of a step as a page shows them, without scripts."""

import json

import pytest
from sqlalchemy import select, update

from helpers.ask import ask
from helpers.by_hand import line
from helpers.html import Reader
from helpers.paths import ROOT
from jobsync import lifecycle, store
from jobsync.db.models import Child, Job
from jobsync.db.transactions import write
from jobsync.lifecycle import stops
from jobsync.web.squares import squares


def table(hand, browser, job_id, query="", status=200):
    return browser.get(f"/jobs/{job_id}/steps/a/children?{query}", status)


def names(page):
    return [row.one("a", data_toggle_child=True).text for row in page.all("tr", data_child=True)]


def ids(hand, job_id):
    return {child["name"]: child["id"] for child in hand.children(job_id)}


def begin(hand, number=3):
    """Submit a job with one child completed, one failed with two attempts' lines, and others."""
    job_id = hand.begin("[step.a]\nmax_child_failures = 9", number=number)
    done, failed = hand.claim(number=2)
    hand.complete(done, lines=[line("done well", child_pk=done.child_pk)])
    hand.fail(failed, "it <broke>", lines=[line("not well", "error", failed.child_pk)])
    return job_id


def test_a_table_has_each_child_with_its_status_attempt_duration_and_error(hand, browser):
    job_id = begin(hand)
    page = table(hand, browser, job_id)
    rows = page.all("tr", data_child=True)
    assert names(page) == ["c1", "c2", "c3"]
    assert [(row["data-status"], row["data-attempt"]) for row in rows] == [
        ("completed", "1"),
        ("failed", "1"),
        ("pending", "0"),
    ]
    assert "it <broke>" in rows[1].text and "0." in rows[0].text
    assert page.one(data_children="a")["data-total"] == "3"
    browser.get(f"/jobs/{job_id}/steps/nope/children", 404)
    browser.get("/jobs/nope/steps/a/children", 404)


def test_it_is_sorted_both_ways_filtered_and_paged_by_links(hand, browser):
    job_id = begin(hand, 120)
    page = table(hand, browser, job_id)
    assert names(page) == [f"c{place}" for place in range(1, 51)]
    assert page.one(data_part="child-range").text == "1–50 of 120"
    seen = []
    query = "sort=-number"
    while True:
        page = table(hand, browser, job_id, query)
        seen += names(page)
        following = page.all("a", data_page="next")
        if not following:
            break
        query = following[0]["href"].split("?", 1)[1].split("#")[0]
    assert seen == [f"c{place}" for place in range(120, 0, -1)]
    assert names(table(hand, browser, job_id, "status=failed")) == ["c2"]
    assert names(table(hand, browser, job_id, "sort=status&at=119")) == ["c1", "c2"]
    assert names(table(hand, browser, job_id, "sort=-status"))[:2] == ["c2", "c1"]
    by_duration = names(table(hand, browser, job_id, "sort=-duration"))
    assert set(by_duration[:2]) == {"c1", "c2"}
    last = table(hand, browser, job_id).one("a", data_page="last")["href"]
    assert "at=101" in last
    heads = {head["data-sort"]: head["href"] for head in page.all("a", data_sort=True)}
    assert set(heads) == {"number", "status", "duration"}


@pytest.mark.parametrize(
    "query",
    ["at=-3", "at=x", "sort=nope", "status=nope", "child=x&under=y", "parent=%00", f"at={10**20}"],
)
def test_an_address_that_makes_no_sense_is_no_error(hand, browser, query):
    table(hand, browser, begin(hand), query)


def test_a_child_opens_to_its_attempts_and_its_last_lines(hand, browser):
    job_id = begin(hand)
    which = ids(hand, job_id)
    lifecycle.retry_child(job_id, "a", which["c2"])
    for task in hand.claim(number=2):
        hand.complete(task, lines=[line(f"{task.key} once more", child_pk=task.child_pk)])
    page = table(hand, browser, job_id, f"child={which['c2']}")
    details = page.one("tr", data_details=which["c2"])
    rows = details.all("tr", data_attempt_row=True)
    assert [(row["data-attempt-row"], row["data-status"]) for row in rows] == [
        ("2", "completed"),
        ("1", "failed"),
    ]
    assert "it <broke>" in rows[1].text and "w1" in rows[0].text
    assert [text.text for text in details.all(class_="line-text")] == ["2 once more"]
    first = rows[1].one("a")
    assert first["href"] == f"/jobs/{job_id}?open=a&before=3#a:2" and first.text.startswith("2")
    assert not page.all(data_line=True), "only the log has the hooks of lines"
    opened = page.one("a", data_toggle_child=which["c2"])
    assert opened["aria-expanded"] == "true" and "child=" not in opened["href"]


def test_the_page_of_the_job_has_the_table_too_and_all_at_a_glance(hand, browser):
    job_id = begin(hand)
    page = browser.get(f"/jobs/{job_id}")
    assert not page.all(data_children=True)
    link = page.one(data_step="a").one(data_part="show-children")
    assert link.text == "Children 3" and link["aria-expanded"] == "false"
    page = browser.get(link["href"].split("#")[0])
    step = page.one(data_step="a")
    assert step["data-expanded"] == "true" and names(step) == ["c1", "c2", "c3"]
    assert [square["aria-label"] for square in step.all(data_square=True)] == [
        "1: completed",
        "2: failed",
        "3: pending",
    ]
    # a square leads to its child, which is open there
    page = browser.get(step.one(data_square="2")["href"].split("#")[0])
    assert names(page) == ["c2", "c3"]
    assert page.one("tr", data_details=True)["data-details"] == ids(hand, job_id)["c2"]


def test_children_that_others_have_spawned_are_a_tree(hand, browser):
    job_id = begin(hand)
    which = ids(hand, job_id)
    with write() as connection:
        connection.execute(
            update(Child).where(Child.name == "c3").values(parent_pk=int(which["c2"]), key="2.1")
        )
    page = table(hand, browser, job_id)
    assert names(page) == ["c1", "c2"], "what a child has spawned is below it"
    fold = page.one("a", data_fold=which["c2"])
    assert fold.text.endswith("1 child") and fold["aria-expanded"] == "false"
    page = table(hand, browser, job_id, fold["href"].split("?", 1)[1].split("#")[0])
    assert names(page) == ["c1", "c2", "c3"]
    assert [row["data-depth"] for row in page.all("tr", data_child=True)] == ["0", "0", "1"]
    assert page.one("a", data_fold=which["c2"])["aria-expanded"] == "true"
    assert names(table(hand, browser, job_id, "flat=1")) == ["c1", "c2", "c3"]
    of_one = table(hand, browser, job_id, f"parent={which['c2']}")
    assert names(of_one) == ["c3"] and "Spawned by c2" in of_one.text


def test_all_statuses_are_sent_in_a_letter_each_and_not_again_while_nothing_changes(hand, browser):
    job_id = begin(hand)
    address = f"/jobs/{job_id}/steps/a/statuses"
    answer = browser.client.get(address)
    assert answer.text == "pld"
    same = browser.client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert same.status_code == 304
    hand.complete(*hand.claim())
    newer = browser.client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert (newer.status_code, newer.text) == (200, "plp")
    assert browser.client.get(f"/jobs/{job_id}/steps/nope/statuses").status_code == 404


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case["says"])
        for case in json.loads((ROOT / "tests/js/squares.json").read_text())
    ],
)
def test_squares_are_made_as_scripts_make_them(case):
    made = squares("".join(letter * number for letter, number in case["runs"]))
    assert len(made) == case["number"]
    for place, wanted in case["some"].items():
        square = made[int(place)]
        assert [square.first, square.status, square.share, square.words] == wanted


def test_the_log_as_served_tells_later_attempts_apart(hand, browser):
    job_id = begin(hand)
    lifecycle.retry_child(job_id, "a", ids(hand, job_id)["c2"])
    (again,) = [task for task in hand.claim(number=2) if task.key == "2"]
    hand.complete(again, lines=[line("once more", child_pk=again.child_pk)])
    step = browser.get(f"/jobs/{job_id}").one(data_step="a")
    marked = [(row["data-line"], row["data-attempt"]) for row in step.all("li", data_attempt=True)]
    assert marked == [("3", "2")]


def test_the_graph_of_the_steps_is_served_when_it_is_asked_for(hand, browser):
    job_id = hand.begin('[step.a]\n[step.b]\ndepends = "a"')
    page = browser.get(f"/jobs/{job_id}")
    assert not page.all(data_node=True)
    link = page.one(data_part="show-graph")
    for drawn in (browser.get(link["href"].split("#")[0]), browser.get(f"/jobs/{job_id}/graph")):
        nodes = drawn.all(data_node=True)
        assert [(node["data-node"], node["data-status"], node["href"]) for node in nodes] == [
            ("a", "running", "#step-a"),
            ("b", "pending", "#step-b"),
        ]
        assert "0 of 1 child ended" in nodes[0].text
    alone = hand.begin()
    assert not browser.get(f"/jobs/{alone}").all(data_part="show-graph")
    assert "too many" in browser.get(f"/jobs/{alone}/graph").text


# What is asked before something is done


def question(browser, address):
    answer = browser.client.get(address)
    return answer.status_code, Reader(f"<div>{answer.text}</div>").root.text


def test_a_cancel_says_how_many_children_it_ends_and_is_done_once_it_is_meant(hand, browser):
    job_id = begin(hand, 5)
    hand.claim("w2")
    code, asked = question(browser, f"/jobs/{job_id}/cancel")
    assert code == 200 and "Cancels 2 queued and 1 running children." in asked
    page = browser.post(f"/jobs/{job_id}/cancel")
    assert "Cancels 2 queued and 1 running children." in page.one("main").text
    assert ask(store.jobs.get, job_id)["status"] == "running"
    assert browser.follow(f"/jobs/{job_id}/cancel", sure="yes") == f"/jobs/{job_id}"
    assert ask(store.jobs.get, job_id)["status"] == "cancelled"
    code, asked = question(browser, f"/jobs/{job_id}/cancel")
    assert (code, asked) == (409, "The job is already cancelled.")


def test_a_retry_says_what_runs_again_and_what_is_kept(hand, browser):
    job_id = hand.begin(number=4)
    done, failed = hand.claim(number=2)
    hand.complete(done)
    hand.fail(failed)
    hand.advance(job_id)
    _, asked = question(browser, f"/jobs/{job_id}/retry")
    assert "Runs 1 failed and 2 cancelled children again; 1 completed one is kept." in asked
    _, asked = question(browser, f"/jobs/{job_id}/steps/a/retry")
    assert "Runs 1 failed and 2 cancelled children again; 1 completed one is kept." in asked
    _, asked = question(browser, f"/jobs/{job_id}/delete")
    assert "Its 1 step, 4 children, 0 log lines and its result go with it." in asked


def test_steps_and_children_are_cancelled_and_retried_by_forms_that_are_there_when_it_makes_sense(
    hand, browser
):
    job_id = begin(hand)
    which = ids(hand, job_id)

    def offered():
        page = browser.get(f"/jobs/{job_id}?children=a&child={which['c2']}&child={which['c3']}")
        step = page.one(data_step="a")
        return (
            {b["data-step-action"] for b in step.all(data_step_action=True) if b.is_shown},
            [b["data-child-action"] for b in step.all(data_child_action=True)],
        )

    assert offered() == ({"cancel"}, ["retry", "cancel"])
    address = f"/jobs/{job_id}/steps/a/children/{which['c3']}/cancel"
    assert "It is queued and will not run." in question(browser, address)[1]
    assert "children=a" in browser.follow(address, sure="yes")
    assert hand.children(job_id)[2]["status"] == "cancelled"
    assert question(browser, address) == (409, "The child is already cancelled.")
    assert browser.client.get(f"/jobs/{job_id}/steps/a/children/99999/cancel").status_code == 404
    address = f"/jobs/{job_id}/steps/a/children/{which['c2']}/retry"
    assert "as attempt 2" in question(browser, address)[1]
    browser.follow(address, sure="yes")
    address = f"/jobs/{job_id}/steps/a/cancel"
    assert "Cancels 1 queued child of this step." in question(browser, address)[1]
    browser.follow(address, sure="yes")
    assert offered() == ({"retry"}, ["retry", "retry"])
    browser.post(f"/jobs/{job_id}/steps/a/cancel", 409, sure="yes")


# The head


def test_what_a_job_waits_for_and_its_priority_are_at_its_head(hand, browser):
    head = "concurrency = 1\npriority = 7"
    first = hand.submit(head=head)
    hand.advance(first)
    second = hand.submit(head=head)
    hand.advance(second)
    page = browser.get(f"/jobs/{second}")
    waiting = page.one(data_part="waiting")
    assert waiting.is_shown
    assert waiting.text == "Waiting for a place: at most 1 job of d may run at once"
    assert "a place" not in browser.get(f"/jobs/{first}").one(data_part="waiting").text
    assert "Priority7" in page.one(class_="about").text.replace(" ", "")
    other = browser.get(f"/jobs/{hand.submit()}")
    assert "Priority" not in other.one(class_="about").text


def test_a_cancelled_job_has_its_receipt(hand, browser):
    job_id = begin(hand, 5)
    (task,) = hand.claim("w2")
    assert browser.get(f"/jobs/{job_id}").one(data_part="receipt").text == ""
    lifecycle.cancel(job_id)
    said = browser.get(f"/jobs/{job_id}/receipt").one(data_receipt=True)
    assert said["data-receipt"] == "stopping"
    assert said.text == "Cancelled 2 queued children; 1 running child is being stopped."
    left = [{"host": "box", "pid": 77, "command": "sleep <1>"}]
    stops.confirm_stop(task, 3, left)
    said = browser.get(f"/jobs/{job_id}").one(data_receipt="left")
    assert "Cancelled 2 queued and 1 running children; ended 3 processes; 1 process" in said.text
    assert "sleep <1> on box, process 77" in said.text
    lifecycle.retry(job_id)
    assert browser.get(f"/jobs/{job_id}/receipt").text == ""


def test_a_receipt_without_anything_left_says_so(hand, browser):
    job_id = begin(hand, 5)
    (task,) = hand.claim("w2")
    lifecycle.cancel(job_id)
    stops.confirm_stop(task)
    said = browser.get(f"/jobs/{job_id}").one(data_receipt="done")
    assert said.text == "Cancelled 2 queued and 1 running children; no process left."
    with write() as connection:
        assert connection.execute(select(Job.cancel_done_at)).scalar()
