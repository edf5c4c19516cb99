"""Fields for the tables of a definition.

A step type's options may use them too: they take nothing that merely looks right, like 1 for true.
"""

from marshmallow import ValidationError, fields, validate

from jobsync.definitions.duration import LONGEST, read_duration


class TrueOrFalse(fields.Field):
    """A boolean."""

    def _deserialize(self, value, attr, data, **kwargs):
        if not isinstance(value, bool):
            raise ValidationError("must be true or false")
        return value


class WholeNumber(fields.Integer):
    """A whole number from `low` to `high`, or from `low` on."""

    def __init__(self, low, high=None, **options):
        reason = (
            f"must be a whole number of at least {low}"
            if high is None
            else f"must be a whole number from {low} to {high}"
        )
        super().__init__(
            strict=True,
            validate=validate.Range(low, high, error=reason),
            error_messages={"invalid": reason},
            **options,
        )


class Number(fields.Field):
    """A whole or broken number from `low` to `high`, as it is written."""

    def __init__(self, low, high, **options):
        super().__init__(**options)
        self.low = low
        self.high = high

    def _deserialize(self, value, attr, data, **kwargs):
        if type(value) not in (int, float) or not self.low <= value <= self.high:
            raise ValidationError(f"must be a number from {self.low} to {self.high}")
        return value


class DurationField(fields.Field):
    """A Duration. `zero` and `longest` are those of `read_duration`."""

    def __init__(self, zero=False, longest=LONGEST, **options):
        super().__init__(**options)
        self.zero = zero
        self.longest = longest

    def _deserialize(self, value, attr, data, **kwargs):
        try:
            return read_duration(value, self.zero, self.longest)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class RetryReason(fields.Field):
    """A reason for another attempt: an exit code, a signal as its negative number, or the name of
    an exception.
    """

    def _deserialize(self, value, attr, data, **kwargs):
        if isinstance(value, str):
            good = len(value) <= 200 and all(part.isidentifier() for part in value.split("."))
        else:
            good = type(value) is int and (0 <= value <= 255 or -64 <= value <= -1)
        if not good:
            raise ValidationError(
                "must be an exit code from 0 to 255, the number of a signal from -1 to -64, or the "
                'name of an exception such as "OSError"'
            )
        return value


class ShortList(fields.List):
    """A list of `low` to `high` items; `reason` says so. The items of a longer one aren't looked
    at.
    """

    def __init__(self, inner, low, high, reason, **options):
        super().__init__(inner, **options)
        self.low = low
        self.high = high
        self.reason = reason

    def _deserialize(self, value, attr, data, **kwargs):
        if isinstance(value, list) and not self.low <= len(value) <= self.high:
            raise ValidationError(self.reason)
        return super()._deserialize(value, attr, data, **kwargs)


class Names(fields.Field):
    """`"a, b"` or `["a", "b"]`, as a tuple."""

    def _deserialize(self, value, attr, data, **kwargs):
        if isinstance(value, str):
            value = [name.strip() for name in value.split(",")] if value.strip() else []
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise ValidationError('must be names of steps: "a, b" or ["a", "b"]')
        return tuple(value)


def one_of(*choices, **options):
    """Make a field that takes one of these texts."""
    reason = f"must be one of: {', '.join(choices)}"
    messages = {"invalid": reason, "required": f"is required and {reason}"}
    return fields.String(
        validate=validate.OneOf(choices, error=reason), error_messages=messages, **options
    )


def matching(pattern, reason, **options):
    """Make a field for text that matches as a whole; `reason` says what is asked for."""
    return fields.String(validate=validate.Regexp(rf"(?:{pattern})\Z", error=reason), **options)


def text(size):
    """Make a field for text of any number of lines."""
    return matching(
        rf"[^\x00]{{0,{size}}}", f"must be text of at most {size} characters, without NUL"
    )


def label(size):
    """Make a field for one line of text."""
    return matching(
        rf"(?=.*\S)[^\x00-\x1f\x7f-\x9f]{{1,{size}}}", f"must be one line of 1 to {size} characters"
    )
