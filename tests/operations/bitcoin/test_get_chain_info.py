import json
from decimal import Decimal
from typing import Any

import pytest

from functions.bitcoin.get_chain_info import ChainInfo, GetChainInfo, get_chain_info
from infra.local.bitcoind import RegtestNode
from isthmus import wiring
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.failure import Precondition, Unavailable
from isthmus.ports import BitcoinNode
from tests.operations.bitcoin.fakes import HASH, FakeNode, get, unavailable

CHAIN: dict[str, Any] = {
    "chain": "main",
    "blocks": 900_000,
    "headers": 900_001,
    "bestblockhash": HASH,
    "difficulty": Decimal("126411437451912.23"),
    "verificationprogress": Decimal("0.9999987"),
    "initialblockdownload": False,
    "pruned": True,
    "pruneheight": 890_000,
    "warnings": ["one", "two"],
    "size_on_disk": 1,
}
NETWORK: dict[str, Any] = {
    "version": 290400,
    "subversion": "/Satoshi:29.4.0(a comment)/",
    "relayfee": Decimal("0.00000100"),
    "connections": 10,
    "warnings": [],
}


def ask(chain: Any = CHAIN, network: Any = NETWORK) -> ChainInfo:
    answer = get_chain_info.function(GetChainInfo(), FakeNode(getblockchaininfo=chain, getnetworkinfo=network))
    assert isinstance(answer, ChainInfo)
    return answer


def test_the_node_s_words_become_ours_and_no_digit_is_lost() -> None:
    info = ask()
    assert (info.chain, info.height, info.headers, info.best_block_hash) == ("main", 900_000, 900_001, HASH)
    assert info.difficulty == "126411437451912.23"
    assert (info.pruned, info.prune_height) == (True, 890_000)
    assert info.relay_feerate_sat_per_kvb == 100
    assert info.node_software == "/Satoshi:29.4.0(a comment)/"
    assert info.warnings == 2


@pytest.mark.parametrize(("warnings", "count"), [("", 0), ("This is a pre-release", 1), ([], 0), (["a"], 1)])
def test_warnings_are_counted_in_the_old_form_and_in_the_new_one(warnings: Any, count: int) -> None:
    assert ask(CHAIN | {"warnings": warnings}).warnings == count


@pytest.mark.parametrize("odd", ["<script>", "/" + "a" * 300 + "/", "", None, 5])
def test_an_odd_user_agent_is_not_shown(odd: Any) -> None:
    assert ask(network=NETWORK | {"subversion": odd}).node_software is None


@pytest.mark.parametrize(
    "broken",
    [
        {"blocks": "900000"},
        {"blocks": -1},
        {"blocks": None},
        {"bestblockhash": "xyz"},
        {"chain": "<script>"},
        {"difficulty": "1"},
        {"difficulty": Decimal("1e999999")},
        {"verificationprogress": 7},
        {"pruned": "yes"},
    ],
)
def test_a_node_that_answers_in_another_form_is_unavailable_and_not_quoted(broken: dict[str, Any]) -> None:
    with pytest.raises(Unavailable) as caught:
        ask(CHAIN | broken)
    assert caught.value.code == "bitcoin/undocumented"
    assert "script" not in str(caught.value)


@pytest.mark.parametrize("reply", [None, [], "text", 5])
def test_a_node_that_answers_no_object_is_unavailable(reply: Any) -> None:
    with pytest.raises(Unavailable):
        ask(chain=reply)
    with pytest.raises(Unavailable):
        ask(network=reply)


def test_what_the_node_refuses_passes_through() -> None:
    with pytest.raises(Unavailable) as caught:
        ask(chain=unavailable("bitcoin/warming-up"))
    assert caught.value.code == "bitcoin/warming-up"


def test_over_http_it_takes_no_parameters() -> None:
    with wiring.replaced({BitcoinNode: FakeNode(getblockchaininfo=CHAIN, getnetworkinfo=NETWORK)}):
        assert json.loads(get_chain_info(get(), None)["body"])["height"] == 900_000
        assert get_chain_info(get({"height": "1"}), None)["statusCode"] == 422


def test_without_a_node_it_says_what_to_configure() -> None:
    with pytest.raises(Precondition) as caught:
        get_chain_info.function(GetChainInfo(), BitcoinCore.from_environment({}))
    assert "ISTHMUS_BITCOIN_URL" in caught.value.next_step


@pytest.mark.node
def test_on_a_real_node_it_says_what_the_node_s_other_calls_say(bitcoin: BitcoinCore, node: RegtestNode) -> None:
    info = get_chain_info.function(GetChainInfo(), bitcoin)
    assert info.chain == "regtest"
    assert info.height == info.headers == node.rpc("getblockcount")
    assert info.best_block_hash == node.rpc("getbestblockhash")
    assert Decimal(info.difficulty) == node.rpc("getmininginfo")["difficulty"]
    assert info.relay_feerate_sat_per_kvb == int(node.rpc("getmempoolinfo")["minrelaytxfee"] * 10**8)
    assert (info.pruned, info.prune_height, info.initial_block_download) == (False, None, False)
    assert info.node_software is not None
