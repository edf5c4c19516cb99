"""The main job on a real tree, Python's own library, against a bare script of one process that
hashes and counts the same files.

The job does more: it also classifies every file, and keeps what it finds and says in the store, for
all to see meanwhile.
"""

import json
import shutil
import subprocess
import sys
import sysconfig
from datetime import datetime

from benchmarks._server import CORES, ROOT, Server, a_folder, cpu_seconds

NOT_OURS = shutil.ignore_patterns("site-packages", "dist-packages", "__pycache__")
PATIENCE = 600  # seconds that the job gets


def measure(report, say):
    """Fill the report."""
    with a_folder() as folder:
        tree = folder / "tree"
        shutil.copytree(sysconfig.get_path("stdlib"), tree, symlinks=True, ignore=NOT_OURS)
        say("  the bare script")
        bare = run_bare(tree)
        say("  the job")
        with Server(folder, CORES) as server:
            structure, result = run_job(server, tree)
            cpu = {
                "workers": sum(map(cpu_seconds, server.worker_pids())),
                "server": cpu_seconds(server.pid),
            }
            again, _ = run_job(server, tree)
    steps = {step["name"]: seconds_of(step) for step in structure["steps"]}
    rate, bare_rate = result["files"] / seconds_of(structure), bare["files"] / bare["seconds"]
    report.add("codebase_classify", rate, "files/s", samples=result["files"])
    report.add("a bare script of one process", bare_rate, "files/s", samples=bare["files"])
    report.add("codebase_classify / the bare script", rate / bare_rate, "×")
    report.add("codebase_classify: all of it", seconds_of(structure), "s")
    report.add("codebase_classify again, unchanged", seconds_of(again), "s")
    report.add(
        "codebase_classify / again", seconds_of(structure) / seconds_of(again), "×", at_least=3
    )
    for name, seconds in steps.items():
        report.add(f"its step {name}", seconds, "s")
    report.add("processor time of the bare script", bare["cpu"], "s")
    for name, seconds in cpu.items():
        report.add(f"processor time of the {name}", seconds, "s")
    report.note(
        f"{bare['files']:,} files, {bare['bytes'] / 1e6:.1f} MB, {bare['lines']:,} lines; "
        f"{CORES} workers. "
        f"The two {'agree' if agree(bare, result) else 'DISAGREE'} on files, bytes and lines."
    )


def run_bare(tree):
    """Return what the bare script says."""
    command = [sys.executable, "-m", "benchmarks._bare", str(tree)]
    return json.loads(
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    )


def run_job(server, tree):
    """Return the structure of the job when it has ended, and its result.

    Raises OSError when it didn't complete.
    """
    job_id = server.submit("codebase_classify", folder=str(tree))
    structure = server.wait_for_end(job_id, PATIENCE)
    if structure["status"] != "completed":
        raise OSError(f"the job ended {structure['status']}: {structure['error']}")
    return structure, server.get(f"/api/jobs/{job_id}").json()["result"]


def agree(bare, result):
    """Say whether both counted the same."""
    return all(bare[name] == result[name] for name in ("files", "bytes", "lines"))


def seconds_of(thing):
    """Return the seconds from the start to the end of a job or step."""
    started, finished = (
        datetime.fromisoformat(thing[name]) for name in ("started_at", "finished_at")
    )
    return (finished - started).total_seconds()
