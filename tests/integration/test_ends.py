"""How steps and jobs end, for every combination of what a definition may say, by real workers:
the table is the contract's section 1.
"""

from itertools import product

import pytest

from helpers.definition_files import define
from helpers.servers import Server
from helpers.waiting import wait_for

CASES = list(
    product(
        ("completes", "fails", "is killed"),
        ("fail", "continue"),
        (False, True),
        (0, 1),
        (0, 1),
    )
)
COMMANDS = {
    "completes": ["true"],
    "fails": ["false"],
    "is killed": ["sh", "-c", "kill -KILL $$"],
}


def definition_of(name, case):
    outcome, on_error, always_run, tolerated, retries = case
    return f"""
id = "{name}"
[step.first]
type = "command"
run = {COMMANDS[outcome]}
on_error = "{on_error}"
max_child_failures = {tolerated}
retries = {retries}
[step.second]
type = "command"
run = ["true"]
depends = "first"
always_run = {str(always_run).lower()}
[step.third]
type = "command"
run = ["true"]
depends = "second"
[step.beside]
type = "command"
run = ["true"]
"""


def expected(case):
    """Return `(the job's status, {step: status}, attempts of the first step's child)`."""
    outcome, on_error, always_run, tolerated, retries = case
    fails = outcome != "completes"
    first = "failed" if fails and not tolerated else "completed"
    runs = first == "completed" or always_run or on_error == "continue"
    rest = "completed" if runs else "skipped"
    job = "failed" if first == "failed" and on_error == "fail" else "completed"
    steps = {"first": first, "second": rest, "third": rest, "beside": "completed"}
    return job, steps, 1 + retries * fails


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Run a job of each case, all at the same time, and return `[(case, id)]` and the server."""
    folder = tmp_path_factory.mktemp("ends")
    names = [f"case{place}" for place in range(len(CASES))]
    for name, case in zip(names, CASES, strict=True):
        define(folder, definition_of(name, case))
    server = Server(folder).start()
    jobs = [server.submit(name) for name in names]
    for job_id in jobs:
        server.wait_for_end(job_id, 120)
    yield server, dict(zip(CASES, jobs, strict=True))
    server.stop()


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_each_combination_ends_as_the_contract_says(ended, case):
    server, jobs = ended
    structure = server.structure(jobs[case])
    (child,) = server.get(f"/api/jobs/{jobs[case]}/steps/first/children").json()["items"]
    assert (
        structure["status"],
        {step["name"]: step["status"] for step in structure["steps"]},
        child["attempt"],
    ) == expected(case)


def test_a_tolerance_is_exceeded_by_one_more_and_not_by_as_many(tmp_path):
    define(
        tmp_path,
        'id = "t"\n[params.fails]\ntype = "integer"\n[step.a]\ntype = "command"\n'
        'run = ["sh", "-c", "test $PARAM_ITEM -gt $PARAM_FAILS"]\n'
        "for_each = [1, 2, 3, 4, 5, 6]\nmax_child_failures = 3",
    )
    server = Server(tmp_path).start()
    try:
        for fails, status in ((0, "completed"), (3, "completed"), (4, "failed"), (6, "failed")):
            structure = server.wait_for_end(server.submit("t", fails=fails))
            assert structure["status"] == status
            counts = structure["steps"][0]["children"]
            assert counts["failed"] == min(fails, 4)
            assert counts["pending"] == counts["running"] == 0
            assert sum(counts.values()) == 6
    finally:
        server.stop()


def test_a_job_of_3_children_behind_one_of_many_ends_soon_and_a_freed_place_is_taken_at_once(
    tmp_path,
):
    define(
        tmp_path,
        'id = "long"\n[step.a]\ntype = "test_job_generator"\nworker_count = 20000\n'
        "log_count = 1\nlog_delay_ms = 0",
    )
    define(
        tmp_path,
        'id = "short"\n[step.a]\ntype = "test_job_generator"\nworker_count = 3\n'
        "log_count = 1\nlog_delay_ms = 0",
    )
    define(tmp_path, 'id = "one"\nconcurrency = 1\n[step.a]\ntype = "command"\nrun = ["true"]')
    server = Server(tmp_path).start()
    try:
        long = server.submit("long")
        wait_for(
            lambda: server.structure(long)["steps"][0]["children"]["completed"], 30, "its start"
        )
        assert server.wait_for_end(server.submit("short"), 10)["status"] == "completed"
        assert server.structure(long)["status"] == "running"
        limited = [server.submit("one") for _ in range(5)]
        for job_id in limited:
            assert server.wait_for_end(job_id)["status"] == "completed"
        times = sorted(
            (job["started_at"], job["finished_at"])
            for job in (server.get(f"/api/jobs/{job_id}").json() for job_id in limited)
        )
        assert all(before[1] <= after[0] for before, after in zip(times, times[1:], strict=False))
    finally:
        server.stop()
