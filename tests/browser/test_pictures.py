"""The style guide and the two main pages, of jobs that are always the same, as they were when
somebody last looked at them.

`make pictures` renews what is in `pictures/`: look at them before they are committed. Pictures are
of one browser and one font, which `pictures/made_with.json` names; with others there is nothing to
compare.
"""

import io
import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from by_hand import hand_on, line
from conftest import Server, make_app
from helpers.ask import ask
from PIL import Image, ImageChops

from browser.tab import LOOKS
from jobsync import lifecycle, store
from jobsync.base import clock
from jobsync.lifecycle import results

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parent / "pictures"
MADE_WITH = PICTURES / "made_with.json"
RENEW = "JOBSYNC_RENEW_PICTURES"
VISIBLE = 40  # of 255: what a pixel may differ by
MOST = 0.002  # of all pixels may differ by more
START = 1_795_000_000_000_000_000  # ns: a day in November 2026
TICK = 130_000_000  # ns between two looks at the clock
STEPS = "".join(
    f'[step.{name}] #\ntype = "command"\nrun = ["make", "{name}"]\n'
    + (f'depends = "{depends}"\n' if depends else "")
    for name, depends in (
        ("prepare", ""),
        ("build", "prepare"),
        ("check", "prepare"),
        ("publish", "build, check"),
    )
)


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    """A server with four jobs that have ended, always with the same ids, times and lines; and
    the ids by outcome.
    """
    folder = tmp_path_factory.mktemp("fixed")
    times, numbers = itertools.count(START, TICK), itertools.count(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock.time, "time_ns", lambda: next(times))
        patch.setattr(
            lifecycle.jobs.secrets, "token_hex", lambda size: f"{next(numbers):0{2 * size}x}"
        )
        with hand_on(make_app(folder), folder) as hand:
            jobs = {
                name: act(hand)
                for name, act in (
                    ("completed", complete),
                    ("again", complete),
                    ("cancelled", cancel),
                    ("failed", fail),
                )
            }
    server = Server(folder, JOBSYNC_WORKERS="0", FLASK_DEBUG="1").start()
    yield server, jobs
    server.stop()


def complete(hand):
    job_id = hand.submit(STEPS)
    assert hand.run_out(job_id) == "completed"
    return job_id


def cancel(hand):
    job_id = hand.begin(STEPS, number=3)
    hand.complete(hand.claim()[0], lines=[line("one of three")])
    lifecycle.cancel(job_id)
    return job_id


def fail(hand):
    """Have the first of three children of the step "build" fail."""
    job_id = hand.submit(STEPS)
    hand.advance(job_id)
    while tasks := hand.claim():
        for task in tasks:
            if task.kind == "plan":
                results.add_planned(
                    task,
                    [tasks.NewChild(str(place), f"target {place}", {}) for place in range(1, 4)],
                )
                results.finish_plan(task)
            elif task.kind == "summary":
                results.finish_summary(task, {"targets": 3})
            elif task.step_name == "build":
                hand.fail(
                    task,
                    "exit code 2",
                    [
                        line("compiling main.c"),
                        line("main.c:12: undeclared name", "warning"),
                        line("compilation ended", "error"),
                    ],
                )
            else:
                hand.complete(
                    task, lines=[line("unpacked 12 files"), line("one of them is empty", "warning")]
                )
        hand.advance(job_id)
    assert ask(store.structure.structure_of, job_id)["status"] == "failed"
    return job_id


def path_of(page, jobs):
    return {"list": "/", "styleguide": "/styleguide"}.get(page) or f"/jobs/{jobs[page]}"


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("page", ["list", "failed", "completed", "styleguide"])
def test_a_page_looks_as_it_did(fixed, tabs, chromium, tmp_path, page, look):
    server, jobs = fixed
    is_renewing = RENEW in os.environ
    if not is_renewing and json.loads(MADE_WITH.read_text()) != made_with(chromium):
        pytest.skip(f"the pictures are of {MADE_WITH.read_text()}, this is {made_with(chromium)}")
    tab = tabs.new(server, **LOOKS[look], timezone_id="UTC", locale="en-GB")
    tab.open(path_of(page, jobs))
    if page != "styleguide":
        tab.wait_for_connection("live")
    tab.page.mouse.move(0, 0)
    taken = Image.open(
        io.BytesIO(tab.page.screenshot(full_page=True, animations="disabled"))
    ).convert("RGB")
    file = PICTURES / f"{page}-{look}.png"
    if is_renewing:
        PICTURES.mkdir(exist_ok=True)
        taken.save(file, optimize=True)
        MADE_WITH.write_text(json.dumps(made_with(chromium), indent=2) + "\n")
        return
    kept = Image.open(file).convert("RGB")
    taken.save(tmp_path / file.name)
    assert taken.size == kept.size, f"see {tmp_path / file.name}"
    share = differing(taken, kept)
    assert share <= MOST, (
        f"{share:.2%} of the pixels differ: see {tmp_path / file.name}; `make pictures` "
        "renews what is kept"
    )


def differing(one, other):
    """Return the share of the pixels that differ visibly."""
    counts = ImageChops.difference(one, other).convert("L").histogram()
    return sum(counts[VISIBLE + 1 :]) / sum(counts)


def made_with(chromium):
    """Return what a picture depends on beside the page."""
    fonts = (
        {
            name: subprocess.run(["fc-match", name], capture_output=True, text=True).stdout.strip()
            for name in ("system-ui", "monospace")
        }
        if shutil.which("fc-match")
        else {}
    )
    return {"chromium": chromium.version.split(".")[0], **fonts}
