"""The doorway: `python app.py` serves; `flask …` finds the app here.

Only the serving process is patched by eventlet, before anything else is imported. The command line
and the workers are not.
"""

import gc
import os
import sys

gc.disable()  # while modules are loaded nothing is garbage: to look costs a fifth of the time


def open_missing_streams():
    """Put /dev/null where this process was started without standard input, output or error (`>&-`).

    The next file that it opens, as the database, would take their place otherwise, and Python has
    no `sys.stdout` to write to then.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # it takes the lowest number that is free, which is this one
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115 - as long as the process lives


if __name__ == "__main__":
    open_missing_streams()
    import warnings

    # eventlet says on import that it only mends bugs now; it is this project's choice all the same
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    import eventlet
    import eventlet.tpool

    eventlet.monkey_patch()

    from jobsync import serving

import fcntl
import logging
import signal
import socket
from functools import partial

from dotenv import load_dotenv
from sqlalchemy.exc import DBAPIError

import config
import jobsync
from jobsync.base import server_address
from jobsync.base.errors import AlreadyRunning, JobsyncError, SettingsError
from jobsync.base.loop import run_outside_with
from jobsync.base.private_files import opener
from jobsync.base.processes import WORKER_MARK
from jobsync.db.migrate import bring_up_to_date
from jobsync.engine.supervisor import Supervisor
from jobsync.live import realtime
from jobsync.monitor import Monitor

gc.enable()

# eventlet ends a chunked body by itself; not told so, Flask would take it for empty
ENVIRON = {"wsgi.input_terminated": True}
UNREAD = 20_000  # ms that sent bytes may stay unread before the kernel closes a viewer's connection
# bytes that the kernel takes for a viewer that doesn't read; what is beyond waits in
# `realtime.BACKLOG`
SEND_BUFFER = 64 * 1024
# Python's thresholds: it looks at new objects as it likes, and never by itself at all
YOUNG, MIDDLE, OLD = 10_000, 20, 1_000_000
COLLECT = 60.0  # seconds between two looks at all
THREADS = 4  # of the system, for calls outside of the event loop: writers take turns anyway
DRAIN = 0.3  # seconds that requests in flight get at the end

_log = logging.getLogger("jobsync")


def create_app():
    """Return the app for the `flask` command and for workers, with the settings of the
    environment.
    """
    open_missing_streams()
    try:
        return jobsync.create_app(_load_settings(with_secret=WORKER_MARK not in os.environ))
    except JobsyncError as error:
        sys.exit(error.message)


def _load_settings(with_secret=True):
    """Return the settings of the environment and `.env`.

    Nothing that is started from now on has the secret in its environment.
    """
    load_dotenv()
    settings = config.load(with_secret=with_secret)
    config.forget_secret()
    return settings


def main():
    """Serve until SIGINT or SIGTERM. A start that isn't possible ends with one line and exit
    code 1.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        settings = _load_settings()
        listener = _listen(settings)
        lock = _lock(settings.data_dir)
        app = jobsync.create_app(settings, async_mode="eventlet")
        with app.app_context():
            bring_up_to_date(settings.data_dir)
    except JobsyncError as error:
        sys.exit(error.message)
    except DBAPIError as error:
        sys.exit(f"The database {settings.database_url} can't be used: {error.orig}.")
    if warning := config.open_to_others_words(settings):
        logging.getLogger(__name__).warning(warning)
    with lock:
        sys.exit(_serve(app, listener, settings))


def _listen(settings):
    """Return the listening socket.

    Before anything else is touched: a port that is taken is the likeliest mistake.
    """
    family = (
        eventlet.green.socket.AF_INET6 if ":" in settings.host else eventlet.green.socket.AF_INET
    )
    try:
        listener = eventlet.listen(
            (settings.host.strip("[]"), settings.port), family, backlog=1024, reuse_port=False
        )
    except OSError as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno)
        raise SettingsError(
            f"JOBSYNC_PORT={settings.port} on {settings.host} can't be listened on: {reason}."
        ) from error
    # inherited by the connections, as the next one is
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD)
    return listener


def _lock(data_dir):
    """Return the locked file that keeps a second server off the data folder.

    The lock of a killed server is free at once.
    """
    path = data_dir / "server.lock"
    file = open(path, "a+", opener=opener)  # noqa: SIM115 - held as long as the server lives
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise AlreadyRunning(
            f"Another jobsync server is running on the data folder {data_dir}."
        ) from error
    return file


def _serve(app, listener, settings):
    """Run everything until a signal comes, then end it in order. Returns what it ended for if that
    was no signal, else None.

    1. Stop accepting. 2. Let workers give their work back, and requests in flight end. 3.
       Disconnect clients.
    """
    eventlet.tpool.set_num_threads(THREADS)
    run_outside_with(eventlet.tpool.execute)
    stop = eventlet.event.Event()
    _handle_signals(app, stop)
    open_files = serving.raise_open_files()
    supervisor = Supervisor(app, settings.workers, open_files)
    monitor = app.extensions["jobsync.monitor"] = Monitor(app)
    for loop in (
        app.extensions["jobsync.changes"].watch,
        monitor.run,
        monitor.scheduler.clear_deleted,
        supervisor.run,
        partial(realtime.watch_backlogs, app),
        _collect_garbage,
    ):
        app.extensions["socketio"].start_background_task(loop)
    serving.Engine.protect(app.extensions["socketio"].server)
    server = serving.Server(listener, app, ENVIRON)
    server.start(
        on_end=lambda: (
            stop.ready()
            or stop.send(
                "The server accepts no more connections and ends, so that it can be started again."
            )
        )
    )
    port = listener.getsockname()[1]
    url = f"http://{_shown(settings.host)}:{port}/"
    print(f"jobsync is at {url} (Ctrl-C ends it)", flush=True)
    with server_address.announced(settings.data_dir, url):
        trouble = stop.wait()
    server.stop()
    supervisor.stop()
    _disconnect_clients(app)
    server.wait(DRAIN)
    return trouble


def _handle_signals(app, stop):
    """Have SIGINT and SIGTERM end the server, SIGHUP read the definitions again, and SIGUSR1
    write what everything is doing into the log.
    """
    definitions, has_terminal = app.extensions["jobsync.definitions"], os.isatty(0)

    def end(*_):
        stop.ready() or stop.send(None)

    def hang_up(*_):
        # the terminal was closed: nobody could press Ctrl-C any more
        if has_terminal and not os.isatty(0):
            end()
        else:
            eventlet.spawn(_read_definitions, definitions)

    for number, action in (
        (signal.SIGINT, end),
        (signal.SIGTERM, end),
        (signal.SIGHUP, hang_up),
        (signal.SIGUSR1, serving.log_stacks),
    ):
        signal.signal(number, action)


def _read_definitions(definitions):
    number, problems = definitions.read_again()
    _log.info(
        "Definitions read again: %d, with %d mistakes%s",
        number,
        len(problems),
        "".join(f"\n  {problem}" for problem in problems),
    )


def _collect_garbage():
    """Collect garbage once a minute, for ever, and not whenever many objects are made.

    With 500 viewers that was several times a second, each 0.1 s in which nobody was served: it took
    a third of the server's rate. What the server itself is made of is no garbage and left out.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    while True:
        eventlet.sleep(COLLECT)
        gc.collect()


def _shown(host):
    """Return the host as it stands in an address that a browser on this machine can open."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host).strip("[]")
    return f"[{host}]" if ":" in host else host


def _disconnect_clients(app):
    for client in list(app.extensions["socketio"].server.eio.sockets.values()):
        client.close(wait=False)


if __name__ == "__main__":
    main()
