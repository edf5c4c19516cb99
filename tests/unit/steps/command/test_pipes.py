"""Reading what a program writes, together with waiting for something else."""

import os
import time

import pytest

from jobsync.steps.command.pipes import OutputReader


@pytest.fixture
def lines():
    return []


@pytest.fixture
def reader(lines):
    reader = OutputReader(lambda line, pipe: lines.append((pipe, line)))
    yield reader
    reader.close()


@pytest.fixture
def ready():
    """A descriptor that can be read from, and always could again."""
    read_end, write_end = os.pipe()
    os.write(write_end, b"x")
    yield read_end
    os.close(write_end)


def test_what_is_watched_is_told_once_and_does_not_wake_again(reader, ready):
    told = []
    reader.watch(ready, lambda: told.append(1))
    assert not reader.read()
    started = time.monotonic()
    assert not reader.read(0.1)
    assert time.monotonic() - started >= 0.1
    assert told == [1]


def test_output_and_what_is_watched_are_told_together(reader, ready, lines):
    told = []
    stdout, stderr = reader.write_ends()
    os.write(stderr, b"odd\n")
    os.write(stdout, b"plain\n")
    reader.watch(ready, lambda: told.append(list(lines)))
    while not (told and len(lines) == 2):
        reader.read(1)
    assert lines == [("stderr", "odd"), ("stdout", "plain")]


def test_each_wake_is_heard_once(reader):
    for _ in range(2):
        reader.wake()
        reader.wake()
        assert not reader.read()
        started = time.monotonic()
        assert not reader.read(0.1)
        assert time.monotonic() - started >= 0.1


def test_who_wakes_too_late_wakes_nobody_else():
    """The number may be another file's by then."""
    reader = OutputReader(lambda line, pipe: None)
    reader.close()
    others = [os.eventfd(0) for _ in range(10)]
    try:
        reader.wake()
        for other in others:
            os.set_blocking(other, False)
            with pytest.raises(BlockingIOError):
                os.eventfd_read(other)
    finally:
        for other in others:
            os.close(other)
