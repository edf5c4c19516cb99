"""What jobsync is compared with: task queues with Redis, in a virtual environment of their own
(`peers.txt`), none of which jobsync itself needs.
"""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from benchmarks._server import ROOT, a_folder, wait_for
from jobsync.engine.worker import lower_priority

REQUIREMENTS = Path(__file__).with_name("peers.txt")
PLACE = ROOT / ".venv" / "peers"
INSTALLING = 600  # seconds that installing may take
PATIENCE = 420  # seconds that a run may take; it ends by itself before


def python_of_peers(say):
    """Return the Python that has the task queues. They are installed when they aren't there yet.

    Raises OSError when that can't be done.
    """
    python, stamp = PLACE / "bin" / "python", PLACE / "installed"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return python
    say(f"  installing {REQUIREMENTS.relative_to(ROOT)} into {PLACE.relative_to(ROOT)}")
    shutil.rmtree(PLACE, ignore_errors=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", str(PLACE)],
        [*pip, "--requirement", str(REQUIREMENTS)],
    ):
        _run(command)
    stamp.write_text(digest)
    return python


def _run(command):
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALLING)
    except subprocess.CalledProcessError as error:
        raise OSError(_last_line(error.stderr)) from error
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"installing took longer than {INSTALLING} s") from error


def _last_line(text):
    return (text.strip().splitlines() or ["it didn't say why"])[-1]


def find_program(name, package):
    """Return where a program is. Raises FileNotFoundError that says how to install it."""
    found = shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name} isn't installed (on Debian: apt-get install {package})")
    return found


class Redis:
    """A Redis server that keeps nothing, for one run. Use it in a `with`."""

    def __init__(self, folder):
        self._folder = folder
        self._process = None
        self._address = None

    def __enter__(self):
        program = find_program("redis-server", "redis-server")
        self._address = ("127.0.0.1", _free_port())
        command = [
            *(program, "--bind", self._address[0], "--port", str(self._address[1])),
            *("--save", "", "--appendonly", "no", "--dir", str(self._folder)),
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(self._is_up, 10, "the start of redis-server")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    @property
    def url(self):
        host, port = self._address
        return f"redis://{host}:{port}/0"

    def _is_up(self):
        if self._process.poll() is not None:
            raise ConnectionError("redis-server ended")
        with suppress(OSError), socket.create_connection(self._address, 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")


def _free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def queue_rate(python, name, number, *more, meanwhile=False):
    """Return how many tasks that do nothing 2 workers of a queue do in a second: see `_queue.py`.

    They have the low priority that a worker of jobsync has, or on a busy machine the two couldn't
    be compared. Raises OSError.
    """
    when = "meanwhile" if meanwhile else "filled"
    command = [str(python), "-m", "benchmarks._queue", name, str(number), when, *more]
    with a_folder() as folder, Redis(folder) as server, open(folder / "log", "w+") as log:
        environ = {**os.environ, "BENCH_REDIS_URL": server.url}
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            preexec_fn=lower_priority,
        ) as process:
            try:
                said, _ = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired as error:
                raise TimeoutError(f"{name} took longer than {PATIENCE} s") from error
            finally:
                _end_group(process)
        if process.returncode:
            log.seek(0)
            raise OSError(f"{name} could not be measured: {_last_line(log.read())}")
    return number / json.loads(said)["seconds"]


def _end_group(process):
    """End a process and what it has left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
