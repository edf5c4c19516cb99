"""The language of a file, by Pygments' patterns for file names, or by the `#!` line of a file whose name says nothing.

Pygments tries all its patterns, one by one, for each file (1 ms); here they are sorted once by how they can be looked up (2 µs).
Where several languages claim a name, a common one wins; else the choice is Pygments' own, made once for each set of patterns.
"""

import re
from fnmatch import translate
from functools import cache, lru_cache

from pygments.lexers import find_lexer_class, find_lexer_class_by_name, get_all_lexers
from pygments.util import ClassNotFound

from jobsync.steps._encoding import utf16_without_mark

WILD = re.compile(r"[*?\[]")
UTF16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
HEAD = 8192

# Without the content Pygments prefers rare languages: Prolog for .pl, Transact-SQL for .sql. The first of these that claims a name has it.
COMMON = ["Perl", "SQL", "PHP", "F#", "GAS", "S", "XSLT", "Common Lisp", "C++", "C"]
# What Pygments' patterns get wrong or lack: .r is R (which it calls S, after R's elder), .gyp is Python, go.mod isn't Modula-2.
CSV = "CSV"
MORE = {".r": ("S", "*.r"), ".gyp": ("Python", "*.gyp"), ".gypi": ("Python", "*.gypi"), ".csv": (CSV, "*.csv")}
MORE_PATTERNS = [("Docker", "Dockerfile.*")]
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

# Languages that no one programs in, which `cloc` counts as code all the same.
PROSE = {"Groff", "Markdown", "Org Mode", "Rd", "Text only", "TeX", "Typst", "reStructuredText", "scdoc", "tiddler"}
DATA = {
    *("ASCII armored", "BibTeX", CSV, "Darcs Patch", "Desktop file", "Diff", "E-mail", "Gettext Catalog", "INI", "IRC logs", "JSON", "JSON-LD"),
    *("JSON5", "Kernel log", "LDIF", "NestedText", "Properties", "SNBT", "TAP", "TOML", "Todotxt", "Turtle", "WDiff", "XML", "YAML", "reg"),
}
CODE_KIND, PROSE_KIND, DATA_KIND, OTHER_KIND = KINDS = ("code", "prose", "data", "other")


def kind_of_language(name):
    """Return what is written in a language: "code" (programs, and markup such as HTML), "prose", "data", or "other" for what is in none."""
    if name in PROSE:
        return PROSE_KIND
    if name in DATA:
        return DATA_KIND
    return OTHER_KIND if name is None or name.startswith("(") else CODE_KIND


def is_binary(head):
    """Return whether a file that begins with these bytes is binary: it has a NUL in its first 8 KiB, and isn't in UTF-16 or UTF-32."""
    head = head[:HEAD]
    return b"\x00" in head and not head.startswith(UTF16_OR_32) and not utf16_without_mark(head)


def language_of(name, head=b""):
    """Return the language (Pygments' name for it, such as "Python") of a file by its name and its first bytes; None if unknown."""
    return language_by_name(name) or language_by_name(name.lower()) or (language_by_first_line(head) if head.startswith(b"#!") else None)


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
    """Return the language that wins a name. Pygments: the higher priority, a whole name before a pattern, the last by name."""
    for language in COMMON:
        if language in dict(claims):
            return language

    def rating(claim):
        lexer = find_lexer_class(claim[0])
        return lexer.priority + (0 if "*" in claim[1] else 0.5), lexer.__name__

    return max(claims, key=rating)[0]


@cache
def patterns():
    """Return Pygments' patterns as {name: claims}, {".py": claims}, [(expression, claim)]; a claim is (language, pattern)."""
    exact, endings, others = {}, {ending: [claim] for ending, claim in MORE.items()}, []
    for language, _, globs, _ in get_all_lexers(plugins=False):
        for glob in globs:
            claim = (language, glob)
            if not WILD.search(glob):
                exact.setdefault(glob, []).append(claim)
            elif glob.startswith("*.") and not WILD.search(glob[1:]):
                endings.setdefault(glob[1:], []).append(claim)
            else:
                others.append((re.compile(translate(glob)), claim))
    others += [(re.compile(translate(glob)), (language, glob)) for language, glob in MORE_PATTERNS]
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
