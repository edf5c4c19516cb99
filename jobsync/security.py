"""Who may talk to the server at all: hosts and origins, checked before anything else sees a request, and the headers of its answers.

An allowed `Host` stops DNS rebinding (a foreign name that points at 127.0.0.1); an `Origin` other than one's own host stops other
sites' pages from writing, reading or opening a socket.
"""

import ipaddress
import json
from urllib.parse import urlsplit

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


class Gate:
    """WSGI middleware outside of everything, Engine.IO included: refuses foreign hosts and origins with 403."""

    def __init__(self, wsgi_app, allowed_hosts):
        self._wsgi_app = wsgi_app
        self._allowed = frozenset(allowed_hosts)

    def __call__(self, environ, start_response):
        reason = self._refusal(environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN"))
        if reason is None:
            return self._wsgi_app(environ, start_response)
        body = json.dumps({"code": 403, "status": "Forbidden", "message": reason, "errors": {}}).encode()
        start_response("403 Forbidden", [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *HEADERS.items()])
        return [body]

    def _refusal(self, host, origin):
        host = host.lower()
        if not self._is_allowed(host):
            return "This Host is not allowed. JOBSYNC_ALLOWED_HOSTS names those that are."
        if origin is not None and _host_of(origin) != host:
            return "Requests from another origin are not allowed."
        return None

    def _is_allowed(self, host):
        name = _name_of(host)
        return host in self._allowed or name in self._allowed or is_loopback(name)


def is_loopback(name):
    """Say whether a host name (IPv6 in brackets) is loopback."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def _name_of(host):
    """Return a Host header's name without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _host_of(origin):
    """Return what the `Host` header would be for an origin, or None for one that isn't http(s), such as `null`."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return None
    return parts.netloc if parts.scheme in ("http", "https") else None


def init_app(app, allowed_hosts):
    """Put the gate in front of the app and the headers on its answers. Call it after everything that wraps `wsgi_app`."""
    app.wsgi_app = Gate(app.wsgi_app, allowed_hosts)
    app.after_request(_add_headers)


def _add_headers(response):
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
