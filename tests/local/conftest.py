"""What the tests of the runtime on one machine share."""

import os
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.local.expand import Function, Stack, expand
from infra.local.home import ROOT
from infra.local.host import Host, Limits

HERE = Path(__file__).parent
StartHost = Callable[..., AbstractAsyncContextManager[Host]]


def lambda_function(name: str, *, timeout_s: float = 10.0, handler: str | None = None, **more: Any) -> Function:
    """A function of tests/local/handlers.py."""
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:test-{name}"
    settings: dict[str, Any] = {"memory_mb": 128, "environment": {}, "concurrency": None} | more
    return Function(name, f"test-{name}", arn, handler or f"handlers.{name}", timeout_s, **settings)


@pytest.fixture
def make_function() -> Callable[..., Function]:
    return lambda_function


@pytest.fixture
def host_of(tmp_path: Path) -> StartHost:
    """Start a host for functions, by name or made by `make_function`, for as long as the block lasts."""

    @asynccontextmanager
    async def start(*functions: str | Function, limits: Limits | None = None) -> AsyncIterator[Host]:
        made = [lambda_function(one) if isinstance(one, str) else one for one in functions]
        environment = {"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": str(HERE), "TZ": "UTC"}
        host = Host(
            made,
            lambda one: environment | {"AWS_LAMBDA_FUNCTION_NAME": one.name} | dict(one.environment),
            root=ROOT,
            log=tmp_path / "functions.log",
            limits=limits,
        )
        await host.start()
        try:
            yield host
        finally:
            await host.close()

    return start


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A template of the product's shape whose functions are tests/local/handlers.py; the test may change it."""
    return written_template(tmp_path)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """What the unchanged template expands to."""
    return expand(written_template(tmp_path_factory.mktemp("template")))


def written_template(folder: Path) -> Path:
    (folder / "double.asl.json").write_text(
        '{"StartAt": "Double", "States": {"Double": {"Type": "Task", "Resource": "${Task}", "End": true}}}'
    )
    path = folder / "template.yaml"
    path.write_text(textwrap.dedent(TEMPLATE))
    return path


TEMPLATE = """
    AWSTemplateFormatVersion: "2010-09-09"
    Transform: AWS::Serverless-2016-10-31
    Parameters:
      SubnetIds: {Type: CommaDelimitedList, Default: ""}
      Color: {Type: String, Default: blue}
      Secret: {Type: String}
      OwnerDid: {Type: String}
    Mappings:
      Shades: {blue: {dark: navy, light: sky}}
    Conditions:
      InVpc: !Not [!Equals [!Join ["", !Ref SubnetIds], ""]]
      IsBlue: !Equals [!Ref Color, blue]
      Never: !And [!Condition InVpc, !Condition IsBlue]
    Globals:
      Function:
        Runtime: python3.13
        Timeout: 10
        CodeUri: functions/
        Layers: [!Ref CoreLayer]
        LoggingConfig: {LogFormat: JSON}
        Environment:
          Variables:
            ISTHMUS_TABLE: !Ref Table
            ISTHMUS_BITCOIN_SECRET: !Ref Secret
            ISTHMUS_OWNER: !Ref OwnerDid
            ISTHMUS_TOKEN_KEYS: !Ref Secret
            MACHINES: !Sub "arn:aws:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${AWS::StackName}"
            SHADE: !FindInMap [Shades, !Ref Color, dark]
            ABSENT: !If [InVpc, inside, !Ref "AWS::NoValue"]
    Resources:
      Api:
        Type: AWS::Serverless::HttpApi
        Properties:
          Auth:
            DefaultAuthorizer: Proof
            Authorizers:
              Proof:
                FunctionArn: !GetAtt Authorize.Arn
                AuthorizerPayloadFormatVersion: "2.0"
                EnableSimpleResponses: true
                EnableFunctionDefaultPermissions: true
                Identity: {ReauthorizeEvery: 0}
      CoreLayer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layers/core/}}
      Table: {Type: AWS::DynamoDB::Table, Properties: {BillingMode: PAY_PER_REQUEST}}
      Authorize: {Type: AWS::Serverless::Function, Properties: {Handler: handlers.authorize}}
      GetThing:
        Type: AWS::Serverless::Function
        Metadata: {BuildMethod: makefile}
        Properties:
          Handler: handlers.http
          Timeout: 29
          VpcConfig: !If [InVpc, {SubnetIds: !Ref SubnetIds}, !Ref "AWS::NoValue"]
          Policies: [{Statement: [{Effect: Allow, Action: ["dynamodb:GetItem"], Resource: !GetAtt Table.Arn}]}]
          Events:
            Http: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: "/v1/things/{id}"}}
            Raise: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: POST, Path: /v1/raise}}
            Open: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /v1/open, Auth: {Authorizer: NONE}}}
      Rest:
        Type: AWS::Serverless::Function
        Properties:
          Handler: handlers.good
          Events:
            Http: {Type: HttpApi, Properties: {ApiId: !Ref Api}}
            Schedule:
              Type: ScheduleV2
              Properties: {ScheduleExpression: rate(1 minute), OmitName: true, Input: '{"source": "aws.scheduler"}'}
            Rule: {Type: Schedule, Properties: {Schedule: "cron(0 12 * * ? *)"}}
            Disabled: {Type: Schedule, Properties: {Schedule: rate(1 day), Enabled: false}}
      Task: {Type: AWS::Serverless::Function, Properties: {Handler: handlers.task}}
      Starter: {Type: AWS::Serverless::Function, Properties: {Handler: handlers.starter}}
      Nowhere: {Type: AWS::Serverless::Function, Condition: Never, Properties: {Handler: handlers.good}}
      DoubleMachine:
        Type: AWS::Serverless::StateMachine
        Properties:
          Name: !Sub "${AWS::StackName}-double"
          DefinitionUri: double.asl.json
          DefinitionSubstitutions: {Task: !GetAtt Task.Arn}
          Policies: [{Statement: [{Effect: Allow, Action: ["lambda:InvokeFunction"], Resource: [!GetAtt Task.Arn]}]}]
"""
