"""`/docs`: the project's documents, made of the Markdown files in `docs/`.

`docs/README.md` is the index. Links between documents lead to their pages here. A link to any other
file of the project becomes plain text, since that file isn't served.
"""

import posixpath
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flask import Blueprint, Response, current_app, render_template, request
from markdown_it import MarkdownIt
from markupsafe import Markup

from jobsync.base.errors import NotFound
from jobsync.base.loop import outside
from jobsync.base.regular_files import Unfit, read_regular
from jobsync.web.assets import Assets

INDEX = "README"  # the document that `/docs` shows
NAME = re.compile("[a-z0-9-]{1,64}")  # of every other document, without `.md`
PICTURES = (".png", ".svg")
LARGEST = 1024 * 1024  # bytes of a document
KEY = "jobsync.documents"

blueprint = Blueprint("documents", __name__)


@dataclass(frozen=True)
class Document:
    """A document as it is shown.

    links: `(address, text)` of its links to other documents, in their order.
    """

    title: str
    html: Markup
    links: tuple


class Documents:
    """The documents of a folder, and the pictures in it. base: the address of the index."""

    def __init__(self, folder, base="/docs"):
        self._folder = folder
        self._base = base
        self._kept = {}  # name → (text, Document)
        self.pictures = Assets(folder)

    def get(self, name):
        """Return a Document, made anew if its file has another text by now. Raises NotFound."""
        try:
            text = read_regular(self._folder / f"{name}.md", LARGEST).decode("utf-8", "replace")
        except (OSError, Unfit) as error:
            raise NotFound(f"There is no document {name!r}.") from error
        if name not in self._kept or self._kept[name][0] != text:
            self._kept[name] = text, outside(partial(document_of, text, self._base))
        return self._kept[name][1]


@blueprint.record
def _begin(state):
    state.app.extensions[KEY] = Documents(Path(state.app.root_path) / "docs")


@blueprint.after_request
def _forbid_stale_copies(response):
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.get("/docs")
def show_index():
    """Show the index of the documents."""
    return _page(INDEX)


@blueprint.get("/docs/<path:name>")
def show(name):
    """Show a document, or send a picture that one shows."""
    if name.endswith(PICTURES):
        return _picture(name)
    if not NAME.fullmatch(name):
        raise NotFound(f"There is no document {name!r}.")
    return _page(name)


def _page(name):
    documents = current_app.extensions[KEY]
    return render_template(
        "docs/page.html",
        document=documents.get(name),
        documents=documents.get(INDEX).links,
        is_index=name == INDEX,
    )


def _picture(name):
    picture = current_app.extensions[KEY].pictures.get(name)
    response = Response(picture.body, mimetype=picture.mimetype)
    response.set_etag(picture.etag)
    return response.make_conditional(request)


def document_of(text, base):
    """Return the Document that a text in Markdown makes. base: the address of the index."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    headings = _name_headings(tokens)
    links = []
    for token in tokens:
        token.attrs.pop("style", None)  # a column's alignment: pages have no styles of their own
        if token.type == "inline":
            links += _lead_links(token.children, base)
    html = markdown.renderer.render(tokens, markdown.options, {})
    # What scrolls sideways is reached by the Tab key. All markup of a text itself is escaped by now
    html = html.replace("<pre>", '<pre tabindex="0">')
    html = html.replace("<table>", '<div class="table-frame" tabindex="0"><table>')
    html = html.replace("</table>", "</table></div>")
    return Document(headings[0] if headings else "Document", Markup(html), tuple(links))


# Headings


def _name_headings(tokens):
    """Give each heading the id by which links find it, and return their texts."""
    texts = []
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            texts.append(_text_of(tokens[place + 1].children))
    names = heading_ids(texts)
    for token in tokens:
        if token.type == "heading_open":
            token.attrSet("id", next(names))
    return texts


def heading_ids(texts):
    """Yield the ids of a document's headings, as the usual hosts of repositories make them: small
    letters, hyphens for spaces, nothing but letters, digits, `_` and `-`, and a number after a
    repeated one.
    """
    seen = {}
    for text in texts:
        name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        number = seen[name] = seen.get(name, -1) + 1
        yield f"{name}-{number}" if number else name


def _text_of(tokens):
    return "".join(token.content for token in tokens)


# Links


def _lead_links(tokens, base):
    """Have the links and pictures of a line lead to what is served here, and make plain text of
    the other links.

    Returns `(address, text)` of the links to documents.
    """
    found, is_dropped = [], False
    for place, token in enumerate(tokens):
        if token.type == "image":
            token.attrSet("src", posixpath.join(base, token.attrs["src"]))
        elif token.type == "link_open":
            address = _address_of(token.attrs["href"], base)
            is_dropped = token.hidden = address is None
            if address is None:
                continue
            if address.startswith(f"{base}/"):
                found.append((address, _text_of(_up_to_end(tokens[place + 1 :]))))
            token.attrSet("href", address)
        elif token.type == "link_close":
            token.hidden = is_dropped
    return found


def _up_to_end(tokens):
    for token in tokens:
        if token.type == "link_close":
            return
        yield token


def _address_of(link, base):
    """Return where a document's link leads on a server, None for a file that isn't served."""
    path, sign, anchor = link.partition("#")
    if not path or re.match("[a-z]+:", link):
        return link
    name, ending = posixpath.splitext(path)
    if ending != ".md" or "/" in name:
        return None
    return (base if name == INDEX else f"{base}/{name}") + sign + anchor
