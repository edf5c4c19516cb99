"""The page of a job follows it from its start to its end without a reload, and shows nothing but what `structure` says."""

import pytest

from browser.gates import Gates
from browser.tab import LATEST, as_shown, stored_lines

pytestmark = pytest.mark.browser

SCENES = (  # a gate, what is put into it, and the statuses that the steps have when the job has come to rest again
    ("one-a", "go", "running pending pending pending"),
    ("one-b", "go", "completed running pending pending"),
    ("two", "fail", "completed failed running pending"),
    ("three", "fail", "completed failed failed skipped"),
)
SCENES_OF_RETRY = (
    ("two", "go", "completed completed running pending"),
    ("three", "go", "completed completed completed running"),
    ("four", "go", "completed completed completed completed"),
)


def agree(site, job_id, tabs):
    """Wait until the tabs show what the API says at this moment, assert that they show all of it, and return the revision."""
    revision = site.structure(job_id)["revision"]
    for tab in tabs:
        tab.wait_for_revision(revision)
    structure = site.structure(job_id)
    for tab in tabs:
        tab.wait_for_revision(structure["revision"])
        assert tab.snapshot()["job"] == as_shown(structure)
    return structure["revision"]


def test_two_tabs_show_what_the_api_says_at_each_moment_of_a_jobs_life(site, tabs, tmp_path):
    gates = Gates(site, tmp_path)
    pair = [tabs.new(site).open_job(gates.job_id) for _ in range(2)]
    gates.wait_for_rest("running pending pending pending")
    revisions = [agree(site, gates.job_id, pair)]
    for gate, content, statuses in SCENES:
        gates.open(gate, content)
        gates.wait_for_rest(statuses)
        revisions.append(agree(site, gates.job_id, pair))
    gates.shut("two")
    gates.shut("three")
    site.post(f"/api/jobs/{gates.job_id}/retry")
    gates.wait_for_rest("completed running pending pending")
    revisions.append(agree(site, gates.job_id, pair))
    for gate, content, statuses in SCENES_OF_RETRY:
        gates.open(gate, content)
        gates.wait_for_rest(statuses)
        revisions.append(agree(site, gates.job_id, pair))
    site.wait_for_end(gates.job_id)
    revisions.append(agree(site, gates.job_id, pair))
    assert len(revisions) == 10 and revisions == sorted(revisions)
    for tab in pair:
        tab.check_shown()
        tab.check_promptness()


def test_a_page_equals_structure_at_each_message_of_a_job_of_4500_lines_and_never_floods_the_api(site, tabs):
    job_id = site.submit("test_job", delay_ms=5)
    tab = tabs.new(site).open_job(job_id)
    while (structure := site.structure(job_id))["status"] == "running":
        tab.wait_for_revision(structure["revision"])
        tab.wait_for_news(structure["revision"])
    assert sum(step["log_count"] for step in structure["steps"]) == 4500
    tab.wait_for_revision(structure["revision"])
    shown = tab.check_shown()
    assert tab.snapshot()["job"] == as_shown(structure)
    assert len(shown) >= 10
    assert tab.check_one_at_a_time() >= 10
    tab.check_promptness()
    for step in structure["steps"]:
        tab.wait_for_last_line(step["name"], step["log_count"])
        assert tab.check_log_pace(step["name"]) >= 1
        assert tab.lines(step["name"]) == stored_lines(site, job_id, step["name"])[-LATEST:]


def test_a_page_is_right_as_served_before_any_script_runs(site, tabs):
    job_id = site.submit("short")
    structure = site.wait_for_end(job_id)
    tab = tabs.new(site).open_job(job_id)
    shown = tab.check_shown()
    assert [snapshot["job"] for snapshot in shown] == [as_shown(structure)]
    assert tab.calls("structure") == []  # the ack said that nothing is newer


def test_hints_that_are_lost_doubled_or_late_leave_the_page_right_at_the_next_one(site, tabs):
    tab = tabs.new(site)
    tab.page.route_web_socket("**/socket.io/**", Garbler)
    job_id = site.submit("short", delay_ms=40)
    tab.open_job(job_id)
    structure = site.wait_for_end(job_id)
    tab.wait_for_revision(structure["revision"])
    tab.check_shown()
    assert tab.snapshot()["job"] == as_shown(structure)
    tab.check_one_at_a_time()


class Garbler:
    """Stands between a page and the server's websocket: of four hints it loses one, doubles one and swaps two."""

    def __init__(self, socket):
        self._socket = socket
        self._held = None
        self._number = 0
        self._server = socket.connect_to_server()
        self._server.on_message(self._pass_on)

    def _pass_on(self, message):
        if "job_update" not in message:
            self._socket.send(message)
            return
        self._number += 1
        match self._number % 4:
            case 1:
                pass
            case 2:
                self._socket.send(message)
                self._socket.send(message)
            case 3:
                self._held = message
            case 0:
                self._socket.send(message)
                self._socket.send(self._held)
