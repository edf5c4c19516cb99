"""Rows that hold what they shouldn't: whatever it is, pages and lists stay, say it at that row, show the others, and log it once."""

import re
import sqlite3
from contextlib import closing

import pytest
from by_hand import line
from sqlalchemy import make_url

from jobsync import lifecycle, sound, store
from jobsync.extensions import db
from jobsync.models import Child, Job, LogLine, Step
from jobsync.web import parts

# As SQLite writes them: no JSON, other JSON, JSON that is too deep or says what can't be sent, no text, no UTF-8, numbers, nothing
VALUES = [
    "'{'", "'[1, {}]'", "printf('%.*c', 100000, '[')", "'{\"a\": \"\\ud800\"}'", "'<b>weird'", "X'ff00'", "CAST(X'ff' AS TEXT)", "-1", "1.5",
    "9000000000000000000", "99999999999999", "NULL",
]  # fmt: skip
KEYS = {"jobs": {"number", "id"}, "steps": {"pk", "job_id", "position", "name"}, "children": {"pk", "step_pk", "key"}, "log_lines": {"step_pk", "line"}}
COLUMNS = [(model.__table__.name, column.key) for model in (Job, Step, Child, LogLine) for column in model.__table__.columns]
columns = pytest.mark.parametrize(("table", "column"), [(table, column) for table, column in COLUMNS if column not in KEYS[table]])
SHOWING = {
    "jobs": ["/api/jobs/{}", "/api/jobs/{}/structure", "/jobs/{}/result"],
    "steps": ["/api/jobs/{}/structure", "/api/jobs/{}/steps/a/children", "/api/jobs/{}/logs?step=a", "/jobs/{}/failures"],
    "children": ["/api/jobs/{}/steps/a/children", "/jobs/{}/failures"],
    "log_lines": ["/api/jobs/{}/logs?step=a", "/api/jobs/{}/logs?step=a&level=error", "/api/jobs/{}/logs/download"],
}
DEFINITION = '[params.text]\ntype = "string"\ndefault = "usual"'


@pytest.fixture
def client(core, hand):
    core.testing = False
    return core.test_client()


@pytest.fixture(autouse=True)
def nothing_told_yet():
    sound._told.clear()
    parts._told.clear()


@pytest.fixture
def jobs(hand):
    """Return the ids of jobs in every state, each with a step, a child and lines: a whole one first, then one for each value."""
    return [begun(hand, ("complete", "fail", None)[place % 3]) for place in range(len(VALUES) + 1)]


def begun(hand, end):
    job_id = hand.begin(head=DEFINITION)
    (task,) = hand.claim()
    if end:
        getattr(hand, end)(task, lines=[line("written", child_pk=task.child_pk), line("odd", "error", task.child_pk)])
        hand.advance(job_id)
    return job_id


def spoil(core, table, column, jobs):
    """Put each of VALUES into that column of a job's rows. Returns `{job id: value}` of those that the database took."""
    path = make_url(core.config["SQLALCHEMY_DATABASE_URI"]).database
    of_job = {
        "jobs": "id = ?",
        "steps": "job_id = ?",
        "children": "step_pk IN (SELECT pk FROM steps WHERE job_id = ?)",
        "log_lines": "step_pk IN (SELECT pk FROM steps WHERE job_id = ?)",
    }
    taken = {}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for job_id, value in zip(jobs, VALUES, strict=True):
            try:
                connection.execute(f"UPDATE {table} SET {column} = {value} WHERE {of_job[table]}", (job_id,))
                taken[job_id] = value
            except sqlite3.IntegrityError:
                assert value == "NULL"
        connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'change'")
    db.session.rollback()
    return taken


def get(client, path, status=200):
    response = client.get(path)
    assert response.status_code == status, (path, response.status_code, response.text[-2000:])
    return response


@columns
def test_no_page_or_list_fails_because_of_one_row(table, column, core, client, jobs, caplog):
    whole, *others = jobs
    taken = spoil(core, table, column, others)
    get(client, "/?q=d&status=running,completed,failed")
    get(client, "/?since=2020-01-01&until=2030-01-01")
    page = get(client, "/").text
    assert all(f"/jobs/{job_id}" in page for job_id in jobs)
    assert re.search(rf'data-job-id="{whole}" data-status="completed" data-revision="\d+"', page)
    get(client, "/definitions/d")
    listed = get(client, "/api/jobs?limit=200").json
    assert {job["id"] for job in listed["items"]} == set(jobs)
    for job_id in taken:
        assert f'data-job-id="{job_id}"' in get(client, f"/jobs/{job_id}?open=a").text
        for path in SHOWING[table]:
            get(client, path.format(job_id))
    assert {record.name for record in caplog.records} <= {"jobsync.sound", "jobsync.web.parts"}


@pytest.mark.parametrize("column", ["number", "id"])
def test_keys_that_are_none_leave_the_others_in_the_list(column, core, client, jobs):
    whole, *others = jobs
    values = VALUES if column == "id" else []
    path = make_url(core.config["SQLALCHEMY_DATABASE_URI"]).database
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for place, job_id in enumerate(others):
            value = f"{values[place]}" if values else str(2**62 + place)
            try:
                connection.execute(f"UPDATE jobs SET {column} = {value} WHERE id = ?", (job_id,))
            except sqlite3.IntegrityError:
                assert value == "NULL"
        connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'change'")
    db.session.rollback()
    assert f'data-job-id="{whole}"' in get(client, "/").text
    assert whole in {job["id"] for job in get(client, "/api/jobs").json["items"]}


def test_a_damaged_job_says_so_and_is_logged_once(core, client, jobs, caplog):
    spoil(core, "jobs", "params", jobs[1:])
    for _ in "123":
        page, of_job = get(client, "/").text, get(client, f"/jobs/{jobs[1]}").text
    assert "Damaged in the database: params" in of_job
    wrong = len(re.findall("Damaged in the database: params", page))
    assert 0 < wrong < len(VALUES)
    assert len(caplog.records) == wrong
    assert f"the row '{jobs[1]}' of the table jobs holds what can't be used: params" in caplog.text


def test_what_can_not_be_run_again_says_why(core, client, jobs):
    spoil(core, "jobs", "params", jobs[1:])
    answer = client.post(f"/api/jobs/{jobs[1]}/rerun")
    assert (answer.status_code, "can't be read" in answer.json["message"]) == (409, True)


@pytest.mark.parametrize("template", ["jobs/_row.html", "jobs/_step.html", "jobs/_result.html", "jobs/_runs.html"])
def test_a_part_that_fails_for_another_reason_is_contained_too(template, core, client, jobs, caplog, monkeypatch):
    """Whatever the reason: a template that raises stands for all that can't be foreseen."""
    real = core.jinja_env.get_template

    def get_template(name, *rest, **options):
        return core.jinja_env.from_string("{{ 1 // 0 }}") if name == template else real(name, *rest, **options)

    monkeypatch.setattr(core.jinja_env, "get_template", get_template)
    page = get(client, "/").text + get(client, f"/jobs/{jobs[0]}").text
    get(client, "/")
    assert "can&#39;t be shown" in page or "can't be shown" in page
    whats = [record.getMessage() for record in caplog.records]
    assert whats and len(whats) == len(set(whats))


# A definition that has changed


CHANGES = {
    "gone": None,
    "without its parameters": "",
    "another kind": '[params.folder]\ntype = "integer"\ndefault = 3',
    "required": '[params.folder]\ntype = "path"',
    "choices": '[params.folder]\ntype = "string"\nchoices = ["a"]\ndefault = "a"',
    "more": '[params.folder]\ntype = "path"\ndefault = "nowhere/at/all"\n[params.other]\ntype = "number"\ndefault = 0.5',
    "broken": "= no toml",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_job_is_listed_whatever_has_become_of_its_definition(change, hand, client, folder, tmp_path):
    place = tmp_path / "here"
    place.mkdir()
    definition = hand.define(f'id = "d"\n[params.folder]\ntype = "path"\ndefault = "{place}"\n[step.a]\ntype = "by_hand"')
    job_id = lifecycle.submit(definition, {}, "api")
    place.rmdir()
    for file in (folder / "definitions").glob("*.toml"):
        file.unlink()
    if CHANGES[change] is not None:
        hand_text = f'id = "d"\n{CHANGES[change]}\n[step.a]\ntype = "by_hand"'
        (folder / "definitions" / "d.toml").write_text(hand_text)
    with store.write():
        pass
    assert f'data-job-id="{job_id}"' in get(client, "/").text
    get(client, f"/jobs/{job_id}")
    get(client, "/definitions/d", 404 if change in ("gone", "broken") else 200)


def test_a_default_that_has_vanished_is_the_default_still_on_both_pages(hand, client, tmp_path):
    place = tmp_path / "here"
    place.mkdir()
    definition = hand.define(f'id = "d"\n[params.folder]\ntype = "path"\ndefault = "{place}"\n[params.n]\ntype = "integer"\ndefault = 3\n[step.a]\ntype = "by_hand"')
    lifecycle.submit(definition, {"n": 4}, "api")
    place.rmdir()
    row = re.search(r'<span class="row-params small"[^>]*>(.*?)\n', get(client, "/").text, re.DOTALL)[1]
    assert re.sub("<[^>]+>", "", row).split() == ["n", "4"]
    assert "n 4</span>" in re.sub(r"\s+", " ", get(client, "/definitions/d").text)


@pytest.mark.parametrize("default", [".", "~", "sub/folder", "/somewhere"])
def test_a_relative_default_is_the_same_on_both_pages(default, hand):
    definition = hand.define(f'id = "d"\n[params.folder]\ntype = "path"\ndefault = "{default}"\n[step.a]\ntype = "by_hand"')
    [param] = definition.params
    assert definition.differences({"folder": param.default_value()}) == {}
    assert definition.differences({"folder": "/other", "gone": 1}) == {"folder": "/other", "gone": 1}
