import json
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from infra.template.machines import Machine
from infra.template.sam import logical_id, render
from isthmus.fields import Request, Response
from isthmus.operation import Effect, Operation, operation
from isthmus.ports import COSTS, BitcoinNode, Blobs, Caller, Clock, Sql, Table


class Ask(Request):
    """Nothing."""


@operation("GET /v1/things/{name}", effect=Effect.READ)
def read_thing(request: Ask, caller: Caller, table: Table, clock: Clock) -> Response:
    """Read."""
    raise NotImplementedError


@operation("POST /v1/things", effect=Effect.CHANGE, schedule="rate(5 minutes)", timeout_s=20, memory_mb=1024)
def change_thing(request: Ask, table: Table, blobs: Blobs) -> Response:
    """Change."""
    raise NotImplementedError


@operation("POST /v1/payments", effect=Effect.SPEND)
def pay_thing(request: Ask, node: BitcoinNode, table: Table) -> Response:
    """Pay."""
    raise NotImplementedError


@operation(effect=Effect.CHANGE, timeout_s=900)
def crunch_thing(request: Ask, sql: Sql) -> Response:
    """Crunch."""
    raise NotImplementedError


@operation("$default", effect=Effect.READ)
def refuse_thing(request: Ask) -> Response:
    """Refuse."""
    raise NotImplementedError


@operation(effect=Effect.CHANGE, service="authorizer")
def let_pass(request: Ask, table: Table) -> Response:
    """Let pass."""
    raise NotImplementedError


@operation(effect=Effect.CHANGE, service="dead-letters")
def keep_thing(request: Ask, table: Table) -> Response:
    """Keep."""
    raise NotImplementedError


@operation("POST /v1/token", effect=Effect.CHANGE, public=True)
def prove_thing(request: Ask, table: Table) -> Response:
    """Prove."""
    raise NotImplementedError


@operation(effect=Effect.CHANGE, schedule="rate(1 minute)", follows="things/new")
def follow_thing(request: Ask, table: Table) -> Response:
    """Follow."""
    raise NotImplementedError


SERVICES = (let_pass, keep_thing)
EVERYTHING = (read_thing, change_thing, pay_thing, crunch_thing, refuse_thing, prove_thing, follow_thing, *SERVICES)


def rendered(*operations: Operation, machines: tuple[Machine, ...] = ()) -> str:
    others = [service for service in SERVICES if service not in operations]
    return render([*operations, *others], machines)


def resources(*operations: Operation, machines: tuple[Machine, ...] = ()) -> dict[str, Any]:
    found: dict[str, Any] = yaml_parse(rendered(*operations, machines=machines))["Resources"]
    return found


def properties(one: Operation) -> dict[str, Any]:
    found: dict[str, Any] = resources(one)[logical_id(one)]["Properties"]
    return found


REPORTS = {"Ref": "FaultReports"}
DOMAIN = read_thing.domain.capitalize()


def test_a_function_is_about_six_lines() -> None:
    lines = rendered(read_thing).splitlines()
    start = lines.index("  ReadThing:")
    assert lines[start : start + 6] == [
        "  ReadThing:",
        "    Type: AWS::Serverless::Function",
        "    Metadata: {BuildMethod: makefile}",
        "    Properties:",
        f"      Handler: {read_thing.handler}",
        "      Policies: [!Ref FaultReports, !Ref TableRead]",
    ]
    assert lines[start + 6].startswith("      Events: {Http: {Type: HttpApi")
    assert lines[start + 7] == "  LetPass:"


def test_a_reader_gets_the_reading_policy_of_each_port_that_costs_something() -> None:
    assert properties(read_thing)["Policies"] == [REPORTS, {"Ref": "TableRead"}]


@pytest.mark.parametrize(("one", "level"), [(change_thing, "Change"), (pay_thing, "Spend")])
def test_who_changes_or_spends_gets_the_changing_policy(one: Operation, level: str) -> None:
    assert {"Ref": f"Table{level}{DOMAIN}"} in properties(one)["Policies"]
    assert {"Ref": "TableRead"} not in properties(one)["Policies"]


def test_a_port_that_has_nothing_to_change_is_read_by_everybody() -> None:
    assert {"Ref": "BitcoinNodeRead"} in properties(pay_thing)["Policies"]


def test_the_changing_policy_allows_reading_too() -> None:
    (read,) = resources(read_thing)["TableRead"]["Properties"]["PolicyDocument"]["Statement"]
    change = resources(change_thing)[f"TableChange{DOMAIN}"]["Properties"]["PolicyDocument"]["Statement"]
    assert change[0] == read
    assert change[1]["Action"] == ["dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"]


def test_only_policies_that_somebody_uses_are_there() -> None:
    policies = {n for n, one in resources(read_thing).items() if one["Type"] == "AWS::IAM::ManagedPolicy"}
    used = {"TableRead", f"TableChange{DOMAIN}"}
    assert policies == {"Breakers", "FaultReports", "Followers", "MachineLogs"} | used


def test_a_port_brings_its_layers() -> None:
    assert properties(crunch_thing)["Layers"] == [{"Ref": "DataLayer"}]
    assert "Layers" not in properties(read_thing)


def test_only_who_talks_to_the_node_joins_its_vpc() -> None:
    assert [one.name for one in EVERYTHING if "VpcConfig" in properties(one)] == ["pay_thing"]


def test_time_and_memory_are_said_where_they_differ() -> None:
    said = {one.name: [properties(one).get(key) for key in ("Timeout", "MemorySize")] for one in EVERYTHING}
    assert said["read_thing"] == [None, None]
    assert said["change_thing"] == [20, 1024]
    assert said["crunch_thing"] == [900, None]


def test_a_route_is_an_event_and_the_route_that_takes_the_rest_names_no_path() -> None:
    named = properties(read_thing)["Events"]["Http"]["Properties"]
    rest = properties(refuse_thing)["Events"]["Http"]["Properties"]
    assert named == {"ApiId": {"Ref": "Api"}, "Method": "GET", "Path": "/v1/things/{name}"}
    assert rest == {"ApiId": {"Ref": "Api"}}


def test_only_a_public_route_goes_without_the_authorizer() -> None:
    routed = [one for one in EVERYTHING if one.route]
    unproven = [one for one in routed if "Auth" in properties(one)["Events"]["Http"]["Properties"]]
    assert unproven == [prove_thing]
    assert properties(prove_thing)["Events"]["Http"]["Properties"]["Auth"] == {"Authorizer": "NONE"}


def test_the_api_asks_the_authorizer_there_is_each_time_and_whatever_the_request_brings() -> None:
    assert resources(read_thing)["Api"]["Properties"]["Auth"] == {
        "DefaultAuthorizer": "Callers",
        "Authorizers": {
            "Callers": {
                "FunctionArn": {"Fn::GetAtt": ["LetPass", "Arn"]},
                "AuthorizerPayloadFormatVersion": "2.0",
                "EnableSimpleResponses": True,
                "EnableFunctionDefaultPermissions": True,
                "Identity": {"ReauthorizeEvery": 0},
            }
        },
    }


@pytest.mark.parametrize(("services", "missing"), [((keep_thing,), "authorizer"), ((let_pass,), "dead-letters")])
def test_a_template_without_the_operations_that_the_base_asks_for_is_refused(
    services: tuple[Operation, ...], missing: str
) -> None:
    with pytest.raises(ValueError, match=f"one operation has to be the {missing}, not 0"):
        render([read_thing, *services], ())


def test_what_a_schedule_starts_gives_what_it_fails_on_for_good_to_the_letters_and_these_give_theirs_to_a_queue() -> (
    None
):
    ends = {one: properties(one).get("EventInvokeConfig", {}).get("DestinationConfig") for one in EVERYTHING}
    letters = {"OnFailure": {"Type": "Lambda", "Destination": {"Fn::GetAtt": ["KeepThing", "Arn"]}}}
    assert {one: end for one, end in ends.items() if end} == {
        change_thing: letters,
        follow_thing: letters,
        keep_thing: {"OnFailure": {"Type": "SQS", "Destination": {"Fn::GetAtt": ["Undelivered", "Arn"]}}},
    }


def test_what_the_platform_starts_as_a_service_has_no_events() -> None:
    assert [one.name for one in SERVICES if "Events" in properties(one)] == []


def test_who_changes_the_table_writes_only_the_partitions_of_its_own_domain() -> None:
    change = resources(change_thing)[f"TableChange{DOMAIN}"]["Properties"]["PolicyDocument"]["Statement"][1]
    assert change["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{read_thing.domain}/*"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


def test_who_spends_writes_the_partitions_of_payments_too() -> None:
    spend = resources(pay_thing)[f"TableSpend{DOMAIN}"]["Properties"]["PolicyDocument"]["Statement"][1]
    assert spend["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] == [
        f"{read_thing.domain}/*",
        "ledger/*",
        "journal/*",
        "access/budgets",
        "access/budgets/*",
    ]


def test_only_who_talks_to_a_neighbour_or_spends_may_know_and_move_breakers() -> None:
    breaking = [one.name for one in EVERYTHING if {"Ref": "Breakers"} in properties(one)["Policies"]]
    assert breaking == ["pay_thing"]


def test_a_schedule_is_an_event_beside_the_route() -> None:
    events = properties(change_thing)["Events"]
    assert set(events) == {"Http", "Schedule"}
    assert events["Schedule"]["Properties"]["ScheduleExpression"] == "rate(5 minutes)"


def test_who_follows_is_started_by_what_is_inserted_into_its_partition_a_bounded_number_of_times() -> None:
    found = resources(*EVERYTHING)
    (mapping,) = (one["Properties"] for one in found.values() if one["Type"] == "AWS::Lambda::EventSourceMapping")
    (filtered,) = mapping.pop("FilterCriteria")["Filters"]
    assert json.loads(filtered["Pattern"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"Keys": {"pk": {"S": ["things/new"]}}},
    }
    assert mapping == {
        "FunctionName": {"Ref": "FollowThing"},
        "EventSourceArn": {"Fn::GetAtt": ["Table", "StreamArn"]},
        "StartingPosition": "LATEST",
        "BatchSize": 1000,
        "MaximumBatchingWindowInSeconds": 1,
        "MaximumRetryAttempts": 2,
        "MaximumRecordAgeInSeconds": 300,
        "ParallelizationFactor": 1,
        "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["Undelivered", "Arn"]}}},
    }


def test_only_who_follows_may_read_the_stream() -> None:
    following = [one.name for one in EVERYTHING if {"Ref": "Followers"} in properties(one)["Policies"]]
    assert following == ["follow_thing"]


def test_what_only_a_machine_starts_has_no_events() -> None:
    assert "Events" not in properties(crunch_thing)


def test_a_machine_gets_its_functions_its_rights_and_an_output() -> None:
    machine = Machine("crunch", "infra/statemachines/crunch.asl.json", ("CrunchThing",), distributed=True)
    text = rendered(crunch_thing, machines=(machine,))
    found = yaml_parse(text)["Resources"]["CrunchMachine"]["Properties"]
    assert found["DefinitionSubstitutions"] == {"CrunchThing": {"Fn::GetAtt": ["CrunchThing", "Arn"]}}
    assert found["DefinitionUri"] == "infra/statemachines/crunch.asl.json"
    assert [one["Action"][0] for one in found["Policies"][1]["Statement"]] == [
        "lambda:InvokeFunction",
        "states:StartExecution",
        "states:DescribeExecution",
    ]
    assert yaml_parse(text)["Outputs"]["CrunchMachineArn"] == {"Value": {"Ref": "CrunchMachine"}}


def test_the_environment_names_what_every_port_needs() -> None:
    variables = yaml_parse(rendered(read_thing))["Globals"]["Function"]["Environment"]["Variables"]
    assert set(variables) == {name for cost in COSTS.values() for name in cost.environment}
    assert {"ISTHMUS_TABLE", "ISTHMUS_OWNER", "ISTHMUS_TOKEN_KEYS"} < set(variables)


def test_two_things_of_one_name_are_refused() -> None:
    def table(request: Ask) -> Response:
        """Clash with the table."""
        raise NotImplementedError

    with pytest.raises(ValueError, match="several things in the template are named Table"):
        rendered(operation("GET /v1/table", effect=Effect.READ)(table))


def test_no_marker_is_left() -> None:
    assert "# +" not in render(EVERYTHING, ())
