"""A server to measure: `python app.py` on a data folder of its own, as a user has it."""

import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import requests

import config
import jobsync
from jobsync.db.migrate import bring_up_to_date

ROOT = Path(__file__).resolve().parents[1]
CORES = os.cpu_count()
OWN_STEPS = ("bench_short", "bench_single")  # of `_steps.py`


def wait_for(condition, seconds, what, every=0.02):
    """Return what `condition()` returns as soon as that is true, looking `every` so many seconds.

    Raises TimeoutError.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds} s")
        time.sleep(every)
    return value


@contextmanager
def a_folder():
    """Give a temporary folder as a Path."""
    with tempfile.TemporaryDirectory(prefix="jobsync-bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def make_store(folder):
    """Return an app on the store of a Server in `folder`, made if it isn't there."""
    app = jobsync.create_app(config.load(Server(folder).environ))
    with app.app_context():
        bring_up_to_date(app.config["DATA_DIR"])
    return app


class Server:
    """`python app.py` in `folder`. Use it in a `with`: it runs inside.

    definitions: `{id: TOML}`, or None for those that ship. module: another program than app.py, run
    by `python -m`. port: 0 for a free one. own_steps: it has the step types of `_steps.py` too.
    """

    def __init__(self, folder, workers=0, definitions=None, module=None, port=0, own_steps=False):
        self.folder = Path(folder)
        self.workers = workers
        self._port = port
        self.environ = self._environ(definitions)
        if own_steps:
            self.environ["PYTHONPATH"] = os.pathsep.join([str(self._install_steps()), str(ROOT)])
        self._command = [sys.executable, "-m", module] if module else [sys.executable, "app.py"]
        self._process = None
        self.url = None

    def _environ(self, definitions):
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("JOBSYNC_")
        }
        own = {
            "DATA_DIR": self.folder / "data",
            "DEFINITIONS": self._definitions(definitions),
            "HOST": "127.0.0.1",
            "PORT": self._port,
        }
        return {
            **inherited,
            **{f"JOBSYNC_{name}": str(value) for name, value in own.items()},
            "JOBSYNC_WORKERS": str(self.workers),
        }

    def _definitions(self, definitions):
        if definitions is None:
            return ROOT / "definitions"
        place = self.folder / "definitions"
        place.mkdir(parents=True, exist_ok=True)
        for name, text in definitions.items():
            (place / f"{name}.toml").write_text(text, encoding="utf-8")
        return place

    def _install_steps(self):
        """Return a folder with entry points, as of an installed package."""
        site = self.folder / "site"
        about = site / "jobsync_bench-1.dist-info"
        about.mkdir(parents=True, exist_ok=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: jobsync-bench\nVersion: 1\n")
        points = "".join(f"{name} = benchmarks._steps:{name}\n" for name in OWN_STEPS)
        (about / "entry_points.txt").write_text(f"[jobsync.steps]\n{points}")
        return site

    def __enter__(self):
        log = self.folder / "server.log"
        with open(log, "wb") as file:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self.environ, stdout=file, stderr=file
            )
        try:
            self.url = wait_for(lambda: self._printed_url(log), 30, "the server's start")
            if self.workers:
                wait_for(lambda: self.get("/readyz").status_code == 200, 30, "the workers' start")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self):
        """End it as the kernel does when memory runs out."""
        self._process.kill()
        self._process.wait()

    def _printed_url(self, log):
        text = log.read_text()
        if self._process.poll() is not None:
            raise ConnectionError(f"the server ended: {text}")
        found = re.search(r"jobsync is at (http://\S+?)/ ", text)
        return found and found.group(1)

    @property
    def pid(self):
        return self._process.pid

    @property
    def address(self):
        """Return host and port."""
        parts = urlsplit(self.url)
        return parts.hostname, parts.port

    def worker_pids(self):
        """Return the process ids of the workers: the server's direct children. Needs Linux."""
        return [
            int(pid)
            for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        ]

    def get(self, path):
        return requests.get(self.url + path, timeout=30)

    def post(self, path, body=None):
        return requests.post(self.url + path, json=body, timeout=30)

    def submit(self, definition, **params):
        """Start a job and return its id."""
        answer = self.post("/api/jobs", {"definition": definition, "params": params})
        if answer.status_code != 202:
            raise ConnectionError(f"the job wasn't accepted: {answer.text}")
        return answer.json()["id"]

    def structure(self, job_id):
        return self.get(f"/api/jobs/{job_id}/structure").json()

    def cancel(self, job_id):
        """Cancel a job; one that has ended meanwhile is left as it is."""
        self.post(f"/api/jobs/{job_id}/cancel")

    def wait_for_end(self, job_id, seconds=60, every=0.02):
        """Return the structure of a job once it is terminal."""

        def ended():
            structure = self.structure(job_id)
            return structure["status"] not in ("pending", "running") and structure

        return wait_for(ended, seconds, f"the end of job {job_id}", every)


def cpu_seconds(pid):
    """Return the seconds of processor time that a process has used. Needs Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited_seconds(pid):
    """Return the seconds for which a process could have run, and no processor was free for it.

    Needs Linux; 0 where its kernel doesn't count.
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def resident_bytes(pid):
    """Return the bytes of memory that a process holds. Needs Linux."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
