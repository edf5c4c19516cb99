"""Asking the store from a test."""

from jobsync.db.transactions import read


def ask(query, *arguments, **options):
    """Return what a query of `jobsync.store` answers in a transaction of its own.

    Needs an app context.
    """
    with read() as session:
        return query(session, *arguments, **options)
