"""RQ at its barest: nothing of a job that has ended is kept."""

import sys
from pathlib import Path

from rq import Queue

from benchmarks import _queue_tasks as tasks

COMMAND = [
    *(str(Path(sys.executable).with_name("rq")), "worker-pool", "--num-workers", "2"),
    *("--quiet", "--url", tasks.URL),
]
AT_ONCE = 500  # tasks enqueued at a time


def hold(workers):
    """Enqueue the gates."""
    _enqueue(workers * [tasks.gate])


def fill(number):
    """Enqueue so many tasks that do nothing, and the last one."""
    _enqueue([*number * [tasks.nothing], tasks.last])


def _enqueue(functions):
    queue = Queue(connection=tasks.connect())
    for first in range(0, len(functions), AT_ONCE):
        queue.enqueue_many(
            [
                Queue.prepare_data(function, result_ttl=0)
                for function in functions[first : first + AT_ONCE]
            ]
        )
