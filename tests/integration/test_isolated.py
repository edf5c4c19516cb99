"""Calls in a helper process: results come back, and whatever goes wrong in one costs that call
and nothing else.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from helpers import isolated_calls as calls
from helpers.paths import ROOT
from helpers.waiting import wait_for
from jobsync.base.errors import Stopped
from jobsync.steps import isolated
from jobsync.steps.command.lines import level_of
from jobsync.steps.isolated import GaveUp, Helper, call


@pytest.fixture
def helper():
    helper = Helper()
    yield helper
    helper.close()


def ask(helper, function, *arguments, seconds=2, check=lambda: None):
    return helper.call(function, arguments, seconds, check)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (calls.compute_for_ever, "took more than 0.3 s"),
        (calls.match_for_ever, "took more than 0.3 s"),
        (calls.wait_for_ever, "took more than 0.3 s"),
        (calls.swallow_memory_errors, "took more than 0.3 s"),
        (calls.take_memory, "took more than 1,024 MiB of memory"),
        (calls.recurse, "failed (RecursionError)"),
        (calls.leave, "failed (SystemExit)"),
        (calls.leave_at_once, "ended its process (exit code 7)"),
        (calls.crash, "ended its process (SIGSEGV)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_whatever_goes_wrong_in_a_call_is_its_own_failure_alone(helper, function, reason):
    seconds = 10 if function is calls.take_memory else 0.3
    assert ask(helper, calls.length, "before") == 6
    with pytest.raises(GaveUp) as caught:
        ask(helper, function, seconds=seconds)
    assert caught.value.message == reason
    assert ask(helper, calls.length, "afterwards") == 10


def test_a_result_that_cannot_be_pickled_is_a_failure(helper):
    with pytest.raises(GaveUp, match=r"failed \(\w+\)"):
        ask(helper, calls.give_what_cannot_be_pickled)
    assert ask(helper, calls.length, "") == 0


def test_one_process_does_many_calls_and_a_large_text_goes_through(helper):
    numbers = {ask(helper, os.getpid) for _ in range(20)}
    assert len(numbers) == 1 and os.getpid() not in numbers
    assert ask(helper, calls.length, "ä" * 5_000_000) == 5_000_000
    assert ask(helper, str.upper, "x" * 5_000_000) == "X" * 5_000_000
    assert {ask(helper, os.getpid)} == numbers


def test_what_a_library_prints_or_reads_stays_out_of_the_way(helper):
    assert ask(helper, calls.print_and_read) == ("", b"")


def test_it_starts_with_the_first_call_without_the_application(helper):
    assert helper._process is None
    assert ask(helper, level_of, "error: x", "info") == "error"
    loaded = ask(helper, calls.modules)
    assert "jobsync.steps.command.lines" in loaded
    assert not {"flask", "sqlalchemy", "jobsync.store"} & loaded


def test_a_stopped_call_ends_at_once_and_so_does_its_process(helper):
    number = ask(helper, os.getpid)
    stopped = threading.Event()
    threading.Timer(0.1, stopped.set).start()

    def check():
        if stopped.is_set():
            raise Stopped()

    started = time.monotonic()
    with pytest.raises(Stopped):
        ask(helper, calls.compute_for_ever, seconds=30, check=check)
    assert time.monotonic() - started < 5
    assert not is_running(number)


def test_a_helper_that_was_killed_while_idle_is_replaced(helper):
    os.kill(ask(helper, os.getpid), signal.SIGKILL)
    assert ask(helper, calls.length, "text") == 4


def test_an_idle_helper_ends_and_the_next_call_starts_another(helper, monkeypatch):
    monkeypatch.setattr(
        isolated,
        "START",
        isolated.START.replace("serve()", "sys.modules[serve.__module__].IDLE = 0.05\nserve()"),
    )
    number = ask(helper, os.getpid)
    wait_for(lambda: not is_running(number))
    assert ask(helper, os.getpid) != number


def test_a_helper_ends_with_the_process_that_it_helps(tmp_path):
    program = (
        f"import os, sys; sys.path.append({str(ROOT / 'tests')!r}); "
        "from jobsync.steps.isolated import call; from helpers import isolated_calls; "
        "print(call(os.getpid), flush=True); "
        "call(isolated_calls.compute_for_ever)"
    )
    helped = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    number = int(helped.stdout.readline())
    assert is_running(number)
    helped.kill()
    helped.communicate()
    wait_for(lambda: not is_running(number))


def test_the_one_that_all_share_is_called_by_name():
    assert call(calls.length, "text") == 4
    isolated.close()


def is_running(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
