"""What commands print, and tables as a terminal shows them."""

import io

from rich.console import Console


def only_errors(result, code=1):
    """Return what stands on stderr, sure that there is nothing else and no traceback."""
    assert (result.exit_code, result.stdout) == (code, "")
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()


def rows_of(result):
    """Return the rows of a list in a pipe, each a list of its columns."""
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return [line.split("\t") for line in result.stdout.splitlines()]


def drawn(picture, width=80):
    """Return what a terminal of that width shows, as lines."""
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width)
    console.print(picture)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]
