"""The unbound `db` and `migrate`, and the `socketio` of the present app."""

from flask import current_app
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData
from werkzeug.local import LocalProxy

db = SQLAlchemy(
    metadata=MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
)
# Each app has one of its own (`live.realtime`): its rooms and viewers are nobody else's
socketio = LocalProxy(lambda: current_app.extensions["socketio"])
migrate = Migrate()
