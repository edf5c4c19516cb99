"""Telling code from comments, by Pygments' lexers.

A line is what `wc -l` counts, and is of one kind: blank (nothing but white space, wherever it stands), code (anything that is
neither white space nor comment), or else comment. Docstrings are comments; so is prose: Markdown, plain text, text in no known language.
"""

import codecs
from functools import cache
from typing import NamedTuple

from pygments.lexers import find_lexer_class
from pygments.token import Comment, String

PROSE = {None, "Text only", "Markdown", "reStructuredText", "ASCII armored"}
NO_COMMENTS = {"JSON", "JSON-LD", "Diff"}
# Minified code: its lines have no comments to speak of, and many lexers are slow on long lines.
LONG_LINE = 5_000
CHECK_EVERY = 5_000
MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]


class Lines(NamedTuple):
    """How many lines of each kind a text has."""

    code: int
    comment: int
    blank: int


def decode(raw):
    """Return bytes as text: by their byte-order mark, as UTF-8, or else as Latin-1, which takes anything. Line ends become `\\n`."""
    encoding = next((name for mark, name in MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", " ")


def count_lines(text, language, check):
    """Return the Lines of a text in a language. check() is called now and then. Raises whatever the lexer does."""
    text = text[: text.rfind("\n") + 1]
    lines = text.split("\n")[:-1]
    filled = sum(1 for line in lines if line.strip())
    blank = len(lines) - filled
    if language in PROSE:
        return Lines(0, filled, blank)
    if language in NO_COMMENTS or not filled or max(map(len, lines)) > LONG_LINE:
        return without_comments(text)
    code = min(count_code(lexer_of(language).get_tokens(text), check), filled)
    return Lines(code, filled - code, blank)


def without_comments(text):
    """Return the Lines of a text as if it had no comments."""
    lines = text.split("\n")[:-1]
    code = sum(1 for line in lines if line.strip())
    return Lines(code, 0, len(lines) - code)


def count_code(tokens, check):
    """Return on how many lines there is more than white space and comments."""
    line, last, code = 0, -1, 0
    for turn, (kind, text) in enumerate(tokens):
        if turn % CHECK_EVERY == 0:
            check()
        if is_comment(kind):
            line += text.count("\n")
            continue
        for at, part in enumerate(text.split("\n")):
            line += at > 0
            if line != last and part and not part.isspace():
                last = line
                code += 1
    return code


@cache
def is_comment(kind):
    """Return whether a token of that kind is a comment or a docstring. Pygments has the C preprocessor's lines among the comments."""
    return kind in String.Doc or kind in Comment and kind not in Comment.Preproc and kind not in Comment.PreprocFile


@cache
def lexer_of(language):
    """Return the lexer of a language, made once."""
    return find_lexer_class(language)()
