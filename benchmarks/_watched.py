"""Jobs that run before one viewer."""

import time
from contextlib import contextmanager
from datetime import datetime

from benchmarks._helper import Helper


@contextmanager
def a_viewer(server):
    """Give a Helper that is one viewer (`_viewer.py`)."""
    host, port = server.address
    with Helper("_viewer", host, str(port)) as viewer:
        viewer.hear()
        yield viewer


def run_watched(server, viewer, definition, children, patience, **params):
    """Run a job that has so many children, and return the seconds from before it was submitted
    until it had ended, and its structure.

    patience: seconds that it gets. Raises OSError unless all completed and the viewer saw it.
    """
    asked = time.time()
    job_id = server.submit(definition, **params)
    viewer.ask(watch=job_id)
    seen = viewer.ask(end=patience)
    structure = server.structure(job_id)
    completed = sum(step["children"]["completed"] for step in structure["steps"])
    if (structure["status"], seen["status"], completed) != ("completed", "completed", children):
        raise OSError(
            f"the job ended {structure['status']}, {completed:,} of {children:,} children "
            f"completed: {structure['error']}"
        )
    return moment(structure["finished_at"]) - asked, structure


def moment(text):
    """Return a time of the API as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()
