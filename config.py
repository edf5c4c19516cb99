"""Settings: read from the environment, checked loudly, in this one place."""

import ipaddress
import os
import re
import secrets
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from jobsync.base.errors import SettingsError
from jobsync.base.private_files import make_folder, open_to_others, opener
from jobsync.base.regular_files import Unfit, open_regular, read_regular
from jobsync.security import HOST

SQLITE = b"SQLite format 3\0"  # how each such file begins
SECRET_KEY, SECRET_FILE = "JOBSYNC_SECRET_KEY", "secret.key"
MAX_SECRET = 64 * 1024  # bytes of its file


@dataclass(frozen=True)
class Settings:
    """All settings. `allowed_hosts` is empty for the default: loopback names and addresses."""

    host: str
    port: int
    allowed_hosts: tuple
    data_dir: Path
    database_url: str
    definitions: Path
    workers: int
    log_limit: int
    log_bytes: int
    secret_key: str = field(repr=False)
    trust_network: bool
    paint_sampling: float

    @property
    def database_path(self):
        return Path(make_url(self.database_url).database)


def load(environ=os.environ, with_secret=True):
    """Return the Settings of an environment. The data folder and the secret are made if they aren't
    there. Raises SettingsError.

    with_secret: False for a process that has no use for it, whose `secret_key` is empty.
    """
    get = _Reader(environ)
    data_dir = _folder(get.text("JOBSYNC_DATA_DIR", "instance"))
    settings = Settings(
        host=get.text("JOBSYNC_HOST", "127.0.0.1"),
        port=get.integer("JOBSYNC_PORT", 5000, 0, 65535),
        allowed_hosts=get.hosts("JOBSYNC_ALLOWED_HOSTS"),
        data_dir=data_dir,
        database_url=_database(get.text("JOBSYNC_DATABASE_URL", _sqlite(data_dir / "jobsync.db"))),
        definitions=_definitions(environ.get("JOBSYNC_DEFINITIONS")),
        workers=get.integer("JOBSYNC_WORKERS", os.cpu_count() or 1, 0, 256),
        log_limit=get.integer("JOBSYNC_LOG_LIMIT", 1_000_000, 1, 1_000_000_000),
        log_bytes=get.integer("JOBSYNC_LOG_BYTES", 1024**3, 1024, 1024**5),
        secret_key=(environ.get(SECRET_KEY) or _secret(data_dir / SECRET_FILE))
        if with_secret
        else "",
        trust_network=get.flag("JOBSYNC_TRUST_NETWORK"),
        paint_sampling=get.share("JOBSYNC_PAINT_SAMPLING"),
    )
    _refuse_what_is_not_there_yet(environ)
    _refuse_open_network(settings)
    return settings


class _Reader:
    """Reads variables.

    Every refusal is one line with the variable, its value and what is allowed.
    """

    def __init__(self, environ):
        self._environ = environ

    def text(self, name, default):
        return self._environ.get(name) or default

    def integer(self, name, default, least, most):
        value = self._environ.get(name) or str(default)
        if not (
            value.isascii() and value.isdigit() and len(value) <= 20 and least <= int(value) <= most
        ):
            raise _refused(name, value, f"a whole number from {least} to {most}")
        return int(value)

    def flag(self, name):
        value = self._environ.get(name) or "0"
        if value not in ("0", "1"):
            raise _refused(name, value, "0 or 1")
        return value == "1"

    def share(self, name):
        value = self._environ.get(name) or "0"
        if not re.fullmatch(r"0|1|[01]\.[0-9]{1,6}", value) or float(value) > 1:
            raise _refused(name, value, "a share from 0 to 1, such as 0.05")
        return float(value)

    def hosts(self, name):
        value = self._environ.get(name, "")
        hosts = tuple(host.strip().lower() for host in value.split(",") if host.strip())
        for host in hosts:
            if not HOST.fullmatch(host):
                raise _refused(
                    name, value, "host names with or without a port, with commas between them"
                )
        return hosts


def _refused(name, value, allowed):
    return SettingsError(f"{name}={value!r} is not possible: it must be {allowed}.")


def _folder(name):
    path = Path(name).absolute()
    try:
        make_folder(path)
    except OSError as error:
        raise _refused(
            "JOBSYNC_DATA_DIR", name, f"a folder that can be written to ({error.strerror})"
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise _refused("JOBSYNC_DATA_DIR", name, "a folder that can be written to")
    return path


def _definitions(name):
    path = Path(name or "definitions").absolute()
    if name and not (path.is_dir() and os.access(path, os.R_OK | os.X_OK)):
        raise _refused("JOBSYNC_DEFINITIONS", name, "a folder that can be read")
    return path


def _sqlite(path):
    return URL.create("sqlite", database=str(path)).render_as_string()


def _database(text):
    """Return the URL of a SQLite database with its path made absolute.

    The file need not exist, its folder must.
    """
    allowed = (
        "sqlite:///PATH, a SQLite file in a folder that can be written to; "
        "other databases aren't supported yet"
    )
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise _refused("JOBSYNC_DATABASE_URL", text, allowed) from error
    is_file = (
        url.drivername == "sqlite"
        and url.database not in (None, "", ":memory:")
        and not (url.host or url.query)
    )
    path = Path(url.database or "").absolute()
    if (
        not is_file
        or path.is_dir()
        or not os.access(path.parent, os.W_OK | os.X_OK)
        or not _may_be_sqlite(path)
    ):
        # str() hides the password
        raise _refused("JOBSYNC_DATABASE_URL", str(url) if url.password else text, allowed)
    return _sqlite(path)


def _may_be_sqlite(path):
    """Say whether a file is new, empty or a SQLite database.

    One that can't be read is told of when it is opened.
    """
    try:
        with open_regular(path) as file:
            return file.read(len(SQLITE)) in (b"", SQLITE)
    except Unfit:
        return False
    except OSError:
        return True


def _refuse_what_is_not_there_yet(environ):
    url = environ.get("JOBSYNC_REDIS_URL")
    if url:
        raise _refused("JOBSYNC_REDIS_URL", url, "left out; Redis isn't supported yet")


def _refuse_open_network(settings):
    if not (settings.trust_network or _is_loopback(settings.host)):
        allowed = (
            "a loopback address: there are no accounts yet. "
            "JOBSYNC_TRUST_NETWORK=1 lets everybody in who can reach it"
        )
        raise _refused("JOBSYNC_HOST", settings.host, allowed)


def _is_loopback(host):
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _secret(path):
    """Return the secret in `path`, which is made once, readable by its owner alone.

    Two that make it at once end up with the same.
    """
    try:
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        if not path.exists():
            with open(draft, "x", opener=opener) as file:
                file.write(secrets.token_hex(32))
            try:
                os.link(draft, path)
            except FileExistsError:
                pass  # the other one was first: its secret counts
            finally:
                draft.unlink()
        secret = read_regular(path, MAX_SECRET).decode("ascii").strip()
    except Unfit as error:
        raise SettingsError(f"The secret in {path} can't be used: it {error}.") from error
    except OSError as error:
        raise SettingsError(
            f"The secret in {path} can't be read or made: {error.strerror}."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"The secret in {path} is not ASCII text.") from error
    if not secret:
        raise SettingsError(
            f"The secret in {path} is empty. Delete the file, and a new one is made."
        )
    return secret


def forget_secret(environ=os.environ):
    """Take the secret out of this process's environment, so that no process that it starts
    inherits it.
    """
    environ.pop(SECRET_KEY, None)


def open_to_others_words(settings):
    """Return one line that says on which of the files that should be private others have
    rights, None for none.
    """
    database = settings.database_path
    files = [
        settings.data_dir,
        database,
        *(Path(f"{database}{ending}") for ending in ("-wal", "-shm")),
        settings.data_dir / SECRET_FILE,
    ]
    found = open_to_others(files)
    if not found:
        return None
    named = ", ".join(f"{path} ({mode:o})" for path, mode in found)
    names = " ".join(shlex.quote(str(path)) for path, _ in found)
    return (
        f"Other users of this machine may reach logs and parameters: {named}. "
        f"This takes their rights away: chmod go= {names}"
    )
