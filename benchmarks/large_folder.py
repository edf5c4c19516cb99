"""The main job on a tree of a million small files, and on a tenth of it: how long it takes, and
how much memory the processes need at most.
"""

import os

from benchmarks._server import CORES, Server, a_folder
from benchmarks._tree import make_tree
from benchmarks.import_folder import peak_bytes
from benchmarks.main_job import seconds_of

FILES = int(os.environ.get("LARGE_FOLDER_FILES", "1000000"))
SIZES = (FILES // 10, FILES)
SMALL = {"mean": 4.0, "spread": 1.0}  # a line or two: the number of files is what counts here
PATIENCE = 3600  # seconds that a job gets
MEBIBYTE = 2**20


def measure(report, say):
    """Fill the report. Each size has a server of its own, as a peak never goes down."""
    for files in SIZES:
        with a_folder() as folder:
            say(f"  making a tree of {files:,} files")
            make_tree(folder / "tree", files, **SMALL)
            say("  the job")
            with Server(folder, CORES) as server:
                job_id = server.submit("codebase_classify", folder=str(folder / "tree"))
                structure = server.wait_for_end(job_id, PATIENCE)
                result = server.get(f"/api/jobs/{job_id}").json()["result"]
                workers = max(map(peak_bytes, server.worker_pids())) / MEBIBYTE
                web = peak_bytes(server.pid) / MEBIBYTE
        if structure["status"] != "completed" or result["files"] != files:
            raise OSError(
                f"the job on {files:,} files {structure['status']}, with "
                f"{result and result['files']} files"
            )
        report.add(f"{files:,} files", seconds_of(structure), "s")
        report.add(f"{files:,} files: most memory of a worker", workers, "MiB")
        report.add(f"{files:,} files: most memory of the web process", web, "MiB")
    report.note(
        f"{CORES} workers. {report.figures[-1].name.partition(':')[0]}: {result['summary']}"
    )
