"""A job's page in Chromium: how soon it is painted and complete, and how long its scripts hold
the browser up while a large job changes.
"""

from benchmarks._browser import a_browser
from benchmarks._helper import Helper
from benchmarks._report import percentile
from benchmarks._server import Server, a_folder
from benchmarks.painted import PARALLEL, parallel

LOADS = 20
STEPS_OF_LOAD = 40
RATE = 20  # changes a second
SECONDS = 20
FIRST_PAINT, COMPLETE, LONG_TASK = 300, 600, 50  # ms: the goals
# steps, children of each
LARGE = {"200 steps": (200, 1), "10,000 children": (PARALLEL, 10_000 // PARALLEL)}

TIMES = """() => {
  const { loadEventEnd } = performance.getEntriesByType("navigation")[0];
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return loadEventEnd > 0 && paint ? [paint.startTime, loadEventEnd] : null;
}"""
WATCH_TASKS = """() => {
  window.tasks = [];
  new PerformanceObserver((seen) =>
    window.tasks.push(...seen.getEntries().map((task) => task.duration))
  ).observe({ type: "longtask" });
}"""


def measure(report, say):
    """Fill the report."""
    definitions = {
        f"parallel{steps}": parallel(steps, f"parallel{steps}")
        for steps in {STEPS_OF_LOAD, *(steps for steps, _ in LARGE.values())}
    }
    with (
        a_folder() as folder,
        Server(folder, definitions=definitions) as server,
        Helper("_hand", environ=server.environ) as hand,
        a_browser() as browser,
    ):
        say(f"  {LOADS} loads")
        painted, complete = measure_loads(server, hand, browser)
        for name, (steps, children) in LARGE.items():
            say(f"  {name} under change")
            tasks = measure_tasks(server, hand, browser, steps, children)
            report.add(
                f"longest task, {name} at {RATE} changes a second",
                max(tasks, default=0),
                "ms",
                below=LONG_TASK,
                samples=RATE * SECONDS,
            )
            report.add(f"tasks over {LONG_TASK} ms, {name}", len(tasks), "")
    for name, times, goal in (
        ("first paint", painted, FIRST_PAINT),
        ("complete", complete, COMPLETE),
    ):
        report.add(
            f"{name} of a job of {STEPS_OF_LOAD} steps, median",
            percentile(times, 0.5),
            "ms",
            below=goal,
            samples=LOADS,
        )
        report.add(
            f"{name} of a job of {STEPS_OF_LOAD} steps, p95",
            percentile(times, 0.95),
            "ms",
            below=goal,
            samples=LOADS,
        )
    report.note(
        "Each load is the first of a browser that has nothing in its cache. What a task takes "
        "under 50 ms, browsers don't tell."
    )


def measure_loads(server, hand, browser):
    """Return the times of first paint and of the end of loading, in ms."""
    job_id, painted, complete = server.submit(f"parallel{STEPS_OF_LOAD}"), [], []
    hand.ask(begin=job_id, children=2, ready=PARALLEL)
    hand.ask(mix=1000, steps=STEPS_OF_LOAD // 2, lines=5)
    for _ in range(LOADS):
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{server.url}/jobs/{job_id}")
        times = page.wait_for_function(TIMES).json_value()
        painted.append(times[0])
        complete.append(times[1])
        context.close()
    server.cancel(job_id)
    return painted, complete


def measure_tasks(server, hand, browser, steps, children):
    """Return how long each task took that took over 50 ms, while a job changes, in ms."""
    job_id = server.submit(f"parallel{steps}")
    hand.ask(begin=job_id, children=children, ready=PARALLEL)
    page = browser.new_page()
    page.goto(f"{server.url}/jobs/{job_id}")
    page.wait_for_selector('[data-connection="live"]', state="attached")
    page.evaluate(WATCH_TASKS)
    hand.ask(mix=RATE, steps=steps, lines=1, seconds=SECONDS)
    tasks = page.evaluate("window.tasks")
    page.close()
    server.cancel(job_id)
    return tasks
