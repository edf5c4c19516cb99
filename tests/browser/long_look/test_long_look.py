"""A tab that is open for hours on a busy system holds no more in the end than after its first
hour, and stays quick.

Besides, each hour brings lost connections, a hidden tab, a page that is left and brought back, and
a viewer who looks about.
"""

import pytest

from browser.long_look.looking import Look

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# bytes: 10 MB are promised, but one small object kept per message is 1.7 in the 3 hours after the
# first. Compiled code and Chromium's timings are 0.4
GROWTH = 1_000_000
ICONS = 1500  # nodes: by so many those of 50 rows' icons may differ
MESSAGES = 3_750  # in an hour
PACE = 20  # changes a second
SECONDS = 5


def test_the_page_has_lived_through_the_day_and_shows_the_truth(look):
    account = look.account()
    assert look.errors == [] and account["difference"] == ""
    assert account["hours"] >= look.HOURS and account["messages"] >= MESSAGES * look.HOURS
    assert account["connections"] >= 1 + 3 * look.HOURS, "it came back each time"
    assert account["answers"]["structure"] >= MESSAGES * look.HOURS / 5


def test_the_list_was_fetched_again_and_a_jobs_lines_were(looks):
    assert looks["the list"].account()["answers"]["list"] >= 125 * Look.HOURS
    assert looks["a job"].account()["answers"]["logs"] >= 125 * Look.HOURS


def test_the_heap_does_not_grow(look):
    heaps = [reading.heap for reading in look.readings]
    assert heaps[-1] - heaps[0] < GROWTH, heaps


def test_no_listener_is_left_behind(look):
    listeners = [reading.listeners for reading in look.readings]
    assert listeners[-1] == listeners[0] > 0, listeners


def test_no_timer_is_left_behind(look):
    timers = [reading.timers for reading in look.readings]
    for _ in range(3):
        if timers[-1] == timers[0]:
            break
        # on a busy machine one may still wait for a frame
        look.rest()
        timers.append(look.account()["timers"])
    assert timers[-1] == timers[0] > 0, timers


def test_no_node_is_left_behind(look):
    nodes = [reading.nodes for reading in look.readings]
    detached = [reading.detached for reading in look.readings]
    assert nodes[-1] - nodes[0] < ICONS, nodes
    assert detached[-1] <= detached[0], detached


def test_a_late_hour_costs_no_more_than_an_early_one(look):
    """By processor time, which says the same on a busy machine."""
    hours = [
        later.cpu - earlier.cpu
        for earlier, later in zip(look.readings, look.readings[1:], strict=False)
    ]
    assert hours[-1] < 2 * min(hours), hours


def test_at_a_busy_pace_no_task_is_long(look):
    """The browser says which tasks took more than 50 ms.

    On a machine that others keep busy as well those may be tasks that only waited for a processor.
    So one counts if it used one for half of the 50 ms at least, and the phase is repeated, twice at
    most.
    """
    for _ in range(3):
        tasks = look.long_tasks_at_pace(SECONDS, PACE)
        if not [processor for _, processor in tasks if processor >= 25]:
            return
    raise AssertionError(tasks)
