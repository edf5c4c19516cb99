"""Definitions: TOML files in a folder, read into checked `Definition`s. Every mistake of every file
becomes a `Problem`.

A file's way, a module each: `reading` (bytes → TOML, and where its keys stand: `lines`), `shapes`
(its tables, as schemas), `params`, `steps` and what they `depend` on, `options` (those of each
step, by the schema of its type).
Nothing stops at the first mistake, and a bad file stops no other. `folder` looks after the files,
and `Definition.bind` takes the parameters of one job.
"""

from jobsync.definitions.definition import Bound, Definition, read_table
from jobsync.definitions.duration import read_duration
from jobsync.definitions.folder import Definitions
from jobsync.definitions.mistakes import Problem
from jobsync.definitions.reading import validate

__all__ = [
    "Bound",
    "Definition",
    "Definitions",
    "Problem",
    "read_duration",
    "read_table",
    "validate",
]
