"""Step Functions behind the Executions port; the local runtime speaks the same protocol."""

import json
from collections.abc import Mapping
from typing import Any

from isthmus.storage.adapters.aws import asking, client

_READ_TIMEOUT_S = 5.0


class StepFunctions:
    """State machines whose ARNs start with `machines` and end with `-<machine>`.

    Both methods raise Unavailable when the service does not answer, or answers: not now.
    """

    def __init__(self, machines: str) -> None:
        self._machines = machines
        self._client = client("stepfunctions", read_timeout_s=_READ_TIMEOUT_S)

    def start(self, machine: str, name: str, payload: Mapping[str, Any]) -> bool:
        """Start the execution `name`; False when it exists already."""
        with asking("stepfunctions"):
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
        with asking("stepfunctions"):
            try:
                described = self._client.describe_execution(executionArn=execution)
            except self._client.exceptions.ExecutionDoesNotExist:
                return None
        return str(described["status"])
