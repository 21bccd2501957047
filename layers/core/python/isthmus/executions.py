"""Step Functions behind the Executions port; the local runtime speaks the same protocol."""

import json
from collections.abc import Mapping
from typing import Any


class StepFunctions:
    """State machines whose ARNs start with `machines` and end with `-<machine>`."""

    def __init__(self, machines: str) -> None:
        import boto3

        self._machines = machines
        self._client = boto3.client("stepfunctions")

    def start(self, machine: str, name: str, payload: Mapping[str, Any]) -> bool:
        """Start the execution `name`; False when it exists already."""
        try:
            self._client.start_execution(
                stateMachineArn=f"{self._machines}-{machine}", name=name, input=json.dumps(payload)
            )
        except self._client.exceptions.ExecutionAlreadyExists:
            return False
        return True

    def status(self, machine: str, name: str) -> str | None:
        """The execution's status, or None when there is none of that name."""
        execution = f"{self._machines}-{machine}:{name}".replace(":stateMachine:", ":execution:")
        try:
            described = self._client.describe_execution(executionArn=execution)
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        return str(described["status"])
