"""The live indicator tells the truth, and what was missed while the connection was gone is
caught up with.
"""

import shutil
import subprocess
import sys
import time

import pytest
import requests

from browser.gates import DEFINITIONS
from browser.tab import as_shown
from helpers.paths import ROOT
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser

LIVE_FOR = 5000  # ms that a hint counts
REFUSED = """
// Sends each websocket's handshake to where it is refused, as a proxy would refuse it
window.WebSocket = class extends window.WebSocket {
  constructor() {
    super(`ws://${location.host}/nowhere`);
  }
};
"""
# ms that a closed connection gets to be open again before the page says that it isn't
REOPEN_WITHIN = 1000
LATE = 150  # ms that a busy machine may take


def cancel_in_the_store(server, job_id):
    """Cancel a job from the terminal, which needs no server."""
    command = [sys.executable, "-m", "flask", "jobs", "cancel", job_id]
    subprocess.run(
        command, cwd=ROOT, env=server.environ, check=True, timeout=30, capture_output=True
    )


def is_answering(server):
    try:
        return requests.get(f"{server.url}/healthz", timeout=1).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


def check_that_live_ended_in_time(tab, killed_at):
    """Assert that the page stopped calling itself live within 1 s of its server's end, though
    it had just been told something.
    """
    left = next(
        change["at"]
        for change in tab.recorded("connections")
        if change["state"] == "reconnecting" and change["at"] > tab.recorded("hints")[0]["at"]
    )
    assert left - killed_at <= REOPEN_WITHIN + LATE
    assert left - tab.recorded("hints")[-1]["at"] < LIVE_FOR - REOPEN_WITHIN, (
        "it waited for no hint to become old"
    )


def test_pages_outlive_their_server_and_are_live_and_right_within_5_s_of_its_return(server, tabs):
    shutil.copy(DEFINITIONS / "endless.toml", server.definitions)
    server.environ["JOBSYNC_WORKERS"] = "1"
    server.start()
    job_id = server.submit("endless")
    tab = tabs.new(server).open_job(job_id)
    listing = tabs.new(server).open("/")
    listing.wait_for_connection("live")
    tab.wait_for_step("ticking", status="running")
    tab.may_miss_network = listing.may_miss_network = True
    server.kill()
    pages = [(one, one.now()) for one in (tab, listing)]
    for one, killed_at in pages:
        one.wait_for_connection("reconnecting", 7)
        check_that_live_ended_in_time(one, killed_at)
    cancel_in_the_store(server, job_id)
    server.start(wait=False)
    wait_for(lambda: is_answering(server))
    until = time.monotonic() + 5
    for one in (tab, listing):
        one.wait_for_connection("live", until - time.monotonic())
        one.wait_for_status("cancelled", until - time.monotonic())
    wait_for(
        lambda: tab.snapshot()["job"] == as_shown(server.structure(job_id)),
        5,
        "the same as the API's",
    )
    for one in (tab, listing):
        one.check_shown()


def test_a_page_without_a_network_says_offline_and_catches_up_within_5_s(site, tabs):
    job_id = site.submit("endless")
    tab = tabs.new(site).open_job(job_id)
    tab.wait_for_step("ticking", status="running")
    tab.may_miss_network = True
    tab.context.set_offline(True)
    tab.wait_for_connection("offline", 1)
    site.post(f"/api/jobs/{job_id}/cancel")
    tab.context.set_offline(False)
    until = time.monotonic() + 5
    tab.wait_for_connection("live", until - time.monotonic())
    tab.wait_for_status("cancelled", until - time.monotonic())
    tab.check_shown()


def test_where_websockets_are_blocked_long_polling_keeps_the_page_live(site, tabs):
    job_id = site.submit("endless")
    tab = tabs.new(site)
    tab.may_miss_network = True
    tab.page.add_init_script(REFUSED)
    tab.open_job(job_id)
    tab.wait_for_step("ticking", status="running")
    live_at = tab.now()
    wait_for(lambda: tab.now() > live_at + LIVE_FOR, 10)
    assert [
        change["state"] for change in tab.recorded("connections") if change["at"] > live_at
    ] == [], "hints keep coming"
    site.post(f"/api/jobs/{job_id}/cancel")
    tab.wait_for_status("cancelled", 2)
    assert any("transport=polling" in url for url in tab.requests)
    assert tab.recorded("hints") == [], "the recorder hears those of websockets alone"
    tab.check_shown()


def test_without_any_socket_the_page_says_polling_and_is_right_all_the_same(site, tabs):
    job_id = site.submit("endless")
    tab = tabs.new(site)
    tab.may_miss_network = True
    tab.page.route("**/socket.io/**", lambda route: route.abort())
    tab.page.route_web_socket("**/socket.io/**", lambda socket: socket.close())
    tab.open(f"/jobs/{job_id}")
    tab.wait_for_connection("polling", 10)
    site.post(f"/api/jobs/{job_id}/cancel")
    tab.wait_for_status("cancelled", 5)
    wait_for(
        lambda: tab.snapshot()["job"] == as_shown(site.structure(job_id)),
        5,
        "the same as the API's",
    )
    assert "live" not in [change["state"] for change in tab.recorded("connections")]
    tab.check_one_at_a_time()
    tab.check_shown()
