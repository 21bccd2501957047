"""What is deployed besides permissions: logs, secrets, entrances, schedules, stores."""

import json
import re
from typing import Any

import pytest

from infra.template.sam import logical_id
from isthmus.catalogue import operations
from isthmus.ports import Caller
from isthmus.request import Channel, channel_of, parse

RESOURCES_PER_STACK = 500
AUTHORIZER_LIMIT_S = 10
READERS_OF_A_SHARD = 2
"""DynamoDB Developer Guide, "Change data capture for DynamoDB Streams"."""

PUBLIC = {
    "GET /v1/openapi.json",
    "GET /v1/auth/jwks",
    "POST /v1/auth/token",
    "X-AMAZON-APIGATEWAY-ANY-METHOD /$default",
}
"""The routes that ask for no proof: what they take and answer, how to get a token, and that there is no such route."""

Resources = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def resources(expanded: dict[str, Any]) -> Resources:
    found: Resources = expanded["Resources"]
    return found


def test_the_stack_stays_below_four_fifths_of_what_cloudformation_takes(resources: Resources) -> None:
    assert len(resources) < RESOURCES_PER_STACK * 4 / 5


def test_every_function_runs_on_the_same_runtime_and_processor(resources: Resources) -> None:
    found = {(one["Runtime"], *one["Architectures"]) for one in _of(resources, "AWS::Lambda::Function")}
    assert found == {("python3.13", "arm64")}


def test_the_logs_of_every_function_machine_and_request_are_kept_for_a_set_time(resources: Resources) -> None:
    groups = {name for name, one in resources.items() if one["Type"] == "AWS::Logs::LogGroup"}
    assert all("RetentionInDays" in resources[name]["Properties"] for name in groups)
    logs = [one["LoggingConfig"]["LogGroup"]["Ref"] for one in _of(resources, "AWS::Lambda::Function")]
    for machine in _of(resources, "AWS::StepFunctions::StateMachine"):
        (destination,) = machine["LoggingConfiguration"]["Destinations"]
        logs.append(destination["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0])
    (stage,) = _of(resources, "AWS::ApiGatewayV2::Stage")
    logs.append(stage["AccessLogSettings"]["DestinationArn"]["Fn::GetAtt"][0])
    assert set(logs) == groups


def test_the_environment_holds_names_of_things_and_no_secret(expanded: dict[str, Any], resources: Resources) -> None:
    environments = [one["Environment"]["Variables"] for one in _of(resources, "AWS::Lambda::Function")]
    for name, value in {name: value for environment in environments for name, value in environment.items()}.items():
        assert isinstance(value, dict), f"{name} is a literal"
        if parameter := expanded["Parameters"].get(value.get("Ref", "")):
            assert parameter["AllowedPattern"].startswith(("arn:", "did:")), f"{name} may be anything, even a secret"
    assert "{{resolve:" not in json.dumps(expanded)


def test_every_route_asks_the_authorizer_but_the_public_ones(resources: Resources) -> None:
    (api,) = _of(resources, "AWS::ApiGatewayV2::Api")
    asked = {
        f"{method.upper()} {path}": about["security"]
        for path, methods in api["Body"]["paths"].items()
        for method, about in methods.items()
    }
    assert len(asked) == len([one for one in operations() if one.route])
    assert {route for route, security in asked.items() if security == [{"NONE": []}]} == PUBLIC
    assert [security for route, security in asked.items() if route not in PUBLIC] == [[{"Callers": []}]] * (
        len(asked) - len(PUBLIC)
    )


def test_the_authorizer_is_one_function_asked_for_every_request_by_this_api_only(resources: Resources) -> None:
    (api,) = _of(resources, "AWS::ApiGatewayV2::Api")
    (serving,) = (one for one in operations() if one.service == "authorizer")
    function = logical_id(serving)
    about = api["Body"]["components"]["securitySchemes"]["Callers"]["x-amazon-apigateway-authorizer"]
    assert json.dumps({"Fn::GetAtt": [function, "Arn"]}) in json.dumps(about.pop("authorizerUri"))
    assert about == {
        "type": "request",
        "authorizerPayloadFormatVersion": "2.0",
        "enableSimpleResponses": True,
        "authorizerResultTtlInSeconds": 0,
        "identitySource": [],
    }
    arn = {"Fn::GetAtt": [function, "Arn"]}
    (permission,) = (one for one in _of(resources, "AWS::Lambda::Permission") if one["FunctionName"] == arn)
    assert (permission["Principal"], permission["Action"]) == ("apigateway.amazonaws.com", "lambda:InvokeFunction")
    source, names = permission["SourceArn"]["Fn::Sub"]
    assert source.endswith(":${__ApiId__}/authorizers/*")
    assert names == {"__ApiId__": {"Ref": "Api"}}


def test_the_authorizer_ends_before_api_gateway_stops_waiting_for_it() -> None:
    (serving,) = (one for one in operations() if one.service == "authorizer")
    assert serving.timeout_s <= AUTHORIZER_LIMIT_S


def test_what_is_started_by_a_schedule_loses_no_event(resources: Resources) -> None:
    (letters,) = (one for one in operations() if one.service == "dead-letters")
    undelivered = {"Fn::GetAtt": ["Undelivered", "Arn"]}
    kept = {
        one["FunctionName"]["Ref"]: one["DestinationConfig"]["OnFailure"]["Destination"]
        for one in _of(resources, "AWS::Lambda::EventInvokeConfig")
    }
    scheduled = {logical_id(one) for one in operations() if one.schedule}
    assert kept == {name: {"Fn::GetAtt": [logical_id(letters), "Arn"]} for name in scheduled} | {
        logical_id(letters): undelivered
    }
    targets = [one["Target"] for one in _of(resources, "AWS::Scheduler::Schedule")]
    assert [one["DeadLetterConfig"]["Arn"] for one in targets] == [undelivered] * len(scheduled)


def test_who_follows_a_partition_has_a_schedule_too_for_what_no_stream_tells() -> None:
    following = [one for one in operations() if one.follows]
    assert following
    assert [one.name for one in following if not one.schedule] == []


def test_not_more_follow_than_may_read_a_shard_at_the_same_time(resources: Resources) -> None:
    mappings = _of(resources, "AWS::Lambda::EventSourceMapping")
    assert len(mappings) == len([one for one in operations() if one.follows]) <= READERS_OF_A_SHARD


def test_the_stream_of_the_table_holds_keys_and_no_item(resources: Resources) -> None:
    assert resources["Table"]["Properties"]["StreamSpecification"] == {"StreamViewType": "KEYS_ONLY"}


def test_critical_failures_and_what_was_lost_raise_alerts(resources: Resources) -> None:
    rule = resources["CriticalFailures"]["Properties"]
    assert rule["EventPattern"] == {"source": ["isthmus.faults"], "detail": {"severity": ["critical"]}}
    assert rule["EventBusName"] == {"Ref": "Bus"}
    assert [target["Arn"] for target in rule["Targets"]] == [{"Ref": "Alerts"}]
    alarms = _of(resources, "AWS::CloudWatch::Alarm")
    assert sorted(one["MetricName"] for one in alarms) == [
        "ApproximateNumberOfMessagesVisible",
        "CriticalFailures",
        "Errors",
        "Invocations",
    ]
    (filtered,) = resources["CriticalLines"]["Properties"]["MetricTransformations"]
    (alarm,) = (one for one in alarms if one["MetricName"] == filtered["MetricName"])
    assert alarm["Namespace"] == filtered["MetricNamespace"]
    assert all(one["AlarmActions"] == [{"Ref": "Alerts"}] for one in alarms)


def test_what_waits_for_somebody_is_encrypted(resources: Resources) -> None:
    assert resources["Undelivered"]["Properties"]["SqsManagedSseEnabled"] is True
    assert resources["Alerts"]["Properties"]["KmsMasterKeyId"] == {"Fn::GetAtt": ["AlertsKey", "Arn"]}
    assert resources["AlertsKey"]["Properties"]["EnableKeyRotation"] is True


def test_the_owner_has_to_be_named_and_is_a_did(expanded: dict[str, Any]) -> None:
    owner = expanded["Parameters"]["OwnerDid"]
    assert "Default" not in owner
    pattern = re.compile(owner["AllowedPattern"])
    assert pattern.fullmatch("did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK")
    assert not any(pattern.fullmatch(other) for other in ("", "did:web:example.com", "did:key:z6Mk", "me"))


def test_no_web_page_may_call_the_api(resources: Resources) -> None:
    (api,) = _of(resources, "AWS::ApiGatewayV2::Api")
    assert "CorsConfiguration" not in api
    assert "x-amazon-apigateway-cors" not in api["Body"]


def test_the_api_has_a_limit_of_requests_per_second(resources: Resources) -> None:
    (stage,) = _of(resources, "AWS::ApiGatewayV2::Stage")
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0


def test_a_scheduled_event_is_understood_by_the_operation_it_starts(resources: Resources) -> None:
    inputs = [json.loads(one["Target"]["Input"]) for one in _of(resources, "AWS::Scheduler::Schedule")]
    scheduled = {one.name: one for one in operations() if one.schedule}
    assert sorted(event["resources"][0] for event in inputs) == sorted(scheduled)
    for event in inputs:
        one = scheduled[event["resources"][0]]
        assert channel_of(event) is Channel.SCHEDULE
        assert parse(one.request, one.path, Channel.SCHEDULE, event) == one.request()
        assert one.authenticate(Channel.SCHEDULE, event) == Caller("schedule", one.name, "system")


def test_two_stacks_in_one_account_do_not_collide(resources: Resources) -> None:
    named = ("Name", "TableName", "BucketName", "FunctionName", "RoleName", "ManagedPolicyName", "LayerName")
    named += ("LogGroupName", "StateMachineName")
    fixed = [
        (name, key)
        for name, one in resources.items()
        for key in named
        if key in one["Properties"] and "AWS::StackName" not in json.dumps(one["Properties"][key])
        if not _names_a_resource(one["Properties"][key], resources)
    ]
    assert fixed == []


def test_what_is_stored_outlives_the_stack_and_is_encrypted(resources: Resources) -> None:
    table, bucket = resources["Table"], resources["Bucket"]
    for store in (table, bucket):
        assert (store["DeletionPolicy"], store["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert table["Properties"]["SSESpecification"] == {"SSEEnabled": True}
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert all(bucket["Properties"]["PublicAccessBlockConfiguration"].values())
    assert bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]


def _names_a_resource(value: Any, resources: Resources) -> bool:
    return value in [named for name in resources for named in ({"Ref": name}, {"Fn::GetAtt": [name, "Arn"]})]


def _of(resources: Resources, type_: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in resources.values() if one["Type"] == type_]
