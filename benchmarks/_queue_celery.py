"""Celery with Redis at its barest: no results, no events, no talk between workers."""

import sys

from celery import Celery

from benchmarks import _queue_tasks as tasks

NAME = "benchmarks._queue_celery"

app = Celery(NAME, broker=tasks.URL)
app.conf.update(
    task_ignore_result=True,
    # messages fetched ahead for each process: 1 was the slowest in trials, from 64 on there was no
    # difference beyond noise
    worker_prefetch_multiplier=64,
    broker_connection_retry_on_startup=True,
)
gate, nothing, last = [
    app.task(name=task.__name__)(task) for task in (tasks.gate, tasks.nothing, tasks.last)
]

COMMAND = [
    *(sys.executable, "-m", "celery", "--app", NAME, "--quiet", "worker", "--loglevel", "ERROR"),
    *("--pool", "prefork", "--concurrency", "2"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
]


def hold(workers):
    """Enqueue the gates."""
    for _ in range(workers):
        gate.delay()


def fill(number):
    """Enqueue so many tasks that do nothing, and the last one."""
    for _ in range(number):
        nothing.delay()
    last.delay()
