"""A program's output as lines: bytes cut at line ends, and what a line says: its level, or how far
the program is.
"""

import re

from jobsync.base.text import without_escapes

PIECE = 32 * 1024  # bytes of one line; a longer one goes on in the next

WORDS = {
    "debug": ("trace", "debug"),
    "info": ("info", "notice"),
    "warning": ("warn", "warning"),
    "error": (
        "err",
        "error",
        "crit",
        "critical",
        "fatal",
        "severe",
        "panic",
        "alert",
        "emerg",
        "emergency",
    ),
}
LEVEL_OF = {word: level for level, words in WORDS.items() for word in words}
# the letters that klog and Ruby's Logger begin with
LEVEL_OF |= {"d": "debug", "i": "info", "w": "warning", "e": "error", "f": "error"}

WORD = rf"({'|'.join(word for words in WORDS.values() for word in words)})"
SHOUTED = WORD.upper()
NAME = (
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|"
    r"Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|UTC|GMT)\b|(?<=\d)[TZ]"
)
# whatever comes before the first word: a time stamp, a bracket, nothing
STAMP = rf"[^A-Za-z]*(?:(?:{NAME})[^A-Za-z]*){{0,3}}"
# error[E0308]: mismatched types; error TS2304: cannot find …
CODE = r"(?:\[\w+\]| [A-Z]{1,8}\d{1,6})?"
VALUE = r"(?i:\s*(?:\d[\d.]*\s?%?|none|no|n/a|false|true|null|off|on|ok)\s*(?:[,;|)\]]|$))"
# "error: 0, warning: 0" counts, and "debug: false" sets: neither names a level
COLON = rf":(?!{VALUE})"
FIRST = (
    # ERROR no space left; 2026-01-02T03:04:05Z WARN slow; INFO:root:started
    re.compile(rf"{STAMP}\b{SHOUTED}\b(?!-|:{VALUE})"),
    # [error] no space left; 12:00:01 <info> started
    re.compile(rf"{STAMP}[\[<(]\s*{WORD}\s*[\])>]", re.IGNORECASE),
    # warning: unused; fatal error: no input files
    re.compile(rf"{STAMP}\b(?:fatal )?{WORD}{CODE}{COLON}", re.IGNORECASE),
    # npm ERR! code ELIFECYCLE
    re.compile(rf"{STAMP}(?:npm|pnpm|yarn|lerna) {WORD}(?:!|\b)", re.IGNORECASE),
    re.compile(rf"\s*::{WORD}(?: |::)"),  # ::error file=app.js,line=1::missing semicolon
    # E0102 15:04:05.678901       1 watch.go:138] failed
    re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [\w.-]+:\d+\] "),
    # E, [2026-01-02T03:04:05.000000 #123] ERROR -- : no space left
    re.compile(r"([DIWEF]), \[\d{4}-\d\d-\d\dT"),
)
EARLY = (
    # a.c:3: error: …; a.ts(3,5): error TS2304: …; … - app - INFO - …
    re.compile(
        rf"(?:: | - |\| ?|\] ?)(?:fatal )?{WORD}{CODE}\s*(?:{COLON}| -|\||\])", re.IGNORECASE
    ),
    # 12:00:01 [main] WARN org.example - …; [2026-01-02 03:04:05] production.ERROR: …
    re.compile(rf"\] (?:\w{{1,40}}\.)?{SHOUTED}\b(?!:{VALUE})"),
)
# level=info msg=…; {{"level": "error", …}}
FIELD = re.compile(rf"\b(?:level|levelname|lvl|severity)\"?\s?[=:]\s?\"?{WORD}\b", re.IGNORECASE)

NUMBER = r"([0-9]{1,15}(?:\.[0-9]{1,15})?)"
PROGRESS = re.compile(rf"\s*::progress\s+{NUMBER}\s*(?:/\s*{NUMBER}\s*)?")


def progress_of(line):
    """Return `(done, total)` of a line such as `::progress 37/120`, or `::progress 37` with None
    for the total. None for every other line.
    """
    match = PROGRESS.fullmatch(line)
    return match and tuple(text and _number(text) for text in match.groups())


def _number(text):
    return float(text) if "." in text else int(text)


def level_of(line, default):
    """Return the level that a line names for itself in one of the usual ways, or `default`.

    A level counts only where programs put it: first in the line but for a time stamp, in capitals,
    in brackets or before a colon; between separators a little later; or as `level=…`. So "0 errors"
    and "Error handling is on" name none. `fatal` and its like are errors.
    """
    start = without_escapes(line[:1000])
    matches = (
        [pattern.match(start) for pattern in FIRST]
        + [pattern.search(start[:160]) for pattern in EARLY]
        + [FIELD.search(start)]
    )
    return next((LEVEL_OF[match.group(1).lower()] for match in matches if match), default)


class LineSplitter:
    """Cuts a stream of bytes into lines (text, without their ends) and holds no more than one
    piece of a line back.
    """

    def __init__(self):
        self._rest = b""
        self._is_bar = False
        # the beginning of the present line was handed out as a partial one
        self._is_continued = False

    @property
    def has_partial(self):
        """Whether text without an end is held back.

        What a carriage return may still overwrite, as in a progress bar, doesn't count.
        """
        return bool(_without_cut_character(self._rest)) and not self._is_bar

    def feed(self, data):
        """Return the lines that `data` completes."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._is_bar = b"\r" in rest or (self._is_bar and not lines)
        pieces = [
            piece
            for line in self._without_known_beginning(lines)
            for piece in _pieces(_shown(line))
        ]
        *full, self._rest = _pieces(_without_overwritten(rest))
        return [_decode(piece) for piece in pieces + full]

    def partial(self):
        """Return what is held back as a line of its own: its end may never come.

        What follows becomes the next line.
        """
        complete = _without_cut_character(self._rest)
        self._rest, self._is_continued = self._rest[len(complete) :], True
        return [_decode(complete)]

    def end(self):
        """Return what is left: the last line, if it has no end."""
        rest, self._rest = self._rest, b""
        lines = self._without_known_beginning([rest]) if rest else []
        return [_decode(piece) for line in lines for piece in _pieces(_shown(line))]

    def _without_known_beginning(self, lines):
        """Return complete lines without the first if all of it was handed out as a partial one,
        so that only its end was missing.
        """
        is_known = bool(lines) and self._is_continued and not _shown(lines[0])
        self._is_continued = self._is_continued and not lines
        return lines[1:] if is_known else lines


def _without_overwritten(line):
    """Drop what a carriage return let a later text overwrite, as a progress bar does, so that
    the last state is what remains.
    """
    return line[line.rstrip(b"\r \t").rfind(b"\r") + 1 :]


def _shown(line):
    return _without_overwritten(line).split(b"\r", 1)[0]


def _pieces(line):
    """Cut a line into pieces of at most PIECE bytes, none within a character.

    There is at least one.
    """
    pieces = []
    while len(line) > PIECE:
        end = _character_end(line)
        pieces.append(line[:end])
        line = line[end:]
    return [*pieces, line]


def _without_cut_character(piece):
    """Return bytes without the beginning of a UTF-8 character at their end whose other bytes
    haven't come.
    """
    for size in range(1, min(4, len(piece) + 1)):
        byte = piece[-size]
        if byte & 0xC0 != 0x80:  # not a character's second, third or fourth byte
            expected = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
            return piece[:-size] if size < expected else piece
    return piece


def _character_end(line):
    for end in range(PIECE, PIECE - 4, -1):
        if line[end] & 0xC0 != 0x80:  # not a UTF-8 character's second, third or fourth byte
            return end
    return PIECE


def _decode(piece):
    return piece.decode("utf-8", "replace")
