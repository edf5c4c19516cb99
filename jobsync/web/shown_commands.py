"""What a form will send, as commands for a terminal.

`static/js/definition/commands.js` makes the same when fields change.
"""

import json
import re
import shlex

# as JSON writes it, and no longer than scripts can tell apart
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")


def given(values, types):
    """Return what is sent of `{name: text}`: a field left empty is not, save for text, which
    may be empty.
    """
    return {
        name: value
        for name, value in values.items()
        if value.strip() or types.get(name, "string") == "string"
    }


def curl(host, definition, values, types, rerun_of=None, priority=""):
    """Return a `curl` call. host: "http://127.0.0.1:5000". values: as `given` returns them.
    types: those of the parameters by name. priority: as typed; a rerun takes none.
    """
    params = ", ".join(
        f"{_text(name)}: {_literal(value, types.get(name))}" for name, value in values.items()
    )
    start = "" if rerun_of else f'"definition": {_text(definition)}, '
    path = f"/api/jobs/{rerun_of}/rerun" if rerun_of else "/api/jobs"
    end = f', "priority": {_literal(priority, "integer")}' if priority.strip() else ""
    body = shlex.quote(f'{{{start}"params": {{{params}}}{end}}}')
    return (
        f"curl {shlex.quote(host + path)} \\\n  -H 'Content-Type: application/json' \\\n  -d {body}"
    )


def cli(definition, values, rerun_of=None, priority=""):
    """Return the call of jobsync's own command. priority: as typed."""
    start = (
        f"flask jobs rerun {shlex.quote(rerun_of)}"
        if rerun_of
        else f"flask jobs run {shlex.quote(definition)}"
    )
    return " ".join(
        [
            start,
            *(f"-p {shlex.quote(f'{name}={value}')}" for name, value in values.items()),
            *([f"--priority {shlex.quote(priority.strip())}"] if priority.strip() else []),
            "--wait",
        ]
    )


def _literal(value, kind):
    """Return a value as JSON: typed where that is beyond doubt, else its text, which the server
    reads as it does a form's.
    """
    text = value.strip()
    is_plain = (
        NUMBER.fullmatch(text)
        if kind in ("integer", "number")
        else kind == "boolean" and text in ("true", "false")
    )
    return text if is_plain else _text(value)


def _text(value):
    return json.dumps(value, ensure_ascii=False)
