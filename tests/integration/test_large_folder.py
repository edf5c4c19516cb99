"""A folder of 30,000 files, imported by a real server and its workers, twice: complete, in
bounded memory, with the server as quick as ever.
"""

import hashlib
import os
import time
from pathlib import Path

import pytest

from benchmarks._report import percentile
from benchmarks._tree import make_tree
from helpers.definition_files import define
from helpers.servers import Server

FILES = 30_000
DEFINITION = """
id = "import_all"
[params.folder]
type = "path"
[step.import_files]
type = "local_dir"
dir_path = "{folder}"
max_files = 1000000
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large") / "tree"
    make_tree(folder, FILES, mean=6)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"), JOBSYNC_WORKERS="2")
    define(server.folder, DEFINITION)
    yield server.start()
    server.stop()


def run(server, tree):
    """Import the tree and return the job's id, its result, and how long each question took that
    was asked meanwhile, in seconds.
    """
    job_id, answers = server.submit("import_all", folder=str(tree)), []
    while True:
        asked = time.perf_counter()
        structure = server.structure(job_id)
        answers.append(time.perf_counter() - asked)
        if structure["finished_at"]:
            assert structure["status"] == "completed", structure
            return job_id, server.get(f"/api/jobs/{job_id}").json()["result"], answers
        time.sleep(0.05)


def records(server, job_id):
    """Yield the records of all files, in order."""
    cursor = ""
    while cursor is not None:
        query = f"limit=10{cursor and '&cursor=' + cursor}"
        page = server.get(f"/api/jobs/{job_id}/steps/import_files/children?{query}").json()
        for child in page["items"]:
            yield from child["result"]["files"]
        cursor = page["next_cursor"]


def peak_mebibytes(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.slow
def test_a_large_folder_is_imported_whole_and_the_second_time_without_reading_it(server, tree):
    first_id, first, answers = run(server, tree)
    sizes, lines, sums = 0, 0, {}
    for folder, _, names in os.walk(tree):
        for name in names:
            raw = Path(folder, name).read_bytes()
            sizes, lines = sizes + len(raw), lines + raw.count(b"\n")
            sums[os.path.relpath(os.path.join(folder, name), tree)] = hashlib.sha256(
                raw
            ).hexdigest()
    assert (first["files"], first["bytes"], first["lines"], first["cut"]) == (
        FILES,
        sizes,
        lines,
        False,
    )
    found = [(file["path"], file["sha256"]) for file in records(server, first_id)]
    assert len(found) == FILES and dict(found) == sums
    assert [path for path, _ in found] == sorted(sums, key=lambda path: path.split("/"))
    assert percentile(answers, 0.95) < 0.5, "a page is answered meanwhile"

    next(tree.rglob("file07.md")).unlink()
    (tree / "new.py").write_text("x = 1\n")
    next(tree.rglob("file03.c")).write_text("int x;\n")
    _, second, _ = run(server, tree)
    changes = second["changes"]
    assert (changes["added"], changes["removed"], changes["modified"], changes["unchanged"]) == (
        1,
        1,
        1,
        FILES - 2,
    )
    assert second["reused"] == FILES - 2
    workers = (
        Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    )
    assert len(workers) == 2 and max(map(peak_mebibytes, workers)) < 200
