"""500 viewers of one job: until the last has its message, next to a bare Socket.IO server; then
with all of them fetching `structure`; memory.

The viewers are pages as far as the server can tell (`_page.py`), in a process of their own
(`_viewers.py`), on raw websockets. The bare server (`_emitter.py`) is a Flask-SocketIO server on
the same stack that does nothing but emit when it is told to.
"""

import random
import statistics
import time
from bisect import bisect_right
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks._helper import Helper
from benchmarks._report import median_ratio
from benchmarks._server import Server, a_folder, cpu_seconds, resident_bytes, wait_for

KIB = 1024
SETTLE = 2.0  # seconds until a server is at rest
CATCH_UP = 30  # seconds that viewers get to show the last revision
# seconds between two rounds, never the same: each commit falls anywhere between two looks of the
# server at its store
PAUSE = (0.02, 0.12)
# times the lag of the first quarter: noise stays below. A queue that grew by 1 % of the time would
# add 150 ms in 15 s, or double it
GROWN = 1.25
EVERY = 0.05  # seconds between two other requests


@dataclass(frozen=True)
class Size:
    """How much of everything. rounds: messages to all; steps, rate: of the job whose lines
    grow, and messages a second; seconds: measured.
    """

    viewers: int = 500
    rounds: int = 40
    steps: int = 10
    rate: int = 10
    warm_up: int = 4
    seconds: int = 20


def measure(report, say, size=Size()):
    """Fill the report."""
    definitions = {
        "told": beside("told", size.rounds + 1),
        "fetched": beside("fetched", size.steps),
    }
    with (
        a_folder() as folder,
        Server(folder, definitions=definitions) as server,
        Helper("_hand", environ=server.environ) as hand,
    ):
        say(f"  messages to {size.viewers} viewers")
        measure_messages(report, size, server, hand)
        say(f"  {size.viewers} viewers that fetch, at {size.rate} messages a second")
        measure_fetching(report, size, server, hand)
    report.note(
        "A viewer's lag is taken whenever it shows something newer: the seconds since the "
        "first commit that it didn't show until then. Viewers "
        "fetch `structure` alone; a page with expanded steps fetches their new lines too."
    )


def beside(name, steps):
    """Return the definition of a job of so many steps that run side by side."""
    head = f'id = "{name}"\nname = "{name}"\n'
    return head + "".join(
        f'[step.s{number:03d}]\ntype = "test_job_generator"\n' for number in range(1, steps + 1)
    )


@contextmanager
def crowd(address, job_id):
    """Give the Helper that has the viewers, none so far."""
    host, port = address
    with Helper("_viewers", host, str(port), job_id) as viewers:
        viewers.hear()
        yield viewers


# Messages


def measure_messages(report, size, server, hand):
    """Send messages from both servers in turns: after a commit that completes a step, and when
    told to.
    """
    job_id = server.submit("told")
    hand.ask(begin=job_id, children=0, ready=size.rounds + 1)
    with ExitStack() as stack:
        bare = stack.enter_context(Helper("_emitter"))
        address = ("127.0.0.1", bare.hear()["port"])
        crowds = [
            stack.enter_context(crowd(*where))
            for where in ((server.address, job_id), (address, "bare"))
        ]
        report_memory(report, size, {"jobsync": server.pid, "bare": bare.pid}, crowds)
        ours, theirs = [], []
        for number in range(size.rounds + 1):
            time.sleep(random.uniform(*PAUSE))
            ours.append(time_message(crowds[0], hand.ask(end=True)))
            theirs.append(time_message(crowds[1], bare.ask(emit=number)))
    report_messages(report, size, ours[1:], theirs[1:])  # the first round warms up


def time_message(viewers, sent):
    """Return the seconds from the commit or the emitting until the first and until the last
    viewer had the message.
    """
    heard = viewers.ask(heard=sent["step"])
    return heard["first"] - sent["at"], heard["last"] - sent["at"]


def report_messages(report, size, ours, theirs):
    for label, times in (("commit → last viewer", ours), ("bare: emit → last viewer", theirs)):
        report.add_spread(label, [last for _, last in times])
    ratio = median_ratio((our[1], their[1]) for our, their in zip(ours, theirs, strict=True))
    report.add(
        f"commit → last of {size.viewers} viewers / bare", ratio, "×", below=1.5, samples=len(ours)
    )
    for label, times in (("first → last viewer", ours), ("bare: first → last viewer", theirs)):
        report.add(
            f"{label}, median",
            1000 * statistics.median(last - first for first, last in times),
            "ms",
            samples=len(times),
        )


def report_memory(report, size, pids, crowds):
    """Open the viewers, and report what they take."""
    time.sleep(SETTLE)
    before = [resident_bytes(pid) for pid in pids.values()]
    for viewers in crowds:
        viewers.ask(open=size.viewers)
    time.sleep(SETTLE)
    for (label, pid), then in zip(pids.items(), before, strict=True):
        now = resident_bytes(pid)
        report.add(f"{label}: memory of the server without viewers", then / KIB**2, "MiB")
        report.add(
            f"{label}: memory for each viewer",
            (now - then) / size.viewers / KIB,
            "KiB",
            samples=size.viewers,
        )


# Fetching


def measure_fetching(report, size, server, hand):
    """Let the lines of all steps grow at a pace, so that each step has one message a second,
    while all viewers fetch.
    """
    job_id = server.submit("fetched")
    hand.ask(begin=job_id, children=1, ready=size.steps)
    host, port = server.address
    with crowd(server.address, job_id) as viewers, Helper("_load", host, str(port)) as load:
        viewers.ask(open=size.viewers)
        viewers.ask(fetch=True)
        time.sleep(SETTLE)
        viewers.ask(report=True)
        used, started = [cpu_seconds(pid) for pid in (server.pid, viewers.pid)], time.monotonic()
        hand.tell(grow=size.rate, seconds=size.warm_up + size.seconds)
        time.sleep(size.warm_up)
        others = load.ask(path="/api/jobs?limit=1", seconds=size.seconds, every=EVERY)
        revisions = hand.hear()["revisions"]
        shares = [
            (cpu_seconds(pid) - then) / (time.monotonic() - started)
            for pid, then in zip((server.pid, viewers.pid), used, strict=True)
        ]
        wait_for(
            lambda: viewers.ask(right=revisions[-1][0])["right"] == size.viewers,
            CATCH_UP,
            "the last revision at all viewers",
        )
        told = viewers.ask(report=True)
        report.add("memory of the server, all fetching", resident_bytes(server.pid) / KIB**2, "MiB")
    report_fetching(report, size, revisions, told)
    report.add_spread("other requests meanwhile", others["delays"], p99_below=250)
    for label, share in zip(("server", "viewers"), shares, strict=True):
        report.add(f"processor time of the {label}: of one core", 100 * share, "%")


def report_fetching(report, size, revisions, told):
    """Report how far behind the viewers were: each time that one showed something newer."""
    start = revisions[0][1] + size.warm_up
    lags = [(at, lag) for at, lag in lags_of(revisions, told["shown"], size.viewers) if at >= start]
    seconds = [lag for _, lag in lags]
    report.add("viewers' lag, worst", max(seconds), "s", below=2, samples=len(seconds))
    report.add_spread("viewers' lag", seconds)
    medians = [statistics.median(quarter) for quarter in quarters_of(lags, start, size.seconds)]
    report.add(
        "viewers' lag, median of the last quarter / of the first",
        medians[3] / medians[0],
        "×",
        below=GROWN,
    )
    report.note(
        f"Medians of the lag in the quarters of the {size.seconds} s: "
        f"{', '.join(f'{1000 * median:.0f} ms' for median in medians)}."
    )
    delays = message_delays(dict(revisions), told["hints"], start)
    report.add(
        "messages a second to each viewer",
        len(delays) / (revisions[-1][1] - start),
        "/s",
        samples=len(delays),
    )
    report.add_spread("commit → last viewer, all fetching", delays)
    fetches = [at for at in told["fetches"] if start <= at <= revisions[-1][1]]
    report.add(
        "`structure` requests a second",
        len(fetches) / (revisions[-1][1] - start),
        "/s",
        samples=len(fetches),
    )


def lags_of(revisions, shown, viewers):
    """Return `[(at, lag)]`, lag in seconds, of all viewers' steps from a revision to a newer
    one.
    """
    numbers = [revision for revision, _ in revisions]
    before = dict.fromkeys(range(viewers), numbers[0] - 1)
    lags = []
    for viewer, revision, at in shown:
        missed = bisect_right(numbers, before[viewer])
        before[viewer] = revision
        if missed < len(numbers):
            lags.append((at, at - revisions[missed][1]))
    return lags


def quarters_of(lags, start, seconds):
    """Return the lags of each quarter of the time.

    Raises TimeoutError when there are none in one: nobody has shown anything new then.
    """
    quarters = [
        [lag for at, lag in lags if number <= 4 * (at - start) / seconds < number + 1]
        for number in range(4)
    ]
    if not all(quarters):
        raise TimeoutError(f"no viewer showed anything new for {seconds / 4:g} s")
    return quarters


def message_delays(committed, hints, start):
    """Return the seconds from the commit of each message's revision until the last viewer had
    it.
    """
    return [
        last - committed[revision]
        for revision, *_, last in hints
        if committed.get(revision, 0) >= start
    ]
