"""A definition's text is checked as its file would be, with the lines of its mistakes."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.paths import ROOT
from jobsync.definitions import Definitions, reading, validate
from jobsync.definitions.mistakes import MOST_PROBLEMS
from jobsync.registry import Registry
from jobsync.steps import BUILT_IN

TYPES = Registry(*BUILT_IN)

# "#!" names the keys whose mistakes are told at that line
TEXT = """\
# nothing is named so  #! id
idd = "d"  #! idd
tags = ["good",
        5]  #! tags[1]
timeout = "4 hours"  #! timeout
concurrency_key = "{folder}"  #! concurrency_key
description = '''
[step.one]
timeout = "4 hours"
'''

[params.folder]
type = "pth"  #! params.folder.type

[params]
count = { type = "integer",  default = "3" }  #! params.count.default

[step.first]
type = "command"
run = [
    "echo",  # [step.last]
    7,  #! step.first.run[1]
]
env.A = "1"
env.B = 2  #! step.first.env.B
cwd = "{nowhere}"  #! step.first.cwd

[step."in the middle"]  #! step."in the middle"
type = "command"
run = ["true"]

[step.last]  #! step.last.type
retris = 1  #! step.last.retris
retry_on = [
  1, 2,
  -65,  #! step.last.retry_on[2]
]
depends = [  #! step.last.depends
  "first", "no",
]

[error_tolerance]
max_child_failures = -1  #! error_tolerance.max_child_failures
"""


def lines_of(text):
    """Return `{key: line}` of the mistakes of a text."""
    return {problem.key: line for problem, line in validate(text.encode(), TYPES)}


def test_each_mistake_has_the_line_of_its_key_or_of_the_nearest_table_around_it():
    marked = {
        line.partition("#! ")[2]: number
        for number, line in enumerate(TEXT.splitlines(), 1)
        if "#! " in line
    }
    assert lines_of(TEXT) == marked


def test_a_good_text_has_no_mistakes():
    assert validate(b'id = "d"\n[step.a]\ntype = "command"\nrun = ["true"]\n', TYPES) == []


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"id = 'x'\nname == 'y'\n", 2, "must be TOML: Invalid value (at line 2, column 7)"),
        (b"id = 'x'\r\n\r\nid = 'y'\r\n", 3, "must be TOML: Cannot overwrite a value (at line 3"),
        (b"id = 'x'\n[a]\nb = [1,\n\n\n", 3, "must be TOML: Invalid value (at end of document)"),
        (b"id = '''\nx\n  \n", 2, "must be TOML: Expected \"'''\" (at end of document)"),
        (b"[step.'(at line 7, column 1)']\n[step.'(at line 7, column 1)']", 2, "twice (at line 2"),
        (b"id = 'x'\n\nname = 'caf\xe9'\n", 3, "must be UTF-8 text, which line 3 is not"),
        (b"\xef\xbb\xbfid = 'x'\nname = '\xff'\n", 2, "must be UTF-8 text, which line 2 is not"),
        (b"\xff\xfei\x00d\x00", 1, "must be UTF-8 text, which line 1 is not"),
        (b"\n\nn = " + b"[" * 20_000, 3, "must be TOML that is not nested so deep"),
        (b"\n" + b"a." * 20_000 + b"b = 1", 2, "must be TOML that is not nested so deep"),
        (b"\nn = " + b"9" * 5000, 1, "must be TOML with numbers that fit into 64 bits"),
        (b"\0", 1, "must be TOML: Invalid statement (at line 1, column 1)"),
    ],
)
def test_what_is_no_toml_has_the_line_that_is_complained_of(data, line, reason):
    [(problem, found)] = validate(data, TYPES)
    assert (problem.key, found) == ("", line)
    assert reason in problem.reason


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\n# nothing\n"])
def test_a_text_without_steps_is_told_so_at_its_beginning(data):
    assert [(problem.key, line) for problem, line in validate(data, TYPES)] == [
        ("id", 1),
        ("step", 1),
    ]


def test_a_byte_order_mark_and_windows_line_ends_move_no_line():
    data = b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()
    assert {problem.key: line for problem, line in validate(data, TYPES)} == lines_of(TEXT)


def test_no_example_of_the_documents_has_a_mistake():
    examples = [
        example
        for name in ("definitions", "step-types")
        for example in re.findall(
            r"^```toml\n(.*?)^```", (ROOT / "docs" / f"{name}.md").read_text(), re.DOTALL | re.M
        )
    ]
    assert len(examples) >= 5
    for example in examples:
        text = example if re.search("^id = ", example, re.M) else f'id = "d"\n{example}'
        assert validate(text.encode(), TYPES) == []


# As for a file


def of_a_file(data, folder, types=TYPES):
    folder.mkdir(exist_ok=True)
    (folder / "d.toml").write_bytes(data)
    return [(problem.key, problem.reason) for problem in Definitions(folder, types).problems()]


WORDS = st.sampled_from(
    [
        *("id = 'd'", "[step.a]", "[step.b]", "[params.p]", "[error_tolerance]", "[[step.a.x]]"),
        *("type = 'command'", "type = 'string'", "run = ['true']", "run = [\n'{p}', '{q}',\n]"),
        *("depends = 'a'", "depends = ['b', 'c']", "retries = 101", "retry_on = [\n1,\n'1']"),
        *("concurrency_key = '{q}'", "concurrency = 1", "queue = ''", "env = { A = 1,\tB = [] }"),
        *("for_each = '*'", "timeout = 0", "'odd key' = '''\n[step.z]\n'''", "= 1", '"""', "]"),
        *("# [x]", "\x00", "é", "step.c.type = 'agent'", "default = 1", "max_child_failures = -1"),
    ]
)


@settings(max_examples=300)
@given(st.lists(WORDS, max_size=12).map("\n".join) | st.text(max_size=50))
def test_any_text_has_the_mistakes_of_a_file_of_it_each_at_a_line_of_it(text):
    data = text.encode()
    found = validate(data, TYPES)
    read = reading.read_data(data, "d.toml", TYPES)
    assert [problem.reason for problem, _ in found] == [p.reason for p in read.problems]
    assert all(1 <= line <= text.count("\n") + 1 for _, line in found)
    json.dumps([problem.key for problem, _ in found]).encode()


@pytest.mark.parametrize(
    "data", [TEXT.encode(), b"", b"\xff", b"a = ", b"a." * 1000 + b"b = 1", b"[step]\na = 1"]
)
def test_a_file_with_this_content_has_the_same_mistakes(data, tmp_path):
    found = [(problem.key, problem.reason) for problem, _ in validate(data, TYPES)]
    assert found == of_a_file(data, tmp_path / "definitions") != []


# Too many mistakes


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"key{n} = 1\n" for n in range(1000)) + "[step.a]\ntype = 'command'\nrun = ['a']",
        "[step.a]\ntype = 'command'\nrun = ['a']\n" + "".join(f"key{n} = 1\n" for n in range(1000)),
        "[step.a]\ntype = 'command'\nrun = [" + "1," * 1000 + "]",
        "[step.a]\ntype = 'nope'\n" + "".join(f"x{n} = '{{}}'\n" for n in range(1000)),
        "".join(f"[step.s{n}]\nretries = -1\ntype = 'command'\nrun = ['a']\n" for n in range(1000)),
        "[step.a]\ntype = 'command'\nrun = ['a']\n"
        f"depends = {[f'step_number_{n}' for n in range(1000)]}",
        "".join(f"[params.p{p}]\n" + "".join(f"k{n} = 1\n" for n in range(100)) for p in range(50)),
    ],
    ids=["keys", "options", "items", "placeholders", "steps", "depends", "params"],
)
def test_of_very_many_mistakes_the_first_are_told_and_that_there_are_more(text, tmp_path):
    data = b'id = "d"\n' + text.encode()
    found = validate(data, TYPES)
    assert len(found) == MOST_PROBLEMS + 1
    (last, line) = found[-1]
    assert (last.key, last.reason, line) == ("", f"has more mistakes than these {MOST_PROBLEMS}", 1)
    assert [(problem.key, problem.reason) for problem, _ in found] == of_a_file(
        data, tmp_path / "definitions"
    )


def test_just_as_many_mistakes_as_are_told_are_told_without_a_word_of_more():
    text = 'id = "d"\n[step.a]\ntype = "command"\nrun = [' + "1," * MOST_PROBLEMS + "]"
    assert len(lines_of(text)) == MOST_PROBLEMS
    assert "" not in lines_of(text)
