"""`make run`, as the README gives it: it prints the job's address, says in one line when the
port is taken, and Ctrl-C ends everything.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from helpers.paths import ROOT
from helpers.servers import free_port
from helpers.waiting import wait_for


@contextmanager
def make_run(tmp_path, port, folder, **variables):
    """Run `make run` as a terminal does, in a process group of its own, and yield `(process,
    output file)`.
    """
    log = tmp_path / f"run-{time.monotonic_ns()}.log"
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JOBSYNC_", "MAKE"))
    }
    environ |= {
        "JOBSYNC_PORT": str(port),
        "JOBSYNC_DATA_DIR": str(tmp_path / "data"),
        "JOBSYNC_WORKERS": "2",
        "FOLDER": str(folder),
        **variables,
    }
    with open(log, "wb") as out:
        process = subprocess.Popen(
            ["make", "run"], cwd=ROOT, env=environ, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process, log
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_folder_that_is_none_is_told_in_one_line_before_anything_starts(tmp_path):
    with make_run(tmp_path, free_port(), tmp_path / "nowhere") as (process, log):
        assert process.wait(30) != 0
        assert (
            f"FOLDER={tmp_path}/nowhere is not a folder." in log.read_text()
            and "jobsync is at" not in log.read_text()
        )


def processes_with(text):
    """Return the pids of processes whose environment or command line has `text`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def assert_nothing_of_make(url):
    """Assert that a command finds the environment that `make run` was given, and nothing that
    make or jobsync has added.
    """
    shows = requests.post(
        f"{url}api/jobs", json={"definition": "shows", "params": {}}, timeout=5
    ).json()["id"]
    wait_for(
        lambda: requests.get(f"{url}api/jobs/{shows}", timeout=5).json()["finished_at"],
        60,
        "the end of `env`",
    )
    lines = requests.get(f"{url}api/jobs/{shows}/logs?step=a", timeout=5).json()["items"]
    variables = {line["message"].partition("=")[0] for line in lines}
    assert "MINE" in variables
    assert not [
        name
        for name in variables
        if name.startswith(("MAKE", "MFLAGS", "JOBSYNC_", "FLASK_", "FOLDER"))
    ]


@pytest.mark.slow
def test_make_run_runs_the_job_and_ctrl_c_ends_everything_within_three_seconds(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "main.py").write_text("print('hi')\n")
    port = free_port()
    definitions = tmp_path / "definitions"
    definitions.mkdir()
    shutil.copy(ROOT / "definitions" / "codebase_classify.toml", definitions)
    (definitions / "shows.toml").write_text(
        'id = "shows"\n[step.a]\ntype = "command"\nrun = ["env"]\n'
    )
    with make_run(tmp_path, port, source, JOBSYNC_DEFINITIONS=str(definitions), MINE="kept") as (
        process,
        log,
    ):
        found = wait_for(
            lambda: re.search(r"(http://\S+/)jobs/(\S+)", log.read_text()), 120, "the job's address"
        )
        url, job_id = found.groups()
        ended = wait_for(
            lambda: requests.get(f"{url}api/jobs/{job_id}", timeout=5).json()["finished_at"],
            60,
            "the job's end",
        )
        assert ended
        assert requests.get(f"{url}api/jobs/{job_id}", timeout=5).json()["result"]["files"] == 1
        assert_nothing_of_make(url)
        with make_run(tmp_path, port, source) as (second, second_log):
            second.wait(60)
            said = [line for line in second_log.read_text().splitlines() if str(port) in line]
            assert second.returncode != 0
            assert len(said) == 1 and "JOBSYNC_PORT" in said[0], second_log.read_text()
            assert "Traceback" not in second_log.read_text()
        assert requests.get(f"{url}healthz", timeout=5).ok
        started = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        process.wait(10)
        wait_for(lambda: not processes_with(str(tmp_path / "data")), 3, "the end of all processes")
        assert time.monotonic() - started < 3.5
        assert "Traceback" not in log.read_text(), log.read_text()
