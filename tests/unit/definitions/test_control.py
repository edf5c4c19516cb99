"""The keys that say how much of a job runs at once, what is tried again, and what may take how
long.
"""

import tomllib

import pytest
from marshmallow import Schema, fields

from jobsync.base.errors import BadInput
from jobsync.db.models import Step
from jobsync.definitions import read_duration, read_table
from jobsync.definitions.options import options_of
from jobsync.definitions.shapes import StepTable
from jobsync.registry import Registry, StepType
from jobsync.steps import BUILT_IN


class QueueOptions(Schema):
    queue = fields.String(load_default="of its own")


def nothing(context, unit):
    return None


TYPES = Registry(
    StepType("one_by_one", nothing),
    StepType("in_batches", nothing, batch=True),
    StepType("with_a_queue", nothing, options=QueueOptions),
)
HEAD = 'id = "d"\n'
PARAMS = "".join(
    f"[params.{name}]\ntype = '{kind}'\n"
    for name, kind in [("text", "string"), ("whole", "integer"), ("flag", "boolean")]
)


def read(text, kind="one_by_one"):
    """Read a definition of one step: `text`, or `(keys of the file, keys of the step)`."""
    top, keys = text if isinstance(text, tuple) else ("", text)
    return read_table(
        tomllib.loads(f"{HEAD}{top}\n{PARAMS}[step.a]\ntype = '{kind}'\n{keys}"), "d.toml", TYPES
    )


def good(*text, **more):
    definition, problems = read(*text, **more)
    assert problems == []
    return definition


def mistakes(*text, **more):
    """Return `[(key, reason)]`."""
    definition, problems = read(*text, **more)
    assert definition is None
    return [(problem.key, problem.reason) for problem in problems]


GIVEN = {"text": "x", "whole": 3, "flag": True}


def bound(keys, **more):
    return good(keys, **more).bind(GIVEN).steps[0]


# Of a step

GOOD = [
    ("concurrency = 1", 1, 1),
    ("concurrency = 2147483647", 2147483647, 2147483647),
    ("retry_delay = '0s'", "0s", 0),
    ("retry_delay = 0", "0s", 0),
    ("retry_delay = 90", "90s", 90_000),
    ("retry_delay = '250ms'", "250ms", 250),
    ("retry_delay = '365d'", "365d", 31_536_000_000),
    ("retry_backoff = 1", 1, 1),
    ("retry_backoff = 1.5", 1.5, 1.5),
    ("retry_backoff = 100.0", 100.0, 100.0),
    ("retry_max_delay = '1ms'", "1ms", 1),
    ("retry_on = [0, 255, -1, -64]", [0, 255, -1, -64], [0, 255, -1, -64]),
    ("retry_on = ['OSError', 'a.b_1.Ä']", ["OSError", "a.b_1.Ä"], ["OSError", "a.b_1.Ä"]),
    ("rerun_when_lost = true", True, True),
    ("timeout = '1m'", "1m", 60_000),
    ("step_timeout = '1h30m'", "1h30m", 5_400_000),
    ("stall_timeout = 5", "5s", 5000),
    ("cancel_grace = '0s'", "0s", 0),
    ("cancel_grace = '60m'", "60m", 3_600_000),
    ("cancel_grace = 3600", "3600s", 3_600_000),
    (f"queue = '{'aZ0_-' * 12}last'", "aZ0_-" * 12 + "last", "aZ0_-" * 12 + "last"),
]


@pytest.mark.parametrize(("keys", "shown", "stored"), GOOD, ids=[keys for keys, *_ in GOOD])
def test_a_key_is_shown_as_written_and_stored_in_ms(keys, shown, stored):
    key = keys.partition(" ")[0]
    value = good(keys).shown()["steps"][0][key]
    assert (value, type(value)) == (shown, type(shown))
    value = bound(keys)[key]
    assert (value, type(value)) == (stored, type(stored))


def test_all_keys_of_a_bound_step_are_columns_and_no_option_is_among_them():
    keys = "\n".join({keys.partition(" ")[0]: keys for keys, *_ in GOOD}.values())
    step = bound(keys)
    assert set(step) <= set(Step.__table__.columns.keys())
    assert step["options"] == {}
    assert set(StepTable().fields) <= set(step)


def test_the_defaults_are_those_that_are_promised():
    step = good("").shown()["steps"][0]
    defaults = {
        "queue": "default",
        "concurrency": None,
        "retries": 0,
        "retry_delay": "0s",
        "retry_backoff": 2,
        "retry_max_delay": "1h",
        "retry_on": None,
        "timeout": None,
        "step_timeout": None,
        "stall_timeout": None,
        "cancel_grace": "10s",
    }
    assert {key: step[key] for key in defaults} == defaults
    stored = {**defaults, "retry_delay": 0, "retry_max_delay": 3_600_000, "cancel_grace": 10_000}
    assert {key: bound("")[key] for key in defaults} == stored


@pytest.mark.parametrize("kind", ["one_by_one", "in_batches"])
def test_what_a_dead_worker_did_is_done_again_by_default_where_that_does_no_harm(kind):
    for keys, rerun in (
        ("", kind == "in_batches"),
        ("rerun_when_lost = true", True),
        ("rerun_when_lost = false", False),
    ):
        assert good(keys, kind=kind).shown()["steps"][0]["rerun_when_lost"] is rerun
        assert bound(keys, kind=kind)["rerun_when_lost"] is rerun


def test_what_is_made_of_a_definition_does_not_change_it():
    definition = good("retry_on = [1]")
    definition.bind(GIVEN).steps[0]["retry_on"].append(2)
    definition.shown()["steps"][0]["retry_on"].append(3)
    assert definition.bind(GIVEN).steps[0]["retry_on"] == [1]


DURATION = (
    'must be a duration such as "90s", "10m", "1h30m" or "2d", or a whole number of seconds: '
)
ABOVE_ZERO = f"{DURATION}more than 0, at most 365 days"
FROM_ZERO = f"{DURATION}at most 365 days"
AN_HOUR = f"{DURATION}at most 1 hour"
WORTH = (
    "must be an exit code from 0 to 255, the number of a signal from -1 to -64, or the name of an "
    'exception such as "OSError"'
)
REASONS = {
    "concurrency": "must be a whole number from 1 to 2147483647",
    "retry_delay": FROM_ZERO,
    "retry_backoff": "must be a number from 1 to 100",
    "retry_max_delay": ABOVE_ZERO,
    "retry_on": "must be a list",
    "retry_on[0]": WORTH,
    "rerun_when_lost": "must be true or false",
    "timeout": ABOVE_ZERO,
    "step_timeout": ABOVE_ZERO,
    "stall_timeout": ABOVE_ZERO,
    "cancel_grace": AN_HOUR,
    "queue": "must be 1 to 64 of the characters A-Z a-z 0-9 _ -",
}
NO_DURATIONS = ["''", "'1'", "'s'", "-1", "'-1s'", "1.0", "true", "[]", "'1 s'", "2026-01-01"]
HUGE = f"0x{'f' * 5000}"  # more digits than Python writes out
BAD = {
    "concurrency": ["0", "-1", "true", "1.0", "'2'", "2147483648", "[]", HUGE],
    "retry_delay": [*NO_DURATIONS, "'366d'", HUGE],
    "retry_backoff": ["0.5", "0", "-2", "100.5", "101", "nan", "inf", "'2'", "true", "[2]", HUGE],
    "retry_max_delay": [*NO_DURATIONS, "0", "'0s'", "'366d'"],
    "retry_on": ["1", "'OSError'", "{}", "true"],
    "retry_on[0]": [
        f"[{bad}]"
        for bad in (
            *("256", "-65", "1.0", "true", "'1'", "''", "'.'", "'a.'", "'.a'", "'a b'", "'a..b'"),
            *("'a-b'", "'*'", "[]", "{}", f"'{'a' * 201}'", HUGE),
        )
    ],
    "rerun_when_lost": ["1", "'true'", "'always'", "[]"],
    "timeout": [*NO_DURATIONS, "0", "'0s'"],
    "step_timeout": [*NO_DURATIONS, "0", "'0s'", "'0h0ms'"],
    "stall_timeout": [*NO_DURATIONS, "0", "'0s'"],
    "cancel_grace": [*NO_DURATIONS, "'1h1ms'", "3601", "'2h'"],
    "queue": ["''", "'a b'", "'a/b'", "'é'", f"'{'a' * 65}'", "'a\\n'", "'*'", '"a\\n"'],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in BAD.items() for value in values]
)
def test_a_bad_value_of_a_step_is_told_with_what_is_allowed(key, value):
    name = key.removesuffix("[0]")
    assert mistakes(f"{name} = {value}") == [(f"step.a.{key}", REASONS[key])]


def test_more_than_a_hundred_reasons_for_another_attempt_are_too_many():
    assert len(good(f"retry_on = {[1] * 100}").steps[0].retry_on) == 100
    reason = "must be a list of 1 to 100 exit codes and names of exceptions"
    for number in (0, 101):
        assert mistakes(f"retry_on = {[1] * number}") == [("step.a.retry_on", reason)]


def test_each_mistyped_key_is_answered_with_the_one_that_is_meant():
    meant = {
        "concurency": "concurrency",
        "retry_dely": "retry_delay",
        "retry_backof": "retry_backoff",
        "retry_max_dely": "retry_max_delay",
        "rerun_when_lots": "rerun_when_lost",
        "step_timout": "step_timeout",
        "stall_timout": "stall_timeout",
        "cancel_grase": "cancel_grace",
        "queu": "queue",
    }
    found = dict(mistakes("\n".join(f"{key} = 1" for key in meant)))
    for key, word in meant.items():
        assert found[f"step.a.{key}"].startswith(f"did you mean {word}? (")


def test_a_broken_number_of_retries_hides_none_of_the_others():
    keys = "retries = -1\nretry_delay = 'x'\nretry_backoff = 0\nqueue = ''\ncancel_grace = '2h'"
    assert {key for key, _ in mistakes(keys)} == {
        f"step.a.{key}"
        for key in ("retries", "retry_delay", "retry_backoff", "queue", "cancel_grace")
    }


# Options of step types


@pytest.mark.parametrize("step_type", BUILT_IN, ids=lambda step_type: step_type.name)
def test_no_shipped_step_type_has_an_option_that_every_step_has(step_type):
    assert not options_of(step_type) & StepTable().fields.keys()


def test_an_option_of_a_step_type_that_every_step_has_is_refused_where_it_is_used():
    assert good("", kind="with_a_queue").bind(GIVEN).steps[0]["options"] == {"queue": "of its own"}
    assert mistakes("queue = 'mine'", kind="with_a_queue") == [
        (
            "step.a.queue",
            "would be two things: every step has queue, and with_a_queue has an option of that "
            "name",
        )
    ]


# Of a definition


def test_a_definition_shows_its_limit_and_its_priority():
    shown = good(("concurrency = 2\nconcurrency_key = '{text}'\npriority = -100", "")).shown()
    assert (shown["concurrency"], shown["concurrency_key"], shown["priority"]) == (
        2,
        "{text}",
        -100,
    )
    shown = good("").shown()
    assert (shown["concurrency"], shown["concurrency_key"], shown["priority"]) == (None, None, 0)


@pytest.mark.parametrize(
    ("keys", "key", "reason"),
    [
        ("concurrency = 0", "concurrency", "must be a whole number from 1 to 2147483647"),
        ("concurrency = true", "concurrency", "must be a whole number from 1 to 2147483647"),
        ("concurrency = '1'", "concurrency", "must be a whole number from 1 to 2147483647"),
        ("priority = -101", "priority", "must be a whole number from -100 to 100"),
        ("priority = 101", "priority", "must be a whole number from -100 to 100"),
        ("priority = 1.0", "priority", "must be a whole number from -100 to 100"),
        ("priority = 'high'", "priority", "must be a whole number from -100 to 100"),
        (
            "concurrency_key = '{text}'",
            "concurrency_key",
            "needs concurrency: how many jobs of each value run at once",
        ),
        ("concurrency = 1\nconcurrency_key = 5", "concurrency_key", "must be text"),
        (
            "concurrency = 1\nconcurrency_key = ''",
            "concurrency_key",
            "must be one line of 1 to 1000 characters",
        ),
        (
            "concurrency = 1\nconcurrency_key = '{'",
            "concurrency_key",
            "a lone brace: write {{ or }} for a brace",
        ),
        (
            "concurrency = 1\nconcurrency_key = '{item}'",
            "concurrency_key",
            "there is no parameter 'item'; there are: text, whole, flag",
        ),
        (
            "concurrency = 1\nconcurrency_key = '{text}-{whol}'",
            "concurrency_key",
            "did you mean whole? (there is no parameter 'whol'; there are: text, whole, flag)",
        ),
        ("concurency = 1", "concurency", "did you mean concurrency? (is not known; known are: "),
    ],
)
def test_a_bad_value_of_a_definition_is_told_with_what_is_allowed(keys, key, reason):
    [(place, said)] = mistakes((keys, ""))
    assert place == key
    assert said == reason or (reason.endswith(": ") and said.startswith(reason))


def test_a_bad_limit_is_told_once_and_not_again_at_its_key():
    assert [key for key, _ in mistakes(("concurrency = 0\nconcurrency_key = '{text}'", ""))] == [
        "concurrency"
    ]


def test_every_unknown_name_in_a_key_is_told_beside_its_missing_limit():
    assert [key for key, _ in mistakes(("concurrency_key = '{x}{y}'", ""))] == [
        "concurrency_key"
    ] * 3


def test_the_keys_of_a_definition_and_of_a_step_are_not_taken_for_each_other():
    found = mistakes(("queue = 'x'\nretries = 1", "priority = 1"))
    assert {key for key, _ in found} == {"queue", "retries", "step.a.priority"}


# The value of a key


def value_of(key, **params):
    definition = good((f"concurrency = 1\nconcurrency_key = '{key}'", ""))
    return definition.bind({**GIVEN, **params}).concurrency_value


@pytest.mark.parametrize(
    ("key", "params", "value"),
    [
        ("{text}", {"text": "a b"}, "a b"),
        ("{text}", {"text": ""}, ""),
        ("{text}", {"text": "{whole}"}, "{whole}"),
        ("{whole}", {"whole": "07"}, "7"),
        ("{flag}", {"flag": "no"}, "false"),
        ("{text}/{whole}-{{{flag}}}", {"text": "ä\n"}, "ä\n/3-{true}"),
        ("everything", {}, "everything"),
    ],
)
def test_a_key_is_filled_in_as_text(key, params, value):
    assert value_of(key, **params) == value


def test_without_a_key_there_is_no_value():
    assert good("").bind(GIVEN).concurrency_value is None
    assert good(("concurrency = 1", "")).bind(GIVEN).concurrency_value is None


def test_binding_again_gives_the_same_value():
    definition = good(("concurrency = 1\nconcurrency_key = '{whole}'", ""))
    once = definition.bind({**GIVEN, "whole": "007"})
    assert definition.bind(once.params) == once


def test_a_value_that_is_too_long_is_laid_to_the_parameters_in_it():
    assert len(value_of("{text}", text="x" * 1000)) == 1000
    with pytest.raises(BadInput) as caught:
        value_of("{text}{whole}", text="x" * 1000)
    reason = "concurrency_key: must be at most 1000 characters long with this value, not 1001"
    assert caught.value.errors == {"params": {"text": [reason], "whole": [reason]}}


def test_a_parameter_without_a_good_value_is_told_of_alone():
    with pytest.raises(BadInput) as caught:
        value_of("{text}{whole}", text="x" * 1000, whole="many")
    assert caught.value.errors == {"params": {"whole": ["must be a whole number"]}}


# Durations


@pytest.mark.parametrize(
    ("value", "ms", "text"), [("0s", 0, "0s"), ("0h0ms", 0, "0h0ms"), (0, 0, "0s"), (1, 1000, "1s")]
)
def test_where_zero_is_allowed_no_time_at_all_is_a_duration(value, ms, text):
    assert read_duration(value, zero=True) == (ms, text)


@pytest.mark.parametrize("bad", ["", "0", "-0s", "s", -1, 0.0, False, None])
def test_zero_is_written_as_a_duration_too(bad):
    with pytest.raises(ValueError, match="must be a duration such as .* seconds: at most 365 days"):
        read_duration(bad, zero=True)
