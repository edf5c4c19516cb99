"""The page of the workers and the queues: it follows by itself, and its buttons do what they say,
with two people at them as well.
"""

import os
import shutil
import signal

import pytest
from playwright.sync_api import expect

from browser.gates import DEFINITIONS, Gates
from browser.tab import LOOKS
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser

SOON = 6000  # ms


@pytest.fixture
def floor(server):
    """A server with two workers."""
    for name in ("gated", "endless"):
        shutil.copy(DEFINITIONS / f"{name}.toml", server.definitions)
    return server.start()


def open_floor(tabs, floor, **options):
    tab = tabs.new(floor, **options).open("/workers")
    tab.wait_for_connection("live")
    return tab


def row(tab, worker):
    return tab.find(f'[data-worker="{worker["id"]}"]')


def workers_of(floor):
    return floor.get("/api/workers").json()["items"]


def expect_state(tab, worker, state):
    expect(row(tab, worker)).to_have_attribute("data-state", state, timeout=SOON)
    expect(row(tab, worker).locator("[data-part=state]")).to_have_text(state)


def test_it_follows_what_workers_do_and_links_lead_there(floor, tabs, tmp_path):
    tab = open_floor(tabs, floor)
    expect(tab.find("[data-worker]")).to_have_count(2)
    expect(tab.find("[data-worker] .worker-doing .muted")).to_have_text(["idle", "idle"])
    gates = Gates(floor, tmp_path)
    doing = tab.find(".worker-doing li")
    expect(doing).to_have_count(2, timeout=SOON)
    expect(tab.find("[data-part=sum]")).to_have_text("2 running · 2 at work")
    gates.open("one-a")
    gates.open("one-b")
    expect(doing).to_have_count(1, timeout=SOON)
    expect(doing).to_contain_text("two")
    tab.follow(doing.get_by_role("link", name="A gated job"))
    assert tab.find("[data-job-id]").get_attribute("data-job-id") == gates.job_id


@pytest.mark.parametrize("look", LOOKS)
def test_a_worker_is_drained_by_keyboard_and_everybody_sees_it(floor, tabs, look):
    floor.submit("endless")
    tab = open_floor(tabs, floor, **LOOKS[look])
    watching = open_floor(tabs, floor)
    expect(tab.find(".worker-doing li")).to_contain_text("ticking", timeout=SOON)
    (busy,) = [worker for worker in workers_of(floor) if worker["busy"]]
    (idle,) = [worker for worker in workers_of(floor) if not worker["busy"]]
    button = row(tab, busy).get_by_role("button")
    button.focus()
    tab.page.keyboard.press("Enter")
    dialog = tab.find("#drain-dialog")
    expect(dialog).to_contain_text("An endless job / ticking")
    expect(dialog).to_contain_text("1 other worker goes on.")
    tab.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    assert [worker["state"] for worker in workers_of(floor)] == ["running", "running"]
    tab.page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Drain it").press("Enter")
    for one in (tab, watching):
        expect_state(one, busy, "draining")
        expect(row(one, busy).get_by_role("button")).to_have_count(0)
    expect(tab.find("[data-part=outcome]")).to_have_text("It is draining: it takes nothing new.")
    expect(tab.find("[data-part=outcome]")).to_be_focused()
    row(watching, idle).get_by_role("button").click()
    expect(watching.find("#drain-dialog")).to_contain_text("No other worker is running")
    watching.find("#drain-dialog").get_by_role("button", name="Drain it").click()
    for one in (tab, watching):
        expect(row(one, idle)).to_have_count(0, timeout=SOON)
        expect(one.find("[data-part=none]")).to_contain_text("start the server again")


def test_two_who_drain_the_same_worker_have_one_outcome_each(floor, tabs):
    floor.submit("endless")
    one, other = open_floor(tabs, floor), open_floor(tabs, floor)
    other.may_miss_network = True  # the browser says of the answer that it is a 409
    expect(one.find(".worker-doing li")).to_contain_text("ticking", timeout=SOON)
    (busy,) = [worker for worker in workers_of(floor) if worker["busy"]]
    other.page.route("**/workers/now", lambda route: route.abort())  # it doesn't see it come
    row(one, busy).get_by_role("button").click()
    one.find("#drain-dialog").get_by_role("button", name="Drain it").click()
    expect_state(one, busy, "draining")
    row(other, busy).get_by_role("button").click()
    expect(other.find("[data-part=outcome]")).to_have_text("The worker is draining already.")
    other.page.unroute("**/workers/now")
    expect_state(other, busy, "draining")


def test_a_queue_is_paused_in_one_tab_and_resumed_in_another(floor, tabs):
    one, other = open_floor(tabs, floor), open_floor(tabs, floor)
    one.page.get_by_role("button", name="Pause the queue default").press("Enter")
    for tab in (one, other):
        expect(tab.find("[data-queue=default]")).to_have_attribute(
            "data-paused", "true", timeout=SOON
        )
    expect(one.find("[data-part=outcome]")).to_contain_text("default is paused")
    floor.submit("endless")
    other.page.get_by_role("button", name="Resume the queue default").click()
    expect(one.find(".worker-doing li")).to_have_count(1, timeout=SOON)
    expect(one.find("[data-queue=default]")).to_have_attribute("data-paused", "false")


def test_a_killed_worker_is_replaced_before_everybody_s_eyes(floor, tabs):
    tab = open_floor(tabs, floor)
    worker = workers_of(floor)[0]
    os.kill(worker["pid"], signal.SIGKILL)
    expect(row(tab, worker)).to_have_count(0, timeout=20_000)
    expect(tab.find('[data-worker][data-state="running"]')).to_have_count(2, timeout=20_000)


def test_it_says_when_the_server_cannot_be_reached_and_that_nothing_was_done(floor, tabs):
    tab = open_floor(tabs, floor)
    tab.may_miss_network = True
    tab.context.set_offline(True)
    tab.wait_for_connection("offline")
    tab.page.get_by_role("button", name="Pause the queue default").click()
    expect(tab.find("[data-part=outcome]")).to_contain_text("can't be reached")
    tab.context.set_offline(False)
    tab.wait_for_connection("live")
    assert tab.find("[data-queue=default]").get_attribute("data-paused") == "false"


def test_without_scripts_a_queue_is_paused_and_a_worker_drained(floor, tabs):
    tab = tabs.new(floor, java_script_enabled=False).open("/workers")
    tab.follow(tab.page.get_by_role("button", name="Pause the queue default"))
    assert tab.find("[data-queue=default]").get_attribute("data-paused") == "true"
    wait_for(lambda: [one["state"] for one in workers_of(floor)] == ["running"] * 2)
    worker = workers_of(floor)[0]
    tab.open("/workers")
    tab.follow(row(tab, worker).get_by_role("button"))
    expect(tab.find("[data-part=ask]")).to_contain_text("1 other worker goes on.")
    tab.follow(tab.page.get_by_role("button", name="Drain it"))
    assert (
        tab.find("[data-worker]").count() == 1
        or row(tab, worker).get_attribute("data-state") == "draining"
    )
