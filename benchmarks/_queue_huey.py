"""Huey with Redis at its barest: no results, no periodic tasks, no log of what it does."""

import sys
from pathlib import Path

from huey import RedisHuey

from benchmarks import _queue_tasks as tasks

huey = RedisHuey(results=False, url=tasks.URL)
gate, nothing, last = [huey.task()(task) for task in (tasks.gate, tasks.nothing, tasks.last)]

COMMAND = [
    str(Path(sys.executable).with_name("huey_consumer")),
    "benchmarks._queue_huey.huey",
    *("--workers", "2", "--worker-type", "process", "--no-periodic", "--quiet"),
]


def hold(workers):
    """Enqueue the gates."""
    for _ in range(workers):
        gate()


def fill(number):
    """Enqueue so many tasks that do nothing, and the last one."""
    for _ in range(number):
        nothing()
    last()
