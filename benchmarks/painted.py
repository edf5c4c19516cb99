"""From commits to the screen: a job's page in Chromium at 1, 20 and 200 changes a second, statuses
apart from counts and lines.

A process that writes as a worker does (`_hand.py`) works a job of many steps off, a few of them
side by side, at so many commits a second, and notes the moment after each: most write a line, some
end a child besides, and each step ends when its children have. The page notes what it has painted.
"""

from dataclasses import dataclass, field

from benchmarks._browser import WATCH_ALL, a_page
from benchmarks._helper import Helper
from benchmarks._server import Server, a_folder, wait_for

PARALLEL = 4  # steps that run side by side
STEPS = 40
PATIENCE = 10  # seconds that the page gets to show all
STATUS_GOAL = 100  # ms, 95th percentile: the promise, 2 cores shared with the browser
GROWTH_GOAL = 1200  # ms, the same for counts and lines, which are told of once a second


@dataclass(frozen=True)
class Pace:
    """How fast a job's page is changed. children: of each step; lines: of each child; jobs:
    that are watched, one after the other; steps: of each.
    """

    rate: int
    children: int
    lines: int
    jobs: int
    steps: int = STEPS


PACES = (
    Pace(1, children=1, lines=1, jobs=1, steps=30),
    Pace(20, children=2, lines=2, jobs=2),
    Pace(200, children=4, lines=5, jobs=6, steps=24),
)


@dataclass
class Delays:
    """Seconds from commits to the paint that showed them. changes, seconds: what was really
    committed, and how long that took.
    """

    statuses: list = field(default_factory=list)
    counts: list = field(default_factory=list)
    lines: list = field(default_factory=list)
    changes: int = 0
    seconds: float = 0.0


def parallel(steps, name="parallel"):
    """Return the definition of a job of so many steps, PARALLEL of which run side by side."""
    parts = [f'id = "{name}"\nname = "{name}"\n']
    for number in range(1, steps + 1):
        depends = f'depends = "s{number - PARALLEL:03d}"\n' if number > PARALLEL else ""
        parts.append(
            f'[step.s{number:03d}]\ntype = "test_job_generator"\nworker_count = 1\n{depends}'
        )
    return "\n".join(parts)


def measure(report, say, paces=PACES):
    """Fill the report."""
    definitions = {
        f"parallel{pace.rate}": parallel(pace.steps, f"parallel{pace.rate}") for pace in paces
    }
    with (
        a_folder() as folder,
        Server(folder, definitions=definitions) as server,
        Helper("_hand", environ=server.environ) as hand,
        a_page() as page,
    ):
        page.add_init_script(WATCH_ALL)
        for pace in paces:
            say(f"  {pace.rate} changes a second")
            report_pace(report, pace, measure_pace(server, hand, page, pace))
    report.note(
        f"{PARALLEL} steps of a job run side by side; where a step is expanded its lines are "
        "fetched too. A change is a commit that writes a line, "
        "with a child's end or without, or that lets the monitor complete a step; what else "
        "is committed meanwhile isn't counted."
    )


def measure_pace(server, hand, page, pace):
    """Return the Delays of some jobs, one after the other.

    Raises TimeoutError when the page doesn't show all in the end.
    """
    delays = Delays()
    for _ in range(pace.jobs):
        job_id = server.submit(f"parallel{pace.rate}")
        hand.ask(begin=job_id, children=pace.children, ready=min(PARALLEL, pace.steps))
        page.goto(f"{server.url}/jobs/{job_id}")
        page.wait_for_selector('[data-connection="live"]', state="attached")
        done = hand.ask(mix=pace.rate, steps=pace.steps, lines=pace.lines)
        add_delays(delays, done, wait_for_paints(page, done))
    return delays


def wait_for_paints(page, done):
    """Return what the page has painted once that is all."""
    wanted = {("completed", step) for _, step in done["ends"]} | {
        (count, step) for _, step, count in done["lines"]
    }

    def all_painted():
        paints = page.evaluate("window.paints")
        seen = {
            (value, step)
            for _, step, status, _, line in paints
            for value in (status, *range(1, line + 1))
        }
        return wanted <= seen and paints

    return wait_for(all_painted, PATIENCE, "the painting of all changes")


def add_delays(delays, done, paints):
    """Find for each commit the first paint that showed it, or something newer."""
    delays.statuses += [
        first_paint(paints, step, lambda paint: paint[2] == "completed") - at
        for at, step in done["ends"]
    ]
    for at, step, number in done["lines"]:
        delays.counts.append(
            first_paint(paints, step, lambda paint, number=number: paint[3] >= number) - at
        )
        delays.lines.append(
            first_paint(paints, step, lambda paint, number=number: paint[4] >= number) - at
        )
    delays.changes += len(done["ends"]) + len(done["lines"])
    delays.seconds += done["seconds"]


def first_paint(paints, step, shows):
    """Return when the first paint of a step was done for which `shows(paint)` holds."""
    return min(paint[0] for paint in paints if paint[1] == step and shows(paint))


def report_pace(report, pace, delays):
    for label, seconds, goal in (
        ("statuses", delays.statuses, STATUS_GOAL),
        ("counts", delays.counts, GROWTH_GOAL),
        ("lines", delays.lines, GROWTH_GOAL),
    ):
        name = f"commit → painted, {label}, {pace.rate}/s"
        report.add_spread(name, seconds, p95_below=goal)
        report.add_histogram(name, seconds)
    report.add(
        f"changes a second, {pace.rate} asked for",
        delays.changes / delays.seconds,
        "/s",
        samples=delays.changes,
    )
