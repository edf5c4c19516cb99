"""Settings: each bad value is one line that names the variable, the value and what is allowed;
the secret is made once.
"""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

import config
from faults.faulty import workers_of
from helpers.paths import ROOT
from jobsync.base.errors import SettingsError
from jobsync.db import sqlite


def load(folder, **variables):
    return config.load({"JOBSYNC_DATA_DIR": str(folder), **variables})


def test_without_any_variable_the_defaults_are_those_of_the_contract(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = config.load({})
    assert (settings.host, settings.port, settings.log_limit, settings.allowed_hosts) == (
        "127.0.0.1",
        5000,
        1_000_000,
        (),
    )
    assert settings.log_bytes == 1024**3
    assert (settings.data_dir, settings.definitions) == (
        tmp_path / "instance",
        tmp_path / "definitions",
    )
    assert make_url(settings.database_url).database == str(tmp_path / "instance" / "jobsync.db")
    assert settings.workers >= 1 and not settings.trust_network


def test_an_empty_variable_counts_as_none(tmp_path):
    names = (
        "HOST",
        "PORT",
        "ALLOWED_HOSTS",
        "DATABASE_URL",
        "DEFINITIONS",
        "WORKERS",
        "LOG_LIMIT",
        "LOG_BYTES",
        "REDIS_URL",
        "SECRET_KEY",
        "TRUST_NETWORK",
    )
    assert load(tmp_path, **{f"JOBSYNC_{name}": "" for name in names}) == load(tmp_path)


def test_good_values_are_taken(tmp_path):
    settings = load(
        tmp_path / "not there yet",
        JOBSYNC_HOST="::1",
        JOBSYNC_PORT="0",
        JOBSYNC_WORKERS="0",
        JOBSYNC_LOG_LIMIT="7",
        JOBSYNC_LOG_BYTES="2048",
        JOBSYNC_ALLOWED_HOSTS="Example.org, localhost:8000,",
        JOBSYNC_DATABASE_URL=f"sqlite:///{tmp_path}/other.db",
        JOBSYNC_SECRET_KEY="mine",
    )
    assert (
        settings.host,
        settings.port,
        settings.workers,
        settings.log_limit,
        settings.log_bytes,
    ) == ("::1", 0, 0, 7, 2048)
    assert settings.allowed_hosts == ("example.org", "localhost:8000")
    assert settings.database_url == f"sqlite:///{tmp_path}/other.db"
    assert settings.secret_key == "mine"
    assert settings.data_dir.is_dir() and not (settings.data_dir / "secret.key").exists()


BAD = [
    ("JOBSYNC_PORT", "http", "a whole number from 0 to 65535"),
    ("JOBSYNC_PORT", "-1", "a whole number"),
    ("JOBSYNC_PORT", "65536", "a whole number"),
    ("JOBSYNC_PORT", " 80", "a whole number"),
    ("JOBSYNC_PORT", "80.0", "a whole number"),
    ("JOBSYNC_PORT", "٣٤", "a whole number"),
    ("JOBSYNC_PORT", "9" * 5000, "a whole number"),
    ("JOBSYNC_WORKERS", "many", "a whole number from 0 to 256"),
    ("JOBSYNC_WORKERS", "257", "a whole number from 0 to 256"),
    ("JOBSYNC_LOG_LIMIT", "0", "a whole number from 1"),
    ("JOBSYNC_LOG_LIMIT", "1e6", "a whole number from 1"),
    ("JOBSYNC_LOG_BYTES", "1023", "a whole number from 1024"),
    ("JOBSYNC_LOG_BYTES", "1 GiB", "a whole number from 1024"),
    ("JOBSYNC_TRUST_NETWORK", "yes", "0 or 1"),
    ("JOBSYNC_PAINT_SAMPLING", "5%", "a share from 0 to 1"),
    ("JOBSYNC_PAINT_SAMPLING", "1.5", "a share from 0 to 1"),
    ("JOBSYNC_PAINT_SAMPLING", "nan", "a share from 0 to 1"),
    ("JOBSYNC_ALLOWED_HOSTS", "http://example.org", "host names"),
    ("JOBSYNC_ALLOWED_HOSTS", "a b", "host names"),
    ("JOBSYNC_ALLOWED_HOSTS", "*", "host names"),
    ("JOBSYNC_ALLOWED_HOSTS", "example.org:http", "host names"),
    ("JOBSYNC_DEFINITIONS", "/no/such/folder", "a folder that can be read"),
    ("JOBSYNC_DEFINITIONS", "/etc/passwd", "a folder that can be read"),
    ("JOBSYNC_DATABASE_URL", "sqlite:////etc/passwd", "sqlite:///PATH"),
    ("JOBSYNC_HOST", "0.0.0.0", "a loopback address"),
    ("JOBSYNC_HOST", "::", "a loopback address"),
    ("JOBSYNC_HOST", "192.168.1.7", "a loopback address"),
    ("JOBSYNC_HOST", "example.org", "a loopback address"),
    ("JOBSYNC_HOST", "127.0.0.1 ", "a loopback address"),
    (
        "JOBSYNC_DATABASE_URL",
        "postgresql://localhost/jobsync",
        "other databases aren't supported yet",
    ),
    ("JOBSYNC_DATABASE_URL", "jobsync.db", "sqlite:///PATH"),
    ("JOBSYNC_DATABASE_URL", "sqlite://", "sqlite:///PATH"),
    ("JOBSYNC_DATABASE_URL", "sqlite:///", "sqlite:///PATH"),
    ("JOBSYNC_DATABASE_URL", "sqlite:///:memory:", "sqlite:///PATH"),
    ("JOBSYNC_DATABASE_URL", "sqlite:///x.db?mode=ro", "sqlite:///PATH"),
    ("JOBSYNC_DATABASE_URL", "sqlite+pysqlcipher:///x.db", "sqlite:///PATH"),
    ("JOBSYNC_DATABASE_URL", "sqlite://host:port/x.db", "sqlite:///PATH"),
    (
        "JOBSYNC_DATABASE_URL",
        "sqlite:////no/such/folder/x.db",
        "a SQLite file in a folder that can be written to",
    ),
    ("JOBSYNC_DATABASE_URL", "sqlite:////", "a SQLite file in a folder that can be written to"),
    ("JOBSYNC_REDIS_URL", "redis://localhost", "left out"),
    ("JOBSYNC_DATA_DIR", "/dev/null/data", "a folder that can be written to"),
    ("JOBSYNC_DATA_DIR", "/proc/data", "a folder that can be written to"),
]


@pytest.mark.parametrize(
    ("name", "value", "allowed"), BAD, ids=[f"{name[8:]}={value[:20]}" for name, value, _ in BAD]
)
def test_a_bad_value_is_one_line_with_the_variable_the_value_and_what_is_allowed(
    tmp_path, name, value, allowed
):
    with pytest.raises(SettingsError) as caught:
        load(**{"folder": tmp_path, name: value}) if name != "JOBSYNC_DATA_DIR" else config.load(
            {name: value}
        )
    message = caught.value.message
    assert "\n" not in message
    assert message.startswith(f"{name}={value!r} ") and allowed in message


def test_a_data_folder_that_is_a_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(
        SettingsError, match=f"JOBSYNC_DATA_DIR='{file}' is not possible: it must be a folder"
    ):
        load(file)


def test_a_password_in_a_refused_address_is_not_shown(tmp_path):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, JOBSYNC_DATABASE_URL="postgresql://me:hunter2@db.example.org/jobsync")
    assert "db.example.org" in caught.value.message and "hunter2" not in caught.value.message


def test_an_address_beyond_loopback_is_taken_when_the_network_is_trusted(tmp_path):
    assert load(tmp_path, JOBSYNC_HOST="0.0.0.0", JOBSYNC_TRUST_NETWORK="1").host == "0.0.0.0"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]"])
def test_loopback_addresses_are_taken(tmp_path, host):
    assert load(tmp_path, JOBSYNC_HOST=host).host == host


@pytest.mark.parametrize("name", ["what?", "50% #1", "a&b=c", "ä ö", "a'b"])
def test_the_data_folder_may_have_any_name(tmp_path, name):
    settings = load(tmp_path / name)
    assert make_url(settings.database_url).database == str(tmp_path / name / "jobsync.db")


def test_a_relative_path_of_the_database_is_one_from_the_present_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert make_url(
        load(tmp_path, JOBSYNC_DATABASE_URL="sqlite:///own.db").database_url
    ).database == str(tmp_path / "own.db")


# The secret


def test_the_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path):
    first = load(tmp_path).secret_key
    assert len(first) >= 32 and load(tmp_path).secret_key == first
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]
    assert load(tmp_path / "other").secret_key != first


def test_many_who_make_the_secret_at_once_end_up_with_the_same(tmp_path):
    barrier, secrets = threading.Barrier(12), []

    def make():
        barrier.wait()
        secrets.append(load(tmp_path).secret_key)

    threads = [threading.Thread(target=make) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(secrets) == 12 and len(set(secrets)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "is not ASCII text")],
)
def test_a_secret_that_is_none_is_told_in_one_line(tmp_path, content, reason):
    (tmp_path / "secret.key").write_bytes(content)
    with pytest.raises(SettingsError, match=reason):
        load(tmp_path)


def test_a_secret_that_can_not_be_read_is_told_in_one_line(tmp_path):
    (tmp_path / "secret.key").mkdir()
    with pytest.raises(SettingsError, match="secret.key can't be used: it must be a regular file"):
        load(tmp_path)


def test_who_needs_no_secret_makes_none_and_it_is_not_shown(tmp_path):
    assert (
        config.load({"JOBSYNC_DATA_DIR": str(tmp_path / "new")}, with_secret=False).secret_key == ""
    )
    assert list((tmp_path / "new").iterdir()) == []
    assert "mine" not in repr(load(tmp_path, JOBSYNC_SECRET_KEY="mine"))


# Rights


@pytest.fixture(params=[0, 0o022, 0o077, 0o277, 0o777], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes_below(folder):
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode)
        for path in [folder, *folder.rglob("*")]
    }


def test_the_data_folder_and_all_in_it_are_their_owner_s_alone_whatever_the_umask(tmp_path, umask):
    folder = tmp_path / "data"
    settings = load(folder)
    with sqlite.upgrade_lock(folder):
        sqlite.prepare(engine := create_engine(settings.database_url))
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE t (n INTEGER)")
            found = modes_below(folder)
    files = ("secret.key", "jobsync.db", "jobsync.db-wal", "jobsync.db-shm", "upgrade.lock")
    assert found == {".": 0o700, **dict.fromkeys(files, 0o600)}
    assert config.open_to_others_words(settings) is None
    engine.dispose()


def test_what_was_there_keeps_its_rights_and_is_told_of_in_one_line(tmp_path):
    folder = tmp_path / "my data"
    folder.mkdir(mode=0o755)
    database = folder / "jobsync.db"
    database.touch(mode=0o644)
    os.chmod(database, 0o644)
    os.chmod(folder, 0o755)
    said = config.open_to_others_words(load(folder))
    assert modes_below(folder) == {".": 0o755, "jobsync.db": 0o644, "secret.key": 0o600}
    assert said == (
        f"Other users of this machine may reach logs and parameters: {folder} (755), "
        f"{database} (644). "
        f"This takes their rights away: chmod go= '{folder}' '{database}'"
    )
    subprocess.run(said.partition("away: ")[2], shell=True, check=True)
    assert config.open_to_others_words(load(folder)) is None


# As a user meets it


def run(program, folder, **variables):
    """Return what a start that is refused writes, and its exit code."""
    environ = {
        "PATH": "/usr/bin:/bin",
        "JOBSYNC_DATA_DIR": str(folder),
        "JOBSYNC_PORT": "0",
        "JOBSYNC_WORKERS": "0",
        **variables,
    }
    done = subprocess.run(
        [sys.executable, *program],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return (done.stdout + done.stderr).splitlines(), done.returncode


@pytest.mark.parametrize(
    "program", [["app.py"], ["-m", "flask", "jobs", "list"]], ids=["app.py", "flask"]
)
def test_a_start_with_a_bad_value_writes_that_line_and_nothing_else(tmp_path, program):
    (line,), code = run(program, tmp_path, JOBSYNC_LOG_LIMIT="lots")
    assert line == (
        "JOBSYNC_LOG_LIMIT='lots' is not possible: it must be a whole number from 1 to 1000000000."
    )
    assert code == 1


@pytest.mark.parametrize(
    "program", [["app.py"], ["-m", "flask", "jobs", "list"]], ids=["app.py", "flask"]
)
def test_a_database_that_is_none_is_told_in_one_line(tmp_path, program):
    (tmp_path / "jobsync.db").write_text("hello, I am a text file\n" * 100)
    (line,), code = run(program, tmp_path)
    assert line.startswith(
        f"JOBSYNC_DATABASE_URL='sqlite:///{tmp_path}/jobsync.db' is not possible: it must be "
        "sqlite:///PATH"
    )
    assert code == 1


def test_a_server_and_its_workers_keep_their_files_private_and_the_secret_out_of_what_they_start(
    server,
):
    server.environ |= {"JOBSYNC_SECRET_KEY": "0123456789abcdef", "JOBSYNC_WORKERS": "1"}
    (server.definitions / "d.toml").write_text(LOOKS_FOR_SECRETS)
    (server.folder / "data").mkdir(mode=0o755)
    before = os.umask(0)
    try:
        server.start()
    finally:
        os.umask(before)
    assert server.wait_for_end(server.submit("d"))["status"] == "completed"
    found = modes_below(server.folder / "data")
    assert found.pop(".") == 0o755 and set(found.values()) == {0o600}, found
    assert {
        "jobsync.db",
        "jobsync.db-wal",
        "jobsync.db-shm",
        "server.lock",
        "upgrade.lock",
    } <= found.keys()
    (worker,) = workers_of(server)
    assert b"0123456789abcdef" not in Path(f"/proc/{worker}/environ").read_bytes()
    assert server.log.read_text().count("Other users of this machine may reach") == 1


LOOKS_FOR_SECRETS = """
id = "d"
[step.look]
type = "command"
run = ["sh", "-c", "! (env; cat /proc/$PPID/environ) | grep -aq 0123456789abcdef"]
"""
