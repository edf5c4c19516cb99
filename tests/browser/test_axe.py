"""Every page in every state, judged by axe-core: nothing found, on a phone in the dark as on a
desk in the light.
"""

import shutil

import pytest
from playwright.sync_api import expect

from browser.gates import DEFINITIONS
from browser.tab import LOOKS
from helpers.paths import ROOT
from helpers.servers import Server

pytestmark = pytest.mark.browser

AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text()
JUDGE = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.flatMap(({ id, help, nodes }) => nodes.map((node) =>
    `${id}: ${help}: ${node.html.slice(0, 200)} ${node.failureSummary.split("\\n")[1] ?? ""}`));
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server with jobs in every state, and their ids by name."""
    folder = tmp_path_factory.mktemp("judged")
    server = Server(folder, JOBSYNC_WORKERS="3", FLASK_DEBUG="1")
    for path in [*DEFINITIONS.glob("*.toml"), *(ROOT / "definitions").glob("*.toml")]:
        shutil.copy(path, server.definitions)
    server.start()
    jobs = {
        "completed": server.submit("short"),
        "failed": server.submit("picky", file=str(folder / "missing")),
        "grown": server.submit("growing"),
        "hostile": server.submit("hostile", text="<b>text</b>"),
        "report": server.submit("codebase_classify", folder=str(ROOT / "jobsync")),
        "cancelled": server.submit("endless"),
    }
    server.post(f"/api/jobs/{jobs['cancelled']}/cancel")
    for job_id in jobs.values():
        server.wait_for_end(job_id)
    jobs["running"] = server.submit("endless")
    jobs["pending"] = server.submit("gated", gates=str(folder))
    yield server, jobs
    server.stop()


def open_job(tab, jobs, name, step=None):
    tab.open_job(jobs[name])
    if step and tab.step(step).get_attribute("data-expanded") == "false":
        tab.toggle(step)
    if step:
        tab.wait_for_last_line(step, 1)


def open_running(tab, jobs):
    tab.open_job(jobs["running"])
    tab.wait_for_step("ticking", status="running", expanded="true")


def open_deleting(tab, jobs):
    tab.open_job(jobs["completed"])
    tab.action("delete").click()
    expect(tab.find("#ask")).to_be_visible()


def open_cancelling(tab, jobs):
    open_running(tab, jobs)
    tab.action("cancel").click()
    expect(tab.find("#ask")).to_be_visible()


def open_children(tab, jobs, name, step):
    open_job(tab, jobs, name, step)
    panel = tab.step(step).locator("[data-part=children-panel]")
    tab.step(step).locator("[data-part=show-children]").click()
    panel.locator("[data-toggle-child]").first.click()
    expect(panel.locator("[data-details]")).to_be_visible()
    expect(panel.locator("[data-square]").first).to_be_visible()


def open_tree(tab, jobs):
    open_children(tab, jobs, "grown", "grow")
    tab.find("[data-fold]").first.click()
    expect(tab.find('[data-depth="1"]').first).to_be_visible()


def open_graph(tab, jobs):
    tab.open_job(jobs["failed"])
    tab.find("[data-part=show-graph]").click()
    expect(tab.find("[data-node]").first).to_be_visible()


def open_delete_page(tab, jobs):
    tab.open(f"/jobs/{jobs['completed']}")
    tab.follow(Sent(tab.find("[data-form=delete]")))


class Sent:
    """A form that is sent as without scripts."""

    def __init__(self, form, script="form => form.submit()"):
        self.click = lambda: form.evaluate(script)


def open_refused(tab, jobs):
    tab.open("/definitions/particular")
    tab.page.get_by_label("rounds").fill("12")
    tab.may_miss_network = True  # the browser says of the answer that it is a 422
    tab.follow(tab.page.get_by_role("button", name="Start"))
    expect(tab.find("[aria-invalid=true]").first).to_be_visible()


def open_keys(tab, jobs):
    tab.open("/").wait_for_connection("live")
    tab.page.keyboard.press("?")
    expect(tab.find("dialog[open]")).to_be_visible()


def open_missing(tab, jobs):
    tab.may_miss_network = True
    tab.open("/jobs/nothing")


def open_draining(tab, jobs):
    tab.open("/workers").wait_for_connection("live")
    tab.page.get_by_role("button", name="Drain").first.click()
    expect(tab.find("#drain-dialog")).to_be_visible()


def open_selected(tab, jobs):
    tab.open("/").wait_for_connection("live")
    tab.page.get_by_label("Select all on this page").click()
    expect(tab.find(".bulk")).to_be_visible()


def open_bulk(tab, jobs):
    open_selected(tab, jobs)
    tab.find(".bulk [value=cancel]").click()
    expect(tab.find("#bulk-dialog [data-part=go]")).to_be_visible()


def open_bulk_page(tab, jobs):
    open_selected(tab, jobs)
    form = tab.find(".bulk")
    tab.follow(
        Sent(
            form,
            "form => form.submit(form.insertAdjacentHTML('beforeend', "
            "'<input type=hidden name=action value=cancel>'))",
        )
    )


def open_filtered(tab, jobs):
    open_job(tab, jobs, "report", "import_files")
    tab.step("import_files").locator("[data-level-of=info]").click()
    expect(tab.step("import_files").locator("[data-part=level-said]")).to_be_visible()


def open_cut_off(tab, jobs):
    tab.may_miss_network = True
    open_running(tab, jobs)
    tab.context.set_offline(True)
    tab.wait_for_connection("offline")


STATES = {
    "list": lambda tab, jobs: tab.open("/").wait_for_connection("live"),
    "list, none match": lambda tab, jobs: tab.open("/?q=nothing+is+called+so").wait_for_connection(
        "live"
    ),
    "list, wrong filter": lambda tab, jobs: tab.open(
        "/?status=failed&since=2026-01-01&definition=short"
    ),
    "keys": open_keys,
    "running": open_running,
    "offline": open_cut_off,
    "pending": lambda tab, jobs: tab.open_job(jobs["pending"]),
    "completed": lambda tab, jobs: open_job(tab, jobs, "completed", "left"),
    "failed": lambda tab, jobs: open_job(tab, jobs, "failed", "hard"),
    "cancelled": lambda tab, jobs: open_job(tab, jobs, "cancelled"),
    "hostile": lambda tab, jobs: open_job(tab, jobs, "hostile", "wide"),
    "report": lambda tab, jobs: open_job(tab, jobs, "report"),
    "levels": open_filtered,
    "deleting": open_deleting,
    "cancelling": open_cancelling,
    "children": lambda tab, jobs: open_children(tab, jobs, "failed", "hard"),
    "tree": open_tree,
    "graph": open_graph,
    "children without scripts": lambda tab, jobs: tab.open(
        f"/jobs/{jobs['grown']}?children=grow&graph=1&show=1&flat=1"
    ),
    "delete without scripts": open_delete_page,
    "start": lambda tab, jobs: tab.open("/definitions/codebase_classify"),
    "run with changes": lambda tab, jobs: tab.open(
        f"/definitions/codebase_classify?from={jobs['report']}"
    ),
    "refused": open_refused,
    "workers": lambda tab, jobs: tab.open("/workers").wait_for_connection("live"),
    "draining a worker": open_draining,
    "selected": open_selected,
    "cancelling many": open_bulk,
    "cancelling many without scripts": open_bulk_page,
    "missing": open_missing,
    "api docs": lambda tab, jobs: tab.open("/api/docs"),
    "styleguide": lambda tab, jobs: tab.open("/styleguide"),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("state", STATES)
def test_nothing_is_found(served, tabs, state, look):
    server, jobs = served
    tab = tabs.new(server, **LOOKS[look])
    STATES[state](tab, jobs)
    tab.page.evaluate(AXE)
    assert tab.page.evaluate(JUDGE) == []
