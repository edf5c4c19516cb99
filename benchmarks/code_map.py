"""The step code_map with one worker on Python's own library, against one process of cloc on the
same files.
"""

import json
import resource
import shutil
import subprocess
import sysconfig
import time
from datetime import datetime
from pathlib import Path

from benchmarks._report import median_ratio, percentile
from benchmarks._server import Server, a_folder, cpu_seconds
from jobsync.engine.worker import lower_priority

NOT_OURS = shutil.ignore_patterns("site-packages", "dist-packages", "__pycache__")
TURNS = 3
PATIENCE = 300  # seconds that a job gets
DEFINITION = """
id = "map"
[params.folder]
type = "path"
[step.code_map]
type = "code_map"
dir_path = "{folder}"
gitignore = false
max_files = 1000000
"""


def measure(report, say):
    """Fill the report. cloc and the step take turns, so that both meet the same machine; each
    step is on a new store, with nothing to go by.
    """
    if not shutil.which("cloc"):
        raise FileNotFoundError("cloc isn't installed")
    clocs, steps = [], []
    with a_folder() as folder:
        tree = folder / "tree"
        shutil.copytree(sysconfig.get_path("stdlib"), tree, symlinks=True, ignore=NOT_OURS)
        for turn in range(TURNS):
            say(f"  turn {turn + 1} of {TURNS}")
            clocs.append(run_cloc(tree))
            with Server(folder / f"server{turn}", 1, {"map": DEFINITION}) as server:
                steps.append(run_map(server, tree))
    for name, runs in (("cloc", clocs), ("the step code_map", steps)):
        report.add(
            f"{name}, by the clock",
            percentile([run["seconds"] for run in runs], 0.5),
            "s",
            samples=TURNS,
        )
        report.add(
            f"{name}, processor time",
            percentile([run["cpu"] for run in runs], 0.5),
            "s",
            samples=TURNS,
        )
    for label, key in (("by the clock", "seconds"), ("processor time", "cpu")):
        ratio = median_ratio(
            [(step[key], cloc[key]) for step, cloc in zip(steps, clocs, strict=True)]
        )
        report.add(f"code_map / cloc, {label}", ratio, "×", below=1, samples=TURNS)
    counted = " and ".join(
        f"{runs[0]['files']:,} files of {runs[0]['lines']:,} lines" for runs in (clocs, steps)
    )
    report.note(
        f"cloc and code_map count {counted}: cloc leaves out what it doesn't know. cloc has "
        "the low priority that a worker has."
    )


def run_cloc(tree):
    """Return {"seconds", "cpu": seconds, "files", "lines"} of a run of cloc."""
    command = ["cloc", "--json", "--skip-uniqueness", "--timeout=0", "."]
    started, cpu = time.monotonic(), cpu_of_children()
    # As a worker is, or on a busy machine the two couldn't be compared
    done = subprocess.run(
        command,
        cwd=tree,
        check=True,
        capture_output=True,
        text=True,
        start_new_session=True,
        preexec_fn=lower_priority,
    )
    total = json.loads(done.stdout)["SUM"]
    lines = total["code"] + total["comment"] + total["blank"]
    return {
        "seconds": time.monotonic() - started,
        "cpu": cpu_of_children() - cpu,
        "files": total["nFiles"],
        "lines": lines,
    }


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_map(server, tree):
    """Return the same of a run of the step. Raises OSError when the job didn't complete."""
    (worker,) = server.worker_pids()
    cpu = cpu_of(worker)
    job_id = server.submit("map", folder=str(tree))
    structure = server.wait_for_end(job_id, PATIENCE)
    cpu = cpu_of(worker) - cpu
    if structure["status"] != "completed":
        raise OSError(f"the job ended {structure['status']}: {structure['error']}")
    started, finished = (
        datetime.fromisoformat(structure["steps"][0][name])
        for name in ("started_at", "finished_at")
    )
    result = server.get(f"/api/jobs/{job_id}").json()["result"]
    return {
        "seconds": (finished - started).total_seconds(),
        "cpu": cpu,
        "files": result["files"],
        "lines": result["lines"],
    }


def cpu_of(worker):
    """Return the seconds of processor time that a worker and its helper process have used.

    Needs Linux.
    """
    helpers = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
    return cpu_seconds(worker) + sum(cpu_seconds(int(helper)) for helper in helpers)
