"""How many children the engine does in a second, everything tracked and one viewer watching, next
to what people would take instead: task queues that keep nothing, GNU parallel, and xargs.

All have 2 workers, and take turns in one run. The clock of a job runs from before it is submitted
until it has ended, so it has the planning of its children as well. That of a task queue runs from
the moment when its workers are ready and all tasks are in the queue; Huey's also from the first
task's enqueuing. That of a command from its start.
"""

import statistics
import subprocess
import time
from dataclasses import dataclass
from functools import partial

from benchmarks._peers import find_program, python_of_peers, queue_rate
from benchmarks._report import median_ratio
from benchmarks._server import Server, a_folder
from benchmarks._watched import a_viewer, run_watched
from jobsync.engine.worker import lower_priority

WORKERS = 2
PATIENCE = 300  # seconds that a job or a command gets
SIMPLE = ("--worker-class", "rq.SimpleWorker")


@dataclass(frozen=True)
class Size:
    """How much of everything. short: children of the jobs whose children may share transactions,
    each with its rounds. single: children that begin and end one by one. tasks, forks: of a task
    queue beside them, and of RQ, whose workers fork for each. items: of a command.
    """

    short: tuple = ((10_000, 5), (100_000, 3))
    single: int = 3000
    tasks: int = 3000
    forks: int = 500
    single_rounds: int = 3
    items: int = 1000
    command_rounds: int = 5
    warm_up: int = 500


@dataclass(frozen=True)
class Side:
    """One of those that are compared. rate(): measures how many it does in a second. at_least: the
    goal for our rate divided by its, None for none.
    """

    name: str
    rate: object
    at_least: float | None = None


def measure(report, say, size=Size()):
    """Fill the report."""
    peers = find_peers(report, say)
    with (
        a_folder() as folder,
        Server(folder, WORKERS, definitions(size), own_steps=True) as server,
        a_viewer(server) as viewer,
    ):
        run = partial(job_rate, server, viewer)
        for definition in ("short", "single"):
            run(definition, size.warm_up, n=size.warm_up)
        for number, rounds in size.short:
            measure_short(report, say, run, peers, number, rounds)
        measure_single(report, say, run, peers, size)
        measure_commands(report, say, run, folder, size)
    report.note(
        "The peers' workers have the low priority that those of jobsync have. Medians of the "
        "rounds; a ratio is the median of the rounds' ratios."
    )


def definitions(size):
    """Return the definitions of the jobs, `{id: TOML}`."""
    count = '[params.n]\ntype = "integer"\n[step.work]\n'
    items = [f"item{number}" for number in range(size.items)]
    return {
        "short": f'id = "short"\n{count}type = "test_job_generator"\nworker_count = "{{n}}"\n'
        "log_count = 0\nlog_delay_ms = 0\n",
        "single": f'id = "single"\n{count}type = "bench_single"\nchildren = "{{n}}"\n',
        "commands": f'id = "commands"\n[step.work]\ntype = "command"\nfor_each = {items}\n'
        'run = ["true"]\n',
    }


def find_peers(report, say):
    """Return the Python of the task queues, None where they can't be had: then a note says why."""
    try:
        find_program("redis-server", "redis-server")
        return python_of_peers(say)
    except OSError as error:
        say(f"  without task queues: {error}")
        report.note(f"Huey, Celery and RQ are left out: {error}.")
        return None


def job_rate(server, viewer, definition, children, **params):
    """Run a job, and return how many children it did in a second."""
    seconds, _ = run_watched(server, viewer, definition, children, PATIENCE, **params)
    return children / seconds


# What is compared


def measure_short(report, say, run, peers, number, rounds):
    say(f"  {number:,} short children")
    ours = Side(f"{number:,} short children", partial(run, "short", number, n=number))
    huey = partial(queue_rate, peers, "huey", number)
    theirs = [
        Side("Huey, the queue filled before", huey, at_least=1),
        Side("Huey, its enqueuing included", partial(huey, meanwhile=True)),
    ]
    compare(report, say, ours, theirs if peers else [], rounds)


def measure_single(report, say, run, peers, size):
    say(f"  {size.single:,} children one by one")
    ours = Side(
        f"{size.single:,} children one by one",
        partial(run, "single", size.single, n=size.single),
    )
    rate = partial(queue_rate, peers)
    theirs = [
        Side("Celery", partial(rate, "celery", size.tasks), at_least=1),
        Side("RQ", partial(rate, "rq", size.forks), at_least=1),
        Side("RQ without forks", partial(rate, "rq", size.tasks, *SIMPLE), at_least=1),
    ]
    compare(report, say, ours, theirs if peers else [], size.single_rounds)


def measure_commands(report, say, run, folder, size):
    say(f"  {size.items:,} commands")
    ours = Side(f"{size.items:,} runs of `true`", partial(run, "commands", size.items))
    rate = partial(command_rate, folder, size.items)
    theirs = [
        Side(name, partial(rate, command), goal)
        for name, command, goal in (
            ("GNU parallel", parallel(folder), 2),
            ("xargs", ["xargs", "-P", str(WORKERS), "-n", "1", "true"], 0.5),
        )
        if is_there(report, say, name, command[0])
    ]
    compare(report, say, ours, theirs, size.command_rounds)


def parallel(folder):
    """Return the command of GNU parallel, with its log of what it has run."""
    log = str(folder / "joblog")
    return ["parallel", "--will-cite", f"-j{WORKERS}", "--joblog", log, "true"]


def is_there(report, say, name, program):
    """Say whether a program is installed; if it isn't, a note says so."""
    try:
        find_program(program, program)
    except OSError as error:
        say(f"  without {name}: {error}")
        report.note(f"{name} is left out: {error}.")
        return False
    return True


def command_rate(folder, number, command):
    """Return how many items a command has run `true` with in a second."""
    items = "".join(f"item{place}\n" for place in range(number))
    started = time.monotonic()
    subprocess.run(
        command,
        input=items,
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        start_new_session=True,
        preexec_fn=lower_priority,
    )
    return number / (time.monotonic() - started)


def compare(report, say, ours, theirs, rounds):
    """Measure all sides in turns, and report their rates and the ratios of ours to theirs."""
    rates = {side.name: [] for side in (ours, *theirs)}
    for place in range(rounds):
        say(f"    round {place + 1} of {rounds}")
        for side in (ours, *theirs):
            rates[side.name].append(side.rate())
    report.add(ours.name, statistics.median(rates[ours.name]), "/s", samples=rounds)
    for side in theirs:
        report.add(side.name, statistics.median(rates[side.name]), "/s", samples=rounds)
        ratio = median_ratio(list(zip(rates[ours.name], rates[side.name], strict=True)))
        report.add(f"{ours.name} / {side.name}", ratio, "×", at_least=side.at_least, samples=rounds)
