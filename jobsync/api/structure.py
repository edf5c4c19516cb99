"""`/api/jobs/{id}/structure`: the one lightweight answer that keeps a page right, served as
bytes and kept while nothing has changed.
"""

import json
import re
import threading
from collections import OrderedDict, defaultdict

from flask import Response, current_app, request
from werkzeug.http import http_date

from jobsync import schemas, store
from jobsync.api.resource import Resource
from jobsync.base.errors import StoreUnreadable
from jobsync.db.transactions import read
from jobsync.store.structure import structure_of

blueprint = Resource(
    "structure", __name__, url_prefix="/api/jobs", description="What a page needs to be right"
)

SHAPE = 2  # of the answer: a new shape at the same revision is another entity
KEY = "jobsync.structures"
KEPT = 1000  # answers
PATH = re.compile(r"/api/jobs/([^/]+)/structure")


class Cache:
    """Keeps the answers of jobs, by the revision that they were made from.

    While the database is known not to have changed a kept answer is right as it is. After any
    change it is right if the job's revision is still the same, since everything in it makes the
    revision grow.
    """

    def __init__(self, changes):
        self._changes = changes
        self._version = None
        self._fresh = set()
        self._kept = OrderedDict()
        # by job: those that many ask for at once are made once, though others run meanwhile
        self._making = defaultdict(threading.Lock)

    def get(self, job_id):
        """Return `(revision, body)` as of now. Raises NotFound."""
        if not self.get_fresh(job_id):
            try:
                with self._making[job_id]:
                    return self._refreshed(job_id)
            finally:
                if not self._making[job_id].locked():
                    self._making.pop(job_id, None)
        return self._kept[job_id]

    def get_fresh(self, job_id):
        """Return `(revision, body)` as of now if that is known without reading any row, else
        None.
        """
        version = self._changes.version()
        if version != self._version:
            self._version = version
            self._fresh.clear()
        return self._kept[job_id] if job_id in self._fresh else None

    def _refreshed(self, job_id):
        if self.get_fresh(job_id):  # somebody has made it meanwhile
            return self._kept[job_id]
        version, kept = self._version, self._kept.get(job_id)
        with read() as connection:
            head = store.jobs.head(connection, job_id) if kept else None
            if not (head and head.revision == kept[0]):
                self._kept.pop(job_id, None)
                kept = _encoded(structure_of(connection, job_id))
        self._keep(job_id, kept, version)
        return kept

    def _keep(self, job_id, kept, version):
        """Keep what was read at a version of the database, or later.

        It is fresh as long as that is the present one.
        """
        self._kept[job_id] = kept
        self._kept.move_to_end(job_id)
        if version == self._version:
            self._fresh.add(job_id)
        if len(self._kept) > KEPT:
            self._fresh.discard(self._kept.popitem(last=False)[0])


def _encoded(structure):
    body = json.dumps(structure, ensure_ascii=False, separators=(",", ":")).encode()
    return structure["revision"], body


def init_app(app):
    """Keep answers for the app, and answer what is kept before Flask does."""
    cache = app.extensions[KEY] = Cache(app.extensions["jobsync.changes"])
    app.wsgi_app = FastPath(app.wsgi_app, cache)


class FastPath:
    """WSGI middleware that gives fresh answers itself: hundreds of viewers ask for one job's at the
    same moment, and Flask takes four times as long.

    Whatever is out of the ordinary (a query, a body, another method, an answer to be made first)
    goes on to Flask.
    """

    def __init__(self, wsgi_app, cache):
        self._wsgi_app = wsgi_app
        self._cache = cache

    def __call__(self, environ, start_response):
        path = PATH.fullmatch(environ["PATH_INFO"])
        fresh = self._fresh(path[1], environ) if path else None
        if fresh is None:
            return self._wsgi_app(environ, start_response)
        (revision, body), asked = fresh, environ.get("HTTP_IF_NONE_MATCH")
        etag = _etag(path[1], revision)
        if asked not in (None, f'"{etag}"'):  # several, or a weak one
            return _response(etag, body).make_conditional(environ)(environ, start_response)
        headers = [("Cache-Control", "no-cache"), ("Date", http_date()), ("ETag", f'"{etag}"')]
        if asked:
            start_response("304 NOT MODIFIED", headers)
            return []
        start_response(
            "200 OK",
            [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers],
        )
        return [body]

    def _fresh(self, job_id, environ):
        """Return what `Cache.get_fresh` does, None for a request out of the ordinary."""
        if environ["REQUEST_METHOD"] != "GET" or any(
            environ.get(name)
            for name in ("QUERY_STRING", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")
        ):
            return None
        try:
            return self._cache.get_fresh(job_id)
        except StoreUnreadable:  # Flask will stumble too, and say so as it says everything
            return None


@blueprint.get("/<job_id>/structure")
@blueprint.response(200, schemas.Structure)
@blueprint.alt_response(
    304, description="The revision named by If-None-Match is still the present one", success=True
)
def get_structure(job_id):
    """Get a job's status, revision and steps with their counts

    The ETag is made from the revision. The Date header has the server's clock.
    """
    revision, body = current_app.extensions[KEY].get(job_id)
    return _response(_etag(job_id, revision), body).make_conditional(request)


def _etag(job_id, revision):
    return f"{SHAPE}-{job_id}-{revision}"


def _response(etag, body):
    response = Response(body, mimetype="application/json", headers={"Cache-Control": "no-cache"})
    response.set_etag(etag)
    return response
