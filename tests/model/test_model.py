"""Runs the machine: 200 times with `make test`, as often as JOBSYNC_SOAK says with `make soak`."""

import os
import random

import hypothesis
import pytest
from hypothesis.stateful import run_state_machine_as_test

from model.machine import Model

RUNS = 200
BATCH = 1000  # runs: Hypothesis remembers those of a batch
STEPS = 16
PHASES = (
    hypothesis.Phase.explicit,
    hypothesis.Phase.reuse,
    hypothesis.Phase.generate,
    hypothesis.Phase.shrink,
)


@pytest.mark.slow
def test_no_order_of_events_leaves_a_page_wrong(shared, capsys):
    Model.shared, Model.runs, Model.steps = shared, 0, 0
    wanted = int(os.environ.get("JOBSYNC_SOAK", RUNS))
    seed = int(os.environ.get("JOBSYNC_SEED", random.randrange(1 << 32) if wanted > RUNS else 0))
    try:
        for number, start in enumerate(range(0, wanted, BATCH)):
            hypothesis.seed(seed + number)(Model)
            settings = hypothesis.settings(
                max_examples=min(BATCH, wanted - start),
                stateful_step_count=STEPS,
                phases=PHASES,
                database=None,
                print_blob=True,
                report_multiple_bugs=False,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            run_state_machine_as_test(Model, settings=settings)
    finally:
        with capsys.disabled():
            print(
                f"\nmodel: {Model.runs} runs of {Model.steps} steps; "
                f"JOBSYNC_SEED={seed} repeats them"
            )
