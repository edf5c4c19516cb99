"""The page of one job as served: its head, what failed, its timeline, and its steps' lines by
level.
"""

import json

import pytest

from helpers.ask import ask
from helpers.by_hand import line
from helpers.html import hooks, numbers
from helpers.paths import ROOT
from helpers.waiting import wait_for
from jobsync import lifecycle, store
from jobsync.base.clock import milliseconds, now
from jobsync.lifecycle import results
from jobsync.store import listing, logs
from jobsync.web import job_page
from jobsync.web.failures import find_failures
from jobsync.web.progress import progress
from jobsync.web.timeline import timeline

# The same cases are given to the scripts by tests/js/job_page.test.mjs.


def cases(name):
    found = json.loads((ROOT / "tests" / "js" / f"{name}.json").read_text())
    return [pytest.param(case, id=case["says"][:40]) for case in found]


@pytest.mark.parametrize("case", cases("progress"))
def test_progress_is_said_as_scripts_say_it(case):
    share, words = progress(case["structure"], milliseconds(case["now"]), case["again"])
    assert (words, share) == (case["words"], pytest.approx(case["share"]))


@pytest.mark.parametrize("case", cases("timeline"))
def test_the_timeline_is_laid_out_as_scripts_do_it(case):
    depends = dict(
        zip((step["name"] for step in case["structure"]["steps"]), case["depends"], strict=True)
    )
    made = timeline(case["structure"], depends, milliseconds(case["now"]))
    shown = json.loads(json.dumps([made.ticks, made.now, made.rows]))
    assert shown == [case["ticks"], case["present"], case["rows"]]


# What failed


def fail_some(hand, job_id, number, lines=()):
    for task in hand.claim(number=number):
        hand.fail(
            task,
            f"{task.key} broke",
            [line(f"{task.key} says {text}", child_pk=task.child_pk) for text in lines],
        )
    hand.advance(job_id)


def test_what_failed_is_told_first_with_its_reason_its_last_lines_and_a_link_to_the_line(
    hand, browser
):
    job_id = hand.begin(number=3)
    (one,) = hand.claim("w1")
    (other,) = hand.claim("w2")
    hand.complete(
        other, lines=[line(f"other {place}", child_pk=other.child_pk) for place in range(20)]
    )
    hand.fail(
        one, "it broke", [line(f"mine {place}", "error", one.child_pk) for place in range(1, 8)]
    )
    hand.advance(job_id)
    page = browser.get(f"/jobs/{job_id}")
    for failures in (page.one(data_part="failures"), browser.get(f"/jobs/{job_id}/failures")):
        failure = failures.one(data_failure="a")
        assert "1 of 3 children failed" in failure.text and "c1 it broke" in failure.text
        assert [text.text for text in failure.all(class_="line-text")] == [
            f"mine {place}" for place in range(3, 8)
        ]
        assert [number.text for number in failure.all(class_="line-number")] == [
            "23",
            "24",
            "25",
            "26",
            "27",
        ]
        assert failure.one("ol", class_="failed-children small").one("a")["href"] == "#a:27"
        assert not failure.all(data_line=True), "only the log has the hooks of lines"
    assert page.one(data_part="failures").one("section")["data-says-why"]
    assert "c1 it broke" in page.one(data_step="a").one(data_part="failed-children").text
    parts = [
        element["data-part"]
        for element in page.walk()
        if element["data-part"] in ("failures", "timeline")
    ]
    assert parts == ["failures", "timeline"]


def test_a_job_in_which_nothing_failed_has_no_panel(hand, browser):
    job_id = hand.begin()
    assert browser.get(f"/jobs/{job_id}").one(data_part="failures").text == ""
    assert browser.get(f"/jobs/{job_id}/failures").text == ""
    browser.get("/jobs/nope/failures", 404)


@pytest.mark.parametrize("path", ["", "/failures"])
def test_a_job_that_is_deleted_while_it_is_read_is_shown_as_it_was_and_then_is_not_found(
    hand, browser, monkeypatch, path
):
    job_id = hand.begin()
    fail_some(hand, job_id, 1)
    hand.advance(job_id)
    details = store.steps.details

    def details_after_a_deletion(session, job_id):
        with hand.app.app_context():  # another process
            lifecycle.delete(job_id)
        return details(session, job_id)

    monkeypatch.setattr(store.steps, "details", details_after_a_deletion)
    assert browser.get(f"/jobs/{job_id}{path}").one(data_failure="a")
    browser.get(f"/jobs/{job_id}{path}", 404)


def test_of_many_failed_children_the_first_five_are_told_and_how_many_there_are(hand, browser):
    job_id = hand.begin("[step.a]\nmax_child_failures = 50", number=20)
    fail_some(hand, job_id, 8, ["no"])
    page = browser.get(f"/jobs/{job_id}")
    failure = page.one(data_failure="a")
    assert page.one(data_job_id=True)["data-status"] == "running"
    assert "8 of 20 children failed, 50 are tolerated; the first 5:" in failure.text
    assert len(failure.one("ol").all("li")) == 5
    assert failure["class"] == "failure is-warning"


def test_a_timeout_is_told_where_no_step_failed(hand, browser):
    job_id = hand.begin(head='timeout = "5s"')
    lifecycle.time_out(job_id)
    page = browser.get(f"/jobs/{job_id}")
    error = page.one(class_="trouble").all(data_part="error")[0]
    assert (error.text, error.is_shown) == ("timed out after 5 s (timeout of the job)", True)
    assert page.one(data_part="failures").text == ""


def test_a_step_that_failed_without_children_is_told_with_its_own_lines(hand, browser):
    job_id = hand.submit()
    hand.advance(job_id)
    (task,) = hand.claim()
    results.add_planned(task, [], [line("looking"), line("no such folder", "error")])
    results.break_unit(task, "there is no folder")
    hand.advance(job_id)
    failure = browser.get(f"/jobs/{job_id}").one(data_failure="a")
    assert "there is no folder" in failure.text
    assert [text.text for text in failure.all(class_="line-text")] == ["looking", "no such folder"]


def test_what_fails_after_structure_was_read_is_left_out(hand):
    job_id = hand.begin("[step.a]\nmax_child_failures = 50", number=9)
    fail_some(hand, job_id, 2)
    structure = ask(store.structure.structure_of, job_id)
    fail_some(hand, job_id, 3)
    details = ask(store.steps.details, job_id)
    (failure,) = ask(find_failures, structure, details).items
    assert ([child.name for child in failure.children], failure.more) == (["c1", "c2"], 0)


def test_a_line_that_is_not_served_has_an_address_that_serves_it(hand, browser):
    job_id = hand.begin("[step.a]\nmax_child_failures = 5", number=3)
    fail_some(hand, job_id, 1, ["no"])
    (task,) = hand.claim()
    hand.complete(task, lines=[line("more")] * 600)
    failure = browser.get(f"/jobs/{job_id}").one(data_failure="a")
    (link,) = failure.one("ol").all("a")
    assert link["href"] == "?open=a&before=2#a:1"
    assert numbers(browser.get(f"/jobs/{job_id}{link['href']}".partition("#")[0])) == [1]


def test_the_last_lines_of_a_child_are_found_in_a_long_log(hand):
    job_id = hand.begin("[step.a]\nmax_child_failures = 5", number=2)
    (task,) = hand.claim()
    (other,) = hand.claim("w2")

    def write(number):
        results.record(other, [line("other", child_pk=other.child_pk)] * number)

    write(5000)
    hand.fail(task, "no", [line("last", child_pk=task.child_pk)])
    ended = now()
    wait_for(lambda: now() > ended)  # lines of the same moment can't be told from it
    write(5000)
    pk = ask(store.steps.get, job_id, "a").pk
    (child,) = ask(store.children.failed, pk, 5)
    found = ask(logs.last_lines_of, "a", pk, 10_001, child.pk, child.finished_at, 5)
    assert [(row["line"], row["message"]) for row in found] == [(5001, "last")]


# The head


def test_the_head_leads_to_the_runs_before_and_after(hand, browser):
    first, second, third = (hand.submit() for _ in range(3))
    (runs,) = browser.get(f"/jobs/{second}").all("nav", aria_label="Runs of d")
    assert [(link["href"], link.text) for link in runs.all("a")] == [
        (f"/jobs/{first}", "← Earlier run"),
        (f"/jobs/{third}", "Later run →"),
    ]
    assert ask(listing.neighbours, first) == (None, second) and ask(listing.neighbours, third) == (
        second,
        None,
    )


def test_the_head_says_how_far_the_job_is_and_how_long_it_has_run(hand, browser):
    job_id = hand.begin(number=4)
    assert browser.get(f"/jobs/{hand.submit()}").one(data_part="elapsed").text == "–"
    page = browser.get(f"/jobs/{job_id}")
    assert page.one(data_part="progress").text == "0 of 1 step · 0 of 4 children"
    assert page.one(data_part="elapsed").text == "0 s"


def test_a_step_that_kept_children_of_an_earlier_try_is_marked(hand, browser):
    job_id = hand.begin(number=2)
    hand.complete(hand.claim()[0])
    ended = now()
    assert not browser.get(f"/jobs/{job_id}").one(data_step="a")["data-again"]
    lifecycle.cancel(job_id)
    wait_for(lambda: now() > ended)
    lifecycle.retry(job_id)
    hand.advance(job_id)
    assert browser.get(f"/jobs/{job_id}").one(data_step="a")["data-again"]


# The steps


def test_a_step_shows_how_long_it_usually_takes(hand, browser):
    for _ in range(3):
        hand.run_out(hand.submit())
    hand.run_out(hand.submit(), "fail")
    job_id = hand.submit()
    durations = ask(listing.earlier_durations, job_id)
    assert list(durations) == ["a"] and len(durations["a"]) == 3
    assert "usually 0.0 s" in browser.get(f"/jobs/{job_id}").one(data_step="a").text


def test_only_the_last_ten_completed_runs_before_a_job_say_what_is_usual(hand):
    jobs = [hand.submit() for _ in range(12)]
    for job_id in jobs:
        hand.run_out(job_id)
    assert len(ask(listing.earlier_durations, hand.submit())["a"]) == 10
    assert len(ask(listing.earlier_durations, jobs[2])["a"]) == 2
    assert ask(listing.earlier_durations, jobs[0]) == {}


def test_the_lines_of_a_level_and_above_are_served_by_address(hand, browser):
    job_id = hand.begin(number=2)
    (task,) = hand.claim()
    hand.complete(
        task, lines=[line("x", level) for level in ("info", "warning", "error", "debug") * 3]
    )
    step = browser.get(f"/jobs/{job_id}").one(data_step="a")
    links = {link["data-level-of"]: link for link in step.all(class_=True, data_level_of=True)}
    assert [link.text for link in links.values()] == ["debug 3", "info 3", "warning 3", "error 3"]
    page = browser.get(links["warning"]["href"].partition("#")[0])
    assert numbers(page) == [2, 3, 6, 7, 10, 11]
    step = page.one(data_step="a")
    assert (
        "Showing warnings and errors only: 6 of 12 lines. Show all"
        in step.one(data_part="level-said").text
    )
    assert step.one(aria_current="true")["data-level-of"] == "warning"
    assert numbers(browser.get(f"/jobs/{job_id}?open=a&level=odd")) == list(range(1, 13))


def test_earlier_lines_of_a_level_are_a_link_away(hand, browser):
    job_id = hand.begin(number=2)
    (task,) = hand.claim()
    hand.complete(
        task, lines=[line("x", "warning" if place % 2 else "info") for place in range(1, 1301)]
    )
    page = browser.get(f"/jobs/{job_id}?open=a&level=warning")
    assert numbers(page)[0] == 301 and len(numbers(page)) == 500
    (earlier,) = page.one(data_part="earlier").all("a")
    assert numbers(browser.get(earlier["href"].partition("#")[0])) == list(range(1, 301, 2))


def test_the_timeline_has_a_row_for_each_step_that_leads_to_it(hand, browser):
    job_id = hand.begin("[step.a]\n[step.b]\ndepends = 'a'")
    page = browser.get(f"/jobs/{job_id}")
    rows = page.all(data_row=True)
    assert [(row["data-row"], row["href"], row["data-depends"], row["class"]) for row in rows] == [
        ("a", "#step-a", "", "time-row is-running"),
        ("b", "#step-b", "a", "time-row is-pending"),
    ]
    assert all(page.one("details", id=row["href"][1:]) for row in rows)
    assert rows[0]["title"].startswith("a: running, started ")


def test_a_job_of_200_steps_is_a_page_too(hand, browser):
    job_id = hand.submit("\n".join(f"[step.s{place}]" for place in range(200)))
    hand.advance(job_id)
    page = browser.get(f"/jobs/{job_id}")
    assert len(hooks(page)[1]) == len(page.all(data_row=True)) == 200
    assert page.one(class_="time-frame is-long")


def test_a_page_serves_a_bounded_amount_of_lines_and_some_of_each_step_that_is_asked_for(
    hand, browser
):
    job_id = hand.begin("[step.a]\n[step.b]", number=1)
    hand.plan(job_id, 1)
    for task in (*hand.claim(), *hand.claim()):
        hand.complete(
            task, lines=[line(f"{task.step_name}{number} " + "x" * 30_000) for number in range(100)]
        )
    hand.advance(job_id)
    page = browser.get(f"/jobs/{job_id}?open=a&open=b")
    served = {name: page.one(data_step=name).all(data_line=True) for name in "ab"}
    assert [rows[-1]["data-line"] for rows in served.values()] == ["100", "100"]
    assert [len(rows) for rows in served.values()] == [
        job_page.SERVED // 30_300,
        job_page.SERVED_IF_ASKED // 30_300,
    ]
