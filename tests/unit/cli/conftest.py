"""Commands on the store of a Hand, in this process."""

import pytest


@pytest.fixture
def flask(hand):
    """Run a command: `flask("jobs", "list")` returns click's result."""
    runner = hand.app.test_cli_runner()
    return lambda *args, **options: runner.invoke(args=[str(arg) for arg in args], **options)
