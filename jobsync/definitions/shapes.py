"""The tables of a definition, as marshmallow schemas."""

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from jobsync.base.loop import in_turns
from jobsync.definitions.duration import UNITS
from jobsync.definitions.fields import (
    DurationField,
    Names,
    Number,
    RetryReason,
    ShortList,
    TrueOrFalse,
    WholeNumber,
    label,
    matching,
    one_of,
    text,
)
from jobsync.definitions.mistakes import flat, guess_at, listing
from jobsync.definitions.values import MAX_TEXT, TYPES

NAME = "[A-Za-z0-9_-]{1,64}"
NAME_REASON = "must be 1 to 64 of the characters A-Z a-z 0-9 _ -"
MAX_CHILDREN = 2**31 - 1
MAX_STEPS = 1000
NO_STEPS = "there must be at least one step, a table such as [step.import_files]"
NO_PARAMS = "must hold tables such as [params.folder]"


def _check_steps(tables):
    if not tables:
        raise ValidationError(NO_STEPS)
    if len(tables) > MAX_STEPS:
        raise ValidationError(f"there must be at most {MAX_STEPS} steps, not {len(tables)}")


class Table(Schema):
    """A table. A key that it doesn't name is refused."""

    def __init__(self, **options):
        super().__init__(**options)
        self.error_messages["unknown"] = f"is not known; known are: {listing(self.fields)}"


class ToleranceTable(Table):
    """`[error_tolerance]`: defaults for every step, loaded under the names that steps have for
    them.
    """

    max_child_failures = WholeNumber(0, MAX_CHILDREN)
    failure_action = one_of("fail", "continue", attribute="on_error")


class FileTable(Table):
    """A whole file, but for what is in the tables of its parameters and steps."""

    id = matching(NAME, NAME_REASON, required=True)
    name = label(200)
    description = text(MAX_TEXT)
    tags = ShortList(label(64), 0, 50, "must be a list of at most 50 texts")
    timeout = DurationField()
    concurrency = WholeNumber(1, MAX_CHILDREN)
    concurrency_key = label(1000)
    priority = WholeNumber(-100, 100)
    params = fields.Dict(
        validate=validate.Length(max=100, error="there must be at most 100 parameters"),
        error_messages={"invalid": NO_PARAMS},
    )
    step = fields.Dict(
        required=True,
        validate=_check_steps,
        error_messages={"required": NO_STEPS, "invalid": NO_STEPS},
    )
    error_tolerance = fields.Nested(ToleranceTable)


class ParamTable(Table):
    """`[params.NAME]`."""

    type = one_of(*TYPES, required=True)
    default = fields.Raw()
    description = text(1000)
    choices = ShortList(fields.Raw(), 1, 1000, "must be a list of 1 to 1000 values")
    minimum = fields.Raw()
    maximum = fields.Raw()


class StepTable(Table):
    """The keys of `[step.NAME]` that every step has; the others are the options of its type."""

    class Meta:
        unknown = EXCLUDE

    type = fields.String()
    depends = Names()
    on_error = one_of("fail", "continue")
    always_run = TrueOrFalse()
    max_child_failures = WholeNumber(0, MAX_CHILDREN)
    queue = matching(NAME, NAME_REASON)
    concurrency = WholeNumber(1, MAX_CHILDREN)
    retries = WholeNumber(0, 100)
    retry_delay = DurationField(zero=True)
    retry_backoff = Number(1, 100)
    retry_max_delay = DurationField()
    retry_on = ShortList(
        RetryReason(), 1, 100, "must be a list of 1 to 100 exit codes and names of exceptions"
    )
    rerun_when_lost = TrueOrFalse()
    timeout = DurationField()
    step_timeout = DurationField()
    stall_timeout = DurationField()
    cancel_grace = DurationField(zero=True, longest=UNITS["h"])


def load(schema, table, report):
    """Return what is valid of `table`, as a dict; report the rest."""
    try:
        return schema.load(table)
    except ValidationError as error:
        for keys, reason in in_turns(flat(error.messages)):
            report.add(guess_at(schema, table, keys, reason), *keys)
        return error.valid_data
