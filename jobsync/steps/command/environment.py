"""The environment of a command: the user's, without what is jobsync's own, with what describes
the command itself.
"""

import os
import sys
from functools import cache

OWN = ("JOBSYNC_", "FLASK_")  # settings of jobsync, and of the framework that it runs in


@cache
def user_environment():
    """Return the environment that jobsync was started from, as far as it is the user's.

    It is looked at once: what a worker's own code sets later is not the user's.
    An activated virtual environment that is jobsync's own, by whatever name, is taken out again:
    the user's `python` isn't that of jobsync.
    """
    found = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    if _is_own(found.get("VIRTUAL_ENV")):
        del found["VIRTUAL_ENV"]
        found.pop("VIRTUAL_ENV_PROMPT", None)
        if "PATH" in found:
            entries = found["PATH"].split(os.pathsep)
            found["PATH"] = os.pathsep.join(entry for entry in entries if not _is_own(entry, "bin"))
    return found


def _is_own(path, below=""):
    """Say whether a path is that of jobsync's virtual environment, or of a folder in it."""
    return bool(path) and os.path.realpath(path) == os.path.realpath(
        os.path.join(sys.prefix, below)
    )


def environment_in(folder):
    """Return the user's environment for a program that runs in `folder`.

    PWD names the folder that it runs in, and there is no earlier one. Python writes its lines as
    they come, not once a block is full.
    """
    found = {**user_environment(), "PYTHONUNBUFFERED": "1", "PWD": os.path.abspath(folder)}
    found.pop("OLDPWD", None)
    return found
