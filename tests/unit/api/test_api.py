"""The REST door: every call of the contract's section 2, what it answers and what it refuses."""

import http.client
import json
import re
import socket
import sqlite3
from contextlib import closing, contextmanager
from itertools import cycle, product
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import insert, select

from helpers.apps import make_app
from helpers.ask import ask
from helpers.by_hand import Hand, line
from helpers.definition_files import define
from jobsync import lifecycle, store
from jobsync.base.clock import now
from jobsync.base.text import plain
from jobsync.db.extensions import db
from jobsync.db.models import LogLine, Step
from jobsync.db.transactions import write
from jobsync.lifecycle import results, workers
from jobsync.monitor import Monitor
from jobsync.status import ACTIONS, LEVELS
from jobsync.store import logs

MIB = 1024 * 1024
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
JOB = {
    "id",
    "definition",
    "name",
    "status",
    "revision",
    "params",
    "error",
    "tags",
    "source",
    "rerun_of",
}
JOB |= {"created_at", "started_at", "finished_at", "updated_at"}
STRUCTURE = [
    "job_id",
    "status",
    "revision",
    "error",
    "waiting_for",
    "updated_at",
    "started_at",
    "finished_at",
    "steps",
]
STEP = [
    "name",
    "status",
    "log_count",
    "child_count",
    "children",
    "levels",
    "error",
    "started_at",
    "finished_at",
]
STATUSES = ["pending", "running", "completed", "failed", "cancelled"]
CHILD = {"id", "name", "status", "attempt", "input", "result", "error", "started_at", "finished_at"}
CHILD |= {"parent_id", "exit_code", "progress", "stopping"}
TWO_STEPS = '[step.b]\n[step.a]\ndepends = "b"'
TYPED = """
id = "typed"
name = "Typed"
tags = ["x"]
timeout = "1h30m"
[params.text]
type = "string"
default = "x"
[params.whole]
type = "integer"
default = 1
minimum = 0
[params.number]
type = "number"
default = 0.5
[params.flag]
type = "boolean"
default = false
[step.one]
type = "by_hand"
timeout = "90s"
"""


class Outside:
    """The hand that drives jobs, from outside of the requests: each call has an app context of
    its own, as another process has.
    """

    def __init__(self, app, folder):
        with app.app_context():
            self._hand = Hand(app, folder)

    def do(self, function, *args, **options):
        with self._hand.app.app_context():
            return function(*args, **options)

    def __getattr__(self, name):
        return lambda *args, **options: self.do(getattr(self._hand, name), *args, **options)

    def write_lines(self, job_id, lines, step="a"):
        """Add lines to a step as a worker does that has no child to tell of."""
        self.do(append_lines, job_id, step, lines)


def append_lines(job_id, step_name, lines):
    with write() as connection:
        step_pk = connection.execute(
            select(Step.pk).where(Step.job_id == job_id, Step.name == step_name)
        ).scalar_one()
        logs.append(
            connection, step_pk, lifecycle.rows.touch(connection, job_id), lines, 10**9, 10**12
        )


@pytest.fixture
def hand(app, tmp_path):
    return Outside(app, tmp_path)


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """Return a client of an app of the module, for what changes nothing: `still.job_id` is a
    job that runs, and has lines.
    """
    folder = tmp_path_factory.mktemp("still")
    client = make_app(folder).test_client()
    client.hand = Outside(client.application, folder)
    client.hand.define(TYPED)
    client.job_id = client.hand.begin(number=2)
    client.hand.write_lines(client.job_id, make_lines(3))
    return client


@contextmanager
def nothing_changes(client):
    """Insist that what is done inside starts no job and changes none."""
    before = client.hand.do(ask, store.jobs.last_change)
    yield
    assert client.hand.do(ask, store.jobs.last_change) == before


def ok(response, code=200):
    """Return the JSON of an answer that must be a good one."""
    assert response.status_code == code, response.get_data(as_text=True)
    assert response.content_type == "application/json"
    return response.get_json()


def problem(response, code, *fields):
    """Return the JSON of an error, which has the one shape of all errors, and mistakes at just
    these fields.
    """
    shown = response.get_json() if hasattr(response, "get_json") else response.json()
    assert response.status_code == code, shown
    assert response.headers["Content-Type"] == "application/json"
    assert set(shown) == {"code", "status", "message", "errors"}
    assert (
        shown["code"] == code
        and shown["message"].strip()
        and shown["status"] == http.client.responses[code]
    ), shown
    assert set(shown["errors"]) == set(fields), shown
    return shown


def post(client, path, body, content_type="application/json"):
    return client.post(path, data=body, content_type=content_type)


# Definitions


def test_definitions_are_listed_with_their_parameters_steps_and_problems(client, hand, tmp_path):
    hand.define(TYPED)
    define(tmp_path, 'id = "bad"\ncolour = "red"\n[step.a]\ntype = "by_hand"')
    page = ok(client.get("/api/definitions"))
    assert set(page) == {"items", "next_cursor", "total", "problems"}
    assert (page["total"], page["next_cursor"]) == (1, None)
    assert [(found["file"], found["key"]) for found in page["problems"]] == [("bad.toml", "colour")]
    (shown,) = page["items"]
    assert shown == ok(client.get("/api/definitions/typed"))
    assert (shown["id"], shown["name"], shown["tags"], shown["timeout"]) == (
        "typed",
        "Typed",
        ["x"],
        "1h30m",
    )
    assert [param["name"] for param in shown["params"]] == ["text", "whole", "number", "flag"]
    assert (
        shown["params"][1]["default"],
        shown["params"][1]["minimum"],
        shown["params"][1]["type"],
    ) == (1, 0, "integer")
    assert (
        shown["steps"][0]["name"],
        shown["steps"][0]["timeout"],
        shown["steps"][0]["depends"],
    ) == ("one", "90s", [])


# Jobs


def test_a_submitted_job_is_answered_with_202_and_has_the_fields_of_the_contract(client, hand):
    hand.define(TYPED)
    job = ok(
        client.post("/api/jobs", json={"definition": "typed", "params": {"text": "café"}}), 202
    )
    assert set(job) == JOB | {"result", "actions", "priority", "waiting_for", "cancellation"}
    assert job["params"] == {"text": "café", "whole": 1, "number": 0.5, "flag": False}
    assert (job["definition"], job["name"], job["status"], job["revision"], job["tags"]) == (
        "typed",
        "Typed",
        "pending",
        1,
        ["x"],
    )
    assert (
        job["result"],
        job["error"],
        job["rerun_of"],
        job["started_at"],
        job["finished_at"],
    ) == (None,) * 5
    assert TIME.fullmatch(job["created_at"]) and job["updated_at"] == job["created_at"]
    assert ok(client.get(f"/api/jobs/{job['id']}")) == job


def test_a_job_that_has_ended_shows_its_result_and_times(client, hand):
    job_id = hand.submit('[step.a] #\ntype = "by_hand_summed"')
    assert hand.run_out(job_id) == "completed"
    job = ok(client.get(f"/api/jobs/{job_id}"))
    assert (job["status"], job["result"], job["error"]) == ("completed", {"of": "a"}, None)
    assert job["created_at"] <= job["started_at"] <= job["finished_at"] and all(
        TIME.fullmatch(job[name]) for name in job if name.endswith("_at")
    )


def test_a_failed_job_says_why_in_one_short_line(client, hand):
    job_id = hand.begin()
    hand.fail(*hand.claim(), error="line one\nline two\x1b[31m " + "é" * 500)
    hand.advance(job_id)
    job, step = (
        ok(client.get(f"/api/jobs/{job_id}")),
        ok(client.get(f"/api/jobs/{job_id}/structure"))["steps"][0],
    )
    assert job["status"] == "failed" and job["error"].startswith("a: 1 child failed")
    assert (
        step["status"] == "failed"
        and step["error"]
        and not re.search(r"[\x00-\x1f]", step["error"] + job["error"])
    )
    assert "\n" in ok(client.get(f"/api/jobs/{job_id}/steps/a/children"))["items"][0]["error"]


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"whole": True}, {"whole"}),
        ({"whole": 1.5}, {"whole"}),
        ({"whole": None}, {"whole"}),
        ({"whole": -1}, {"whole"}),
        ({"whole": 10**30}, {"whole"}),
        ({"number": 10**400}, {"number"}),
        ({"number": float("nan")}, {"number"}),
        ({"number": float("-inf")}, {"number"}),
        ({"number": "1e999"}, {"number"}),
        ({"flag": 1}, {"flag"}),
        ({"flag": "maybe"}, {"flag"}),
        ({"text": 1}, {"text"}),
        ({"text": ["x"]}, {"text"}),
        ({"text": "a\x00b"}, {"text"}),
        ({"text": "\ud800"}, {"text"}),
        ({"text": "x" * 20_000}, {"text"}),
        ({"nothing": 1, "whole": "many"}, {"nothing", "whole"}),
        ({"": 1}, {""}),
        ({"\ud800": 1}, {"\ufffd"}),
    ],
)
def test_bad_parameters_are_refused_by_name(still, params, fields):
    with nothing_changes(still):
        shown = problem(
            still.post("/api/jobs", json={"definition": "typed", "params": params}), 422, "params"
        )
    assert set(shown["errors"]["params"]) == fields
    assert all(
        isinstance(reason, str)
        for reasons in shown["errors"]["params"].values()
        for reason in reasons
    )


def test_odd_but_valid_parameters_come_back_as_they_were(client, hand):
    hand.define(TYPED)
    params = {
        "text": "\u2028\u202e\U0001f600 <script>\x1b[31m\x7f\t\r\n",
        "whole": 2**63 - 1,
        "number": 1e-300,
        "flag": True,
    }
    job = ok(client.post("/api/jobs", json={"definition": "typed", "params": params}), 202)
    assert job["params"] == params
    assert (
        ok(client.get("/api/jobs", query_string={"q": "\U0001f600 <script>"}))["items"][0]["params"]
        == params
    )


BAD_BODIES = [
    (b"{", 400, {"json"}),
    (b'{"definition": "typed"', 400, {"json"}),
    (b"{'definition': 'typed'}", 400, {"json"}),
    (b'{"definition": "typed"} {}', 400, {"json"}),
    (b"\xff\xfe{", 400, {"json"}),
    (b'{"definition": "\xff"}', 400, {"json"}),
    ('{"definition": "typed"}'.encode("utf-16"), 400, {"json"}),
    (
        b'{"definition": "typed", "params": {"whole": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        400,
        {"json"},
    ),
    (
        b'{"definition": "typed", "params": {"whole": '
        + b'{"a":' * 100_000
        + b"1"
        + b"}" * 100_001
        + b"}",
        400,
        {"json"},
    ),
    (b'{"definition": "typed", "params": {"whole": ' + b"9" * 5000 + b"}}", 400, {"json"}),
    (
        b'{"definition": "typed", "params": {"whole": ' + b"[" * 300 + b"]" * 300 + b"}}",
        422,
        {"params"},
    ),
    (b"", 422, {"definition"}),
    (b"{}", 422, {"definition"}),
    (b"null", 422, {"_schema"}),
    (b"[]", 422, {"_schema"}),
    (b"[{}]", 422, {"_schema"}),
    (b'"typed"', 422, {"_schema"}),
    (b"1", 422, {"_schema"}),
    (b"true", 422, {"_schema"}),
    (b"NaN", 422, {"_schema"}),
    (b'{"definition": null}', 422, {"definition"}),
    (b'{"definition": 1}', 422, {"definition"}),
    (b'{"definition": true}', 422, {"definition"}),
    (b'{"definition": NaN}', 422, {"definition"}),
    (b'{"definition": ["typed"]}', 422, {"definition"}),
    (b'{"definition": ""}', 422, {"definition"}),
    (b'{"definition": "nope"}', 422, {"definition"}),
    (b'{"definition": "typed\\u0000"}', 422, {"definition"}),
    (b'{"definition": "\\ud800"}', 422, {"definition"}),
    (b'{"definition": "../typed"}', 422, {"definition"}),
    (b'{"definition": "' + b"t" * 65 + b'"}', 422, {"definition"}),
    (b'{"definition": "typed", "params": null}', 422, {"params"}),
    (b'{"definition": "typed", "params": []}', 422, {"params"}),
    (b'{"definition": "typed", "params": "x"}', 422, {"params"}),
    (b'{"definition": "typed", "params": {"whole": Infinity}}', 422, {"params"}),
    (b'{"definition": "typed", "param": {}}', 422, {"param"}),
    (b'{"definition": "typed", "": 1}', 422, {""}),
    (b'{"definition": "typed", "id": "mine", "status": "completed"}', 422, {"id", "status"}),
    (b'{"definition": "typed", "definition": "nope"}', 422, {"definition"}),
]


@pytest.mark.parametrize(
    ("body", "code", "fields"), BAD_BODIES, ids=[repr(body[:48]) for body, _, _ in BAD_BODIES]
)
def test_a_bad_body_is_refused_with_its_fields_and_stores_nothing(still, body, code, fields):
    with nothing_changes(still):
        problem(post(still, "/api/jobs", body), code, *fields)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None],
)
def test_a_body_that_is_not_said_to_be_json_is_refused_rather_than_ignored(still, content_type):
    with nothing_changes(still):
        problem(post(still, "/api/jobs", b'{"definition": "typed"}', content_type), 422, "_schema")
        problem(
            post(still, f"/api/jobs/{still.job_id}/rerun", b'{"params": {}}', content_type),
            422,
            "_schema",
        )


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "application/vnd.api+json"],
)
def test_a_json_body_is_read_as_utf_8(still, content_type):
    assert (
        ok(
            post(
                still,
                "/api/jobs",
                '{"definition": "typed", "params": {"text": "é"}}'.encode(),
                content_type,
            ),
            202,
        )["params"]["text"]
        == "é"
    )


# Steering


def test_cancelling_answers_202_with_the_cancelled_job_and_a_second_time_409(client, hand):
    job_id = hand.begin(TWO_STEPS, 2)
    job = ok(client.post(f"/api/jobs/{job_id}/cancel"), 202)
    assert (job["id"], job["status"]) == (job_id, "cancelled") and TIME.fullmatch(
        job["finished_at"]
    )
    structure = ok(client.get(f"/api/jobs/{job_id}/structure"))
    assert [step["status"] for step in structure["steps"]] == ["cancelled", "cancelled"]
    assert structure["steps"][0]["children"] == dict.fromkeys(STATUSES, 0) | {"cancelled": 2}
    assert "cancelled" in problem(client.post(f"/api/jobs/{job_id}/cancel"), 409)["message"]


def test_retrying_answers_202_with_the_same_job_and_keeps_completed_children(client, hand):
    job_id = hand.begin(number=2)
    first, second = hand.claim(number=2)
    hand.complete(first)
    hand.fail(second)
    hand.advance(job_id)
    before = ok(client.get(f"/api/jobs/{job_id}"))
    job = ok(client.post(f"/api/jobs/{job_id}/retry"), 202)
    assert (before["status"], job["id"], job["status"]) == ("failed", job_id, "pending")
    assert job["revision"] > before["revision"]
    assert (job["finished_at"], job["result"], job["error"]) == (None, None, None)
    assert ok(client.get(f"/api/jobs/{job_id}/structure"))["steps"][0]["children"] == dict.fromkeys(
        STATUSES, 0
    ) | {"pending": 1, "completed": 1}


def test_a_rerun_answers_202_with_a_new_job_and_given_parameters_replace_old_ones(client, hand):
    hand.define(TYPED)
    old = ok(
        client.post(
            "/api/jobs", json={"definition": "typed", "params": {"text": "old", "whole": 5}}
        ),
        202,
    )
    for body in (None, {}, {"params": {}}):
        again = ok(
            client.post(f"/api/jobs/{old['id']}/rerun", json=body)
            if body is not None
            else client.post(f"/api/jobs/{old['id']}/rerun"),
            202,
        )
        assert (again["rerun_of"], again["params"], again["status"]) == (
            old["id"],
            old["params"],
            "pending",
        )
        assert again["id"] != old["id"]
    changed = ok(client.post(f"/api/jobs/{old['id']}/rerun", json={"params": {"whole": 6}}), 202)
    assert changed["params"] == old["params"] | {"whole": 6}


def test_a_rerun_refuses_bad_bodies_and_a_definition_that_is_gone(client, hand, tmp_path):
    hand.define(TYPED)
    path = (
        f"/api/jobs/{ok(client.post('/api/jobs', json={'definition': 'typed'}), 202)['id']}/rerun"
    )
    problem(post(client, path, b"{"), 400, "json")
    problem(client.post(path, json={"definition": "typed"}), 422, "definition")
    problem(client.post(path, json={"params": None}), 422, "params")
    assert problem(client.post(path, json={"params": {"whole": "x", "y": 1}}), 422, "params")[
        "errors"
    ]["params"].keys() == {"whole", "y"}
    (tmp_path / "definitions" / "typed.toml").unlink()
    assert "typed" in problem(client.post(path), 409)["message"]


def test_deleting_answers_204_and_the_job_is_gone_with_all_it_owns(client, hand):
    job_id = hand.begin()
    hand.complete(*hand.claim(), lines=[line("x")])
    problem(client.delete(f"/api/jobs/{job_id}"), 409)
    hand.advance(job_id)
    answer = client.delete(f"/api/jobs/{job_id}")
    assert (answer.status_code, answer.data) == (204, b"")
    for path in ("", "/structure", "/steps/a/children", "/logs?step=a", "/logs/download"):
        problem(client.get(f"/api/jobs/{job_id}{path}"), 404)
    problem(client.delete(f"/api/jobs/{job_id}"), 404)
    assert ok(client.get("/api/jobs"))["items"] == []


def test_what_a_status_does_not_allow_is_409(client, hand):
    jobs = {
        "pending": hand.submit(),
        "running": hand.begin(),
        "completed": hand.submit(),
        "failed": hand.submit(),
        "cancelled": hand.submit(),
    }
    assert client.post(f"/api/jobs/{jobs['cancelled']}/cancel").status_code == 202
    assert hand.run_out(jobs["completed"]) == "completed"
    assert hand.run_out(jobs["failed"], "fail") == "failed"
    refused = {
        "cancel": ("completed", "failed", "cancelled"),
        "retry": ("pending", "running", "completed"),
        "delete": ("pending", "running"),
    }
    for action, statuses in refused.items():
        for status in statuses:
            path = f"/api/jobs/{jobs[status]}"
            before = ok(client.get(path))
            assert before["status"] == status and action not in before["actions"]
            shown = problem(
                client.delete(path) if action == "delete" else client.post(f"{path}/{action}"), 409
            )
            assert status in shown["message"]
            assert ok(client.get(path)) == before
    for status, job_id in jobs.items():
        forbidden = {action for action, statuses in refused.items() if status in statuses}
        allowed = ok(client.get(f"/api/jobs/{job_id}"))["actions"]
        assert allowed == [action for action in ACTIONS if action not in forbidden]


# What no call takes


CALLS = [
    ("GET", "/api/definitions"),
    ("GET", "/api/definitions/d"),
    ("GET", "/api/jobs"),
    ("POST", "/api/jobs"),
    ("GET", "/api/jobs/{id}"),
    ("DELETE", "/api/jobs/{id}"),
    ("GET", "/api/jobs/{id}/structure"),
    ("GET", "/api/jobs/{id}/steps/a/children"),
    ("GET", "/api/jobs/{id}/logs"),
    ("GET", "/api/jobs/{id}/logs/download"),
    ("POST", "/api/jobs/{id}/cancel"),
    ("POST", "/api/jobs/{id}/retry"),
    ("POST", "/api/jobs/{id}/rerun"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
]
WITH_A_JOB = [(method, path) for method, path in CALLS if "{id}" in path]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_field_in_the_query_that_a_call_does_not_know_is_refused(still, method, path):
    fields = {"colour"} | ({"step"} if path.endswith("/logs") else set())
    body = {"json": {"definition": "d"}} if (method, path) == ("POST", "/api/jobs") else {}
    with nothing_changes(still):
        problem(
            still.open(path.format(id=still.job_id) + "?colour=red", method=method, **body),
            422,
            *fields,
        )


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_field_in_the_body_that_a_call_does_not_know_is_refused(still, method, path):
    known = {"definition": "d"} if (method, path) == ("POST", "/api/jobs") else {}
    with nothing_changes(still):
        problem(
            still.open(
                path.format(id=still.job_id), method=method, json={"colour": "red", **known}
            ),
            422,
            "colour",
        )
        problem(
            still.open(
                path.format(id=still.job_id),
                method=method,
                data="{",
                content_type="application/json",
            ),
            400,
            "json",
        )


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_body_over_1_mib_is_413_for_every_call(still, method, path):
    body = b'{"definition": "d"}'.ljust(MIB + 1)
    with nothing_changes(still):
        problem(
            still.open(
                path.format(id=still.job_id),
                method=method,
                data=body,
                content_type="application/json",
            ),
            413,
        )


def test_a_body_of_1_mib_is_taken(still):
    ok(post(still, "/api/jobs", b'{"definition": "d"}'.ljust(MIB)), 202)


ODD_IDS = [
    "nope",
    "0",
    "-1",
    "x" * 5000,
    "%00",
    "..%2fx",
    "%ff%fe",
    "%f0%9f%98%80",
    "a%0d%0ab",
    "%27%20OR%201=1--",
    "{id}",
    "feed",
    "null",
]


@pytest.mark.parametrize("odd", ODD_IDS, ids=[odd[:20] for odd in ODD_IDS])
def test_an_unknown_id_is_404_for_every_call(still, odd):
    with nothing_changes(still):
        for method, path in WITH_A_JOB:
            query = "?step=a" if path.endswith("/logs") else ""
            problem(still.open(path.replace("{id}", odd) + query, method=method), 404)
    problem(still.get(f"/api/definitions/{odd}"), 404)


@pytest.mark.parametrize("odd", ODD_IDS, ids=[odd[:20] for odd in ODD_IDS])
def test_an_unknown_step_is_404_or_refused(still, odd):
    problem(still.get(f"/api/jobs/{still.job_id}/steps/{odd}/children"), 404)
    for path in (
        f"/api/jobs/{still.job_id}/logs?step={odd}",
        f"/api/jobs/{still.job_id}/logs/download?step={odd}",
    ):
        problem(still.get(path), *((422, "step") if len(odd) > 1000 else (404,)))


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/nope",
        "/api/jobs/",
        "/api/jobs/a/b",
        "/api/jobs/a/structure/",
        "/api/%2e%2e/jobs",
        "/api/\u00e9",
    ],
)
def test_an_unknown_route_of_the_api_is_a_json_404(still, path):
    problem(still.get(path), 404)
    problem(still.post(path), 404)


def test_a_wrong_method_is_405_and_says_which_are_allowed(still):
    allowed = {}
    for method, path in CALLS:
        allowed.setdefault(path, {"OPTIONS"}).update(
            {method, "HEAD"} if method == "GET" else {method}
        )
    for path, methods in allowed.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - methods:
            answer = still.open(path.format(id="x"), method=method)
            problem(answer, 405)
            assert set(answer.headers["Allow"].split(", ")) == methods, path


def test_head_and_options_answer_without_a_body(still):
    job = f"/api/jobs/{still.job_id}"
    for path in (
        "/api/jobs",
        job,
        f"{job}/structure",
        f"{job}/logs?step=a",
        f"{job}/logs/download",
        "/healthz",
    ):
        head = still.head(path)
        assert (head.status_code, head.data) == (200, b"")
        assert still.options(path.partition("?")[0]).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        b"q=\xff\xfe",
        b"\xff=1",
        b"status=\xe9",
        b"q=%ff",
        b"%",
        b"q=%zz",
        b"&&&",
        b"=",
        b"cursor=\x80",
    ],
)
def test_a_query_that_is_not_utf_8_never_fails_the_server(still, query):
    job = f"/api/jobs/{still.job_id}"
    for path in ("/api/jobs", job, f"{job}/structure", f"{job}/logs", "/api/nope"):
        answer = still.get(path, query_string=query.decode("latin-1"))
        assert answer.status_code in (200, 404, 422), answer.data


# Lists


def test_jobs_are_listed_newest_first_with_fifty_on_a_page_by_default(client, hand):
    names = [hand.submit() for _ in range(52)]
    page = ok(client.get("/api/jobs"))
    assert set(page) == {"items", "next_cursor", "total"}
    assert [job["id"] for job in page["items"]] == names[:1:-1]
    assert page["total"] == 52 and set(page["items"][0]) == JOB
    rest = ok(client.get("/api/jobs", query_string={"cursor": page["next_cursor"]}))
    assert [job["id"] for job in rest["items"]] == names[1::-1] and rest["next_cursor"] is None


def test_paging_shows_each_old_job_once_while_new_ones_come_and_old_ones_go(client, hand):
    names = [hand.submit() for _ in range(7)]
    seen, cursor = [], None
    while cursor or not seen:
        page = ok(
            client.get(
                "/api/jobs", query_string={"limit": 2, **({"cursor": cursor} if cursor else {})}
            )
        )
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
        hand.submit()
        if len(seen) == 2:  # what the cursor was made from goes: the place stays
            client.post(f"/api/jobs/{seen[-1]}/cancel")
            assert client.delete(f"/api/jobs/{seen[-1]}").status_code == 204
    assert seen == names[::-1]


def test_jobs_can_be_told_apart_by_status_definition_and_words(client, hand):
    hand.define(TYPED)
    hand.define(
        'id = "other"\nname = "Straße 100%_/"\n[params.text]\ntype = "string"\ndefault = "x"\n'
        '[step.a]\ntype = "by_hand"'
    )
    ids = {}
    for name, definition, text in (
        ("a", "typed", "Äpfel"),
        ("b", "other", "50% off"),
        ("c", "typed", 'back\\slash "quoted"'),
        ("d", "typed", "x"),
    ):
        ids[name] = ok(
            client.post("/api/jobs", json={"definition": definition, "params": {"text": text}}), 202
        )["id"]
    client.post(f"/api/jobs/{ids['a']}/cancel")
    hand.run_out(ids["b"])
    by_id = {job_id: name for name, job_id in ids.items()}

    def found(**query):
        page = ok(client.get("/api/jobs", query_string=query))
        assert page["total"] == len(page["items"])
        return "".join(by_id[job["id"]] for job in page["items"])

    assert found() == "dcba"
    assert found(status="cancelled") == "a"
    assert (
        found(status="cancelled,completed")
        == "ba"
        == found(status=",completed,,cancelled,completed,")
    )
    assert found(status="running") == ""
    assert found(status="") == "dcba"
    assert (
        found(definition="other") == "b"
        and found(definition="typed", status="pending") == "dc"
        and found(definition="nope") == ""
    )
    assert found(q="äpfel") == "a" and found(q="ÄPFEL") == "a"
    assert found(q="%") == "b" and found(q="0%_/") == "b" and found(q="50% O") == "b"
    assert found(q="straße") == "b"
    assert found(q=ids["c"][2:9].upper()) == "c"
    assert found(q="pfel", status="pending") == ""


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.0", "limit"),
        ("limit=1_0", "limit"),
        ("limit=%20 5", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=NaN", "limit"),
        ("limit=", "limit"),
        ("limit=true", "limit"),
        ("status=done", "status"),
        ("status=running,done", "status"),
        ("status=RUNNING", "status"),
        ("status=skipped", "status"),
        ("status=running%20", "status"),
        ("status=%00", "status"),
        ("q=" + "x" * 201, "q"),
        ("q=%00", "q"),
        ("definition=" + "x" * 65, "definition"),
        ("cursor=" + "x" * 65, "cursor"),
        ("cursor=!", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=%ff", "cursor"),
        ("cursor=0", "cursor"),
        ("cursor=null", "cursor"),
    ],
)
def test_a_bad_query_of_the_list_is_refused_by_field(still, query, field):
    problem(still.get(f"/api/jobs?{query}"), 422, field)


@pytest.mark.parametrize("limit", [1, 200])
def test_the_limits_of_limit_are_taken(client, hand, limit):
    for _ in range(3):
        hand.submit()
    assert len(ok(client.get(f"/api/jobs?limit={limit}"))["items"]) == min(limit, 3)


def test_a_cursor_that_was_tampered_with_is_refused(client, hand):
    for _ in range(3):
        hand.submit()
    cursor = ok(client.get("/api/jobs?limit=1"))["next_cursor"]
    ok(client.get("/api/jobs", query_string={"cursor": cursor}))
    for tampered in (
        cursor + "A",
        cursor + "=",
        " " + cursor,
        cursor[:-1] + "!",
        cursor + "\n",
        cursor + "*",
        "é" + cursor,
    ):
        problem(client.get("/api/jobs", query_string={"cursor": tampered}), 422, "cursor")


# Structure


def test_structure_has_just_the_fields_of_the_contract_in_the_order_of_the_definition(client, hand):
    job_id = hand.begin(TWO_STEPS, 3)
    first, *_ = hand.claim(number=1)
    hand.complete(
        first,
        lines=[
            line("x"),
            line("y", "error"),
            line("z", "warning"),
            line("d", "debug"),
            line("e", "debug"),
        ],
    )
    structure = ok(client.get(f"/api/jobs/{job_id}/structure"))
    assert list(structure) == STRUCTURE
    assert (
        structure["job_id"],
        structure["status"],
        structure["error"],
        structure["finished_at"],
    ) == (job_id, "running", None, None)
    assert [step["name"] for step in structure["steps"]] == ["b", "a"]
    step = structure["steps"][0]
    assert list(step) == STEP
    assert list(step["children"]) == STATUSES and list(step["levels"]) == list(LEVELS)
    assert (step["log_count"], step["child_count"], step["levels"]) == (
        5,
        3,
        {"debug": 2, "info": 1, "warning": 1, "error": 1},
    )
    assert step["children"] == {
        "pending": 2,
        "running": 0,
        "completed": 1,
        "failed": 0,
        "cancelled": 0,
    }
    assert all(
        TIME.fullmatch(found)
        for found in (structure["updated_at"], structure["started_at"], step["started_at"])
    )
    assert structure["revision"] == ok(client.get(f"/api/jobs/{job_id}"))["revision"]


def test_a_step_takes_at_most_600_bytes(client, hand):
    names = [f"{'n' * 62}{number:02}" for number in range(20)]
    job_id = hand.submit("\n".join(f"[step.{name}]" for name in names))
    hand.advance(job_id)
    error = 'Ä"\\\u2028\U0001f600' * 100

    for task in iter(lambda: next(iter(hand.claim()), None), None):
        hand.do(results.break_unit, task, error)
    hand.advance(job_id)
    hand.do(widen_counters)
    steps = ok(client.get(f"/api/jobs/{job_id}/structure"))["steps"]
    assert len(steps) == 20 and steps[0]["error"] and steps[0]["finished_at"]
    assert max(
        len(json.dumps(step, ensure_ascii=False, separators=(",", ":")).encode()) for step in steps
    ) <= 600 - len(",")


def widen_counters():
    columns = (
        "debug",
        "info",
        "warning",
        "error_count",
        "pending",
        "running",
        "completed",
        "failed",
        "cancelled",
    )
    with write() as connection:
        connection.execute(
            Step.__table__.update().values(
                {**dict.fromkeys(columns, 999_999_999), "log_count": 10**9}
            )
        )


def test_the_etag_is_strong_and_new_with_each_revision_and_honoured_with_304(client, hand):
    job_id = hand.submit(TWO_STEPS)
    path, tags = f"/api/jobs/{job_id}/structure", {}

    def look():
        answer = client.get(path)
        tag = answer.headers["ETag"]
        assert re.fullmatch(r'"[\x21\x23-\x7e]+"', tag), tag
        tags[answer.get_json()["revision"]] = tag
        again = client.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
        for given in (f'"other", {tag}', f"W/{tag}", "*"):
            assert client.get(path, headers={"If-None-Match": given}).status_code == 304
        for given in ('"other"', "", "nonsense", '"' * 9):
            assert client.get(path, headers={"If-None-Match": given}).status_code == 200
        for old in [old for old in tags.values() if old != tag]:
            assert client.get(path, headers={"If-None-Match": old}).get_json() == answer.get_json()

    look()
    hand.advance(job_id)
    look()
    hand.plan(job_id, 2)
    look()
    hand.write_lines(job_id, [line("x")], "b")
    look()
    client.post(f"/api/jobs/{job_id}/cancel")
    look()
    client.post(f"/api/jobs/{job_id}/retry")
    look()
    assert len(tags) == 6 == len(set(tags.values()))
    assert list(tags) == sorted(tags)


def test_an_answer_from_memory_is_the_one_that_was_made_and_what_is_refused_stays_refused(
    app, client, hand
):
    path = f"/api/jobs/{hand.submit()}/structure"
    asked = [
        {"path": path},
        {"path": path, "headers": {"If-None-Match": client.get(path).headers["ETag"]}},
        {"path": path, "query_string": "a=1"},
        {"path": path, "json": {"a": 1}},
        {"path": path, "headers": {"Host": "evil.example"}},
        {"path": path, "method": "HEAD"},
        {"path": path, "method": "POST"},
        {"path": f"{path}/"},
    ]
    answers = []
    for is_made in (True, False):
        for one in asked:
            if is_made:
                hand.submit()  # nothing is fresh any more
            answer = client.open(**one)
            answers.append((answer.status_code, answer.data, sorted(answer.headers)))
    assert answers[: len(asked)] == answers[len(asked) :]
    assert [status for status, *_ in answers[: len(asked)]] == [
        200,
        304,
        422,
        422,
        403,
        200,
        405,
        404,
    ]


def test_two_jobs_at_the_same_revision_have_different_etags(client, hand):
    tags = {client.get(f"/api/jobs/{hand.submit()}/structure").headers["ETag"] for _ in range(2)}
    assert len(tags) == 2


def test_structure_is_never_older_than_a_write_of_another_connection(app, client, hand):
    job_ids = [hand.begin() for _ in range(2)]
    with closing(
        sqlite3.connect(Path(app.config["DATA_DIR"], "jobsync.db"), isolation_level=None)
    ) as other:
        for number in range(60):
            job_id = job_ids[number % 3 % 2]
            tag = client.get(f"/api/jobs/{job_id}/structure").headers["ETag"]
            (revision,) = other.execute(
                "UPDATE jobs SET revision = revision + 1 WHERE id = ? RETURNING revision", (job_id,)
            ).fetchall()
            answer = client.get(f"/api/jobs/{job_id}/structure", headers={"If-None-Match": tag})
            assert (answer.status_code, answer.get_json()["revision"]) == (200, *revision)


def test_a_deleted_job_is_not_served_from_memory(client, hand):
    job_id = hand.submit()
    client.post(f"/api/jobs/{job_id}/cancel")
    tag = client.get(f"/api/jobs/{job_id}/structure").headers["ETag"]
    client.delete(f"/api/jobs/{job_id}")
    problem(client.get(f"/api/jobs/{job_id}/structure", headers={"If-None-Match": tag}), 404)


def test_structure_of_more_jobs_than_are_kept_in_memory_stays_right(client, hand, monkeypatch):
    monkeypatch.setattr("jobsync.api.structure.KEPT", 3)
    names = [hand.submit() for _ in range(8)]
    for _ in range(2):
        for job_id in names:
            assert ok(client.get(f"/api/jobs/{job_id}/structure"))["job_id"] == job_id
    client.post(f"/api/jobs/{names[0]}/cancel")
    assert [ok(client.get(f"/api/jobs/{name}/structure"))["status"] for name in names] == [
        "cancelled"
    ] + ["pending"] * 7


# Children


def test_children_are_paged_in_the_order_they_were_planned(client, hand):
    job_id = hand.begin(number=5)
    first, second = hand.claim(number=2)
    hand.complete(first, {"n": 1})
    hand.fail(second, "no\nluck")
    path = f"/api/jobs/{job_id}/steps/a/children"
    page = ok(client.get(path))
    assert set(page) == {"items", "next_cursor", "total"} and page["total"] == 5
    assert [child["name"] for child in page["items"]] == ["c1", "c2", "c3", "c4", "c5"]
    assert all(set(child) == CHILD and isinstance(child["id"], str) for child in page["items"])
    done, failed, waiting = page["items"][:3]
    assert (done["status"], done["attempt"], done["input"], done["result"], done["error"]) == (
        "completed",
        1,
        {"n": 1},
        {"n": 1},
        None,
    )
    assert (failed["status"], failed["result"], failed["error"]) == ("failed", None, "no\nluck")
    assert (
        waiting["status"],
        waiting["attempt"],
        waiting["started_at"],
        waiting["finished_at"],
    ) == ("pending", 0, None, None)
    assert TIME.fullmatch(done["started_at"]) and TIME.fullmatch(done["finished_at"])
    seen, cursor = [], ""
    while cursor is not None:
        page = ok(
            client.get(path, query_string={"limit": 2, **({"cursor": cursor} if cursor else {})})
        )
        seen += [child["name"] for child in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ["c1", "c2", "c3", "c4", "c5"]
    some = ok(client.get(path, query_string={"status": "failed,pending", "limit": 2}))
    assert ([child["name"] for child in some["items"]], some["total"]) == (["c2", "c3"], 4)
    assert ok(client.get(path, query_string={"status": "running"})) == {
        "items": [],
        "next_cursor": None,
        "total": 0,
    }


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "status=skipped", "cursor=!!", "cursor=%00", "limit=x"]
)
def test_a_bad_query_of_children_is_refused_by_field(still, query):
    problem(
        still.get(f"/api/jobs/{still.job_id}/steps/a/children?{query}"),
        422,
        query.partition("=")[0],
    )


def test_odd_results_and_inputs_are_shown(client, hand):
    job_id = hand.begin()
    result = {
        "text": "\ud800 a\x00b \U0001f600",
        "whole": 10**40,
        "deep": json.loads("[" * 200 + "]" * 200),
        "": None,
        "<b>": [True, 1e-9],
    }
    hand.complete(*hand.claim(), result)
    shown = ok(client.get(f"/api/jobs/{job_id}/steps/a/children"))["items"][0]["result"]
    assert shown == result | {"text": "\ufffd a\x00b \U0001f600"}


# Log lines


def make_lines(number):
    """Return lines of all levels whose texts can be told apart, some with odd characters."""
    odd = [
        "Ärger %d",
        "50%%_of %d",
        "back\\slash %d",
        "\x1b[31mred %d\x1b[0m",
        "<script>%d</script>",
        "plain %d",
    ]
    return [
        line(odd[place % len(odd)] % place, LEVELS[(place * 7 // 3) % 4])
        for place in range(1, number + 1)
    ]


def expected_page(lines, after=None, before=None, limit=500, level="debug", q=""):
    """Return what the contract says of a page of `lines`: line numbers, and the total.

    `q` is looked for in what pages show.
    """
    matching = [
        number
        for number, found in enumerate(lines, 1)
        if LEVELS.index(found.level) >= LEVELS.index(level)
        and q.lower() in (found.message if "\x1b" in q else plain(found.message)).lower()
    ]
    if after is not None:
        return [
            number for number in matching if number > after and (before is None or number < before)
        ][:limit], len(matching)
    return [number for number in matching if before is None or number < before][-limit:], len(
        matching
    )


@pytest.mark.slow
def test_a_page_of_lines_is_what_the_contract_says_for_every_kind_of_question(client, hand):
    job_id, lines = hand.begin(), make_lines(97)
    hand.write_lines(job_id, lines)
    places = (None, 0, 1, 48, 96, 97, 98, 10_000)
    ranges = (
        [(place, None) for place in places]
        + [(None, place) for place in places[2:]]
        + [(3, 60), (60, 3), (0, 2**53)]
    )
    words = (None, "ärger", "0%_O", "\\", "<SCRIPT>", "nowhere", "\x1b[")
    limits = cycle((None, 1, 7, 5000))
    for level, q, (after, before) in product(LEVELS, words, ranges):
        query = {"level": level, "q": q, "after": after, "before": before, "limit": next(limits)}
        query = {name: value for name, value in query.items() if value is not None}
        page = ok(client.get(f"/api/jobs/{job_id}/logs", query_string={"step": "a", **query}))
        assert ([item["line"] for item in page["items"]], page["total"]) == expected_page(
            lines, **query
        ), query


def test_a_line_has_just_the_fields_of_the_contract(client, hand):
    job_id = hand.begin()
    (task,) = hand.claim()
    hand.complete(task, lines=[line("by the step"), line("by the child", "warning", task.child_pk)])
    page = ok(client.get(f"/api/jobs/{job_id}/logs?step=a"))
    assert set(page) == {"items", "total", "log_count"} and (page["total"], page["log_count"]) == (
        2,
        2,
    )
    assert all(
        set(item) == {"line", "step", "at", "level", "message", "child_id"}
        and TIME.fullmatch(item["at"])
        for item in page["items"]
    )
    (child,) = ok(client.get(f"/api/jobs/{job_id}/steps/a/children"))["items"]
    assert [
        (item["line"], item["step"], item["level"], item["message"], item["child_id"])
        for item in page["items"]
    ] == [
        (1, "a", "info", "by the step", None),
        (2, "a", "warning", "by the child", child["id"]),
    ]


def test_log_count_is_of_the_whole_step_and_total_of_what_matches(client, hand):
    job_id, lines = hand.begin(), make_lines(30)
    hand.write_lines(job_id, lines)
    page = ok(client.get(f"/api/jobs/{job_id}/logs?step=a&level=error&limit=1&q=1"))
    assert page["log_count"] == 30
    assert page["total"] == expected_page(lines, level="error", q="1")[1]


def test_by_default_the_last_500_lines_are_shown(client, hand):
    job_id = hand.begin()
    hand.write_lines(job_id, make_lines(501))
    assert [
        item["line"] for item in ok(client.get(f"/api/jobs/{job_id}/logs?step=a"))["items"]
    ] == list(range(2, 502))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "step"),
        ("step=", "step"),
        ("step=a&after=-1", "after"),
        ("step=a&after=1.5", "after"),
        ("step=a&after=" + "9" * 30, "after"),
        ("step=a&before=0", "before"),
        ("step=a&before=x", "before"),
        ("step=a&before=9223372036854775808", "before"),
        ("step=a&limit=0", "limit"),
        ("step=a&limit=5001", "limit"),
        ("step=a&level=fatal", "level"),
        ("step=a&level=", "level"),
        ("step=a&level=INFO", "level"),
        ("step=a&q=" + "x" * 201, "q"),
        ("step=a&q=%00", "q"),
        ("step=a&lines=5", "lines"),
    ],
)
def test_a_bad_query_of_lines_is_refused_by_field(still, query, field):
    problem(still.get(f"/api/jobs/{still.job_id}/logs?{query}"), 422, field)


@pytest.mark.parametrize(
    "query",
    [
        "limit=1",
        "limit=5000",
        "after=0",
        "before=1",
        f"after={2**53}",
        f"before={2**53}",
        f"after=0&before={2**53}&q=x",
    ],
)
def test_the_limits_of_a_page_of_lines_are_taken(still, query):
    ok(still.get(f"/api/jobs/{still.job_id}/logs?step=a&{query}"))


# Downloads


def test_a_text_download_has_all_lines_and_nothing_that_a_terminal_obeys(client, hand):
    job_id = hand.begin()
    hand.write_lines(
        job_id, [line("\x1b]0;title\x07\x9b31m\u2028 \x00 tab\there"), line("é <b>", "error")]
    )
    answer = client.get(f"/api/jobs/{job_id}/logs/download?step=a")
    assert (answer.status_code, answer.content_type) == (200, "text/plain; charset=utf-8")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{job_id}-a.log"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    rows = [row.split("\t", 4) for row in answer.get_data(as_text=True).splitlines()]
    assert [(row[0], row[1], row[3]) for row in rows] == [("a", "1", "info"), ("a", "2", "error")]
    assert (
        rows[0][4].endswith("tab\there")
        and "\\x1b]0;title\\x07\\x9b31m" in rows[0][4]
        and rows[1][4] == "é <b>"
    )
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", answer.get_data(as_text=True)
    )


def test_a_jsonl_download_has_the_lines_as_the_api_shows_them(client, hand):
    job_id, lines = hand.begin(), make_lines(20)
    hand.write_lines(job_id, lines)
    answer = client.get(f"/api/jobs/{job_id}/logs/download?step=a&format=jsonl&level=warning")
    assert answer.mimetype == "application/jsonl" and answer.headers[
        "Content-Disposition"
    ].endswith('.jsonl"')
    assert b"\x1b" not in answer.data
    shown = [json.loads(row) for row in answer.get_data(as_text=True).splitlines()]
    assert shown == ok(client.get(f"/api/jobs/{job_id}/logs?step=a&level=warning"))["items"]
    assert len(shown) == expected_page(lines, level="warning")[1]


def test_a_download_without_a_step_has_those_of_all_steps_in_the_order_of_the_definition(
    client, hand
):
    job_id = hand.begin(TWO_STEPS)
    hand.write_lines(job_id, [line("second")], "a")
    hand.write_lines(job_id, [line("first"), line("more")], "b")
    answer = client.get(f"/api/jobs/{job_id}/logs/download")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{job_id}.log"'
    assert [row.split("\t")[-1] for row in answer.get_data(as_text=True).splitlines()] == [
        "first",
        "more",
        "second",
    ]
    assert client.get(f"/api/jobs/{job_id}/logs/download?step=a&level=error").data == b""


@pytest.mark.parametrize(
    ("query", "field"),
    [("format=pdf", "format"), ("level=fatal", "level"), ("step=", "step"), ("limit=5", "limit")],
)
def test_a_bad_query_of_a_download_is_refused_by_field(still, query, field):
    problem(still.get(f"/api/jobs/{still.job_id}/logs/download?{query}"), 422, field)


# Health, documents


def test_health_is_always_good_and_readiness_names_what_is_missing(app, client, hand):
    assert ok(client.get("/healthz")) == {"status": "ok"}
    shown = ok(client.get("/readyz"), 503)
    assert shown["ready"] is False and len(shown["reasons"]) == 2
    hand.do(workers.register, "w1", 1)
    monitor = app.extensions["jobsync.monitor"] = Monitor(app)
    assert ok(client.get("/readyz")) == {"ready": True, "reasons": []}
    monitor.trouble.note("disk full")
    assert "disk full" in ok(client.get("/readyz"), 503)["reasons"][0]


def test_readiness_tells_of_a_database_that_can_not_be_read(app, client, hand):
    app.extensions["jobsync.monitor"] = Monitor(app)
    hand.do(drop_workers)
    shown = ok(client.get("/readyz"), 503)
    assert shown["reasons"] == ["The database can't be read: no such table: workers"]
    assert ok(client.get("/healthz"))


def drop_workers():
    with write() as connection:
        connection.execute(db.text("DROP TABLE workers"))


def test_the_docs_page_names_every_call_and_shape_and_needs_no_script_of_its_own_and_no_other_host(
    client,
):
    document = ok(client.get("/api/openapi.json"))
    answer = client.get("/api/docs")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200 and answer.mimetype == "text/html"
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page
    for name in ("Job", "Structure", "StructureStep", "LogLine", "Error", "NewJob"):
        assert f'id="shape-{name}"' in page
    assert 'href="/api/openapi.json"' in page
    assert set(re.findall(r"<script[^>]*>", page)) <= {
        '<script src="/static/js/lib/theme.js">',
        '<script type="module" src="/static/js/lib/frame.js">',
    }
    assert (
        "style=" not in page
        and "<style" not in page
        and not re.search(r"(src|href)=\"(https?:)?//", page)
    )
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors - {"main"} <= set(re.findall(r' id="([^"]+)"', page))


# On a real server


@pytest.fixture(scope="module")
def quiet_server(shared_server):
    """The shared server, a job of it that is at rest, and a hand on its store from this
    process: another one than the server's.
    """
    app = make_app(
        shared_server.folder, JOBSYNC_DEFINITIONS=str(shared_server.folder / "definitions")
    )
    shared_server.hand = Outside(app, shared_server.folder)
    shared_server.job_id = shared_server.submit("test_job", workers=1, lines=1, delay_ms=0)
    shared_server.wait_for_end(shared_server.job_id)
    return shared_server


def connect(server):
    place = urlsplit(server.url)
    return closing(http.client.HTTPConnection(place.hostname, place.port, timeout=20))


def chunks(size, piece=b" " * 8192):
    yield b'{"definition": "test_job", "params": {"workers": 1, "lines": 1}}'
    for _ in range(size // len(piece)):
        yield piece


def test_a_chunked_body_is_read_whole(shared_server):
    answer = shared_server.post(
        "/api/jobs", data=chunks(100_000), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 202 and answer.json()["params"]["lines"] == 1


@pytest.mark.parametrize("path", ["/api/jobs", "/api/jobs/x/cancel", "/api/jobs/x/rerun"])
def test_a_chunked_body_over_1_mib_is_413_and_the_server_goes_on(shared_server, path):
    total = shared_server.get("/api/jobs").json()["total"]
    answer = shared_server.post(
        path, data=chunks(2 * MIB), headers={"Content-Type": "application/json"}
    )
    problem(answer, 413)
    assert shared_server.get("/api/jobs").json()["total"] == total


def test_a_large_body_is_413_and_the_connection_can_be_used_again(shared_server):
    with connect(shared_server) as connection:
        for _ in range(2):
            connection.request(
                "POST", "/api/jobs", b"x" * (3 * MIB), {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["code"]) == (413, 413)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n10\r\n{}",
        b"Content-Length: 100\r\n\r\n{}",
        b"Content-Length: abc\r\n\r\n{}",
        b"Content-Length: -1\r\n\r\n{}",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_a_broken_body_is_a_client_error(shared_server, raw):
    place = urlsplit(shared_server.url)
    head = (
        f"POST /api/jobs HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
        "Connection: close\r\n"
    ).encode()
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        connection.sendall(head + raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.match(rb"HTTP/1\.[01] 4\d\d ", answer), answer[:200]


@pytest.mark.slow
def test_structure_is_never_older_than_a_commit_of_another_process(quiet_server):
    job_id = quiet_server.job_id
    before = quiet_server.structure(job_id)["steps"][0]["log_count"]
    with requests.Session() as session:
        for number in range(40):
            quiet_server.hand.write_lines(job_id, [line(str(number))], "prepare")
            answer = session.get(f"{quiet_server.url}/api/jobs/{job_id}/structure", timeout=20)
            assert answer.json()["steps"][0]["log_count"] == before + number + 1
            unchanged = session.get(
                answer.url, headers={"If-None-Match": answer.headers["ETag"]}, timeout=20
            )
            assert unchanged.status_code == 304


@pytest.mark.slow
def test_a_huge_download_is_streamed_while_others_are_served(quiet_server):
    number, job_id = 20_000, quiet_server.job_id
    quiet_server.hand.do(fill_with_lines, job_id, "publish", number, "x" * 2000)
    before, rows = memory_of(quiet_server.process.pid), 0
    with (
        quiet_server.get(f"/api/jobs/{job_id}/logs/download?step=publish", stream=True) as answer,
        requests.Session() as session,
    ):
        assert (
            answer.headers["Transfer-Encoding"] == "chunked"
            and "Content-Length" not in answer.headers
        )
        for place, piece in enumerate(answer.iter_content(1024 * 1024)):
            rows += piece.count(b"\n")
            if place % 8 == 0:
                assert session.get(f"{quiet_server.url}/healthz", timeout=20).status_code == 200
                # all lines at once would be more than 40
                assert memory_of(quiet_server.process.pid) - before < 20 * MIB
    assert rows >= number
    with quiet_server.get(f"/api/jobs/{job_id}/logs/download?step=publish", stream=True) as answer:
        next(answer.iter_content(1024))  # and this client goes away
    assert quiet_server.get("/healthz").status_code == 200
    assert "Traceback" not in quiet_server.log.read_text()


def fill_with_lines(job_id, step_name, number, text):
    moment = now()
    with write() as connection:
        step = connection.execute(
            select(Step.pk, Step.log_count).where(Step.job_id == job_id, Step.name == step_name)
        ).one()
        first = step.log_count + 1
        rows = [
            {"step_pk": step.pk, "line": place, "at": moment, "level": 1, "message": text}
            for place in range(first, first + number)
        ]
        connection.execute(insert(LogLine), rows)
        counts = {"log_count": Step.log_count + number, "info": Step.info + number}
        connection.execute(Step.__table__.update().where(Step.pk == step.pk).values(counts))
        lifecycle.rows.touch(connection, job_id)


def memory_of(pid):
    """Return the resident bytes of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024


@pytest.mark.parametrize(
    "path",
    [
        "/api/jobs?limit=1&limit=2",
        "/api/jobs/JOB/logs?step=a&step=b",
        "/api/jobs/JOB/steps/a/children?limit=1&limit=1",
    ],
)
def test_a_field_that_stands_twice_in_the_query_is_refused(still, path):
    answer = still.get(path.replace("JOB", still.job_id))
    assert answer.status_code == 422 and "Given more than once." in answer.text


def test_a_path_with_two_slashes_is_another_path(still):
    answer = still.get("/api/jobs//structure")
    assert answer.status_code == 404 and answer.json["code"] == 404
