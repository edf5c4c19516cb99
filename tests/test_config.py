"""Settings: each bad value is one line that names the variable, the value and what is allowed; the secret is made once."""

import stat
import subprocess
import sys
import threading

import pytest
from conftest import ROOT
from sqlalchemy import make_url

import config
from jobsync.errors import SettingsError


def load(folder, **variables):
    return config.load({"JOBSYNC_DATA_DIR": str(folder), **variables})


def test_without_any_variable_the_defaults_are_those_of_the_contract(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = config.load({})
    assert (settings.host, settings.port, settings.log_limit, settings.allowed_hosts) == ("127.0.0.1", 5000, 1_000_000, ())
    assert (settings.data_dir, settings.definitions) == (tmp_path / "instance", tmp_path / "definitions")
    assert make_url(settings.database_url).database == str(tmp_path / "instance" / "jobsync.db")
    assert settings.workers >= 1 and not settings.trust_network


def test_an_empty_variable_counts_as_none(tmp_path):
    names = ("HOST", "PORT", "ALLOWED_HOSTS", "DATABASE_URL", "DEFINITIONS", "WORKERS", "LOG_LIMIT", "REDIS_URL", "SECRET_KEY", "TRUST_NETWORK")
    assert load(tmp_path, **{f"JOBSYNC_{name}": "" for name in names}) == load(tmp_path)


def test_good_values_are_taken(tmp_path):
    settings = load(
        tmp_path / "not there yet",
        JOBSYNC_HOST="::1",
        JOBSYNC_PORT="0",
        JOBSYNC_WORKERS="0",
        JOBSYNC_LOG_LIMIT="7",
        JOBSYNC_ALLOWED_HOSTS="Example.org, localhost:8000,",
        JOBSYNC_DATABASE_URL=f"sqlite:///{tmp_path}/other.db",
        JOBSYNC_SECRET_KEY="mine",
    )
    assert (settings.host, settings.port, settings.workers, settings.log_limit) == ("::1", 0, 0, 7)
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
    ("JOBSYNC_DATABASE_URL", "postgresql://localhost/jobsync", "other databases aren't supported yet"),
    ("JOBSYNC_DATABASE_URL", "jobsync.db", "sqlite:///PATH"),
    ("JOBSYNC_DATABASE_URL", "sqlite://", "sqlite:///PATH"),
    ("JOBSYNC_DATABASE_URL", "sqlite:///", "sqlite:///PATH"),
    ("JOBSYNC_DATABASE_URL", "sqlite:///:memory:", "sqlite:///PATH"),
    ("JOBSYNC_DATABASE_URL", "sqlite:///x.db?mode=ro", "sqlite:///PATH"),
    ("JOBSYNC_DATABASE_URL", "sqlite+pysqlcipher:///x.db", "sqlite:///PATH"),
    ("JOBSYNC_DATABASE_URL", "sqlite://host:port/x.db", "sqlite:///PATH"),
    ("JOBSYNC_DATABASE_URL", "sqlite:////no/such/folder/x.db", "a SQLite file in a folder that can be written to"),
    ("JOBSYNC_DATABASE_URL", "sqlite:////", "a SQLite file in a folder that can be written to"),
    ("JOBSYNC_REDIS_URL", "redis://localhost", "left out"),
    ("JOBSYNC_DATA_DIR", "/dev/null/data", "a folder that can be written to"),
    ("JOBSYNC_DATA_DIR", "/proc/data", "a folder that can be written to"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), BAD, ids=[f"{name[8:]}={value[:20]}" for name, value, _ in BAD])
def test_a_bad_value_is_one_line_with_the_variable_the_value_and_what_is_allowed(tmp_path, name, value, allowed):
    with pytest.raises(SettingsError) as caught:
        load(**{"folder": tmp_path, name: value}) if name != "JOBSYNC_DATA_DIR" else config.load({name: value})
    message = caught.value.message
    assert "\n" not in message
    assert message.startswith(f"{name}={value!r} ") and allowed in message


def test_a_data_folder_that_is_a_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(SettingsError, match=f"JOBSYNC_DATA_DIR='{file}' is not possible: it must be a folder"):
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
    assert make_url(load(tmp_path, JOBSYNC_DATABASE_URL="sqlite:///own.db").database_url).database == str(tmp_path / "own.db")


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


@pytest.mark.parametrize(("content", "reason"), [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "is not ASCII text")])
def test_a_secret_that_is_none_is_told_in_one_line(tmp_path, content, reason):
    (tmp_path / "secret.key").write_bytes(content)
    with pytest.raises(SettingsError, match=reason):
        load(tmp_path)


def test_a_secret_that_can_not_be_read_is_told_in_one_line(tmp_path):
    (tmp_path / "secret.key").mkdir()
    with pytest.raises(SettingsError, match="secret.key can't be used: it must be a regular file"):
        load(tmp_path)


# As a user meets it


def run(program, folder, **variables):
    """Return what a start that is refused writes, and its exit code."""
    environ = {"PATH": "/usr/bin:/bin", "JOBSYNC_DATA_DIR": str(folder), "JOBSYNC_PORT": "0", "JOBSYNC_WORKERS": "0", **variables}
    done = subprocess.run([sys.executable, *program], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)
    return (done.stdout + done.stderr).splitlines(), done.returncode


@pytest.mark.parametrize("program", [["app.py"], ["-m", "flask", "jobs", "list"]], ids=["app.py", "flask"])
def test_a_start_with_a_bad_value_writes_that_line_and_nothing_else(tmp_path, program):
    (line,), code = run(program, tmp_path, JOBSYNC_LOG_LIMIT="lots")
    assert line == "JOBSYNC_LOG_LIMIT='lots' is not possible: it must be a whole number from 1 to 1000000000."
    assert code == 1


@pytest.mark.parametrize("program", [["app.py"], ["-m", "flask", "jobs", "list"]], ids=["app.py", "flask"])
def test_a_database_that_is_none_is_told_in_one_line(tmp_path, program):
    (tmp_path / "jobsync.db").write_text("hello, I am a text file\n" * 100)
    (line,), code = run(program, tmp_path)
    assert line.startswith(f"JOBSYNC_DATABASE_URL='sqlite:///{tmp_path}/jobsync.db' is not possible: it must be sqlite:///PATH")
    assert code == 1
