"""Lambda's asynchronous invocation behind the Functions port; the local runtime speaks the same protocol."""

import json
from collections.abc import Mapping
from typing import Any

from isthmus.failure import NotFound
from isthmus.storage.adapters.aws import asking, client

_READ_TIMEOUT_S = 5.0


class LambdaFunctions:
    """Functions by their ARN."""

    def __init__(self) -> None:
        self._client = client("lambda", read_timeout_s=_READ_TIMEOUT_S)

    def start(self, function: str, event: Mapping[str, Any]) -> None:
        """Put the event into the function's queue.

        Raises:
            NotFound: there is no such function.
            Unavailable: it is not certain that the event was taken.
        """
        with asking("lambda"):
            try:
                self._client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
            except self._client.exceptions.ResourceNotFoundException:
                raise NotFound(
                    "There is no such function any more.",
                    next_step="Discard the letter, or deploy the function again.",
                    code="faults/function",
                ) from None
