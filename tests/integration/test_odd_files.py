"""Odd files in a real job: each costs itself a warning, and a cancel ends whatever is being
done with it.
"""

from pathlib import Path

from helpers.folder_steps import write_tree
from helpers.waiting import wait_for

HANGS = "/*\n" * 200_000  # for Pygments' lexer of Objective-J


def test_an_odd_file_ends_neither_the_job_nor_the_worker(shared_server, tmp_path):
    write_tree(tmp_path, {"odd.j": HANGS, "a.pl": "# a\nf();\n", "b.py": "x = 1\n"})
    job_id = shared_server.submit("codebase_classify", folder=str(tmp_path))
    assert shared_server.wait_for_end(job_id, 240)["status"] == "completed"
    lines = shared_server.get(f"/api/jobs/{job_id}/logs?step=code_map&level=warning").json()[
        "items"
    ]
    assert [line["message"] for line in lines] == [
        "odd.j: the lexer for Objective-J took more than 2 s, so comments are counted as code"
    ]


def test_a_cancel_ends_what_is_being_done_with_an_odd_file(shared_server, tmp_path):
    write_tree(tmp_path, {f"{number}.j": HANGS for number in range(30)})
    idle = helpers_of(shared_server.process.pid)  # those of earlier jobs stay for a minute
    job_id = shared_server.submit("codebase_classify", folder=str(tmp_path))
    helpers = wait_for(
        lambda: helpers_of(shared_server.process.pid) - idle, what="a helper process"
    )
    workers = children_of(shared_server.process.pid)
    shared_server.post(f"/api/jobs/{job_id}/cancel")
    wait_for(
        lambda: not helpers & helpers_of(shared_server.process.pid), 10, "the end of the helper"
    )
    assert children_of(shared_server.process.pid) == workers, (
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


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
