"""Reading the frames that a server sends to a browser: unmasked, uncompressed."""

import asyncio
import struct
from dataclasses import dataclass

TEXT = 1


@dataclass
class Frame:
    """A frame as it came, and its text ("" for other kinds than whole text messages)."""

    bytes: bytes
    text: str


async def read_frame(reader):
    """Return the next Frame, None at the connection's end."""
    try:
        head = await reader.readexactly(2)
        extra = await reader.readexactly({126: 2, 127: 8}.get(head[1] & 127, 0))
        payload = await reader.readexactly(_length(head, extra))
    except asyncio.IncompleteReadError:
        return None
    is_text = head[0] & 143 == 128 | TEXT  # one frame holds the whole message
    return Frame(head + extra + payload, payload.decode() if is_text else "")


def _length(head, extra):
    if not extra:
        return head[1] & 127
    return struct.unpack("!H" if len(extra) == 2 else "!Q", extra)[0]
