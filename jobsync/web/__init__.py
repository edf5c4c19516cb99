"""The pages' door: HTML that is complete and right as served.

Scripts only keep it current, and everything works without them.
"""

from jobsync.web import (
    actions,
    assets,
    bulk,
    children,
    docs,
    filters,
    job_list,
    parts,
    start_form,
    styleguide,
    tables,
    workers_page,
)
from jobsync.web.error_page import show_error

__all__ = ["init_app", "show_error"]


def init_app(app):
    """Register the pages and the filters of their templates."""
    filters.init_app(app)
    parts.init_app(app)
    assets.init_app(app)
    for module in (
        job_list,
        bulk,
        start_form,
        actions,
        children,
        workers_page,
        tables,
        docs,
    ):
        app.register_blueprint(module.blueprint)
    if app.debug:
        app.register_blueprint(styleguide.blueprint)
