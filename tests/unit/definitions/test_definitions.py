"""TOML files in, checked definitions or the list of all their mistakes out."""

import copy
import os
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from jobsync import registry
from jobsync.base.errors import BadInput, NotFound
from jobsync.definitions import Definition, Definitions, Problem, read_duration, read_table, reading
from jobsync.definitions.values import TYPES
from jobsync.steps.command.step import command


class ProbeOptions(Schema):
    dir_path = fields.String(validate=validate.Length(max=4096))
    count = fields.Integer(
        strict=True,
        load_default=1,
        validate=validate.Range(1, 1000, error="must be from 1 to 1000"),
    )
    most = fields.Integer(strict=True)
    flag = fields.Boolean()
    words = fields.List(fields.String())
    env = fields.Dict(keys=fields.String(), values=fields.String())
    run = fields.List(fields.String(), validate=validate.Length(min=1))

    @validates_schema
    def check_order(self, data, **kwargs):
        if "most" in data and data["count"] > data["most"]:
            raise ValidationError("must be at least count", "most")


class StrictOptions(Schema):
    needed = fields.String(required=True)

    @validates_schema
    def check_luck(self, data, **kwargs):
        if data["needed"] == "unlucky":
            raise ValidationError("there is no luck")


class EagerOptions(Schema):
    first = fields.String()
    second = fields.String()

    @validates_schema(skip_on_field_errors=False)
    def check_both(self, data, **kwargs):
        if ("first" in data) != ("second" in data):
            raise ValidationError("needs both or none")


class BrokenOptions(Schema):
    value = fields.Raw(validate=lambda value: value > 0)


def refuse_dashes(options, params):
    """A check that names the parameter, as step types do."""
    return [
        f"the value of '{name}' must not begin with a dash"
        for name, value in params.items()
        if isinstance(value, str) and value.startswith("-")
    ]


def refuse_zero(options, params):
    return ["nothing adds up"] if 0 in params.values() else []


PROBE = registry.StepType(
    "probe_x",
    lambda context, unit: None,
    options=ProbeOptions,
    templates=("run", "env"),
    placeholders={"item": "run"},
    check=refuse_dashes,
)
STRICT = registry.StepType(
    "probe_strict", lambda context, unit: None, options=StrictOptions, check=refuse_zero
)
BROKEN = registry.StepType(
    "probe_broken",
    lambda context, unit: None,
    options=BrokenOptions,
    check=lambda options, params: params["missing"],
)
EAGER = registry.StepType("probe_eager", lambda context, unit: None, options=EagerOptions)
BARE = registry.StepType("probe_bare", lambda context, unit: None)
STRICT.summarize(lambda context, results: {})


STEP_TYPES = registry.Registry(PROBE, STRICT, EAGER, BROKEN, BARE, command)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "definitions"
    folder.mkdir()
    return folder


GOOD = """
id = "good"
name = "Good one"
[step.only]
type = "probe_bare"
"""


def file_with(folder, text, name="probe.toml"):
    (folder / name).write_text(text)
    return Definitions(folder, STEP_TYPES)


def mistakes(text, folder):
    """Return `{key: [reasons]}` of a file with this text after an id."""
    found = {}
    for problem in file_with(folder, 'id = "probe"\n' + text).problems():
        assert problem.file == "probe.toml"
        found.setdefault(problem.key, []).append(problem.reason)
    return found


def one(text, folder):
    """Return the definition of a file that must be good."""
    book = file_with(folder, 'id = "probe"\n' + text)
    assert book.problems() == []
    return book.find("probe")


def refusal(definition, given):
    """Return the mistakes by parameter with which `bind` refuses."""
    with pytest.raises(BadInput) as caught:
        definition.bind(given)
    assert caught.value.message == "The input is not valid."
    assert list(caught.value.errors) == ["params"]
    return caught.value.errors["params"]


STEP = '[step.one]\ntype = "probe_x"\n'


def param(body):
    return f"[params.p]\n{body}\n{STEP}"


# Reading a good file

FULL = """
id = "full"
name = "Full"
description = "All there is"
tags = ["a", "b"]
timeout = "4h"

[params.folder]
type = "path"
default = "."
description = "What to read"

[params.workers]
type = "integer"
minimum = 1
maximum = 8

[params.mode]
type = "string"
default = "fast"
choices = ["fast", "slow"]

[step.first]
type = "probe_x"
dir_path = "{folder}"
count = "{workers}"
words = ["{mode}!", "{{mode}}"]

[step.second]
type = "probe_x"
depends = "first"
on_error = "fail"
always_run = true
max_child_failures = 3
retries = 2
timeout = "10m"
run = ["cat", "{item}", "{folder}"]

[step.third]
type = "probe_strict"
needed = "{mode}"
depends = ["first", "second"]

[error_tolerance]
max_child_failures = 7
failure_action = "continue"
"""


def test_it_shows_a_definition_as_written(folder):
    book = file_with(folder, FULL)
    assert book.problems() == []
    shown = book.find("full").shown()
    assert {key: shown[key] for key in ("id", "name", "description", "tags", "timeout")} == {
        "id": "full",
        "name": "Full",
        "description": "All there is",
        "tags": ["a", "b"],
        "timeout": "4h",
    }
    assert shown["params"][0] == {
        "name": "folder",
        "type": "path",
        "default": ".",
        "required": False,
        "description": "What to read",
        "choices": [],
        "minimum": None,
        "maximum": None,
    }
    assert [
        (p["name"], p["required"], p["choices"], p["minimum"], p["maximum"])
        for p in shown["params"][1:]
    ] == [
        ("workers", True, [], 1, 8),
        ("mode", False, ["fast", "slow"], None, None),
    ]
    assert shown["steps"][1] == {
        "name": "second",
        "type": "probe_x",
        "depends": ["first"],
        "on_error": "fail",
        "always_run": True,
        "max_child_failures": 3,
        "queue": "default",
        "concurrency": None,
        "retries": 2,
        "retry_delay": "0s",
        "retry_backoff": 2,
        "retry_max_delay": "1h",
        "retry_on": None,
        "rerun_when_lost": False,
        "timeout": "10m",
        "step_timeout": None,
        "stall_timeout": None,
        "cancel_grace": "10s",
        "options": {"run": ["cat", "{item}", "{folder}"]},
    }


def test_steps_take_their_defaults_from_the_error_tolerance(folder):
    first = file_with(folder, FULL).find("full").steps[0]
    assert (first.on_error, first.max_child_failures) == ("continue", 7)
    assert (first.retries, first.timeout, first.always_run, first.depends) == (0, None, False, ())


def test_without_an_error_tolerance_a_step_fails_at_the_first_child(folder):
    step = one(STEP, folder).steps[0]
    assert (step.on_error, step.max_child_failures) == ("fail", 0)


def test_the_name_is_the_id_where_none_is_given(folder):
    definition = one(STEP, folder)
    assert (definition.name, definition.description, definition.tags, definition.timeout) == (
        "probe",
        "",
        (),
        None,
    )
    assert definition.file == "probe.toml"


def test_it_lists_definitions_by_name_whatever_the_files_are_called(folder):
    for file, name in (("a", "zebra"), ("b", "Bee"), ("c", "ant")):
        (folder / f"{file}.toml").write_text(
            GOOD.replace('"good"', f'"{file}"').replace("Good one", name)
        )
    assert [definition.name for definition in Definitions(folder, STEP_TYPES).all()] == [
        "ant",
        "Bee",
        "zebra",
    ]


def test_a_whole_number_of_seconds_is_a_duration(folder):
    definition = one(f"timeout = 90\n{STEP}timeout = 5\n", folder)
    assert (definition.timeout.ms, definition.shown()["timeout"]) == (90_000, "90s")
    assert (definition.steps[0].timeout.ms, definition.shown()["steps"][0]["timeout"]) == (
        5000,
        "5s",
    )


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("500ms", 500),
        ("90s", 90_000),
        ("10m", 600_000),
        ("4h", 14_400_000),
        ("2d", 172_800_000),
        ("1h30m", 5_400_000),
        ("1d2h3m4s5ms", 93_784_005),
    ],
)
def test_it_reads_durations(text, ms):
    assert read_duration(text) == (ms, text)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "10",
        "m",
        "10 m",
        "-1s",
        "1.5h",
        "30m1h",
        "0s",
        "366d",
        "10x",
        "٣s",
        0,
        -5,
        1.5,
        True,
        10**15,
        [],
        None,
    ],
)
def test_it_refuses_what_is_no_duration(bad):
    with pytest.raises(ValueError, match="must be a duration such as"):
        read_duration(bad)


def test_windows_line_ends_and_a_byte_order_mark_are_fine(folder):
    (folder / "w.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert [definition.id for definition in Definitions(folder, STEP_TYPES).all()] == ["good"]


# Mistakes


def test_it_reports_all_mistakes_of_a_file_at_once(folder):
    found = mistakes(
        """
        colour = "red"
        name = ""
        tags = "one"
        timeout = "soon"
        [params.workers]
        type = "int"
        default = 4
        [step.one]
        type = "nothing"
        depends = "two, three"
        [step.two]
        type = "probe_x"
        max_files = 4
        count = 0
        on_error = "ignore"
        retries = -1
        [error_tolerance]
        failure_action = "explode"
        """,
        folder,
    )
    assert set(found) == {
        "colour",
        "name",
        "tags",
        "timeout",
        "params.workers.type",
        "step.one.type",
        "step.one.depends",
        "step.two.max_files",
        "step.two.count",
        "step.two.on_error",
        "step.two.retries",
        "error_tolerance.failure_action",
    }
    assert found["params.workers.type"] == [
        "must be one of: string, integer, number, boolean, path"
    ]
    assert found["step.two.on_error"] == ["must be one of: fail, continue"]
    assert found["step.two.retries"] == ["must be a whole number from 0 to 100"]
    assert found["step.two.count"] == ["must be from 1 to 1000"]
    assert "dir_path, count, most" in found["step.two.max_files"][0]
    assert "there is no step 'three'; there are: one, two" in found["step.one.depends"]


def test_a_problem_reads_as_file_key_and_reason():
    assert (
        str(Problem("codebase.toml", "step.a.max_files", "must be more"))
        == "codebase.toml: step.a.max_files: must be more"
    )
    assert str(Problem("codebase.toml", "", "must be TOML")) == "codebase.toml: must be TOML"


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        (
            STEP + "[stepp.x]",
            "stepp",
            (
                "is not known; known are: id, name, description, tags, timeout, concurrency, "
                "concurrency_key, priority, params, step, error_tolerance"
            ),
        ),
        (
            STEP + "[error_tolerance]\nmax = 1",
            "error_tolerance.max",
            "is not known; known are: max_child_failures, failure_action",
        ),
        (
            STEP + "[params.a]\ntype = 'string'\nhelp = ''",
            "params.a.help",
            "is not known; known are: type, default",
        ),
        (STEP + "typ = 1", "step.one.typ", "is not an option of probe_x; its options: dir_path"),
        (STEP + '"odd key\\n" = 1', 'step.one."odd key\\n"', "is not an option"),
        (
            "[step.one]\ntype = 'probe_bare'\ncount = 1",
            "step.one.count",
            "is not an option of probe_bare; its options: none",
        ),
        ("[step.one]\ntype = 'probe_strict'", "step.one.needed", "is required"),
        ("[step.one]\ntype = 'probe_strict'\nneeded = 'unlucky'", "step.one", "there is no luck"),
        ("[step.one]\ntype = 'nope'", "step.one.type", "there is no step type 'nope'; there are: "),
        (
            "[step.one]\ntype = 'nope'\nwords = ['{of_its_own}']",
            "step.one.type",
            "there is no step type 'nope'",
        ),
        ("[step.one]\ntype = 5", "step.one.type", "must be text"),
        ("[step.one]\nretries = 1", "step.one.type", "is required; there are: "),
        ("", "step", "there must be at least one step"),
        ("step = 5", "step", "there must be at least one step"),
        ("[[step]]\nname = 'a'", "step", "there must be at least one step"),
        ("[step]\none = 5", "step.one", "must be a table"),
        ("[[step.one]]\ntype = 'probe_x'", "step.one", "must be a table"),
        (
            "[step.'a b']\ntype = 'probe_x'",
            'step."a b"',
            "the name must be 1 to 64 of the characters",
        ),
        (
            "[step." + "a" * 65 + "]\ntype = 'probe_x'",
            "step." + "a" * 65,
            "the name must be 1 to 64 of the characters",
        ),
        ("params = 1\n" + STEP, "params", "must hold tables"),
        ("[params]\na = 1\n" + STEP, "params.a", "must be a table"),
        ("error_tolerance = 1\n" + STEP, "error_tolerance", "must be a table"),
        ("name = 'two\\nlines'\n" + STEP, "name", None),
        ('name = "two\\nlines"\n' + STEP, "name", "must be one line of 1 to 200 characters"),
        ("name = 5\n" + STEP, "name", "must be text"),
        ('description = "a\\u0000b"\n' + STEP, "description", "without NUL"),
        ("tags = ['ok', 5]\n" + STEP, "tags[1]", "must be text"),
        ("timeout = true\n" + STEP, "timeout", "must be a duration such as"),
        ("timeout = 2026-01-01\n" + STEP, "timeout", "must be a duration such as"),
        (
            STEP + "max_child_failures = true",
            "step.one.max_child_failures",
            "must be a whole number from 0",
        ),
        (
            STEP + "max_child_failures = 1.0",
            "step.one.max_child_failures",
            "must be a whole number from 0",
        ),
        (
            STEP + "max_child_failures = -1",
            "step.one.max_child_failures",
            "must be a whole number from 0",
        ),
        (STEP + "retries = 101", "step.one.retries", "must be a whole number from 0 to 100"),
        (STEP + "always_run = 1", "step.one.always_run", "must be true or false"),
        (STEP + "always_run = 'yes'", "step.one.always_run", "must be true or false"),
        (STEP + "timeout = '0s'", "step.one.timeout", "more than 0, at most 365 days"),
        (STEP + "depends = 5", "step.one.depends", 'must be names of steps: "a, b" or ["a", "b"]'),
        (STEP + "depends = ['one']", "step.one.depends", "a step can't depend on itself"),
        (
            STEP + "depends = 'two,'\n[step.two]\ntype = 'probe_x'",
            "step.one.depends",
            "there is no step ''",
        ),
        (
            STEP + "depends = 'two, two'\n[step.two]\ntype = 'probe_x'",
            "step.one.depends",
            "names 'two' more than once",
        ),
        (STEP + "count = true", "step.one.count", "must be a whole number"),
        (STEP + "count = 'many'", "step.one.count", "must be a whole number"),
        (STEP + "most = 2\ncount = 3", "step.one.most", "must be at least count"),
        (STEP + "words = ['ok', 1]", "step.one.words[1]", "must be text"),
        (STEP + "words = 'ok'", "step.one.words", "must be a list"),
        (STEP + "env = { A = 1 }", "step.one.env.A", "must be text"),
        (
            STEP + "dir_path = 2026-01-01",
            "step.one.dir_path",
            "must not be a date or time; put it in quotes",
        ),
        (STEP + "env = { A = 10:00:00 }", "step.one.env.A", "must not be a date or time"),
        (STEP + "most = nan", "step.one.most", "must be a finite number"),
        (STEP + "most = 99999999999999999999", "step.one.most", "must fit into 64 bits"),
        (STEP + 'words = ["a\\u0000"]', "step.one.words[0]", "must not contain NUL"),
        (STEP + "env.a" + ".b" * 300 + " = 1", "step.one.env", "must be nested at most 20 deep"),
        (
            STEP + "dir_path = '{nowhere}'",
            "step.one.dir_path",
            "there is no parameter 'nowhere'; there are: none",
        ),
        (STEP + "run = ['{nowhere}']", "step.one.run", "there is no parameter 'nowhere'"),
        (STEP + "dir_path = '{item}'", "step.one.dir_path", "{item} can only be used in env, run"),
        (STEP + "dir_path = 'a}'", "step.one.dir_path", "a lone brace"),
        (STEP + "run = ['{']", "step.one.run", "a lone brace"),
        (STEP + "run = []", "step.one.run", ""),
    ],
)
def test_it_refuses(text, key, reason, folder):
    found = mistakes(text, folder)
    if reason is None:  # TOML's plain quotes: the backslash is a letter, so this one is good
        assert found == {}
        return
    assert list(found) == [key]
    assert len(found[key]) == 1
    assert reason in found[key][0]


@pytest.mark.parametrize(
    ("body", "key", "reason"),
    [
        ("default = 'x'", "params.p.type", "is required and must be one of: string"),
        ("type = 'string'\ndefault = 5", "params.p.default", "must be text"),
        ("type = 'integer'\ndefault = true", "params.p.default", "must be a whole number"),
        ("type = 'integer'\ndefault = '5'", "params.p.default", "must be a whole number"),
        ("type = 'integer'\ndefault = 1.0", "params.p.default", "must be a whole number"),
        ("type = 'number'\ndefault = nan", "params.p.default", "must be a finite number"),
        ("type = 'number'\ndefault = 1979-05-27", "params.p.default", "must be a number"),
        ("type = 'boolean'\ndefault = 1", "params.p.default", "must be true or false"),
        ("type = 'path'\ndefault = ''", "params.p.default", "must not be empty"),
        ("type = 'string'\ndefault = \"a\\u0000\"", "params.p.default", "must not contain NUL"),
        (
            "type = 'string'\ndefault = 'c'\nchoices = ['a', 'b']",
            "params.p.default",
            "must be one of: a, b",
        ),
        ("type = 'string'\nchoices = ['a', 1]", "params.p.choices[1]", "must be text"),
        ("type = 'string'\nchoices = []", "params.p.choices", "must be a list of 1 to 1000 values"),
        (
            "type = 'boolean'\nchoices = [true]",
            "params.p.choices",
            "is only for the types string, integer, number",
        ),
        (
            "type = 'string'\nminimum = 1",
            "params.p.minimum",
            "is only for the types integer, number",
        ),
        ("type = 'integer'\nminimum = 1.5", "params.p.minimum", "must be a whole number"),
        (
            "type = 'integer'\nminimum = 3\nmaximum = 2",
            "params.p.minimum",
            "must be at most the maximum, 2",
        ),
        ("type = 'integer'\nminimum = 3\ndefault = 2", "params.p.default", "must be at least 3"),
        (
            "type = 'integer'\nmaximum = 3\nchoices = [1, 4]",
            "params.p.choices[1]",
            "must be at most 3",
        ),
    ],
)
def test_it_refuses_a_parameter(body, key, reason, folder):
    found = mistakes(param(body), folder)
    assert list(found) == [key]
    assert reason in found[key][0]


@pytest.mark.parametrize("name", ["1st", "a-b", "'a b'", "''", "'é'", "a" * 65])
def test_it_refuses_a_parameter_name_that_no_placeholder_can_have(name, folder):
    found = mistakes(f"[params.{name}]\ntype = 'string'\n{STEP}", folder)
    assert len(found) == 1
    assert "not begin with a digit" in next(iter(found.values()))[0]


def test_it_refuses_parameters_that_would_be_one_variable_in_the_environment(folder):
    found = mistakes(
        f"[params.folder]\ntype = 'string'\n[params.Folder]\ntype = 'string'\n{STEP}", folder
    )
    assert found == {
        "params.Folder": ["must differ from 'folder' by more than upper and lower case"]
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is required"),
        ("id = 'a b'", "must be 1 to 64"),
        ("id = 5", "must be text"),
        ("id = ''", "must be 1 to 64"),
    ],
)
def test_it_refuses_a_file_without_a_good_id(text, reason, folder):
    [problem] = file_with(folder, f"{text}\n{STEP}").problems()
    assert problem.key == "id"
    assert reason in problem.reason


def test_a_mistake_in_a_parameter_is_told_once_and_not_again_where_it_is_used(folder):
    assert list(mistakes(param("type = 'oops'") + "dir_path = '{p}'", folder)) == ["params.p.type"]


def test_it_names_every_cycle(folder):
    steps = {"a": "c", "b": "a", "c": "b", "d": "e", "e": "d", "f": "a"}
    text = "".join(
        f"[step.{name}]\ntype = 'probe_bare'\ndepends = '{other}'\n"
        for name, other in steps.items()
    )
    assert mistakes(text, folder) == {
        "step.a.depends": ["is a cycle: a → c → b → a"],
        "step.d.depends": ["is a cycle: d → e → d"],
    }


@pytest.mark.parametrize("order", ["xabc", "xbca", "cxab", "cbax"])
def test_a_cycle_begins_with_the_step_of_it_that_comes_first(order, folder):
    depends = {"x": "c", "a": "b", "b": "c", "c": "a"}
    text = "".join(
        f"[step.{name}]\ntype = 'probe_bare'\ndepends = '{depends[name]}'\n" for name in order
    )
    first = next(name for name in order if name != "x")
    second, third = depends[first], depends[depends[first]]
    assert mistakes(text, folder) == {
        f"step.{first}.depends": [f"is a cycle: {first} → {second} → {third} → {first}"]
    }


def test_a_thousand_steps_in_a_row_are_fine_and_one_more_is_not(folder):
    def chain(length):
        return "".join(
            f"[step.s{n}]\ntype = 'probe_bare'\n" + (f"depends = 's{n - 1}'\n" if n else "")
            for n in range(length)
        )

    assert len(one(chain(1000), folder).steps) == 1000
    assert mistakes(chain(1001), folder) == {"step": ["there must be at most 1000 steps, not 1001"]}


def test_it_finds_a_cycle_of_a_thousand_steps(folder):
    text = "".join(
        f"[step.s{n}]\ntype = 'probe_bare'\ndepends = 's{(n + 1) % 1000}'\n" for n in range(1000)
    )
    [[reason]] = mistakes(text, folder).values()
    assert reason.startswith("is a cycle: s0 → s1 → ") and reason.endswith("→ s999 → s0")


def test_options_are_checked_with_the_defaults_filled_in(folder):
    found = mistakes(param("type = 'integer'\ndefault = 2000") + "count = '{p}'", folder)
    assert found == {"step.one.count": ["must be from 1 to 1000"]}


def test_an_option_with_a_parameter_without_a_default_is_only_checked_to_be_known(folder):
    text = param("type = 'integer'")
    assert mistakes(text + "count = '{p}'\nmost = 0", folder) == {}
    assert list(mistakes(text + "cuont = '{p}'\nmost = 'x'", folder)) == [
        "step.one.cuont",
        "step.one.most",
    ]
    assert (
        mistakes(
            "[params.p]\ntype='string'\n[step.one]\ntype = 'probe_strict'\nneeded = '{p}'", folder
        )
        == {}
    )


def test_options_are_not_checked_against_each_other_while_one_is_not_known(folder):
    text = "[params.p]\ntype = 'string'\n[step.one]\ntype = 'probe_eager'\nfirst = 'x'\n"
    definition = one(text + "second = '{p}'", folder)
    assert definition.bind({"p": "y"}).steps[0]["options"] == {"first": "x", "second": "y"}
    assert mistakes(text, folder) == {"step.one": ["needs both or none"]}


def test_a_step_type_that_raises_is_a_problem_of_its_definition_alone(folder, caplog):
    (folder / "good.toml").write_text(GOOD)
    found = mistakes("[step.one]\ntype = 'probe_broken'\nvalue = 'text'", folder)
    assert (
        "the step type probe_broken could not check its options: TypeError" in found["step.one"][0]
    )
    assert [definition.id for definition in Definitions(folder, STEP_TYPES).all()] == ["good"]
    assert "could not check" in caplog.text


# Files


def test_a_missing_folder_is_a_problem_and_no_definitions_until_it_is_there(tmp_path):
    book = Definitions(tmp_path / "nowhere", STEP_TYPES)
    assert book.all() == []
    [problem] = book.problems()
    assert "the folder of definitions can't be read: No such file or directory" in str(problem)
    (tmp_path / "nowhere").mkdir()
    assert book.problems() == []
    (tmp_path / "nowhere" / "good.toml").write_text(GOOD)
    assert len(book.all()) == 1
    (tmp_path / "nowhere" / "good.toml").unlink()
    (tmp_path / "nowhere").rmdir()
    assert (book.all(), len(book.problems())) == ([], 1)


def test_a_file_in_the_place_of_the_folder_is_a_problem(tmp_path):
    (tmp_path / "file").write_text("")
    assert "Not a directory" in Definitions(tmp_path / "file", STEP_TYPES).problems()[0].reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"id = 'x'\nname == 'y'\n", "must be TOML: Invalid value (at line 2, column 7)"),
        (b"id = 'x'\nid = 'y'\n", "must be TOML: Cannot overwrite a value (at line 2"),
        (b"id = 'x'\nname = 'caf\xe9'\n", "must be UTF-8 text, which line 2 is not"),
        (b"id = 'x'\nn = " + b"9" * 5000, "must be TOML with numbers that fit into 64 bits"),
        (b"id = 'x'\nn = " + b"[" * 20_000, "nested so deep"),
        (b"id = 'x'\n#" + b"x" * 1024 * 1024, "must be at most 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_toml_is_a_problem_and_stops_no_other(data, reason, folder):
    (folder / "good.toml").write_text(GOOD)
    (folder / "bad.toml").write_bytes(data)
    book = Definitions(folder, STEP_TYPES)
    assert [definition.id for definition in book.all()] == ["good"]
    [problem] = book.problems()
    assert (problem.file, problem.key) == ("bad.toml", "")
    assert reason in problem.reason
    assert "\n" not in str(problem)


def test_what_is_no_regular_file_is_a_problem_and_is_not_opened(folder):
    (folder / "good.toml").write_text(GOOD)
    (folder / "folder.toml").mkdir()
    (folder / "gone.toml").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe.toml")
    book = Definitions(folder, STEP_TYPES)
    assert [(problem.file, problem.reason) for problem in book.problems()] == [
        ("folder.toml", "must be a regular file"),
        ("gone.toml", "can't be read: No such file or directory"),
        ("pipe.toml", "must be a regular file"),
    ]
    assert len(book.all()) == 1


def test_other_files_hidden_files_and_folders_below_are_passed_over(folder):
    (folder / "below").mkdir()
    for name in ("below/x.toml", "notes.txt", ".#good.toml", "good.toml~", "toml"):
        (folder / name).write_text("not = = toml")
    book = Definitions(folder, STEP_TYPES)
    assert (book.all(), book.problems()) == ([], [])


def test_a_link_to_a_file_is_read(folder, tmp_path):
    (tmp_path / "elsewhere").write_text(GOOD)
    (folder / "link.toml").symlink_to(tmp_path / "elsewhere")
    assert Definitions(folder, STEP_TYPES).find("good").file == "link.toml"


def test_an_odd_file_name_is_shown_on_one_line(folder):
    Path(os.fsdecode(os.fsencode(folder) + b"/a\xff\x1b\n.toml")).write_text("x")
    [problem] = Definitions(folder, STEP_TYPES).problems()
    assert problem.file == "a\\xff\\x1b\\n.toml"


def test_of_two_files_with_one_id_the_first_wins_and_the_other_is_a_problem(folder):
    (folder / "b.toml").write_text(GOOD.replace("Good one", "Second"))
    (folder / "a.toml").write_text(GOOD.replace("Good one", "First"))
    book = Definitions(folder, STEP_TYPES)
    assert [definition.name for definition in book.all()] == ["First"]
    assert book.find("good").file == "a.toml"
    assert [str(problem) for problem in book.problems()] == [
        "b.toml: id: 'good' is the id of a.toml already; this file is passed over"
    ]
    (folder / "a.toml").unlink()
    assert (book.find("good").file, book.problems()) == ("b.toml", [])


def test_a_broken_file_keeps_its_id_so_that_no_other_runs_in_its_place(folder):
    (folder / "a.toml").write_text(GOOD + "count = 1")
    (folder / "b.toml").write_text(GOOD)
    book = Definitions(folder, STEP_TYPES)
    assert book.all() == []
    with pytest.raises(NotFound, match="its file has mistakes: a.toml: step.only.count"):
        book.find("good")


def test_an_unknown_id_is_not_found(folder):
    with pytest.raises(NotFound, match=r"^There is no definition 'nope'\.$"):
        file_with(folder, GOOD).find("nope")


@pytest.mark.parametrize("text", [GOOD + "retries = true\nfoo = 1", GOOD + "= oops"])
def test_find_says_when_the_file_with_that_id_is_broken(text, folder):
    with pytest.raises(
        NotFound,
        match=r"^The definition 'good' can't be used, its file has mistakes: probe\.toml: ",
    ):
        file_with(folder, text).find("good")


# Reading again


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that were read, and no waiting until a fresh file counts as
    settled.
    """
    seen = []
    real = reading.read_regular
    monkeypatch.setattr(
        reading, "read_regular", lambda path, *more: seen.append(path.name) or real(path, *more)
    )
    monkeypatch.setattr(reading, "SETTLED", 0)
    return seen


def test_it_reads_only_the_files_that_changed_again(folder, reads):
    (folder / "a.toml").write_text(GOOD)
    (folder / "b.toml").write_text(GOOD.replace('"good"', '"other"'))
    (folder / "c.toml").write_text("broken")
    book = Definitions(folder, STEP_TYPES)
    book.all()
    assert sorted(reads) == ["a.toml", "b.toml", "c.toml"]
    reads.clear()
    book.problems()
    book.find("good")
    assert reads == []
    (folder / "b.toml").write_text(GOOD.replace('"good"', '"another"'))
    assert {definition.id for definition in book.all()} == {"good", "another"}
    assert reads == ["b.toml"]


def test_it_sees_files_come_go_and_get_another_name(folder, reads):
    book = file_with(folder, GOOD)
    assert len(book.all()) == 1
    (folder / "new.toml").write_text(GOOD.replace('"good"', '"new"'))
    assert {definition.id for definition in book.all()} == {"good", "new"}
    (folder / "probe.toml").rename(folder / "renamed.toml")
    assert book.find("good").file == "renamed.toml"
    (folder / "renamed.toml").unlink()
    assert [definition.id for definition in book.all()] == ["new"]


def test_a_file_that_is_mended_is_good_again_and_one_that_breaks_is_gone(folder):
    book = file_with(folder, GOOD + "= oops")
    assert (book.all(), len(book.problems())) == ([], 1)
    (folder / "probe.toml").write_text(GOOD)
    assert (len(book.all()), book.problems()) == (1, [])
    (folder / "probe.toml").write_text(GOOD + "= oops")
    assert (book.all(), len(book.problems())) == ([], 1)


def test_it_sees_a_change_that_leaves_size_and_time_of_modification_as_they_were(folder, reads):
    path = folder / "probe.toml"
    book = file_with(folder, GOOD)
    assert book.all()[0].name == "Good one"
    before = os.stat(path)
    # until the file system's clock has ticked
    while os.stat(path).st_ctime_ns == before.st_ctime_ns:
        path.write_text(GOOD.replace("Good one", "Good two"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert book.all()[0].name == "Good two"


def test_it_relies_on_no_stamp_of_a_file_that_changed_a_moment_ago(folder, monkeypatch):
    path = folder / "probe.toml"
    book = file_with(folder, GOOD)
    assert book.all()[0].name == "Good one"
    # a file system whose clock does not tick between two changes
    real, frozen = os.stat, os.stat(path)
    monkeypatch.setattr(
        reading.os,
        "stat",
        lambda asked, **kwargs: frozen if asked == path else real(asked, **kwargs),
    )
    path.write_text(GOOD.replace("Good one", "Good two"))
    assert book.all()[0].name == "Good two"


def test_a_fresh_file_is_read_again_but_checked_only_once(folder, monkeypatch):
    checked = []
    real = reading.read_table
    monkeypatch.setattr(
        reading,
        "read_table",
        lambda table, name, types: checked.append(name) or real(table, name, types),
    )
    book = file_with(folder, GOOD)
    book.all()
    book.all()
    assert checked == ["probe.toml"]


def test_an_unchanged_definition_is_the_same_object(folder):
    book = file_with(folder, GOOD)
    assert book.find("good") is book.find("good")


def test_it_checks_again_when_a_step_type_was_added(folder):
    types = registry.Registry()
    file_with(folder, GOOD.replace("probe_bare", "probe_late"))
    book = Definitions(folder, types)
    assert book.all() == []
    types.register(registry.StepType("probe_late", lambda context, unit: None))
    assert len(book.all()) == 1


# Binding


def test_it_binds_parameters_into_steps_ready_to_be_stored(folder, monkeypatch):
    monkeypatch.chdir(folder)
    bound = file_with(folder, FULL).find("full").bind({"workers": "4"})
    assert bound.params == {"folder": os.getcwd(), "workers": 4, "mode": "fast"}
    assert bound.steps[0] == {
        "name": "first",
        "type": "probe_x",
        "options": {"dir_path": os.getcwd(), "count": 4, "words": ["fast!", "{mode}"]},
        "depends": [],
        "on_error": "continue",
        "always_run": False,
        "max_child_failures": 7,
        "queue": "default",
        "concurrency": None,
        "retries": 0,
        "retry_delay": 0,
        "retry_backoff": 2,
        "retry_max_delay": 3_600_000,
        "retry_on": None,
        "rerun_when_lost": False,
        "timeout": None,
        "step_timeout": None,
        "stall_timeout": None,
        "cancel_grace": 10_000,
        "has_summary": False,
    }
    assert bound.steps[1]["options"] == {"run": ["cat", "{item}", "{folder}"], "count": 1}
    assert (bound.steps[1]["timeout"], bound.steps[1]["depends"]) == (600_000, ["first"])
    assert (bound.steps[2]["has_summary"], bound.steps[2]["depends"]) == (True, ["first", "second"])


def test_binding_leaves_the_definition_as_it_was(folder):
    definition = file_with(folder, FULL).find("full")
    before = copy.deepcopy(definition.shown())
    bound = definition.bind({"workers": 1})
    bound.steps[0]["options"]["words"].append("more")
    bound.steps[1]["options"]["run"].append("more")
    assert definition.shown() == before


def typed(kind, folder, more=""):
    return one(param(f"type = '{kind}'\n{more}"), folder)


@pytest.mark.parametrize(
    ("kind", "value", "taken"),
    [
        ("string", "", ""),
        ("string", " two\nlines 🐙 ", " two\nlines 🐙 "),
        ("string", "{p}", "{p}"),
        ("integer", 5, 5),
        ("integer", "-5", -5),
        ("integer", " 007 ", 7),
        ("integer", 2**63 - 1, 2**63 - 1),
        ("number", 5, 5),
        ("number", 1.5, 1.5),
        ("number", "1.5e3", 1500.0),
        ("number", "-.5", -0.5),
        ("number", "12", 12),
        ("boolean", True, True),
        ("boolean", "YES", True),
        ("boolean", "on", True),
        ("boolean", "1", True),
        ("boolean", "false", False),
        ("boolean", "no", False),
        ("boolean", "off", False),
        ("boolean", "0", False),
    ],
)
def test_it_takes_values_and_the_text_of_values(kind, value, taken, folder):
    result = typed(kind, folder).bind({"p": value}).params["p"]
    assert (result, type(result)) == (taken, type(taken))


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("string", 5, "must be text"),
        ("string", None, "must be text"),
        ("string", ["a"], "must be text"),
        ("string", "a\x00b", "must not contain NUL"),
        ("string", "a\udc80", "must not contain NUL or anything that isn't Unicode"),
        ("string", "x" * 10_001, "must be at most 10000 characters long"),
        ("integer", True, "must be a whole number"),
        ("integer", 1.5, "must be a whole number"),
        ("integer", 1.0, "must be a whole number"),
        ("integer", "1.5", "must be a whole number"),
        ("integer", "1_000", "must be a whole number"),
        ("integer", "٣", "must be a whole number"),
        ("integer", "", "must be a whole number"),
        ("integer", None, "must be a whole number"),
        ("integer", {}, "must be a whole number"),
        ("integer", 2**63, "fits into 64 bits"),
        ("integer", "9" * 5000, "must be a whole number"),
        ("number", float("nan"), "must be a finite number"),
        ("number", float("inf"), "must be a finite number"),
        ("number", "1e999", "must be a finite number"),
        ("number", "nan", "must be a number"),
        ("number", "", "must be a number"),
        ("number", False, "must be a number"),
        ("number", 10**400, "fits into 64 bits"),
        ("number", [], "must be a number"),
        ("boolean", 1, "must be true or false"),
        ("boolean", "maybe", "must be true or false"),
        ("boolean", None, "must be true or false"),
        ("path", "", "must not be empty"),
        ("path", 5, "must be text"),
        ("path", "a\x00", "must not contain NUL"),
        ("path", "\udcff", "isn't Unicode"),
        ("path", "/nowhere/at/all", "does not exist: /nowhere/at/all"),
        ("path", "x" * 5000, "at most 4096 characters"),
        ("path", "x" * 3000, "does not exist"),
    ],
)
def test_it_refuses_values_of_another_type(kind, value, reason, folder):
    [said] = refusal(typed(kind, folder), {"p": value})["p"]
    assert reason in said


def test_it_refuses_values_outside_of_limits_and_choices(folder):
    assert refusal(typed("integer", folder, "minimum = 1\nmaximum = 8"), {"p": "0"}) == {
        "p": ["must be at least 1"]
    }
    assert refusal(typed("number", folder, "minimum = 1\nmaximum = 8"), {"p": 8.5}) == {
        "p": ["must be at most 8"]
    }
    assert refusal(typed("string", folder, "choices = ['a', 'b']"), {"p": "c"}) == {
        "p": ["must be one of: a, b"]
    }
    assert typed("integer", folder, "choices = [1, 2]").bind({"p": "2"}).params == {"p": 2}


def test_paths_become_absolute(folder, tmp_path, monkeypatch):
    (tmp_path / "there").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(folder)
    definition = typed("path", folder)
    for given_path in ("../there", "~/there", str(tmp_path / "there"), f"{tmp_path}//x/../there"):
        assert definition.bind({"p": given_path}).params == {"p": str(tmp_path / "there")}


def test_the_folder_of_a_default_has_to_exist_when_a_job_is_bound_not_before(folder, tmp_path):
    definition = typed("path", folder, f"default = '{tmp_path}/later'")
    assert refusal(definition, {}) == {"p": [f"does not exist: {tmp_path}/later"]}
    (tmp_path / "later").mkdir()
    assert definition.bind({}).params == {"p": f"{tmp_path}/later"}


def test_it_tells_all_mistakes_at_once(folder):
    definition = file_with(folder, FULL).find("full")
    found = refusal(definition, {"folder": "/nowhere/at/all", "mode": "odd", "colour": 1})
    assert found == {
        "colour": ["there is no such parameter; there are: folder, workers, mode"],
        "folder": ["does not exist: /nowhere/at/all"],
        "workers": ["is required"],
        "mode": ["must be one of: fast, slow"],
    }


def test_a_value_that_an_option_cannot_take_is_laid_to_its_parameters(folder):
    text = (
        "[params.n]\ntype = 'integer'\n[params.m]\ntype = 'integer'\ndefault = 5\n"
        "[params.bad]\ntype = 'boolean'\n"
    ) + STEP
    definition = one(text + "count = '{n}'\nwords = ['{m}', '{n}']\nflag = true", folder)
    found = refusal(definition, {"n": 2000, "bad": "?"})
    assert found == {
        "bad": ["must be true or false"],
        "n": [
            "step.one.count: must be from 1 to 1000",
            "step.one.words[0]: must be text",
            "step.one.words[1]: must be text",
        ],
        "m": ["step.one.words[0]: must be text", "step.one.words[1]: must be text"],
    }


def test_options_that_do_not_go_together_are_laid_to_the_parameter_of_the_one_named(folder):
    definition = one(param("type = 'integer'\ndefault = 5") + "count = 3\nmost = '{p}'", folder)
    assert refusal(definition, {"p": 2}) == {"p": ["step.one.most: must be at least count"]}


def test_a_mistake_of_the_whole_step_is_laid_to_none(folder):
    definition = one(
        "[params.p]\ntype='string'\n[step.one]\ntype='probe_strict'\nneeded='{p}'", folder
    )
    assert refusal(definition, {"p": "unlucky"}) == {"_schema": ["step.one: there is no luck"]}


def test_the_check_of_a_step_type_counts_too(folder):
    definition = typed("string", folder)
    assert refusal(definition, {"p": "-rf"}) == {
        "p": ["step.one: the value of 'p' must not begin with a dash"]
    }
    definition = one(
        "[params.p]\ntype='integer'\n[step.one]\ntype='probe_strict'\nneeded='x'", folder
    )
    assert refusal(definition, {"p": 0}) == {"_schema": ["step.one: nothing adds up"]}


def test_a_step_type_checks_only_complete_parameters(folder):
    definition = one(
        "[params.p]\ntype='string'\n[params.q]\ntype='integer'\n" + STEP + "count = '{q}'", folder
    )
    assert refusal(definition, {"p": "-x"}) == {"q": ["is required"]}
    assert refusal(definition, {"p": "-x", "q": 0}) == {
        "q": ["step.one.count: must be from 1 to 1000"]
    }
    assert set(refusal(definition, {"p": "-x", "q": 1, "r": 1})) == {"p", "r"}


def test_a_mistake_can_be_stored_and_sent_whatever_the_name_it_is_about(folder):
    assert list(refusal(one(STEP, folder), {"a\udc80\x00": 1})) == ["a\ufffd\ufffd"]


def test_a_relative_path_in_a_folder_whose_name_is_no_text_is_refused(folder, monkeypatch):
    odd = os.fsdecode(os.fsencode(folder) + b"/\xff")
    os.mkdir(odd)
    definition = typed("path", folder)
    monkeypatch.chdir(odd)
    assert "Unicode text" in refusal(definition, {"p": "."})["p"][0]


def test_a_check_that_raises_is_a_refusal_and_no_crash(folder, caplog):
    found = refusal(one("[step.one]\ntype='probe_broken'", folder), {})
    assert found == {
        "_schema": [
            "step.one: the step type probe_broken could not check its options: KeyError: 'missing'"
        ]
    }
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("given_params", [None, [], "text", 5])
def test_parameters_that_are_no_table_are_refused(given_params, folder):
    assert (
        "must be a table of names and values"
        in refusal(typed("string", folder), given_params)["_schema"]
    )


# Whatever comes

SCALARS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "{p}",
            "{",
            "probe_x",
            "probe_strict",
            "one",
            "one, two",
            "10m",
            "string",
            "integer",
            "path",
            "fail",
        ]
    ),
    st.integers(),
    st.booleans(),
    st.floats(),
    st.just(date(2026, 1, 1)),
    st.just(datetime(2026, 1, 1, tzinfo=UTC)),
)
KEYS = st.one_of(
    st.sampled_from(
        [
            "type",
            "default",
            "choices",
            "minimum",
            "maximum",
            "depends",
            "on_error",
            "retries",
            "timeout",
            "always_run",
            "count",
            "run",
            "env",
        ]
    ),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
TYPE = st.sampled_from(["probe_x", "probe_strict", "probe_bare", "nope"])
STEPS = st.dictionaries(
    st.sampled_from(["one", "two", "a b"]),
    st.builds(
        lambda kind, rest: {"type": kind, **rest}, TYPE, st.dictionaries(KEYS, VALUES, max_size=3)
    )
    | VALUES,
    max_size=3,
)
PARAMS = st.dictionaries(
    st.sampled_from(["p", "P", "q"]),
    st.builds(
        lambda kind, rest: {"type": kind, **rest},
        st.sampled_from(TYPES),
        st.dictionaries(KEYS, VALUES, max_size=3),
    )
    | VALUES,
    max_size=2,
)
TABLES = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just("probe") | VALUES,
        "name": VALUES,
        "description": VALUES,
        "tags": VALUES,
        "timeout": VALUES,
        "params": PARAMS | VALUES,
        "step": STEPS | VALUES,
        "error_tolerance": VALUES,
        "other": VALUES,
    },
)


@given(TABLES)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_table_gives_a_definition_or_problems_and_never_raises(table):
    definition, problems = read_table(table, "any.toml", STEP_TYPES)
    assert (definition is None) == bool(problems)
    for problem in problems:
        assert problem.reason and "\n" not in problem.key


@given(
    st.dictionaries(
        st.sampled_from(["folder", "workers", "mode", "other"]), st.none() | VALUES, max_size=4
    )
)
@settings(max_examples=200)
def test_any_parameters_are_bound_or_refused_and_bound_ones_can_be_bound_again(given_params):
    definition, _ = read_table(tomllib.loads(FULL), "full.toml", STEP_TYPES)
    assert isinstance(definition, Definition)
    try:
        bound = definition.bind(given_params)
    except BadInput as error:
        assert error.errors["params"]
    else:
        assert definition.bind(bound.params) == bound


@given(st.integers(1, 99))
def test_good_parameters_are_the_same_as_values_and_as_text(number):
    definition, _ = read_table(
        {
            "id": "x",
            "params": {"p": {"type": "integer"}},
            "step": {"one": {"type": "probe_x", "count": "{p}"}},
        },
        "x.toml",
        STEP_TYPES,
    )
    assert definition.bind({"p": number}) == definition.bind({"p": str(number)})


@given(
    data=st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: b'id = "x"\n' + text.encode())
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_problems_and_never_raise(data, folder):
    (folder / "any.toml").write_bytes(data)
    book = Definitions(folder, STEP_TYPES)
    assert book.all() == []
    assert all(problem.file == "any.toml" for problem in book.problems())
    assert book.problems()


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        (
            "run = ['echo', '{item}']",
            "step.one.run",
            "{item} needs for_each, or a parameter of that name",
        ),
        (
            (
                "[params.item]\ntype = 'string'\n"
                "[step.one]\ntype = 'command'\nrun = ['echo', '{item}']\nfor_each = ['a']"
            ),
            "step.one.for_each",
            "two things",
        ),
    ],
)
def test_an_item_that_is_none_or_two_things_is_told_before_any_job(text, key, reason, folder):
    text = text if text.startswith("[") else "[step.one]\ntype = 'command'\n" + text
    ((place, (said,)),) = mistakes(text, folder).items()
    assert place == key and reason in said
