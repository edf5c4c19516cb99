"""The tests of the scripts, which Node runs."""

import subprocess

from helpers.paths import ROOT


def test_the_scripts_pass_their_own_tests():
    done = subprocess.run(
        ["node", "--test", "tests/js/"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-5000:]
