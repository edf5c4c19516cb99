"""What all commands print with: JSON, rows with tabs, pairs of a word and a text."""

import json
import sys

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobsync.cli.formatting import safe


def print_json(value):
    """Print a value for a program.

    What isn't ASCII is written `\\u00e9`, so nothing in it can steer a terminal.
    """
    click.echo(json.dumps(value, indent=2))


def print_rows(rows):
    """Print a line for each row, with tabs between its columns; None is nothing."""
    for row in rows:
        click.echo("\t".join("" if value is None else safe(value) for value in row))


def print_fields(fields):
    for word, text in fields:
        click.echo(f"  {word:<12}{text}".rstrip())


def grid(fields):
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for word, text in fields:
        grid.add_row(Text(word), Text(text))
    return grid


def console():
    return Console(file=sys.stdout, highlight=False)
