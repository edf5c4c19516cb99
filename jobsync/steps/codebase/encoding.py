"""Bytes to text, in whatever encoding a file has.

In this order: a byte-order mark, UTF-16 without a mark, UTF-8 (plain ASCII is UTF-8 too), and then
a guess by the library chardet. It is given only the lines that have other characters than ASCII:
the rest of a program says nothing about its encoding, and misleads the guess.
"""

import codecs
from typing import NamedTuple

import chardet

from jobsync.steps.isolated import call

MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
# What isn't marked: Western European, as browsers take it. Latin-1 takes the bytes that
# Windows-1252 hasn't.
WESTERN, ANYTHING = "windows-1252", "latin-1"
GUESS_FROM = 16 << 10
# Of a line or two the library is never sure; below this it is wrong more often than `WESTERN` is.
SURE = 0.12
FEWEST_UNITS = 8
CONTROLS = set(map(chr, range(32))) - set("\t\n\r\f")


class Decoded(NamedTuple):
    """A text whose lines end in `\\n`, and the encoding it was in: a name of Python's codecs
    such as "utf-8" or "shift_jis".
    """

    text: str
    encoding: str


def decode(raw, guess=None):
    """Return bytes as Decoded; it takes anything. guess: a function such as `guess_of`, which
    is the default, and raises what that raises.
    """
    encoding = encoding_of(raw, guess or guess_of)
    text = raw.decode(encoding, "replace")
    return Decoded(text.replace("\r\n", "\n").replace("\r", " "), encoding)


def encoding_of(raw, guess):
    """Return the name of the encoding of some bytes; they can be decoded in it but for what is
    broken behind a UTF-16 or UTF-32 mark.
    """
    marked = next(
        (name for mark, name in MARKS if raw.startswith(mark)), None
    ) or utf16_without_mark(raw)
    if marked and (marked != "utf-8-sig" or fits(raw, marked)):
        return marked
    return next(name for name in candidates(raw, guess) if fits(raw, name))


def fits(raw, encoding):
    """Return whether all the bytes can be decoded in an encoding."""
    try:
        raw.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def candidates(raw, guess):
    """Yield the names of encodings that unmarked bytes may be in, the likeliest first; the last
    one fits always.
    """
    yield "utf-8"
    guessed = guess(raw)
    if guessed["encoding"] and guessed["confidence"] >= SURE:
        yield guessed["encoding"].lower()
    yield from (WESTERN, ANYTHING)


def guess_of(raw, check=lambda: None):
    """Return the library's {"encoding": name or None, "confidence": 0 to 1} for some bytes.

    It guesses in the helper process. Raises GaveUp, and what check() raises.
    """
    lines = b"\n".join(line for line in raw.split(b"\n") if not line.isascii())
    return call(detect, lines[:GUESS_FROM], check=check)


def detect(some):
    return dict(chardet.detect(some, encoding_era=chardet.EncodingEra.MODERN_WEB))


def no_guess(raw):
    """Return what `guess_of` returns where there is no telling."""
    return {"encoding": None, "confidence": 0}


def utf16_without_mark(head):
    """Return "utf-16-le" or "utf-16-be" if these bytes are text in it, mostly of Latin letters;
    else None.

    Every other byte of such text is a NUL, and of most binary files that isn't so, or they have
    control characters.
    """
    head = head[: len(head) // 2 * 2]
    units = len(head) // 2
    first, second = head[::2].count(0), head[1::2].count(0)
    if units < FEWEST_UNITS or min(first, second) or max(first, second) < units * 3 / 4:
        return None
    encoding = "utf-16-le" if second else "utf-16-be"
    return None if CONTROLS & set(head.decode(encoding, "ignore")) else encoding
