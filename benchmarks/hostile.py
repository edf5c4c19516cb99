"""One client that sends what no good client sends: `structure` for everyone else meanwhile, and the
server's memory.

Each attack (`_attacks.py`, a process of its own) has a server of its own. A second client asks for
a job's `structure` at a pace, before, meanwhile and just after; a request counts from when it was
due.
"""

import threading
from contextlib import contextmanager

from benchmarks._attacks import ATTACKS
from benchmarks._fill import fill_job
from benchmarks._helper import Helper
from benchmarks._report import percentile
from benchmarks._server import Server, a_folder, make_store, resident_bytes
from benchmarks.structure import load_on

JOB = "filled"
SECONDS = 5.0
AFTER = 1.0  # seconds that are measured on after the attack: some outages came late
EVERY = 0.02
LOOK = 0.05  # seconds between two looks at the memory
MIB = 1024 * 1024


def measure(report, say, names=tuple(ATTACKS), seconds=SECONDS):
    """Fill the report."""
    for name in names:
        say(f"  {name}")
        with a_folder() as folder:
            app = make_store(folder)
            with app.app_context():
                fill_job(JOB, 10)
            with Server(folder) as server:
                report_attack(report, name, *attacked(server, {"attack": name}, seconds))
    report.note(f"{seconds:g} s each from one client; the others' requests for {AFTER:g} s longer.")


def attacked(server, attack, seconds):
    """Attack a server.

    Returns `(what came of the attack, the others' seconds, the bytes that its memory has grown by
    at most)`.
    """
    host, port = server.address
    with (
        load_on(server) as load,
        Helper("_attacks", host, str(port)) as attacker,
        watched_memory(server.pid) as grown,
    ):
        load.ask(path=f"/api/jobs/{JOB}/structure", seconds=0.2, every=EVERY)
        attacker.tell(**attack, seconds=seconds)
        others = load.ask(path=f"/api/jobs/{JOB}/structure", seconds=seconds + AFTER, every=EVERY)
        done = attacker.hear()
    return done, others["delays"], max(grown)


@contextmanager
def watched_memory(pid):
    """Give a list that gets the bytes by which a process's memory has grown, until the end."""
    before, grown, ended = resident_bytes(pid), [0], threading.Event()

    def watch():
        while not ended.wait(LOOK):
            grown.append(resident_bytes(pid) - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield grown
    finally:
        ended.set()
        thread.join()


def report_attack(report, name, done, delays, grown):
    for label, value, goal in (
        ("median", percentile(delays, 0.5), None),
        ("p95", percentile(delays, 0.95), 100),
        ("worst", max(delays), None),
    ):
        report.add(f"{name}: others, {label}", 1000 * value, "ms", below=goal, samples=len(delays))
    report.add(f"{name}: memory", grown / MIB, "MiB", below=64)
    if done["ended_after"] is not None:
        report.add(f"{name}: cut off after", done["ended_after"], "s")
