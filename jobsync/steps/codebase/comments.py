"""Takes the comments out of a text, for the languages of `syntax.py`, and for Python, whose
docstrings are comments.

A text is gone through once, from one comment or string to the next, so the time is in proportion to
its length, whatever is in it.
"""

import re
from functools import cache, lru_cache, partial

from jobsync.steps.codebase.syntax import DOUBLE, HASH, PYTHON, SINGLE, SYNTAXES, tripled

CHECK_EVERY = 2_000
LONGEST_WORD = 64  # that ends a heredoc
COMMENT, ENDS, END, HOLE, OPEN, CLOSE = "comment", "ends", "end", "hole", "open", "close"
CONDITIONAL = re.compile(r"\n[ \t]*+#[ \t]*+(?:(?P<begin>if)|(?P<other>el)|(?P<end>endif))")
YAML_INDENT = re.compile(r" *+(?:- ++)*+")


def knows(language):
    """Return whether `without_comments` knows a language."""
    return language in SYNTAXES or language in PYTHON


def without_comments(text, language, check):
    """Return a text without its comments, but with all their newlines. check() is called now
    and then.
    """
    scan = Scan("\n" + text, check)
    if language in PYTHON:
        scan_python(scan)
    else:
        scan.go(SYNTAXES[language], 0, len(scan.text))
    return scan.rest()[1:]


class Scan:
    """One text that is gone through. What isn't dropped is kept."""

    def __init__(self, text, check):
        self.text = text
        self._check = check
        self._turns = 0
        self._parts = []
        self._kept_to = 0
        self._lines = None

    def turn(self):
        """Call check() now and then."""
        self._turns += 1
        if self._turns % CHECK_EVERY == 0:
            self._check()

    def drop(self, start, end):
        """Leave a part out, but for its newlines. Parts are dropped in order."""
        self._parts += (self.text[self._kept_to : start], "\n" * self.text.count("\n", start, end))
        self._kept_to = end

    def rest(self):
        """Return all that was kept."""
        return "".join([*self._parts, self.text[self._kept_to :]])

    def go(self, syntax, pos, limit):
        """Go through the part from `pos` to `limit`, or to what ends the syntax.

        Returns the place behind it.
        """
        search, goes_on = compiled(syntax)
        while match := search(self.text, pos, limit):
            self.turn()
            kind, pos = match.lastgroup, match.end()
            if kind == COMMENT:
                self.drop(match.start(), pos)
            elif kind == ENDS:
                return pos
            elif kind in goes_on:
                pos = goes_on[kind](self, match, limit)
        return limit

    def line_that_is(self, word, pos):
        """Return the place of the first line from `pos` on that is a word and nothing else (but
        for what may end a statement), or None.
        """
        if self._lines is None:
            self._lines, place = {}, 0
            for line in self.text.split("\n"):
                if len(line) <= 2 * LONGEST_WORD:
                    self._lines.setdefault(line.strip().rstrip(";,)"), []).append(place)
                place += len(line) + 1
            for places in self._lines.values():
                places.reverse()
        places = self._lines.get(word, [])
        while places and places[-1] < pos:  # what lies behind isn't asked for again
            places.pop()
        return places[-1] if places else None


# A syntax made ready


@cache
def compiled(syntax):
    """Return (search function, {group: function(scan, match, limit) that returns where to go
    on}) of a Syntax.
    """
    goes_on, groups = {}, []
    for number, part in enumerate(syntax.embedded):
        end = part.end and re.compile(part.end, re.IGNORECASE)
        goes_on[f"embedded{number}"] = partial(go_through_embedded, part.syntax, end)
        groups.append(f"(?P<embedded{number}>(?i:{part.begin}))")
    for name, pattern in syntax.special:
        goes_on[name] = SPECIAL[name]
        groups.append(f"(?P<{name}>{pattern})")
    if syntax.ends:
        groups.append(f"(?P<{ENDS}>{syntax.ends})")
    for number, (begin, end) in enumerate(syntax.nested):
        goes_on[f"nested{number}"] = partial(drop_nested, re.compile(f"(?P<{OPEN}>{begin})|{end}"))
        groups.append(f"(?P<nested{number}>{begin})")
    groups += syntax.strings
    for number, kind in enumerate(syntax.holed):
        goes_on[f"holed{number}"] = partial(skip_holed, syntax, kind)
        groups.append(f"(?P<holed{number}>{kind.begin})")
    if syntax.comments:
        groups.append(f"(?P<{COMMENT}>{'|'.join(syntax.comments)})")
    return re.compile("|".join(groups)).search, goes_on


@cache
def text_of(kind):
    """Return the expression of what stops one in a string of a kind with holes."""
    return re.compile(f"(?P<{END}>{kind.end})|(?P<{HOLE}>{kind.hole})|{kind.skip}")


@cache
def hole_of(syntax, brackets):
    """Return the expression of what stops one in a hole of a string."""
    groups = [f"(?P<{name}>{pattern})" for name, pattern in syntax.special]
    groups += [f"(?P<holed{number}>{kind.begin})" for number, kind in enumerate(syntax.holed)]
    groups += [
        *syntax.strings,
        *syntax.comments,
        f"(?P<{OPEN}>{re.escape(brackets[0])})",
        f"(?P<{CLOSE}>{re.escape(brackets[1])})",
    ]
    return re.compile("|".join(groups))


# Going on from what an expression alone can't tell the end of


def drop_nested(expression, scan, match, limit):
    """Drop a comment with all the comments within."""
    depth = 1
    for inner in expression.finditer(scan.text, match.end(), limit):
        scan.turn()
        depth += 1 if inner.lastgroup == OPEN else -1
        if not depth:
            limit = inner.end()
            break
    scan.drop(match.start(), limit)
    return limit


def skip_holed(syntax, kind, scan, match, limit):
    """Pass over a string with holes in which there may be such strings."""
    stack, pos = [kind], match.end()
    while stack:
        scan.turn()
        top = stack[-1]
        is_text = top in syntax.holed
        found = (text_of(top) if is_text else hole_of(syntax, top)).search(scan.text, pos, limit)
        if not found:
            return limit
        pos, what = found.end(), found.lastgroup or ""
        if what in (END, CLOSE):
            stack.pop()
        elif what == HOLE:
            stack.append(top.brackets)
        elif what == OPEN:
            stack.append(top)
        elif what.startswith("holed"):
            stack.append(syntax.holed[int(what.removeprefix("holed"))])
        elif what in SPECIAL:
            pos = SPECIAL[what](scan, found, limit)
    return pos


def go_through_embedded(syntax, end, scan, match, limit):
    """Go through a part in another language."""
    if end is None:
        return scan.go(syntax, match.end(), limit)
    found = end.search(scan.text, match.end(), limit)
    return scan.go(syntax, match.end(), found.start() if found else limit)


def skip_heredoc(scan, match, limit):
    """Pass over the lines to the one that is the word.

    If there is none it was no heredoc: `1 << x` looks like one too.
    """
    place = scan.line_that_is(match["word"], match.end())
    return match.end() if place is None or place >= limit else place + len(match["word"])


def drop_if_0(scan, match, limit):
    """Drop the lines between `#if 0` and its `#else` or `#endif`."""
    depth, pos, stop = 1, match.end(), limit
    for line in CONDITIONAL.finditer(scan.text, pos, limit):
        scan.turn()
        depth += {"begin": 1, "end": -1, "other": 0}[line.lastgroup]
        if not depth or depth == 1 and line.lastgroup == "other":
            stop = line.start()
            break
    scan.drop(pos, stop)
    return stop


def skip_block_scalar(scan, match, limit):
    """Pass over the lines of YAML that are further in than the key or the dash that they belong
    to.
    """
    line = scan.text.rfind("\n", 0, match.start()) + 1
    key = YAML_INDENT.match(scan.text, line).end()
    if key == match.start():  # a dash's own
        key = scan.text.rfind("-", line, key)
    return deeper_lines(key - line).match(scan.text, match.end(), limit).end()


@lru_cache(maxsize=64)
def deeper_lines(indent):
    return re.compile(rf"(?:\n(?: {{{indent + 1},}}[^\n]*+|[ \t]*+(?=\n|\Z)))*+")


SPECIAL = {"heredoc": skip_heredoc, "if_0": drop_if_0, "block_scalar": skip_block_scalar}


# Python

PYTHON_PARTS = re.compile(
    rf"(?P<{COMMENT}>{HASH})|(?P<tripled>{tripled(chr(34))}|{tripled(chr(39))})|{DOUBLE}|{SINGLE}"
)
PREFIXES = {"", "r", "R", "u", "U"}
END_OF_STATEMENT = re.compile(r"[ \t\f]*+(?:[#;\n]|\Z)")


def scan_python(scan):
    """Drop comments, docstrings, and tripled strings that stand for themselves, as in a
    description of an attribute.
    """
    text, before, place = scan.text, 0, Place()
    for match in PYTHON_PARTS.finditer(text):
        scan.turn()
        start, end = match.span()
        gap = text[before:start]
        before = end
        place.code.append(gap)
        if match.lastgroup == COMMENT:
            scan.drop(start, end)
            continue
        line_end = gap.rfind("\n")
        prefix = gap[line_end + 1 :].lstrip(" \t\f")
        if (
            line_end >= 0
            and prefix in PREFIXES
            and END_OF_STATEMENT.match(text, end)
            and place.is_docstring(match.lastgroup is not None, prefix)
        ):
            scan.drop(start - len(prefix), end)
        place.code.append('"')


class Place:
    """Where in a Python program one is. code: the texts since the last question, with a quote
    for each string.
    """

    def __init__(self):
        self.code = []
        self._depth = 0
        self._last = ""

    def is_docstring(self, is_tripled, prefix):
        """Return whether a string that has lines of its own is a docstring, or a tripled one
        that isn't part of anything.
        """
        code = "".join(self.code).removesuffix(prefix)
        self.code.clear()
        self._depth += sum(map(code.count, "([{")) - sum(map(code.count, ")]}"))
        code = code.rstrip()
        self._last = code[-1:] or self._last
        return self._depth <= 0 and self._last != "\\" and (is_tripled or self._last in ("", ":"))
