"""EventBridge behind the Bus port; the local runtime keeps what is published in a journal."""

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from isthmus.failure import TooLarge
from isthmus.ports import News
from isthmus.storage.adapters.aws import asking, client
from isthmus.storage.refusals import unavailable

MAX_ENTRIES = 10
MAX_DETAIL_BYTES = 200_000
"""An entry may have 256 KB with everything around it."""

ROUNDS = 3
_READ_TIMEOUT_S = 5.0


class EventBridge:
    """The event bus of this name; ten entries at once, and those again that it did not take."""

    def __init__(self, bus: str) -> None:
        self._bus = bus
        self._client = client("events", read_timeout_s=_READ_TIMEOUT_S)

    def publish(self, news: Sequence[News]) -> None:
        """Publish all of it.

        Raises:
            TooLarge: a detail is larger than the bus takes; nothing was published.
            Unavailable: some of it was not taken.
        """
        entries = iter([self._entry(one) for one in news])
        while ten := list(islice(entries, MAX_ENTRIES)):
            self._put(ten)

    def _put(self, entries: list[dict[str, str]]) -> None:
        code = ""
        for _ in range(ROUNDS):
            with asking("events"):
                answers = self._client.put_events(Entries=entries)["Entries"]
            failed = [(entry, one) for entry, one in zip(entries, answers, strict=True) if "ErrorCode" in one]
            if not failed:
                return
            entries, code = [entry for entry, _ in failed], str(failed[0][1]["ErrorCode"])
        raise unavailable("events", code)

    def _entry(self, news: News) -> dict[str, Any]:
        detail = json.dumps({**news.detail, "id": news.id})
        if len(detail.encode()) > MAX_DETAIL_BYTES:
            raise TooLarge(
                f"What is published is larger than {MAX_DETAIL_BYTES} bytes.",
                next_step="Publish where to find it instead.",
                code="bus/size",
            )
        return {"EventBusName": self._bus, "Source": news.source, "DetailType": news.type, "Detail": detail}
