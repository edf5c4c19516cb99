"""Runs histories: 50 times with `make test`, as often as JOBSYNC_SOAK says with `make soak`."""

import pytest

from model.histories import Histories
from model.running import run_often

RUNS = 50
STEPS = 30


@pytest.mark.slow
def test_no_history_breaks_a_limit_or_leaves_anything_behind(timed, capsys):
    Histories.shared = timed
    said = run_often(Histories, RUNS, STEPS)
    with capsys.disabled():
        print(f"\nhistories: {said}")
