"""The arguments and options that several commands have, and their kinds."""

import re

import click

from jobsync.base.text import storable
from jobsync.cli.formatting import safe
from jobsync.definitions import read_duration

QUEUE_NAME = re.compile("[A-Za-z0-9_-]{1,64}")
PARENT = re.compile("[0-9]{1,18}|none")
LONGEST_SEARCH = 200  # characters


class Name(click.ParamType):
    """An id or a name, as the store can be asked for it."""

    name = "name"

    def convert(self, value, param, ctx):
        return storable(value)


class KeyValue(click.ParamType):
    """`key=value`, as a pair."""

    name = "key=value"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        key, sign, text = value.partition("=")
        if not (key and sign):
            self.fail(f"{safe(value)!r} must be key=value.", param, ctx)
        return key, text


class Statuses(click.ParamType):
    """Statuses with commas between them, as a tuple."""

    name = "status,…"

    def __init__(self, choices):
        self.choices = choices

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in value.split(",") if word.strip()]
        for word in words:
            if word not in self.choices:
                self.fail(f"{safe(word)!r} is not one of: {', '.join(self.choices)}.", param, ctx)
        return tuple(words)


class Age(click.ParamType):
    """A length of time such as `30d` or `12h`, in ms."""

    name = "duration"

    def convert(self, value, param, ctx):
        try:
            return read_duration(value).ms
        except ValueError as error:
            self.fail(f"{safe(value)!r} {error}.", param, ctx)


class Search(Name):
    """What is looked for in names, ids and parameters."""

    name = "text"

    def convert(self, value, param, ctx):
        if len(value) > LONGEST_SEARCH:
            self.fail(f"at most {LONGEST_SEARCH} characters can be looked for.", param, ctx)
        return super().convert(value, param, ctx)


class Form(click.ParamType):
    """A text of a certain form. what: what it is, for those who gave another."""

    def __init__(self, name, pattern, what):
        self.name = name
        self._pattern = pattern
        self._what = what

    def convert(self, value, param, ctx):
        if not self._pattern.fullmatch(value):
            self.fail(f"{safe(value)!r} is not {self._what}.", param, ctx)
        return value


def as_table(ctx, param, pairs):
    """Return the pairs of `-p` options as a dict. A key that is given twice is a mistake."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise click.BadParameter("each key can be given once.", ctx, param)
    return table


# What several commands have

JOB = click.argument("job_id", metavar="ID", type=Name())
STEP = click.argument("step", type=Name())
QUEUE = click.argument(
    "queue",
    type=Form(
        "queue", QUEUE_NAME, "the name of a queue: 1 to 64 of the characters A-Z a-z 0-9 _ -"
    ),
)
PARAMS = click.option(
    "-p",
    "--param",
    "params",
    type=KeyValue(),
    multiple=True,
    callback=as_table,
    help="A parameter; can be repeated.",
)
WAIT = click.option(
    "--wait",
    is_flag=True,
    help="Follow the job until it has ended; exit code 0 only if it completed.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
