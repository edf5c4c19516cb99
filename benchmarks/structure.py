"""`GET structure`: against an empty route, with a million lines and children, and while all workers
compute.

The empty route is one that only this benchmark adds (`_serve.py`): a bare Flask function that
answers `{}`. `/healthz`, the emptiest of those that ship, is measured beside it.
"""

import statistics
import threading
import time
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

from benchmarks._fill import fill_job
from benchmarks._helper import Helper
from benchmarks._jobs import COMPUTE, busy_workers
from benchmarks._load import Connection
from benchmarks._report import median_ratio
from benchmarks._server import CORES, Server, a_folder, cpu_seconds, make_store
from jobsync.db.transactions import read, write
from jobsync.lifecycle import rows
from jobsync.store.structure import structure_of

JOB = "filled"
FEW, MANY = 10, 1_000_000
CONNECTIONS = 8
SLICE = 0.4  # seconds that one route is asked without a pause
ROUNDS = 12
COSTS = 400  # requests after a change, for each of the two jobs
BUSY_SECONDS = 12
EVERY = 0.02  # seconds between two requests while workers compute
# seconds between two changes meanwhile: four in ten requests find a newer revision
CHANGE_EVERY = 0.05

FOUR_STEPS = """
id = "four_steps"
name = "Four steps"
""" + "".join(
    (
        f'[step.part{number}]\ntype = "test_job_generator"\nworker_count = 5\nlog_count = 10\n'
        "log_delay_ms = 0\n"
    )
    for number in range(1, 5)
)


def measure(report, say):
    """Fill the report."""
    with a_folder() as folder:
        definitions = {"four_steps": FOUR_STEPS, "compute": COMPUTE}
        with (
            Server(folder, CORES, definitions, module="benchmarks._serve") as server,
            load_on(server) as load,
        ):
            job_id = server.submit("four_steps")
            server.wait_for_end(job_id)
            say("  the rate against an empty route")
            measure_rate(report, server, load, job_id)
            say("  while all workers compute")
            measure_busy(report, server, load, job_id)
    say(f"  with {FEW} and with {MANY:,} lines and children")
    measure_size(report)


def load_on(server):
    """Return the Helper that asks this server."""
    address = urlsplit(server.url)
    return Helper("_load", address.hostname, str(address.port))


# The rate


def measure_rate(report, server, load, job_id):
    """Ask the routes in turns, a slice of time each, and compare within each round."""
    path = f"/api/jobs/{job_id}/structure"
    answer = server.get(path)
    routes = {
        "an empty route": {"path": "/empty"},
        "/healthz": {"path": "/healthz"},
        "structure, 200": {"path": path},
        "structure, 304": {"path": path, "headers": {"If-None-Match": answer.headers["ETag"]}},
    }
    rates = {name: [] for name in routes}
    for turn in range(ROUNDS + 1):
        for name in _turned(list(routes), turn):
            done = load.ask(**routes[name], seconds=SLICE, connections=CONNECTIONS)
            if turn:  # the first round warms up
                rates[name].append(done["requests"] / done["seconds"])
    for name, values in rates.items():
        report.add(f"{name}: requests per second", statistics.median(values), "/s", samples=ROUNDS)
    for name in ("structure, 200", "structure, 304"):
        for empty, goal in (("an empty route", 0.5), ("/healthz", None)):
            ratio = median_ratio(zip(rates[name], rates[empty], strict=True))
            report.add(f"{name} / {empty}", ratio, "×", at_least=goal, samples=ROUNDS)
    report.note(
        f"Unchanged structure of 4 steps ({len(answer.content):,} bytes), {CONNECTIONS} kept "
        f"connections, in turns of {SLICE} s."
    )


def _turned(names, turn):
    """Return the names in another order each round, so that none is always first."""
    place = turn % len(names)
    return names[place:] + names[:place]


# While workers compute


def measure_busy(report, server, load, job_id):
    """Ask at a pace while every worker computes and the job keeps changing."""
    app = make_store(server.folder)
    with busy_workers(server, "compute"), changing(app, job_id):
        before, started = _used(server), time.monotonic()
        done = load.ask(path=f"/api/jobs/{job_id}/structure", seconds=BUSY_SECONDS, every=EVERY)
        shares = [
            (now - then) / (time.monotonic() - started)
            for then, now in zip(before, _used(server), strict=True)
        ]
    report.add_spread("structure, all workers computing", done["delays"], p99_below=30)
    report.note(
        f"Meanwhile the {CORES} workers used "
        f"{', '.join(f'{100 * share:.0f} %' for share in shares)} of a core, "
        f"and the job that was asked for changed {1 / CHANGE_EVERY:.0f} times a second."
    )


def _used(server):
    return [cpu_seconds(pid) for pid in server.worker_pids()]


@contextmanager
def changing(app, job_id):
    """Give a job a new revision again and again."""
    ended = threading.Event()

    def change():
        while not ended.wait(CHANGE_EVERY):
            touch(app, job_id)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def touch(app, job_id):
    """Give a job a new revision, so that no kept answer is right any more."""
    with app.app_context(), write() as connection:
        rows.touch(connection, job_id)


# With many lines and children


def measure_size(report):
    """Compare two stores, each with a server, in turns: a request after a change, and the
    reading from the store alone.
    """
    with a_folder() as small, a_folder() as large:
        apps = [filled(small, FEW), filled(large, MANY)]
        with Server(small) as few, Server(large) as many:
            requests = ask_after_changes(apps, [connect(few), connect(many)])
        readings = read_in_turns(apps)
    for label, times in (
        ("GET structure after a change", requests),
        ("reading it from the store", readings),
    ):
        for number, values in zip((FEW, MANY), times, strict=True):
            report.add(
                f"{label}, {number:,} lines and children, median",
                1000 * statistics.median(values),
                "ms",
                samples=len(values),
            )
        report.add(
            f"{label}: {MANY:,} / {FEW}",
            statistics.median(times[1]) / statistics.median(times[0]),
            "×",
            below=1.5,
        )


def filled(folder, number):
    """Return an app on a new store with one such job."""
    app = make_store(folder)
    with app.app_context():
        fill_job(JOB, number)
    return app


def connect(server):
    """Return a kept connection that asks for the structure of the job."""
    address = urlsplit(server.url)
    return Connection(address.hostname, address.port, f"/api/jobs/{JOB}/structure", {})


def ask_after_changes(apps, connections):
    """Return the seconds of requests that each find a newer revision, a list for each app."""
    times = [[] for _ in apps]
    for _ in range(COSTS):
        for app, connection, values in zip(apps, connections, times, strict=True):
            touch(app, JOB)
            values.append(
                timed(lambda connection=connection: (connection.ask(), connection.hear()))
            )
    for connection in connections:
        connection.close()
    return times


def read_in_turns(apps):
    """Return the seconds of the query of `structure`, a list for each app."""
    times = [[] for _ in apps]
    for _ in range(COSTS):
        for app, values in zip(apps, times, strict=True):
            with app.app_context(), read() as connection:
                values.append(timed(partial(structure_of, connection, JOB)))
    return times


def timed(call):
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
