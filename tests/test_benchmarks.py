"""What the benchmarks rest on: figures and their goals, stores that are filled in bulk, and the parts that are processes of their own."""

import json
import subprocess
import sys

import pytest
from by_hand import recount
from conftest import ROOT, define, make_app

from benchmarks import _bare, _report
from benchmarks._fill import fill_job, fill_jobs
from benchmarks._jobs import COMPUTE, WAIT, chain
from benchmarks._load import Connection, ask_at_pace, ask_without_pause
from benchmarks._report import Figure, Report, percentile, readable, table
from benchmarks._server import Server
from jobsync import store


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_a_value_that_was_measured(share, expected):
    assert percentile(list(range(100, 0, -1)), share) == expected


@pytest.mark.parametrize(
    ("value", "goal", "met"),
    [
        (49.9, {"below": 50}, True),
        (50, {"below": 50}, False),
        (0.5, {"at_least": 0.5}, True),
        (0.49, {"at_least": 0.5}, False),
        (1, {}, None),
    ],
)
def test_a_goal_is_met_or_missed_at_its_edge(value, goal, met):
    figure = Figure("x", value, "ms", **goal)
    assert figure.met is met and figure.as_json().get("met") is met


@pytest.mark.parametrize(("value", "shown"), [(0, "0"), (0.012345, "0.0123"), (1.234, "1.23"), (123.4, "123"), (12345.6, "12,346")])
def test_numbers_are_shown_with_the_digits_that_count(value, shown):
    assert readable(value) == shown


def test_a_report_is_a_table_and_json_with_the_machine_s_size(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(_report, "RESULTS", tmp_path / "results")
    report = Report("sample")
    report.add_spread("a → b", [0.010, 0.020, 0.080], median_below=50, p99_below=50)
    report.note("Said besides.")
    report.print()
    report.keep()
    printed = capsys.readouterr().out
    kept = json.loads((tmp_path / "results" / "sample.json").read_text())
    assert json.loads(printed.splitlines()[-2]) == kept | {"at": json.loads(printed.splitlines()[-2])["at"]}
    assert kept["machine"].keys() >= {"cores", "memory_gib", "python", "sqlite"}
    assert [(figure["value"], figure.get("met")) for figure in kept["figures"]] == [(20, True), (80, None), (80, False)]
    assert [line for line in printed.splitlines() if line.startswith("|")] == table(report.figures)
    assert "| a → b, p99    | 80.0 ms | < 50 | NO  | 3       |" in table(report.figures)


def test_a_filled_store_is_one_that_jobsync_could_have_written(tmp_path):
    app = make_app(tmp_path)
    with app.app_context():
        fill_job("filled", 12)
        fill_jobs(30)
        assert recount("filled") == 1
        structure = store.structure("filled")
        assert (structure["steps"][0]["log_count"], structure["steps"][0]["child_count"]) == (12, 12)
        assert store.jobs(limit=200)["total"] == 31
        assert len(store.jobs_changed_since(0)) == 31 and store.last_change() == store.jobs_changed_since(0)[-1].change


def test_the_definitions_are_good_ones(app, tmp_path):
    for text in (chain("chain", 3), WAIT, COMPUTE):
        name = define(tmp_path, text)
        assert app.extensions["jobsync.definitions"].find(name).id == name
    assert app.extensions["jobsync.definitions"].problems() == []


def test_the_load_goes_on_kept_connections_and_the_server_has_the_empty_route(tmp_path):
    with Server(tmp_path, module="benchmarks._serve") as server:
        host, port = server.url.removeprefix("http://").split(":")
        connections = [Connection(host, int(port), "/empty", {}) for _ in range(2)]
        done = ask_without_pause(connections, 0.05)
        assert done["status"] == 200 and done["requests"] >= 2 and done["requests"] % 2 == 0
        paced = ask_at_pace(connections[0], 0.1, 0.02)
        assert len(paced["delays"]) == paced["requests"] == 5 and min(paced["delays"]) > 0
        assert server.get("/empty").json() == {}
        for connection in connections:
            connection.close()


def test_the_bare_script_counts_a_folder(tmp_path):
    (tmp_path / "a.py").write_text("# a comment\nx = 1\n\n")
    (tmp_path / "b.bin").write_bytes(b"\0\n\n")
    said = subprocess.run([sys.executable, "-m", _bare.__name__, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(said.stdout)
    assert found.pop("seconds") > 0 and found.pop("cpu") > 0
    assert found == {"files": 2, "bytes": 22, "lines": 3, "code": 1}
