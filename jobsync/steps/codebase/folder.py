"""Looking into a folder without ever leaving it: no link is followed, at no part of a path, and
nothing but plain files is opened.

A path inside the folder is a tuple of names: `()` is the folder itself, `("src", "a.py")` a file
below it. Every name is opened relative to the folder above it, so that a folder that is swapped for
a link meanwhile leads nowhere.
"""

import errno
import os
import stat
from operator import attrgetter
from typing import NamedTuple

from jobsync.base.errors import JobsyncError, StepFailed
from jobsync.base.text import path_to_text, printable, storable, text_to_path

CHUNK = 1 << 20
OPEN_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
OPEN_FOLDER = OPEN_ROOT | os.O_NOFOLLOW
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}

FILE, FOLDER, LINK = "file", "folder", "symbolic link"
KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: FOLDER,
    stat.S_IFLNK: LINK,
    stat.S_IFIFO: "named pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


class Entry(NamedTuple):
    """Something in a folder. kind: a value of KINDS. size: bytes of a file, 0 for all else and
    where it couldn't be asked for.
    """

    parts: tuple
    kind: str
    size: int


class Folder:
    """An open folder, to be used in a `with`. Its methods raise OSError."""

    def __init__(self, path):
        """Open the folder at `path`, which may be a link itself.

        Raises StepFailed when there is no such folder to read.
        """
        self._root = open_root(path)
        self._inner = None
        self._inner_parts = ()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._close_inner()
        os.close(self._root)

    def entries(self, parts, sized=True):
        """Return the Entries of a folder, sorted by name.

        Without `sized` files needn't be asked for their sizes, which are 0 then.
        """
        descriptor = self._open_folder(parts)
        with os.scandir(descriptor) as found:
            items = sorted(found, key=attrgetter("name"))
            return [
                Entry((*parts, item.name), *about)
                for item in items
                if (about := kind_and_size(item, sized))
            ]

    def stat(self, parts):
        """Return `os.lstat` of a path inside the folder."""
        return os.stat(parts[-1], dir_fd=self._open_folder(parts[:-1]), follow_symlinks=False)

    def link_target(self, parts):
        """Return what a link says, as text. Whether that exists, and where, isn't looked at."""
        return path_to_text(os.readlink(parts[-1], dir_fd=self._open_folder(parts[:-1])))

    def open(self, parts):
        """Open a plain file for reading, unbuffered.

        Raises OSError for anything else, which is never waited for.
        """
        descriptor = os.open(parts[-1], OPEN_FILE, dir_fd=self._open_folder(parts[:-1]))
        # The caller saw a plain file, but between its look and this open a pipe may have taken the
        # file's place.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return os.fdopen(descriptor, "rb", buffering=0)

    def _open_folder(self, parts):
        """Return a descriptor of a folder, good until the next call: files come folder by
        folder, so the last one is kept.
        """
        if not parts:
            return self._root
        if parts != self._inner_parts:
            self._close_inner()
            self._inner = self._descend(parts)
            self._inner_parts = parts
        return self._inner

    def _descend(self, parts):
        descriptor = self._root
        for name in parts:
            try:
                inner = os.open(name, OPEN_FOLDER, dir_fd=descriptor)
            finally:
                if descriptor != self._root:
                    os.close(descriptor)
            descriptor = inner
        return descriptor

    def _close_inner(self):
        if self._inner is not None:
            os.close(self._inner)
        self._inner = None
        self._inner_parts = ()


def parts_of(path):
    """Return the parts of a path text.

    Those of several paths compare as their places in the order of a walk do.
    """
    return tuple(text_to_path(path).split("/"))


def open_root(path):
    """Return a descriptor of the folder at `path`.

    Raises StepFailed with one line that names it.
    """
    try:
        return os.open(path, OPEN_ROOT)
    except FileNotFoundError:
        reason = "no such folder"
    except NotADirectoryError:
        reason = "not a folder"
    except OSError as error:
        reason = error.strerror
    except ValueError:
        reason = "not the name of a folder"
    raise StepFailed(f"{shown(path)}: {reason}")


def shown(path):
    """Return a path (as `os` functions take it) as one line for people."""
    return printable(storable(path)).replace("\n", "\\n")


def kind_and_size(item, sized):
    """Return the kind and size of an `os.DirEntry`; None if it vanished meanwhile."""
    try:
        if not sized and item.is_file(follow_symlinks=False):
            return FILE, 0
        if item.is_dir(follow_symlinks=False):
            return FOLDER, 0
        if item.is_symlink():
            return LINK, 0
        info = item.stat(follow_symlinks=False)
        return kind_of(info), info.st_size
    except FileNotFoundError:
        return None
    except OSError:
        # A folder that may be listed but not entered. Whoever comes to read the file gets the same
        # error and reports it.
        return FILE, 0


def kind_of(info):
    """Return the kind of what an `os.stat_result` describes."""
    return KINDS.get(stat.S_IFMT(info.st_mode), "device")


def reason_of(error):
    """Return a few words, the same for the same kind of trouble, for an OSError met on the way
    to a file.
    """
    return "vanished" if error.errno in GONE else error.strerror or type(error).__name__


class Look(NamedTuple):
    """What a look at a path found, before anything is read.

    path: as text. is_file: whether it is a plain file. size: bytes. mtime, ctime: when its content,
    and when anything of it, was last changed, milliseconds since 1970; programs can set the first,
    the second they can't.
    reason: why it is not to be read, None if it is. trouble: whether that is worth a warning.
    target: what a link says.
    """

    path: str
    parts: tuple
    is_file: bool = False
    size: int = 0
    mtime: int = 0
    ctime: int = 0
    reason: str | None = None
    trouble: bool = False
    target: str | None = None


def look(folder, path, max_size):
    """Return the Look of a path text inside the folder."""
    parts = parts_of(path)
    try:
        info = folder.stat(parts)
        kind = kind_of(info)
        if kind == FILE:
            too_large = too_large_for(max_size) if info.st_size > max_size else None
            times = (info.st_mtime_ns // 1_000_000, info.st_ctime_ns // 1_000_000)
            return Look(path, parts, True, info.st_size, *times, too_large)
        if kind == LINK:
            return Look(path, parts, reason=LINK, target=folder.link_target(parts))
        if kind == FOLDER:
            return Look(path, parts, reason=why_folder_is_listed(folder, parts), trouble=True)
        return Look(path, parts, reason=kind)
    except OSError as error:
        return Look(path, parts, reason=reason_of(error), trouble=True)


def why_folder_is_listed(folder, parts):
    """Return why a folder stands among the files: it couldn't be read when the walk came to it."""
    try:
        folder.entries(parts)
    except OSError as error:
        return f"folder that can't be read: {reason_of(error)}"
    return "folder that couldn't be read at first, or took a file's place"


def too_large_for(max_size):
    """Return the reason for leaving a large file unread."""
    return f"larger than max_file_size ({max_size:,} bytes)"


class TooLarge(JobsyncError):
    """The file is larger than it was said to be."""


def read_chunks(file, max_size):
    """Yield the bytes of an open file.

    Raises TooLarge: a file may grow, or not tell its size, as those of /proc.
    """
    size = 0
    while chunk := file.read(CHUNK):
        size += len(chunk)
        if size > max_size:
            raise TooLarge(too_large_for(max_size))
        yield chunk
