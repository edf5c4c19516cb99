"""Makes the pictures of the README: `make screenshots`.

A server of its own on a folder of its own, real jobs, a real browser.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "screenshots"
# a copy of jobsync's own tree under a name that anybody's machine could have
EXAMPLE = Path(tempfile.gettempdir()) / "bookshop"
NOT_PART_OF_IT = shutil.ignore_patterns(".*", "node_modules", "instance", "__pycache__", "results")


def main():
    """Write all pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(EXAMPLE, ignore_errors=True)
    shutil.copytree(ROOT, EXAMPLE, ignore=NOT_PART_OF_IT)
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "JOBSYNC_DATA_DIR": folder, "JOBSYNC_PORT": "0"}
        flask = [sys.executable, "-m", "flask", "--app", str(ROOT / "app.py")]
        server = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
        )
        try:
            url = re.search(r"http://\S+", server.stdout.readline()).group().rstrip("/")
            _take_all(
                url,
                lambda: subprocess.run(
                    [*flask, "seed"], cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL
                ),
            )
        finally:
            server.terminate()
            server.wait()
            shutil.rmtree(EXAMPLE)


def _take_all(url, seed):
    report = _submit(url, "codebase_classify", folder=str(EXAMPLE))
    _wait(url, report, lambda job: job["status"] == "completed")
    seed()  # after that: its long job keeps workers
    running = _submit(url, "test_job", workers=6, failure_rate=0.0)
    _wait(
        url,
        running,
        lambda job: any(
            step["name"] == "build" and step["log_count"] > 300 for step in job["steps"]
        ),
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        _take(browser, f"{url}/jobs/{running}", "job.png", 1280, 860)
        _take(browser, f"{url}/", "list.png", 1280, 860, scheme="dark")
        _take(browser, f"{url}/jobs/{report}", "report.png", 1280, 1400)
        _take(browser, f"{url}/jobs/{running}", "phone.png", 390, 844)
        browser.close()


def _submit(url, definition, **params):
    body = json.dumps({"definition": definition, "params": params}).encode()
    request = urllib.request.Request(f"{url}/api/jobs", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["id"]


def _wait(url, job_id, is_there, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{url}/api/jobs/{job_id}/structure", timeout=10) as answer:
            if is_there(json.load(answer)):
                return
        time.sleep(0.1)
    raise SystemExit(f"job {job_id} did not get there within {seconds} s")


def _take(browser, url, name, width, height, scheme="light"):
    page = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme
    ).new_page()
    page.goto(url)
    page.wait_for_selector('[data-connection="live"]')
    page.screenshot(path=str(PICTURES / name))
    page.context.close()


if __name__ == "__main__":
    main()
