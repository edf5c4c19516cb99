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
        made = self._make(connection.dialect)
        return made.rows(self._run(connection, made, made.arguments(parameters)))

    def partitions(self, connection, parameters, size):
        """Yield lists of at most so many rows, fetched one list at a time."""
        made = self._make(connection.dialect)
        cursor = self._run(connection, made, made.arguments(parameters))
        while rows := made.rows(cursor.fetchmany(size)):
            yield rows

    def first(self, connection, parameters):
        """Return the first row, None if there is none."""
        rows = self.all(connection, parameters)
        return rows[0] if rows else None

    def change(self, connection, parameters):
        """Change rows, and return how many were."""
        made = self._make(connection.dialect)
        return self._run(connection, made, made.arguments(parameters)).rowcount

    def change_each(self, connection, many):
        """Change rows once for each dict of parameters."""
        made = self._make(connection.dialect)
        self._run(connection, made, [made.arguments(parameters) for parameters in many], True)

    def _make(self, dialect):
        made = self._made.get(dialect.name)
        if made is None:
            made = self._made[dialect.name] = _Made(self._statement, dialect)
        return made

    def _run(self, connection, made, arguments, is_many=False):
        cursor = connection.connection.cursor()
        run = cursor.executemany if is_many else cursor.execute
        errors = connection.dialect.loaded_dbapi.Error
        try:
            run(made.text, arguments)
        except errors as error:
            raise DBAPIError.instance(
                made.text, arguments, error, errors, dialect=connection.dialect, ismulti=is_many
            ) from error
        return cursor


class _Made:
    """A statement as one dialect says it."""

    def __init__(self, statement, dialect):
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self.text = str(compiled)
        self._names = compiled.positiontup or list(compiled.binds)
        self._is_positional = compiled.positional
        self._fixed = {}  # the values that the statement has of its own
        self._writers = {}  # what makes a value ready to be sent, by name
        for name in self._names:
            bind = compiled.binds.get(name)  # None for one of a list that the statement holds
            write = bind is not None and _of_type(bind.type, dialect).bind_processor(dialect)
            if bind is None or not bind.required:
                value = compiled.params[name]
                self._fixed[name] = write(value) if write else value
            elif write:
                self._writers[name] = write
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
        if self._is_positional:
            return [values[name] for name in self._names]
        return values

    def rows(self, cursor):
        if not self._readers:
            return list(map(self._row._make, cursor))
        return list(map(self._read, cursor))

    def _read(self, row):
        values = list(row)
        for place, reader in self._readers:
            values[place] = reader(values[place])
        return self._row._make(values)


def _of_type(kind, dialect):
    return kind.dialect_impl(dialect)
