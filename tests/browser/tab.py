"""A browser tab that keeps account: what its page was told, asked for and showed, and whether
anything went wrong in it.
"""

from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

RECORDER = (Path(__file__).parent / "recorder.js").read_text()
# what the browser itself says of it
NETWORK_TROUBLE = ("Failed to load resource", "WebSocket connection to")
# what it says of a page that is left while it connects
HUNG_UP = "WebSocket is closed before the connection is established."
LOOKS = {
    "desk": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}
LATEST = 500  # lines that an expanded step holds while nobody has asked for others


class Tab:
    """A page of the site in a context of its own or a shared one.

    `check` says whether it was well all the time.
    """

    def __init__(self, context, url):
        self.url = url
        self.context = context
        self.page = context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.add_init_script(RECORDER)
        self.may_miss_network = False
        self.requests = []  # addresses, in order
        self._troubles = []
        self._is_leaving = False
        self._loads = 0
        self._wanted_loads = 0
        self._listen()

    def _listen(self):
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("domcontentloaded", lambda _: self._count_load())
        self.page.on("pageerror", lambda error: self._troubles.append(("error", str(error))))
        self.page.on("console", lambda message: self._note_console(message.type, message.text))
        self.page.on("dialog", self._note_dialog)

    def _count_load(self):
        self._loads += 1

    def _note_console(self, kind, text):
        is_excused = (
            self._is_leaving
            and text.endswith(HUNG_UP)
            or self.may_miss_network
            and text.startswith(NETWORK_TROUBLE)
        )
        if kind in ("error", "warning", "assert") and not is_excused:
            self._troubles.append((kind, text))

    def _note_dialog(self, dialog):
        self._troubles.append(("dialog", dialog.message))
        dialog.dismiss()

    # Going somewhere

    @contextmanager
    def _leaving(self):
        self._is_leaving = True
        yield
        self._is_leaving = False

    def open(self, path, wait_until="domcontentloaded"):
        """Load a page of the site."""
        self._wanted_loads += 1
        with self._leaving():
            self.page.goto(self.url + path, wait_until=wait_until)
        return self

    def open_job(self, job_id, path=""):
        """Load a job's page and wait until it is live."""
        self.open(f"/jobs/{job_id}{path}")
        self.wait_for_connection("live")
        return self

    def reload(self):
        self._wanted_loads += 1
        with self._leaving():
            self.page.reload(wait_until="domcontentloaded")

    def follow(self, locator):
        """Click what leads to another page."""
        self._wanted_loads += 1
        with self._leaving(), self.page.expect_event("domcontentloaded"):
            locator.click()

    # Looking

    def find(self, selector):
        return self.page.locator(selector)

    def step(self, name):
        return self.find(f'[data-step="{name}"]')

    def toggle(self, name):
        self.find(f'[data-toggle-step="{name}"]').click()

    def action(self, name):
        return self.find(f'[data-action="{name}"]')

    def act(self, name):
        """Press the button of an action, and say in the dialog that it is meant."""
        self.action(name).click()
        self.find(f"[data-confirm={name}]").click()

    def recorded(self, name):
        """Return what the recorder keeps: `hints`, `calls`, `shown`, `connections` or
        `violations` since the page was loaded.
        """
        return self.page.evaluate("name => recorded[name]", name)

    def now(self):
        """Return the page's time in ms, as the recorder writes it."""
        return self.page.evaluate("performance.now()")

    def snapshot(self, job_id=None):
        """Return what the page shows of its job, or of one in the list."""
        selector = f'[data-job-id="{job_id}"]' if job_id else "[data-job-id]"
        return self.page.evaluate(
            "selector => snapshotOf(document.querySelector(selector))", selector
        )

    def job_ids(self):
        """Return the ids of the jobs on the page, from the top down."""
        return self.find("[data-job-id]").evaluate_all(
            "rows => rows.map((row) => row.dataset.jobId)"
        )

    def revision(self):
        return int(self.find("[data-job-id]").get_attribute("data-revision"))

    def lines(self, step):
        """Return the lines in the document, `(number, level, text)` each."""
        script = """rows => rows.map((row) => [
            Number(row.dataset.line), row.dataset.level, row.querySelector(".line-text").textContent
        ])"""
        return [
            tuple(line)
            for line in self.find(f'[data-step="{step}"] [data-line]').evaluate_all(script)
        ]

    def calls(self, what, step=None, since=0):
        """Return the page's calls of `structure` or `logs` (of one step) that began after a
        time of the page, in order.
        """
        calls = [
            call
            for call in self.recorded("calls")
            if urlsplit(call["url"]).path.endswith(f"/{what}") and call["startedAt"] > since
        ]
        return [
            call
            for call in calls
            if step is None or parse_qs(urlsplit(call["url"]).query).get("step") == [step]
        ]

    # Waiting

    def wait_for_connection(self, state, seconds=30):
        expect(self.find("[data-connection]")).to_have_attribute(
            "data-connection", state, timeout=seconds * 1000
        )

    def wait_for_status(self, status, seconds=30):
        expect(self.find("[data-job-id]")).to_have_attribute(
            "data-status", status, timeout=seconds * 1000
        )

    def wait_for_step(self, name, seconds=30, **hooks):
        """Wait until a step's hooks have these values: `wait_for_step("build", status="failed",
        expanded="true")`.
        """
        for hook, value in hooks.items():
            expect(self.step(name)).to_have_attribute(
                f"data-{hook.replace('_', '-')}", value, timeout=seconds * 1000
            )

    def wait_for_revision(self, revision, seconds=30):
        script = (
            "revision => "
            "Number(document.querySelector('[data-job-id]').dataset.revision) >= revision"
        )
        self.page.wait_for_function(script, arg=revision, polling=50, timeout=seconds * 1000)

    def wait_for_news(self, revision, seconds=30):
        """Wait until the page shows another revision than this one, and return that."""
        expect(self.find("[data-job-id]")).not_to_have_attribute(
            "data-revision", str(revision), timeout=seconds * 1000
        )
        return self.revision()

    def wait_for_last_line(self, step, number, seconds=30):
        expect(self.find(f'[data-step="{step}"] [data-line="{number}"]')).to_have_count(
            1, timeout=seconds * 1000
        )

    # Judging

    def close(self):
        """Leave the site for good, once all that the page has said so far has been noted."""
        if not self.page.is_closed():
            self.page.evaluate("0")
        self._is_leaving = True
        self.page.close()

    def check(self):
        """Assert that nothing went wrong: no error, no warning, no broken policy, no foreign
        host, no load that nobody asked for.
        """
        assert not self._troubles, self._troubles
        assert self._loads == self._wanted_loads, (
            f"{self._loads} loads instead of {self._wanted_loads}"
        )
        hosts = {urlsplit(url).netloc for url in self.requests if not url.startswith("data:")}
        assert hosts <= {urlsplit(self.url).netloc}, hosts

    def check_shown(self):
        """Assert that all that the page has shown since it was loaded was true, and nothing
        older than before. Returns the snapshots.
        """
        assert self.recorded("violations") == []
        ids = self.job_ids()
        assert len(ids) == len(set(ids)), "each job has one element"
        # first, as the page goes on: what it has shown by now it has been told by then
        shown = self.recorded("shown")
        told = {
            _key(call["structure"]): call["structure"]
            for call in self.calls("structure")
            if call["structure"]
        }
        newest = {}
        for snapshot in shown:
            job, is_row = snapshot["job"], not snapshot["views"]
            before = newest.get(job["job_id"], -1)
            assert job["revision"] > before, f"revision {job['revision']} after {before}"
            newest[job["job_id"]] = job["revision"]
            structure = told.get(_key(job))
            assert structure or is_row or before == -1, (
                f"nobody told the page of revision {job['revision']}"
            )
            # what was served, and rows that came with the list, have none of their own
            if structure:
                assert job == (as_row(structure) if is_row else as_shown(structure))
            for view in snapshot["views"]:
                check_view(view)
        return shown

    def check_promptness(self, most=3000):
        """Assert that the page showed each revision it was told of, or a newer one, within
        `most` ms.
        """
        hints = self.recorded("hints")
        shown = self.recorded("shown")
        for hint in hints:
            at = next(
                (
                    snapshot["at"]
                    for snapshot in shown
                    if snapshot["job"]["revision"] >= hint["revision"]
                ),
                None,
            )
            assert at is not None, f"revision {hint['revision']} was never shown"
            assert at - hint["at"] <= most, (
                f"revision {hint['revision']} was shown {at - hint['at']:.0f} ms late"
            )

    def check_one_at_a_time(self):
        """Assert that there never were two calls of `structure` at once.

        Returns how many there were.
        """
        calls = self.calls("structure")
        for one, next_one in zip(calls, calls[1:], strict=False):
            assert one["endedAt"] is not None and one["endedAt"] <= next_one["startedAt"], (
                one,
                next_one,
            )
        return len(calls)

    def check_log_pace(self, step):
        """Assert that the step's lines were asked for at most once a second.

        Returns how often they were.
        """
        starts = [call["startedAt"] for call in self.calls("logs", step)]
        gaps = [later - earlier for earlier, later in zip(starts, starts[1:], strict=False)]
        # the recorder's clock may be a few ms off the page's timers
        assert all(gap >= 990 for gap in gaps), (step, gaps)
        return len(starts)


def _key(job):
    return job["job_id"], job["revision"]


def check_view(view):
    """Assert that a step's view is as it must be: the hook tells what is open, lines are in
    order, and a closed step holds none.
    """
    assert view["expanded"] == ("true" if view["open"] else "false"), view
    assert view["isInOrder"], view
    assert view["open"] or view["lines"] == 0, view


def stored_lines(server, job_id, step, level="debug"):
    """Return all lines of a step of a level and above, at most 5,000, as `Tab.lines` has those of
    the document.
    """
    items = server.get(
        f"/api/jobs/{job_id}/logs",
        params={"step": step, "after": 0, "limit": 5000, "level": level},
    ).json()["items"]
    return [(line["line"], line["level"], line["message"]) for line in items]


def as_shown(structure):
    """Return what the page of a job must show for a structure, in the recorder's form."""
    return {
        "job_id": structure["job_id"],
        "status": structure["status"],
        "revision": structure["revision"],
        "badge": _badge(structure["status"]),
        "error": structure["error"],
        "steps": [_step(step) for step in structure["steps"]],
    }


def as_row(structure):
    """Return what the list must show for a structure."""
    segments = [
        {"name": step["name"], "status": step["status"], "icon": f"#i-{step['status']}"}
        for step in structure["steps"]
    ]
    return {**as_shown(structure), "steps": segments}


def _step(step):
    return {
        "name": step["name"],
        "status": step["status"],
        "log_count": step["log_count"],
        "child_count": step["child_count"],
        "badge": _badge(step["status"]),
        "children": _counts(step["children"]),
        "levels": _counts({level: step["levels"][level] for level in ("warning", "error")}),
        "lines": f"{step['log_count']:,}",
        "error": step["error"],
        "started_at": step["started_at"],
        "finished_at": step["finished_at"],
    }


def _badge(status):
    return [f"#i-{status}", status, f"is-{status}"]


def _counts(counts):
    return {name: f"{count:,}" for name, count in counts.items() if count}
