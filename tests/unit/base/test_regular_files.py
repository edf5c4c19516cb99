"""Files that are read by their names: whatever takes a file's place, also between the look at
it and its opening, the process goes on.
"""

import os
import signal
import socket
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import config
from jobsync.base import regular_files
from jobsync.base.errors import SettingsError
from jobsync.base.regular_files import Unfit, open_regular, read_regular
from jobsync.definitions import Definitions
from jobsync.registry import Registry
from jobsync.steps.codebase.rules import BadRules, load_rules
from jobsync.web.assets import Assets, NotFound

MOST = 1000
LONG = 3  # seconds after which a call that waits for ever is given up


def make_pipe(path):
    os.mkfifo(path)


def make_folder(path):
    path.mkdir()


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_link_to_device(path):
    path.symlink_to("/dev/zero")


def make_link_to_terminal(path):
    path.symlink_to("/dev/tty")


def make_large(path):
    with open(path, "wb") as file:
        file.truncate(2**40)


def make_growing(path):
    # says that it is empty
    path.symlink_to(
        "/proc/self/mountinfo" if os.path.getsize("/proc/self/mountinfo") else "/proc/self/smaps"
    )


def make_nothing(path):
    """Leave the place empty."""


def make_loop(path):
    path.symlink_to(path)


KINDS = [
    make_pipe,
    make_folder,
    make_socket,
    make_link_to_device,
    make_link_to_terminal,
    make_large,
    make_growing,
    make_nothing,
    make_loop,
]
kinds = pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)


@contextmanager
def given_up():
    """Fail what waits for ever instead of waiting with it."""

    def give_up(*_):
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONG)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def exchange(monkeypatch):
    """Have another kind of file take the place of a regular one after it was looked at, before
    it is opened.
    """

    def arrange(make):
        real, done = os.open, []

        def exchanging(path, *rest, **options):
            if not done:
                done.append(path)
                os.unlink(path)
                make(Path(path))
            return real(path, *rest, **options)

        monkeypatch.setattr(regular_files.os, "open", exchanging)

    return arrange


def test_a_regular_file_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * MOST)
    (tmp_path / "link").symlink_to("file")
    assert (
        read_regular(tmp_path / "file", MOST)
        == read_regular(tmp_path / "link", MOST)
        == b"x" * MOST
    )
    with pytest.raises(Unfit, match=f"must be at most {MOST - 1} bytes"):
        read_regular(tmp_path / "file", MOST - 1)


@kinds
def test_another_kind_is_refused(make, tmp_path):
    make(tmp_path / "file")
    with given_up(), pytest.raises((Unfit, OSError)):
        read_regular(tmp_path / "file", MOST)


@kinds
def test_another_kind_that_comes_at_the_last_moment_is_refused(make, tmp_path, exchange):
    path = tmp_path / "file"
    path.write_bytes(b"")
    exchange(make)
    with given_up(), pytest.raises((Unfit, OSError)):
        read_regular(path, MOST)


def test_no_descriptor_is_left_open(tmp_path, exchange):
    (tmp_path / "file").write_bytes(b"")
    exchange(make_pipe)
    before = len(os.listdir("/proc/self/fd"))
    with given_up(), pytest.raises(Unfit):
        open_regular(tmp_path / "file")
    assert len(os.listdir("/proc/self/fd")) == before


# Who reads by name


def read_definition(path):
    return [str(problem) for problem in Definitions(path.parent, Registry()).problems()]


def read_rules(path):
    with pytest.raises(BadRules) as error:
        load_rules(str(path))
    return error.value.mistakes


def read_asset(path):
    with pytest.raises(NotFound):
        Assets(path.parent).get(path.name)
    return ["not found"]


def read_secret(path):
    with pytest.raises(SettingsError) as error:
        config._secret(path)
    return [error.value.message]


def read_database(path):
    with pytest.raises(SettingsError) as error:
        config.load(
            {
                "JOBSYNC_DATA_DIR": str(path.parent / "data"),
                "JOBSYNC_DATABASE_URL": f"sqlite:///{path}",
            }
        )
    return [error.value.message]


READERS = {
    "a.toml": read_definition,
    "rules.toml": read_rules,
    "a.js": read_asset,
    "secret.key": read_secret,
}


@pytest.mark.parametrize(
    "make", [make for make in KINDS if make is not make_growing], ids=lambda make: make.__name__
)
@pytest.mark.parametrize("name", READERS)
def test_whoever_reads_by_name_says_what_is_wrong_and_goes_on(name, make, tmp_path, exchange):
    path = tmp_path / name
    path.write_text("")
    exchange(make)
    started = time.monotonic()
    with given_up():
        assert len(READERS[name](path)) == 1
    assert time.monotonic() - started < LONG


@pytest.mark.parametrize("make", [make_pipe, make_folder, make_socket, make_link_to_device])
def test_what_is_no_file_is_no_database(make, tmp_path):
    make(tmp_path / "jobs.db")
    with given_up():
        assert "SQLite file" in read_database(tmp_path / "jobs.db")[0]
