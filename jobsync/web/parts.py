"""Parts of a page, each of which may fail without taking the page with it: what can't be shown
is said in its place, and logged once.
"""

import logging
import traceback

from flask import current_app
from jinja2 import pass_context
from markupsafe import Markup
from sqlalchemy.exc import OperationalError

from jobsync.base.errors import JobsyncError
from jobsync.base.loop import in_turns
from jobsync.base.trouble import Once

KEY = "jobsync.broken_parts"  # those that the log has been told of

_log = logging.getLogger(__name__)


def init_app(app):
    """Make `part` known to the templates."""
    app.jinja_env.globals.update(part=part)


@pass_context
def part(context, template, what, broken="_broken.html", **values):
    """Return what a template makes of the values and of what the page was given, or what
    `broken` does to say that `what` can't be shown.
    """
    known = {**context.get_all(), "what": what, **values}

    def render(name):
        found = context.environment.get_template(name)
        return Markup("".join(in_turns(found.root_render_func(found.new_context(known, True)))))

    html = contained(what, lambda: render(template))
    return render(broken) if html is None else html


def contained(what, function, instead=None):
    """Return what `function()` returns, or `instead` where it fails; the failure is logged, the
    same one (at the same place) once.

    What is wrong with the whole (the job is gone, the database can't be read) is raised: the page
    can't be shown then.
    """
    try:
        return function()
    except (JobsyncError, OperationalError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the rest of the page is right without it
        place = traceback.extract_tb(error.__traceback__)[-1]
        failure = (what, type(error), place.filename, place.lineno)
        if current_app.extensions.setdefault(KEY, Once()).is_first(failure):
            _log.exception("%s can't be shown", what)
        return instead
