"""Scanners do not see the policies inside a SAM template, so these look at what SAM makes of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.template.sam import logical_id
from isthmus.catalogue import operations
from isthmus.faults.reports import PARTITION
from isthmus.operation import Effect
from isthmus.ports import COSTS

ANY_RESOURCE = {"MachineLogs": "CloudWatch's log delivery has no resources to name"}
READING = ("Get", "List", "Query", "Describe")
REPORTING = ("dynamodb:PutItem", json.dumps({"Fn::GetAtt": ["Table", "Arn"]}))
"""What every function may do: put a report into the one partition that the statement's condition names."""

AWS_POLICIES = {
    "AWSLambdaBasicExecutionRole": "writes logs",
    "AWSLambdaVPCAccessExecutionRole": "joins the VPC of the node",
}

Resources = dict[str, dict[str, Any]]
Statement = dict[str, Any]


@pytest.fixture(scope="session")
def resources(expanded: dict[str, Any]) -> Resources:
    found: Resources = expanded["Resources"]
    return found


def test_no_statement_allows_a_wildcard_action(resources: Resources) -> None:
    assert [where for where, one in _allowed(resources) if "*" in "".join(_list(one["Action"]))] == []


def test_no_statement_allows_any_resource_except_where_there_is_none_to_name(resources: Resources) -> None:
    assert {where for where, one in _allowed(resources) if "*" in _list(one["Resource"])} == set(ANY_RESOURCE)


def test_no_statement_names_what_it_does_not_allow(resources: Resources) -> None:
    negated = {"NotAction", "NotResource", "NotPrincipal"}
    assert [where for where, one in _allowed(resources) if negated & set(one)] == []


@pytest.mark.parametrize("operation", operations(), ids=lambda one: one.name)
def test_a_function_may_do_exactly_what_its_parameters_cost(operation: Any, resources: Resources) -> None:
    changes = operation.effect is not Effect.READ
    costs = [COSTS[port] for port in operation.ports.values() if port in COSTS]
    granted = [grant for cost in costs for grant in (*cost.read, *(cost.change if changes else ()))]
    expected = {(action, json.dumps(grant.resource)) for grant in granted for action in grant.actions} | {REPORTING}
    allowed = _of_role(resources, logical_id(operation) + "Role")
    assert {(action, json.dumps(one["Resource"])) for one in allowed for action in _list(one["Action"])} == expected


@pytest.mark.parametrize("operation", operations(), ids=lambda one: one.name)
def test_a_function_that_only_reads_may_write_nothing(operation: Any, resources: Resources) -> None:
    free = [one for one in _of_role(resources, logical_id(operation) + "Role") if "Condition" not in one]
    allowed = [action for one in free for action in _list(one["Action"])]
    writes = [action for action in allowed if not action.split(":")[1].startswith(READING)]
    assert operation.effect is not Effect.READ or writes == []


def test_what_every_function_may_write_is_one_partition(resources: Resources) -> None:
    (statement,) = resources["FaultReports"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [PARTITION]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    assert [where for where, one in _allowed(resources) if "Condition" in one] == ["FaultReports"]


def test_roles_get_no_other_policy_of_aws_than_the_two_that_lambda_needs(resources: Resources) -> None:
    attached = [policy for one in _roles(resources) for policy in one.get("ManagedPolicyArns", [])]
    assert {policy.rsplit("/", 1)[1] for policy in attached if isinstance(policy, str)} == set(AWS_POLICIES)


def test_a_machine_may_invoke_its_own_functions_and_start_nothing_but_itself(
    resources: Resources, template: dict[str, Any]
) -> None:
    for name, machine in template["Resources"].items():
        if machine["Type"] != "AWS::Serverless::StateMachine":
            continue
        own = [one for one in _of_role(resources, name + "Role") if not _list(one["Action"])[0].startswith("logs:")]
        (invoke,) = (one for one in own if one["Action"] == ["lambda:InvokeFunction"])
        assert invoke["Resource"] == list(machine["Properties"]["DefinitionSubstitutions"].values())
        rest = json.dumps([one["Resource"] for one in own if one is not invoke])
        assert rest.count("${AWS::StackName}") == rest.count(machine["Properties"]["Name"]["Fn::Sub"])


def test_each_role_is_assumed_by_one_service_only(resources: Resources) -> None:
    for role in _roles(resources):
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert len(_list(statement["Principal"]["Service"])) == 1


def test_the_bucket_refuses_what_is_not_encrypted_in_transit(resources: Resources) -> None:
    (statement,) = resources["BucketTlsOnly"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def _roles(resources: Resources) -> list[dict[str, Any]]:
    return [one["Properties"] for one in resources.values() if one["Type"] == "AWS::IAM::Role"]


def _statements(resources: Resources) -> Iterator[tuple[str, Statement]]:
    for name, one in resources.items():
        properties = one["Properties"]
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", []) if isinstance(policy, dict)]
        documents += [properties[key] for key in ("PolicyDocument", "KeyPolicy") if key in properties]
        for document in documents:
            yield from ((name, statement) for statement in document["Statement"])


def _allowed(resources: Resources) -> list[tuple[str, Statement]]:
    return [(where, one) for where, one in _statements(resources) if one["Effect"] == "Allow"]


def _of_role(resources: Resources, name: str) -> list[Statement]:
    """What a role may do by its own statements and by the template's policies attached to it."""
    attached = resources[name]["Properties"].get("ManagedPolicyArns", [])
    sources = {name} | {policy["Ref"] for policy in attached if "Ref" in policy}
    return [one for where, one in _allowed(resources) if where in sources]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
