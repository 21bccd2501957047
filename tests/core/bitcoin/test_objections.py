"""What speaks against a transaction, from its bytes, its coins and the chain."""

from decimal import Decimal
from typing import Any

import pytest

from isthmus.bitcoin.objections import below_floor, objected
from isthmus.failure import Invalid, Refused, Unavailable

CHAIN = {"blocks": 200, "mediantime": 1_700_000_000}
INPUT: dict[str, Any] = {
    "txid": "a" * 64,
    "vout": 0,
    "sequence": 0xFFFFFFFD,
    "scriptSig": {"hex": ""},
    "txinwitness": ["00"],
}
OUTPUT: dict[str, Any] = {"value": Decimal("0.0009"), "scriptPubKey": {"type": "witness_v0_keyhash"}}
WHOLE: dict[str, Any] = {"version": 2, "locktime": 0, "vsize": 200, "vin": [INPUT], "vout": [OUTPUT]}
COIN: dict[str, Any] = {"value": Decimal("0.001"), "confirmations": 6, "coinbase": False}


class Node:
    """A node that knows one coin."""

    def __init__(self, coin: Any = COIN) -> None:
        self.coin = coin

    def call(self, method: str, *params: Any) -> Any:
        mempool = {"loaded": True, "size": 0, "bytes": 0, "usage": 0, "maxmempool": 1}
        fees = {"mempoolminfee": Decimal("0.00002"), "minrelaytxfee": Decimal("0.00001")}
        return {"gettxout": self.coin, "getblockchaininfo": CHAIN, "getmempoolinfo": mempool | fees}[method]


def paying(btc: str, kind: str = "witness_v0_keyhash") -> dict[str, Any]:
    return {"vout": [{"value": Decimal(btc), "scriptPubKey": {"type": kind}}]}


@pytest.mark.parametrize(
    ("transaction", "coin", "why"),
    [
        ({"vin": [INPUT | {"txinwitness": []}]}, {}, "input 0 is not signed"),
        (paying("0.00000293"), {"value": Decimal("0.0001")}, "output 0 is dust"),
        (paying("0", "witness_v1_taproot"), {"value": Decimal("0.0001")}, "output 0 is dust"),
        (paying("0.0011"), {}, "pays more than it spends"),
        (paying("0.00099601"), {}, "has a fee of 399 sat, and the node takes 400 sat or more for its size now"),
        ({}, {"value": Decimal("0.03")}, "has a fee of 2910000 sat, more than a node sends for its size"),
        ({}, {"coinbase": True, "confirmations": 99}, "input 0 is a block's reward, which has to wait for 100 confirm"),
        ({"vin": [INPUT | {"sequence": 7}]}, {}, "input 0 has to wait until its coin has 7 confirmations"),
        ({"locktime": 201}, {}, "is locked until block 201"),
        ({"locktime": 1_700_000_000}, {}, "is locked until the Unix time 1700000000"),
    ],
)
def test_each_objection_is_said_at_the_field(transaction: dict[str, Any], coin: dict[str, Any], why: str) -> None:
    failure = objected(Node(COIN | coin), WHOLE | transaction, "/transaction")

    assert isinstance(failure, Invalid)
    assert [(one.pointer, one.message[: len(why)]) for one in failure.errors] == [("/transaction", why)]


@pytest.mark.parametrize(
    ("transaction", "coin"),
    [
        ({}, COIN),
        ({"locktime": 200}, COIN),
        ({"locktime": 201, "vin": [INPUT | {"sequence": 0xFFFFFFFF}]}, COIN),
        ({"vin": [INPUT | {"sequence": 6}]}, COIN),
        ({"version": 1, "vin": [INPUT | {"sequence": 7}]}, COIN),
        ({"vin": [INPUT | {"sequence": 1 << 22 | 7}]}, COIN),
        ({"vin": [INPUT | {"txinwitness": [], "scriptSig": {"hex": "00"}}]}, COIN),
        ({"vout": [OUTPUT, {"value": Decimal(0), "scriptPubKey": {"type": "nulldata"}}]}, COIN),
        ({}, None),
    ],
)
def test_without_an_objection_the_nodes_no_stands_alone(transaction: dict[str, Any], coin: Any) -> None:
    failure = objected(Node(coin), WHOLE | transaction, "/transaction")
    assert (type(failure), failure.code) == (Refused, "bitcoin/policy")


def test_what_is_no_transaction_is_none_that_the_node_documents() -> None:
    with pytest.raises(Unavailable):
        objected(Node(), WHOLE | {"vin": [{}]}, "/transaction")


@pytest.mark.parametrize(("fee_sat", "floor"), [(399, 2_000), (400, None)])
def test_a_feerate_is_below_the_floor_by_its_size(fee_sat: int, floor: int | None) -> None:
    assert below_floor(Node(), fee_sat, 200) == floor
