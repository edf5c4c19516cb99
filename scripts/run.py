"""What `make run` does: start the server, run `codebase_classify` on the folder in FOLDER,
print the job's address, serve until Ctrl-C.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# no job's command is to find them
OF_MAKE = {
    "FOLDER",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "MFLAGS",
    "MAKE_TERMOUT",
    "MAKE_TERMERR",
}
PATIENCE = 30  # seconds that the workers get to start


def main():
    """Return the exit code: that of the server."""
    folder = os.path.abspath(os.environ.get("FOLDER") or ROOT)
    if not os.path.isdir(folder):
        sys.exit(f"FOLDER={folder} is not a folder.")
    environ = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
    server = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
    )
    # a terminal's Ctrl-C reaches the server by itself; twice does no harm
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.terminate())
    url = _wait_for_address(server)
    if url:
        _start_job(url, folder)
        for line in server.stdout:
            print(line, end="", flush=True)
    return server.wait()


def _wait_for_address(server):
    """Pass on what the server prints until it says where it is.

    Returns None when it ends without saying.
    """
    for line in server.stdout:
        print(line, end="", flush=True)
        found = re.search(r"jobsync is at (http://\S+?)/ ", line)
        if found:
            return found.group(1)
    return None


def _start_job(url, folder):
    """Start the job once workers are there, and print where to see it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not _is_ready(url):
        time.sleep(0.1)
    body = json.dumps({"definition": "codebase_classify", "params": {"folder": folder}}).encode()
    request = urllib.request.Request(f"{url}/api/jobs", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            job_id = json.load(answer)["id"]
    except urllib.error.HTTPError as error:
        print(f"The job could not be started. {_reason(error.read())}", file=sys.stderr, flush=True)
        return
    print(f"\ncodebase_classify runs on {folder}\n\n    {url}/jobs/{job_id}\n", flush=True)


def _reason(body):
    """Return what an error's body says in a line: the reasons at its fields, or its message."""
    try:
        problem = json.loads(body)
        reasons = [
            f"{name}: {reason}"
            for name, found in problem["errors"].get("params", {}).items()
            for reason in found
        ]
        return "; ".join(reasons) or problem["message"]
    except (ValueError, KeyError, AttributeError, TypeError):
        return body.decode(errors="replace")


def _is_ready(url):
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
