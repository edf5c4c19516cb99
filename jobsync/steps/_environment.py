"""The environment of a command: the user's, without what is jobsync's own, with what describes the command itself."""

import os
import sys

OWN = ("JOBSYNC_", "FLASK_")  # settings of jobsync, and of the framework that it runs in


def user_environment(environ=os.environ):
    """Return the environment that jobsync was started from, as far as it is the user's.

    An activated virtual environment that is jobsync's own is taken out again: the user's `python` isn't that of jobsync.
    """
    found = {name: value for name, value in environ.items() if not name.startswith(OWN)}
    if found.get("VIRTUAL_ENV") == sys.prefix:
        del found["VIRTUAL_ENV"]
        found.pop("VIRTUAL_ENV_PROMPT", None)
        own = os.path.join(sys.prefix, "bin")
        found["PATH"] = os.pathsep.join(entry for entry in found.get("PATH", "").split(os.pathsep) if entry != own)
    return found


def environment_in(folder, environ=os.environ):
    """Return the user's environment for a program that runs in `folder`.

    PWD names the folder that it runs in, and there is no earlier one. Python writes its lines as they come, not once a block is full.
    """
    found = {"PYTHONUNBUFFERED": "1", **user_environment(environ), "PWD": os.path.abspath(folder)}
    found.pop("OLDPWD", None)
    return found
