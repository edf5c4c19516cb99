"""Odd files in a real job: each costs itself a warning, and a cancel ends whatever is being done with it."""

from pathlib import Path

import pytest
from conftest import ROOT, wait_for
from folder_steps import write_tree

HANGS = "/*\n" * 200_000  # for Pygments' lexer of Objective-J


@pytest.fixture
def own_server(server):
    """A server whose workers have nothing to do but these tests' jobs."""
    server.environ["JOBSYNC_DEFINITIONS"] = str(ROOT / "definitions")
    return server.start()


def test_an_odd_file_ends_neither_the_job_nor_the_worker(own_server, tmp_path):
    write_tree(tmp_path / "tree", {"odd.j": HANGS, "a.pl": "# a\nf();\n", "b.py": "x = 1\n"})
    job_id = own_server.submit("codebase_classify", folder=str(tmp_path / "tree"))
    assert own_server.wait_for_end(job_id)["status"] == "completed"
    lines = own_server.get(f"/api/jobs/{job_id}/logs?step=code_map&level=warning").json()["items"]
    assert [line["message"] for line in lines] == [
        "odd.j: the lexer for Objective-J took more than 2 s, so comments are counted as code"
    ]


def test_a_cancel_ends_what_is_being_done_with_an_odd_file(own_server, tmp_path):
    write_tree(tmp_path / "tree", {f"{number}.j": HANGS for number in range(30)})
    job_id = own_server.submit("codebase_classify", folder=str(tmp_path / "tree"))
    helpers = wait_for(
        lambda: set(filter(is_computing, helpers_of(own_server.process.pid))),
        what="a helper process at work",
    )
    workers = children_of(own_server.process.pid)
    own_server.post(f"/api/jobs/{job_id}/cancel")
    wait_for(lambda: not helpers & helpers_of(own_server.process.pid), 10, "the end of the helper")
    assert children_of(own_server.process.pid) == workers, (
        "the work stopped without ending its worker"
    )


def children_of(pid):
    try:
        return {
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        }
    except OSError:
        return set()


def helpers_of(server):
    return {
        child
        for worker in children_of(server)
        for child in children_of(worker)
        if b"jobsync.steps.isolated" in command_of(child)
    }


def is_computing(pid):
    """Say whether a process runs now: a helper that is kept for the next call sleeps."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "R"
    except OSError:
        return False


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
