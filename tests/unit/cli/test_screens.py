"""What a followed job looks like while it waits."""

import io

import pytest
from rich.console import Console
from rich.live import Live

from jobsync.cli import screens
from jobsync.status import CHILD_STATUSES

WAITING = "a place: at most 1 job of d with /tmp/\x1b[2J may run at once"
SHOWN = "waiting for a place: at most 1 job of d with /tmp/\\x1b[2J may run at once"


def structure(waiting_for, steps=1):
    children = dict.fromkeys(CHILD_STATUSES, 0)
    step = {"status": "pending", "log_count": 0, "child_count": 0, "children": children}
    times = {"error": None, "started_at": None, "finished_at": None}
    return {
        "status": "pending",
        "waiting_for": waiting_for,
        "steps": [{"name": f"step_{place}", **step, **times} for place in range(steps)],
        **times,
    }


def picture(shown, width=100, height=20):
    console = Console(
        file=io.StringIO(), force_terminal=True, color_system=None, width=width, height=height
    )
    screen = screens.LiveScreen("A job", Live(console=console, auto_refresh=False))
    screen.show(shown, [])
    console.print(screen._picture(0))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_live_view_says_below_the_head_what_the_job_waits_for():
    lines = picture(structure(WAITING))
    assert lines[0].startswith("○ pending  A job")
    assert lines[1] == SHOWN


def test_the_live_view_of_a_job_that_does_not_wait_says_nothing():
    assert not any("waiting" in line for line in picture(structure(None)))


@pytest.mark.parametrize("waiting_for", [None, WAITING])
def test_the_live_view_keeps_within_the_terminal_while_a_job_waits(waiting_for):
    lines = picture(structure(waiting_for, 100), 50, 15)
    assert max(map(len, lines)) <= 50
    assert len(lines) <= 15 - 1  # a line is left for the cursor


def test_in_a_pipe_it_says_once_for_each_reason_what_the_job_waits_for():
    stream = io.StringIO()
    screen = screens.PlainScreen(stream)
    for waiting_for in (None, WAITING, WAITING, None, "a worker: none is running", WAITING):
        screen.show(structure(waiting_for), [])
    told = [line.partition(" ")[2] for line in stream.getvalue().splitlines()]
    assert told == [SHOWN, "waiting for a worker: none is running", SHOWN]
