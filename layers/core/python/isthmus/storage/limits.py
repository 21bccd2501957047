"""What both adapters of a port refuse alike, before they ask their store anything."""

import re
from collections.abc import Sequence

from isthmus.failure import Invalid
from isthmus.storage.blobs import (
    MAX_BLOB_BYTES,
    MAX_KEY_BYTES,
    MAX_KEYS,
    MAX_SEGMENT_BYTES,
    MAX_SEGMENTS,
    IfMatch,
    Match,
)
from isthmus.storage.table import (
    MAX_INTEGER,
    MAX_ITEM_BYTES,
    MAX_ITEM_DEPTH,
    MAX_PAGE,
    MAX_PARTITION_KEY_BYTES,
    MAX_SORT_KEY_BYTES,
    MAX_TRANSACTION_BYTES,
    MAX_TRANSACTION_WRITES,
    Equals,
    Put,
    Write,
)

_SEGMENT = re.compile(r"[A-Za-z0-9._=-]+")
_PREFIX = re.compile(r"[A-Za-z0-9._=/-]*")
_ETAG = re.compile(r"[A-Za-z0-9-]{1,64}")
_NAME_BYTES = len("pk") + len("sk") + len("item")


def check_key(pk: str, sk: str) -> None:
    """Raise Invalid unless both keys have 1 byte to their limit in UTF-8."""
    _check_key_part("partition", pk, MAX_PARTITION_KEY_BYTES)
    _check_key_part("sort", sk, MAX_SORT_KEY_BYTES)


def check_query(pk: str, prefix: str, after: str | None, limit: int) -> None:
    """Raise Invalid unless the keys and the page's size are within their limits."""
    _check_key_part("partition", pk, MAX_PARTITION_KEY_BYTES)
    if prefix:
        _check_key_part("sort", prefix, MAX_SORT_KEY_BYTES)
    if after is not None:
        _check_key_part("sort", after, MAX_SORT_KEY_BYTES)
    _check_page("rows", limit, MAX_PAGE)


def check_write(write: Write) -> int:
    """The bytes of the write's item and keys; raises Invalid when one of its limits is not kept."""
    check_key(write.pk, write.sk)
    if isinstance(write.when, Equals):
        _check_equals(write.when)
    size = _NAME_BYTES + _utf8(write.pk) + _utf8(write.sk)
    if isinstance(write, Put):
        size += item_bytes(write.item)
    if size > MAX_ITEM_BYTES:
        raise Invalid(
            f"An item with its keys has {size} bytes; {MAX_ITEM_BYTES} are allowed.",
            next_step="Store the bulk as a blob and its key in the item.",
            code="storage/item-size",
        )
    return size


def check_transaction(writes: Sequence[Write]) -> None:
    """Raise Invalid unless there are 1 to MAX_TRANSACTION_WRITES writes within their limits, each to its own key."""
    if not 1 <= len(writes) <= MAX_TRANSACTION_WRITES:
        raise Invalid(
            f"A transaction has {len(writes)} writes; 1 to {MAX_TRANSACTION_WRITES} are allowed.",
            next_step="Write fewer items at once.",
            code="storage/transaction-size",
        )
    size = sum(check_write(write) for write in writes)
    if size > MAX_TRANSACTION_BYTES:
        raise Invalid(
            f"A transaction has {size} bytes; {MAX_TRANSACTION_BYTES} are allowed.",
            next_step="Write fewer or smaller items at once.",
            code="storage/transaction-size",
        )
    if len({(write.pk, write.sk) for write in writes}) < len(writes):
        raise Invalid(
            "Two writes of a transaction have the same key.",
            next_step="Write each item once; a condition on an item goes with its write.",
            code="storage/transaction-keys",
        )


def item_bytes(item: object) -> int:
    """The size of an item by DynamoDB's rules, rounded up where they are approximate; raises Invalid if it is none.

    Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".
    """
    if not isinstance(item, dict):
        raise _no_item("An item is an object")
    return _value_bytes(item, MAX_ITEM_DEPTH)


def _value_bytes(value: object, depth: int) -> int:
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, str):
        return _utf8(value)
    if isinstance(value, int):
        return _integer_bytes(value)
    if not isinstance(value, list | dict):
        raise _no_item("An item holds text, integers, booleans, null, lists and objects, and no floats")
    if depth == 0:
        raise _no_item(f"An item nests {MAX_ITEM_DEPTH} levels at most")
    if isinstance(value, list):
        return 3 + sum(1 + _value_bytes(element, depth - 1) for element in value)
    return 3 + sum(1 + _name_bytes(name) + _value_bytes(element, depth - 1) for name, element in value.items())


def _integer_bytes(value: int) -> int:
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise _no_item("An integer has 38 digits at most")
    digits = len(str(abs(value)))
    return (digits + 1) // 2 + 2


def _name_bytes(name: object) -> int:
    if not isinstance(name, str) or not name:
        raise _no_item("Names in an item are text and not empty")
    return _utf8(name)


def _check_equals(condition: Equals) -> None:
    _name_bytes(condition.attribute)
    if not isinstance(condition.value, str | int):
        raise _no_item("A condition compares with text, an integer or a boolean")
    _value_bytes(condition.value, 0)


def _no_item(rule: str) -> Invalid:
    return Invalid(
        f"{rule}.", next_step="Store amounts as integers and bulk data as blobs.", code="storage/item-content"
    )


def _utf8(text: str) -> int:
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise Invalid(
            "A text has half of a surrogate pair and no UTF-8 form.",
            next_step="Send well-formed Unicode.",
            code="storage/text",
        ) from None


def _check_key_part(kind: str, part: str, most: int) -> None:
    if not 1 <= _utf8(part) <= most:
        raise Invalid(
            f"A {kind} key has {_utf8(part)} bytes; 1 to {most} are allowed.",
            next_step="Make the key shorter, for example by a hash, or name it if it is empty.",
            code="storage/key",
        )


def _check_page(what: str, limit: int, most: int) -> None:
    if not 1 <= limit <= most:
        raise Invalid(
            f"A page of {limit} {what} was asked for; 1 to {most} are allowed.",
            next_step="Ask for a smaller page and go on after its last key.",
            code="storage/page",
        )


def check_blob_key(key: str) -> None:
    """Raise Invalid unless the key keeps the grammar of the Blobs port."""
    segments = key.split("/")
    fits = len(key) <= MAX_KEY_BYTES and len(segments) <= MAX_SEGMENTS and all(map(_is_segment, segments))
    if not fits:
        raise _no_blob_key()


def check_listing(prefix: str, after: str, limit: int) -> None:
    """Raise Invalid unless prefix and after could begin a key and the limit is 1 to MAX_KEYS."""
    for part in (prefix, after):
        if len(part) > MAX_KEY_BYTES or not _PREFIX.fullmatch(part):
            raise _no_blob_key()
    _check_page("keys", limit, MAX_KEYS)


def check_blob(key: str, body: bytes, when: Match | None) -> None:
    """Raise Invalid unless key, body and etag are within their limits."""
    check_blob_key(key)
    if len(body) > MAX_BLOB_BYTES:
        raise Invalid(
            f"A blob has {len(body)} bytes; {MAX_BLOB_BYTES} are allowed.",
            next_step="Store it in parts under keys of their own.",
            code="storage/blob-size",
        )
    if isinstance(when, IfMatch) and not _ETAG.fullmatch(when.etag):
        raise Invalid(
            "This is no etag that a blob can have.",
            next_step="Use the etag that the last get or put answered.",
            code="storage/etag",
        )


def _is_segment(segment: str) -> bool:
    return len(segment) <= MAX_SEGMENT_BYTES and segment not in (".", "..") and bool(_SEGMENT.fullmatch(segment))


def _no_blob_key() -> Invalid:
    return Invalid(
        f"A blob's key is a relative path of letters, digits and ._=-, {MAX_KEY_BYTES} bytes at most.",
        next_step="Use a content hash or another plain name, without empty, . or .. segments.",
        code="storage/blob-key",
    )
