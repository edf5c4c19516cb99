"""Definitions of jobs to measure with, and a way to keep all workers busy."""

from contextlib import contextmanager

from benchmarks._server import CORES, wait_for

START = 20  # seconds that the workers get to begin

# What keeps a worker waiting, so that it takes no other work
WAIT = f"""
id = "wait"
name = "Wait"
[step.wait]
type = "command"
for_each = {[str(number) for number in range(CORES)]}
run = ["sleep", "600"]
"""

# What keeps a processor computing for each worker
COMPUTE = f"""
id = "compute"
name = "Compute"
[step.compute]
type = "command"
for_each = {[str(number) for number in range(CORES)]}
run = ["sh", "-c", "while true; do :; done"]
"""

# queues of what `_writer` and `_hand` do: neither takes the other's work, nor that of the server's
# own workers, which are busy
WRITTEN, BY_HAND = "written", "by-hand"


def chain(name, steps, queue):
    """Return the definition of a job of `steps` steps, each after the one before it."""
    parts = [f'id = "{name}"\nname = "{name}"\n']
    for number in range(1, steps + 1):
        depends = f'depends = "{step_name(number - 1)}"\n' if number > 1 else ""
        parts.append(
            f'[step.{step_name(number)}]\ntype = "test_job_generator"\nqueue = "{queue}"\n'
            f"worker_count = 1\n{depends}"
        )
    return "\n".join(parts)


def step_name(number):
    """Return the name of a step of a `chain`, counted from 1."""
    return f"s{number:02d}"


@contextmanager
def busy_workers(server, definition, **params):
    """Keep each worker of the server at one child of a job of this definition.

    Raises TimeoutError if that ends too early.
    """
    job_id = server.submit(definition, **params)

    def running():
        return server.structure(job_id)["steps"][0]["children"]["running"] == CORES

    try:
        wait_for(running, START, f"{CORES} running children of {definition}")
        yield job_id
        if not running():
            raise TimeoutError(f"the job {definition} ended before all was measured")
    finally:
        server.cancel(job_id)
    # A cancelled child's process gets its grace; only then is its worker free for the next such job
