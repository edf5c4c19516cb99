"""How templates become text: as with Flask's `render_template`, but others run in between,
since the page of 1,000 steps takes a while.
"""

from flask import current_app

from jobsync.base.loop import in_turns


def render(name, **context):
    """Return what a template makes of what it is given, in UTF-8.

    It is encoded piece by piece: to encode a large page at once would hold everybody up too.
    """
    current_app.update_template_context(context)
    pieces = current_app.jinja_env.get_template(name).generate(context)
    return b"".join(piece.encode() for piece in in_turns(pieces))
