"""Patterns as git reads them, `*.py` and `docs/**/[a-z]?.md`, as regular expressions that never
take long.

Within a name the first place where what stands between two stars fits is as good as any later one,
and so it is with the folders between two `**`. So neither is ever tried again (atomic groups), and
a match takes at most the length of the pattern times that of the path.

git compares bytes: `?` is one of them. For that give both, pattern and path, as `as_bytes` returns
them.
"""

import re
from functools import lru_cache
from typing import NamedTuple

LONGEST = 4096  # characters; no path that the system can open is longer
SLASH, STAR = object(), object()
NEVER = "(?!)"
STARS, CLASS = re.compile(r"\*+"), re.compile(r"\[:([^\]]*):\]")
SPECIAL = re.compile(r"[*?\[\\]")
CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": r" \t\n\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


class Deep(NamedTuple):
    """`**` where a name could stand. least: how many folders it stands for at least."""

    least: int


class BadPattern(ValueError):
    """The pattern can match nothing: it ends within brackets or after a backslash, names an
    unknown class, or is too long.
    """


def as_bytes(text):
    """Return a text, as `os` functions give paths, with one character for each of its bytes."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


@lru_cache(maxsize=4096)
def compile_pattern(pattern):
    """Return the compiled expression that fits what `translate` says. Raises BadPattern."""
    return re.compile(translate(pattern) + r"\Z")


def translate(pattern):
    """Return the expression that fits a whole path, or the beginning of a path that goes on with
    what is put behind it. Raises BadPattern.

    pattern: without a slash at its begin or end; one without any slash is for names.
    """
    if len(pattern) > LONGEST:
        raise BadPattern
    special = SPECIAL.search(pattern)
    plain = special.start() if special else len(pattern)
    # As in git, what stands before the first special character is compared by itself, and the
    # pattern begins behind it: `a**` is `a` and `**`.
    return f"(?s:{re.escape(pattern[:plain])}{_expression(_tokens(pattern[plain:]))})"


def _tokens(pattern):
    """Yield SLASH, STAR, Deep, or the expression of one character. Raises BadPattern."""
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "*":
            end = STARS.match(pattern, at).end()
            is_name = (at == 0 or pattern[at - 1] == "/") and (
                end == len(pattern) or pattern.startswith(("/", "\\/"), end)
            )
            yield (
                Deep(least=int(pattern.startswith("\\", end))) if end - at > 1 and is_name else STAR
            )
            at = end
        elif letter == "[":
            expression, at = _brackets(pattern, at + 1)
            yield expression
        else:
            at += letter == "\\"
            if at == len(pattern):
                raise BadPattern
            yield (
                SLASH if pattern[at] == "/" else "[^/]" if letter == "?" else re.escape(pattern[at])
            )
            at += 1


def _brackets(pattern, at):
    """Return the expression of what stands in brackets, and where it ends. at: behind the
    opening one. Raises BadPattern.
    """
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    found, before, begin = [], "", at
    while at == begin or pattern[at : at + 1] != "]":
        name = CLASS.match(pattern, at)
        if name:
            if name[1] not in CLASSES:
                raise BadPattern
            found.append(CLASSES[name[1]])
            before, at = "", name.end()
        elif before and pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("", "]"):
            last, at = _letter(pattern, at + 1)
            if before <= last:
                found.append(f"{re.escape(before)}-{re.escape(last)}")
            before = ""
        else:
            before, at = _letter(pattern, at)
            found.append(re.escape(before))
    if not found:
        return "[^/]" if negated else NEVER, at + 1
    return f"(?!/)[{'^' if negated else ''}{''.join(found)}]", at + 1


def _letter(pattern, at):
    """Return the character at a place within brackets, which a backslash may stand before, and
    the place behind it. Raises BadPattern.
    """
    at += pattern[at : at + 1] == "\\"
    if at >= len(pattern):
        raise BadPattern
    return pattern[at], at + 1


def _expression(tokens):
    """Return the expression of tokens."""
    *blocks, (deep, names) = _blocks(tokens)
    first = "".join(_block(*block) for block in blocks)
    if deep and not names:
        return first + ".*"
    # The last block has to reach the end, so it may have to be tried at more than the first place
    # that fits.
    return first + (_folders(deep) if deep else "") + "/".join(map(_name, names))


def _blocks(tokens):
    """Return [(the Deep before it or None, names)] of tokens, each name a list of tokens."""
    blocks = [(None, [[]])]
    for token in tokens:
        names = blocks[-1][1]
        if isinstance(token, Deep):
            names.pop()
            blocks.append((token, []))
        elif token is SLASH:
            names.append([])
        else:
            names[-1].append(token)
    return blocks


def _block(deep, names):
    """Return the expression of a block that another one follows."""
    path = "".join(_name(name) + "/" for name in names)
    return f"(?>{_folders(deep)}{path})" if deep else path


def _folders(deep):
    return f"(?:[^/]*/){{{deep.least},}}?"


def _name(tokens):
    """Return the expression of the tokens of one name."""
    chunks = [""]
    for token in tokens:
        if token is STAR:
            chunks.append("")
        else:
            chunks[-1] += token
    first, *others = chunks
    if not others:
        return first
    *middle, last = others
    return f"{first}{''.join(f'(?>[^/]*?{chunk})' for chunk in middle)}[^/]*{last}"
