"""The outputs that a block spends, from a node's JSON into the bytes of Bitcoin Core's REST `spenttxouts`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from isthmus.bitcoin.amounts import sat_from_btc
from isthmus.bitcoin.codes import NO_PREVOUTS, UNDOCUMENTED, failure


def encode_spent_outputs(transactions: Sequence[Mapping[str, Any]]) -> bytes:
    """Serialize the `prevout` of every input of a block's transactions, as `getblock` gives them at verbosity 3.

    The format is that of the port's `spent_outputs`: CompactSize counts, int64 satoshi, CompactSize length, script.

    Raises:
        Unsupported: the node did not say what an input spends.
        Unavailable: the transactions are not of the shape that `getblock` documents.
    """
    try:
        return compact_size(len(transactions)) + b"".join(_per_transaction(transactions))
    except (LookupError, TypeError, ValueError, AttributeError):
        raise failure(UNDOCUMENTED) from None


def compact_size(number: int) -> bytes:
    """A length as Bitcoin's protocol writes it: 1, 3, 5 or 9 bytes, little-endian."""
    for limit, prefix, size in ((0xFD, b"", 1), (1 << 16, b"\xfd", 2), (1 << 32, b"\xfe", 4)):
        if number < limit:
            return prefix + number.to_bytes(size, "little")
    return b"\xff" + number.to_bytes(8, "little")


def _per_transaction(transactions: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    for transaction in transactions:
        spending = [one for one in transaction["vin"] if "coinbase" not in one]
        yield compact_size(len(spending))
        for one in spending:
            if "prevout" not in one:
                raise failure(NO_PREVOUTS)
            script = bytes.fromhex(one["prevout"]["scriptPubKey"]["hex"])
            value_sat = sat_from_btc(one["prevout"]["value"])
            yield value_sat.to_bytes(8, "little", signed=True) + compact_size(len(script)) + script
