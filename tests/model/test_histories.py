"""Runs histories: 60 with `make test`, one for 20 of JOBSYNC_SOAK with `make soak`."""

import pytest

from model.histories import Histories
from model.running import run_often

RUNS = 60
STEPS = 20
SHARE = 20  # one takes as long as so many of the other model


@pytest.mark.slow
def test_no_history_breaks_a_limit_or_leaves_anything_behind(timed, capsys):
    Histories.shared = timed
    said = run_often(Histories, RUNS, STEPS, SHARE)
    with capsys.disabled():
        print(f"\nhistories: {said}")
