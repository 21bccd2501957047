from typing import Any

import pytest

from infra.local.states.choices import holds, timestamp
from infra.local.states.errors import StatesError

DATA = {
    "word": "beta",
    "number": 5,
    "float": 5.0,
    "yes": True,
    "no": False,
    "null": None,
    "list": [],
    "when": "2026-03-14T01:59:00Z",
    "same": "2026-03-14T02:59:00.000+01:00",
    "later": "2026-03-14T01:59:00.5Z",
    "star": "a*b\\c",
}


def rule(variable: str, operator: str, wanted: Any) -> bool:
    return holds({"Variable": variable, operator: wanted}, DATA, {"Execution": {"Name": "beta"}})


@pytest.mark.parametrize(
    ("variable", "operator", "wanted", "answer"),
    [
        ("$.word", "StringEquals", "beta", True),
        ("$.word", "StringEquals", "alpha", False),
        ("$.word", "StringLessThan", "gamma", True),
        ("$.word", "StringLessThan", "beta", False),
        ("$.word", "StringLessThanEquals", "beta", True),
        ("$.word", "StringGreaterThan", "alpha", True),
        ("$.word", "StringGreaterThanEquals", "gamma", False),
        ("$.number", "NumericEquals", 5, True),
        ("$.float", "NumericEquals", 5, True),
        ("$.number", "NumericLessThan", 5, False),
        ("$.number", "NumericLessThanEquals", 5.0, True),
        ("$.number", "NumericGreaterThan", 4.5, True),
        ("$.number", "NumericGreaterThanEquals", 6, False),
        ("$.yes", "BooleanEquals", True, True),
        ("$.no", "BooleanEquals", True, False),
        ("$.when", "TimestampEquals", "2026-03-14T01:59:00Z", True),
        ("$.same", "TimestampEquals", "2026-03-14T01:59:00Z", True),
        ("$.later", "TimestampGreaterThan", "2026-03-14T01:59:00Z", True),
        ("$.when", "TimestampLessThan", "2026-03-14T01:59:00.5Z", True),
        ("$.when", "TimestampLessThanEquals", "2026-03-14T01:58:00Z", False),
        ("$.when", "TimestampGreaterThanEquals", "2026-03-14T01:59:00Z", True),
        ("$$.Execution.Name", "StringEquals", "beta", True),
        ("$.word", "StringEqualsPath", "$$.Execution.Name", True),
        ("$.number", "NumericLessThanPath", "$.float", False),
        ("$.number", "NumericGreaterThanEqualsPath", "$.float", True),
        ("$.yes", "BooleanEqualsPath", "$.no", False),
        ("$.when", "TimestampLessThanPath", "$.later", True),
    ],
)
def test_an_operator_compares_values_of_its_kind(variable: str, operator: str, wanted: Any, *, answer: bool) -> None:
    assert rule(variable, operator, wanted) is answer


@pytest.mark.parametrize(
    ("variable", "operator", "wanted"),
    [
        ("$.number", "StringEquals", "5"),
        ("$.word", "NumericEquals", 5),
        ("$.yes", "NumericEquals", 1),
        ("$.number", "BooleanEquals", True),
        ("$.word", "TimestampEquals", "2026-03-14T01:59:00Z"),
        ("$.number", "StringMatches", "*"),
        ("$.null", "StringEquals", ""),
    ],
)
def test_a_value_of_another_kind_does_not_match(variable: str, operator: str, wanted: Any) -> None:
    assert rule(variable, operator, wanted) is False


@pytest.mark.parametrize(
    ("operator", "variables"),
    [
        ("IsNull", {"$.null"}),
        ("IsString", {"$.word", "$.when"}),
        ("IsNumeric", {"$.number", "$.float"}),
        ("IsBoolean", {"$.yes", "$.no"}),
        ("IsTimestamp", {"$.when"}),
        ("IsPresent", {"$.null", "$.word", "$.when", "$.number", "$.float", "$.yes", "$.no", "$.list"}),
    ],
)
def test_a_type_test_can_ask_for_both_answers(operator: str, variables: set[str]) -> None:
    for variable in ("$.null", "$.word", "$.when", "$.number", "$.float", "$.yes", "$.no", "$.list"):
        assert rule(variable, operator, True) is (variable in variables)
        assert rule(variable, operator, False) is (variable not in variables)


def test_what_is_not_there_is_not_present() -> None:
    assert rule("$.missing", "IsPresent", True) is False
    assert rule("$.missing", "IsPresent", False) is True


@pytest.mark.parametrize("operator", ["StringEquals", "IsString", "IsNull"])
def test_anything_else_about_what_is_not_there_is_a_runtime_error(operator: str) -> None:
    with pytest.raises(StatesError) as caught:
        rule("$.missing", operator, "x")
    assert caught.value.error == "States.Runtime"


@pytest.mark.parametrize("path", ["$.missing", "$.number"])
def test_a_comparison_with_what_cannot_be_compared_is_a_runtime_error(path: str) -> None:
    with pytest.raises(StatesError) as caught:
        rule("$.word", "StringEqualsPath", path)
    assert caught.value.error == "States.Runtime"


@pytest.mark.parametrize(
    ("pattern", "answer"),
    [
        ("a*", True),
        ("*", True),
        ("*c", True),
        ("a*b*", True),
        (r"a\*b*", True),
        (r"a\*b\\c", True),
        (r"a\*", False),
        ("b*", False),
        ("a?b*", False),
        ("[a]*", False),
        ("a*b", False),
        ("", False),
    ],
)
def test_a_pattern_has_stars_and_nothing_else(pattern: str, *, answer: bool) -> None:
    assert rule("$.star", "StringMatches", pattern) is answer


def test_rules_combine() -> None:
    yes, no = {"Variable": "$.yes", "BooleanEquals": True}, {"Variable": "$.no", "BooleanEquals": True}
    assert holds({"And": [yes, {"Not": no}]}, DATA, {}) is True
    assert holds({"And": [yes, no]}, DATA, {}) is False
    assert holds({"Or": [no, yes]}, DATA, {}) is True
    assert holds({"Or": [no, {"And": [no, yes]}]}, DATA, {}) is False


def test_a_combination_looks_no_further_than_it_must() -> None:
    missing = {"Variable": "$.missing", "StringEquals": "x"}
    assert holds({"And": [{"Variable": "$.missing", "IsPresent": True}, missing]}, DATA, {}) is False
    assert holds({"Or": [{"Variable": "$.yes", "IsPresent": True}, missing]}, DATA, {}) is True


@pytest.mark.parametrize(
    "text", ["2026-03-14", "2026-03-14t01:59:00z", "2026-03-14T01:59:00", "2026-13-14T01:59:00Z", 5]
)
def test_a_timestamp_is_an_rfc_3339_text_with_uppercase_letters(text: Any) -> None:
    assert timestamp(text) is None
