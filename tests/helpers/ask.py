"""Asking the store from a test, each time in a transaction of its own. Needs an app context."""

from jobsync.db.transactions import read
from jobsync.store import listing, logs


def ask(query, *arguments, **options):
    """Return what a query of `jobsync.store` answers."""
    with read() as connection:
        return query(connection, *arguments, **options)


def fetch(statement, given=None):
    """Return the Result of a statement in a transaction of its own."""
    with read() as connection:
        return connection.execute(statement, given).freeze()()


def lines_page(job_id, step_name, q=None, **options):
    """Return a page of lines, as the API gives it."""
    if q:
        return logs.search(job_id, step_name, q, **options)
    return ask(logs.page, job_id, step_name, **options)


def jobs_page(status=(), definition=None, q=None, since=None, until=None, limit=50, cursor=None):
    """Return a page of jobs, as the API gives it."""
    wanted = listing.Wanted(tuple(status), definition, q, since, until)
    return listing.page(wanted, limit, cursor)
