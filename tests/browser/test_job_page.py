"""The page of a job follows it from its start to its end without a reload, and shows nothing
but what `structure` says.
"""

import pytest

from browser.gates import Gates
from browser.tab import LATEST, as_shown, stored_lines
from helpers.waiting import wait_for

pytestmark = pytest.mark.browser

# a gate, what is put into it, the statuses that the steps have when the job rests again, and how
# many children have ended then
SCENES = (
    ("one-a", "go", "running pending pending pending", 1),
    ("one-b", "go", "completed running pending pending", 2),
    ("two", "fail", "completed failed running pending", 3),
    ("three", "fail", "completed failed failed skipped", 4),
)
SCENES_OF_RETRY = (
    ("two", "go", "completed completed running pending", 3),
    ("three", "go", "completed completed completed running", 4),
    ("four", "go", "completed completed completed completed", 5),
)


def agree(site, job_id, tabs):
    """Wait until the tabs show all that the API says at that moment, and return its revision."""

    def agreed_revision():
        structure = site.structure(job_id)
        return (
            all(tab.snapshot()["job"] == as_shown(structure) for tab in tabs)
            and structure["revision"]
        )

    return wait_for(agreed_revision, 10, "the agreement of pages and API")


def test_two_tabs_show_what_the_api_says_at_each_moment_of_a_jobs_life(site, tabs, tmp_path):
    gates = Gates(site, tmp_path)
    tab = tabs.new(site).open_job(gates.job_id)
    pair = [tab, tabs.new(site, beside=tab).open_job(gates.job_id)]
    gates.wait_for_rest("running pending pending pending", 0)
    revisions = [agree(site, gates.job_id, pair)]
    for gate, content, statuses, ended in SCENES:
        gates.open(gate, content)
        gates.wait_for_rest(statuses, ended)
        revisions.append(agree(site, gates.job_id, pair))
    assert site.wait_for_end(gates.job_id)["status"] == "failed"
    revisions.append(agree(site, gates.job_id, pair))
    gates.shut("two")
    gates.shut("three")
    assert site.post(f"/api/jobs/{gates.job_id}/retry").status_code == 202
    gates.wait_for_rest("completed running pending pending", 2)
    revisions.append(agree(site, gates.job_id, pair))
    for gate, content, statuses, ended in SCENES_OF_RETRY:
        gates.open(gate, content)
        gates.wait_for_rest(statuses, ended)
        revisions.append(agree(site, gates.job_id, pair))
    assert site.wait_for_end(gates.job_id)["status"] == "completed"
    revisions.append(agree(site, gates.job_id, pair))
    assert len(revisions) >= 10 and revisions == sorted(revisions)
    for tab in pair:
        tab.check_shown()
        tab.check_promptness()


def test_a_page_equals_structure_at_each_message_of_a_job_of_4500_lines_and_never_floods_the_api(
    site, tabs
):
    job_id = site.submit("test_job", delay_ms=4)
    tab = tabs.new(site).open_job(job_id)
    while (structure := site.structure(job_id))["status"] == "running":
        tab.wait_for_revision(structure["revision"])
        tab.wait_for_news(structure["revision"])
    assert sum(step["log_count"] for step in structure["steps"]) == 4500
    tab.wait_for_revision(structure["revision"])
    shown = tab.check_shown()
    assert tab.snapshot()["job"] == as_shown(structure)
    assert len(shown) >= 10
    assert max(view["lines"] for snapshot in shown for view in snapshot["views"]) <= LATEST
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


class Garbler:
    """Stands between a page and the server's websocket: doubles one hint of three, and swaps
    the other two.
    """

    def __init__(self, socket):
        self.socket = socket
        self._held = None
        self._number = 0
        self._server = socket.connect_to_server()
        self._server.on_message(self._take)

    def _take(self, message):
        if "job_update" in message:
            self.pass_on(message)
        else:
            self.socket.send(message)

    def pass_on(self, hint):
        self._number += 1
        match self._number % 3:
            case 1:
                self.socket.send(hint)
                self.socket.send(hint)
            case 2:
                self._held = hint
            case 0:
                self.socket.send(hint)
                self.socket.send(self._held)


class Loser(Garbler):
    """Stands there as well, and loses all hints save for those that the server gives at rest."""

    def pass_on(self, hint):
        if '"context":"job"' in hint and '"refresh_logs":false' in hint:
            self.socket.send(hint)


def test_hints_that_come_twice_or_late_leave_the_page_right(site, tabs):
    tab = tabs.new(site)
    tab.page.route_web_socket("**/socket.io/**", Garbler)
    job_id = site.submit("short", delay_ms=40)
    tab.open_job(job_id)
    structure = site.wait_for_end(job_id)
    tab.wait_for_revision(structure["revision"])
    tab.check_shown()
    assert tab.snapshot()["job"] == as_shown(structure)
    tab.check_one_at_a_time()


def test_when_all_other_hints_are_lost_the_one_that_is_given_at_rest_tells_what_was_missed(
    site, tabs, tmp_path
):
    gates = Gates(site, tmp_path)
    tab = tabs.new(site)
    tab.page.route_web_socket("**/socket.io/**", Loser)
    tab.open_job(gates.job_id)
    gates.wait_for_rest("running pending pending pending", 0)
    for gate, content, statuses, ended in SCENES[:2]:
        gates.open(gate, content)
        gates.wait_for_rest(statuses, ended)
        agree(site, gates.job_id, [tab])
    site.post(f"/api/jobs/{gates.job_id}/cancel")
    tab.wait_for_status("cancelled")
    tab.check_shown()
