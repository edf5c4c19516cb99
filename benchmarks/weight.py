"""How heavy the pages are: scripts and styles that Chromium loads for a job's page, gzipped, and the HTML."""

import gzip
from urllib.parse import urlsplit

from benchmarks._browser import a_page
from benchmarks._server import Server, a_folder

KINDS = {"script", "stylesheet"}
KIB = 1024


def measure(report, say):
    """Fill the report."""
    with a_folder() as folder, Server(folder, workers=2) as server:
        job_id = server.submit("test_job", lines=50, delay_ms=0)
        server.wait_for_end(job_id)
        with a_page() as page:
            for label, path, goal in (("job page", f"/jobs/{job_id}", 40), ("list of jobs", "/", None)):
                say(f"  {label}")
                measure_page(report, page, server.url + path, label, goal)
    report.note("gzip at its best (level 9), each file by itself. The job page is that of a job of four steps that has ended.")


def measure_page(report, page, url, label, goal):
    """Load a page until it is live, and add up what it loaded."""
    loaded = {}
    note = lambda response: loaded.setdefault(response.url, response)  # noqa: E731
    page.on("response", note)
    page.goto(url)
    page.wait_for_selector('[data-connection="live"]', state="attached")
    page.remove_listener("response", note)
    sizes = {urlsplit(address).path: zipped(answer) for address, answer in loaded.items() if answer.request.resource_type in KINDS}
    report.add(f"{label}: scripts and styles", sum(sizes.values()) / KIB, "KiB", below=goal)
    report.add(f"{label}: HTML", zipped(loaded[url]) / KIB, "KiB")
    report.note(f"{label}: " + ", ".join(f"{path} {size / KIB:.1f}" for path, size in sorted(sizes.items(), key=lambda item: -item[1])))


def zipped(response):
    """Return the size of an answer's body when it is gzipped, in bytes."""
    return len(gzip.compress(response.body(), 9, mtime=0))
