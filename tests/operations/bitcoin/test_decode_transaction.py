"""What a serialized transaction says."""

from collections.abc import Iterator

import pytest

from functions.bitcoin.decode_transaction import decode_transaction
from isthmus import wiring
from isthmus.ports import BitcoinNode
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.wallet_world import wallet_world
from tests.operations.bitcoin.fakes import TXID, FakeNode
from tests.operations.bitcoin.test_broadcast_transaction import raw


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with wallet_world() as made:
        yield made


def reply(**other: object) -> dict[str, object]:
    numbers = {"version": 2, "locktime": 0, "size": 100, "vsize": 100, "weight": 400}
    script = {"hex": "0014" + "00" * 20, "address": ADDRESS, "type": "witness_v0_keyhash"}
    spent = {"txid": TXID, "vout": 1, "sequence": 0xFFFFFFFD, "scriptSig": {"hex": ""}}
    made = {"txid": TXID, "hash": TXID, "vin": [spent], "vout": [{"n": 0, "value": 1, "scriptPubKey": script}]}
    return made | numbers | other


def test_a_transaction_is_told_in_satoshi_and_the_names_of_the_field(here: SmallWorld) -> None:
    with wiring.replaced({BitcoinNode: FakeNode(decoderawtransaction=reply())}):
        status, body, _ = here.call(decode_transaction, {"transaction": "00" * 10})

    assert (status, body["replaceable"]) == (200, True)
    assert body["inputs"] == [{"coinbase": False, "txid": TXID, "vout": 1, "sequence": 0xFFFFFFFD, "signed": False}]
    assert (body["outputs"][0]["value_sat"], body["outputs"][0]["script_type"]) == (100_000_000, "p2wpkh")


@pytest.mark.parametrize("wrong", ["00", "zz" * 20, "0" * 21, 5, "ab" * 125_001])
def test_what_is_no_transaction_is_invalid(here: SmallWorld, wrong: object) -> None:
    status, body, _ = here.call(decode_transaction, {"transaction": wrong})
    assert (status, body["errors"][0]["pointer"]) == (422, "/transaction")


def test_what_the_node_cannot_read_is_invalid(here: SmallWorld) -> None:
    assert here.call(decode_transaction, {"transaction": "00" * 20})[1]["type"] == (
        "/problems/invalid/bitcoin/no-raw-transaction"
    )


def test_a_node_that_answers_something_else_is_not_believed(here: SmallWorld) -> None:
    assert here.call(decode_transaction, {"transaction": raw()})[1]["kind"] == "unavailable"
