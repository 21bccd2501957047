import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.states.errors import StatesError
from infra.local.states.paths import find, parse_path, parse_reference, put

STORE = {
    "book": [
        {"title": "Sayings", "price": 8.95, "tags": ["a"]},
        {"title": "Sword", "price": 12.99, "isbn": "0-553"},
        {"title": "Moby", "price": 8.99, "isbn": "0-395", "used": True},
    ],
    "bicycle": {"price": 19.95, "front.light": "yes", "a'b": 1},
    "limit": 10,
    "none": None,
}


def look(path: str) -> Any:
    return find(parse_path(path), STORE, {"State": {"Name": "Here"}})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", STORE),
        ("$.limit", 10),
        ("$.none", None),
        ("$.book[0].title", "Sayings"),
        ("$['book'][1]['title']", "Sword"),
        ('$["book"][1].title', "Sword"),
        ("$.book[-1].title", "Moby"),
        ("$.bicycle['front.light']", "yes"),
        (r"$.bicycle.front\.light", "yes"),
        (r"$.bicycle['a\'b']", 1),
        ("$$.State.Name", "Here"),
        ("$$", {"State": {"Name": "Here"}}),
    ],
)
def test_a_definite_path_stands_for_one_value(path: str, value: Any) -> None:
    assert look(path) == value


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$.book[*].title", ["Sayings", "Sword", "Moby"]),
        ("$.book[0:2].title", ["Sayings", "Sword"]),
        ("$.book[1:].title", ["Sword", "Moby"]),
        ("$.book[:-1].title", ["Sayings", "Sword"]),
        ("$.book[0,2].title", ["Sayings", "Moby"]),
        ("$.bicycle['price','a\\'b']", [19.95, 1]),
        ("$..price", [8.95, 12.99, 8.99, 19.95]),
        ("$..tags[0]", ["a"]),
        ("$..[0].title", ["Sayings"]),
        ("$.bicycle.*", [19.95, "yes", 1]),
        ("$.bicycle..*", [19.95, "yes", 1]),
        ("$.book[0].tags[*]", ["a"]),
    ],
)
def test_any_other_path_stands_for_the_list_of_what_it_finds(path: str, values: list[Any]) -> None:
    assert look(path) == values


@pytest.mark.parametrize(
    ("condition", "titles"),
    [
        ("@.price < 9", ["Sayings", "Moby"]),
        ("@.price <= $.limit", ["Sayings", "Moby"]),
        ("@.price > 9 && @.isbn", ["Sword"]),
        ("@.price > 12 || @.tags", ["Sayings", "Sword"]),
        ("@.isbn", ["Sword", "Moby"]),
        ("!@.isbn", ["Sayings"]),
        ("!(@.isbn == '0-553')", ["Sayings", "Moby"]),
        ("@.isbn != '0-553'", ["Sayings", "Moby"]),
        ("@.used == true", ["Moby"]),
        ("@.used == 1", []),
        ("@.title >= 'Sb'", ["Sword"]),
        ("@.title > 5", []),
        ("@.tags[*]", ["Sayings"]),
        ("@.tags[7]", []),
        ("@.price == 8.95e0", ["Sayings"]),
        ("@.isbn == null", []),
    ],
)
def test_a_filter_keeps_what_passes(condition: str, titles: list[str]) -> None:
    assert look(f"$.book[?({condition})].title") == titles


def test_a_search_that_finds_nothing_is_an_empty_list() -> None:
    assert look("$.book[?(@.price > 100)]") == []
    assert look("$.book[*].missing") == []


@pytest.mark.parametrize("path", ["$.missing", "$.book[3]", "$.limit.below", "$.book.title", "$.missing[*]"])
def test_a_name_that_must_be_there_and_is_not_is_a_runtime_error(path: str) -> None:
    with pytest.raises(StatesError, match=re.escape(path)) as caught:
        look(path)
    assert caught.value.error == "States.Runtime"


def test_a_path_may_not_visit_more_than_a_hundred_thousand_values() -> None:
    with pytest.raises(StatesError, match="more than 100000"):
        find(parse_path("$..*..*"), [[[[0] * 50] * 10] * 10] * 10, None)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "book",
        "$book",
        "$.",
        "$..",
        "$.a b",
        "$.book[",
        "$.book[]",
        "$[a]",
        "$.a[?(@.b]",
        "$.a[?(@.b === 1)]",
        "$.a()",
    ],
)
def test_what_is_no_path_is_refused_with_the_place(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be read from character"):
        parse_path(path)


@pytest.mark.parametrize("path", ["$$.a", "$.a[*]", "$..a", "$.a[0,1]", "$.a[-1]", "$.a[?(@.b)]"])
def test_a_reference_path_names_one_place_in_the_input(path: str) -> None:
    with pytest.raises(ValueError, match="no reference path"):
        parse_reference(path)


@pytest.mark.parametrize(
    ("path", "data", "result"),
    [
        ("$", {"a": 1}, 7),
        ("$.b", {"a": 1}, {"a": 1, "b": 7}),
        ("$.a", {"a": 1}, {"a": 7}),
        ("$.a.b.c", {}, {"a": {"b": {"c": 7}}}),
        ("$.a[1].b", {"a": [0, {}]}, {"a": [0, {"b": 7}]}),
        ("$['x.y']", {}, {"x.y": 7}),
    ],
)
def test_a_result_is_put_where_the_reference_path_says(path: str, data: Any, result: Any) -> None:
    assert put(parse_reference(path), data, 7) == result


@pytest.mark.parametrize(("path", "data"), [("$.a", 5), ("$.a.b", {"a": 1}), ("$.a[1]", {"a": [0]}), ("$[0]", {})])
def test_a_result_that_cannot_be_put_fails_to_match(path: str, data: Any) -> None:
    with pytest.raises(StatesError) as caught:
        put(parse_reference(path), data, 7)
    assert caught.value.error == "States.ResultPathMatchFailure"


NAMES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="'\\"), min_size=1), min_size=1, max_size=4)
JSON = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner, max_size=3))


@settings(deadline=None)  # other processes share the machine
@given(names=NAMES, rest=st.dictionaries(st.text(), JSON, max_size=3), value=JSON)
def test_what_was_put_is_found_again_and_everything_else_stays(
    names: list[str], rest: dict[str, Any], value: Any
) -> None:
    rest.pop(names[0], None)
    before = repr(rest)
    path = parse_reference("$" + "".join(f"['{name}']" for name in names))
    after = put(path, rest, value)
    assert find(path, after, None) == value
    assert {name: kept for name, kept in after.items() if name != names[0]} == rest
    assert repr(rest) == before
