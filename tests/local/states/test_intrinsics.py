import re
from typing import Any

import pytest

from infra.local.states.errors import StatesError
from infra.local.states.intrinsics import evaluate, parse_expression

DATA = {
    "name": "Ada",
    "n": 5,
    "items": [1, 2, 3, 3, True, 1.5],
    "template": r"C:\{} of {}",
    "object": {"a": 1, "b": {"c": [None, "x"]}},
    "text": '{"z": [1, 2]}',
    "quote": "it's",
    "deep": "[" * 100_000,
    "long": "x" * 10_001,
    "infinite": 1e400,
}


def value(expression: str) -> Any:
    return evaluate(parse_expression(expression), DATA, {"Execution": {"Name": "first"}})


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("States.Format('Hello, {}.', $.name)", "Hello, Ada."),
        ("States.Format('{}/{}', $$.Execution.Name, 7)", "first/7"),
        (r"States.Format('\{\} it\'s {} \\', 1.5)", "{} it's 1.5 \\"),
        ("States.Format($.template, 'a', 'b')", r"C:\a of b"),
        ("States.Format('{} {} {}', true, null, $.object)", "true null {a=1, b={c=[null, x]}}"),
        ("States.StringToJson($.text)", {"z": [1, 2]}),
        ("States.StringToJson('  ')", None),
        ("States.JsonToString($.object)", '{"a":1,"b":{"c":[null,"x"]}}'),
        ("States.Array()", []),
        ("States.Array(1, 'a', $.n, null, false, -2.5)", [1, "a", 5, None, False, -2.5]),
        ("States.ArrayPartition($.items, 4)", [[1, 2, 3, 3], [True, 1.5]]),
        ("States.ArrayPartition($.items, 2.5)", [[1, 2, 3], [3, True, 1.5]]),
        ("States.ArrayContains($.items, 3)", True),
        ("States.ArrayContains($.items, 9)", False),
        ("States.ArrayContains(States.Array(1), true)", False),
        ("States.ArrayRange(1, 9, 2)", [1, 3, 5, 7, 9]),
        ("States.ArrayRange(1, 10, 4)", [1, 5, 9]),
        ("States.ArrayGetItem($.items, 2)", 3),
        ("States.ArrayLength($.items)", 6),
        ("States.ArrayUnique($.items)", [1, 2, 3, True, 1.5]),
        ("States.Base64Encode('Grüße')", "R3LDvMOfZQ=="),
        ("States.Base64Decode('R3LDvMOfZQ==')", "Grüße"),
        ("States.Hash('input data', 'MD5')", "812f45842bc6d66ee14572ce20db8e86"),
        ("States.Hash('input data', 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ("States.JsonMerge($.object, States.StringToJson('{\"a\":2}'), false)", {"a": 2, "b": {"c": [None, "x"]}}),
        ("States.MathAdd($.n, -1)", 4),
        ("States.MathAdd(0.5, -0.5)", 1),
        ("States.StringSplit('1,2,3', ',')", ["1", "2", "3"]),
        ("States.StringSplit('This.is+a,,test=string', '.+,=')", ["This", "is", "a", "test", "string"]),
        (r"States.StringSplit($.quote, '\'')", ["it", "s"]),
        ("States.ArrayGetItem(States.StringSplit($['name'], 'd'), 1)", "a"),
        ("States.ArrayLength($.items[?(@ > 1)])", 4),
        ("States.Array( $.n , 'x' )", [5, "x"]),
    ],
)
def test_a_function_answers_what_the_specification_says(expression: str, result: Any) -> None:
    answer = value(expression)
    assert answer == result
    assert type(answer) is type(result)


def test_a_random_number_lies_between_the_start_and_below_the_end() -> None:
    assert {value("States.MathRandom(1, 3)") for _ in range(100)} == {1, 2}


def test_the_same_seed_gives_the_same_random_number() -> None:
    assert len({value("States.MathRandom(0, 1000000, 7)") for _ in range(10)}) == 1


def test_every_uuid_is_another_one_of_version_4() -> None:
    first, second = value("States.UUID()"), value("States.UUID()")
    assert first != second
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", first)


@pytest.mark.parametrize(
    "expression",
    [
        "States.Format('{} {}', 1)",
        "States.Format('{}', 1, 2)",
        "States.Format($.n, 1)",
        "States.StringToJson('{')",
        "States.StringToJson($.n)",
        "States.StringToJson($.deep)",
        "States.ArrayPartition($.items, 0)",
        "States.ArrayPartition($.name, 2)",
        "States.ArrayPartition($.items, $.infinite)",
        "States.ArrayRange(1, 2000, 1)",
        "States.ArrayRange(1, 5, 0)",
        "States.ArrayGetItem($.items, 6)",
        "States.ArrayGetItem($.items, -1)",
        "States.ArrayLength($.name)",
        "States.ArrayUnique($.n)",
        "States.ArrayContains($.name, 'A')",
        "States.Base64Encode($.long)",
        "States.Base64Encode($.n)",
        "States.Base64Decode('*')",
        "States.Base64Decode('/w==')",
        "States.Hash($.name, 'CRC')",
        "States.Hash($.object, 'MD5')",
        "States.JsonMerge($.object, $.object, true)",
        "States.JsonMerge($.object, $.items, false)",
        "States.MathAdd('1', 2)",
        "States.MathAdd(true, 2)",
        "States.MathAdd(2147483648, 1)",
        "States.MathRandom(3, 3)",
        "States.StringSplit($.items, ',')",
    ],
)
def test_a_function_that_cannot_answer_is_an_intrinsic_failure(expression: str) -> None:
    with pytest.raises(StatesError, match=r"States\.\w+ failed") as caught:
        value(expression)
    assert caught.value.error == "States.IntrinsicFailure"


def test_an_argument_that_leads_nowhere_is_a_runtime_error() -> None:
    with pytest.raises(StatesError) as caught:
        value("States.Array($.missing)")
    assert caught.value.error == "States.Runtime"


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("States.Nothing()", "no intrinsic function States.Nothing"),
        ("States.Array(1", "cannot be read from character 14"),
        ("States.Array(1,)", "cannot be read"),
        ("States.Array(x)", "cannot be read"),
        ("States.UUID() + 1", "cannot be read from character 14"),
        ("States.UUID(1)", "does not take 1 arguments"),
        ("States.MathAdd(1)", "does not take 1 arguments"),
        ("plain text", "cannot be read from character 1"),
        ("States.Array(" * 11 + ")" * 11, "nests more than 10 functions"),
    ],
)
def test_what_cannot_be_called_is_refused(expression: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        parse_expression(expression)


def test_ten_nested_functions_are_not_too_many() -> None:
    assert value("States.Array(" * 10 + ")" * 10) == [[[[[[[[[[]]]]]]]]]]
