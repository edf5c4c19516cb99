"""A trouble is told to the log when it begins, when it becomes another, and when it is over."""

import logging
import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from jobsync.base.errors import StoreBusy
from jobsync.base.trouble import OngoingError, reason

FULL = OperationalError(
    "UPDATE jobs SET updated_at = ?", (1,), sqlite3.OperationalError("database or disk is full")
)


@pytest.fixture
def trouble(caplog):
    caplog.set_level(logging.INFO)
    return OngoingError(logging.getLogger("test"), "It can't work")


def test_the_same_trouble_is_logged_once_and_its_end_too(trouble, caplog):
    trouble.over()
    for parameter in range(1000):
        trouble.note(
            OperationalError(
                "UPDATE", (parameter,), sqlite3.OperationalError("database or disk is full")
            )
        )
    assert trouble.text == "database or disk is full"
    for _ in range(2):
        trouble.over()
    assert trouble.text is None
    assert caplog.messages == [
        "It can't work: database or disk is full",
        "It can't work: that is over, after 0 s",
    ]


def test_another_trouble_and_one_that_comes_back_are_logged(trouble, caplog):
    for error in (FULL, StoreBusy(), FULL):
        trouble.note(error)
    trouble.over()
    trouble.note(FULL)
    assert len(caplog.messages) == 5


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FULL, "database or disk is full"),
        (StoreBusy(), "The database is locked by another process."),
        (OSError(), "OSError"),
        (ValueError("two\nlines"), "two lines"),
    ],
)
def test_the_reason_is_one_line_without_the_statement(error, said):
    assert reason(error) == said
