"""EventBridge's PutEvents on one machine: what is published stands in a journal of bounded size, one line each."""

import time
import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from infra.local.intrinsics import ACCOUNT, REGION
from infra.local.logs import BoundedLog
from infra.local.step_functions import AwsError

MAX_ENTRIES = 10
MAX_ENTRY_BYTES = 256 * 1024


class EventBus:
    """Takes events and writes them down as a rule's target would get them."""

    def __init__(self, journal: BoundedLog) -> None:
        self._journal = journal

    def act(self, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The result of one action.

        Raises:
            AwsError: the action is not supported, or the service would refuse it.
        """
        if action != "PutEvents":
            raise AwsError("UnknownOperationException", f"{action} is not supported on one machine.")
        entries = parameters.get("Entries")
        if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_ENTRIES:
            raise AwsError("ValidationException", f"Entries are 1 to {MAX_ENTRIES}.")
        if len(orjson.dumps(entries)) > MAX_ENTRY_BYTES:
            raise AwsError("ValidationException", "Total size of the entries in the request is over the limit.")
        answers = [self._taken(entry) for entry in entries]
        return {"FailedEntryCount": sum("ErrorCode" in one for one in answers), "Entries": answers}

    def _taken(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        try:
            detail = orjson.loads(entry["Detail"])
            source, kind = str(entry["Source"]), str(entry["DetailType"])
        except (KeyError, TypeError, orjson.JSONDecodeError):
            detail = None
        if not isinstance(detail, dict):
            return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": kind,
            "source": source,
            "account": ACCOUNT,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "region": REGION,
            "resources": entry.get("Resources") or [],
            "detail": detail,
        }
        self._journal.write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
        return {"EventId": event["id"]}
