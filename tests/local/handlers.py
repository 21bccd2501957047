"""Small Lambda handlers that behave well and badly."""

import os
import signal
import sys
import time
from typing import Any


def good(event: Any, context: Any) -> Any:
    return {
        "event": event,
        "pid": os.getpid(),
        "request_id": context.aws_request_id,
        "function": context.function_name,
        "left_ms": context.get_remaining_time_in_millis(),
        "environment": dict(os.environ),
    }


def slow(event: Any, context: Any) -> Any:
    time.sleep(event.get("seconds", 60))
    return {"pid": os.getpid()}


def raising(event: Any, context: Any) -> Any:
    raise LookupError("no such block")


def exiting(event: Any, context: Any) -> Any:
    sys.exit(event["status"])


def killing(event: Any, context: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def unpicklable(event: Any, context: Any) -> Any:
    return object()


def big(event: Any, context: Any) -> Any:
    return "x" * event["bytes"]


def chatty(event: Any, context: Any) -> Any:
    sys.stdout.write("plain\n")
    sys.stdout.write('{"level": "INFO", "message": "structured"}\n')
    sys.stderr.write("to the error\n")
    return None


def http(event: Any, context: Any) -> Any:
    """Answer with what the test asks for in the body's place, or echo the event."""
    if event.get("rawPath") == "/v1/raise":
        raise LookupError("no such block")
    return {
        "statusCode": 201,
        "headers": {"content-type": "application/json", "X-Number": 7},
        "cookies": ["a=1", "b=2"],
        "body": '{"path": "' + event.get("rawPath", "") + '"}',
    }


def authorize(event: Any, context: Any) -> Any:
    """Let everybody pass but those who ask to be refused."""
    return {"isAuthorized": "x-refuse" not in event["headers"], "context": {"asked": event["routeArn"]}}


def task(event: Any, context: Any) -> Any:
    if event.get("fail"):
        raise LookupError("asked to fail")
    return {"doubled": event["number"] * 2}


def starter(event: Any, context: Any) -> Any:
    """Start an execution with nothing but what the environment says, as an operation does."""
    import boto3

    client = boto3.client("stepfunctions")
    started = client.start_execution(
        stateMachineArn=os.environ["MACHINES"] + "-double", name=event["name"], input='{"number": 21}'
    )
    return {"arn": started["executionArn"]}
