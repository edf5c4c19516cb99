"""The REST door: a blueprint per resource, one shape of error, and the OpenAPI document that
tells of both.
"""

from flask_smorest import Api

from jobsync import schemas
from jobsync.api import (
    children,
    definitions,
    docs,
    health,
    jobs,
    logs,
    metrics,
    structure,
    workers,
)
from jobsync.api.resource import show_error

PATHS = ("/api", "/healthz", "/readyz", "/metrics", "/socket.io")
BLUEPRINTS = (definitions, jobs, structure, children, logs, workers, health, metrics)

__all__ = ["PATHS", "init_app", "show_error"]


class _Api(Api):
    """flask-smorest's Api without its error handlers: `create_app` knows which door answers."""

    ERROR_SCHEMA = schemas.Error

    def _register_error_handlers(self):
        pass


def init_app(app):
    """Register the blueprints and serve `/api/openapi.json` and `/api/docs`."""
    app.config.update(
        API_TITLE="jobsync",
        API_VERSION="1",
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/api",
        OPENAPI_JSON_PATH="openapi.json",
    )
    api = _Api(app)
    for module in BLUEPRINTS:
        api.register_blueprint(module.blueprint)
    structure.init_app(app)
    app.register_blueprint(docs.blueprint(api.spec))
