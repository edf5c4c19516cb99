"""The job that ships, on a real tree (Python's own library), counted by other means: find, wc
and sha256sum.
"""

import shutil
import subprocess
import sysconfig

import pytest


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of Python's library without what is installed into it and without compiled files:
    well over 1,500 files.
    """
    folder = tmp_path_factory.mktemp("tree") / "library"
    ignored = shutil.ignore_patterns(
        "site-packages", "__pycache__", "*.pyc", "*.so", "*.a", "*.whl", "test"
    )
    shutil.copytree(
        sysconfig.get_path("stdlib"), folder, ignore=ignored, ignore_dangling_symlinks=True
    )
    shutil.copytree(
        f"{sysconfig.get_path('stdlib')}/test",
        folder / "test",
        ignore=shutil.ignore_patterns("__pycache__", "*.pyc"),
    )
    return folder


def shell(script, folder):
    return subprocess.run(
        ["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.mark.slow
def test_the_report_equals_what_find_and_wc_count(shared_server, tree):
    files = int(shell("find . -type f | wc -l", tree))
    size = int(
        shell("find . -type f -printf '%s\\n' | awk '{ n += $1 } END { printf \"%d\", n }'", tree)
    )
    assert files >= 1500
    job_id = shared_server.submit("codebase_classify", folder=str(tree))
    structure = shared_server.wait_for_end(job_id, 240)
    assert structure["status"] == "completed", structure
    result = shared_server.get(f"/api/jobs/{job_id}").json()["result"]
    assert (result["files"], result["bytes"]) == (files, size)
    for table in (result["categories"], result["languages"]):
        assert sum(row["files"] for row in table.values()) == files
        assert sum(row["bytes"] for row in table.values()) == size
        assert sum(row["lines"] for row in table.values()) == result["lines"]
    imported = [
        file
        for child in all_children(shared_server, job_id, "import_files")
        for file in child["result"]["files"]
    ]
    by_name = {file["path"]: file for file in imported}
    assert len(imported) == len(by_name) == files
    text = [file for file in imported if not file["binary"] and file.get("lines") is not None]
    assert sum(file["lines"] for file in text) == result["lines"]
    for file in sorted(text, key=lambda file: file["path"])[::50]:
        assert file["lines"] == int(shell(f"wc -l < '{file['path']}'", tree)), file["path"]
        assert file["sha256"] == shell(f"sha256sum < '{file['path']}'", tree).split()[0]


def all_children(server, job_id, step):
    cursor = ""
    while cursor is not None:
        page = server.get(
            f"/api/jobs/{job_id}/steps/{step}/children?limit=200{cursor and '&cursor=' + cursor}"
        ).json()
        yield from page["items"]
        cursor = page["next_cursor"]
