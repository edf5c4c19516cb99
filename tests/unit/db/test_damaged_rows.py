"""Rows that hold what they shouldn't: whatever it is, pages and lists stay, say it at that row,
show the others, and log it once.
"""

import re
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import JSON, Boolean, Float, Integer, make_url
from sqlalchemy.exc import OperationalError

from helpers.by_hand import hand_on, line
from jobsync import lifecycle
from jobsync.base.errors import NotFound
from jobsync.db import damage
from jobsync.db.models import Attempt, Child, Job, LogLine, Step, Stop
from jobsync.db.transactions import write
from jobsync.web import parts

# As SQLite writes them: numbers that no count or time has, bytes, text that is no UTF-8 or means
# nothing, JSON that is none, is another thing, is too deep or can't be sent on, and nothing at all
NUMBERS = ["'<b>weird'", "X'ff00'", "-1", "1.5", "9000000000000000000", "99999999999999", "NULL"]
TEXTS = ["'<b>weird'", "X'ff00'", "CAST(X'ff' AS TEXT)", "''", "NULL"]
JSONS = [
    "'{'",
    "'[1, {}]'",
    "printf('%.*c', 100000, '[')",
    '\'{"a": "\\ud800"}\'',
    "'\"x\"'",
    "X'ff00'",
    "CAST(X'ff' AS TEXT)",
    "5",
    "1.5",
    "'null'",
    "NULL",
]
MOST = max(map(len, (NUMBERS, TEXTS, JSONS)))
KEYS = {
    "jobs": {"number", "id"},
    "steps": {"pk", "job_id", "position", "name"},
    "children": {"pk", "step_pk", "key"},
    "log_lines": {"step_pk", "line"},
    "attempts": {"child_pk", "attempt"},
    "stops": {"step_pk", "child_pk", "attempt"},
}
COLUMNS = {
    f"{model.__table__.name}.{column.key}": column.type
    for model in (Job, Step, Child, LogLine, Attempt, Stop)
    for column in model.__table__.columns
}
columns = pytest.mark.parametrize(
    "name", [name for name in COLUMNS if name.partition(".")[2] not in KEYS[name.partition(".")[0]]]
)
TABLES = ("counters", "jobs", "job_words", "steps", "children", "log_lines", "attempts", "stops")
SHOWING = {
    "jobs": ["/api/jobs/{}", "/api/jobs/{}/structure", "/jobs/{}/result"],
    "steps": [
        "/api/jobs/{}/structure",
        "/api/jobs/{}/steps/a/children",
        "/api/jobs/{}/logs?step=a",
        "/jobs/{}/failures",
    ],
    "children": [
        "/api/jobs/{}/steps/a/children",
        "/api/jobs/{}/steps/a/children?sort=duration",
        "/api/jobs/{}/steps/a/children/{child}",
        "/jobs/{}/failures",
    ],
    "attempts": ["/api/jobs/{}/steps/a/children/{child}"],
    "stops": ["/api/jobs/{}", "/api/jobs/{}/steps/a/children"],
    "log_lines": [
        "/api/jobs/{}/logs?step=a",
        "/api/jobs/{}/logs?step=a&level=error",
        "/api/jobs/{}/logs/download",
    ],
}
DEFINITION = '[params.text]\ntype = "string"\ndefault = "usual"'


@pytest.fixture
def client(core, hand):
    return core.test_client()


@pytest.fixture(autouse=True)
def nothing_told_yet(core):
    core.extensions.pop(damage.KEY, None)
    core.extensions.pop(parts.KEY, None)


@pytest.fixture(scope="module")
def made(core, folder):
    """A store with jobs in several states, each with a step, a child and lines: `({table:
    rows}, the jobs' ids)`. The first is to stay whole.
    """
    with hand_on(core, folder) as hand:
        ends = ("complete", "fail", None, "cancel")
        jobs = [begun(hand, ends[place % len(ends)]) for place in range(MOST + 1)]
        with closing(sqlite3.connect(database_of(core))) as connection:
            return {
                table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES
            }, jobs


@pytest.fixture
def jobs(core, hand, made):
    """Put these jobs into the store and return their ids."""
    tables, ids = made
    with closing(sqlite3.connect(database_of(core))) as connection:
        for table, rows in tables.items():
            connection.execute(f"DELETE FROM {table}")
            connection.executemany(
                f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows
            )
        connection.commit()
    return ids


def database_of(core):
    return make_url(core.config["SQLALCHEMY_DATABASE_URI"]).database


def begun(hand, end):
    job_id = hand.begin(head=DEFINITION)
    (task,) = hand.claim()
    if end == "cancel":
        lifecycle.cancel(job_id)
    elif end:
        getattr(hand, end)(
            task,
            lines=[line("written", child_pk=task.child_pk), line("odd", "error", task.child_pk)],
        )
        hand.advance(job_id)
    return job_id


OF_JOB = {
    "jobs": "id = ?",
    "steps": "job_id = ?",
    **dict.fromkeys(
        ("children", "log_lines", "stops"), "step_pk IN (SELECT pk FROM steps WHERE job_id = ?)"
    ),
    "attempts": (
        "child_pk IN (SELECT pk FROM children WHERE step_pk IN"
        " (SELECT pk FROM steps WHERE job_id = ?))"
    ),
}


def spoil(core, table, column, values, jobs):
    """Put each of the values into that column of a job's rows.

    Returns the ids of the jobs of which the database took it.
    """
    taken = []
    with closing(sqlite3.connect(database_of(core), isolation_level=None)) as connection:
        for job_id, value in zip(jobs, values, strict=False):
            try:
                connection.execute(
                    f"UPDATE {table} SET {column} = {value} WHERE {OF_JOB[table]}", (job_id,)
                )
                taken.append(job_id)
            except sqlite3.IntegrityError:
                assert value == "NULL"
        connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'change'")
    return taken


def get(client, path, status=200):
    response = client.get(path)
    assert response.status_code == status, (path, response.status_code, response.text[-2000:])
    return response


@pytest.mark.slow
@columns
def test_no_page_or_list_fails_because_of_one_row(name, core, client, jobs, caplog):
    whole, *others = jobs
    table, _, column = name.partition(".")
    kind = COLUMNS[name]
    taken = spoil(
        core,
        table,
        column,
        JSONS
        if isinstance(kind, JSON)
        else NUMBERS
        if isinstance(kind, Integer | Boolean | Float)
        else TEXTS,
        others,
    )
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
        (child,) = get(client, f"/api/jobs/{job_id}/steps/a/children").json["items"]
        for path in SHOWING[table]:
            get(client, path.format(job_id, child=child["id"]))
    assert {record.name for record in caplog.records} <= {"jobsync.db.damage", "jobsync.web.parts"}


@pytest.mark.parametrize(
    ("column", "values"), [("number", [str(2**62 + place) for place in range(MOST)]), ("id", TEXTS)]
)
def test_keys_that_are_none_leave_the_others_in_the_list(column, values, core, client, jobs):
    whole, *others = jobs
    assert spoil(core, "jobs", column, values, others)
    assert f'data-job-id="{whole}"' in get(client, "/").text
    assert whole in {job["id"] for job in get(client, "/api/jobs").json["items"]}


def test_a_damaged_job_says_so_and_is_logged_once(core, client, jobs, caplog):
    spoil(core, "jobs", "params", JSONS, jobs[1:])
    for _ in "123":
        page, of_job = get(client, "/").text, get(client, f"/jobs/{jobs[1]}").text
    assert "Damaged in the database: params" in of_job
    wrong = len(re.findall("Damaged in the database: params", page))
    assert 0 < wrong < len(JSONS)
    assert len(caplog.records) == wrong
    assert f"the row '{jobs[1]}' of the table jobs holds what can't be used: params" in caplog.text


def test_what_can_not_be_run_again_says_why(core, client, jobs):
    spoil(core, "jobs", "params", JSONS, jobs[1:])
    answer = client.post(f"/api/jobs/{jobs[1]}/rerun")
    assert (answer.status_code, "can't be read" in answer.json["message"]) == (409, True)


@pytest.mark.parametrize(
    "template", ["jobs/_row.html", "jobs/_step.html", "jobs/_result.html", "jobs/_runs.html"]
)
def test_a_part_that_fails_for_another_reason_is_contained_too(
    template, core, client, jobs, caplog, monkeypatch
):
    """Whatever the reason: a template that raises stands for all that can't be foreseen."""
    real = core.jinja_env.get_template

    def get_template(name, *rest, **options):
        return (
            core.jinja_env.from_string("{{ 1 // 0 }}")
            if name == template
            else real(name, *rest, **options)
        )

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
    "more": (
        '[params.folder]\ntype = "path"\ndefault = "nowhere/at/all"\n'
        '[params.other]\ntype = "number"\ndefault = 0.5'
    ),
    "broken": "= no toml",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_job_is_listed_whatever_has_become_of_its_definition(
    change, hand, client, folder, tmp_path
):
    place = tmp_path / "here"
    place.mkdir()
    definition = hand.define(
        f'id = "d"\n[params.folder]\ntype = "path"\ndefault = "{place}"\n[step.a]\ntype = "by_hand"'
    )
    job_id = lifecycle.submit(definition, {}, "api")
    place.rmdir()
    for file in (folder / "definitions").glob("*.toml"):
        file.unlink()
    if CHANGES[change] is not None:
        hand_text = f'id = "d"\n{CHANGES[change]}\n[step.a]\ntype = "by_hand"'
        (folder / "definitions" / "d.toml").write_text(hand_text)
    with write():
        pass
    assert f'data-job-id="{job_id}"' in get(client, "/").text
    get(client, f"/jobs/{job_id}")
    get(client, "/definitions/d", 404 if change in ("gone", "broken") else 200)


def test_a_default_that_has_vanished_is_the_default_still_on_both_pages(hand, client, tmp_path):
    place = tmp_path / "here"
    place.mkdir()
    definition = hand.define(
        f'id = "d"\n[params.folder]\ntype = "path"\ndefault = "{place}"\n'
        '[params.n]\ntype = "integer"\ndefault = 3\n[step.a]\ntype = "by_hand"'
    )
    lifecycle.submit(definition, {"n": 4}, "api")
    place.rmdir()
    row = re.search(
        r'<span class="row-params small"[^>]*>(.*?)\n', get(client, "/").text, re.DOTALL
    )[1]
    assert re.sub("<[^>]+>", "", row).split() == ["n", "4"]
    assert "n 4</span>" in re.sub(r"\s+", " ", get(client, "/definitions/d").text)


@pytest.mark.parametrize("default", [".", "~", "sub/folder", "/somewhere"])
def test_a_relative_default_is_the_same_on_both_pages(default, hand):
    definition = hand.define(
        f'id = "d"\n[params.folder]\ntype = "path"\ndefault = "{default}"\n'
        '[step.a]\ntype = "by_hand"'
    )
    [param] = definition.params
    assert definition.differences({"folder": param.default_value()}) == {}
    assert definition.differences({"folder": "/other", "gone": 1}) == {
        "folder": "/other",
        "gone": 1,
    }


@pytest.mark.parametrize(
    "error", [NotFound("gone"), OperationalError("", {}, Exception("disk I/O error"))]
)
def test_what_is_wrong_with_the_whole_is_no_broken_part(error):
    def fail():
        raise error

    with pytest.raises(type(error)):
        parts.contained("A part", fail)
