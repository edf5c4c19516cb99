"""What a child costs in a job of a million, and in the course of that, against one of 10,000."""

from benchmarks import engine_size

SIZE = engine_size.Size(children=(10_000, 100_000, 1_000_000), rounds=1, stored=0)


def measure(report, say, size=SIZE):
    """Fill the report."""
    engine_size.measure(report, say, size)
