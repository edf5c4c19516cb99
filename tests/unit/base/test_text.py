"""Text from outside, made safe to store, send and print."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsync.base.text import one_line, path_to_text, printable, storable, text_to_path

any_text = st.text(st.characters(codec=None))  # lone surrogates too
file_names = st.binary(min_size=1, max_size=60).filter(lambda raw: b"\x00" not in raw)


def size_in_json(text):
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


@given(any_text)
def test_what_is_storable_is_utf_8_without_nul(text):
    stored = storable(text)
    assert "\x00" not in stored
    assert len(stored) == len(text)
    assert stored.encode().decode() == stored


def test_it_stores_good_text_as_it_is():
    assert storable("naïve 🐙\ttab\nline") == "naïve 🐙\ttab\nline"


def test_it_writes_out_what_a_terminal_would_obey():
    assert printable("\x1b[31mred\x07 \x9b2J\r\u2028") == "\\x1b[31mred\\x07 \\x9b2J\\r\\u2028"


def test_it_prints_tabs_new_lines_and_letters_as_they_are():
    assert printable("a\tb\nÄ🐙") == "a\tb\nÄ🐙"


@given(any_text)
def test_what_is_printable_can_be_printed_and_commands_no_terminal(text):
    shown = printable(text)
    assert shown.encode().decode() == shown
    assert all(
        character in "\t\n" or ord(character) >= 32 and not 127 <= ord(character) < 160
        for character in shown
    )


@given(any_text, st.integers(3, 200))
def test_one_line_never_exceeds_its_size(text, size):
    line = one_line(text, size)
    assert size_in_json(line) <= size
    assert len(line.splitlines()) <= 1
    assert printable(line) == line


@pytest.mark.parametrize("piece", ['"', "\\", "é", "🐙", "a "])
def test_one_line_counts_what_letters_take_in_json(piece):
    line = one_line(piece * 500, 100)
    assert 90 <= size_in_json(line) <= 100
    assert line.endswith("…")


def test_one_line_ends_for_any_size():
    assert one_line("abcdef", 3) == "…"
    assert one_line("abcdef", 0) == "…"


def test_one_line_keeps_a_short_text_and_makes_one_line_of_it():
    assert one_line("first\n  second\tthird \x07") == "first second third"
    assert one_line("a" * 160) == "a" * 160


@given(file_names)
def test_every_file_name_survives_the_way_to_text_and_back(raw):
    text = path_to_text(raw)
    assert text == storable(text)
    assert os.fsencode(text_to_path(text)) == raw
    assert path_to_text(os.fsdecode(raw)) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain.py", "plain.py"),
        ("größe.md".encode(), "größe.md"),
        (b"latin\xe9.txt", "latin\\xe9.txt"),
        (b"back\\slash", "back\\\\slash"),
        (b"looks\\xe9", "looks\\\\xe9"),
        (b"half\xe2\x82", "half\\xe2\\x82"),
        (b"two\nlines", "two\nlines"),
    ],
)
def test_a_file_name_stays_readable_where_it_can(raw, text):
    assert path_to_text(raw) == text
    assert os.fsencode(text_to_path(text)) == raw


@given(file_names, file_names)
def test_two_file_names_never_become_the_same_text(one, other):
    assert (path_to_text(one) == path_to_text(other)) == (one == other)
