"""Opening pages and waiting for what they say of their connection."""

from helpers.waiting import wait_for

CUT_OFF = ["live", "reconnecting", "live"]
CUT_OFF_LONGER = ["live", "reconnecting", "polling", "live"]  # an answer came before the first hint


def open_both(tabs, server, job_id):
    """Return a live page of the job and a live list of a server, or of a proxy before it."""
    job, listing = tabs.new(server), tabs.new(server)
    job.begin(f"/jobs/{job_id}")  # both load at once
    listing.open("/")
    for tab in (job, listing):
        tab.wait_for_connection("live")
    return job, listing


def open_list(tabs, server):
    listing = tabs.new(server).open("/")
    listing.wait_for_connection("live")
    return listing


def wait_for_states(states, *tabs, seconds=6):
    """Wait until each tab says one of these words of its connection."""
    wait_for(
        lambda: all(tab.state() in states.split() for tab in tabs), seconds, f"{states} in all tabs"
    )


def let_pass(tab, ms):
    """Wait until so much of the page's time has passed: for what must not happen there is
    nothing else to wait for.
    """
    until = tab.now() + ms
    wait_for(lambda: tab.now() >= until, ms / 1000 + 15, f"{ms} ms")


def check_gone(tab, word="deleted"):
    """Assert that the page says in words that its job is gone, and asks for nothing any more,
    for longer than any pause.
    """
    tab.page.locator("[data-part=deleted]").get_by_text(word).wait_for(timeout=5000)
    assert not tab.find("[data-connection]").is_visible(), "it claims no connection"
    asked = tab.watched("tries")
    let_pass(tab, 4000)
    assert tab.watched("tries") == asked
