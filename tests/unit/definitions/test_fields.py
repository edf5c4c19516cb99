"""Fields that take nothing which merely looks right."""

import pytest
from marshmallow import Schema, ValidationError

from jobsync.definitions.fields import ShortList, TrueOrFalse, WholeNumber
from jobsync.steps.codebase.local_dir import local_dir


class Options(Schema):
    flag = TrueOrFalse(load_default=True)
    few = WholeNumber(1, 5, load_default=3)
    many = WholeNumber(1)


def refusal(**options):
    with pytest.raises(ValidationError) as caught:
        Options().load(options)
    return caught.value.messages


def test_good_values_are_taken_as_they_are():
    assert Options().load({"flag": False, "few": 5, "many": 10**9}) == {
        "flag": False,
        "few": 5,
        "many": 10**9,
    }


def test_what_is_left_out_has_its_default():
    assert Options().load({}) == {"flag": True, "few": 3}


@pytest.mark.parametrize("value", [0, 1, 1.0, "true", "yes", [], {}])
def test_nothing_but_a_boolean_is_true_or_false(value):
    assert refusal(flag=value) == {"flag": ["must be true or false"]}


@pytest.mark.parametrize("value", [0, 6, True, 2.0, "2", [], float("nan"), float("inf")])
def test_nothing_but_a_whole_number_within_its_limits_is_one(value):
    assert refusal(few=value) == {"few": ["must be a whole number from 1 to 5"]}


@pytest.mark.parametrize("value", [0, -1, False, "2"])
def test_a_whole_number_without_an_upper_limit_has_a_lower_one(value):
    assert refusal(many=value) == {"many": ["must be a whole number of at least 1"]}


@pytest.mark.parametrize("option", ["gitignore", "max_files"])
def test_the_options_of_a_walk_are_as_strict(option):
    wrong = {"gitignore": 1, "max_files": True}[option]
    assert list(local_dir.options().validate({"dir_path": ".", option: wrong})) == [option]


def test_the_items_of_a_list_that_is_too_long_are_not_looked_at():
    class Lists(Schema):
        short = ShortList(WholeNumber(1), 1, 3, "must be a list of 1 to 3 numbers")

    assert Lists().load({"short": [1, 2, 3]}) == {"short": [1, 2, 3]}
    reason = "must be a list of 1 to 3 numbers"
    for value in ([], [1] * 4, ["x"] * 4):
        assert Lists().validate({"short": value}) == {"short": [reason]}
    assert list(Lists().validate({"short": [1, 0]})["short"]) == [1]
    assert Lists().validate({"short": "xxx"}) == {"short": ["Not a valid list."]}
