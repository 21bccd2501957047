"""Transactions and PSBTs of the small world, and how its node writes amounts and outpoints.

A transaction is a JSON body: `coins` that it spends, `to` whom it pays, their `amount` together, its `fee`, and a
`serial` that tells it from others alike. What is left of the coins comes back to the wallet. A PSBT is the same body,
and `signed` once the wallet has signed it; or `by` whom it is signed, of as many as it `needs`.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from isthmus.bitcoin import codes

OWN = "bcrt1qown"
"""What addresses of the wallet begin with."""

FEE_SAT = 300
VSIZE = 140

Body = dict[str, Any]


def packed(body: Body) -> str:
    """The PSBT of a body."""
    return base64.b64encode(json.dumps(body).encode()).decode()


def opened(method: str, psbt: str) -> Body:
    """The body of a PSBT."""
    try:
        body: Body = json.loads(base64.b64decode(psbt, validate=True))
    except ValueError:
        raise codes.of_rpc(method, -22) from None
    return body


def raw_of(body: Body) -> str:
    """The transaction of a body, hexadecimal, which is the same whoever has signed it."""
    unsigned = {name: value for name, value in body.items() if name not in {"signed", "by", "needs"}}
    return json.dumps(unsigned).encode().hex()


def body_of(raw: str) -> Body:
    """The body of a transaction."""
    body: Body = json.loads(bytes.fromhex(raw))
    return body


def txid_of(raw: str) -> str:
    """The id of a transaction."""
    return "a" + hashlib.sha256(raw.encode()).hexdigest()[1:]


def fee_of(body: Mapping[str, Any]) -> int:
    """What a transaction pays the miner, in satoshi."""
    return int(body.get("fee", FEE_SAT))


def btc(amount_sat: int) -> Decimal:
    """An amount as the node writes it."""
    return Decimal(amount_sat) / 100_000_000


def sat(amount: Decimal) -> int:
    """An amount in satoshi."""
    return int(amount * 100_000_000)


def outpoint(named: Mapping[str, Any]) -> str:
    """`txid:vout`."""
    return f"{named['txid']}:{named['vout']}"


def place(coin: str) -> dict[str, Any]:
    """The node's notation of `txid:vout`."""
    txid, _, vout = coin.partition(":")
    return {"txid": txid, "vout": int(vout)}


def is_signed(body: Body) -> bool:
    """Whether it has the wallet's signature, or those of as many signers as it needs."""
    return bool(body.get("signed")) or len(body.get("by", [])) >= body.get("needs", 1)


def output(index: int, address: str, value: str) -> dict[str, Any]:
    """An output as the node writes it."""
    script = {"hex": address.encode().hex(), "address": address, "type": "witness_v0_keyhash"}
    return {"n": index, "value": Decimal(value), "scriptPubKey": script}


def spent_by(transactions: Iterable[Body]) -> set[str]:
    """The coins that are spent."""
    return {coin for one in transactions for coin in one["coins"]}
