"""The template, as CloudFormation would see it."""

from pathlib import Path

import pytest

from infra.local.expand import Follower, Route, Stack, expand
from infra.local.intrinsics import Scope, TemplateError, resolve


def test_functions_have_their_settings_and_the_globals(stack: Stack) -> None:
    functions = {function.id: function for function in stack.functions}

    assert sorted(functions) == ["Authorize", "GetThing", "Rest", "Starter", "Task"]
    thing = functions["GetThing"]
    assert (thing.handler, thing.timeout_s, thing.memory_mb) == ("handlers.http", 29.0, 128)
    assert functions["Rest"].timeout_s == 10.0
    assert thing.arn == "arn:aws:lambda:us-east-1:000000000000:function:isthmus-GetThing"


def test_the_environment_is_resolved_and_what_has_no_value_is_absent(stack: Stack) -> None:
    environment = stack.functions[0].environment

    assert environment == {
        "ISTHMUS_TABLE": "isthmus-Table",
        "ISTHMUS_BITCOIN_SECRET": "",
        "ISTHMUS_OWNER": "",
        "ISTHMUS_TOKEN_KEYS": "",
        "MACHINES": "arn:aws:states:us-east-1:000000000000:stateMachine:isthmus",
        "SHADE": "navy",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
    }


def test_routes_name_their_function_and_the_authorizer_that_is_asked_first(stack: Stack) -> None:
    assert set(stack.routes) == {
        Route("GET", "/v1/things/{id}", "GetThing", "Authorize"),
        Route("POST", "/v1/raise", "GetThing", "Authorize"),
        Route("GET", "/v1/open", "GetThing", None),
        Route("$default", "$default", "Rest", "Authorize"),
    }


def test_schedules_of_both_kinds_are_found_unless_they_are_disabled(stack: Stack) -> None:
    found = {one.expression: one for one in stack.schedules}

    assert sorted(found) == ["cron(0 12 * * ? *)", "rate(1 minute)"]
    modern, rule = found["rate(1 minute)"], found["cron(0 12 * * ? *)"]
    assert (modern.source, modern.target, modern.input) == (
        "aws.scheduler",
        "isthmus-Rest",
        '{"source": "aws.scheduler"}',
    )
    assert (rule.source, rule.target, rule.input) == ("aws.events", "isthmus-Rest", None)


def test_machines_have_their_substitutions_applied(stack: Stack) -> None:
    (machine,) = stack.machines

    assert machine.name == "isthmus-double"
    assert machine.arn == "arn:aws:states:us-east-1:000000000000:stateMachine:isthmus-double"
    assert machine.definition["States"]["Double"]["Resource"].endswith(":function:isthmus-Task")


def test_what_becomes_of_failed_events_is_what_the_template_says(template: Path) -> None:
    destination = "{OnFailure: {Type: Lambda, Destination: !GetAtt Task.Arn}}"
    handling = "EventInvokeConfig: {MaximumRetryAttempts: 1, DestinationConfig: " + destination + "}"
    rest = "      Handler: handlers.good\n      Events:"
    text = template.read_text()
    assert text.count(rest) == 1
    template.write_text(text.replace(rest, rest.replace("Events:", handling + "\n      Events:")))
    functions = {one.id: one for one in expand(template).functions}
    assert (functions["Rest"].retries, functions["Rest"].on_failure) == (1, "isthmus-Task")
    assert (functions["Task"].retries, functions["Task"].on_failure) == (2, None)


def following(template: Path, filtered: str, source: str = "!GetAtt Table.StreamArn") -> None:
    """Have a function of the template follow something."""
    filters = f"{{Filters: [{{Pattern: '{filtered}'}}]}}"
    told = f"{{FunctionName: !Ref Task, EventSourceArn: {source}, MaximumRetryAttempts: 1, FilterCriteria: {filters}}}"
    mapping = f"TaskFollows: {{Type: AWS::Lambda::EventSourceMapping, Properties: {told}}}"
    template.write_text(f"{template.read_text()}  {mapping}\n")


def test_a_follower_is_who_is_told_what_is_inserted_into_a_partition(template: Path, stack: Stack) -> None:
    following(template, '{"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": ["house/dust"]}}}}')
    stream = "arn:aws:dynamodb:us-east-1:000000000000:table/isthmus-Table/stream/local"
    assert expand(template).followers == (Follower("Task", stream, "house/dust", 1),)
    assert stack.followers == ()


@pytest.mark.parametrize(
    ("filtered", "source"),
    [
        ('{"dynamodb": {"Keys": {"pk": {"S": ["house/dust"]}}}}', "!GetAtt Table.StreamArn"),
        ('{"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": ["a", "b"]}}}}', "!GetAtt Table.StreamArn"),
        ('{"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": ["a"]}}}}', "arn:aws:kinesis:x:1:stream/s"),
    ],
)
def test_who_follows_something_else_is_refused(template: Path, filtered: str, source: str) -> None:
    following(template, filtered, source)
    with pytest.raises(TemplateError, match="TaskFollows"):
        expand(template)


def test_parameters_can_be_given(template: Path) -> None:
    stack = expand(template, {"SubnetIds": "subnet-1,subnet-2"})

    assert stack.functions[0].environment["ABSENT"] == "inside"
    assert "Nowhere" in {function.id for function in stack.functions}


def test_a_missing_template_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="make"):
        expand(tmp_path / "template.yaml")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("Resources:", "Resource:", "no Resources"),
        ("Handler: handlers.task}", "Handler: handlers.task, Nonsense: 1}", "Nonsense"),
        ("!FindInMap [Shades, !Ref Color, dark]", "!FindInMap [Shades, green, dark]", "green"),
        ("!FindInMap [Shades, !Ref Color, dark]", '!ImportValue "x"', "Fn::ImportValue"),
        ("!FindInMap [Shades, !Ref Color, dark]", "!Ref Nothing", "Nothing"),
        ("double.asl.json", "missing.asl.json", "missing.asl.json"),
        ("      Api:", "     Api:", "not valid YAML"),
        (
            "ScheduleExpression: rate(1 minute),",
            "ScheduleExpression: rate(1 minute), ScheduleExpressionTimezone: Asia/Tokyo,",
            "UTC",
        ),
        ('AuthorizerPayloadFormatVersion: "2.0"', 'AuthorizerPayloadFormatVersion: "1.0"', "payload format 2.0"),
        ("EnableSimpleResponses: true", "EnableSimpleResponses: false", "simple responses"),
        ("{ReauthorizeEvery: 0}", "{ReauthorizeEvery: 60, Headers: [authorization]}", "are kept"),
        ("{ReauthorizeEvery: 0}", "{Headers: [authorization]}", "are kept"),
        ("!GetAtt Authorize.Arn", "!GetAtt Table.Arn", "no function"),
        (
            "DefaultAuthorizer: Proof",
            "DefaultAuthorizer: AWS_IAM\n        EnableIamAuthorizer: true",
            "no Lambda function",
        ),
    ],
)
def test_what_cannot_be_understood_is_named(template: Path, old: str, new: str, complaint: str) -> None:
    text = template.read_text()
    old, new = (one if one in text else one.removeprefix("    ") for one in (old, new))
    assert old in text
    template.write_text(text.replace(old, new))

    with pytest.raises(TemplateError, match=complaint):
        expand(template)


SCOPE = Scope(
    stack="s",
    parameters={"P": "p", "L": ["a", "b"]},
    resources={
        "B": {"Type": "AWS::S3::Bucket"},
        "M": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"StateMachineName": "m"}},
    },
    conditions={"T": {"Fn::Equals": ["1", 1]}, "F": {"Fn::Not": [{"Condition": "T"}]}},
    mappings={},
)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"Ref": "P"}, "p"),
        ({"Ref": "B"}, "s-B"),
        ({"Ref": "M"}, "arn:aws:states:us-east-1:000000000000:stateMachine:m"),
        ({"Fn::GetAtt": "B.Arn"}, "arn:aws:s3:::s-B"),
        ({"Fn::GetAtt": ["M", "Name"]}, "m"),
        ({"Fn::Sub": "${P}-${B.Arn}-${!P}-${AWS::Region}"}, "p-arn:aws:s3:::s-B-${P}-us-east-1"),
        ({"Fn::Sub": ["${X}${P}", {"X": {"Ref": "B"}}]}, "s-Bp"),
        ({"Fn::Join": [",", [{"Ref": "P"}, "q"]]}, "p,q"),
        ({"Fn::Select": ["1", {"Ref": "L"}]}, "b"),
        ({"Fn::Split": ["|", "a|b"]}, ["a", "b"]),
        ({"Fn::If": ["T", "yes", "no"]}, "yes"),
        ({"Fn::If": ["F", "yes", "no"]}, "no"),
        ({"Fn::And": [{"Condition": "T"}, {"Condition": "F"}]}, False),
        ({"Fn::Or": [{"Condition": "T"}, {"Condition": "F"}]}, True),
        ([{"Ref": "AWS::NoValue"}, 1], [1]),
        ({"a": {"Ref": "AWS::NoValue"}, "b": {"Condition": {"not": "one"}}}, {"b": {"Condition": {"not": "one"}}}),
    ],
)
def test_intrinsic_functions_have_cloudformations_values(expression: object, value: object) -> None:
    assert resolve(expression, SCOPE) == value
