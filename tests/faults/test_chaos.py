"""The chaos run, short: `make chaos` is the long one."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "chaos.py"


@pytest.mark.slow
@pytest.mark.browser
def test_half_a_minute_of_random_kills_leaves_every_job_right_and_every_page_in_step(capsys):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--seconds", "30"],
        capture_output=True,
        text=True,
        timeout=400,
    )
    # the seed, with which it can be repeated, is in it
    assert done.returncode == 0, done.stdout + done.stderr
    with capsys.disabled():
        print(done.stdout.splitlines()[-1])
