"""What the docs show works: a step type of one's own, the API by curl, following a job from
a Node program and from one's own page.
"""

import re
import shutil
import subprocess
import tomllib

import pytest

from helpers.definition_files import define
from helpers.paths import ROOT
from helpers.waiting import wait_for

EXAMPLES = ROOT / "docs" / "examples"


def install(package, site):
    """Put a package into `site` as `pip install` would: its modules, and its entry points where
    Python looks for them.
    """
    project = tomllib.loads((package / "pyproject.toml").read_text())
    for module in project["tool"]["setuptools"]["py-modules"]:
        shutil.copy(package / f"{module}.py", site)
    name, version = project["project"]["name"], project["project"]["version"]
    about = site / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = [
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in points.items())
        for group, points in project["project"]["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(points))


def test_a_step_type_of_ones_own_is_found_through_its_entry_point_and_runs(server, tmp_path):
    site, texts = tmp_path / "site", tmp_path / "texts"
    site.mkdir()
    texts.mkdir()
    install(EXAMPLES / "own_step", site)
    (texts / "one.txt").write_text("three little words")
    (texts / "two.txt").write_text("and two")
    define(
        tmp_path,
        f'id = "count"\nname = "Count"\n[step.words]\ntype = "word_count"\ndir_path = "{texts}"\n',
    )
    server.environ["PYTHONPATH"] = str(site)
    server.start()
    job_id = server.submit("count")
    assert server.wait_for_end(job_id)["status"] == "completed"
    assert server.get(f"/api/jobs/{job_id}").json()["result"] == {"files": 2, "words": 5}
    lines = server.get(f"/api/jobs/{job_id}/logs?step=words").json()["items"]
    assert {line["message"] for line in lines} == {"one.txt: 3 words", "two.txt: 2 words"}


def test_the_commands_for_curl_work_as_the_docs_give_them(shared_server):
    text = (ROOT / "docs" / "api.md").read_text()
    block = re.search(r"```sh\n(.*?)```", text, re.DOTALL).group(1)
    submit, *rest = [line for line in block.splitlines() if line.startswith("curl")]

    def run(command, **variables):
        environ = {**shared_server.environ, "URL": shared_server.url, **variables}
        done = subprocess.run(
            ["sh", "-c", command.replace("curl -s", "curl -sf")],
            env=environ,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    job_id = re.search(r'"id":\s*"([^"]+)"', run(submit)).group(1)
    assert len(rest) >= 3
    answers = [run(command, ID=job_id) for command in rest]
    assert '"revision"' in answers[0]
    assert '"log_count"' in answers[1]
    assert shared_server.wait_for_end(job_id)["status"] == "cancelled"


def test_the_node_program_follows_a_job_to_its_end(server, tmp_path):
    define(
        tmp_path,
        (
            'id = "short"\nname = "Short"\n[step.a]\ntype = "command"\nrun = ["echo", "hi"]\n'
            '[step.b]\ntype = "command"\nrun = ["sleep", "0.3"]\ndepends = "a"\n'
        ),
    )
    server.start()
    program = [shutil.which("node"), str(EXAMPLES / "follow" / "follow.mjs"), server.url, "short"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "completed a:completed b:completed"


def answer(text, kind):
    """Return a handler that answers a request as a file in `static/` would be."""
    return lambda route: route.fulfill(body=text, content_type=kind)


@pytest.mark.browser
def test_a_page_of_ones_own_follows_a_job(server, chromium, tmp_path):
    define(
        tmp_path,
        (
            'id = "slow"\nname = "Slow"\n[step.a]\ntype = "command"\n'
            'run = ["sh", "-c", "echo hi; sleep 1"]\n'
        ),
    )
    server.start()
    job_id = server.submit("slow")
    page = chromium.new_page()
    for name, kind in (("follow.html", "text/html"), ("follow.js", "text/javascript")):
        text = (EXAMPLES / "follow" / name).read_text()
        page.route(f"**/static/own/{name}*", answer(text, kind))
    page.goto(f"{server.url}/static/own/follow.html?job={job_id}")
    wait_for(lambda: page.inner_text("#status") == "completed", 20, "the end on the page")
    assert page.inner_text("#steps") == "a: completed, 1 lines"
    page.close()
