"""Telling code from comments, so that the counts agree with those of `cloc`.

The comments of the languages that most files are of are found by `comments.py`, those of the others
by Pygments' lexers, which may take for ever over an odd text: they are called in the helper
process.

A line ends with a newline or with the text. It is of one kind: blank (nothing but white space,
wherever it stands), comment (nothing but comments and white space), or else code. Docstrings are
comments, a `#!` line is code; prose and data are code but for their comments. docs/counting.md says
why, and where `cloc` counts otherwise.
"""

import re
from functools import cache
from typing import NamedTuple

from pygments.lexers import find_lexer_class
from pygments.token import Comment, String

from jobsync.steps.codebase.comments import knows, without_comments
from jobsync.steps.codebase.generated import LONG_LINE
from jobsync.steps.codebase.language import CSV, counted_as
from jobsync.steps.isolated import SECONDS, call

NO_COMMENTS = {None, "Text only", "ASCII armored", "JSON", "JSON-LD", "Diff", CSV}
MARKDOWN, RST = "Markdown", "reStructuredText"
PERL_END = re.compile(r"^__(?:END|DATA)__$", re.MULTILINE)
HTML_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
LARGE = 1 << 20  # characters; a lexer gets more time for more
KEPT_OF_LONG_LINE = 1_000


class Lines(NamedTuple):
    """How many lines of each kind a text has."""

    code: int
    comment: int
    blank: int


def count_lines(text, language, check):
    """Return the Lines of a text in a language. check() is called now and then.

    Raises GaveUp when a lexer can't be waited for, or fails.
    """
    language, lines = counted_as(language), lines_of(text)
    filled = count_filled(lines)
    if language in NO_COMMENTS or not filled or not (knows(language) or find_lexer_class(language)):
        code = filled
    elif language == MARKDOWN:
        code = count_filled(lines_of(HTML_COMMENT.sub(only_newlines, text)))
    elif language == RST:
        code = count_outside_markup(lines)
    else:
        first, _, below = text.partition("\n") if text.startswith("#!") else ("", "", text)
        # a `#!` line is code, whatever a lexer calls it
        code = min(bool(first) + count_code_in(below, language, check), filled)
    return Lines(code, filled - code, len(lines) - filled)


def count_code_in(text, language, check):
    """Return on how many lines there is code."""
    if knows(language):
        return count_filled(without_comments(text, language, check).split("\n"))
    text = for_lexer(lines_of(text), language)
    return call(
        count_lexed, text, language, seconds=SECONDS * max(1, len(text) / LARGE), check=check
    )


def lines_without_comments(text):
    """Return the Lines of a text as if it had no comments."""
    lines = lines_of(text)
    code = count_filled(lines)
    return Lines(code, 0, len(lines) - code)


def lines_of(text):
    """Return the lines of a text; what stands behind the last newline is one too, if there is
    anything.
    """
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def count_filled(lines):
    return len(list(filter(str.strip, lines)))


def only_newlines(match):
    return "\n" * match[0].count("\n")


def count_outside_markup(lines):
    """Return on how many filled lines of reStructuredText there is text that isn't part of a `..`
    block at the left margin.

    Such a block is a comment, a directive, a target or a footnote; it goes on for as long as lines
    are indented or begin with a dot.
    """
    inside, code = False, 0
    for line in lines:
        if not line.strip():
            continue
        inside = line.startswith("..") or inside and line[0] in " \t\f."
        code += not inside
    return code


def for_lexer(lines, language):
    """Return as text what a lexer is to read of some lines: without the middle of very long
    ones, for which some lexers take minutes.
    """
    text = "\n".join(line if len(line) <= LONG_LINE else without_middle(line) for line in lines)
    # below that mark is what Perl doesn't run, manuals for the most part
    return PERL_END.split(text, maxsplit=1)[0] if language == "Perl" else text


def without_middle(line):
    return line[:KEPT_OF_LONG_LINE] + line[-KEPT_OF_LONG_LINE:]


def count_lexed(text, language):
    """Return on how many lines of a text its lexer finds more than white space and comments."""
    line, last, code = 0, -1, 0
    for kind, part in lexer_of(language).get_tokens(text):
        if is_comment(kind):
            line += part.count("\n")
            continue
        for at, piece in enumerate(part.split("\n")):
            line += at > 0
            if line != last and piece and not piece.isspace():
                last = line
                code += 1
    return code


@cache
def is_comment(kind):
    """Return whether a token of that kind is a comment or a docstring.

    Pygments has the C preprocessor's lines among the comments.
    """
    return (
        kind in String.Doc
        or kind in Comment
        and kind not in Comment.Preproc
        and kind not in Comment.PreprocFile
    )


@cache
def lexer_of(language):
    """Return the lexer of a language, made once."""
    return find_lexer_class(language)()
