"""The shapes of what goes in (checked, unknown fields refused) and out (documented):
marshmallow only.
"""

import re
from datetime import date

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from jobsync.base.clock import milliseconds
from jobsync.status import ACTIONS, CHILD_STATUSES, JOB_STATUSES, LEVELS, STEP_STATUSES


class Strict(Schema):
    """A shape that refuses unknown fields."""

    class Meta:
        unknown = RAISE


class CommaList(fields.String):
    """Words of `choices` with commas between them; loads as a list."""

    def __init__(self, choices, **options):
        super().__init__(**options)
        self.choices = choices

    def _deserialize(self, value, attr, data, **kwargs):
        words = [
            word for word in super()._deserialize(value, attr, data, **kwargs).split(",") if word
        ]
        wrong = [word for word in words if word not in self.choices]
        if wrong:
            raise ValidationError(
                f"Not a status: {', '.join(wrong)}. There are: {', '.join(self.choices)}."
            )
        return list(dict.fromkeys(words))


class Whole(fields.Integer):
    """A whole number in plain digits: `int` would take `1_0`, blanks and other alphabets'
    digits as well.
    """

    def _validated(self, value):
        if isinstance(value, str) and not re.fullmatch("[+-]?[0-9]{1,20}", value):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Day(fields.String):
    """A day, `2026-11-22`; loads as a date.

    Of the other forms of ISO 8601 none: an address should have one form.
    """

    def _deserialize(self, value, attr, data, **kwargs):
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
                return date.fromisoformat(text)
        except ValueError:
            pass  # a day that no month has is said below
        raise ValidationError("Not a day such as 2026-11-22.")


def _text(most, **options):
    return fields.String(validate=validate.Length(max=most), **options)


def _search(description):
    checks = [
        validate.Length(max=200),
        validate.ContainsNoneOf("\0", error="NUL is in no text here."),
    ]
    return fields.String(validate=checks, metadata={"description": description})


def _day(description):
    return Day(metadata={"format": "date", "description": description})


def _time(**options):
    return fields.String(allow_none=True, metadata={"format": "date-time"}, **options)


def _status(statuses):
    return fields.String(validate=validate.OneOf(statuses))


def _statuses(statuses):
    return CommaList(
        statuses,
        load_default=list,
        metadata={"description": f"A comma list of {', '.join(statuses)}; all when left out"},
    )


def _limit(default, most):
    return Whole(load_default=default, validate=validate.Range(1, most))


# In


class JobsQuery(Strict):
    status = _statuses(JOB_STATUSES)
    definition = _text(64)
    q = _search("Looked for in names, ids and parameters")
    since = _day("Created on this day (UTC) or later")
    until = _day("Created on this day (UTC) or earlier")
    limit = _limit(50, 200)
    cursor = _text(64)


class NewJob(Strict):
    definition = fields.String(required=True, validate=validate.Length(1, 64))
    params = fields.Dict(keys=fields.String(), load_default=dict)


class Rerun(Strict):
    params = fields.Dict(keys=fields.String(), load_default=dict)


class ChildrenQuery(Strict):
    status = _statuses(CHILD_STATUSES)
    limit = _limit(50, 1000)
    cursor = _text(64)


MOST_LINES = 2**53


class LogsQuery(Strict):
    step = fields.String(required=True, validate=validate.Length(1, 64))
    after = Whole(
        validate=validate.Range(0, MOST_LINES), metadata={"description": "Lines after this one"}
    )
    before = Whole(
        validate=validate.Range(1, MOST_LINES),
        metadata={"description": "The lines that end just before this one"},
    )
    limit = _limit(500, 5000)
    level = fields.String(
        load_default="debug",
        validate=validate.OneOf(LEVELS),
        metadata={"description": "The lowest level shown"},
    )
    q = _search("A substring, case-insensitive")


class DownloadQuery(Strict):
    step = fields.String(
        validate=validate.Length(1, 64),
        metadata={"description": "All steps, one after the other, when left out"},
    )
    level = fields.String(load_default="debug", validate=validate.OneOf(LEVELS))
    format = fields.String(load_default="text", validate=validate.OneOf(("text", "jsonl")))


# Out


class Shown(Schema):
    """A shape of an answer: everything named is always there."""

    def on_bind_field(self, field_name, field_obj):
        field_obj.required = True  # documentation: `required` plays no part in what goes out


class Error(Shown):
    code = fields.Integer()
    status = fields.String()
    message = fields.String()
    errors = fields.Dict(metadata={"description": "What is wrong with the input, by field"})


class JobListed(Shown):
    id = fields.String()
    definition = fields.String()
    name = fields.String()
    status = _status(JOB_STATUSES)
    revision = fields.Integer()
    params = fields.Dict()
    error = fields.String(allow_none=True)
    tags = fields.List(fields.String())
    source = fields.String(metadata={"description": "Who asked for it: api, web, cli or seed"})
    rerun_of = fields.String(allow_none=True)
    created_at = _time()
    started_at = _time()
    finished_at = _time()
    updated_at = _time()


class Job(JobListed):
    result = fields.Dict(allow_none=True)
    actions = fields.List(
        fields.String(validate=validate.OneOf(ACTIONS)),
        metadata={"description": "What a job of that status allows"},
    )


class _Page(Shown):
    next_cursor = fields.String(allow_none=True)
    total = fields.Integer()


class Jobs(_Page):
    items = fields.List(fields.Nested(JobListed))


class Counts(Shown):
    pending = fields.Integer()
    running = fields.Integer()
    completed = fields.Integer()
    failed = fields.Integer()
    cancelled = fields.Integer()


class Levels(Shown):
    debug = fields.Integer()
    info = fields.Integer()
    warning = fields.Integer()
    error = fields.Integer()


class StructureStep(Shown):
    name = fields.String()
    status = _status(STEP_STATUSES)
    log_count = fields.Integer()
    child_count = fields.Integer()
    children = fields.Nested(Counts)
    levels = fields.Nested(Levels)
    error = fields.String(allow_none=True)
    started_at = _time()
    finished_at = _time()


class Structure(Shown):
    job_id = fields.String()
    status = _status(JOB_STATUSES)
    revision = fields.Integer()
    error = fields.String(allow_none=True)
    updated_at = _time()
    started_at = _time()
    finished_at = _time()
    steps = fields.List(fields.Nested(StructureStep))


class Child(Shown):
    id = fields.String()
    name = fields.String()
    status = _status(CHILD_STATUSES)
    attempt = fields.Integer()
    input = fields.Raw(allow_none=True)
    result = fields.Raw(allow_none=True)
    error = fields.String(allow_none=True)
    started_at = _time()
    finished_at = _time()


class Children(_Page):
    items = fields.List(fields.Nested(Child))


class LogLine(Shown):
    line = fields.Integer()
    step = fields.String()
    at = _time()
    level = _status(LEVELS)
    message = fields.String()
    child_id = fields.String(allow_none=True)


class Onward(Schema):
    after = fields.Integer()
    before = fields.Integer()


class Logs(Schema):
    items = fields.List(fields.Nested(LogLine), required=True)
    total = fields.Integer(allow_none=True, required=True)
    log_count = fields.Integer(required=True)
    next = fields.Nested(
        Onward,
        metadata={
            "description": (
                "There only when the page ends early for its size: what to ask with to go on"
            )
        },
    )


class DefinitionParam(Shown):
    name = fields.String()
    type = fields.String()
    default = fields.Raw(allow_none=True)
    required = fields.Boolean()
    description = fields.String()
    choices = fields.List(fields.Raw())
    minimum = fields.Raw(allow_none=True)
    maximum = fields.Raw(allow_none=True)


class DefinitionStep(Shown):
    name = fields.String()
    type = fields.String()
    depends = fields.List(fields.String())
    on_error = fields.String()
    always_run = fields.Boolean()
    max_child_failures = fields.Integer()
    retries = fields.Integer()
    timeout = fields.String(allow_none=True)
    options = fields.Dict()


class Definition(Shown):
    id = fields.String()
    name = fields.String()
    description = fields.String()
    tags = fields.List(fields.String())
    timeout = fields.String(allow_none=True)
    params = fields.List(fields.Nested(DefinitionParam))
    steps = fields.List(fields.Nested(DefinitionStep))


class Problem(Shown):
    file = fields.String()
    key = fields.String()
    reason = fields.String()


class Definitions(_Page):
    items = fields.List(fields.Nested(Definition))
    problems = fields.List(
        fields.Nested(Problem),
        metadata={"description": "What is wrong with definitions that can't be used"},
    )


def _moment(text):
    try:
        milliseconds(text)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValidationError("Not a time in ISO 8601 with a zone.") from error


class Paint(Strict):
    updated_at = fields.String(
        required=True, validate=[validate.Length(max=40), _moment], metadata={"format": "date-time"}
    )
    age_ms = Whole(
        required=True,
        strict=True,
        validate=validate.Range(0, 86_400_000),
        metadata={"description": "since it was painted"},
    )


class Painted(Strict):
    paints = fields.List(fields.Nested(Paint), required=True, validate=validate.Length(max=100))


class Health(Shown):
    status = fields.String()


class Readiness(Shown):
    ready = fields.Boolean()
    reasons = fields.List(fields.String())
