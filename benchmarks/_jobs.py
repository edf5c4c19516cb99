"""Definitions of jobs to measure with, and a way to keep all workers busy."""

import argparse
from contextlib import contextmanager
from pathlib import Path

from benchmarks._server import CORES, wait_for

# of source that each worker gets to read: more than ten seconds of computing
COMPUTE_BYTES = 24 << 20
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

# What keeps a worker computing: Pygments in the worker's own process, one long child for each
COMPUTE = """
id = "compute"
name = "Compute"
[params.folder]
type = "path"
[step.compute]
type = "code_map"
dir_path = "{folder}"
max_file_size = 67108864
"""


def chain(name, steps):
    """Return the definition of a job of `steps` steps, each after the one before it."""
    parts = [f'id = "{name}"\nname = "{name}"\n']
    for number in range(1, steps + 1):
        depends = f'depends = "{step_name(number - 1)}"\n' if number > 1 else ""
        parts.append(
            f'[step.{step_name(number)}]\ntype = "test_job_generator"\nworker_count = 1\n{depends}'
        )
    return "\n".join(parts)


def step_name(number):
    """Return the name of a step of a `chain`, counted from 1."""
    return f"s{number:02d}"


def write_sources(folder):
    """Write what COMPUTE reads: a long file of Python for each worker."""
    folder.mkdir()
    text = Path(argparse.__file__).read_text(encoding="utf-8")
    for number in range(CORES):
        (folder / f"long{number}.py").write_text(
            text * (COMPUTE_BYTES // len(text)), encoding="utf-8"
        )
    return folder


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
