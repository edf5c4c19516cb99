"""Files of the same bytes, found by their hashes.

Of a million files hardly any are copies, so their hashes are looked through first, short and
without their paths.
"""

from array import array

from jobsync.steps.codebase.sentences import counted, readable, shorten

MAX_GROUPS = 20
MAX_PATHS = 5


class Duplicates:
    """Groups of files with the same hash. Empty files, and files that weren't read, are no one's
    copies.

    files: all the files of an import, to be looked through once; then each is to be added.
    """

    def __init__(self, files):
        keys = sorted(array("Q", (key_of(file) for file in files if may_be_copied(file))))
        self._repeated = {
            key for key, following in zip(keys, keys[1:], strict=False) if key == following
        }
        self._first = {}  # hash → path, of those whose key is repeated
        self._groups = {}  # hash → [bytes of one, number of files, first paths]

    def add(self, file):
        """Add a file of an import."""
        if not may_be_copied(file) or key_of(file) not in self._repeated:
            return
        digest, path = file["sha256"], file["path"]
        group = self._groups.get(digest)
        if group:
            group[1] += 1
            if len(group[2]) < MAX_PATHS:
                group[2].append(path)
        elif digest in self._first:
            self._groups[digest] = [file["size"], 2, [self._first[digest], path]]
        else:
            self._first[digest] = path

    @property
    def copies(self):
        """Return the number of files that are copies of another one."""
        return sum(number - 1 for _, number, _ in self._groups.values())

    @property
    def wasted(self):
        """Return the bytes of these copies."""
        return sum(size * (number - 1) for size, number, _ in self._groups.values())

    def words(self):
        """Return "12 copies of 5 files, 34.5 kB", None if there are none."""
        return (
            (
                f"{counted(self.copies, 'copy', 'copies')} of "
                f"{counted(len(self._groups), 'file')}, {readable(self.wasted)}"
            )
            if self._groups
            else None
        )

    def report(self):
        """Return {"copies", "of": files, "bytes": of the copies, "examples": [{"files",
        "bytes": of one, "paths": the first few}]}, the heaviest first.
        """
        heaviest = sorted(
            self._groups.values(), key=lambda group: (-group[0] * (group[1] - 1), group[2])
        )[:MAX_GROUPS]
        examples = [
            {"files": number, "bytes": size, "paths": [shorten(path) for path in paths]}
            for size, number, paths in heaviest
        ]
        return {
            "copies": self.copies,
            "of": len(self._groups),
            "bytes": self.wasted,
            "examples": examples,
        }


def may_be_copied(file):
    return bool(file["sha256"] and file["size"])


def key_of(file):
    """Return the first 64 bits of a file's hash."""
    return int(file["sha256"][:16], 16)
