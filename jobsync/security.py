"""Who may talk to the server at all: hosts and origins, checked before anything else sees a
request, and the headers of its answers.

An allowed `Host` stops DNS rebinding (a foreign name that points at 127.0.0.1); an `Origin` other
than one's own host stops other sites' pages from writing, reading or opening a socket, and so does
`Sec-Fetch-Site` where a browser sends no `Origin`.
"""

import ipaddress
import json
import re
import string
from urllib.parse import quote

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


SOCKET_PATH = "/socket.io"  # of Engine.IO
# a name or address, and a port
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")


class Gate:
    """WSGI middleware outside of everything, Engine.IO included: refuses foreign hosts and
    origins with 403, and adds HEADERS to all answers.
    """

    def __init__(self, wsgi_app, allowed_hosts):
        self._wsgi_app = wsgi_app
        self._allowed = frozenset(allowed_hosts)

    def __call__(self, environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, _with_ours(headers), exc_info)

        reason = self._refusal(
            environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN")
        ) or _fetched_from_elsewhere(environ)
        if reason:
            return _refuse(environ, start, reason)
        query = environ.get("QUERY_STRING", "")
        if not query.isascii():
            environ["QUERY_STRING"] = _escaped(query)
        return self._wsgi_app(environ, start)

    def _refusal(self, host, origin):
        host = host.lower()
        if not self._is_allowed(host):
            return "This Host is not allowed. JOBSYNC_ALLOWED_HOSTS names those that are."
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            return "Requests from another origin are not allowed."
        return None

    def _is_allowed(self, host):
        match = HOST.fullmatch(host)
        return bool(match) and (
            host in self._allowed or match[1] in self._allowed or is_loopback(match[1])
        )


def _fetched_from_elsewhere(environ):
    """Return why a request is refused that another site's page makes, None if it may pass.

    Such a request need not have an `Origin` (an image, a `fetch` without CORS), but browsers say
    where it comes from. Following a link to a page is all that another site may let one do.
    Engine.IO's path opens a session with each GET, so not even the same site's other ports may.
    """
    site = environ.get("HTTP_SEC_FETCH_SITE", "").strip().lower()
    is_socket = environ.get("PATH_INFO", "").startswith(SOCKET_PATH)
    if site == "same-site" and is_socket:
        return "Requests of other pages are not allowed here."
    if site == "cross-site" and (is_socket or not _opens_page(environ)):
        return "Requests of other sites' pages are not allowed."
    return None


def _opens_page(environ):
    mode, goal = environ.get("HTTP_SEC_FETCH_MODE", ""), environ.get("HTTP_SEC_FETCH_DEST", "")
    return environ["REQUEST_METHOD"] in ("GET", "HEAD") and (
        mode.strip().lower(),
        goal.strip().lower(),
    ) == ("navigate", "document")


def _refuse(environ, start, reason):
    body = json.dumps(
        {"code": 403, "status": "Forbidden", "message": reason, "errors": {}}
    ).encode()
    start(
        "403 Forbidden", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _with_ours(headers):
    """Return an answer's headers with those of HEADERS that it doesn't set itself."""
    own = {name.lower() for name, _ in headers}
    return [
        *headers,
        *((name, value) for name, value in HEADERS.items() if name.lower() not in own),
    ]


def _escaped(query):
    """Return a query string with raw bytes written as browsers do (`%ff`): Flask stumbles over
    the bytes themselves.
    """
    return quote(query.encode("latin-1"), safe=string.printable)


def is_loopback(name):
    """Say whether a host name (IPv6 in brackets) is loopback."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def init_app(app, allowed_hosts):
    """Put the gate in front of the app. Call it after everything else that wraps `wsgi_app`."""
    app.wsgi_app = Gate(app.wsgi_app, allowed_hosts)
