"""Definitions and inputs on which moto's interpreter differs from Step Functions: what is right, and why."""

from dataclasses import dataclass
from typing import Any

from tests.local.states.cases import RAW, YES, Case, called, catching, choosing, comparing, invoking, passing
from tests.local.states.machines import ARN, alone, chain, distributed, mapped, task


@dataclass(frozen=True)
class Wrong:
    """A case on which moto differs from Step Functions; what is right, and why."""

    case: Case
    status: str
    output: Any
    error: str | None
    reason: str


def _fails(definition: dict[str, Any], payload: Any, error: str, reason: str) -> Wrong:
    return Wrong(Case(definition, payload), "FAILED", None, error, reason)


def _answers(definition: dict[str, Any], payload: Any, output: Any, reason: str) -> Wrong:
    return Wrong(Case(definition, payload), "SUCCEEDED", output, None, reason)


MOTO_IS_WRONG: dict[str, Wrong] = {
    "choice without a match": _fails(
        choosing({"Not": YES}, default=False), RAW, "States.NoChoiceMatched", "moto says States.Runtime"
    ),
    "choice about what is missing": _fails(
        comparing("$.missing", "StringEquals", "x"), RAW, "States.Runtime", "moto takes a missing variable for no match"
    ),
    "choice with a question mark": _answers(
        comparing("$.word", "StringMatches", "b?ta"),
        RAW,
        {"rule": None},
        "moto matches like a shell: ? and [] are special",
    ),
    "choice with an escaped star": _answers(
        comparing("$.s", "StringMatches", r"a\*"), {"s": "a*"}, {"rule": 0}, "moto has no escapes"
    ),
    "choice between time zones": _answers(
        comparing("$.when", "TimestampEquals", "2026-03-14T02:59:00+01:00"), RAW, {"rule": 0}, "moto reads Z times only"
    ),
    "choice between fractions of a second": _answers(
        comparing("$.when", "TimestampLessThan", "2026-03-14T01:59:00.5Z"),
        RAW,
        {"rule": 0},
        "moto reads whole seconds only",
    ),
    "choice by the context object": _fails(
        comparing("$.word", "StringEqualsPath", "$.flag"),
        RAW,
        "States.Runtime",
        "moto compares a string with a boolean",
    ),
    "path below an index": _answers(
        passing(**{"r.$": "$.items[0].v"}), RAW, {"r": "a"}, "moto answers a list for a path that names one value"
    ),
    "path from the end": _answers(
        passing(**{"r.$": "$.items[-1].v"}), RAW, {"r": "c"}, "moto answers a list for a path that names one value"
    ),
    "integration without a payload": _answers(
        chain(A=invoking("echo", Parameters={"FunctionName.$": "$.f"})),
        {"f": ARN + "echo"},
        {},
        "moto sends no payload at all, Lambda gets an empty object",
    ),
    "null as an argument": _answers(called("States.Array(null)"), {}, {"r": [None]}, "moto drops the argument"),
    "range of too many": _fails(
        called("States.ArrayRange(1, 2000, 1)"), RAW, "States.IntrinsicFailure", "moto says States.Runtime"
    ),
    "item outside of an array": _fails(
        called("States.ArrayGetItem($.items, 3)"), RAW, "States.IntrinsicFailure", "moto says States.Runtime"
    ),
    "length of a string": _fails(
        called("States.ArrayLength($.title)"), RAW, "States.IntrinsicFailure", "moto says States.Runtime"
    ),
    "deep merge": _fails(
        called("States.JsonMerge($.numbers, $.numbers, true)"),
        RAW,
        "States.IntrinsicFailure",
        "moto says States.Runtime",
    ),
    "descent with one hit": _answers(
        passing(**{"r.$": "$..val1"}), RAW, {"r": [3]}, "moto answers the hit without a list"
    ),
    "filter without a hit": _answers(
        passing(**{"r.$": "$.items[?(@.id > 9)]"}), RAW, {"r": []}, "moto says the path does not exist"
    ),
    "context start time": _answers(
        passing(**{"a.$": "States.Format('{}', $$.Execution.StartTime)"}),
        {},
        {"a": "2026-01-01T00:00:00.000Z"},
        "moto's StartTime is no JSON value",
    ),
    "result path through a string": _fails(
        alone("Pass", Result=1, ResultPath="$.word.below"),
        RAW,
        "States.ResultPathMatchFailure",
        "moto says States.Runtime",
    ),
    "intrinsic failure": _fails(
        called("States.MathAdd('1', 2)"), RAW, "States.IntrinsicFailure", "moto says States.Runtime"
    ),
    "format with too many places": _fails(
        called("States.Format('{} {}', 1)"), RAW, "States.IntrinsicFailure", "moto says States.Runtime"
    ),
    "negative index of an item": _fails(
        called("States.ArrayGetItem($.items, -1)"), RAW, "States.IntrinsicFailure", "moto counts from the end"
    ),
    "partition into nothing": _fails(
        called("States.ArrayPartition($.items, 0)"), RAW, "States.IntrinsicFailure", "moto says States.Runtime"
    ),
    "unique objects": _answers(
        called("States.ArrayUnique($.a)"), {"a": [{"b": 1}, {"b": 1}]}, {"r": [{"b": 1}]}, "moto cannot hash objects"
    ),
    "true is not one": _answers(
        called("States.ArrayContains($.a, true)"), {"a": [1]}, {"r": False}, "moto compares like Python"
    ),
    "base64 of umlauts": _answers(
        called("States.Base64Encode('Grüße')"), RAW, {"r": "R3LDvMOfZQ=="}, "moto encodes ASCII only"
    ),
    "large answer and catch all": _fails(
        catching(task("much"), "States.ALL"), RAW, "States.DataLimitExceeded", "moto lets States.ALL catch it"
    ),
    "runtime error and catch all": _fails(
        catching(task("echo", Parameters={"a.$": "$.missing"}), "States.ALL"), RAW, "States.Runtime", "moto catches it"
    ),
    "parameters of a task fail": _fails(
        catching(task("echo", Parameters={"a.$": "$.missing"}), "States.Runtime"),
        RAW,
        "States.Runtime",
        "moto catches it",
    ),
    "map over no array": _fails(
        mapped(chain(I=task("echo"))),
        {"items": 5},
        "States.Runtime",
        "moto says States.QueryEvaluationError, as in JSONata",
    ),
    "distributed map fails": _fails(
        mapped(distributed(chain(I=task("odd")))),
        RAW,
        "States.ExceedToleratedFailureThreshold",
        "moto tolerates every failure",
    ),
    "distributed map tolerates": _answers(
        mapped(distributed(chain(I=task("odd"))), ToleratedFailurePercentage=50.0),
        RAW,
        [RAW["items"][0], RAW["items"][2]],
        "moto leaves null for what failed",
    ),
    "integration envelope": _answers(
        chain(A=invoking("nothing", OutputPath="$")),
        RAW,
        {"ExecutedVersion": "$LATEST", "Payload": None, "StatusCode": 200},
        "moto has no ExecutedVersion",
    ),
    "string output": _answers(alone("Pass", OutputPath="$.word"), RAW, "beta", 'moto\'s output is beta, not "beta"'),
}
