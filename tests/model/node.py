"""The Node process that all pages of all runs live in."""

import json
import shutil
import subprocess
from pathlib import Path

DRIVER = Path(__file__).with_name("driver.mjs")


class Node:
    """driver.mjs, asked by lines of JSON."""

    def __init__(self):
        command = [shutil.which("node"), str(DRIVER)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def do(self, *commands):
        """Carry out commands (lists, see driver.mjs) and return what happened: `[page, its
        time, what, …]` each. Raises AssertionError for an error.
        """
        self._process.stdin.write(json.dumps(commands) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"Node has ended with {self._process.wait()}"
        said = json.loads(line)
        assert isinstance(said, list), said["error"]
        return said

    def close(self):
        """End the process."""
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()
