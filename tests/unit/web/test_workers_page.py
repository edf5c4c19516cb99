"""The page of the workers and the queues as served, and what its buttons do without scripts."""

import pytest
from sqlalchemy import update

from jobsync import lifecycle
from jobsync.db.models import Worker
from jobsync.db.transactions import write
from jobsync.lifecycle import workers
from jobsync.web.filters import size

WORKER = "w1"


@pytest.fixture
def busy(hand):
    """A job of which the worker w1 does one child, while two more wait."""
    job_id = hand.begin(number=3)
    (task,) = hand.claim(WORKER)
    return job_id, task


def lose(web_app, worker_id):
    """Have this process see that a worker's heartbeat stands still for longer than it may."""
    heartbeats = web_app.extensions["jobsync.heartbeats"]
    heartbeats._seen[worker_id].at -= 16


def test_a_worker_is_shown_with_what_it_does_and_where_that_is(browser, busy):
    job_id, task = busy
    workers.beat(WORKER, workers.Figures(completed=1204, failed=3, memory_bytes=84_200_000))
    row = browser.get("/workers").one(data_worker=WORKER)
    assert (row["data-state"], row.one(data_part="state").text) == ("running", "running")
    assert row.one(data_part="state").one("use")["href"] == "#i-worker-running"
    links = {link.text: link["href"] for link in row.all("a")}
    assert links["d"] == f"/jobs/{job_id}"
    assert links["a"] == f"/jobs/{job_id}#step-a"
    assert links["c1"] == f"/jobs/{job_id}?children=a&child={task.child_pk}#step-a"
    figures = dict(
        zip([dt.text for dt in row.all("dt")], [dd.text for dd in row.all("dd")], strict=True)
    )
    assert figures["completed"] == "1,204" and figures["failed"] == "3"
    assert figures["memory"] == "84.2 MB"


def test_one_that_has_nothing_to_do_is_idle_and_one_that_plans_says_so(hand, browser):
    hand.advance(hand.submit())
    workers.register("idle", 7)
    hand.claim(WORKER)
    page = browser.get("/workers")
    assert "idle" in page.one(data_worker="idle").text
    assert "planning" in page.one(data_worker=WORKER).text
    assert page.one(data_part="sum").text == "2 running · 1 at work"


def test_a_lost_worker_and_a_draining_one_are_told_apart_and_cannot_be_drained(
    web_app, browser, busy
):
    workers.register("w2", 8)
    lifecycle.drain("w2")
    browser.get("/workers")
    lose(web_app, WORKER)
    page = browser.get("/workers")
    assert page.one(data_part="sum").text == "0 running, 1 draining, 1 lost · 1 at work"
    for worker_id, state in ((WORKER, "lost"), ("w2", "draining")):
        row = page.one(data_worker=worker_id)
        assert row["data-state"] == state
        assert row.one(data_part="state").one("use")["href"] == f"#i-worker-{state}"
        assert not row.one(data_form="drain").is_shown
        assert row.one(data_part="said").is_shown
    assert "No sign of life" in page.one(data_worker=WORKER).text


def test_it_says_when_no_worker_is_running_and_what_to_do(web_app, hand, browser, monkeypatch):
    hand.submit()
    monkeypatch.setitem(web_app.config, "WORKERS", 2)
    notice = browser.get("/workers").one(data_part="none")
    assert notice.is_shown and "No worker is running" in notice.text
    assert "1 job waits" in notice.text and "start the server again" in notice.text
    monkeypatch.setitem(web_app.config, "WORKERS", 0)
    assert "JOBSYNC_WORKERS=0" in browser.get("/workers").one(data_part="none").text
    workers.register(WORKER, 1)
    assert not browser.get("/workers").one(data_part="none").is_shown


def test_draining_asks_with_what_will_happen_and_then_does_it(browser, busy):
    workers.register("w2", 8)
    page = browser.post(f"/workers/{WORKER}/drain")
    asked = page.one(data_part="ask")
    assert "d / a / c1" in asked.text and "isn't replaced" in asked.text
    assert "1 other worker goes on." in asked.text
    assert browser.get("/workers").one(data_worker=WORKER)["data-state"] == "running"
    assert browser.follow(f"/workers/{WORKER}/drain", sure="yes") == "/workers"
    assert browser.get("/workers").one(data_worker=WORKER)["data-state"] == "draining"
    asked = browser.post("/workers/w2/drain").one(data_part="ask")
    assert "No other worker is running" in asked.text and "2 children wait" in asked.text


def test_draining_one_that_is_gone_or_draining_is_refused_in_a_sentence(browser, busy):
    page = browser.post("/workers/nobody/drain", 404)
    assert "It has ended." in page.one(data_part="problem").text
    lifecycle.drain(WORKER)
    page = browser.post(f"/workers/{WORKER}/drain", 409, sure="yes")
    assert page.one(data_part="problem").text == "The worker is draining already."


def test_a_queue_is_paused_and_resumed(browser, busy):
    def queue():
        return browser.get("/workers").one(data_queue="default")

    assert [dd.text for dd in queue().all("dd")] == ["2", "1", "1"]
    assert queue()["data-paused"] == "false" and queue().one("button").text == "Pause"
    assert browser.follow("/queues/default/pause") == "/workers"
    assert queue()["data-paused"] == "true" and queue().one("button").text == "Resume"
    assert queue().one(data_part="said").text == "2 children wait until it is resumed."
    browser.follow("/queues/default/resume")
    assert queue()["data-paused"] == "false"
    browser.post("/queues/so!/pause", 422)


def test_a_queue_that_no_worker_serves_says_so(hand, browser):
    job_id = hand.submit('[step.a]\nqueue = "gpu"')
    hand.advance(job_id)
    workers.register(WORKER, 1, ["default"])
    page = browser.get("/workers")
    assert "No worker serves it." in page.one(data_queue="gpu").text
    assert not page.one(data_queue="default").one(data_part="said").text
    assert "default" in page.one(data_worker=WORKER).all("dd")[-1].text


def test_the_part_that_changes_is_the_pages_own_and_is_sent_once(browser, busy):
    client = browser.client
    part = client.get("/workers/now")
    assert part.text.splitlines()[-1] in client.get("/workers").text
    etag = part.headers["ETag"]
    assert client.get("/workers/now", headers={"If-None-Match": etag}).status_code == 304
    with write() as connection:  # a heartbeat is no news
        connection.execute(update(Worker).values(beat=9, beat_at=Worker.beat_at + 1))
    assert client.get("/workers/now", headers={"If-None-Match": etag}).status_code == 304
    lifecycle.pause_queue("default")
    assert client.get("/workers/now", headers={"If-None-Match": etag}).status_code == 200


def test_every_page_leads_there(hand, browser):
    job_id = hand.submit()
    for path in ("/", f"/jobs/{job_id}", "/definitions/d", "/docs", "/workers"):
        assert browser.get(path).one("a", class_="tool", href="/workers").text == "Workers"


@pytest.mark.parametrize(
    ("amount", "words"),
    [(7, "7 bytes"), (1000, "1.0 kB"), (84_213_000, "84.2 MB"), (3_000_000_000, "3.0 GB")],
)
def test_sizes_are_in_words(amount, words):
    assert size(amount) == words
