"""Scripts, styles and pictures as they are sent: without comments and white space, gzipped, made once and kept until the file changes.

So the sources can say why and the pages stay light, with no build step. `flask --debug` sends the sources as they are.
"""

import gzip
import hashlib
import mimetypes
import os
from dataclasses import dataclass
from pathlib import Path

import rcssmin
import rjsmin
from flask import Response, current_app, request
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join

MINIFIERS = {".js": rjsmin.jsmin, ".css": rcssmin.cssmin}
TEXT = ("text/", "image/svg+xml", "application/json")
NEVER = "vendor"  # third-party files are sent to the letter, as their sums say

mimetypes.add_type("text/javascript", ".js")  # whatever the machine's own table says: a browser runs no module of another type


@dataclass(frozen=True)
class Asset:
    """A file as it is sent. `made_of` is the file's time and size, `zipped` is None where that saves nothing."""

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
        """Return the Asset of a file. Raises werkzeug's NotFound for what isn't a file of the folder."""
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
    body = path.read_bytes()
    minify = MINIFIERS.get(path.suffix)
    if minify and not is_raw and NEVER not in path.parts:
        body = minify(body.decode()).encode()
    mimetype = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    zipped = gzip.compress(body, 9, mtime=0) if mimetype.startswith(TEXT) else body
    return Asset(made_of, mimetype, body, zipped if len(zipped) < len(body) else None, hashlib.sha256(body).hexdigest()[:16])


def init_app(app):
    """Serve the app's static folder as the endpoint `static`."""
    assets = Assets(Path(app.root_path) / "static")

    @app.get("/static/<path:filename>", endpoint="static")
    def send(filename):
        return _response(assets.get(filename, is_raw=current_app.debug))


def _response(asset):
    is_zipped = asset.zipped is not None and request.accept_encodings["gzip"] > 0
    response = Response(asset.zipped if is_zipped else asset.body, mimetype=asset.mimetype, headers={"Cache-Control": "no-cache"})
    if asset.zipped is not None:
        response.vary.add("Accept-Encoding")
    if is_zipped:
        response.content_encoding = "gzip"
    response.set_etag(f"{asset.etag}-gzip" if is_zipped else asset.etag)
    return response.make_conditional(request)
