"""`{name}` in the texts of a definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsync.definitions.placeholders import as_text, fill, names

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
VALUES = st.one_of(st.text(), st.integers(), st.booleans(), st.floats(allow_nan=False))
PLAIN = st.text(st.characters(blacklist_characters="{}"), max_size=5)


def escaped(text):
    return text.replace("{", "{{").replace("}", "}}")


def nested(leaves):
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        ),
        max_leaves=8,
    )


@given(nested(st.text() | st.integers() | st.booleans()))
def test_escaped_text_comes_back_as_it_was_whatever_it_holds(value):
    def escape(item):
        if isinstance(item, str):
            return escaped(item)
        if isinstance(item, list):
            return [escape(inner) for inner in item]
        return (
            {key: escape(inner) for key, inner in item.items()} if isinstance(item, dict) else item
        )

    assert names(escape(value)) == set()
    assert fill(escape(value), {}) == value


@given(st.lists(st.tuples(PLAIN, NAMES), min_size=1, max_size=5), st.data())
def test_it_fills_in_exactly_the_names_it_found(pieces, data):
    text = "".join(f"{plain}{{{name}}}" for plain, name in pieces) + "."
    values = {name: data.draw(VALUES) for name in names(text)}
    assert set(values) == {name for _, name in pieces}
    assert (
        fill(text, values) == "".join(plain + as_text(values[name]) for plain, name in pieces) + "."
    )


@given(NAMES, VALUES)
def test_a_text_that_is_one_placeholder_keeps_the_type(name, value):
    filled = fill(f"{{{name}}}", {name: value})
    assert filled is value


def test_what_is_filled_in_is_not_read_again():
    assert fill("{a}{b}", {"a": "{b}", "b": "{{x}}"}) == "{b}{{x}}"


def test_it_writes_booleans_as_toml_does():
    assert fill("on={on} n={n}", {"on": True, "n": 3}) == "on=true n=3"


def test_it_looks_into_lists_and_tables_but_not_at_keys_and_numbers():
    value = {"run": ["cp", "{a}", ["{b}/x"]], "env": {"{c}": "{a}"}, "n": 1, "on": True}
    assert names(value) == {"a", "b"}
    assert fill(value, {"a": 1, "b": "y"}) == {
        "run": ["cp", 1, ["y/x"]],
        "env": {"{c}": 1},
        "n": 1,
        "on": True,
    }


def test_it_leaves_the_value_it_was_given_alone():
    value = {"run": ["{a}"]}
    fill(value, {"a": 1})
    assert value == {"run": ["{a}"]}


@pytest.mark.parametrize(
    "text", ["{", "}", "a { b", "{a}}", "{{a}", "{a b}", "{1a}", "{}", "{a-b}", "{é}"]
)
def test_it_refuses_a_lone_brace(text):
    with pytest.raises(ValueError, match="lone brace"):
        names([text])


@pytest.mark.parametrize(
    ("text", "found", "filled"),
    [("{{{a}}}", {"a"}, "{1}"), ("{{a}}", set(), "{a}"), ("{a}{a}", {"a"}, "11")],
)
def test_doubled_braces_stand_for_braces(text, found, filled):
    assert names(text) == found
    assert fill(text, {"a": 1}) == filled


def test_a_name_without_a_value_is_a_key_error():
    with pytest.raises(KeyError, match="there"):
        fill("not {there}", {"here": 1})
