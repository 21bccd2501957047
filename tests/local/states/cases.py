"""Definitions and inputs on which this engine and moto's interpreter must agree, and the functions that they call."""

import re
from dataclasses import dataclass
from typing import Any

from tests.local.states.machines import ARN, BrokenError, TransientError, alone, chain, distributed, mapped, task

RAW = {
    "title": "Numbers to add",
    "numbers": {"val1": 3, "val2": 4},
    "items": [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}, {"id": 3, "v": "c"}],
    "word": "beta",
    "when": "2026-03-14T01:59:00Z",
    "flag": True,
    "none": None,
    "text": '{"z": [1, 2]}',
    "float": 2.5,
}


@dataclass(frozen=True)
class Case:
    """What to run."""

    definition: dict[str, Any]
    payload: Any


def add(payload: dict[str, int]) -> int:
    return payload["val1"] + payload["val2"]


def square(payload: dict[str, Any]) -> dict[str, Any]:
    return {**payload, "square": payload["id"] ** 2}


def boom(payload: Any) -> Any:
    raise BrokenError("no such block")


def odd(payload: dict[str, int]) -> dict[str, int]:
    if payload["id"] % 2 == 0:
        raise BrokenError(f"{payload['id']} is even")
    return payload


class Flaky:
    """Fails as often as the payload says, counted from the last `fresh` on."""

    def __init__(self) -> None:
        self.calls = 0

    def fresh(self) -> None:
        self.calls = 0

    def __call__(self, payload: dict[str, Any]) -> Any:
        self.calls += 1
        if self.calls <= payload["fail"]:
            raise TransientError("busy")
        return {"calls": self.calls}


FLAKY = Flaky()
FUNCTIONS = {
    "echo": lambda payload: payload,
    "add": add,
    "square": square,
    "boom": boom,
    "odd": odd,
    "flaky": FLAKY,
    "much": lambda _: "x" * 300_000,
    "nothing": lambda _: None,
}


def invoking(function: str, **fields: Any) -> dict[str, Any]:
    """A state that calls a function through the integration."""
    parameters = {"FunctionName": ARN + function, "Payload.$": "$"}
    fields = {"Parameters": parameters, "OutputPath": "$.Payload", **fields}
    return {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", **fields}


def passing(**template: Any) -> dict[str, Any]:
    """A machine that fills in one template."""
    return alone("Pass", Parameters=template)


def called(expression: str) -> dict[str, Any]:
    """A machine that evaluates one expression."""
    return passing(**{"r.$": expression})


def choosing(*rules: dict[str, Any], default: bool = True) -> dict[str, Any]:
    """A machine that says which rule holds."""
    ends = {f"R{number}": {"Type": "Pass", "Result": {"rule": number}, "End": True} for number in range(len(rules))}
    choices = [{**rule, "Next": f"R{number}"} for number, rule in enumerate(rules)]
    which: dict[str, Any] = {"Type": "Choice", "Choices": choices, **({"Default": "None"} if default else {})}
    none = {"None": {"Type": "Pass", "Result": {"rule": None}, "End": True}} if default else {}
    return {"StartAt": "Which", "States": {"Which": which, **ends, **none}}


def comparing(variable: str, operator: str, wanted: Any) -> dict[str, Any]:
    return choosing({"Variable": variable, operator: wanted})


def catching(state: dict[str, Any], *names: str, **fields: Any) -> dict[str, Any]:
    """A machine whose first state catches these errors."""
    catcher = {"ErrorEquals": list(names), "Next": "Caught", **fields}
    return chain(A={**state, "Catch": [catcher], "Next": "Done"}, Done={"Type": "Succeed"}, Caught={"Type": "Pass"})


def retrying(*retriers: dict[str, Any]) -> dict[str, Any]:
    return chain(A=task("flaky", Retry=list(retriers)))


def branching(*branches: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return alone("Parallel", Branches=list(branches), **fields)


SELECTOR = {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value.v", "w.$": "$.word"}
PATHS = [
    "$.title",
    "$['numbers']['val1']",
    "$.items[1]",
    "$.items[*].id",
    "$.items[0:2]",
    "$.items[0:2].v",
    "$.items[0,2].v",
    "$..id",
    "$.items[?(@.id > 1)]",
    "$.items[?(@.id > 1)].v",
    "$.items[?(@.v == 'b')]",
    "$.items[?(@.id > 1 && @.v == 'c')].id",
    "$.items[*].missing",
    "$.none",
    "$$.Execution.Input.word",
    "$$.State.Name",
    "$$.StateMachine.Name",
]
EXPRESSIONS = [
    "States.Format('Hello, {} and {}.', $.title, $.word)",
    "States.Format('{} {} {} {}', 1, $.flag, $.none, $.float)",
    "States.Format('{}', $.items)",
    "States.StringToJson($.text)",
    "States.JsonToString($.items)",
    "States.Array()",
    "States.Array(1, 'a', $.numbers, false)",
    "States.ArrayPartition($.items, 2)",
    "States.ArrayContains($.items[*].id, 2)",
    "States.ArrayContains($.items[*].id, 9)",
    "States.ArrayRange(1, 9, 2)",
    "States.ArrayGetItem($.items, 2)",
    "States.ArrayLength($.items)",
    "States.ArrayUnique(States.Array(1, 2, 2, 'x', 'x'))",
    "States.Base64Encode('Data to encode')",
    "States.Base64Decode('RGVjb2RlZCBkYXRh')",
    "States.Hash('input data', 'MD5')",
    "States.Hash('input data', 'SHA-1')",
    "States.Hash('input data', 'SHA-256')",
    "States.Hash('input data', 'SHA-384')",
    "States.Hash('input data', 'SHA-512')",
    "States.JsonMerge($.numbers, $.items[0], false)",
    "States.MathAdd($.numbers.val1, -1)",
    "States.MathAdd($.float, 1)",
    "States.StringSplit('This.is+a,test=string', '.+,=')",
    "States.StringSplit('a,,b', ',')",
    "States.ArrayGetItem(States.StringSplit($.title, ' '), 1)",
    "States.Array(States.Format('{}', $.word), States.ArrayLength($.items))",
]
COMPARISONS: list[tuple[str, str, Any]] = [
    ("$.word", "StringEquals", "beta"),
    ("$.word", "StringLessThan", "gamma"),
    ("$.word", "StringGreaterThanEquals", "gamma"),
    ("$.word", "StringMatches", "b*a"),
    ("$.word", "StringMatches", "a*"),
    ("$.word", "StringEqualsPath", "$.title"),
    ("$.numbers.val1", "NumericEquals", 3),
    ("$.numbers.val1", "NumericGreaterThan", 3),
    ("$.numbers.val1", "NumericLessThanEquals", 3),
    ("$.numbers.val1", "NumericLessThanPath", "$.numbers.val2"),
    ("$.word", "NumericEquals", 3),
    ("$.flag", "BooleanEquals", True),
    ("$.flag", "BooleanEqualsPath", "$.flag"),
    ("$.when", "TimestampEquals", "2026-03-14T01:59:00Z"),
    ("$.when", "TimestampLessThan", "2026-03-14T02:00:00Z"),
    ("$.when", "TimestampGreaterThanEqualsPath", "$.when"),
    ("$.none", "IsNull", True),
    ("$.word", "IsNull", False),
    ("$.word", "IsString", True),
    ("$.float", "IsNumeric", True),
    ("$.flag", "IsNumeric", True),
    ("$.flag", "IsBoolean", True),
    ("$.when", "IsTimestamp", True),
    ("$.word", "IsTimestamp", True),
    ("$.word", "IsPresent", True),
    ("$.missing", "IsPresent", False),
    ("$.missing", "IsPresent", True),
]
BIG, YES = {"Variable": "$.numbers.val2", "NumericGreaterThan": 3}, {"Variable": "$.flag", "BooleanEquals": True}
RETRY = {"ErrorEquals": ["TransientError"], "IntervalSeconds": 1, "MaxAttempts": 2, "BackoffRate": 1.0}
FAILING_BRANCHES = (chain(X=task("boom")), chain(Y={"Type": "Pass"}))


def _named(prefix: str, text: str) -> str:
    return prefix + " " + re.sub(r"[^\w$.*@'=<>,()\[\]{}-]+", "_", text)


CASES: dict[str, Case] = {
    **{_named("path", path): Case(passing(**{"r.$": path}), RAW) for path in PATHS},
    **{_named("call", expression): Case(called(expression), RAW) for expression in EXPRESSIONS},
    **{_named("choice", f"{v} {o} {w}"): Case(comparing(v, o, w), RAW) for v, o, w in COMPARISONS},
    "choice and": Case(choosing({"And": [BIG, YES]}), RAW),
    "choice or": Case(choosing({"Or": [{"Not": YES}, BIG]}), RAW),
    "choice not": Case(choosing({"Not": BIG}), RAW),
    "choice first of two": Case(choosing(BIG, YES), RAW),
    "choice filters its input": Case(
        chain(
            W={
                "Type": "Choice",
                "InputPath": "$.numbers",
                "Choices": [{"Variable": "$.val1", "IsPresent": True, "Next": "D"}],
            },
            D={"Type": "Succeed"},
        ),
        RAW,
    ),
    "pass": Case(alone("Pass"), RAW),
    "pass result": Case(alone("Pass", Result={"a": [1]}), RAW),
    "pass result path": Case(alone("Pass", Result=7, ResultPath="$.numbers.sum"), RAW),
    "pass result path makes objects": Case(alone("Pass", Result=7, ResultPath="$.a.b.c"), RAW),
    "pass result path in an array": Case(alone("Pass", Result=7, ResultPath="$.items[1].v"), RAW),
    "pass null result path": Case(alone("Pass", Result=7, ResultPath=None), RAW),
    "pass input path": Case(alone("Pass", InputPath="$.numbers"), RAW),
    "pass output path": Case(alone("Pass", OutputPath="$.numbers"), RAW),
    "pass null paths": Case(alone("Pass", InputPath=None, OutputPath=None), RAW),
    "pass context paths": Case(alone("Pass", InputPath="$$.Execution.Input.numbers"), RAW),
    "pass deep template": Case(passing(a=[{"b.$": "$.word"}, "$.word"], c={"d": {"e.$": "$.items[*].id"}}), RAW),
    "pass missing input path": Case(alone("Pass", InputPath="$.missing"), RAW),
    "pass missing output path": Case(alone("Pass", OutputPath="$.missing"), RAW),
    "pass missing template path": Case(passing(**{"a.$": "$.missing"}), RAW),
    "chain of passes": Case(
        chain(A={"Type": "Pass", "ResultPath": "$.a"}, B={"Type": "Pass", "OutputPath": "$.a"}), {"x": 1}
    ),
    "succeed": Case(alone("Succeed", InputPath="$.numbers", OutputPath="$"), RAW),
    "fail": Case(alone("Fail", Error="E", Cause="because"), RAW),
    "fail without words": Case(alone("Fail"), RAW),
    "fail by path": Case(alone("Fail", ErrorPath="$.word", CausePath="States.Format('of {}', $.word)"), RAW),
    "wait no time": Case(alone("Wait", Seconds=0), RAW),
    "wait by path": Case(alone("Wait", SecondsPath="$.s"), {"s": 0}),
    "wait until the past": Case(alone("Wait", Timestamp="2020-03-14T01:59:00Z"), RAW),
    "wait until the past by path": Case(alone("Wait", TimestampPath="$.t"), {"t": "2020-03-14T01:59:00Z"}),
    "wait for nonsense": Case(alone("Wait", SecondsPath="$.s"), {"s": "soon"}),
    "wait for the negative": Case(alone("Wait", SecondsPath="$.s"), {"s": -1}),
    "wait for what is missing": Case(alone("Wait", SecondsPath="$.s"), {}),
    "wait until nonsense": Case(alone("Wait", TimestampPath="$.t"), {"t": "tomorrow"}),
    "task": Case(chain(A=task("echo")), RAW),
    "task answers null": Case(chain(A=task("nothing", ResultPath="$.r")), RAW),
    "task with all filters": Case(
        chain(
            A=task(
                "add",
                InputPath="$.numbers",
                Parameters={"val1.$": "$.val1", "val2": 10},
                ResultSelector={"sum.$": "$", "by.$": "$$.State.Name"},
                ResultPath="$.out",
                OutputPath="$['out','word']",
            )
        ),
        RAW,
    ),
    "task result path is in the raw input": Case(chain(A=task("add", InputPath="$.numbers", ResultPath="$.sum")), RAW),
    "integration": Case(chain(A=invoking("echo")), RAW),
    "integration with a selector": Case(
        chain(A=invoking("echo", OutputPath="$", ResultSelector={"w.$": "$.Payload.word", "s.$": "$.StatusCode"})), RAW
    ),
    "task fails": Case(chain(A=task("boom")), RAW),
    "integration fails": Case(chain(A=invoking("boom")), RAW),
    "catch by name": Case(catching(task("boom"), "BrokenError", ResultPath="$.e"), RAW),
    "catch all": Case(catching(task("boom"), "States.ALL"), RAW),
    "catch task failed": Case(catching(task("boom"), "States.TaskFailed", ResultPath="$.e"), RAW),
    "catch another name": Case(catching(task("boom"), "ValueError"), RAW),
    "catch with a null result path": Case(catching(task("boom"), "States.ALL", ResultPath=None), RAW),
    "catch keeps the raw input": Case(
        catching(task("boom", InputPath="$.numbers"), "States.ALL", ResultPath="$.e"), RAW
    ),
    "catch in the integration": Case(catching(invoking("boom"), "BrokenError", ResultPath="$.e"), RAW),
    "catch a large answer by name": Case(catching(task("much"), "States.DataLimitExceeded", ResultPath=None), {"a": 1}),
    "large answer": Case(chain(A=task("much")), RAW),
    "large answer in an envelope": Case(chain(A=invoking("much")), RAW),
    "large template": Case(passing(**{"a.$": "$.t", "b.$": "$.t"}), {"t": "x" * 140_000}),
    "retry until it works": Case(retrying(RETRY), {"fail": 2}),
    "retry in vain": Case(retrying(RETRY), {"fail": 3}),
    "retry another name": Case(retrying({**RETRY, "ErrorEquals": ["ValueError"]}), {"fail": 1}),
    "retry all": Case(retrying({**RETRY, "ErrorEquals": ["States.ALL"]}), {"fail": 2}),
    "retry three times by default": Case(retrying({"ErrorEquals": ["TransientError"]}), {"fail": 3}),
    "retry never": Case(retrying({**RETRY, "MaxAttempts": 0}), {"fail": 1}),
    "retry with jitter": Case(retrying({**RETRY, "JitterStrategy": "FULL", "MaxDelaySeconds": 2}), {"fail": 2}),
    "retry, then catch": Case(catching(task("flaky", Retry=[RETRY]), "TransientError", ResultPath="$.e"), {"fail": 3}),
    "retry counts in the context": Case(
        chain(A=task("flaky", Retry=[RETRY], ResultSelector={"n.$": "$$.State.RetryCount"})), {"fail": 2}
    ),
    "parallel": Case(branching(chain(X=task("echo")), chain(Y={"Type": "Pass", "Result": 2})), RAW),
    "parallel with filters": Case(
        branching(
            chain(X={"Type": "Pass"}),
            chain(Y={"Type": "Succeed"}),
            InputPath="$.numbers",
            Parameters={"n.$": "$.val1"},
            ResultSelector={"x.$": "$[0]", "all.$": "$"},
            ResultPath="$.out",
        ),
        RAW,
    ),
    "parallel fails": Case(branching(*FAILING_BRANCHES), RAW),
    "parallel fails by a fail state": Case(branching(chain(X={"Type": "Fail", "Error": "E", "Cause": "C"})), RAW),
    "parallel catches": Case(
        catching({"Type": "Parallel", "Branches": list(FAILING_BRANCHES)}, "BrokenError", ResultPath="$.e"), RAW
    ),
    "parallel retries": Case(branching(chain(X=task("flaky")), Retry=[RETRY]), {"fail": 2}),
    "map": Case(mapped(chain(I=task("square"))), RAW),
    "map with a selector": Case(mapped(chain(I=task("echo")), ItemSelector=SELECTOR), RAW),
    "map with parameters": Case(
        alone("Map", ItemsPath="$.items", Parameters=SELECTOR, Iterator=chain(I={"Type": "Pass"})), RAW
    ),
    "map one by one": Case(mapped(chain(I=task("square")), MaxConcurrency=1), RAW),
    "map with filters": Case(
        mapped(chain(I={"Type": "Pass"}), ResultSelector={"ids.$": "$[*].id"}, ResultPath="$.out", OutputPath="$.out"),
        RAW,
    ),
    "map over its input": Case(
        alone("Map", InputPath="$.items", Iterator=chain(I={"Type": "Pass", "OutputPath": "$.v"})), RAW
    ),
    "map over nothing": Case(mapped(chain(I=task("echo"))), {"items": []}),
    "map sees its item inside": Case(
        mapped(chain(I={"Type": "Pass", "Parameters": {"i.$": "$$.Map.Item.Index"}})), RAW
    ),
    "map fails": Case(mapped(chain(I=task("odd"))), RAW),
    "map catches inside": Case(
        mapped(
            {
                "StartAt": "I",
                "States": {
                    "I": task(
                        "odd", End=True, Catch=[{"ErrorEquals": ["BrokenError"], "Next": "P", "ResultPath": "$.e"}]
                    ),
                    "P": {"Type": "Pass", "Parameters": {"parked.$": "$.id"}, "End": True},
                },
            }
        ),
        RAW,
    ),
    "map catches outside": Case(
        catching(
            {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": chain(I=task("odd"))},
            "BrokenError",
            ResultPath="$.e",
        ),
        RAW,
    ),
    "map in a map": Case(
        mapped(chain(N={"Type": "Map", "Iterator": chain(J={"Type": "Pass", "Parameters": {"j.$": "$"}})})),
        {"items": [[1, 2], [3]]},
    ),
    "distributed map": Case(mapped(distributed(chain(I=task("square"))), MaxConcurrency=2, Label="L"), RAW),
    "distributed map with a selector": Case(mapped(distributed(chain(I=task("echo"))), ItemSelector=SELECTOR), RAW),
    "pipeline": Case(
        chain(
            Collect=task("echo", ResultPath="$.collected"),
            Each={
                "Type": "Map",
                "ItemsPath": "$.items",
                "ItemProcessor": distributed(chain(Enrich=task("square"))),
                "ResultPath": "$.enriched",
            },
            Check=task("flaky", Parameters={"fail": 1}, Retry=[RETRY], ResultPath=None),
            Store=invoking("echo", ResultSelector={"Payload.$": "$.Payload.enriched"}),
        ),
        RAW,
    ),
}
