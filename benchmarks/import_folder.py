"""Importing a folder of 100,000 files, against a bare walk of one process that hashes and
counts the same; then importing it again.
"""

import json
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from benchmarks._report import percentile
from benchmarks._server import CORES, ROOT, Server, a_folder
from benchmarks._tree import make_tree

FILES = 100_000
RUNS = 3
PATIENCE = 300  # seconds that a job gets
DEFINITION = """
id = "import"
[params.folder]
type = "path"
[step.import_files]
type = "local_dir"
dir_path = "{folder}"
max_files = 1000000
"""


def measure(report, say):
    """Fill the report.

    Walk, first and second import take turns, so that all meet the same machine.
    """
    walks, firsts, seconds, answers = [], [], [], []
    with a_folder() as folder:
        say("  making the tree")
        make_tree(folder / "tree", FILES)
        for turn in range(RUNS):
            say(f"  turn {turn + 1} of {RUNS}")
            walk = run_walk(folder / "tree")
            walks.append(walk["seconds"])
            with Server(folder / f"server{turn}", CORES, {"import": DEFINITION}) as server:
                first, asked = run_import(server, folder / "tree")
                second, _ = run_import(server, folder / "tree")
                peak = max(map(peak_bytes, server.worker_pids()))
            firsts.append(first["seconds"])
            seconds.append(second["seconds"])
            answers += asked
            check(walk, first, second)
    report.add("a bare walk", percentile(walks, 0.5), "s", samples=RUNS)
    report.add("the first import", percentile(firsts, 0.5), "s", samples=RUNS)
    report.add("the second import", percentile(seconds, 0.5), "s", samples=RUNS)
    report.add(
        "first import / bare walk", percentile(firsts, 0.5) / percentile(walks, 0.5), "×", below=2
    )
    report.add(
        "first import / second", percentile(firsts, 0.5) / percentile(seconds, 0.5), "×", at_least=3
    )
    report.add("most memory of a worker", peak / 2**20, "MiB")
    report.add(
        "structure while it imports, p95",
        1000 * percentile(answers, 0.95),
        "ms",
        below=100,
        samples=len(answers),
    )
    report.note(
        f"{walk['files']:,} files, {walk['bytes'] / 1e6:,.0f} MB, {walk['lines']:,} lines, "
        f"all in the page cache; {CORES} workers."
    )


def run_walk(tree):
    command = [sys.executable, "-m", "benchmarks._walk", str(tree)]
    return json.loads(
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    )


def run_import(server, tree):
    """Return the result of an import with its `seconds`, and how long each of the questions
    took that were asked meanwhile, in seconds.
    """
    job_id, answers = server.submit("import", folder=str(tree)), []
    deadline = time.monotonic() + PATIENCE
    while True:
        asked = time.perf_counter()
        structure = server.structure(job_id)
        answers.append(time.perf_counter() - asked)
        if structure["finished_at"]:
            break
        if time.monotonic() > deadline:
            raise TimeoutError(f"the import took longer than {PATIENCE} s")
        time.sleep(0.05)
    started, finished = (
        datetime.fromisoformat(structure["steps"][0][name])
        for name in ("started_at", "finished_at")
    )
    return server.get(f"/api/jobs/{job_id}").json()["result"] | {
        "seconds": (finished - started).total_seconds()
    }, answers


def peak_bytes(pid):
    """Return the most memory that a process has held so far. Needs Linux."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def check(walk, first, second):
    """Raise OSError unless all counted the same, and the second import knew that nothing had
    changed.
    """
    if any(
        walk[name] != result[name]
        for name in ("files", "bytes", "lines")
        for result in (first, second)
    ):
        raise OSError("the walk and the imports disagree")
    if second["reused"] != walk["files"] or second["changes"]["unchanged"] != walk["files"]:
        raise OSError("the second import read files again")
