"""Telling code from comments, by Pygments' lexers, so that the counts agree with those of `cloc`.

A line ends with a newline or with the text. It is of one kind: blank (nothing but white space, wherever it stands), comment (nothing but
comments and white space), or else code. Docstrings are comments, a `#!` line is code; prose and data are code but for their comments.
docs/counting.md says why, and where `cloc` counts otherwise.
"""

import re
from functools import cache
from typing import NamedTuple

from pygments.lexers import find_lexer_class
from pygments.token import Comment, String

from jobsync.steps._generated import LONG_LINE
from jobsync.steps._language import CSV, counted_as

NO_COMMENTS = {None, "Text only", "ASCII armored", "JSON", "JSON-LD", "Diff", CSV}
MARKDOWN, RST = "Markdown", "reStructuredText"
PERL_END = re.compile(r"^__(?:END|DATA)__$", re.MULTILINE)
HTML_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
CHECK_EVERY = 5_000
KEPT_OF_LONG_LINE = 1_000


class Lines(NamedTuple):
    """How many lines of each kind a text has."""

    code: int
    comment: int
    blank: int


def count_lines(text, language, check):
    """Return the Lines of a text in a language. check() is called now and then. Raises whatever the lexer does."""
    language, lines = counted_as(language), lines_of(text)
    filled = count_filled(lines)
    if language in NO_COMMENTS or not filled:
        code = filled
    elif language == MARKDOWN:
        code = count_filled(lines_of(HTML_COMMENT.sub(only_newlines, text)))
    elif language == RST:
        code = count_outside_markup(lines)
    else:
        code = min(count_code_below_first(for_lexer(lines, language), language, check), filled)
    return Lines(code, filled - code, len(lines) - filled)


def without_comments(text):
    """Return the Lines of a text as if it had no comments."""
    lines = lines_of(text)
    code = count_filled(lines)
    return Lines(code, 0, len(lines) - code)


def lines_of(text):
    """Return the lines of a text; what stands behind the last newline is one too, if there is anything."""
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def count_filled(lines):
    return sum(1 for line in lines if line.strip())


def only_newlines(match):
    return "\n" * match[0].count("\n")


def count_outside_markup(lines):
    """Return on how many filled lines of reStructuredText there is text that isn't part of a `..` block at the left margin.

    Such a block is a comment, a directive, a target or a footnote; it goes on for as long as lines are indented or begin with a dot.
    """
    inside, code = False, 0
    for line in lines:
        if not line.strip():
            continue
        inside = line.startswith("..") or inside and line[0] in " \t\f."
        code += not inside
    return code


def for_lexer(lines, language):
    """Return as text what a lexer is to read of some lines: without the middle of very long ones, for which some lexers take minutes."""
    text = "\n".join(line if len(line) <= LONG_LINE else without_middle(line) for line in lines)
    return PERL_END.split(text, 1)[0] if language == "Perl" else text  # below that mark is what Perl doesn't run, manuals for the most part


def without_middle(line):
    return line[:KEPT_OF_LONG_LINE] + line[-KEPT_OF_LONG_LINE:]


def count_code_below_first(text, language, check):
    """Return on how many lines of a text there is code; a `#!` line is, whatever the lexer calls it."""
    if not text.startswith("#!"):
        return count_code(lexer_of(language).get_tokens(text), check)
    rest = text.partition("\n")[2]
    return 1 + count_code(lexer_of(language).get_tokens(rest), check)


def count_code(tokens, check):
    """Return on how many lines there is more than white space and comments."""
    line, last, code = 0, -1, 0
    for turn, (kind, text) in enumerate(tokens):
        if turn % CHECK_EVERY == 0:
            check()
        if "\n" not in text:  # most tokens by far: this way is quicker
            if line != last and text and not text.isspace() and not is_comment(kind):
                last = line
                code += 1
            continue
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
