"""How templates become text: as with Flask's `render_template`, but others run in between,
since the page of 1,000 steps takes a while.
"""

from flask import current_app

from jobsync.base.loop import in_turns


def render(name, **context):
    """Return the text that a template makes of what it is given."""
    current_app.update_template_context(context)
    return "".join(in_turns(current_app.jinja_env.get_template(name).generate(context)))
