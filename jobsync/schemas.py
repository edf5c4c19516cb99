"""The shapes of what goes in (checked, unknown fields refused) and out (documented):
marshmallow only.
"""

import re
from datetime import date

from marshmallow import (
    RAISE,
    Schema,
    ValidationError,
    fields,
    validate,
    validates_schema,
)

from jobsync.base.clock import milliseconds
from jobsync.status import (
    ACTIONS,
    BULK_ACTIONS,
    CHILD_SORTS,
    CHILD_STATUSES,
    JOB_STATUSES,
    LEVELS,
    STEP_STATUSES,
    WORKER_STATES,
)


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


def _waiting_for():
    return fields.String(
        allow_none=True,
        metadata={"description": "What keeps the job from going on, in words after “waiting for”"},
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
    priority = Whole(
        strict=True,
        validate=validate.Range(-100, 100),
        metadata={"description": "The higher comes first; the definition's when left out"},
    )


class SubmitHeaders(Schema):
    key = fields.String(
        data_key="Idempotency-Key",
        validate=validate.Regexp(
            r"^[\x21-\x7e]{1,200}$", error="Must be 1 to 200 visible ASCII characters."
        ),
        metadata={"description": "The same key with the same body within 24 h: the same job"},
    )


class JobsFilter(Strict):
    status = _statuses(JOB_STATUSES)
    definition = _text(64)
    q = _search("Looked for in names, ids and parameters")
    since = _day("Created on this day (UTC) or later")
    until = _day("Created on this day (UTC) or earlier")


class Bulk(Strict):
    action = fields.String(required=True, validate=validate.OneOf(BULK_ACTIONS))
    ids = fields.List(
        fields.String(validate=validate.Length(1, 64)), validate=validate.Length(max=10_000)
    )
    filter = fields.Nested(
        JobsFilter, metadata={"description": "Instead of ids: as the list's query"}
    )
    dry_run = fields.Boolean(
        truthy=[True],
        falsy=[False],
        load_default=False,
        metadata={"description": "Only count, and say what would be refused"},
    )

    @validates_schema
    def check_which(self, data, **_):
        if ("ids" in data) == ("filter" in data):
            raise ValidationError("There must be either ids or filter.", "ids")


class Rerun(Strict):
    params = fields.Dict(keys=fields.String(), load_default=dict)


class ChildrenQuery(Strict):
    status = _statuses(CHILD_STATUSES)
    sort = fields.String(
        load_default="number",
        validate=validate.OneOf([sign + name for name in CHILD_SORTS for sign in ("", "-")]),
        metadata={"description": "With - before it for descending"},
    )
    parent = fields.String(
        validate=validate.Regexp(r"^([0-9]{1,18}|none)$", error="Not the id of a child, or none."),
        metadata={"description": "The child that spawned them; none: those that none has"},
    )
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
    """A shape of an answer: everything named is always there, but for what is there `sometimes`."""

    sometimes = ()

    def on_bind_field(self, field_name, field_obj):
        field_obj.required = (
            field_name not in self.sometimes
        )  # documentation: `required` plays no part in what goes out


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


class CancelledChildren(Shown):
    pending = fields.Integer()
    running = fields.Integer()


class LeftProcess(Shown):
    host = fields.String(allow_none=True)
    pid = fields.Integer(allow_none=True)
    command = fields.String()


class EndedProcesses(Shown):
    stopped = fields.Integer()
    left = fields.List(fields.Nested(LeftProcess))


class Cancellation(Shown):
    requested_at = _time()
    done_at = _time()
    children = fields.Nested(CancelledChildren)
    processes = fields.Nested(EndedProcesses)


class Job(JobListed):
    priority = fields.Integer()
    waiting_for = _waiting_for()
    cancellation = fields.Nested(
        Cancellation,
        allow_none=True,
        metadata={"description": "The receipt of its last cancel or time-out"},
    )
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
    waiting_for = _waiting_for()
    updated_at = _time()
    started_at = _time()
    finished_at = _time()
    steps = fields.List(fields.Nested(StructureStep))


class Progress(Shown):
    done = fields.Float()
    total = fields.Float(allow_none=True)


class Child(Shown):
    id = fields.String()
    parent_id = fields.String(
        allow_none=True, metadata={"description": "The child that spawned it"}
    )
    name = fields.String()
    status = _status(CHILD_STATUSES)
    attempt = fields.Integer()
    exit_code = fields.Integer(allow_none=True)
    progress = fields.Nested(Progress, allow_none=True)
    stopping = fields.Boolean(
        metadata={"description": "It was cancelled, and what it runs is being ended"}
    )
    input = fields.Raw(allow_none=True)
    result = fields.Raw(allow_none=True)
    error = fields.String(allow_none=True)
    started_at = _time()
    finished_at = _time()


class Children(_Page):
    items = fields.List(fields.Nested(Child))


class Attempt(Shown):
    attempt = fields.Integer()
    status = _status(CHILD_STATUSES)
    worker = fields.String()
    started_at = _time()
    finished_at = _time()
    error = fields.String(allow_none=True)
    exit_code = fields.Integer(allow_none=True)
    first_line = fields.Integer(
        allow_none=True, metadata={"description": "Of the step's lines, the first it wrote"}
    )
    last_line = fields.Integer(allow_none=True)


class ChildDetails(Child):
    attempts = fields.List(fields.Nested(Attempt))
    actions = fields.List(
        fields.String(validate=validate.OneOf(("cancel", "retry"))),
        metadata={"description": "What a child of that status allows"},
    )


class Refusal(Shown):
    id = fields.String()
    message = fields.String()


class BulkDone(Shown):
    matched = fields.Integer()
    done = fields.Integer()
    refused = fields.List(fields.Nested(Refusal))


class Busy(Shown):
    job_id = fields.String()
    step = fields.String()
    child_id = fields.String(
        allow_none=True, metadata={"description": "Null while it plans or sums up"}
    )
    since = _time()


class Worker(Shown):
    id = fields.String()
    host = fields.String(allow_none=True)
    pid = fields.Integer()
    state = _status(WORKER_STATES)
    queues = fields.List(fields.String())
    slots = fields.Integer()
    busy = fields.List(fields.Nested(Busy))
    completed = fields.Integer()
    failed = fields.Integer()
    memory_bytes = fields.Integer(allow_none=True)
    started_at = _time()
    beat_at = _time()


class Workers(Shown):
    items = fields.List(fields.Nested(Worker))


class Queue(Shown):
    name = fields.String()
    paused = fields.Boolean()
    pending = fields.Integer(metadata={"description": "Children that wait for a worker"})
    running = fields.Integer()
    workers = fields.Integer(metadata={"description": "Workers that serve it"})


class Queues(Shown):
    items = fields.List(fields.Nested(Queue))


class LogLine(Shown):
    sometimes = ("attempt",)

    line = fields.Integer()
    step = fields.String()
    at = _time()
    level = _status(LEVELS)
    message = fields.String()
    child_id = fields.String(allow_none=True)
    attempt = fields.Integer(
        metadata={"description": "Of the first line of a second or later attempt of its child"}
    )


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
    queue = fields.String()
    concurrency = fields.Integer(
        allow_none=True, metadata={"description": "The most of its children that run at once"}
    )
    retries = fields.Integer()
    retry_delay = fields.String()
    retry_backoff = fields.Float()
    retry_max_delay = fields.String()
    retry_on = fields.List(
        fields.Raw(),
        allow_none=True,
        metadata={"description": "Exit codes and names of exceptions; all when null"},
    )
    rerun_when_lost = fields.Boolean()
    timeout = fields.String(allow_none=True)
    step_timeout = fields.String(allow_none=True)
    stall_timeout = fields.String(allow_none=True)
    cancel_grace = fields.String()
    options = fields.Dict()


class Definition(Shown):
    id = fields.String()
    name = fields.String()
    description = fields.String()
    tags = fields.List(fields.String())
    timeout = fields.String(allow_none=True)
    concurrency = fields.Integer(
        allow_none=True, metadata={"description": "The most of its jobs that run at once"}
    )
    concurrency_key = fields.String(allow_none=True)
    priority = fields.Integer()
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


class Mistake(Shown):
    key = fields.String(metadata={"description": "As in TOML; empty for the whole text"})
    line = fields.Integer(
        metadata={"description": "Of the text, from 1 on, where the key or its table stands"}
    )
    message = fields.String()


class Validation(Shown):
    ok = fields.Boolean()
    problems = fields.List(fields.Nested(Mistake))


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
