"""The style guide and the two main pages, of jobs that are always the same, are laid out as when
somebody last looked at them: which parts there are, where they stand, how large, in which colours.

`make layouts` renews what is kept in `layouts/`: look at the pages before that is committed.
Letters differ a little from one browser or font to the next, so places and sizes may; parts and
colours may not.
"""

import difflib
import itertools
import json
import os
from pathlib import Path

import pytest

from browser.tab import LOOKS
from helpers.apps import make_app
from helpers.ask import ask
from helpers.by_hand import hand_on, line
from helpers.servers import Server
from jobsync import lifecycle, store
from jobsync.base import clock
from jobsync.lifecycle import results
from jobsync.lifecycle.tasks import NewChild

pytestmark = pytest.mark.browser

LAYOUTS = Path(__file__).parent / "layouts"
PARTS = Path(__file__).with_name("layout.js").read_text()
RENEW = "JOBSYNC_RENEW_LAYOUTS"
# What letters of another font or browser may move a part by, and make it larger or smaller
MOST_PIXELS = 6
MOST_SHARE = 0.08
MOST_ROUNDING = 2  # of 255, in a colour
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
    while claimed := hand.claim():
        for task in claimed:
            if task.kind == "plan":
                results.add_planned(
                    task,
                    [NewChild(str(place), f"target {place}", {}) for place in range(1, 4)],
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


@pytest.fixture
def open_page(fixed, tabs):
    """A function that opens one of the pages in one of the looks, and returns its tab."""

    def open_page(page, look):
        server, jobs = fixed
        tab = tabs.new(server, **LOOKS[look], timezone_id="UTC", locale="en-GB")
        tab.open(path_of(page, jobs))
        if page != "styleguide":
            tab.wait_for_connection("live")
        tab.page.mouse.move(0, 0)
        return tab

    return open_page


def parts_of(tab):
    return tab.page.evaluate(PARTS)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("page", ["list", "failed", "completed", "styleguide"])
def test_a_page_is_laid_out_as_it_was(open_page, page, look):
    found = parts_of(open_page(page, look))
    file = LAYOUTS / f"{page}-{look}.json"
    if RENEW in os.environ:
        LAYOUTS.mkdir(exist_ok=True)
        rows = ",\n".join(json.dumps(part, separators=(",", ":")) for part in found)
        file.write_text(f"[\n{rows}\n]\n")
    differing = differences(json.loads(file.read_text()), found)
    assert not differing, "\n".join(
        ["If this is meant, `make layouts` renews what is kept:", *differing[:20]]
    )


@pytest.mark.parametrize(
    "change",
    [
        ".badge { background: rgb(255, 0, 255) !important }",
        "h1 { color: rgb(1, 200, 1) !important }",
        "main { padding-top: 80px !important }",
        "h1 { display: none !important }",
        "button { min-width: 300px !important }",
    ],
)
def test_what_has_changed_is_found(open_page, change):
    tab = open_page("failed", "desk")
    before = parts_of(tab)
    assert differences(before, parts_of(tab)) == []
    tab.page.evaluate(
        """change => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(change);
            document.adoptedStyleSheets.push(sheet);
        }""",
        change,
    )
    assert differences(before, parts_of(tab))


def differences(kept, found):
    """Return what is gone, new, moved, of another size or of other colours, a line each."""
    before, after = ([part[:2] for part in parts] for parts in (kept, found))
    if before != after:
        lines = (["  " * depth + name for depth, name in parts] for parts in (before, after))
        return [
            line
            for line in difflib.unified_diff(*lines, "as kept", "as found", lineterm="", n=2)
            if not line.startswith("@@")
        ]
    return [
        f"{name}: {what} {old}, now {new}"
        for (_, name, place, colours), (_, _, new_place, new_colours) in zip(
            kept, found, strict=True
        )
        for what, old, new, is_same in (
            ("stood at, and had the size", place, new_place, is_near),
            ("had the colours", colours, new_colours, is_alike),
        )
        if not is_same(old, new)
    ]


def is_near(old, new):
    """Tell whether a part is where it was and as large, but for other letters."""
    return all(
        abs(before - after) <= max(MOST_PIXELS, MOST_SHARE * max(abs(before), abs(after)))
        for before, after in zip(old, new, strict=True)
    )


def is_alike(old, new):
    """Tell whether the colours are the same, but for rounding."""
    return len(old) == len(new) and all(
        abs(int(before) - int(after)) <= MOST_ROUNDING
        for one, other in zip(old, new, strict=True)
        for before, after in zip(one.split(), other.split(), strict=True)
    )
