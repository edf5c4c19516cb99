"""A program's output as lines: bytes cut at line ends, and the level that a line names."""

import re

PIECE = 32 * 1024  # bytes of one line; a longer one goes on in the next

WORDS = {
    "debug": ("trace", "debug"),
    "info": ("info", "notice"),
    "warning": ("warn", "warning"),
    "error": ("err", "error", "crit", "critical", "fatal", "panic", "alert", "emerg", "emergency"),
}
LEVEL_OF = {word: level for level, words in WORDS.items() for word in words}

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
WORD = f"({'|'.join(LEVEL_OF)})"
SHOUTED = f"({'|'.join(LEVEL_OF).upper()})"
STAMP = r"[^A-Za-z]*(?:(?<=\d)[TZ][^A-Za-z]*){0,2}"  # whatever comes before the first word: a time stamp, a bracket, nothing
FIRST = (
    re.compile(rf"{STAMP}\b{SHOUTED}\b(?!-)"),  # ERROR no space left; 2026-01-02T03:04:05Z WARN slow; INFO:root:started
    re.compile(rf"{STAMP}[\[<(]\s*{WORD}\s*[\])>]", re.IGNORECASE),  # [error] no space left; 12:00:01 <info> started
    re.compile(rf"{STAMP}\b{WORD}(?:\[\w+\])?:", re.IGNORECASE),  # warning: unused; error[E0308]: mismatched types
)
EARLY = (
    re.compile(rf"(?:: | - |\| ?|\] ?){WORD}(?:\[\w+\])?\s*(?::| -|\||\])", re.IGNORECASE),  # a.c:3: error: …; … - app - INFO - …
    re.compile(rf"\] ?{SHOUTED}\b"),  # 12:00:01 [main] WARN org.example - …
)
FIELD = re.compile(rf"\b(?:level|lvl|severity)\"?\s?[=:]\s?\"?{WORD}\b", re.IGNORECASE)  # level=info msg=…; {"level": "error", …}


def level_of(line, default):
    """Return the level that a line names for itself in one of the usual ways, or `default`.

    A level counts only where programs put it: first in the line but for a time stamp, in capitals, in brackets or before a colon; between
    separators a little later; or as `level=…`. So "0 errors" and "Error handling is on" name none. `fatal` and its like are errors.
    """
    start = COLOUR.sub("", line[:1000])
    matches = [pattern.match(start) for pattern in FIRST] + [pattern.search(start[:160]) for pattern in EARLY] + [FIELD.search(start)]
    return next((LEVEL_OF[match.group(1).lower()] for match in matches if match), default)


class LineSplitter:
    """Cuts a stream of bytes into lines (text, without their ends) and holds no more than one piece of a line back."""

    def __init__(self):
        self._rest = b""

    def feed(self, data):
        """Return the lines that `data` completes."""
        *lines, rest = (self._rest + data).split(b"\n")
        pieces = [piece for line in lines for piece in _pieces(_shown(line))]
        *full, self._rest = _pieces(_without_overwritten(rest))
        return [_decode(piece) for piece in pieces + full]

    def end(self):
        """Return what is left: the last line, if it has no end."""
        rest, self._rest = self._rest, b""
        return [_decode(piece) for piece in _pieces(_shown(rest))] if rest else []


def _without_overwritten(line):
    """Drop what a carriage return let a later text overwrite, as a progress bar does, so that the last state is what remains."""
    return line[line.rstrip(b"\r \t").rfind(b"\r") + 1 :]


def _shown(line):
    return _without_overwritten(line).split(b"\r", 1)[0]


def _pieces(line):
    """Cut a line into pieces of at most PIECE bytes, none within a character. There is at least one."""
    pieces = []
    while len(line) > PIECE:
        end = _character_end(line)
        pieces.append(line[:end])
        line = line[end:]
    return [*pieces, line]


def _character_end(line):
    for end in range(PIECE, PIECE - 4, -1):
        if line[end] & 0xC0 != 0x80:  # not a UTF-8 character's second, third or fourth byte
            return end
    return PIECE


def _decode(piece):
    return piece.decode("utf-8", "replace")
