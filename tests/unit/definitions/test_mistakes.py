"""All mistakes of a definition at once: none hides another, and each mistyped word is answered
with the nearest known one.
"""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsync.base.errors import BadInput
from jobsync.definitions import read_table
from jobsync.definitions.mistakes import nearest
from jobsync.registry import Registry
from jobsync.steps import BUILT_IN

GOOD = {
    "id": "d",
    "timeout": "4h",
    "tags": ["one"],
    "params": {
        "folder": {"type": "path", "default": "."},
        "count": {"type": "integer", "default": 3, "minimum": 1},
        "colour": {"type": "string", "choices": ["green", "yellow"], "default": "green"},
    },
    "step": {
        "import_files": {"type": "local_dir", "dir_path": "{folder}"},
        "classify": {"type": "agent", "agent_type": "rule_classifier", "depends": "import_files"},
        "list_them": {
            "type": "command",
            "run": ["ls", "{folder}"],
            "retries": 2,
            "on_error": "continue",
        },
        "make_work": {"type": "test_job_generator", "worker_count": "{count}"},
    },
    "error_tolerance": {"max_child_failures": 1, "failure_action": "fail"},
}

# (path, value, key told of, word told): each a mistake by itself
MISTAKES = [
    (("timeout",), "4 hours", "timeout", "must be a duration"),
    (("tag",), ["x"], "tag", "did you mean tags?"),
    (("tags",), ["one", 5], "tags[1]", "must be text"),
    (("descripton",), "x", "descripton", "did you mean description?"),
    (("params", "folder", "type"), "pth", "params.folder.type", "did you mean path?"),
    (("params", "folder", "defualt"), ".", "params.folder.defualt", "did you mean default?"),
    (("params", "count", "default"), "3", "params.count.default", "must be a whole number"),
    (("params", "count", "minimun"), 1, "params.count.minimun", "did you mean minimum?"),
    (("params", "colour", "default"), "gren", "params.colour.default", "did you mean green?"),
    (("params", "colour", "description"), 5, "params.colour.description", "must be text"),
    (
        ("step", "import_files", "type"),
        "local_dri",
        "step.import_files.type",
        "did you mean local_dir?",
    ),
    (
        ("step", "import_files", "dir_paht"),
        ".",
        "step.import_files.dir_paht",
        "did you mean dir_path?",
    ),
    (
        ("step", "import_files", "gitignore"),
        "yes",
        "step.import_files.gitignore",
        "must be true or false",
    ),
    (("step", "import_files", "max_files"), -1, "step.import_files.max_files", "must be"),
    (
        ("step", "classify", "agent_type"),
        "rule_clasifier",
        "step.classify.agent_type",
        "did you mean rule_classifier?",
    ),
    (
        ("step", "classify", "depends"),
        "import_file",
        "step.classify.depends",
        "did you mean import_files?",
    ),
    (("step", "list_them", "type"), "comand", "step.list_them.type", "did you mean command?"),
    (("step", "list_them", "run"), "ls -l", "step.list_them.run", "must be a list"),
    (("step", "list_them", "depend"), "classify", "step.list_them.depend", "did you mean depends?"),
    (("step", "list_them", "retries"), 1000, "step.list_them.retries", "must be a whole number"),
    (
        ("step", "list_them", "on_error"),
        "contineu",
        "step.list_them.on_error",
        "did you mean continue?",
    ),
    (
        ("step", "list_them", "env"),
        {"JOBSYNC_X": "1"},
        "step.list_them.env.JOBSYNC_X",
        "must not begin with",
    ),
    (("step", "list_them", "cwd"), "{foldr}", "step.list_them.cwd", "did you mean folder?"),
    (("step", "make_work", "worker_count"), "many", "step.make_work.worker_count", "must be"),
    (("step", "make_work", "log_cuont"), 5, "step.make_work.log_cuont", "did you mean log_count?"),
    (
        ("error_tolerance", "failure_action"),
        "contine",
        "error_tolerance.failure_action",
        "did you mean continue?",
    ),
    (
        ("error_tolerance", "max_child_failure"),
        1,
        "error_tolerance.max_child_failure",
        "did you mean max_child_failures?",
    ),
]


TYPES = Registry(*BUILT_IN)


def problems(*mistakes):
    """Return `{key: [reasons]}` for a definition with these mistakes."""
    table = copy.deepcopy(GOOD)
    for (*path, last), value, *_ in mistakes:
        inner = table
        for key in path:
            inner = inner[key]
        inner[last] = value
    definition, found = read_table(table, "d.toml", TYPES)
    assert (definition is None) == bool(found)
    keys = {}
    for problem in found:
        keys.setdefault(problem.key, []).append(problem.reason)
    return keys


def test_the_definition_without_mistakes_is_good():
    assert problems() == {}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake[2])
def test_a_mistake_is_told_at_its_key_with_the_nearest_word(mistake):
    _, _, key, word = mistake
    [[reason]] = problems(mistake).values()
    assert list(problems(mistake)) == [key]
    assert word in reason


@settings(max_examples=150)
@given(st.sets(st.integers(0, len(MISTAKES) - 1), min_size=2))
def test_no_mistake_hides_another(places):
    some = [MISTAKES[place] for place in places]
    found = problems(*some)
    for _, _, key, word in some:
        assert any(word in reason for reason in found.get(key, ())), (key, found)


def test_all_at_once():
    found = problems(*MISTAKES)
    assert {key for _, _, key, _ in MISTAKES} <= set(found)


def step_problems(table):
    definition, found = read_table(
        {"id": "d", "step": {"a": table, "first": {"type": "command", "run": ["true"]}}},
        "d.toml",
        TYPES,
    )
    assert definition is None
    return {problem.key.removeprefix("step.a."): problem.reason for problem in found}


def test_a_type_like_no_other_hides_nothing_either():
    found = step_problems(
        {"type": "shell", "run": "echo hello", "depend": "first", "retries": "two"}
    )
    assert list(found) == ["retries", "type", "run", "depend"]
    assert found["type"].startswith("there is no step type 'shell'; there are: agent, ")
    assert found["run"].startswith("if command is meant: must be a list")
    assert found["depend"].startswith("did you mean depends?")


@pytest.mark.parametrize("kind", [{}, {"type": 5}])
def test_neither_does_a_type_that_is_none(kind):
    found = step_problems({**kind, "run": "echo hello", "depend": "first"})
    assert set(found) == {"type", "run", "depend"}


def test_the_options_of_a_type_that_is_not_installed_are_its_own():
    assert list(
        step_problems({"type": "of_another_package", "paths": ["x"], "own": "{of_its_own}"})
    ) == ["type"]


def test_a_parameter_that_is_mistyped_at_the_start_is_told_likewise():
    definition, _ = read_table(copy.deepcopy(GOOD), "d.toml", TYPES)
    with pytest.raises(BadInput) as error:
        definition.bind({"foldr": ".", "colour": "yelow"})
    assert error.value.errors["params"]["foldr"][0].startswith("did you mean folder?")
    assert error.value.errors["params"]["colour"][0].startswith("did you mean yellow?")


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("Depends", "depends"),
        ("dependson", "depends"),
        ("x", None),
        ("", None),
        ("a" * 10_000, None),
        (5, None),
    ],
)
def test_the_nearest_word_is_one_that_is_near(word, near):
    assert nearest(word, ["type", "depends", "on_error"]) == near
