"""A part of a benchmark in a process of its own, spoken to in lines of JSON, so that it takes
no time from what it measures.
"""

import asyncio
import json
import subprocess
import sys
import threading

from benchmarks._server import ROOT


class Helper:
    """`python -m benchmarks.NAME`. Use it in a `with`: it ends with its standard input."""

    def __init__(self, name, *arguments, environ=None):
        self._name = name
        self._command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
        self._environ = environ
        self._process = None

    def __enter__(self):
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environ, stdin=pipe, stdout=pipe, text=True
        )
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def pid(self):
        return self._process.pid

    def tell(self, **message):
        """Say something to it."""
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def hear(self):
        """Return the next thing that it says. Raises ConnectionError when it has ended."""
        line = self._process.stdout.readline()
        if not line:
            raise ConnectionError(f"{self._name} ended")
        return json.loads(line)

    def ask(self, **message):
        """Say something and return the answer."""
        self.tell(**message)
        return self.hear()


def answer(message):
    """Say something, from within such a process."""
    print(json.dumps(message), flush=True)


def questions():
    """Yield what such a process is told, until its standard input ends."""
    for line in sys.stdin:
        yield json.loads(line)


async def answer_all(reply):
    """Answer all that such a process is told, one after the other, from within its event loop.

    reply(question): a coroutine function that returns the answer.
    """
    loop, told = asyncio.get_running_loop(), asyncio.Queue()

    def listen():
        for question in questions():
            loop.call_soon_threadsafe(told.put_nowait, question)
        loop.call_soon_threadsafe(told.put_nowait, None)

    threading.Thread(target=listen, daemon=True).start()
    answer({"ready": True})
    while (question := await told.get()) is not None:
        answer(await reply(question))
