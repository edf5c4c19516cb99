"""Patterns, against git itself; and that none takes long, whatever it is asked about."""

import os
import signal
import subprocess
import time
from io import BytesIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobsync.steps.codebase.folder import FILE, FOLDER, Entry
from jobsync.steps.codebase.ignore import Ignore, parse_exclude, read_gitignore
from jobsync.steps.codebase.rules import Rules
from jobsync.steps.codebase.walk import FolderOptions
from jobsync.steps.command.glob import find
from jobsync.steps.wildmatch import CLASSES, BadPattern, compile_pattern

CLASS = st.sampled_from([f"[:{name}:]" for name in [*CLASSES, "foo", ""]])
INSIDE = st.one_of(
    CLASS,
    st.sampled_from(
        [
            "a",
            "b",
            "z",
            "-",
            "!",
            "^",
            "]",
            "[",
            "\\",
            "[:",
            ":",
            "/",
            "a-c",
            "c-a",
            "\\]",
            "\\-",
            "é",
            " ",
        ]
    ),
)
BRACKETS = st.builds(
    lambda negated, inside, end: f"[{negated}{''.join(inside)}{end}",
    st.sampled_from(["", "!", "^"]),
    st.lists(INSIDE, max_size=3),
    st.sampled_from(["]", ""]),
)
PLAIN = ["a", "b", "c", "-", ".", "[", "]", "!", "é"]
PIECES = st.one_of(
    st.sampled_from(
        [
            *PLAIN,
            "/",
            "/",
            "/",
            "*",
            "*",
            "**",
            "***",
            "/**/",
            "**/",
            "/**",
            "?",
            "\\",
            "\\/",
            "\\*",
            " ",
            "#",
            "\\ ",
        ]
    ),
    BRACKETS,
)
LINES = st.lists(PIECES, min_size=1, max_size=7).map("".join)
NAMES = st.lists(
    st.sampled_from(
        [*PLAIN, "aa", "ab", "-", "\\", "*", " ", ":", "Z", "0", "\t", "\x0b", os.fsdecode(b"\xff")]
    ),
    min_size=1,
    max_size=4,
)
PATHS = st.lists(
    NAMES.map("".join).filter(lambda name: name not in (".", "..")), min_size=1, max_size=4
).map(tuple)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A folder that is git's, without anything in it."""
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


def ignored_by_git(repository, lines, paths):
    """Return which of the paths, none of which exists, git ignores by a .gitignore with these
    lines.
    """
    (repository / ".gitignore").write_bytes(os.fsencode("\n".join(lines)))
    asked = b"".join(b"./" + os.fsencode("/".join(parts)) + b"\0" for parts in paths)
    command = ["git", "-c", "core.excludesFile=", "check-ignore", "--no-index", "--stdin", "-z"]
    done = subprocess.run(command, cwd=repository, input=asked, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return {tuple(os.fsdecode(path[2:]).split("/")) for path in done.stdout.split(b"\0") if path}


class OneFile:
    """Stands for a folder with a .gitignore."""

    def __init__(self, raw):
        self.raw = raw

    def open(self, _):
        return BytesIO(self.raw)


def ignore_of(lines, log=lambda *_, **__: None):
    return Ignore(
        [],
        True,
        [(0, read_gitignore(OneFile(os.fsencode("\n".join(lines))), (".gitignore",), 20_000, log))],
    )


def is_ignored(ignore, parts):
    """Return whether a path is left out, or one of the folders above it."""
    return any(
        ignore.hides(Entry(parts[:depth], FOLDER if depth < len(parts) else FILE, 0))
        for depth in range(1, len(parts) + 1)
    )


@settings(max_examples=150, deadline=None)
@given(
    st.lists(LINES, min_size=1, max_size=4), st.lists(PATHS, min_size=1, max_size=40, unique=True)
)
@example(["cache-[a-Z]*", "*.o"], [("cache-x", "a.c"), ("main.c",), ("cache-a",), ("a.o",)])
@example(
    ["a**/b", "c/a**"],
    [("ab", "b"), ("a", "x", "b"), ("ab",), ("c", "ab", "x"), ("a", "b"), ("c", "a", "b", "c")],
)
@example(["a/**\\/b"], [("a", "b"), ("a", "x", "b"), ("a", "x", "y", "b")])
def test_it_agrees_with_git_about_any_pattern(repository, lines, paths):
    ignore = ignore_of(lines)
    assert {parts for parts in paths if is_ignored(ignore, parts)} == ignored_by_git(
        repository, lines, paths
    )


def test_classes_hold_the_bytes_that_git_holds_in_them(repository):
    letters = [bytes([number]) for number in range(1, 256) if number not in b"/\n"]
    paths = [(f"{name}-{os.fsdecode(letter)}-",) for name in CLASSES for letter in letters]
    lines = [f"{name}-[[:{name}:]]-" for name in CLASSES]
    ignore = ignore_of(lines)
    found = {parts for parts in paths if is_ignored(ignore, parts)}
    assert found == ignored_by_git(repository, lines, paths)
    assert len(found) > 12 * 5


@pytest.mark.parametrize(
    "end", ["", " ", "  ", "\\ ", "\\  ", "\\\\ ", "\t", "\r", " \r", "/", "/ ", "\0x", "\\"]
)
def test_the_end_of_a_line_is_what_it_is_for_git(repository, end):
    paths = [(f"a{tail}",) for tail in ("", " ", "  ", "\t", "\r", "\\", "\\ ", "x")]
    ignore = ignore_of([f"a{end}", ""])
    assert {parts for parts in paths if is_ignored(ignore, parts)} == ignored_by_git(
        repository, [f"a{end}", ""], paths
    )


# Patterns that make expressions try each way to split a path, where no way leads to the end
SLOW = [
    "*a" * 40 + "b",
    "**/a/" * 40 + "b",
    "**/*a*a*a*a/" * 8 + "b",
    "*/" * 60 + "b",
    "**/" * 60 + "b",
    "[a-z]*" * 40 + "/b",
    "?*" * 60 + "b",
    "***a" * 40 + "b",
]
LONG_PATHS = [("a" * 250,), ("a",) * 1000, ("a" * 250,) * 15, ("aab" * 80,) * 15]
QUICK = 1  # second, for what takes milliseconds; where each way is tried, years


def seconds(action):
    """Return how much processor time something takes; it is ended after a while: expressions
    look for signals now and then.
    """

    def give_up(*_):
        raise TimeoutError("takes too long")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, 5 * QUICK)
    try:
        begun = time.process_time()
        action()
        return time.process_time() - begun
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("pattern", SLOW)
def test_no_pattern_takes_long_in_a_gitignore_or_an_exclude_path_or_a_rule(pattern):
    ignores = [ignore_of([pattern]), Ignore(parse_exclude([pattern]), False)]
    rule = {"name": "slow", "category": "data", "path": [pattern]}
    file = {"language": None, "size": 1, "lines": 1, "binary": False, "generated": False}
    for parts in LONG_PATHS:
        for ignore in ignores:
            assert seconds(lambda: is_ignored(ignore, parts)) < QUICK  # noqa: B023
        assert seconds(lambda: Rules([rule]).match(file | {"path": "/".join(parts)})) < QUICK  # noqa: B023


def test_no_pattern_of_items_takes_long(tmp_path):
    deep = tmp_path
    for _ in range(60):
        deep = deep / "a"
        deep.mkdir()
    (deep / ("a" * 250)).write_text("")
    for pattern in ["*a" * 40 + "b", "**/a/" * 30 + "b", "**/*/" * 30 + "b"]:
        assert seconds(lambda: find(pattern, str(tmp_path), lambda: None)) < QUICK  # noqa: B023
    assert find("**/a/**/a/**/" + "a" * 250, str(tmp_path), lambda: None) == ["a/" * 60 + "a" * 250]


@pytest.mark.parametrize("line", ["[", "x[a", "[[:foo:]]", "[a-", "[\\", "a\\", "!", "x" * 5000])
def test_what_is_no_pattern_costs_one_warning_line_and_ignores_nothing(line):
    said = []
    ignore = ignore_of(
        [line, "a.c", line], log=lambda message, level: said.append((level, message))
    )
    assert (is_ignored(ignore, ("a.c",)), is_ignored(ignore, ("x",))) == (True, False)
    assert [(level, message[:12], len(message) < 200) for level, message in said] == [
        ("warning", ".gitignore: ", True)
    ]
    assert "2 lines" in said[0][1]


@pytest.mark.parametrize(
    "line",
    [
        "[z-a]",
        "cache-[a-Z]*",
        "[",
        "[[:alpha:]]",
        "\\",
        "a[",
        "*" * 5000,
        "x" * 100_000,
        "[" * 9000,
    ],
)
def test_an_exclude_path_is_a_pattern_or_refused(line):
    said = FolderOptions().validate({"dir_path": ".", "exclude_paths": [line]})
    try:
        compile_pattern(line)
        assert said == {}
    except BadPattern:
        assert list(said) == ["exclude_paths"]


def test_a_gitignore_of_more_patterns_than_can_be_asked_ends_there_and_says_so():
    said = []
    ignore = ignore_of(
        [f"{number}*" for number in range(30_000)], log=lambda message, level: said.append(message)
    )
    assert (is_ignored(ignore, ("7x",)), is_ignored(ignore, ("x",)), ignore.size) == (
        True,
        False,
        20_000,
    )
    assert said == [".gitignore: too long, so only its first 20,000 patterns count"]
