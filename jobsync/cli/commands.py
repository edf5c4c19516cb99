"""What all commands share: the store brought up to date before them, mistakes told in plain
lines, and the kinds of arguments.
"""

import errno
import io
import sys

import click
from flask import current_app
from flask.cli import ScriptInfo
from sqlalchemy.exc import DBAPIError

from jobsync.base.errors import BadInput, JobsyncError
from jobsync.base.text import storable
from jobsync.cli.formatting import safe
from jobsync.db.migrate import bring_up_to_date
from jobsync.definitions import read_duration


class WithPlainErrors:
    """What our commands and groups share: output that can't be written, as on a full disk, is
    told in a line, that of `--help` too.
    """

    def make_context(self, *args, **options):
        try:
            return super().make_context(*args, **options)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            raise Mistakes(_lines_of(error)) from error


class StoreCommand(WithPlainErrors, click.Command):
    """A command on the store, in an app context.

    What goes wrong is told on stderr, a line for each mistake, and the exit code is 1.
    """

    def invoke(self, ctx):
        app = ctx.ensure_object(ScriptInfo).load_app()
        ctx.with_resource(app.app_context())
        _print_whatever_comes(sys.stdout)
        try:
            bring_up_to_date(current_app.config["DATA_DIR"])
            return super().invoke(ctx)
        except (JobsyncError, DBAPIError, OSError) as error:
            if getattr(error, "errno", None) == errno.EPIPE:
                raise  # the reader of a pipe has gone: click ends quietly
            raise Mistakes(_lines_of(error)) from error


class StoreGroup(WithPlainErrors, click.Group):
    """A group of such commands."""

    command_class = StoreCommand


class Mistakes(click.ClickException):
    """One line for each mistake."""

    def __init__(self, lines):
        super().__init__("\n".join(lines))
        self.lines = lines

    def show(self, file=None):
        for line in self.lines:
            click.echo(f"Error: {safe(line)}", err=True)


def _print_whatever_comes(stream):
    """Have a terminal or pipe that isn't UTF-8 get `\\u2713` for what it can't show, instead of
    an error.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _lines_of(error):
    if isinstance(error, BadInput) and error.errors:
        return list(_flat(error.errors))
    if isinstance(error, JobsyncError):
        return [error.message]
    if isinstance(error, DBAPIError):
        return [f"The database can't be used: {error.orig}"]
    return [
        f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    ]


def _flat(errors):
    """Yield `field: reasons` for `{"params": {field: [reasons]}}` and `{field: [reasons]}`.

    `_schema` is no field.
    """
    for field, reasons in errors.items():
        if isinstance(reasons, dict):
            yield from _flat(reasons)
        else:
            yield ("" if field == "_schema" else f"{field}: ") + "; ".join(reasons)


# Kinds of arguments


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


def as_table(ctx, param, pairs):
    """Return the pairs of `-p` options as a dict. A key that is given twice is a mistake."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise click.BadParameter("each key can be given once.", ctx, param)
    return table
