"""The two main pages as Lighthouse judges them: a phone's screen, its slow network and its slow
processor.
"""

import json
import os
import shutil
import subprocess
import tempfile

import pytest

from helpers.paths import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LIGHTHOUSE = ROOT / "node_modules" / ".bin" / "lighthouse"
LEAST = 0.95  # of 1, in each category
CATEGORIES = ("performance", "accessibility", "best-practices")
ROUNDS = 3  # the best counts: a score can only be lowered by what else the machine does
SECONDS = 120


@pytest.fixture(scope="module")
def job_ids(site):
    """Ids of jobs enough for a list, of which the first has failed."""
    ids = [site.submit("picky", file="/nowhere")] + [site.submit("short") for _ in range(12)]
    for job_id in ids:
        site.wait_for_end(job_id)
    return ids


@pytest.mark.parametrize("page", ["list", "job"])
def test_a_page_scores_at_least_95_in_each_category(site, job_ids, page):
    url = site.url + ("/" if page == "list" else f"/jobs/{job_ids[0]}")
    best = dict.fromkeys(CATEGORIES, 0)
    for _ in range(ROUNDS):
        report = judge(url)
        best = (
            {name: max(best[name], report["categories"][name]["score"] or 0) for name in CATEGORIES}
            if report
            else best
        )
        if min(best.values()) >= LEAST:
            return
    assert min(best.values()) >= LEAST, (best, report and lost(report))


def judge(url):
    """Return Lighthouse's report of a page, None if the browser gave it no trace, which happens
    on a busy machine.
    """
    flags = "--headless=new --disable-gpu" + (" --no-sandbox" if os.geteuid() == 0 else "")
    options = [
        "--quiet",
        "--output=json",
        "--output-path=stdout",
        f"--only-categories={','.join(CATEGORIES)}",
        f"--chrome-flags={flags}",
    ]
    # not a test's own: in a folder of a long name Chromium can't open its socket
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "CHROME_PATH": shutil.which("chromium"), "TMPDIR": folder}
        done = subprocess.run(
            [LIGHTHOUSE, url, *options],
            capture_output=True,
            text=True,
            env=environ,
            timeout=SECONDS,
        )
    if "(NO_NAVSTART)" in done.stderr:
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def lost(report):
    """Return what cost points: `{audit: what Lighthouse shows of it}`."""
    wanted = {
        ref["id"]
        for category in report["categories"].values()
        for ref in category["auditRefs"]
        if ref["weight"]
    }
    return {
        name: audit.get("displayValue", audit["title"])
        for name, audit in report["audits"].items()
        if name in wanted and (audit["score"] or 0) < 0.9
    }
