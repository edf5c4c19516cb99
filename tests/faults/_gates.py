"""Where a proxy's connections wait until a test lets them go on.

Tests open and shut from their own thread, the proxy's loop waits.
"""

import asyncio


class Gate:
    """A place that is passed only while it is open."""

    def __init__(self, loop, is_open=True):
        self._loop = loop
        self._event = asyncio.Event()
        if is_open:
            self._event.set()

    def open(self):
        self._loop.call_soon_threadsafe(self._event.set)

    def shut(self):
        self._loop.call_soon_threadsafe(self._event.clear)

    async def wait(self):
        await self._event.wait()


class Hold:
    """Keeps back the next answers to paths that match, at most so many, from the moment that
    the server has given them until `release`.
    """

    def __init__(self, loop, matches, most):
        self._matches, self._left = matches, most
        self._gate = Gate(loop, is_open=False)
        self.held = []  # the paths, in order

    def takes(self, path):
        """Say whether this request's answer is to be kept back, and count it."""
        if not self._left or not self._matches(path):
            return False
        self._left -= 1
        return True

    async def wait(self, path):
        self.held.append(path)
        await self._gate.wait()

    def release(self):
        """Let what is held go, and hold nothing more."""
        self._left = 0
        self._gate.open()
