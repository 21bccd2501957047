import json
from decimal import Decimal
from typing import Any

import pytest

from functions.bitcoin.get_transaction import GetTransaction, get_transaction
from infra.local.bitcoind import RegtestNode
from infra.local.demo_chain import ChainFacts
from isthmus import wiring
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.failure import Integrity, NotFound, Precondition, Unavailable
from isthmus.merkle import fold_branch, merkle_root, sha256d
from isthmus.ports import BitcoinNode
from tests.operations.bitcoin.conftest import Send
from tests.operations.bitcoin.fakes import FakeNode, get, not_found

TXID = "aa" * 32
P2WPKH = {"hex": "0014" + "11" * 20, "type": "witness_v0_keyhash", "address": "bcrt1qabc", "asm": "0 11"}
SPENT: dict[str, Any] = {
    "txid": "bb" * 32,
    "vout": 1,
    "sequence": 4_294_967_293,
    "scriptSig": {"asm": "", "hex": ""},
    "txinwitness": ["00"],
    "prevout": {"generated": False, "height": 3, "value": Decimal("0.00003000"), "scriptPubKey": P2WPKH},
}
PAID: dict[str, Any] = {"value": Decimal("0.00001000"), "n": 0, "scriptPubKey": P2WPKH}
REPLY: dict[str, Any] = {
    "txid": TXID,
    "hash": "cc" * 32,
    "version": 2,
    "size": 222,
    "vsize": 141,
    "weight": 561,
    "locktime": 0,
    "vin": [SPENT, SPENT],
    "vout": [PAID, PAID | {"n": 1}],
    "fee": Decimal("0.00004000"),
    "hex": "00",
}
LEAVES = [bytes.fromhex("dd" * 32), bytes.fromhex(TXID), bytes.fromhex("ee" * 32)]
HEADER = b"\x01\0\0\0" + bytes(32) + merkle_root(LEAVES) + bytes(12)
BLOCK_HASH = sha256d(HEADER)[::-1].hex()
CONFIRMED = REPLY | {"blockhash": BLOCK_HASH, "confirmations": 3, "blocktime": 1_700_000_000, "time": 1_700_000_000}


def node_with(reply: Any = REPLY, **others: Any) -> FakeNode:
    block = {"hash": BLOCK_HASH, "tx": [leaf[::-1].hex() for leaf in LEAVES]}
    replies: dict[str, Any] = {
        "getrawtransaction": reply,
        "getblockheader": lambda block_hash, verbose=True: {"height": 7} if verbose else HEADER.hex(),
        "getblock": block,
        "getmempoolentry": {"fees": {"base": Decimal("0.00000500")}},
    }
    return FakeNode(**replies | others)


def ask(node: Any, **fields: Any) -> Any:
    return get_transaction.function(GetTransaction(txid=TXID, **fields), node)


def test_a_waiting_transaction_has_its_fee_and_no_block() -> None:
    found = ask(node_with())
    assert (found.fee_sat, found.feerate_sat_per_kvb) == (4000, 28_368)
    assert (found.in_mempool, found.confirmations, found.block_hash, found.block_height) == (True, 0, None, None)
    assert (found.wtxid, found.lock_time) == ("cc" * 32, 0)


def test_a_confirmed_transaction_names_its_block() -> None:
    found = ask(node_with(CONFIRMED))
    assert (found.in_mempool, found.confirmations) == (False, 3)
    assert (found.block_hash, found.block_height, found.block_time) == (BLOCK_HASH, 7, 1_700_000_000)


def test_inputs_show_what_they_spend_and_outputs_what_they_pay() -> None:
    found = ask(node_with())
    assert found.inputs[0].model_dump() == {
        "coinbase": False,
        "txid": "bb" * 32,
        "vout": 1,
        "sequence": 4_294_967_293,
        "value_sat": 3000,
        "script_type": "p2wpkh",
        "address": "bcrt1qabc",
    }
    assert found.outputs[1].model_dump() == {
        "vout": 1,
        "value_sat": 1000,
        "script_type": "p2wpkh",
        "address": "bcrt1qabc",
        "script_pubkey": P2WPKH["hex"],
        "script_bytes": 22,
    }


def test_the_fee_is_our_own_sum_and_not_the_node_s_word() -> None:
    assert ask(node_with(REPLY | {"fee": Decimal("0.5")})).fee_sat == 4000


def test_where_the_node_does_not_say_what_was_spent_the_mempool_says_the_fee() -> None:
    bare = {name: value for name, value in SPENT.items() if name != "prevout"}
    found = ask(node_with(REPLY | {"vin": [SPENT, bare]}))
    assert found.fee_sat == 500
    assert (found.inputs[1].value_sat, found.inputs[1].address) == (None, None)


def test_a_fee_that_nobody_can_know_is_null() -> None:
    bare = {name: value for name, value in SPENT.items() if name != "prevout"}
    for node in (
        node_with(CONFIRMED | {"vin": [bare]}),
        node_with(REPLY | {"vin": [bare]}, getmempoolentry=not_found("bitcoin/not-in-mempool")),
    ):
        assert (ask(node).fee_sat, ask(node).feerate_sat_per_kvb) == (None, None)


def test_a_coinbase_spends_nothing_and_pays_no_fee() -> None:
    found = ask(node_with(CONFIRMED | {"vin": [{"coinbase": "0101", "sequence": 0, "txinwitness": ["00"]}]}))
    assert found.fee_sat is None
    assert found.inputs[0].coinbase is True
    assert found.inputs[0].txid is None


def test_pages_of_inputs_and_outputs_go_on_until_both_end() -> None:
    node = node_with(REPLY | {"vout": [PAID | {"n": number} for number in range(5)]})
    first, second, third = (ask(node, offset=offset, limit=2) for offset in (0, 2, 4))
    assert [len(page.inputs) for page in (first, second, third)] == [2, 0, 0]
    assert [[one.vout for one in page.outputs] for page in (first, second, third)] == [[0, 1], [2, 3], [4]]
    assert [page.next_offset for page in (first, second, third)] == [2, 4, None]
    assert {page.fee_sat for page in (first, second, third)} == {1000}
    assert (third.n_inputs, third.n_outputs) == (2, 5)


@pytest.mark.parametrize(
    ("node_type", "ours"),
    [
        ("pubkey", "p2pk"),
        ("pubkeyhash", "p2pkh"),
        ("scripthash", "p2sh"),
        ("witness_v0_scripthash", "p2wsh"),
        ("witness_v1_taproot", "p2tr"),
        ("nulldata", "op_return"),
        ("anchor", "anchor"),
        ("a type of tomorrow", "other"),
    ],
)
def test_script_types_have_the_names_of_the_field(node_type: str, ours: str) -> None:
    output = {"value": 0, "n": 0, "scriptPubKey": {"hex": "51", "type": node_type}}
    assert ask(node_with(REPLY | {"vout": [output]})).outputs[0].script_type == ours


@pytest.mark.parametrize(("length", "shown"), [(520, "6a" * 520), (521, None)])
def test_a_script_too_long_to_show_is_measured(length: int, shown: str | None) -> None:
    output = {"value": 0, "n": 0, "scriptPubKey": {"hex": "6a" * length, "type": "nulldata"}}
    found = ask(node_with(REPLY | {"vout": [output]})).outputs[0]
    assert (found.script_pubkey, found.script_bytes) == (shown, length)


def test_a_proof_leads_from_the_id_to_the_root_in_the_header_of_the_block() -> None:
    proof = ask(node_with(CONFIRMED), merkle_proof=True).merkle_proof
    header, branch = bytes.fromhex(proof.header), [bytes.fromhex(one)[::-1] for one in proof.branch]
    assert proof.position == 1
    assert fold_branch(bytes.fromhex(TXID)[::-1], proof.position, branch) == header[36:68]
    assert sha256d(header)[::-1].hex() == proof.block_hash == BLOCK_HASH


def test_a_proof_is_not_made_unless_it_is_asked_for() -> None:
    node = node_with(CONFIRMED)
    assert ask(node).merkle_proof is None
    assert "getblock" not in {call[0] for call in node.asked}


def test_what_still_waits_cannot_be_proven() -> None:
    with pytest.raises(Precondition) as caught:
        ask(node_with(), merkle_proof=True)
    assert caught.value.code == "bitcoin/unconfirmed"


LIES: dict[str, dict[str, Any]] = {
    "a block that does not list it": {"getblock": {"hash": BLOCK_HASH, "tx": ["dd" * 32]}},
    "a block with another transaction too": {
        "getblock": {"hash": BLOCK_HASH, "tx": [TXID, "ff" * 32]},
    },
    "the same list with its end twice": {
        "getblock": {"hash": BLOCK_HASH, "tx": [*(leaf[::-1].hex() for leaf in LEAVES), LEAVES[2][::-1].hex()]},
    },
    "another block": {"getblock": {"hash": "99" * 32, "tx": [TXID]}},
    "another header with the same root": {
        "getblockheader": lambda _, verbose=True: {"height": 7} if verbose else "ff" + HEADER.hex()[2:]
    },
    "another header": {"getblockheader": lambda _, verbose=True: {"height": 7} if verbose else "00" * 80},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_proof_that_does_not_hold_breaks_an_invariant(lie: dict[str, Any]) -> None:
    with pytest.raises(Integrity):
        ask(node_with(CONFIRMED, **lie), merkle_proof=True)


@pytest.mark.parametrize("header", ["00", "zz" * 80, None, {"height": 7}])
def test_a_header_in_another_form_is_unavailable(header: Any) -> None:
    lying = {"getblockheader": lambda _, verbose=True: {"height": 7} if verbose else header}
    with pytest.raises(Unavailable):
        ask(node_with(CONFIRMED, **lying), merkle_proof=True)


def test_another_transaction_than_the_one_asked_for_breaks_an_invariant() -> None:
    with pytest.raises(Integrity) as caught:
        ask(node_with(REPLY | {"txid": "ff" * 32}))
    assert caught.value.code == "bitcoin/wrong-transaction"


@pytest.mark.parametrize(
    "reply",
    [
        None,
        "00",
        REPLY | {"vin": None},
        REPLY | {"vout": [5]},
        REPLY | {"vin": [5]},
        REPLY | {"vsize": 0},
        REPLY | {"vsize": "5"},
        REPLY | {"vout": [PAID | {"value": "0.1"}]},
        REPLY | {"vout": [PAID | {"value": Decimal("0.000000001")}]},
        REPLY | {"vout": [PAID | {"value": Decimal(20_000_000)}]},
        REPLY | {"vout": [PAID | {"scriptPubKey": {"hex": "zz", "type": "nulldata"}}]},
        REPLY | {"vin": [SPENT | {"prevout": {"value": None}}]},
    ],
)
def test_a_transaction_in_another_form_is_unavailable(reply: Any) -> None:
    with pytest.raises(Unavailable) as caught:
        ask(node_with(reply))
    assert caught.value.code == "bitcoin/undocumented"


def test_the_block_is_named_to_the_node_only_when_the_request_names_it() -> None:
    node = node_with()
    ask(node)
    ask(node, block_hash=BLOCK_HASH)
    asked = [call for call in node.asked if call[0] == "getrawtransaction"]
    assert asked == [("getrawtransaction", TXID, 2), ("getrawtransaction", TXID, 2, BLOCK_HASH)]


def test_over_http_the_proof_is_asked_for_with_true() -> None:
    with wiring.replaced({BitcoinNode: node_with(CONFIRMED)}):
        answer = get_transaction(get({"txid": TXID, "merkle_proof": "true"}), None)
        assert json.loads(answer["body"])["merkle_proof"]["position"] == 1
        assert get_transaction(get({"txid": TXID, "merkle_proof": "maybe"}), None)["statusCode"] == 422
        assert get_transaction(get({"txid": "../" + TXID}), None)["statusCode"] == 422


@pytest.mark.node
def test_on_a_real_node_fees_add_up_to_the_blocks_and_every_proof_holds_for_the_node_too(
    lively_bitcoin: BitcoinCore, lively_node: RegtestNode, lively_facts: ChainFacts
) -> None:
    facts = min((block for block in lively_facts.blocks if block.transactions > 3), key=lambda one: one.transactions)
    fees = 0
    for position, txid in enumerate(lively_node.rpc("getblock", facts.block_hash, 1)["tx"]):
        found = get_transaction.function(GetTransaction(txid=txid, merkle_proof=True, limit=200), lively_bitcoin)
        fees += found.fee_sat or 0
        assert found.merkle_proof.position == position
        assert (found.block_hash, found.block_height) == (facts.block_hash, facts.height)
        spent, made = sum(one.value_sat or 0 for one in found.inputs), sum(one.value_sat for one in found.outputs)
        assert (spent - made == found.fee_sat) or position == 0
        _same_proof_as_the_node(lively_node, txid, found.merkle_proof)
    assert fees == facts.fees_sat


def _same_proof_as_the_node(node: RegtestNode, txid: str, proof: Any) -> None:
    """`gettxoutproof` is a header, a count and hashes in depth-first order (BIP 37), without an odd level's copy."""
    theirs = bytes.fromhex(node.rpc("gettxoutproof", [txid], proof.block_hash))
    assert theirs[:80].hex() == proof.header
    hashes = {theirs[start : start + 32] for start in range(85, len(theirs) - 31, 32)}
    node_hash, position = bytes.fromhex(txid)[::-1], proof.position
    for shown in proof.branch:
        sibling = bytes.fromhex(shown)[::-1]
        assert sibling in hashes or sibling == node_hash
        node_hash, position = sha256d(sibling + node_hash if position % 2 else node_hash + sibling), position // 2
    assert node_hash.hex() == proof.header[72:136]
    assert node.rpc("verifytxoutproof", theirs.hex()) == [txid]


@pytest.mark.node
def test_on_a_real_node_a_waiting_transaction_has_the_fee_it_was_sent_with(
    bitcoin: BitcoinCore, node: RegtestNode, send: Send
) -> None:
    txid = send(node, 12_345, outputs=((1_000, b"\x6a\x04abcd"), (50_000, b"\x51\x20" + b"\x22" * 32)))
    found = get_transaction.function(GetTransaction(txid=txid), bitcoin)
    assert (found.fee_sat, found.in_mempool, found.confirmations) == (12_345, True, 0)
    assert [one.script_type for one in found.outputs] == ["op_return", "p2tr", "p2wsh"]
    assert [one.value_sat for one in found.outputs[:2]] == [1_000, 50_000]
    assert found.vsize == node.rpc("getmempoolentry", txid)["vsize"]
    node.mine(1)
    confirmed = get_transaction.function(GetTransaction(txid=txid, merkle_proof=True), bitcoin)
    assert (confirmed.fee_sat, confirmed.confirmations, confirmed.in_mempool) == (12_345, 1, False)
    assert [one.value_sat is not None for one in confirmed.inputs] == [True]


@pytest.mark.node
def test_on_a_node_without_an_index_a_transaction_is_found_in_the_block_that_is_named(
    fresh_node: Any, reach: Any
) -> None:
    node = fresh_node(blocks=1, options=("-txindex=0",))
    block_hash = node.rpc("getbestblockhash")
    txid, bitcoin = node.rpc("getblock", block_hash, 1)["tx"][0], reach(node)
    with pytest.raises(NotFound) as caught:
        get_transaction.function(GetTransaction(txid=txid), bitcoin)
    assert "txindex" in caught.value.next_step
    found = get_transaction.function(GetTransaction(txid=txid, block_hash=block_hash, merkle_proof=True), bitcoin)
    assert found.inputs[0].coinbase
    assert found.merkle_proof.branch == []
