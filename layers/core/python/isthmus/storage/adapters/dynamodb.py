"""The Table port on a DynamoDB table: keys `pk` and `sk` of type S, the item as the map in the attribute `item`.

An item's `expires_at` is written beside it, too: DynamoDB's time to live looks at attributes of the top level only.
"""

import random
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from isthmus.failure import Unavailable, Upstream
from isthmus.storage import limits
from isthmus.storage.adapters.aws import CONTENDED, asking, client
from isthmus.storage.table import Absent, Check, Condition, Delete, Item, Page, Put, Row, Write, expires_s

_CONTENDED_PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.4)
_READ_TIMEOUT_S = 3.0


class DynamoDbTable:
    """A Table in the DynamoDB table `name`; reads are consistent, and all names go by placeholders."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._client = client("dynamodb", read_timeout_s=_READ_TIMEOUT_S)

    def get(self, pk: str, sk: str) -> Item | None:
        """The item under this key, or None."""
        limits.check_key(pk, sk)
        with asking("dynamodb"):
            answer = self._client.get_item(TableName=self._name, Key=_key(pk, sk), ConsistentRead=True)
        return _item(answer["Item"]) if "Item" in answer else None

    def query(
        self, pk: str, *, prefix: str = "", after: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        """Items of one partition in the byte order of their sort keys; one row more is read to know whether it ends."""
        limits.check_query(pk, prefix, after, limit)
        request = _query(pk, prefix, reverse=reverse) | {"TableName": self._name}
        if after is not None and after.startswith(prefix):
            request["ExclusiveStartKey"] = _key(pk, after)
        elif after is not None and (after < prefix) == reverse:
            # DynamoDB refuses a start outside of the prefix; this one lies behind all keys that have it.
            return Page((), None)
        found = self._rows(request, limit + 1)
        rows = tuple(found[:limit])
        return Page(rows, rows[-1].sk if len(found) > limit else None)

    def put(self, pk: str, sk: str, item: Item, *, when: Condition | None = None) -> None:
        """Write a whole item."""
        write = Put(pk, sk, item, when)
        limits.check_write(write)
        self._write(self._client.put_item, self._arguments(write))

    def delete(self, pk: str, sk: str, *, when: Condition | None = None) -> None:
        """Remove an item."""
        write = Delete(pk, sk, when)
        limits.check_write(write)
        self._write(self._client.delete_item, self._arguments(write))

    def transact(self, writes: Sequence[Write]) -> None:
        """All writes or none; the client adds a token, so that its retries do not write twice."""
        limits.check_transaction(writes)
        items = [{_ACTIONS[type(write)]: self._arguments(write)} for write in writes]
        self._write(self._client.transact_write_items, {"TransactItems": items})

    def _write(self, send: Callable[..., Any], arguments: dict[str, Any]) -> None:
        """Send, and again after a moment while another transaction has one of the items."""
        for pause_s in _CONTENDED_PAUSES_S:
            try:
                with asking("dynamodb"):
                    send(**arguments)
            except Unavailable as failure:
                if failure.upstream != Upstream("dynamodb", CONTENDED):
                    raise
                time.sleep(random.uniform(0, pause_s))  # noqa: S311 - spreads the waiting, guards nothing
            else:
                return
        with asking("dynamodb"):
            send(**arguments)

    def _rows(self, request: dict[str, Any], most: int) -> list[Row]:
        """Up to `most` rows, over as many answers of 1 MB as it takes."""
        rows: list[Row] = []
        while len(rows) < most:
            with asking("dynamodb"):
                answer = self._client.query(**request, Limit=most - len(rows))
            rows += [Row(found["sk"]["S"], _item(found)) for found in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                break
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return rows

    def _arguments(self, write: Write) -> dict[str, Any]:
        key = _key(write.pk, write.sk)
        what = {"Item": key | _attributes(write.item)} if isinstance(write, Put) else {"Key": key}
        return {"TableName": self._name} | what | _condition(write.when)


_ACTIONS: dict[type, str] = {Put: "Put", Delete: "Delete", Check: "ConditionCheck"}


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _attributes(item: Item) -> dict[str, Any]:
    at = expires_s(item)
    return {"item": _to_attribute(item)} | ({} if at is None else {"expires_at": _to_attribute(at)})


def _query(pk: str, prefix: str, *, reverse: bool) -> dict[str, Any]:
    request: dict[str, Any] = {
        "ConsistentRead": True,
        "ScanIndexForward": not reverse,
        "KeyConditionExpression": "#pk = :pk",
        "ExpressionAttributeNames": {"#pk": "pk"},
        "ExpressionAttributeValues": {":pk": {"S": pk}},
    }
    if prefix:
        request["KeyConditionExpression"] += " AND begins_with(#sk, :prefix)"
        request["ExpressionAttributeNames"]["#sk"] = "sk"
        request["ExpressionAttributeValues"][":prefix"] = {"S": prefix}
    return request


def _condition(when: Condition | None) -> dict[str, Any]:
    if when is None:
        return {}
    if isinstance(when, Absent):
        return {"ConditionExpression": "attribute_not_exists(#pk)", "ExpressionAttributeNames": {"#pk": "pk"}}
    return {
        "ConditionExpression": "#item.#attribute = :value",
        "ExpressionAttributeNames": {"#item": "item", "#attribute": when.attribute},
        "ExpressionAttributeValues": {":value": _to_attribute(when.value)},
    }


def _item(row: dict[str, Any]) -> Item:
    item: Item = _from_attribute(row["item"])
    return item


def _to_attribute(value: Any) -> dict[str, Any]:
    """DynamoDB's typed form of a JSON value that the limits have checked."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(int(value))}
    if isinstance(value, list):
        return {"L": [_to_attribute(element) for element in value]}
    return {"M": {name: _to_attribute(element) for name, element in value.items()}}


def _from_attribute(attribute: dict[str, Any]) -> Any:
    """The JSON value of DynamoDB's typed form; the other way round of `_to_attribute`."""
    [(kind, value)] = attribute.items()
    if kind == "NULL":
        return None
    if kind == "N":
        # DynamoDB may write large numbers with an exponent, which int() does not read.
        return int(Decimal(value))
    if kind == "L":
        return [_from_attribute(element) for element in value]
    if kind == "M":
        return {name: _from_attribute(element) for name, element in value.items()}
    return value
