import json
from typing import Any

import pytest

from functions.bitcoin.get_address import GetAddress, get_address
from infra.local.bitcoind import RegtestNode
from infra.local.demo_coins import locks
from isthmus import wiring
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.failure import Integrity, Unavailable
from isthmus.ports import BitcoinNode
from tests.operations.bitcoin.fakes import FakeNode, get, unavailable

MAIN = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
SCRIPT = "0014751e76e8199196d454941c45d1b3a323f1433bd6"
NO = {"isvalid": False, "error": "<script>Not a valid address", "error_locations": [3]}


def node_with(verdict: Any, chain: str = "main") -> FakeNode:
    return FakeNode(getblockchaininfo={"chain": chain}, validateaddress=verdict)


def ask(node: Any, address: str = MAIN) -> Any:
    return get_address.function(GetAddress(address=address), node)


def test_a_valid_address_shows_what_it_pays_to() -> None:
    view = ask(node_with({"isvalid": True, "scriptPubKey": SCRIPT, "isscript": False}))
    assert view.model_dump() == {
        "valid": True,
        "reason": None,
        "chain": "main",
        "networks": ["main"],
        "script_type": "p2wpkh",
        "script_pubkey": SCRIPT,
        "is_script": False,
        "witness_version": 0,
        "witness_program": SCRIPT[4:],
    }


def test_an_address_of_another_network_says_which() -> None:
    view = ask(node_with(NO, chain="regtest"))
    assert (view.valid, view.reason, view.networks, view.chain) == (False, "wrong-network", ["main"], "regtest")
    assert view.script_type == "p2wpkh"


def test_an_address_the_node_does_not_take_although_its_form_is_right_is_the_nodes_refusal() -> None:
    assert ask(node_with(NO)).reason == "refused-by-node"


@pytest.mark.parametrize(
    ("address", "reason"),
    [(MAIN[:-1] + "q", "checksum"), ("hello", "characters"), ("ltc1" + MAIN[3:], "unknown-prefix")],
)
def test_an_invalid_address_has_a_reason_of_ours_and_no_word_of_the_node(address: str, reason: str) -> None:
    view = ask(node_with(NO), address)
    assert (view.valid, view.reason, view.networks, view.script_pubkey) == (False, reason, [], None)
    assert "script>" not in view.model_dump_json()


def test_an_address_of_a_form_we_do_not_know_is_valid_when_the_node_takes_it() -> None:
    view = ask(node_with({"isvalid": True, "scriptPubKey": "51"}), "future1address")
    assert (view.valid, view.reason, view.script_type) == (True, None, None)


def test_a_node_that_takes_an_address_for_another_script_breaks_an_invariant() -> None:
    with pytest.raises(Integrity) as caught:
        ask(node_with({"isvalid": True, "scriptPubKey": "0014" + "00" * 20}))
    assert caught.value.code == "bitcoin/address-script"


@pytest.mark.parametrize("verdict", [None, {}, {"isvalid": "yes"}])
def test_a_verdict_in_another_form_is_unavailable(verdict: Any) -> None:
    with pytest.raises(Unavailable):
        ask(node_with(verdict))


def test_a_node_that_is_down_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        ask(node_with(unavailable("bitcoin/unreachable")))


@pytest.mark.parametrize("query", [{}, {"address": ""}, {"address": "a" * 129}, {"address": MAIN, "network": "main"}])
def test_a_request_without_one_address_of_bearable_length_is_refused(query: dict[str, str]) -> None:
    with wiring.replaced({BitcoinNode: node_with(NO)}):
        assert get_address(get(query), None)["statusCode"] == 422
        assert json.loads(get_address(get({"address": MAIN}), None)["body"])["valid"] is False


@pytest.mark.node
def test_on_a_real_node_every_kind_of_address_is_what_decodescript_says(
    bitcoin: BitcoinCore, node: RegtestNode
) -> None:
    for kind, ring in locks().items():
        script = ring[0].script_pubkey.hex()
        address = node.rpc("decodescript", script)["address"]
        view = ask(bitcoin, address)
        assert (view.valid, view.script_type, view.script_pubkey) == (True, kind, script)
        theirs = node.rpc("validateaddress", address)
        assert view.witness_version == theirs.get("witness_version")
        assert view.witness_program == theirs.get("witness_program")
        assert "regtest" in view.networks


@pytest.mark.node
def test_on_a_real_node_a_mainnet_address_is_of_the_wrong_network(bitcoin: BitcoinCore) -> None:
    view = ask(bitcoin, MAIN)
    assert (view.valid, view.reason, view.networks) == (False, "wrong-network", ["main"])
