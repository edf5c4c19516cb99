"""Runs the machine: 200 times with `make test`, as often as JOBSYNC_SOAK says with `make soak`."""

import pytest

from model.machine import Model
from model.running import run_often

RUNS = 200
STEPS = 16


@pytest.mark.slow
def test_no_order_of_events_leaves_a_page_wrong(shared, capsys):
    Model.shared = shared
    said = run_often(Model, RUNS, STEPS)
    with capsys.disabled():
        print(f"\nmodel: {said}")
