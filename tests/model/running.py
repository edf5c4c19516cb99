"""Running a machine as often as its test says, or as JOBSYNC_SOAK does."""

import os
import random

import hypothesis
from hypothesis.stateful import run_state_machine_as_test

BATCH = 1000  # runs: Hypothesis remembers those of a batch
PHASES = (
    hypothesis.Phase.explicit,
    hypothesis.Phase.reuse,
    hypothesis.Phase.generate,
    hypothesis.Phase.shrink,
)


def run_often(machine, runs, steps, share=1):
    """Run a machine, each run of at most so many steps. Returns a sentence that says how often that
    was, and how to repeat it.

    share: the part of JOBSYNC_SOAK, if that is set, that is run instead of `runs`.
    """
    machine.runs = machine.steps = 0
    soak = os.environ.get("JOBSYNC_SOAK")
    wanted = max(1, int(soak) // share) if soak else runs
    seed = int(os.environ.get("JOBSYNC_SEED", random.randrange(1 << 32) if wanted > runs else 0))
    words = f"JOBSYNC_SEED={seed} repeats them"
    try:
        for number, start in enumerate(range(0, wanted, BATCH)):
            hypothesis.seed(seed + number)(machine)
            settings = hypothesis.settings(
                max_examples=min(BATCH, wanted - start),
                stateful_step_count=steps,
                phases=PHASES,
                database=None,
                print_blob=True,
                report_multiple_bugs=False,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            run_state_machine_as_test(machine, settings=settings)
    except BaseException as error:
        error.add_note(words)
        raise
    return f"{machine.runs} runs of {machine.steps} steps; {words}"
