"""What is deployed besides permissions: logs, secrets, entrances, schedules, stores."""

import json
from typing import Any

import pytest

from isthmus.catalogue import operations
from isthmus.ports import Caller
from isthmus.request import Channel, channel_of, parse

RESOURCES_PER_STACK = 500

Resources = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def resources(expanded: dict[str, Any]) -> Resources:
    found: Resources = expanded["Resources"]
    return found


def test_the_stack_stays_below_half_of_what_cloudformation_takes(resources: Resources) -> None:
    assert len(resources) < RESOURCES_PER_STACK / 2


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
            assert parameter["AllowedPattern"].startswith("arn:"), f"{name} may be anything, even a secret"
    assert "{{resolve:" not in json.dumps(expanded)


def test_every_route_asks_for_a_signature(resources: Resources) -> None:
    (api,) = _of(resources, "AWS::ApiGatewayV2::Api")
    methods = [method for path in api["Body"]["paths"].values() for method in path.values()]
    assert len(methods) == len([one for one in operations() if one.route])
    assert all(method["security"] == [{"AWS_IAM": []}] for method in methods)


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
        if key in one["Properties"] and "${AWS::StackName}" not in json.dumps(one["Properties"][key])
        if one["Type"] != "AWS::Lambda::Permission"
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


def _of(resources: Resources, type_: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in resources.values() if one["Type"] == type_]
