"""Alembic's environment: migrations run on the app's own engine."""

from alembic import context
from flask import current_app

database = current_app.extensions["migrate"].db


def run_migrations():
    with database.engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=database.metadata, render_as_batch=True
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


run_migrations()
