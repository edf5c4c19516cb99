"""Lines by which a program says how far it is."""

import time

import pytest

from jobsync.steps.command.lines import PIECE, progress_of


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        ("::progress 37/120", (37, 120)),
        ("::progress 37", (37, None)),
        ("  ::progress   37 / 120  ", (37, 120)),
        ("\t::progress\t37/ 120", (37, 120)),
        ("::progress 0/0", (0, 0)),
        ("::progress 130/120", (130, 120)),
        ("::progress 12.5/100.0", (12.5, 100.0)),
        ("::progress 0.25", (0.25, None)),
        ("::progress 007/7", (7, 7)),
        ("::progress 999999999999999/999999999999999", (10**15 - 1, 10**15 - 1)),
    ],
)
def test_a_line_says_how_much_is_done_and_of_how_much(line, progress):
    assert progress_of(line) == progress
    assert [type(found) for found in progress_of(line)] == [type(number) for number in progress]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "::progress",
        "::progress ",
        "::progress37/120",
        "::progress -1/120",
        "::progress 1/-120",
        "::progress +1",
        "::progress 37/",
        "::progress /120",
        "::progress 37/120/200",
        "::progress 37 120",
        "::progress 37/120 files",
        "::progress 37%",
        "::progress 1,5",
        "::progress 1.",
        "::progress .5",
        "::progress 1e3",
        "::progress nan",
        "::progress inf",
        "::progress ٣",
        "::progress 1_000",
        "::progress 9999999999999999",
        "::Progress 37/120",
        ": :progress 37/120",
        "at ::progress 37/120",
        "::progress 37/120\n::progress 38/120",
    ],
)
def test_what_is_not_exactly_such_a_line_is_an_ordinary_one(line):
    assert progress_of(line) is None


@pytest.mark.parametrize("line", [" " * PIECE, "::progress " + " " * PIECE + "x", "9" * PIECE])
def test_no_line_takes_long_to_look_at(line):
    started = time.process_time()
    assert progress_of(line) is None
    assert time.process_time() - started < 0.1
