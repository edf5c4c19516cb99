"""The one family of errors. The docstring of a class is its message where none is given."""


class JobsyncError(Exception):
    """Something went wrong."""

    code = 500  # what a door that speaks HTTP answers

    def __init__(self, message=None):
        super().__init__(message or type(self).__doc__.splitlines()[0])

    @property
    def message(self):
        return str(self)


class SettingsError(JobsyncError):
    """A setting has a bad value."""


class AlreadyRunning(JobsyncError):
    """Another jobsync is already running on this data folder."""


class NotFound(JobsyncError):
    """There is no such thing."""

    code = 404


class WrongState(JobsyncError):
    """That is not possible in the present state."""

    code = 409


class BadInput(JobsyncError):
    """The input is not valid.

    `errors` maps a field to the list of its mistakes.
    """

    code = 422

    def __init__(self, message=None, errors=None):
        super().__init__(message)
        self.errors = errors or {}


class AlreadySubmitted(JobsyncError):
    """A job was started by the same request before. `job_id` is that job's."""

    code = 409

    def __init__(self, job_id):
        super().__init__()
        self.job_id = job_id


class StoreBusy(JobsyncError):
    """The database is locked by another process."""

    code = 503


class StoreUnwritable(StoreBusy):
    """The database can't be written to.

    A kind of StoreBusy: whoever can wait tries again, and it recovers by itself. `orig` is the
    database's own error.
    """

    def __init__(self, orig):
        super().__init__(f"The database can't be written to: {orig}.")
        self.orig = orig


class StoreUnreadable(JobsyncError):
    """The database can't be read."""

    code = 503


class StepFailed(JobsyncError):
    """The step failed.

    Raised by a step type's own code: the message becomes the child's `error`, with no traceback in
    the log. `exit_code`: that of the program that failed, if there was one.
    """

    def __init__(self, message=None, exit_code=None):
        super().__init__(message)
        self.exit_code = exit_code


class Stopped(JobsyncError):
    """The work was stopped."""
