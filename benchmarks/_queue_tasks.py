"""The tasks by which a task queue's rate is taken.

A gate for each worker comes first: it holds the worker until all is ready. Then comes what does
nothing, as often as is asked for, and a last one that says when it began.
"""

import os
import time

import redis

URL = os.environ["BENCH_REDIS_URL"]
HERE, GO, END = "bench:here", "bench:go", "bench:end"
LONGEST = 60  # seconds that a gate holds a worker at most


def connect():
    """Return a client that waits as long as it is told to."""
    return redis.Redis.from_url(URL, socket_timeout=None)


_redis = connect()


def gate():
    """Say that a worker is here, and hold it until it may go on."""
    _redis.rpush(HERE, os.getpid())
    _redis.blpop(GO, LONGEST)


def nothing():
    """Do nothing."""


def last():
    """Say that all tasks before this one have begun."""
    _redis.rpush(END, time.time())
