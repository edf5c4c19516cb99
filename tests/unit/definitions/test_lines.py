"""The lines at which the keys of a TOML text stand: each key that tomllib finds has one, the right
one.
"""

import json
import tomllib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsync.definitions.lines import (
    MAX_NESTED,
    MAX_PARTS,
    NotToml,
    TooDeep,
    check_depth,
    find_keys,
    find_lines,
)


def paths_in(value, path=()):
    """Yield the path of each key and item within what tomllib has read."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, found in inner:
        yield (*path, key)
        if isinstance(found, (dict, list)):
            yield from paths_in(found, (*path, key))


def lines_of(text):
    """Return the line of each key and item, by its path with dots."""
    paths = list(paths_in(tomllib.loads(text)))
    return {
        ".".join(map(str, path)): line for path, line in find_lines(text, paths).items() if path
    }


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a = 1\n\n# b = 2\nc = 3", {"a": 1, "c": 4}),
        ("[a]\nb = 1\n[a.c]\nd = 1", {"a": 1, "a.b": 2, "a.c": 3, "a.c.d": 4}),
        # of a table without a header of its own, what is first in it
        ("\n[a.b]\nc = 1\n[a.d]", {"a": 2, "a.b": 2, "a.b.c": 3, "a.d": 4}),
        ("\n[a.b]\nc = 1\n[a]\nd = 1", {"a": 4, "a.b": 2, "a.b.c": 3, "a.d": 5}),
        ("a.b = 1\na.c = 1", {"a": 1, "a.b": 1, "a.c": 2}),
        ("[a]\nb.c.d = 1\nb.e = 1", {"a": 1, "a.b": 2, "a.b.c": 2, "a.b.c.d": 2, "a.b.e": 3}),
        ("[ a . 'b' ]\n 'c' . \"d\"\t= 1", {"a": 1, "a.b": 1, "a.b.c": 2, "a.b.c.d": 2}),
        ("a = [1, # [x]\n  2, '[b]',\n\n  ]\nc=1", {"a": 1, "a.0": 1, "a.1": 2, "a.2": 2, "c": 5}),
        ("a = [\n[],\n[\n1]]", {"a": 1, "a.0": 2, "a.1": 3, "a.1.0": 4}),
        ("a = {b = 1, c.d = {}}\ne = 1", {"a": 1, "a.b": 1, "a.c": 1, "a.c.d": 1, "e": 2}),
        ("a = {b = [\n1],c='''\n''',d=1}", {"a": 1, "a.b": 1, "a.b.0": 2, "a.c": 2, "a.d": 3}),
        ("a = [{b = 1},\n{b = 2}]", {"a": 1, "a.0": 1, "a.0.b": 1, "a.1": 2, "a.1.b": 2}),
        ('a = """\nb = 1\n[c]\n\\"""" # "\n"d" = 1', {"a": 1, "d": 5}),
        ('a = """x""\n"""""\nb = 1', {"a": 1, "b": 3}),
        ("a = '''x''\n\\'''\nb = 1", {"a": 1, "b": 3}),
        ("a = ''''''''\nb = \"\"\"\"\"\"\nc = ''\nd = 1", {"a": 1, "b": 2, "c": 3, "d": 4}),
        ('a = "\\"#[x]"\nb = \'\\\'\nc = 1', {"a": 1, "b": 2, "c": 3}),
        ('"a#=[]" = 1\n"\\u0062" = 1\n\'\' = 1', {"a#=[]": 1, "b": 2, "": 3}),
        ("a = 1979-05-27 07:32:00 # b\nc = -inf\nd = 1", {"a": 1, "c": 2, "d": 3}),
        (
            "[[a]]\nb = 1\n[a.c]\nd = 1\n[[a]]\nb = 1\n[[a.e]]\n[a.e.f]\n[[a.e]]",
            {
                "a": 1,
                "a.0": 1,
                "a.0.b": 2,
                "a.0.c": 3,
                "a.0.c.d": 4,
                "a.1": 5,
                "a.1.b": 6,
                "a.1.e": 7,
                "a.1.e.0": 7,
                "a.1.e.0.f": 8,
                "a.1.e.1": 9,
            },
        ),
    ],
)
def test_each_key_has_the_line_at_which_it_stands(text, lines):
    for ends in ("\n", "\r\n"):
        assert lines_of(text.replace("\n", ends)) == lines


def test_what_is_not_written_has_the_line_of_the_nearest_table_around_it():
    text = "a = 1\n[b.c]\nd = [\n1]\n[e]"
    lines = find_lines(
        text, [("nope",), ("b", "x"), ("b", "c", "x", "y"), ("b", "c", "d", 5), ("e", "x"), ()]
    )
    assert list(lines.values()) == [1, 2, 2, 3, 5, 1]


# Texts made with their lines


class Writer:
    """Writes TOML that nobody would, and notes in `lines` at which line each key stands.

    choose: `choose(number)` gives one of 0 … number - 1.
    """

    def __init__(self, choose):
        self.choose = choose
        self.text = ""
        self.lines = {}
        self.mentioned = {}
        self.names = 0
        self.headed = {()}  # tables that have a header or aren't to get one
        self.tables = [()]
        self.lists = {}  # number of items by path

    def write(self):
        for _ in range(self.choose(4)):
            self.pair(())
        for _ in range(self.choose(7)):
            self.header()
            for _ in range(self.choose(3)):
                self.pair(self.table)
        return {**self.mentioned, **self.lines}

    def one_of(self, *choices):
        return choices[self.choose(len(choices))]

    def put(self, text):
        self.text += text

    def note(self, path, first, line=None):
        """Note a path that is written here from its part `first` on."""
        line = line or self.text.count("\n") + 1
        for size in range(first + 1, len(path)):
            self.mentioned.setdefault(path[:size], line)
        assert path not in self.lines, path
        self.lines[path] = line

    def name(self):
        self.names += 1
        return self.one_of("k", "a-b_", "é.", "[x]", "a = 1", "#", "\"'\\\t", "\n") + str(
            self.names
        )

    def spelled(self, *names):
        def one(name):
            quoted = json.dumps(name, ensure_ascii=self.choose(2) == 0)
            ways = [quoted]
            if name.isascii() and name.replace("-", "").replace("_", "").isalnum():
                ways += [name, name]
            if name.isprintable() and "'" not in name:
                ways.append(f"'{name}'")
            return self.one_of(*ways)

        return self.one_of(".", " .\t", ". ").join(one(name) for name in names)

    def blank(self):
        self.put(self.one_of("", "", "\n", " # [no]\n", "\n#a = '''\n\n"))

    def pair(self, table, ends="\n"):
        names = [self.name() for _ in range(1 + self.choose(2))]
        if ends:
            self.blank_lines()
        self.note((*table, *names), len(table))
        self.put(self.spelled(*names) + self.one_of("=", " = "))
        self.value((*table, *names))
        self.put(ends and self.one_of("", " # [[no]] \"'") + ends)

    def blank_lines(self):
        self.put(self.one_of("", "\n", "# [no]\n \t\n"))

    def value(self, path, depth=0):
        kind = self.choose(8 if depth < 3 else 6)
        if kind < 6:
            self.put(SCALARS[self.choose(len(SCALARS))])
        elif kind == 6:
            self.put("[")
            self.blank()
            number = self.choose(4)
            for place in range(number):
                self.note((*path, place), len(path))
                self.value((*path, place), depth + 1)
                self.blank()
                self.put("," if place < number - 1 else self.one_of("", ","))
                self.blank()
            self.put("]")
        else:
            self.put("{ ")
            for place in range(self.choose(3)):
                self.put(", " if place else "")
                self.pair(path, ends="")
            self.put("}")

    def header(self):
        self.blank_lines()
        kind = self.choose(5)
        open_tables = [path for path in self.mentioned if self.is_open(path)]
        if kind == 0 and open_tables:  # that of a table whose inner ones had theirs before
            path = self.one_of(*open_tables)
            self.note(path, len(path))
            self.put(f"[{self.spelled(*self.names_of(path))}]\n")
            self.begin(path)
        elif kind == 1 and self.lists:
            path = self.one_of(*(path for path in self.lists if self.is_last(path)))
            self.note((*path, self.lists[path]), len(path) + 1)
            self.item(path)
        elif kind == 2:
            path = self.new_path()
            self.mentioned[path] = self.text.count("\n") + 1
            self.note((*path, 0), 0)
            self.item(path)
        else:
            path = self.new_path()
            self.note(path, 0)
            self.put(f"[ {self.spelled(*self.names_of(path))} ]\n")
            self.begin(path)

    def is_open(self, path):
        """Whether a path is a table that only headers of its inner ones have made."""
        return path in self.by_headers and path not in self.headed and self.is_last(path)

    by_headers = frozenset()

    def new_path(self):
        table = self.one_of(*(path for path in self.tables if self.is_last(path)))
        path = (*table, *(self.name() for _ in range(1 + self.choose(2))))
        self.by_headers |= {path[:size] for size in range(len(table) + 1, len(path))}
        return path

    def is_last(self, path):
        """Whether a path leads through the last item of each list that it leads through."""
        return all(
            part == self.lists[path[:place]] - 1
            for place, part in enumerate(path)
            if isinstance(part, int)
        )

    def names_of(self, path):
        return [part for part in path if isinstance(part, str)]

    def item(self, path):
        number = self.lists.get(path, 0)
        self.lists[path] = number + 1
        self.put(f"[[{self.spelled(*self.names_of(path))}]]\n")
        self.begin((*path, number))

    def begin(self, path):
        self.table = path
        self.headed = self.headed | {path}
        self.tables.append(path)


SCALARS = [
    "1",
    "-1_000.5e3",
    "true",
    "+inf",
    "0xBEEF",
    "1979-05-27 07:32:00.5-07:00",
    "07:32:00",
    '""',
    "''",
    '"a = 1 # \\" [x] {"',
    "'\\ \" ]'",
    '"""\n[x]\na = 1\n\\""" \\\\""""',
    '""" ""\n"" \\\n  """""',
    "'''\n[[x]]\nb = '' 1\n''\\'''",
    "''' \" '''''",
    '"""a"""',
    "''''''",
]


@st.composite
def written(draw):
    """Make a text with what it writes at which line."""
    random = draw(st.randoms(use_true_random=False))
    writer = Writer(lambda number: random.randrange(number))
    lines = writer.write()
    return writer.text, lines


@settings(max_examples=400)
@given(written())
def test_each_key_of_any_text_has_the_line_at_which_it_was_written(made):
    text, lines = made
    paths = set(paths_in(tomllib.loads(text)))
    assert paths == set(lines)
    assert find_lines(text, paths) == lines


def found_in(text):
    """Return the paths of all keys that are found in a text, those among them that are only
    mentioned on the way to another.
    """
    return {
        path[:size]
        for table, path, _ in find_keys(text)
        for size in range(len(table) + 1, len(path) + 1)
    }


@settings(max_examples=500)
@given(
    written(),
    st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.integers(0, 3),
            st.text("[]{}\"'\\\n\r=.,# \tab1é", max_size=3),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_a_text_that_tomllib_takes_has_the_same_keys_here_and_any_other_does_no_harm(made, changes):
    text, _ = made
    for place, removed, added in changes:
        place %= len(text) + 1
        text = text[:place] + added + text[place + removed :]
    check_depth(text)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with suppress(NotToml):
            found_in(text)
    else:
        assert found_in(text) == set(paths_in(table))


# Too deep

MOST = ".".join(["a"] * MAX_PARTS)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (f"{MOST} = 1", f"{MOST}.b = 1"),
        (f"[{MOST}]", f"[{MOST}.b]"),
        (f"x = {{{MOST[2:]} = 1}}", f"x = {{{MOST} = 1}}"),
        (f"[{MOST[2:]}]\nb = 1", f"[{MOST[2:]}]\nb.c = 1"),
        ("x = " + "[" * MAX_NESTED + "]" * MAX_NESTED, "x = " + "[" * (MAX_NESTED + 1)),
        (
            "x = " + "{a = " * MAX_NESTED + "1" + "}" * MAX_NESTED,
            "x = " + "{a = " * (MAX_NESTED + 1),
        ),
    ],
)
def test_a_text_is_too_deep_from_one_level_on_wherever_the_levels_are(good, bad):
    check_depth(good)
    tomllib.loads(good)
    with pytest.raises(TooDeep) as caught:
        check_depth(f"# first\n{bad}")
    assert caught.value.line == 1 + f"# first\n{bad}".count("\n")


def test_a_key_of_a_million_characters_is_refused_before_it_takes_memory_by_its_square():
    for text in (".".join(["a"] * 500_000), "'a'." * 250_000, "[" + "a." * 500_000):
        with pytest.raises(TooDeep):
            check_depth(text)
