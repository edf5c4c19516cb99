"""A folder of definitions, read again as its files change."""

import os
import threading
from dataclasses import replace
from pathlib import Path

from jobsync.base.errors import NotFound
from jobsync.base.text import path_to_text, printable
from jobsync.definitions.mistakes import Problem, quote
from jobsync.definitions.reading import Reading, read_file


class Definitions:
    """The definitions in a folder. types: a Registry.

    Each call looks whether files have come, gone or changed, and reads those again.
    """

    def __init__(self, folder, types):
        self._folder = Path(folder)
        self._types = types
        self._last = ([], {})  # the step types that there were, and the Readings by file name
        # green in the web process: what many ask for at once is read once, though others run
        # meanwhile
        self._looking = threading.Lock()

    def all(self):
        """Return the good definitions, sorted by name."""
        good = [reading.definition for reading in self._look() if reading.definition]
        return sorted(good, key=lambda definition: (definition.name.casefold(), definition.id))

    def find(self, definition_id):
        """Return a definition by its id.

        Raises NotFound, which says so when its file has mistakes.
        """
        found = {reading.id: reading for reading in self._look() if reading.id}.get(definition_id)
        if found is None:
            raise NotFound(f"There is no definition {quote(definition_id)}.")
        if found.definition is None:
            others = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
            raise NotFound(
                f"The definition {quote(definition_id)} can't be used, its file has mistakes: "
                f"{found.problems[0]}{others}."
            )
        return found.definition

    def problems(self):
        """Return the mistakes of all files, sorted by file."""
        return [problem for reading in self._look() for problem in reading.problems]

    def read_again(self):
        """Read all files again, changed or not.

        Returns how many definitions there are, and the mistakes as `problems` does.
        """
        self._last = ([], {})
        return len(self.all()), self.problems()

    def _look(self):
        """Return the present Readings, sorted by file."""
        with self._looking:
            return self._look_now()

    def _look_now(self):
        try:
            files = sorted(
                file
                for file in os.listdir(self._folder)
                if file.endswith(".toml") and not file.startswith(".")
            )
        except OSError as error:
            folder = printable(path_to_text(self._folder))
            return [
                Reading(
                    folder,
                    problems=(
                        Problem(
                            folder, "", f"the folder of definitions can't be read: {error.strerror}"
                        ),
                    ),
                )
            ]
        types = self._types.names()
        known = self._last[1] if self._last[0] == types else {}
        readings = {
            file: read_file(self._folder / file, self._types, known.get(file)) for file in files
        }
        self._last = (types, readings)
        return list(_without_twins(readings.values()))


def _without_twins(readings):
    """Yield the Readings.

    One with the id of an earlier one loses it and its definition: the first file by name has it,
    good or bad.
    """
    owners = {}
    for reading in readings:
        owner = owners.setdefault(reading.id, reading) if reading.id else reading
        if owner is not reading:
            problem = Problem(
                reading.file,
                "id",
                f"{quote(reading.id)} is the id of {owner.file} already; this file is passed over",
            )
            reading = replace(
                reading, id=None, definition=None, problems=(*reading.problems, problem)
            )
        yield reading
