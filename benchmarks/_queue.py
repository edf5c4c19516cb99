"""Takes the rate of a task queue with 2 workers: `python -m benchmarks._queue NAME NUMBER
filled|meanwhile [MORE …]`, run by the Python of `_peers.py`, with the URL of an empty Redis server
in BENCH_REDIS_URL. MORE is added to the command of the workers.

Prints `{"seconds"}`, what the workers take for so many tasks that do nothing: from the moment when
both are ready. With `filled` all tasks are in the queue by then, with `meanwhile` that is when this
process begins to enqueue them.
"""

import importlib
import json
import subprocess
import sys
import time

from benchmarks import _queue_tasks as tasks

WORKERS = 2
START = 30  # seconds that the workers get to be ready
LONGEST = 300  # seconds that the tasks may take
ENDING = 10  # seconds that the workers get to end


def main():
    name, number, when, *more = sys.argv[1:]
    queue = importlib.import_module(f"benchmarks._queue_{name}")
    server = tasks.connect()
    queue.hold(WORKERS)
    if when == "filled":
        queue.fill(int(number))
    workers = subprocess.Popen([*queue.COMMAND, *more], stdout=sys.stderr)
    try:
        for _ in range(WORKERS):
            wait_for(server, tasks.HERE, START, "a worker's start")
        started = time.time()
        server.rpush(tasks.GO, *WORKERS * ["go"])
        if when == "meanwhile":
            queue.fill(int(number))
        ended = float(wait_for(server, tasks.END, LONGEST, "the last task"))
        print(json.dumps({"seconds": ended - started}))
    finally:
        end(workers)


def wait_for(server, name, seconds, what):
    """Return what comes next in a list. Raises TimeoutError."""
    found = server.blpop(name, seconds)
    if found is None:
        raise TimeoutError(f"{what} did not come within {seconds} s")
    return found[1]


def end(workers):
    """End the workers. What doesn't end is ended by who started this process, with its group."""
    workers.terminate()
    try:
        workers.wait(ENDING)
    except subprocess.TimeoutExpired:
        workers.kill()


if __name__ == "__main__":
    main()
