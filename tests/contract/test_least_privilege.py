"""Scanners do not see the policies inside a SAM template, so these look at what SAM makes of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.template.sam import logical_id
from isthmus.catalogue import operations
from isthmus.faults import breaker
from isthmus.faults.reports import PARTITION
from isthmus.operation import Effect
from isthmus.ports import COSTS, SCHEDULED, Grant

ANY_RESOURCE = {
    "MachineLogs": "CloudWatch's log delivery has no resources to name",
    "TokenKey": "in a key's policy it is that key",
    "AlertsKey": "in a key's policy it is that key",
}
READING = ("Get", "List", "Query", "Describe")
READS_OF_THE_TABLE = {"dynamodb:GetItem", "dynamodb:Query"}
READS_OF_THE_STREAM = {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}
LISTS_STREAMS = "dynamodb:ListStreams"
TABLE = {"Fn::GetAtt": ["Table", "Arn"]}
IN_ONE_PARTITION = {"FaultReports": PARTITION, "Breakers": breaker.PARTITION}
"""What functions may write beside what their parameters cost: one partition each, which the condition names."""

WRITES_ACCESS = {"access", "auth"}
"""The domains that may write who may do what."""

OF_PAYMENTS = {"ledger/*", "journal/*", "access/budgets", "access/budgets/*"}
"""What spends, and what settles payments, writes besides."""

OF_JOURNAL = {"journal/*"}
"""What keeps the journal writes."""

OF_FOLLOWERS = {"journal/bitcoin/*", "journal/outbox"}
"""What writes down what becomes of transactions."""

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
    expected = {(action, json.dumps(_resource(grant))) for grant in granted for action in grant.actions}
    expected |= {(action, json.dumps(resource)) for action, resource in _beside(operation)}
    allowed = _of_role(resources, logical_id(operation) + "Role")
    assert {(action, json.dumps(one["Resource"])) for one in allowed for action in _list(one["Action"])} == expected


def _resource(grant: Grant) -> Any:
    if grant.resource != SCHEDULED:
        return grant.resource
    return [{"Fn::GetAtt": [logical_id(one), "Arn"]} for one in operations() if one.schedule]


def _beside(operation: Any) -> Iterator[tuple[str, Any]]:
    """What a function may do beside what its parameters cost: report, move breakers, follow, give away its failures."""
    yield "dynamodb:PutItem", TABLE
    if operation.guarded and (operation.neighbours or operation.effect is Effect.SPEND):
        yield "dynamodb:GetItem", TABLE
    if operation.follows:
        yield from ((action, {"Fn::GetAtt": ["Table", "StreamArn"]}) for action in READS_OF_THE_STREAM)
        yield LISTS_STREAMS, {"Fn::Sub": "${Table.Arn}/stream/*"}
        yield "sqs:SendMessage", {"Fn::GetAtt": ["Undelivered", "Arn"]}
    if operation.schedule:
        letters = next(one for one in operations() if one.service == "dead-letters")
        yield "lambda:InvokeFunction", {"Fn::GetAtt": [logical_id(letters), "Arn"]}
    if operation.service == "dead-letters":
        yield "sqs:SendMessage", {"Fn::GetAtt": ["Undelivered", "Arn"]}


@pytest.mark.parametrize("operation", operations(), ids=lambda one: one.name)
def test_a_function_that_only_reads_may_write_nothing(operation: Any, resources: Resources) -> None:
    free = [one for one in _of_role(resources, logical_id(operation) + "Role") if "Condition" not in one]
    allowed = [action for one in free for action in _list(one["Action"])]
    writes = [action for action in allowed if not action.split(":")[1].startswith(READING)]
    assert operation.effect is not Effect.READ or writes == []


def test_what_functions_may_write_beside_what_their_parameters_cost_is_one_partition_each(resources: Resources) -> None:
    for policy, partition in IN_ONE_PARTITION.items():
        (statement,) = resources[policy]["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Condition"] == {
            "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [partition]},
            "Null": {"dynamodb:LeadingKeys": "false"},
        }


def test_no_function_writes_the_table_without_a_condition_on_the_partition(resources: Resources) -> None:
    reads = READS_OF_THE_TABLE | READS_OF_THE_STREAM | {LISTS_STREAMS}
    for where, one in _allowed(resources):
        writes = {action for action in _list(one["Action"]) if action.startswith("dynamodb:")} - reads
        keys = [keys for condition in one.get("Condition", {}).values() for keys in condition.items()]
        named = [value for name, value in keys if name == "dynamodb:LeadingKeys" and value != "false"]
        assert not writes or len(named) == 1, where


@pytest.mark.parametrize("operation", operations(), ids=lambda one: one.name)
def test_a_domain_writes_its_own_partitions_and_only_those_of_access_who_may_do_what(
    operation: Any, resources: Resources
) -> None:
    conditions = [one.get("Condition", {}) for one in _of_role(resources, logical_id(operation) + "Role")]
    keys = [key for one in conditions for key in one.get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])]
    paying = operation.effect is Effect.SPEND or operation.domain == "ledger"
    beyond = {key for key in keys if key != f"{operation.domain}/*"}
    special = {"state": OF_JOURNAL, "bitcoin": OF_FOLLOWERS} | {domain: {"access/*"} for domain in WRITES_ACCESS}
    assert beyond <= special.get(operation.domain, set()) | (OF_PAYMENTS if paying else set())


def test_conditions_narrow_what_they_stand_on(resources: Resources) -> None:
    tables = {where for where, one in _allowed(resources) if "LeadingKeys" in json.dumps(one.get("Condition", {}))}
    assert {name for name in tables if not name.startswith(("TableChange", "TableSpend"))} == set(IN_ONE_PARTITION)


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


def test_the_token_key_signs_for_roles_of_this_account_that_may_and_can_be_managed_by_nobody_else(
    resources: Resources,
) -> None:
    key = resources["TokenKey"]
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert (key["Properties"]["KeySpec"], key["Properties"]["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    statements = key["Properties"]["KeyPolicy"]["Statement"]
    root = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    assert [one["Principal"] for one in statements] == [root, root]
    assert statements[1]["Action"] == ["kms:GetPublicKey", "kms:Sign"]


def test_only_who_issues_tokens_may_sign_with_the_token_key(resources: Resources) -> None:
    allowed = {one.name: _of_role(resources, logical_id(one) + "Role") for one in operations()}
    signing = [name for name, own in allowed.items() if any("kms:Sign" in _list(one["Action"]) for one in own)]
    assert signing == ["create_token"]


def test_alerts_come_from_this_stack_only(resources: Resources) -> None:
    rule = {"Fn::GetAtt": ["CriticalFailures", "Arn"]}
    events, alarms = resources["AlertsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert events["Condition"] == {"ArnEquals": {"aws:SourceArn": rule}}
    assert ":alarm:${AWS::StackName}-*" in alarms["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Sub"]
    (undelivered,) = resources["UndeliveredAlerts"]["Properties"]["PolicyDocument"]["Statement"]
    assert undelivered["Condition"] == {"ArnEquals": {"aws:SourceArn": rule}}
    publishers = resources["AlertsKey"]["Properties"]["KeyPolicy"]["Statement"][1]
    assert publishers["Condition"]["ArnLike"].keys() == {"kms:EncryptionContext:aws:sns:topicArn"}


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
