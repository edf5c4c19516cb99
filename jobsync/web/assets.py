"""Scripts, styles, pictures and pages as they are sent: gzipped; scripts and styles without
comments and white space, made once and kept.

So the sources can say why and the pages stay light, with no build step. `flask --debug` sends the
sources as they are.
"""

import gzip
import hashlib
import mimetypes
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import rcssmin
import rjsmin
from flask import Response, current_app, request
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join

from jobsync.base.loop import outside
from jobsync.base.regular_files import Unfit, read_regular

MINIFIERS = {".js": rjsmin.jsmin, ".css": rcssmin.cssmin}
TEXT = ("text/", "image/svg+xml", "application/json")
LARGEST = 16 * 1024 * 1024  # bytes of a file, as all of it is kept
WORTH_IT = 1400  # bytes of a page: what is shorter goes in one packet anyway
NEVER = "vendor"  # third-party files are sent to the letter, as their sums say

# whatever the machine's own table says: a browser runs no module of another type
mimetypes.add_type("text/javascript", ".js")


@dataclass(frozen=True)
class Asset:
    """A file as it is sent.

    `made_of` is the file's time and size, `zipped` is None where that saves nothing.
    """

    made_of: tuple
    mimetype: str
    body: bytes
    zipped: bytes | None
    etag: str


class Assets:
    """Makes Assets of the files of a folder and keeps them."""

    def __init__(self, folder):
        self._folder = str(folder)
        self._kept = {}

    def get(self, name, is_raw=False):
        """Return the Asset of a file.

        Raises werkzeug's NotFound for what isn't a file of the folder.
        """
        path = _inside(self._folder, name)
        stat = path.stat()
        made_of = (stat.st_mtime_ns, stat.st_size, is_raw)
        kept = self._kept.get(name)
        if kept is None or kept.made_of != made_of:
            kept = self._kept[name] = _make(path, made_of, is_raw)
        return kept


def _inside(folder, name):
    path = safe_join(folder, name)
    if path is None or not os.path.isfile(path):
        raise NotFound()
    return Path(path)


def _make(path, made_of, is_raw):
    try:
        body = read_regular(path, LARGEST)
    except (Unfit, OSError) as error:
        raise NotFound(
            f"/static/{path.name} can't be sent: it {error}." if isinstance(error, Unfit) else None
        ) from error
    minify = MINIFIERS.get(path.suffix)
    if minify and not is_raw and NEVER not in path.parts:
        body = minify(body.decode()).encode()
    mimetype = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    zipped = gzip.compress(body, 9, mtime=0) if mimetype.startswith(TEXT) else body
    return Asset(
        made_of,
        mimetype,
        body,
        zipped if len(zipped) < len(body) else None,
        hashlib.sha256(body).hexdigest()[:16],
    )


def init_app(app):
    """Serve the app's static folder as the endpoint `static`."""
    assets = Assets(Path(app.root_path) / "static")

    @app.get("/static/<path:filename>", endpoint="static")
    def send(filename):
        return _response(assets.get(filename, is_raw=current_app.debug))

    app.after_request(_zip_page)


def _zip_page(response):
    """Gzip a page for those who take it.

    Its ETag becomes a weak one: the same page, not the same bytes.
    """
    if (
        response.mimetype != "text/html"
        or response.direct_passthrough
        or response.is_streamed
        or response.content_encoding
    ):
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] > 0 and response.calculate_content_length() > WORTH_IT:
        response.set_data(outside(partial(gzip.compress, response.get_data(), 5, mtime=0)))
        response.content_encoding = "gzip"
        etag, _ = response.get_etag()
        if etag:
            response.set_etag(etag, weak=True)
    return response


def _response(asset):
    is_zipped = asset.zipped is not None and request.accept_encodings["gzip"] > 0
    response = Response(
        asset.zipped if is_zipped else asset.body,
        mimetype=asset.mimetype,
        headers={"Cache-Control": "no-cache"},
    )
    if asset.zipped is not None:
        response.vary.add("Accept-Encoding")
    if is_zipped:
        response.content_encoding = "gzip"
    response.set_etag(f"{asset.etag}-gzip" if is_zipped else asset.etag)
    return response.make_conditional(request)
