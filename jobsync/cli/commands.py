"""What all commands share: the store brought up to date before them, mistakes told in plain
lines.
"""

import errno
import io
import sys

import click
from flask import current_app
from flask.cli import ScriptInfo
from sqlalchemy.exc import DBAPIError

from jobsync.base.errors import BadInput, JobsyncError
from jobsync.cli.formatting import safe
from jobsync.db.migrate import bring_up_to_date


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
