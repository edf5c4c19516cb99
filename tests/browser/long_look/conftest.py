"""A Chromium with two tabs that have been open for hours: one on the list of jobs, one on a
job.
"""

import pytest

from browser.long_look.looking import Look
from helpers.definition_files import define
from helpers.servers import Server

STEPS = ("fetch", "build", "check")


@pytest.fixture(scope="package")
def site(tmp_path_factory):
    """A server that gives the pages and the scripts.

    No worker touches its job, and it reports its paints as a sampled page does.
    """
    site = Server(tmp_path_factory.mktemp("long"), JOBSYNC_WORKERS="0", JOBSYNC_PAINT_SAMPLING="1")
    steps = [f'[step.{name}]\ntype = "command"\nrun = ["true"]\n' for name in STEPS]
    define(site.folder, 'id = "long"\nname = "A long job"\n' + "".join(steps))
    yield site.start()
    site.stop()


@pytest.fixture(scope="package")
def looks(chromium, site):
    """Both tabs as they are after the day, by name."""
    job_id = site.submit("long")
    looks = {
        "the list": Look(chromium, f"{site.url}/"),
        "a job": Look(chromium, f"{site.url}/jobs/{job_id}"),
    }
    for _ in range(Look.HOURS):
        for look in looks.values():
            look.begin_hour()
        for look in looks.values():
            look.end_hour()
    yield looks
    for look in looks.values():
        look.close()


@pytest.fixture(params=["the list", "a job"])
def look(request, looks):
    return looks[request.param]
