"""Statements of short transactions that are run thousands of times a second.

SQLAlchemy takes several times as long for a short statement as the database does. What is the same
each time is made once here: the text in the dialect's words, the order of the parameters, and what
their types do to values.
"""

from collections import namedtuple

from sqlalchemy.exc import DBAPIError


class Prepared:
    """A Core statement that the database's driver runs itself.

    The parameters that it is given have names and are one value each. It is run within the
    transaction of a Connection. Errors are SQLAlchemy's own, as if that had run it. What
    listens to SQLAlchemy's cursors hears nothing of it.
    """

    def __init__(self, statement):
        self._statement = statement
        self._made = {}  # by the dialect's name

    def all(self, connection, parameters):
        """Return the rows as named tuples. parameters: a dict of all that have no value yet."""
        run = self._run_on(connection, parameters)
        return run.made.rows(run.do(lambda: run.execute().fetchall()))

    def partitions(self, connection, parameters, size):
        """Yield lists of at most so many rows, fetched one list at a time."""
        run = self._run_on(connection, parameters)
        cursor = run.do(run.execute)
        while rows := run.do(lambda: cursor.fetchmany(size)):
            yield run.made.rows(rows)

    def first(self, connection, parameters):
        """Return the first row, None if there is none. All are fetched: the statement is one that
        finds few.
        """
        rows = self.all(connection, parameters)
        return rows[0] if rows else None

    def change(self, connection, parameters):
        """Change rows, and return how many were."""
        run = self._run_on(connection, parameters)
        return run.do(run.execute).rowcount

    def change_each(self, connection, many):
        """Change rows once for each dict of parameters."""
        made = self._make(connection.dialect)
        run = _Run(connection, made, [made.arguments(parameters) for parameters in many])
        run.do(run.execute_each)

    def _run_on(self, connection, parameters):
        made = self._make(connection.dialect)
        return _Run(connection, made, made.arguments(parameters))

    def _make(self, dialect):
        made = self._made.get(dialect.name)
        if made is None:
            made = self._made[dialect.name] = _Made(self._statement, dialect)
        return made


class _Run:
    """One run of a statement."""

    def __init__(self, connection, made, arguments):
        self.made = made
        self._dialect = connection.dialect
        self._cursor = connection.connection.cursor()
        self._arguments = arguments

    def execute(self):
        return self._cursor.execute(self.made.text, self._arguments)

    def execute_each(self):
        self._cursor.executemany(self.made.text, self._arguments)

    def do(self, call):
        """Return what the call does. Raises SQLAlchemy's error for one of the driver."""
        errors = self._dialect.loaded_dbapi.Error
        try:
            return call()
        except errors as error:
            raise DBAPIError.instance(
                self.made.text, self._arguments, error, errors, dialect=self._dialect
            ) from error


class _Made:
    """A statement as one dialect says it."""

    def __init__(self, statement, dialect):
        compiled = statement.compile(dialect=dialect)
        given = {name for name, bind in compiled.binds.items() if bind.required}
        # with the lists that the statement holds written out
        state = compiled.construct_expanded_state(dict.fromkeys(given))
        self.text = state.statement
        self._names = state.positiontup
        # what makes a value ready to be sent, by name
        writers = {
            name: _of_type(bind.type, dialect).bind_processor(dialect)
            for name, bind in compiled.binds.items()
        }
        # the values that the statement has of its own
        self._fixed = {
            name: writers[name](value) if writers.get(name) else value
            for name, value in state.parameters.items()
            if name not in given
        }
        self._writers = {name: writers[name] for name in given if writers[name]}
        self._row, self._readers = None, []
        columns = getattr(statement, "exported_columns", ())
        if columns:
            self._row = namedtuple("Row", [column.key for column in columns])
            read = [_of_type(column.type, dialect).result_processor for column in columns]
            self._readers = [
                (place, reader)
                for place, reader in enumerate(make(dialect, None) for make in read)
                if reader
            ]

    def arguments(self, parameters):
        values = {**self._fixed, **parameters}
        for name, write in self._writers.items():
            values[name] = write(values[name])
        return values if self._names is None else [values[name] for name in self._names]

    def rows(self, found):
        return list(map(self._read if self._readers else self._row._make, found))

    def _read(self, row):
        values = list(row)
        for place, reader in self._readers:
            values[place] = reader(values[place])
        return self._row._make(values)


def _of_type(kind, dialect):
    return kind.dialect_impl(dialect)
