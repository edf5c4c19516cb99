"""Text that comes from outside, made safe to store, to send and to print.

It stays text: nothing here makes markup.
"""

import json
import os
import re

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
# CSI sequences (colours, the cursor), OSC and its like with their text (titles, links), and the
# two- and three-character ones (ECMA-48)
CONTROL_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])"
)
LONE = re.compile(r"[\ud800-\udfff]")
PICTURED = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # control characters but the tab
PICTURES = {code: 0x2400 + code for code in range(0x20) if code != 0x09} | {0x7F: 0x2421}


def storable(text):
    """Return `text` without what UTF-8 or a database can't hold: lone surrogates and NUL become
    U+FFFD.
    """
    # most text is, and large results are
    paired = text if text.isascii() else LONE.sub("\ufffd", text)
    return paired.replace("\x00", "\ufffd")


def printable(text):
    """Return `text` with control characters written out (`\\x1b`), so that a terminal shows them
    and doesn't obey them.

    Lone surrogates are too: printing one raises.
    """
    return LONE.sub(_escaped, CONTROL.sub(_escaped, text))


def without_escapes(text):
    """Return `text` without terminal escapes (colours, links, moves of the cursor), as pages
    show it.
    """
    return CONTROL_SEQUENCE.sub("", text) if "\x1b" in text else text


def plain(text):
    """Return a log line's text as pages show it: without terminal escapes, other control
    characters as their pictures (U+2400 and on).
    """
    text = without_escapes(text)
    return text.translate(PICTURES) if PICTURED.search(text) else text


def _escaped(match):
    return match.group().encode("unicode_escape").decode()


def one_line(text, size=160):
    """Return the first words of `text`, without terminal escapes, on one line of at most `size`
    bytes (3 or more) as it stands in JSON.

    The contract has 600 bytes for a whole step.
    """
    line = " ".join(CONTROL.sub(" ", storable(without_escapes(text))).split())
    if json_size(line) <= size:
        return line
    line = line[:size]
    while line and json_size(line) > size - 3:
        line = line[:-1]
    return line.rstrip() + "…"


def json_size(line):
    """Return the bytes of a text as it stands in JSON, without its quotes."""
    return len(json.dumps(line, ensure_ascii=False).encode()) - 2


def gathered(pieces, size=16 * 1024):
    """Yield texts put together to about `size` characters each: each piece of an answer is sent
    by itself, which takes longer than making it.
    """
    waiting, length = [], 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= size:
            yield "".join(waiting)
            waiting, length = [], 0
    if length:
        yield "".join(waiting)


def path_to_text(path):
    """Return a file name (str or bytes) as text that `text_to_path` turns back into the same name.

    Linux names are bytes: what isn't UTF-8 is written `\\xff`, and a backslash is doubled.
    """
    if isinstance(path, str) and path.isascii() and "\\" not in path:
        return path  # as nearly all are
    raw = os.fsencode(path).replace(b"\\", b"\\\\")
    return raw.decode("utf-8", "backslashreplace")


def text_to_path(text):
    """Return the file name (str, as `os` functions take it) that `path_to_text` wrote."""
    if text.isascii() and "\\" not in text:
        return text
    parts = re.split(rb"(\\\\|\\x[0-9a-f]{2})", text.encode())
    raw = b"".join(_unescape(part) for part in parts)
    return os.fsdecode(raw)


def _unescape(part):
    if part == b"\\\\":
        return b"\\"
    if part.startswith(b"\\x") and len(part) == 4:
        return bytes([int(part[2:], 16)])
    return part
