"""Measures what jobsync promises, on the machine it runs on: `python -m benchmarks` for all,
`python -m benchmarks NAME` for one.
"""
