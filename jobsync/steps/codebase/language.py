"""The language of a file: by its name, where several languages share an ending by its content, and
by the `#!` line if the name says nothing.

The names are Pygments' and those of `languages.toml`, which has what tells the languages of an
ending apart too. Pygments tries all its patterns, one by one, for each file (1 ms); here they are
sorted once by how they can be looked up (2 µs). Where several languages claim a name, a common one
wins; else the choice is Pygments' own, made once for each set of patterns.
"""

import re
import tomllib
from codecs import BOM_UTF8
from fnmatch import translate
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from pygments.lexers import find_lexer_class, find_lexer_class_by_name, get_all_lexers
from pygments.util import ClassNotFound

from jobsync.steps.codebase.encoding import utf16_without_mark

WILD = re.compile(r"[*?\[]")
UTF16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
HEAD = 8192
SHARED_HEAD = 16384

# Without the content Pygments prefers rare languages: Prolog for .pl, Transact-SQL for .sql. The
# first of these that claims a name has it.
COMMON = ["Perl", "SQL", "PHP", "F#", "GAS", "S", "XSLT", "Common Lisp", "C++", "C"]
NO_LANGUAGE = {"go.mod"}
PROGRAMS = {
    "node": "javascript",
    "nodejs": "javascript",
    "deno": "typescript",
    "ts-node": "typescript",
    "dash": "sh",
    "Rscript": "r",
    "wish": "tcl",
    "tclsh": "tcl",
}

CSV = "CSV"
CODE_KIND, PROSE_KIND, DATA_KIND, OTHER_KIND = KINDS = ("code", "prose", "data", "other")


@cache
def table():
    """Return what `languages.toml` says."""
    return tomllib.loads(Path(__file__).with_name("languages.toml").read_text())


@lru_cache(maxsize=1024)
def kind_of_language(name):
    """Return what is written in a language: "code" (programs, and markup such as HTML),
    "prose", "data", or "other" for what is in none.
    """
    if name is None or name.startswith("("):
        return OTHER_KIND
    return next((kind for kind, names in table()["kinds"].items() if name in names), CODE_KIND)


def is_binary(head):
    """Return whether a file that begins with these bytes is binary: it has a NUL in its first 8
    KiB, and isn't in UTF-16 or UTF-32.
    """
    head = head[:HEAD]
    return b"\x00" in head and not head.startswith(UTF16_OR_32) and not utf16_without_mark(head)


def language_of(name, head=b""):
    """Return the language (Pygments' name for it, such as "Python") of a file by its name and
    its first bytes; None if unknown.
    """
    shared = shared_ending(name)
    if shared:
        return shared.language(head) if head else shared.default
    return (
        language_by_name(name)
        or language_by_name(name.lower())
        or (language_by_first_line(head) if head.startswith(b"#!") else None)
    )


def counted_as(language):
    """Return the language of Pygments whose comments a language (or None) has; None for one
    that none is like.
    """
    return table()["like"].get(language, language) or None


@cache
def language_names():
    """Return the names of all languages."""
    return frozenset(table()["like"]) | {name for name, *_ in get_all_lexers(plugins=False)}


class Shared(NamedTuple):
    """What decides about the files of an ending that several languages have. choices:
    [(language, [expressions])]; default: a language or None.
    """

    choices: list
    default: str | None

    def language(self, head):
        """Return the language of a file that begins with these bytes, or None."""
        if head.startswith(b"#!"):
            found = language_by_first_line(head)
            if found == self.default or found in dict(self.choices):
                return found
        text = "\n" + head[:SHARED_HEAD].removeprefix(BOM_UTF8).decode("latin-1").replace(
            "\r\n", "\n"
        ).replace("\r", "\n")
        return next(
            (
                language
                for language, patterns in self.choices
                if any(pattern.search(text) for pattern in patterns)
            ),
            self.default,
        )


@lru_cache(maxsize=4096)
def shared_ending(name):
    """Return the Shared of a file's name, None if its language is known by the name, or not at
    all.
    """
    ending = name.rpartition(".")[2] if "." in name else None
    found = shared_endings().get(ending and ending.lower())
    if not found:
        return None
    claims = claims_on(name)
    is_longer = any(pattern != f"*.{ending}" for _, pattern in claims)
    is_by_case = ending != ending.lower() and claims
    return None if is_longer or is_by_case else found


@cache
def shared_endings():
    """Return {ending: Shared}."""
    found = {}
    for entry in table()["shared"]:
        choices = [
            (choice["language"], list(map(line_expression, listed(choice["pattern"]))))
            for choice in entry["choices"]
        ]
        found |= dict.fromkeys(entry["endings"], Shared(choices, entry.get("default")))
    return found


def listed(value):
    return value if isinstance(value, list) else [value]


def line_expression(pattern):
    """Return the compiled pattern, for a text with a newline in front.

    A pattern that begins with the begin of a line looks for the newline instead, which is several
    times as quick.
    """
    pattern = pattern.replace(r"\A", r"\A\n")
    return re.compile(rf"\n{pattern[1:]}" if pattern.startswith("^") else pattern, re.MULTILINE)


@lru_cache(maxsize=4096)
def language_by_name(name):
    """Return the language that claims a file name, or None."""
    claims = [] if name in NO_LANGUAGE else claims_on(name)
    languages = {language for language, _ in claims}
    if len(languages) > 1:
        return settle(tuple(claims))
    return languages.pop() if languages else None


def claims_on(name):
    """Return [(language, pattern)] of the patterns that a file name fits, sorted."""
    exact, endings, others = patterns()
    found = list(exact.get(name, ()))
    for at, letter in enumerate(name):
        if letter == ".":
            found += endings.get(name[at:], ())
    found += [claim for expression, claim in others if expression.match(name)]
    return sorted(found)


@cache
def settle(claims):
    """Return the language that wins a name.

    The longest pattern of languages.toml does, unless one of Pygments' is longer. Else Pygments':
    the higher priority, a whole name before a pattern, the last by name.
    """
    names = table()["names"]
    longest = max(claims, key=lambda claim: (len(claim[1]), claim[1] in names.get(claim[0], ())))
    if any(glob in names.get(language, ()) for language, glob in claims):
        return longest[0]
    for language in COMMON:
        if language in dict(claims):
            return language

    def rating(claim):
        lexer = find_lexer_class(claim[0])
        return lexer.priority + (0 if "*" in claim[1] else 0.5), lexer.__name__

    return max(claims, key=rating)[0]


@cache
def patterns():
    """Return Pygments' patterns as {name: claims}, {".py": claims}, [(expression, claim)]; a
    claim is (language, pattern).
    """
    exact, endings, others = {}, {}, []
    for language, globs in [
        *((name, globs) for name, _, globs, _ in get_all_lexers(plugins=False)),
        *table()["names"].items(),
    ]:
        for glob in globs:
            claim = (language, glob)
            if not WILD.search(glob):
                exact.setdefault(glob, []).append(claim)
            elif glob.startswith("*.") and not WILD.search(glob[1:]):
                endings.setdefault(glob[1:], []).append(claim)
            else:
                others.append((re.compile(translate(glob)), claim))
    return exact, endings, others


def language_by_first_line(head):
    """Return the language of `#!/usr/bin/env python3 -u`, or None."""
    words = head[2:200].split(b"\n")[0].decode("ascii", "replace").split()
    if words and words[0].endswith("/env"):
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return language_of_program(words[0].rpartition("/")[2]) if words else None


@lru_cache(maxsize=256)
def language_of_program(program):
    """Return the language of an interpreter such as `python3.11`, or None."""
    for name in (program, program.rstrip("0123456789.")):
        try:
            return find_lexer_class_by_name(PROGRAMS.get(name, name)).name
        except ClassNotFound:
            continue
    return None
