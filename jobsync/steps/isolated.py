"""Calls a function in a helper process that can be given up on: for what a stranger's library, or a
stranger's pattern, does with a stranger's file.

Whatever happens there (it raises, computes for ever, eats memory, crashes) is one GaveUp here. The
helper is started with the first call, used again by the next ones, and killed when a call is given
up or stopped; the next call starts another. It ends with this process, which it notices by the end
of its standard input; a call that is running then ends by its own limit. It stays in this process's
session: whoever clears up after a killed worker finds it.
"""

import atexit
import os
import pickle
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress

from jobsync.base.errors import JobsyncError

SECONDS = 2.0  # of computing that a call may take
MEMORY = 1 << 30  # bytes of address space that the helper may take
# times as long a call may take by the clock: what waits doesn't compute, and a busy machine lets
# nobody compute
WAITING = 10
STARTING = 60  # seconds by the clock that a helper may take to start
IDLE = 60  # seconds without a call after which a helper ends by itself
TICK = 0.05  # seconds between two looks whether the call is still wanted
CHUNK = 1 << 16
LENGTH = struct.Struct(">Q")
DONE, FAILED = "done", "failed"
# What the helper runs: the packages above the modules stay empty, as theirs would import the whole
# application, which takes seconds
START = """
import sys, types
sys.path[:] = {path}
for name, where in {packages}:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = where
from {module} import serve
serve()
"""


class GaveUp(JobsyncError):
    """The call was given up.

    The message says why, and goes behind the name of what was called: "took more than 2 s".
    """


class _Ended(Exception):
    """The helper has ended. code: as Popen has it."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def call(function, *arguments, seconds=SECONDS, check=lambda: None):
    """Return `function(*arguments)`, done in the helper process. Raises GaveUp for whatever goes
    wrong there, and what check() raises.

    function: a module's own, given by its name; the helper imports that module, but not the
    `__init__` of jobsync and its packages.
    Arguments and result are pickled. seconds: of computing that it may take. check() is called
    every now and then meanwhile.
    """
    return _helper.call(function, arguments, seconds, check)


def close():
    """End the helper, if there is one."""
    _helper.close()


# The process that is helped


class Helper:
    """A helper process as seen from the one that it helps. One call at a time."""

    def __init__(self):
        self._process = None
        self._lock = threading.Lock()

    def call(self, function, arguments, seconds, check):
        """See `call` above."""
        message = pickle.dumps((seconds, function, arguments))
        with self._lock:
            try:
                what, value = pickle.loads(self._ask(message, seconds, check))
            except BaseException:
                self._kill()
                raise
        if what == FAILED:
            raise GaveUp(value)
        return value

    def close(self):
        """End the process, if there is one."""
        with self._lock:
            self._kill()

    def _ask(self, message, seconds, check):
        """Return the helper's answer. Raises GaveUp when it gives none.

        One that was killed from outside or had been idle for long may end just as this call comes:
        another one is asked then, once.
        """
        for is_last in (False, True):
            if self._process is None or self._process.poll() is not None:
                self._start(check)
            try:
                return self._exchange(LENGTH.pack(len(message)) + message, seconds * WAITING, check)
            except TimeoutError:
                raise GaveUp(took_too_long(seconds)) from None
            except _Ended as error:
                if is_last or error.code not in (0, -signal.SIGKILL):
                    raise GaveUp(how_it_ended(error.code, seconds)) from None
        return None

    def _start(self, check):
        """Start the process and wait until it is ready. Raises GaveUp."""
        self._kill()
        packages = {name: list(sys.modules[name].__path__) for name in parents_of(__name__)}
        program = START.format(path=sys.path, packages=list(packages.items()), module=__name__)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        try:
            self._process = subprocess.Popen([sys.executable, "-c", program], bufsize=0, **pipes)
            os.set_blocking(self._process.stdin.fileno(), False)
            self._exchange(b"", STARTING, check)
        except (OSError, TimeoutError, _Ended) as error:
            raise GaveUp(
                f"could not be given a helper process ({type(error).__name__}: {error})"
            ) from None

    def _exchange(self, data, seconds, check):
        """Send bytes and return the bytes of one answer. Raises TimeoutError and _Ended."""
        stdin, stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        deadline, answer = time.monotonic() + seconds, bytearray()
        rest = memoryview(data)
        while True:
            readable, writable, _ = select.select([stdout], [stdin] if rest else [], [], TICK)
            if writable:
                with suppress(BrokenPipeError):  # it has ended: standard output says so too
                    rest = rest[os.write(stdin, rest[:CHUNK]) :]
            if readable:
                piece = os.read(stdout, CHUNK)
                if not piece:
                    raise _Ended(self._process.wait())
                answer += piece
                if (
                    len(answer) >= LENGTH.size
                    and len(answer) == LENGTH.size + LENGTH.unpack_from(answer)[0]
                ):
                    return bytes(answer[LENGTH.size :])
            check()
            if time.monotonic() > deadline:
                raise TimeoutError

    def _kill(self):
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def parents_of(module):
    """Return the names of the packages that a module lies in, the outermost first."""
    parts = module.split(".")
    return [".".join(parts[:number]) for number in range(1, len(parts))]


def took_too_long(seconds):
    return f"took more than {seconds:g} s"


def how_it_ended(code, seconds):
    """Return how a call went that ended its process with this exit code."""
    if code == -signal.SIGPROF:
        return took_too_long(seconds)
    return (
        f"ended its process ({signal.Signals(-code).name})"
        if code < 0
        else f"ended its process (exit code {code})"
    )


_helper = Helper()
atexit.register(close)


# The helper process


def serve():
    """Do calls until standard input ends, or none has come for IDLE seconds."""
    requests, answers = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb")
    hide_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that is helped
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_AS, MEMORY)
    send(answers, b"")
    while select.select([requests], [], [], IDLE)[0]:
        head = read(requests, LENGTH.size)
        if not head:
            break
        answer = answer_to(read(requests, LENGTH.unpack(head)[0]))
        send(answers, answer)
        if answer is OUT_OF_MEMORY:
            break  # who knows what holds it
    os._exit(0)  # whatever the libraries would have done at an orderly end


def limit(what, most):
    """Lower a limit of this process; one that is lower already stays."""
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def hide_pipes():
    """Keep what a library reads and prints apart from calls and answers."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)


OUT_OF_MEMORY = pickle.dumps((FAILED, f"took more than {MEMORY >> 20:,} MiB of memory"))


def answer_to(message):
    """Do a call and return its pickled (DONE, result) or (FAILED, reason).

    One that computes for too long ends the process by SIGPROF.
    """
    try:
        seconds, function, arguments = pickle.loads(message)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            return pickle.dumps((DONE, function(*arguments)))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except MemoryError:
        return OUT_OF_MEMORY
    except BaseException as error:  # noqa: BLE001 - SystemExit too: whatever it is, it is this one call's
        return pickle.dumps((FAILED, f"failed ({type(error).__name__})"))


def read(file, size):
    """Return so many bytes, fewer at the end of the file."""
    data = bytearray()
    while len(data) < size and (piece := file.read(min(size - len(data), CHUNK))):
        data += piece
    return bytes(data)


def send(file, data):
    file.write(LENGTH.pack(len(data)) + data)
    file.flush()
