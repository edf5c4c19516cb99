"""Bringing the database up to date: at once in several processes, on any version, and to
exactly what the models say.
"""

import logging
import re
import sqlite3
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask_migrate import upgrade
from sqlalchemy import create_engine, inspect, select, text

import jobsync
from helpers.apps import make_app, settings_for
from helpers.ask import fetch, jobs_page
from helpers.paths import ROOT
from jobsync.base.errors import SettingsError
from jobsync.db.extensions import db
from jobsync.db.migrate import MIGRATIONS, bring_up_to_date
from jobsync.db.models import Counter, JobWords
from jobsync.db.transactions import write
from jobsync.store import listing

UPGRADER = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}, {root!r} + "/tests"]
import jobsync
from helpers.apps import settings_for
from jobsync.db.migrate import bring_up_to_date
app = jobsync.create_app(settings_for(Path({folder!r})))
print("ready", flush=True)
sys.stdin.readline()
with app.app_context():
    bring_up_to_date(app.config["DATA_DIR"])
print("done", flush=True)
"""


@pytest.fixture
def new(tmp_path):
    """An app on a database that has no tables yet."""
    app = jobsync.create_app(settings_for(tmp_path))
    with app.app_context():
        yield app


def tables_of(database):
    with sqlite3.connect(database) as connection:
        found = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
    connection.close()
    return found


def test_an_empty_database_gets_all_tables(new):
    assert inspect(db.engine).get_table_names() == []
    bring_up_to_date(new.config["DATA_DIR"])
    assert set(inspect(db.engine).get_table_names()) == {*db.metadata.tables, "alembic_version"}
    assert fetch(select(Counter.value).where(Counter.name == "change")).scalar() == 0
    assert jobs_page()["items"] == []


def test_doing_it_again_changes_nothing_and_takes_no_write_lock(new):
    bring_up_to_date(new.config["DATA_DIR"])
    other = sqlite3.connect(db.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        bring_up_to_date(new.config["DATA_DIR"])
    finally:
        other.close()


def test_the_migrations_make_exactly_what_the_models_say(new):
    """Autogenerate finds nothing to do, and SQLite's own words for each table and index are
    those that the models would give.
    """
    bring_up_to_date(new.config["DATA_DIR"])
    with db.engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "render_as_batch": True}
        assert (
            compare_metadata(MigrationContext.configure(connection, opts=options), db.metadata)
            == []
        )
    assert words_of(db.engine) == words_of_models()


def words_of_models():
    engine = create_engine("sqlite://")
    db.metadata.create_all(engine)
    try:
        return words_of(engine)
    finally:
        engine.dispose()


def words_of(engine):
    """Return SQLite's `{name: SQL}` of all tables and indexes, what each column says in a fixed
    order.
    """
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
        ).all()
    # A column that was added stands behind the others, on the last line
    parts = {
        name: re.split(r"\n|, (?=[a-z_]+ [A-Z])|(?=\)$)", sql)
        for name, sql in rows
        if name != "alembic_version"
    }
    return {
        name: sorted(filter(None, (part.strip(" \t,") for part in found)))
        for name, found in parts.items()
    }


def test_processes_that_start_at_once_make_the_tables_once(tmp_path):
    code = UPGRADER.format(root=str(ROOT), folder=str(tmp_path))
    options = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    upgraders = [subprocess.Popen([sys.executable, "-c", code], **options) for _ in range(2)]
    assert [upgrader.stdout.readline() for upgrader in upgraders] == ["ready\n"] * 2
    for upgrader in upgraders:
        upgrader.stdin.write("\n")
        upgrader.stdin.flush()
    for upgrader in upgraders:
        written, errors = upgrader.communicate(timeout=60)
        assert (written, upgrader.returncode, "Traceback" in errors) == ("done\n", 0, False)
    assert "jobs" in tables_of(tmp_path / "data" / "jobsync.db")


def test_a_database_of_a_version_that_is_not_known_is_left_alone_with_one_line(tmp_path):
    app = make_app(tmp_path)
    with app.app_context():
        with write() as connection:
            connection.execute(db.text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(SettingsError, match="was made by another version of jobsync: 9999"):
            bring_up_to_date(app.config["DATA_DIR"])
        assert "jobs" in inspect(db.engine).get_table_names()


def test_an_upgrade_that_was_cut_off_leaves_nothing_half_done(new, monkeypatch):
    """It is one transaction: the next start finds what there was before."""

    class PowerCut(BaseException):
        """Ends it in the middle."""

    def cut(connection, cursor, statement, *_):
        if statement.startswith("\nCREATE TABLE children"):
            raise PowerCut

    db.event.listen(db.engine, "before_cursor_execute", cut)
    try:
        with pytest.raises(PowerCut):
            bring_up_to_date(new.config["DATA_DIR"])
    finally:
        db.event.remove(db.engine, "before_cursor_execute", cut)
    assert "jobs" not in inspect(db.engine).get_table_names()
    bring_up_to_date(new.config["DATA_DIR"])
    assert set(db.metadata.tables) <= set(inspect(db.engine).get_table_names())


def test_loggers_that_were_there_go_on_after_an_upgrade(new):
    logger = logging.getLogger("somebody.elses")
    bring_up_to_date(new.config["DATA_DIR"])
    assert not logger.disabled


JOB = """INSERT INTO jobs (
        id, definition, name, status, revision, change, params, tags, source,
        created_at, updated_at)
    VALUES (:id, 'd', 'Do it', 'completed', 1, :change, :params, '[]', 'api', :change, 0)"""


def test_jobs_of_a_database_that_had_no_words_are_found_by_them(new):
    upgrade(directory=str(MIGRATIONS), revision="0001")
    params = ['{"path":"C:\\\\Straße \\"q\\""}', '{"dry":true,"count":3}']
    with db.engine.connect() as connection:
        for number, text_of_params in enumerate(params):
            connection.execute(
                text(JOB), {"id": f"job{number}", "change": number, "params": text_of_params}
            )
        connection.commit()
    bring_up_to_date(new.config["DATA_DIR"])
    made = fetch(select(JobWords.words).order_by(JobWords.number)).scalars().all()
    assert made == [
        listing.words_of(job["id"], job["name"], job["params"])
        for job in jobs_page()["items"][::-1]
    ]
    assert [job["id"] for job in jobs_page(q='c:\\STRASSE "Q"')["items"]] == ["job0"]
    assert [job["id"] for job in jobs_page(q="dry true")["items"]] == ["job1"]
