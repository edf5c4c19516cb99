"""What the benchmarks rest on: figures and their goals, stores that are filled in bulk, and the
parts that are processes of their own.
"""

import asyncio
import json
import re
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from benchmarks import (
    _bare,
    _page,
    _peers,
    _report,
    engine_size,
    large_jobs,
    latency,
    painted,
    starts,
    storm,
    throughput,
    viewers,
)
from benchmarks._fill import fill_job, fill_jobs
from benchmarks._helper import Helper
from benchmarks._jobs import BY_HAND, COMPUTE, WAIT, chain
from benchmarks._load import Connection, ask_at_pace, ask_without_pause
from benchmarks._report import (
    Figure,
    Histogram,
    Report,
    histogram_table,
    percentile,
    readable,
    table,
)
from benchmarks._server import Server
from benchmarks._socket import Socket
from benchmarks._viewer import Seen
from benchmarks._wire import frame_at
from helpers.apps import make_app
from helpers.ask import ask, fetch, jobs_page
from helpers.by_hand import recount
from helpers.definition_files import define
from helpers.paths import ROOT
from jobsync import store
from jobsync.db.models import Attempt


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.001, 1)]
)
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


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.012345, "0.0123"), (1.234, "1.23"), (123.4, "123"), (12345.6, "12,346")],
)
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
    assert json.loads(printed.splitlines()[-2]) == kept | {
        "at": json.loads(printed.splitlines()[-2])["at"]
    }
    assert kept["machine"].keys() >= {"cores", "memory_gib", "python", "sqlite"}
    assert [(figure["value"], figure.get("met")) for figure in kept["figures"]] == [
        (20, True),
        (80, None),
        (80, False),
    ]
    assert [line for line in printed.splitlines() if line.startswith("|")] == table(report.figures)
    assert "| a → b, p99    | 80.0 ms | < 50 | NO  | 3       |" in table(report.figures)


def test_a_histogram_counts_each_time_once_with_those_at_an_edge_within_it(capsys):
    report = Report("sample")
    report.add_histogram("a → b", [0.001, 0.005, 0.0051, 0.1, 31, 3600])
    assert {edge: count for edge, count in report.histograms[0].buckets if count} == {
        5: 2,
        10: 1,
        100: 1,
        None: 2,
    }
    assert report.as_json()["histograms"][0]["buckets"][-1] == {"up_to": None, "count": 2}
    report.print()
    assert "\n".join(histogram_table(report.histograms)) in capsys.readouterr().out


def test_a_table_of_histograms_leaves_out_the_buckets_that_are_empty_in_all():
    lines = histogram_table([Histogram.of("one", [0.005]), Histogram.of("other", [0.1])])
    assert lines[0] == "| times within | ≤ 5 ms | ≤ 100 ms |"
    assert lines[2:] == [
        "| one          |      1 |        0 |",
        "| other        |      0 |        1 |",
    ]


def test_a_filled_store_is_one_that_jobsync_could_have_written(tmp_path):
    app = make_app(tmp_path)
    with app.app_context():
        fill_job("filled", 12)
        fill_jobs(30)
        assert recount("filled") == 1
        attempts = fetch(select(Attempt.status)).scalars().all()
        assert attempts == 12 * ["completed"]
        structure = ask(store.structure.structure_of, "filled")
        assert (structure["steps"][0]["log_count"], structure["steps"][0]["child_count"]) == (
            12,
            12,
        )
        assert jobs_page(limit=200)["total"] == 31
        assert (
            len(ask(store.jobs.changed_since, 0)) == 31
            and ask(store.jobs.last_change) == ask(store.jobs.changed_since, 0)[-1].change
        )


def test_the_definitions_are_good_ones(app, tmp_path):
    for text in (chain("chain", 3, BY_HAND), WAIT, COMPUTE):
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
    said = subprocess.run(
        [sys.executable, "-m", _bare.__name__, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(said.stdout)
    assert found.pop("seconds") > 0 and found.pop("cpu") > 0
    assert found == {"files": 2, "bytes": 22, "lines": 3, "code": 1}


# Viewers by the hundred

CONSTANTS = {
    "lib/request.js": ("TIME_OUT", "LONGEST_PAUSE", "FIRST_PAUSE"),
    "sync/connection.js": (
        "SILENT_AFTER",
        "SILENT_SPREAD",
        "ACK_WITHIN",
        "TICK",
        "GIVE_UP_AFTER",
        "LONGEST_GIVE_UP",
        "SPREAD",
        "POLL_EVERY",
    ),
}


@pytest.mark.parametrize(
    ("file", "name"), [(file, name) for file, names in CONSTANTS.items() for name in names]
)
def test_the_viewers_wait_as_long_as_a_page_does(file, name):
    source = (ROOT / "static" / "js" / file).read_text()
    assert 1000 * getattr(_page, name) == int(re.search(rf"\bconst {name} = (\d+);", source)[1])


class Half:
    """Chance that always comes to one half."""

    def random(self):
        return 0.5


def test_pauses_grow_up_to_the_longest():
    assert [_page.pause_after(failures, Half()) for failures in range(6)] == [
        0.1875,
        0.375,
        0.75,
        1.5,
        2.25,
        2.25,
    ]


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_a_frame_is_read_when_it_is_whole(size):
    length = (
        bytes([size])
        if size < 126
        else b"\x7e" + size.to_bytes(2)
        if size < 65536
        else b"\x7f" + size.to_bytes(8)
    )
    data = b"before" + b"\x81" + length + b"x" * size
    assert frame_at(data, 6) == (1, len(data) - size, len(data))
    assert frame_at(data + b"after", 6) == frame_at(data, 6)
    assert all(
        frame_at(data[:end], 6) is None for end in (6, 7, 7 + len(length) - 1, len(data) - 1)
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A server, and a job on it that only gets hints."""
    with Server(
        tmp_path_factory.mktemp("told"), definitions={"told": viewers.beside("told", 1)}
    ) as server:
        yield server, server.submit("told")


@pytest.mark.parametrize("transports", [["websocket", "polling"], ["polling", "websocket"]])
def test_a_socket_subscribes_and_hears_whichever_transport_comes_first(told, transports):
    server, job_id = told
    # in a thread: the one of the tests may have Chromium's event loop
    with ThreadPoolExecutor(1) as threads:
        following = threads.submit(asyncio.run, follow_a_job(server, job_id, transports))
        acks, hints, requests = following.result()
    assert acks[0]["ok"] and acks[0]["job_id"] == job_id
    assert [(name, hint["job_id"]) for name, hint in hints[:2]] == 2 * [("job_update", job_id)]
    assert requests >= 1 if transports[0] == "websocket" else requests >= 4, (
        "two polls, the connect and the websocket at least"
    )


async def follow_a_job(server, job_id, transports):
    """Return the acks, the hints and the number of requests of a socket, after two hints."""
    acks, hints, requests, done = [], [], [], asyncio.Event()

    def hear(*event):
        hints.append(event)
        if len(hints) == 2:
            done.set()

    socket = Socket(
        server.address,
        transports,
        on_connect=lambda: socket.emit("subscribe", {"job_id": job_id}),
        on_event=hear,
        on_ack=acks.append,
        on_end=lambda: pytest.fail("the socket ended"),
        on_request=lambda: requests.append(1),
    )
    await asyncio.wait_for(done.wait(), 20)
    socket.cut()
    return acks, hints, len(requests)


def test_a_lag_is_counted_from_the_first_commit_that_a_viewer_did_not_show():
    revisions = [[7, 10.0], [8, 11.0], [9, 12.0]]
    shown = [[0, 7, 10.5], [1, 8, 11.25], [0, 9, 12.5], [1, 9, 14.0], [1, 12, 15.0]]
    assert viewers.lags_of(revisions, shown, 2) == [
        (10.5, 0.5),
        (11.25, 1.25),
        (12.5, 1.5),
        (14.0, 2.0),
    ]


def test_lags_are_sorted_into_the_quarters_of_the_time():
    lags = [(10.0, 1), (10.9, 2), (11.0, 3), (12.5, 4), (13.9, 5), (14.0, 6)]
    assert viewers.quarters_of(lags, 10, 4) == [[1, 2], [3], [4], [5]]
    with pytest.raises(TimeoutError, match="anything new"):
        viewers.quarters_of(lags[:4], 10, 4)


def test_a_viewer_is_right_once_it_is_subscribed_and_shows_the_revision():
    told = {
        "acks": [[0, 5.0], [1, 3.0], [2, 2.0], [2, 6.0]],
        "shown": [[0, 9, 4.0], [1, 8, 3.5], [1, 9, 4.0], [2, 9, 2.5]],
    }
    assert storm.right_moments(told, 9) == {0: 5.0, 1: 4.0, 2: 6.0}


def test_the_peak_is_the_most_requests_within_any_second():
    assert storm.peak_of([0.0, 0.9, 1.5, 1.8, 1.9, 3.0]) == 4


def test_the_bare_server_tells_all_who_have_subscribed():
    with (
        Helper("_emitter") as bare,
        viewers.crowd(("127.0.0.1", bare.hear()["port"]), "bare") as crowd,
    ):
        assert crowd.ask(open=3) == {"open": 3}
        sent = bare.ask(emit=4)
        heard = crowd.ask(heard=sent["step"])
    assert heard["number"] == 3 and sent["at"] <= heard["first"] <= heard["last"]


def measured(module, *sizes):
    """Run a benchmark and return its figures, `{name: value}`."""
    report = Report("sample")
    # in a thread: the one of the tests may have Chromium's event loop
    with ThreadPoolExecutor(1) as threads:
        threads.submit(module.measure, report, lambda _: None, *sizes).result()
    return {figure.name: figure.value for figure in report.figures}, report


def test_viewers_are_measured(monkeypatch):
    monkeypatch.setattr(viewers, "SETTLE", 0.1)
    figures, _ = measured(
        viewers, viewers.Size(viewers=4, rounds=3, steps=3, rate=10, warm_up=1, seconds=4)
    )
    assert 0 < figures["viewers' lag, median"] <= 1000 * figures["viewers' lag, worst"]
    assert (
        figures["bare: emit → last viewer, median"] > 0
        and figures["commit → last viewer, median"] > 0
    )
    assert (
        figures["`structure` requests a second"] > 0
        and figures["messages a second to each viewer"] > 0
    )


def test_storms_are_measured(monkeypatch):
    monkeypatch.setattr(storm, "SETTLE", 0.1)
    figures, _ = measured(storm, storm.Size(viewers=4, steps=2, cuts=1, kills=1, down=0.2))
    for label in ("connections cut", "server killed"):
        assert (
            0
            < figures[f"{label}: half of them right again, median"]
            <= figures[f"{label}: all right again, worst of 1"]
        )
        assert (
            figures[f"{label}: requests of each viewer"] >= 2
            and figures[f"{label}: of `structure` of each viewer"] >= 1
        )


def test_large_jobs_are_measured(monkeypatch):
    monkeypatch.setattr(large_jobs, "CALM", 0.02)
    shapes = large_jobs.shapes
    assert {len(steps) for steps in shapes(50).values()} == {50}
    assert all(
        before in steps
        for steps in shapes(50).values()
        for depends in steps.values()
        for before in depends
    )
    monkeypatch.setattr(large_jobs, "shapes", lambda number: {"layered": shapes(number)["layered"]})
    figures, report = measured(large_jobs, large_jobs.Size(steps=25, children=30, rounds=1))
    held = [figure for figure in report.figures if figure.below]
    assert len(held) == 2 * 23 and min(figure.value for figure in held) > 0
    assert figures["cancel, 30 children: the answer came after, median"] > 0


# The engine, and its peers

HINT = {"context": "job", "job_id": "x", "refresh_logs": False}


@pytest.mark.parametrize("is_fetched_first", [True, False])
def test_a_viewer_shows_the_end_once_it_has_both_heard_of_it_and_fetched_it(is_fetched_first):
    seen = Seen()
    seen.note_hint({**HINT, "status": "running", "revision": 7})
    seen.note_shown(0, 7)
    happens = [
        lambda: seen.note_hint({**HINT, "status": "completed", "revision": 9}),
        lambda: seen.note_shown(0, 9),
    ]
    first, second = reversed(happens) if is_fetched_first else happens
    first()
    assert not seen.shows_end.is_set()
    second()
    assert seen.shows_end.is_set() and (seen.status, seen.heard) == ("completed", 2)


def test_sides_take_turns_and_their_ratio_is_the_median_of_the_rounds():
    report, calls = Report("sample"), []

    def side(name, rates, **goal):
        rates = iter(rates)
        return throughput.Side(name, lambda: calls.append(name) or next(rates), **goal)

    ours = side("ours", [10, 30, 80])
    throughput.compare(report, lambda _: None, ours, [side("theirs", [20, 30, 10], at_least=2)], 3)
    assert calls == ["ours", "theirs"] * 3
    assert [(figure.name, figure.value, figure.met) for figure in report.figures] == [
        ("ours", 30, None),
        ("theirs", 20, None),
        ("ours / theirs", 1, False),
    ]


def test_a_peer_that_cannot_be_installed_is_said_in_one_line(monkeypatch, tmp_path):
    requirements = tmp_path / "peers.txt"
    requirements.write_text("./missing\n")
    monkeypatch.setattr(_peers, "REQUIREMENTS", requirements)
    monkeypatch.setattr(_peers, "ROOT", tmp_path)
    monkeypatch.setattr(_peers, "PLACE", tmp_path / "peers")
    with pytest.raises(OSError, match=r"\A[^\n]*missing[^\n]*\Z"):
        _peers.python_of_peers(lambda _: None)
    assert not (tmp_path / "peers" / "installed").exists()


SMALL = throughput.Size(
    short=((200, 1),),
    single=40,
    single_rounds=1,
    items=20,
    command_rounds=1,
    warm_up=20,
)


def test_throughput_is_measured_without_the_peers_that_are_missing(monkeypatch):
    def find_nothing(name, package):
        raise FileNotFoundError(f"{name} isn't installed ({package})")

    monkeypatch.setattr(throughput, "find_program", find_nothing)
    figures, report = measured(throughput, SMALL)
    assert figures.keys() == {
        "200 short children",
        "40 children one by one",
        "20 runs of `true`",
    }
    assert min(figures.values()) > 0
    assert [note.split(" isn't")[0] for note in report.notes[:3]] == [
        "Huey, Celery and RQ are left out: redis-server",
        "GNU parallel is left out: parallel",
        "xargs is left out: xargs",
    ]


needs_peers = pytest.mark.skipif(
    not (_peers.PLACE / "installed").exists() or not shutil.which("redis-server"),
    reason="the peers are installed by the benchmark",
)


@needs_peers
@pytest.mark.parametrize(
    ("name", "more"), [("huey", ()), ("celery", ()), ("rq", ()), ("rq", throughput.SIMPLE)]
)
def test_the_rate_of_a_task_queue_is_measured_and_nothing_of_it_is_left(name, more):
    assert _peers.queue_rate(_peers.python_of_peers(print), name, 20, *more) > 0
    assert processes_of_peers() == []


@needs_peers
def test_a_task_queue_that_takes_too_long_is_ended_with_all_that_it_has_started(monkeypatch):
    monkeypatch.setattr(_peers, "PATIENCE", 5)
    with pytest.raises(TimeoutError, match="huey took longer than 5 s"):
        _peers.queue_rate(_peers.python_of_peers(print), "huey", 10_000_000, meanwhile=True)
    assert processes_of_peers() == []


def processes_of_peers():
    """Return the command lines of processes of the peers' environment that still run."""
    found = [text_of(entry) for entry in Path("/proc").glob("[0-9]*/cmdline")]
    return [text for text in found if str(_peers.PLACE) in text]


def text_of(path):
    """Return what a file has, "" for that of a process that has ended."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def test_the_engine_is_measured_by_size():
    figures, report = measured(
        engine_size,
        engine_size.Size(
            children=(40, 200),
            rounds=1,
            stored=300,
            beside=(("short", 40), ("single", 10)),
            warm_up=10,
        ),
    )
    assert min(figures.values()) > 0
    assert [figure.name for figure in report.figures if figure.below] == [
        "a child of 200 / of 40",
        "a child in the last quarter / in the quickest before it, 200",
        "40 short children: 300 stored / an empty store",
        "10 children one by one: 300 stored / an empty store",
    ]


def test_a_job_that_slows_down_misses_the_goal_whatever_its_start_was_like():
    report = Report("sample")
    engine_size.report_quarters(report, 100, [[0.004, 0.002, 0.002, 0.003]])
    assert (report.figures[-1].value, report.figures[-1].met) == (1.5, False)


def test_starts_are_measured(monkeypatch):
    monkeypatch.setattr(starts, "PAUSE", (0.02, 0.05))
    monkeypatch.setattr(starts, "EVERY", 0.02)
    monkeypatch.setattr(starts, "SETTLE", 0.1)
    figures, _ = measured(
        starts, starts.Size(submits=3, places=3, children=8000, behind=1, warm_up=20)
    )
    assert 0 < figures["submit → first child begun, median"] < 60_000
    assert (
        0
        <= figures["freed place → next start, median"]
        <= figures["freed place → its first child begun, median"]
    )
    assert 0 < figures["3 children behind 8,000: longest"] < 60
    assert figures["memory of both workers, before"] > 2 * 10


def test_children_end_beside_at_a_pace(tmp_path):
    definitions = {"ending": chain("ending", 1, BY_HAND)}
    with (
        Server(tmp_path, definitions=definitions) as server,
        Helper("_hand", BY_HAND, environ=server.environ) as hand,
        latency.children_ending(server, hand, 100, 0.3) as ending,
    ):
        pass
    assert 25 <= ending["number"] <= 31


@pytest.mark.browser
def test_what_is_painted_is_measured():
    pace = painted.Pace(40, children=2, lines=2, jobs=1, steps=6)
    figures, report = measured(painted, [pace])
    assert [sum(histogram.counts) for histogram in report.histograms] == [6, 24, 24]
    medians = [
        figures[f"commit → painted, {what}, 40/s, median"]
        for what in ("statuses", "counts", "lines")
    ]
    assert min(medians) > 0 and statistics.median(medians) < 60_000
