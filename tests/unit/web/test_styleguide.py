"""The style guide: all parts, made by the pages' own templates, in debug mode only."""

import re

import pytest

from helpers.apps import make_app
from helpers.html import Browser
from jobsync.status import JOB_STATUSES, STEP_STATUSES, WORKER_STATES


@pytest.fixture
def guide(tmp_path, monkeypatch):
    monkeypatch.setenv("FLASK_DEBUG", "1")
    return Browser(make_app(tmp_path).test_client()).get("/styleguide")


def test_it_is_there_in_debug_mode_only(client, guide):
    assert guide.all("h1")[0].text == "Style guide"
    assert client.get("/styleguide").status_code == 404


def test_it_shows_every_status_of_a_job_and_of_a_step(guide):
    assert [row["data-status"] for row in guide.all(data_job_id=True)] == list(JOB_STATUSES)
    assert [step["data-status"] for step in guide.all(data_step=True)] == list(STEP_STATUSES)
    for status in STEP_STATUSES:
        assert guide.all(class_=f"badge is-{status}"), status


def test_it_shows_every_icon_of_the_sprite_and_every_state_of_the_indicator(guide):
    shown = {use["href"].removeprefix("#") for use in guide.one(class_="guide").all("use")}
    assert {symbol["id"] for symbol in guide.all("symbol")} <= shown
    assert [part["data-connection"] for part in guide.all(data_connection=True)] == [
        "live",
        "polling",
        "reconnecting",
        "offline",
    ]


def test_it_shows_each_kind_of_field_a_chart_a_drawing_and_log_lines_of_each_level(guide):
    assert {field["data-type"] for field in guide.all(data_type=True)} == {
        "string",
        "integer",
        "boolean",
    }
    assert [field["name"] for field in guide.all(aria_invalid="true")] == ["params.rounds"]
    assert len(guide.all(class_="chart")) == 2 and guide.all(class_="edge")
    assert [line["data-level"] for line in guide.all(data_line=True)] == [
        "debug",
        "info",
        "warning",
        "error",
    ]


def test_it_shows_a_head_what_failed_a_timeline_with_each_status_and_sparklines(guide):
    assert "children" in guide.one(data_part="progress").text
    assert [failure["data-failure"] for failure in guide.all(data_failure=True)] == [
        "a_timed_failed_step",
        "a_timed_running_step",
    ]
    assert [row["data-row"] for row in guide.all(data_row=True)] == [
        f"a_timed_{status}_step" for status in STEP_STATUSES
    ]
    assert guide.all(class_="now") and guide.all(class_="wait") and guide.all(class_="spark")


def test_it_shows_workers_and_queues_in_every_state_and_what_is_said_of_many_jobs(guide):
    assert {row["data-state"] for row in guide.all(data_worker=True)} == set(WORKER_STATES)
    assert {row["data-paused"] for row in guide.all(data_queue=True)} == {"true", "false"}
    assert guide.one(data_part="ask") and guide.one(class_="bulk")
    assert [item.one("strong").text for item in guide.one(class_="refused").all("li")] == [
        "12 jobs:",
        "1 job:",
    ]
    assert [row for row in guide.all(data_part="waiting") if row.is_shown]


def test_it_has_no_id_twice_and_needs_nothing_that_the_policy_forbids(guide):
    ids = [element["id"] for element in guide.walk() if element["id"]]
    assert len(ids) == len(set(ids))
    for element in guide.walk():
        assert not [
            name for name in element.attributes if name == "style" or name.startswith("on")
        ], element.tag


def test_it_is_the_same_each_time(tmp_path, monkeypatch):
    monkeypatch.setenv("FLASK_DEBUG", "1")
    client = make_app(tmp_path).test_client()
    first, second = (
        re.sub(r'data-now="\d+"', "", client.get("/styleguide").text) for _ in range(2)
    )
    assert first == second
