"""The chaos run: jobs run all the time while workers, the web process and viewers' connections are
killed at random moments.

`python tests/faults/chaos.py --seconds 600 --seed 7` (`make chaos`). The seed decides what is done
and when, so that a run can be repeated, as far as the machine lets it. Every ten seconds there is a
quiet moment: within 5 s from then each viewer must show what the store said then, or something
newer. At the end all jobs must have ended and all be right, counted again from the rows. The exit
code is 0 only if all held.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from playwright.sync_api import sync_playwright  # noqa: E402
from sqlalchemy import select  # noqa: E402

from browser.tab import Tab, as_shown  # noqa: E402
from faults.faulty import TERMINAL, at_this_load, make_server, said_in_order, workers_of  # noqa: E402
from faults.viewers import Viewers  # noqa: E402
from helpers.apps import make_app  # noqa: E402
from helpers.ask import ask, fetch  # noqa: E402
from helpers.by_hand import recount  # noqa: E402
from helpers.waiting import wait_for  # noqa: E402
from jobsync import store  # noqa: E402
from jobsync.db.models import Child, Job, LogLine, Step  # noqa: E402

RIGHT_WITHIN = 5.0  # seconds: the promise of issue 3
QUIET_EVERY = 10.0
ACTIVE = 3  # jobs that run at a time
PAGES = 5
ENDING = 120.0  # seconds that the last jobs may take to their end when nothing is killed any more

GENERATED = """
id = "generated"
[params.seed]
type = "integer"
[step.a]
type = "test_job_generator"
worker_count = 4
log_count = 20
log_delay_ms = 10
child_count = 2
recursion_depth = 1
failure_rate = 0.3
seed = "{seed}"
retries = 15
max_child_failures = 1000
[step.b]
type = "test_job_generator"
depends = "a"
worker_count = 30
log_count = 4
log_delay_ms = 0
failure_rate = 0.2
seed = "{seed}"
retries = 15
max_child_failures = 1000
[step.c]
type = "test_job_generator"
depends = "b"
always_run = true
worker_count = 2
log_count = 10
log_delay_ms = 20
seed = "{seed}"
retries = 15
"""

COMMANDS = """
id = "commands"
[params.seed]
type = "integer"
[step.items]
type = "command"
for_each = ["one", "two", "three", "four", "five"]
retries = 15
run = ["sh", "-c", \
'for n in 1 2 3 4 5 6 7 8; do echo "x · line $n of 8 · $PARAM_SEED"; sleep 0.05; done', \
"--", "{item}"]
[step.after]
type = "command"
depends = "items"
retries = 15
run = ["sh", "-c", 'for n in 1 2 3; do echo "x · line $n of 3 · "; done']
[step.beside]
type = "test_job_generator"
worker_count = 3
log_count = 10
log_delay_ms = 30
seed = "{seed}"
retries = 15
"""

# a planning whose worker was killed so often fails its step: also an end, and a right one
LOST = "was lost 3 times"


class Chaos:
    """One run. `done` counts what was done to it."""

    def __init__(self, folder, seconds, seed, context=None):
        self.random = random.Random(seed)
        self.seconds = seconds
        self.server = make_server(folder, (GENERATED, COMMANDS)).start()
        self.viewers = Viewers(self.server.url)
        self.tab = Tab(context, self.server.url) if context else None
        if self.tab:
            self.tab.may_miss_network = True
        self.tab_job = None
        self.jobs, self.done, self.slowest = [], {}, {}

    # What happens

    def run(self):
        """Do it all, and assert that all was right."""
        started = time.monotonic()
        self._keep_busy()
        while time.monotonic() - started < self.seconds:
            self._trouble(QUIET_EVERY)
            self.check_quiet()
        self._finish()

    def _trouble(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(self.random.uniform(0.2, 1.5))  # what comes next comes at a random moment
            actions = {
                self.kill_worker: 4,
                self.kill_all_workers: 1,
                self.restart: 2,
                self.cut: 9,
                self.change_page: 9,
            }
            (action,) = self.random.choices(list(actions), actions.values())
            action()
            self.done[action.__name__] = self.done.get(action.__name__, 0) + 1
            self._keep_busy()

    def _keep_busy(self):
        """Have so many jobs run, and so many pages look at some."""
        active = [
            job_id
            for job_id in self.jobs[-2 * ACTIVE :]
            if self.server.structure(job_id)["status"] not in TERMINAL
        ]
        for _ in range(ACTIVE - len(active)):
            definition = self.random.choice(["generated", "generated", "commands"])
            self.jobs.append(self.server.submit(definition, seed=self.random.randrange(10**6)))
        while len(self.viewers.jobs) < PAGES:
            self.viewers.open(self.random.choice(self.jobs[-ACTIVE:]))
        if self.tab and self.tab_job is None:
            self._open_tab()

    def _open_tab(self):
        self.tab_job = self.jobs[-1]
        self.tab.open(f"/jobs/{self.tab_job}")

    def kill_worker(self):
        workers = workers_of(self.server)
        choice = self.random.random()
        if workers:
            _kill(workers[int(choice * len(workers))])

    def kill_all_workers(self):
        for pid in workers_of(self.server):
            _kill(pid)

    def restart(self):
        """Kill the web process, sometimes with its workers, and start it again after a while."""
        workers = workers_of(self.server)
        self.server.kill()
        if self.random.random() < 0.3:
            for pid in workers:
                _kill(pid)
        time.sleep(self.random.uniform(0, 1.5))  # nobody serves for so long
        self.server.start(wait=False)
        self.check_quiet("restart")

    def cut(self):
        for number in self.random.sample(sorted(self.viewers.jobs), 2):
            self.viewers.cut(number)

    def change_page(self):
        """Leave a page for one on a newer job."""
        self.viewers.leave(self.random.choice(sorted(self.viewers.jobs)))
        if self.tab and self.random.random() < 0.3:
            self._open_tab()

    # What must hold

    def check_quiet(self, after="quiet"):
        """Take what the store says, and wait until every page shows that or something newer.

        `after`: what is timed.
        """
        started = time.monotonic()
        truth = {
            job_id: self.server.structure(job_id)
            for job_id in {*self.viewers.jobs.values(), self.tab_job} - {None}
        }
        try:
            wait_for(
                lambda: not self._behind(truth),
                at_this_load(RIGHT_WITHIN),
                "the pages' being right",
            )
        except AssertionError as error:
            error.add_note(
                "\n".join(self._describe(number, truth) for number in self._behind(truth))
            )
            raise
        self.slowest[after] = max(self.slowest.get(after, 0.0), time.monotonic() - started)
        assert self.viewers.wrong == [], self.viewers.wrong

    def _behind(self, truth):
        self.viewers.check_running()
        behind = [
            number
            for number, job_id in self.viewers.jobs.items()
            if not _is_up_to_date(self.viewers.shown[number], truth[job_id])
        ]
        if self.tab_job and self.tab.revision() < truth[self.tab_job]["revision"]:
            behind.append("the tab")
        return behind

    def _describe(self, number, truth):
        if number == "the tab":
            return (
                f"the tab ({self.tab_job}) shows {self.tab.snapshot()}, "
                f"connection {self.tab.recorded('connections')[-3:]}; {truth[self.tab_job]}"
            )
        job_id = self.viewers.jobs[number]
        return (
            f"page {number} is {self.viewers.states.get(number)} "
            f"and shows {self.viewers.shown[number]}, the store said {truth[job_id]}"
        )

    def _finish(self):
        """Let all end, then count everything again."""
        for job_id in self.jobs:
            self.server.wait_for_end(job_id, at_this_load(ENDING))
        wait_for(
            lambda: not self.viewers.behind(self.server.structure),
            at_this_load(RIGHT_WITHIN),
            "the pages' being right at the end",
        )
        if self.tab:
            truth = as_shown(self.server.structure(self.tab_job))
            wait_for(
                lambda: self.tab.snapshot()["job"] == truth,
                at_this_load(RIGHT_WITHIN),
                "the tab's being right at the end",
            )
            self.tab.check()
        assert self.viewers.wrong == [], self.viewers.wrong
        with make_app(self.server.folder).app_context():
            for job_id in self.jobs:
                check_job(job_id)
            assert not ask(store.steps.is_work_waiting)
            assert len(ask(store.workers.heartbeats)) <= 2, "workers that are no more are forgotten"

    def close(self):
        try:
            self.viewers.close()
        finally:
            self.server.stop()


def _kill(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _is_up_to_date(shown, truth):
    if shown is None or shown["revision"] < truth["revision"]:
        return False
    return shown["revision"] > truth["revision"] or shown == truth


def check_job(job_id):
    """Assert that an ended job is right, by its rows."""
    recount(job_id)
    status, error = fetch(select(Job.status, Job.error).where(Job.id == job_id)).one()
    assert status == "completed" or LOST in error, (job_id, status, error)
    for step in fetch(select(Step.__table__).where(Step.job_id == job_id)):
        children = fetch(select(Child.__table__).where(Child.step_pk == step.pk)).all()
        if step.status == "completed" and step.type == "test_job_generator":
            expected = step.options["worker_count"] * (
                1 + step.options["child_count"] * step.options["recursion_depth"]
            )
            assert len(children) == expected, (step.name, len(children))
        for child in children:
            check_child(step, child)


def check_child(step, child):
    """Assert that a child's result is there if and only if it completed, and each of its lines
    once for each attempt that wrote it.
    """
    query = (
        select(LogLine.message)
        .where(LogLine.step_pk == step.pk, LogLine.child_pk == child.pk)
        .order_by(LogLine.line)
    )
    runs, last = said_in_order(fetch(query).scalars())
    assert runs <= child.attempt, (step.name, child.name, runs, child.attempt)
    assert (child.result is not None) == (child.status == "completed"), (
        step.name,
        child.name,
        child.status,
    )
    if child.status == "completed" and step.type == "test_job_generator":
        assert last == child.input["lines"] == child.result["lines"], (step.name, child.name, last)
    elif child.status == "completed":
        assert last == (8 if step.name == "items" else 3), (step.name, child.name, last)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--no-browser", action="store_true", help="leave the browser's tab out")
    given = parser.parse_args()
    print(f"chaos for {given.seconds:g} s with seed {given.seed}", flush=True)
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True)
            )
        )
        context = None if given.no_browser else _browser_context(stack)
        chaos = Chaos(folder, given.seconds, given.seed, context)
        stack.callback(chaos.close)
        try:
            chaos.run()
        except BaseException:
            print(
                f"it went wrong; again: --seconds {given.seconds:g} --seed {given.seed}. "
                f"The server's log:\n{chaos.server.log.read_text()[-5000:]}"
            )
            raise
        slowest = ", ".join(
            f"{seconds:.1f} s ({after})" for after, seconds in chaos.slowest.items()
        )
        print(
            (
                f"all {len(chaos.jobs)} jobs right; {chaos.done}; the slowest page was right "
                f"within {slowest}"
            ),
            flush=True,
        )


def _browser_context(stack):
    path = shutil.which("chromium")
    if not path:
        print("there is no Chromium: without a browser's tab")
        return None
    playwright = stack.enter_context(sync_playwright())
    arguments = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    browser = playwright.chromium.launch(executable_path=path, args=arguments)
    stack.callback(browser.close)
    return browser.new_context(reduced_motion="reduce")


if __name__ == "__main__":
    main()
