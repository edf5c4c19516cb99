"""The pipes that a program writes to, read in the order in which it wrote.

Two pipes have no common order of their own. On Linux this comes as close to one as can be: each
write is a packet of its own (O_DIRECT, see pipe(2)), a pipe has room for one page, and
edge-triggered epoll reports pipes in the order in which they became readable. So a program that
writes to both in turn waits until its last write to the same pipe was read, and its lines come in
its order. Where a pipe can't be made so it is an ordinary one: what both pipes hold at the same
moment then comes in any order.
"""

import fcntl
import os
import select
import threading
import time
from contextlib import suppress

from jobsync.steps.command.lines import LineSplitter

CHUNK = 64 * 1024
EVENTS = 4  # most that can be reported at once: two pipes, `wake` and what is watched
# bytes that are read, while more is there at once, before their lines are handed out
GATHERED = 256 * 1024
PARTIAL = 1.0  # seconds that a line without an end waits for it; then it is handed out as it is


class OutputReader:
    """Reads what one program writes. `on_line(text, pipe)` is called in the thread that reads;
    `pipe` is "stdout" or "stderr".

    merged: stderr goes into stdout's pipe, as a shell's `2>&1` would have it; all lines are of
    "stdout" then, in their exact order.
    """

    def __init__(self, on_line, merged=False):
        self._on_line = on_line
        stdout = Pipe("stdout")
        self._pipes = [stdout, stdout if merged else Pipe("stderr")]
        self._open = {pipe.read_end: pipe for pipe in self._pipes}
        self._watched = {}
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self._epoll = select.epoll()
        # edge-triggered: each `wake` is reported once, and the counter needs no reading
        self._epoll.register(self._wakeup, select.EPOLLIN | select.EPOLLET)
        for read_end in self._open:
            self._epoll.register(read_end, select.EPOLLIN | select.EPOLLET)

    @property
    def is_open(self):
        """Whether somebody still holds an end that can be written to, as far as was read."""
        return bool(self._open)

    def write_ends(self):
        """Return the descriptors that the program is to have as its stdout and its stderr."""
        return tuple(pipe.write_end for pipe in self._pipes)

    def close_write_ends(self):
        """Close this process's write ends once the program has its own: a pipe ends when the
        last one is closed.
        """
        for pipe in self._pipes:
            pipe.close_write_end()

    def wake(self):
        """Have `read` return. From any thread, at any time."""
        with self._lock:  # never one that is closed, whose number may be another file's by now
            if self._wakeup is not None:
                os.eventfd_write(self._wakeup, 1)

    def watch(self, descriptor, on_ready):
        """Have `read` call `on_ready()`, once, and return, when `descriptor` can be read from.

        `close` closes it. Raises OSError, and leaves it to the caller, when it can't be watched.
        """
        self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLONESHOT)
        self._watched[descriptor] = on_ready

    def read(self, seconds=None):
        """Wait at most so long for output or `wake` (None: for ever), hand out the lines, and
        say whether there was any output.
        """
        chunks = self._gather(self._patience(seconds))
        for pipe, data in chunks:
            self._hand_out(pipe, pipe.lines.feed(data) if data else pipe.lines.end())
        self._hand_out_partial_lines()
        return bool(chunks)

    def end(self):
        """Hand out what is held back of lines whose end hasn't come."""
        for pipe in self._open.values():
            self._hand_out(pipe, pipe.lines.end())

    def close(self):
        """Close all that is open. What wasn't read is lost."""
        with self._lock:
            os.close(self._wakeup)
            self._wakeup = None
        self._epoll.close()
        for descriptor in self._watched:
            os.close(descriptor)
        self._watched.clear()
        for pipe in dict.fromkeys(self._pipes):
            pipe.close()

    def _patience(self, seconds):
        """Return for how long to wait: no longer than until the next partial line is due."""
        due = [pipe.last_read + PARTIAL for pipe in self._open.values() if pipe.lines.has_partial]
        until_due = max(0.0, min(due) - time.monotonic()) if due else None
        return min((wait for wait in (seconds, until_due) if wait is not None), default=None)

    def _gather(self, seconds):
        """Return `[(pipe, bytes)]` in the order of the writes, b"" for the end of a pipe.

        Nothing is done in between, so that writers go on.
        """
        chunks, size = [], 0
        while size < GATHERED and (self._open or not chunks):
            chunk_count = len(chunks)
            for read_end, event in self._epoll.poll(0 if chunks else seconds, EVENTS):
                if pipe := self._open.get(read_end):
                    chunks += ((pipe, data) for data in self._read(pipe, event))
                elif on_ready := self._watched.get(read_end):
                    on_ready()
            if len(chunks) == chunk_count:
                break
            size += sum(len(data) for _, data in chunks[chunk_count:])
        return chunks

    def _read(self, pipe, event):
        """Yield what an event announced: one packet, or more if a pipe that holds more than
        one, or that has ended, announces them once.
        """
        while True:
            try:
                data = os.read(pipe.read_end, CHUNK)
            except BlockingIOError:
                return
            yield data
            if not data:
                del self._open[pipe.read_end]
                return
            if pipe.holds_one_packet and not event & select.EPOLLHUP:
                return

    def _hand_out_partial_lines(self):
        for pipe in self._open.values():
            if pipe.lines.has_partial and time.monotonic() >= pipe.last_read + PARTIAL:
                self._hand_out(pipe, pipe.lines.partial())

    def _hand_out(self, pipe, lines):
        pipe.last_read = time.monotonic()
        for line in lines:
            self._on_line(line, pipe.name)


class Pipe:
    """A pipe that a program writes to and this process reads, without blocking."""

    def __init__(self, name):
        self.name = name
        self.lines = LineSplitter()
        self.last_read = 0.0
        self.read_end, self.write_end, self.holds_one_packet = _open_pipe()
        os.set_blocking(self.read_end, False)

    def close_write_end(self):
        if self.write_end is not None:
            os.close(self.write_end)
            self.write_end = None

    def close(self):
        self.close_write_end()
        os.close(self.read_end)


def _open_pipe():
    """Return a pipe's two ends, and whether it holds one packet at a time."""
    with suppress(OSError):
        read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_DIRECT)
        try:
            one_page = (
                fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, select.PIPE_BUF) <= select.PIPE_BUF
            )
        except OSError:
            one_page = False
        return read_end, write_end, one_page
    return *os.pipe(), False
