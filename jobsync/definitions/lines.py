"""Where the keys of a TOML text stand, which tomllib doesn't tell.

This reads only as much of the text as it takes to find its keys: what isn't TOML is for tomllib to
find. Of a text that tomllib takes it finds the same keys.
"""

import re
import tomllib

MAX_PARTS = 400  # of a key, with those of its table
MAX_NESTED = 100  # lists and inline tables within each other

BASIC = r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
LITERAL = r"'[^'\n]*+'"
# of up to five quotes at the end the first two may be its text's
LONG_BASIC = r'"""[^"\\]*+(?:(?:\\[\s\S]|"{1,2}+(?!"))[^"\\]*+)*+"{3,5}'
LONG_LITERAL = r"'''[^']*+(?:'{1,2}+(?!')[^']*+)*+'{3,5}"
PART = re.compile(rf"[ \t]*([A-Za-z0-9_-]+|{BASIC}|{LITERAL})[ \t]*")
# text, or a number, a date or the like
VALUE = re.compile(
    rf"{LONG_BASIC}|{LONG_LITERAL}|{BASIC}|{LITERAL}|[^\s,\[\]{{}}#\"'=][^,\]}}#\n]*"
)
BLANK = re.compile(r"(?:[ \t\n]++|#[^\n]*+)*+")
CLOSING = {"[": "]", "{": "}"}


class NotToml(ValueError):
    """There is no key or value where there must be one."""


class TooDeep(ValueError):
    """Nested deeper than any definition, at this line: tomllib takes time and memory by the square
    of the length of a key.
    """

    def __init__(self, line):
        super().__init__("must be TOML that is not nested so deep")
        self.line = line


def check_depth(text):
    """Raise TooDeep for a text whose keys, lists or inline tables are nested too deep."""
    try:
        for _ in find_keys(text):
            pass
    except NotToml:
        pass  # tomllib comes no further either


def find_lines(text, paths):
    """Return `{path: line}` with the lines, from 1 on, at which these keys of a TOML text stand.

    paths: tuples of names, and of places in lists, as in `("step", "one", "words", 0)`. One that
    isn't written has the line of the nearest table around it, or 1.
    """
    wanted = {path[:size] for path in paths for size in range(1, len(path) + 1)}
    mentioned, written = {}, {}
    for table, path, line in find_keys(text):
        for size in range(len(table) + 1, len(path)):
            if path[:size] in wanted:
                mentioned.setdefault(path[:size], line)
        if path in wanted:
            written.setdefault(path, line)
    lines = {(): 1, **mentioned, **written}
    return {path: lines[_nearest(path, lines)] for path in paths}


def find_keys(text):
    """Yield `(table, path, line)` for every key, table and item of a list as it is written.

    `table` is the beginning of `path` that isn't written there. Raises NotToml where the text is
    none, and TooDeep.
    """
    return _Scanner(text).scan()


def _nearest(path, known):
    while path not in known:
        path = path[:-1]
    return path


class _Scanner:
    """Goes through a text once. `pos` is where it is."""

    def __init__(self, text):
        self._text = text.replace("\r\n", "\n")
        self._pos = 0
        self._counted = 0  # up to where the lines are counted
        self._line = 1
        self._lengths = {}  # of the lists made by [[headers]], by path

    def scan(self):
        table = ()
        self._skip_blank()
        while self._pos < len(self._text):
            line = self._line_here()
            if self._next() == "[":
                table = self._header()
                yield (), table, line
            else:
                path = table + self._key(len(table))
                yield table, path, line
                self._expect("=")
                yield from self._value(path)
            self._skip_blank()

    def _header(self):
        """Pass over a table's header and return its path."""
        is_list = self._text.startswith("[[", self._pos)
        self._pos += 2 if is_list else 1
        *parents, last = self._key()
        self._expect("]]" if is_list else "]")
        path = ()
        for name in parents:
            path = self._last_item((*path, name))
        path = (*path, last)
        if not is_list:
            return path
        self._lengths[path] = self._lengths.get(path, 0) + 1
        return self._last_item(path)

    def _last_item(self, path):
        """Return the path of the item that a name of a header means, where it is a list's."""
        return (*path, self._lengths[path] - 1) if path in self._lengths else path

    def _key(self, depth=0):
        """Pass over a key, dots and all, and return its parts. depth: of its table."""
        parts = []
        while True:
            match = PART.match(self._text, self._pos)
            if not match:
                raise NotToml
            parts.append(_name(match.group(1)))
            if depth + len(parts) > MAX_PARTS:
                raise TooDeep(self._line_here())
            self._pos = match.end()
            if self._next() != ".":
                return tuple(parts)
            self._pos += 1

    def _value(self, path):
        """Pass over a value, and yield as `find_keys` does what is within it."""
        around = []  # the lists and tables that the value is in: [closing bracket, path, place]
        while True:
            self._skip_blank()
            if self._next() in CLOSING:
                around.append([CLOSING[self._next()], path, 0])
                if len(around) > MAX_NESTED:
                    raise TooDeep(self._line_here())
                self._pos += 1
            else:
                self._expect_match(VALUE)
            self._leave(around)
            if not around:
                return
            bracket, outer, place = around[-1]
            line = self._line_here()
            if bracket == "]":
                path = (*outer, place)
                around[-1][2] += 1
                yield outer, path, line
            else:
                path = outer + self._key(len(outer))
                yield outer, path, line
                self._expect("=")

    def _leave(self, around):
        """Pass over commas and over the ends of lists and tables."""
        while around:
            self._skip_blank()
            if self._next() == around[-1][0]:
                around.pop()
            elif self._next() != ",":
                return
            self._pos += 1

    def _next(self):
        return self._text[self._pos : self._pos + 1]

    def _skip_blank(self):
        self._pos = BLANK.match(self._text, self._pos).end()

    def _expect(self, mark):
        if not self._text.startswith(mark, self._pos):
            raise NotToml
        self._pos += len(mark)

    def _expect_match(self, pattern):
        match = pattern.match(self._text, self._pos)
        if not match:
            raise NotToml
        self._pos = match.end()

    def _line_here(self):
        self._line += self._text.count("\n", self._counted, self._pos)
        self._counted = self._pos
        return self._line


def _name(part):
    """Return the name that a part of a key stands for."""
    if part[0] not in "\"'":
        return part
    if part[0] == "'" or "\\" not in part:
        return part[1:-1]
    try:
        return tomllib.loads(f"name = {part}")["name"]
    except tomllib.TOMLDecodeError as error:
        raise NotToml from error
