"""One connection from a browser, with the one to the server that goes with it."""

import asyncio
import socket
import struct
from contextlib import suppress

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST
PIECE = 256  # bytes that a slow line passes at once
PATIENCE = 1.0  # seconds in which a line that ends may pass what it has


class Line:
    """Knows what it carries: `path` and `is_websocket` are those of its last request.

    `flows`: the Gates "up" and "down".
    """

    def __init__(self, reader, writer, flows):
        self.reader, self.flows = reader, flows
        self.path, self.is_websocket = "", False
        self.is_idle = True
        self._writer = writer
        self._server = None

    @property
    def is_gone(self):
        """Whether the browser has closed it."""
        return self.reader.at_eof() or self._writer.is_closing()

    async def server(self, port):
        """Return the reader and the writer of the connection to the server, which is made for
        the first request.
        """
        if self._server is None:
            self._server = await asyncio.open_connection("127.0.0.1", port)
        return self._server

    async def send(self, data, speed=None, latency=0):
        """Pass bytes to the browser: `latency` seconds late, at `speed` bytes a second, and
        only while "down" is open.
        """
        await asyncio.sleep(latency)
        size = PIECE if speed else len(data)
        for piece in (data[start : start + size] for start in range(0, len(data), size or 1)):
            await asyncio.sleep(len(piece) / speed if speed else 0)
            await self.flows["down"].wait()
            self._writer.write(piece)
            await self._writer.drain()

    async def end(self):
        """End both connections and wait until they are closed, at most until what they still
        had to pass is given up.
        """
        self.cut(with_reset=False)
        writers = [self._writer, *([self._server[1]] if self._server else [])]
        closing = [asyncio.ensure_future(writer.wait_closed()) for writer in writers]
        await asyncio.wait(closing, timeout=PATIENCE)
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*closing, return_exceptions=True)

    def cut(self, with_reset):
        """End both connections at once: as a broken network does (RST), or as a server that
        closes (FIN).
        """
        for writer in (self._writer, *([self._server[1]] if self._server else [])):
            if with_reset:
                with suppress(OSError):  # its other end has closed it already
                    writer.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE
                    )
                writer.transport.abort()
            else:
                writer.close()
