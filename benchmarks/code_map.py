"""The step code_map with one worker on Python's own library, against one process of cloc on the same files."""

import json
import shutil
import subprocess
import sysconfig
import time
from datetime import datetime

from benchmarks._report import median_ratio, percentile
from benchmarks._server import Server, a_folder

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
    """Fill the report. cloc and the step take turns, so that both meet the same machine; each step is on a new store, with nothing to go by."""
    if not shutil.which("cloc"):
        raise FileNotFoundError("cloc isn't installed")
    pairs = []
    with a_folder() as folder:
        tree = folder / "tree"
        shutil.copytree(sysconfig.get_path("stdlib"), tree, symlinks=True, ignore=NOT_OURS)
        for turn in range(TURNS):
            say(f"  turn {turn + 1} of {TURNS}")
            seconds, by_cloc = run_cloc(tree)
            with Server(folder / f"server{turn}", 1, {"map": DEFINITION}) as server:
                result = run_map(server, tree)
            pairs.append((result["seconds"], seconds))
    steps, clocs = zip(*pairs, strict=True)
    report.add("cloc", percentile(clocs, 0.5), "s", samples=TURNS)
    report.add("the step code_map", percentile(steps, 0.5), "s", samples=TURNS)
    report.add("code_map / cloc", median_ratio(pairs), "×", below=1, samples=TURNS)
    report.add("lines by cloc", by_cloc["lines"], "", samples=by_cloc["files"])
    report.add("lines by code_map", result["lines"], "", samples=result["files"])
    report.note("The step has files that cloc doesn't know or leaves out as well; samples of the last two rows are numbers of files.")


def run_cloc(tree):
    """Return the seconds that cloc takes, and {"files", "lines"} that it counts."""
    started = time.monotonic()
    done = subprocess.run(["cloc", "--json", "--skip-uniqueness", "--timeout=0", "."], cwd=tree, check=True, capture_output=True, text=True)
    seconds = time.monotonic() - started
    total = json.loads(done.stdout)["SUM"]
    return seconds, {"files": total["nFiles"], "lines": total["code"] + total["comment"] + total["blank"]}


def run_map(server, tree):
    """Return the step's result with its `seconds`. Raises OSError when the job didn't complete."""
    job_id = server.submit("map", folder=str(tree))
    structure = server.wait_for_end(job_id, PATIENCE)
    if structure["status"] != "completed":
        raise OSError(f"the job ended {structure['status']}: {structure['error']}")
    started, finished = (datetime.fromisoformat(structure["steps"][0][name]) for name in ("started_at", "finished_at"))
    return server.get(f"/api/jobs/{job_id}").json()["result"] | {"seconds": (finished - started).total_seconds()}
