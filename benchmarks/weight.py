"""How heavy the pages are: scripts and styles that Chromium loads for a job's page, gzipped,
and the HTML.
"""

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
            for label, path, goal in (
                ("job page", f"/jobs/{job_id}", 40),
                ("list of jobs", "/", None),
            ):
                say(f"  {label}")
                measure_page(report, page, server, path, label, goal)
    report.note(
        "gzip at its best (level 9), each file by itself. The job page is that of a job of "
        "four steps that has ended."
    )


def measure_page(report, page, server, path, label, goal):
    """Load a page until it is live, and add up what it asked for."""
    sizes = {asked: zipped(server, asked) for asked in scripts_and_styles(page, server.url + path)}
    report.add(f"{label}: scripts and styles", sum(sizes.values()) / KIB, "KiB", below=goal)
    report.add(f"{label}: HTML", zipped(server, path) / KIB, "KiB")
    report.note(
        f"{label}: "
        + ", ".join(
            f"{asked} {size / KIB:.1f}"
            for asked, size in sorted(sizes.items(), key=lambda item: -item[1])
        )
    )


def scripts_and_styles(page, url):
    """Return the paths of all scripts and styles that a page asks for."""
    asked = set()

    def note(request):
        if request.resource_type in KINDS:
            asked.add(urlsplit(request.url).path)

    page.on("request", note)
    page.goto(url)
    page.wait_for_selector('[data-connection="live"]', state="attached")
    page.remove_listener("request", note)
    return asked


def zipped(server, path):
    """Return the size in bytes of what the server answers, gzipped."""
    return len(gzip.compress(server.get(path).content, 9, mtime=0))
