"""The main job, as a newcomer has it: started on its page, followed to its end, its report read.

`make check` runs this one test of the pages at every commit.
"""

import pytest
from playwright.sync_api import expect

from browser.tab import as_shown
from helpers.folder_steps import write_tree
from helpers.paths import ROOT

pytestmark = pytest.mark.browser
FILES = {
    "app.py": "# starts it\nimport web\n\nweb.serve()\n",
    "web.py": "def serve():\n    return 1\n",
    "tests/test_web.py": "def test_serve():\n    pass\n",
    "README.md": "# It\n",
    "settings.toml": "port = 1\n",
}


def test_a_folder_is_classified_while_its_page_follows(server, tabs, tmp_path):
    folder = write_tree(tmp_path / "project", FILES)
    server.environ["JOBSYNC_DEFINITIONS"] = str(ROOT / "definitions")
    tab = tabs.new(server.start()).open("/definitions/codebase_classify")
    tab.page.get_by_label("folder").fill(str(folder))
    tab.follow(tab.page.get_by_role("button", name="Start"))
    tab.wait_for_status("completed")
    structure = server.structure(tab.find("[data-job-id]").get_attribute("data-job-id"))
    tab.wait_for_revision(structure["revision"])
    assert tab.snapshot()["job"] == as_shown(structure)
    assert {step["status"] for step in structure["steps"]} == {"completed"}
    expect(tab.page.get_by_text("5 files").first).to_be_visible()
    tab.check_shown()
