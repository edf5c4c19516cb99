"""jobsync runs multi-step jobs and shows every viewer the truth about them, live."""

from flask import Flask, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from jobsync import api, cli, security, web
from jobsync.base.errors import JobsyncError, StoreUnreadable
from jobsync.base.metrics import Metrics
from jobsync.db import changes, extensions, transactions
from jobsync.db.engine import dialect_of, engine_options
from jobsync.db.migrate import MIGRATIONS
from jobsync.db.transactions import WriteProbe
from jobsync.definitions import Definitions
from jobsync.live import realtime
from jobsync.registry import Registry
from jobsync.steps import BUILT_IN
from jobsync.store.listing import KeptCounts
from jobsync.store.workers import Heartbeats

MAX_BODY = 1024 * 1024
ROOT = MIGRATIONS.parent


def create_app(settings, async_mode="threading"):
    """Put the rooms together and return the Flask app.

    settings: a config.Settings. async_mode: "eventlet" where eventlet serves, "threading"
    everywhere else. Starts nothing.
    """
    # web.assets sends what is in static/
    app = Flask(__name__, root_path=str(ROOT), static_folder=None)
    app.config.from_mapping(
        MAX_CONTENT_LENGTH=MAX_BODY,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url),
        DATA_DIR=str(settings.data_dir),
        LOG_LIMIT=settings.log_limit,
        LOG_BYTES=settings.log_bytes,
        WORKERS=settings.workers,
        PAINT_SAMPLING=settings.paint_sampling,
        PROPAGATE_EXCEPTIONS=False,  # in debug mode as well: eventlet's server would swallow them
    )
    # `//` is another path, which isn't there: no redirect with a page for those who asked for JSON
    app.url_map.merge_slashes = False
    app.json.sort_keys = False
    app.extensions["jobsync.metrics"] = Metrics()
    app.extensions["jobsync.heartbeats"] = Heartbeats()
    app.extensions["jobsync.write_probe"] = WriteProbe()
    app.extensions["jobsync.counts"] = KeptCounts()
    types = app.extensions["jobsync.registry"] = _registry()
    app.extensions["jobsync.definitions"] = Definitions(settings.definitions, types)
    _open_store(app)
    _open_doors(app, settings, async_mode)
    return app


def _registry():
    types = Registry(*BUILT_IN)
    types.register_entry_points()
    return types


def _open_store(app):
    # Not imported by name: `jobsync.db` is the package
    db = extensions.db
    db.init_app(app)
    extensions.migrate.init_app(app, db, directory=str(MIGRATIONS))
    with app.app_context():
        dialect_of(db.engine).prepare(db.engine)
    transactions.init_app(app)
    changes.init_app(app)


def _open_doors(app, settings, async_mode):
    api.init_app(app)
    web.init_app(app)
    cli.init_app(app)
    realtime.init_app(app, async_mode)
    app.register_error_handler(HTTPException, _show_error)
    app.register_error_handler(JobsyncError, _show_error)
    app.register_error_handler(SQLAlchemyError, _show_store_error)
    security.init_app(app, settings.allowed_hosts)


def _show_error(error):
    """Answer an error in the language of the door that it came through."""
    door = api if request.path.startswith(api.PATHS) else web
    return door.show_error(error)


def _show_store_error(error):
    """Answer for a database that can't be read now; any other error of it is ours, and a 500.

    What can't be written `write` tells.
    """
    orig = dialect_of(extensions.db.engine).unusable(error)
    if orig is None:
        raise error
    return _show_error(StoreUnreadable(f"The database can't be read: {orig}."))
