"""BitcoinCore on a real bitcoind: the same bytes by both roads, restarts, pruning, idleness and real refusals."""

import json
import logging
import select
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from infra.local.bitcoind import RegtestNode
from infra.local.demo_chain import ChainFacts
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.failure import Defect, Failure, Invalid, NotFound, Precondition, Unavailable
from isthmus.merkle import sha256d

pytestmark = pytest.mark.node

FreshNode = Callable[..., RegtestNode]
Reach = Callable[[RegtestNode], BitcoinCore]


@pytest.fixture
def reach() -> Iterator[Reach]:
    adapters: list[BitcoinCore] = []

    def build(node: RegtestNode) -> BitcoinCore:
        environ = {"ISTHMUS_BITCOIN_URL": node.url, "ISTHMUS_BITCOIN_COOKIE": str(node.cookie)}
        adapters.append(BitcoinCore.from_environment(environ))
        return adapters[-1]

    yield build
    for adapter in adapters:
        adapter.close()


def test_rest_and_rpc_give_the_same_bytes_for_every_block(
    reach: Reach, lively_node: RegtestNode, lively_facts: ChainFacts
) -> None:
    over_rest, over_rpc = reach(lively_node), reach(lively_node)
    over_rpc._not_offered |= {"block", "spenttxouts"}
    for block in lively_facts.blocks[-60:]:
        raw = over_rest.raw_block(block.block_hash)
        assert raw == over_rpc.raw_block(block.block_hash)
        assert sha256d(raw[:80])[::-1].hex() == block.block_hash
        assert over_rest.spent_outputs(block.block_hash) == over_rpc.spent_outputs(block.block_hash)
    assert over_rest._not_offered == set()


def test_the_genesis_block_spends_nothing_by_either_road(reach: Reach, node: RegtestNode) -> None:
    over_rest, over_rpc = reach(node), reach(node)
    over_rpc._not_offered |= {"spenttxouts"}
    genesis = over_rest.call("getblockhash", 0)
    assert over_rest.spent_outputs(genesis) == over_rpc.spent_outputs(genesis) == b"\x01\x00"


def test_a_node_without_rest_serves_the_same(reach: Reach, fresh_node: FreshNode) -> None:
    node = fresh_node(blocks=2, options=("-rest=0",))
    bitcoin = reach(node)
    tip = bitcoin.call("getbestblockhash")
    assert bitcoin.raw_block(tip).hex() == node.rpc("getblock", tip, 0)
    assert bitcoin.spent_outputs(tip) == b"\x01\x00"
    assert bitcoin._not_offered == {"block", "spenttxouts"}


def test_a_block_nobody_knows_is_not_found_and_rest_stays_in_use(reach: Reach, node: RegtestNode) -> None:
    bitcoin = reach(node)
    for fetch in (bitcoin.raw_block, bitcoin.spent_outputs):
        with pytest.raises(NotFound):
            fetch("aa" * 32)
    assert bitcoin._not_offered == set()


def test_a_batch_equals_single_calls(reach: Reach, node: RegtestNode) -> None:
    bitcoin = reach(node)
    expected = [node.rpc("getblockhash", height) for height in range(100)]
    assert bitcoin.batch("getblockhash", [(height,) for height in range(100)]) == expected
    with pytest.raises(NotFound):
        bitcoin.batch("getblockhash", [(0,), (10**6,)])


def test_four_threads_get_their_own_answers(reach: Reach, node: RegtestNode) -> None:
    bitcoin = reach(node)
    expected = [node.rpc("getblockhash", height) for height in range(100)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda height: bitcoin.call("getblockhash", height), list(range(100)) * 4))
    assert answers == expected * 4


@pytest.mark.parametrize(
    ("method", "params", "kind"),
    [
        ("getblockhash", (10**6,), NotFound),
        ("getblock", ("aa" * 32,), NotFound),
        ("getblock", (5,), Invalid),
        ("getblockhash", ("x",), Invalid),
        ("getrawtransaction", ("aa" * 32, 2), NotFound),
        ("getdescriptorinfo", ("addr(x)",), Invalid),
        ("decoderawtransaction", ("zz",), Invalid),
        ("no-such-method", (), Defect),
        ("getblock", (), Unavailable),
        ("sendrawtransaction", ("00",), Invalid),
        ("getwalletinfo", (), Precondition),
    ],
)
def test_real_refusals_carry_the_nodes_code_and_never_its_text(
    reach: Reach, node: RegtestNode, method: str, params: tuple[Any, ...], kind: type[Failure]
) -> None:
    with pytest.raises(Failure) as caught:
        reach(node).call(method, *params)
    assert type(caught.value) is kind
    assert caught.value.upstream is not None
    assert isinstance(caught.value.upstream.code, int)
    assert caught.value.__cause__ is None


def test_an_adapter_outlives_a_restart_that_changes_the_cookie(reach: Reach, fresh_node: FreshNode) -> None:
    node = fresh_node(blocks=3)
    bitcoin, cookie = reach(node), node.cookie.read_text()
    assert bitcoin.call("getblockcount") == 3
    node.stop()
    with pytest.raises(Unavailable):
        bitcoin.call("getblockcount", deadline_s=5)
    again = fresh_node(datadir=node.datadir)
    assert again.url == node.url
    assert again.cookie.read_text() != cookie
    assert bitcoin.call("getblockcount") == 3


def test_a_connection_the_node_closed_for_idleness_is_replaced_unseen(reach: Reach, fresh_node: FreshNode) -> None:
    bitcoin = reach(fresh_node(blocks=1, options=("-rpcservertimeout=1",)))
    assert bitcoin.call("getblockcount") == 1
    idle: Any = bitcoin._idle[0]
    readable, _, _ = select.select([idle._http.sock._sock], [], [], 30)
    assert readable, "the node keeps idle connections longer than it was told to"
    assert bitcoin.call("getblockcount") == 1
    assert bitcoin._idle[0] is not idle


def test_a_pruned_block_is_a_precondition_by_every_road(reach: Reach, fresh_node: FreshNode) -> None:
    node = fresh_node(blocks=700, options=("-txindex=0", "-prune=1", "-fastprune"))
    first = node.rpc("getblockhash", 1)
    assert node.rpc("pruneblockchain", 400) > 0
    bitcoin = reach(node)
    for fetch in (bitcoin.raw_block, bitcoin.spent_outputs):
        with pytest.raises(Precondition) as caught:
            fetch(first)
        assert caught.value.code == "bitcoin/pruned"
    with pytest.raises(Precondition) as stats:
        bitcoin.call("getblockstats", first)
    assert stats.value.code == "bitcoin/pruned"
    assert len(bitcoin.raw_block(node.rpc("getbestblockhash"))) > 80


def test_a_wrong_password_is_told_apart_from_a_node_that_is_down(node: RegtestNode) -> None:
    bitcoin = BitcoinCore.from_environment({"ISTHMUS_BITCOIN_URL": node.url.replace("//", "//user:hunter2@")})
    with pytest.raises(Defect) as caught:
        bitcoin.call("getblockcount")
    assert caught.value.code == "bitcoin/credentials"
    bitcoin.close()


def test_no_secret_is_logged_or_shown_even_at_debug(
    reach: Reach, fresh_node: FreshNode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    node = fresh_node(blocks=1)
    bitcoin = reach(node)
    bitcoin.call("createwallet", "savings", False, False, "hunter2-passphrase")
    bitcoin.call("walletpassphrase", "hunter2-passphrase", 60)
    bitcoin.call("getblockcount")
    bitcoin.batch("walletpassphrase", [("hunter2-passphrase", 60)])
    with pytest.raises(Defect) as caught:
        bitcoin.call("walletpassphrase", "hunter2-wrong-one", 60)
    assert caught.value.code == "bitcoin/wallet-passphrase"
    shown = f"{caught.value}{caught.value!r}{json.dumps(caught.value.problem('x'))}{caplog.text}"
    assert "hunter2" not in shown
    assert node.cookie.read_text().split(":")[1] not in shown


def test_a_node_that_lost_its_undo_data_is_in_trouble(reach: Reach, fresh_node: FreshNode) -> None:
    node = fresh_node(blocks=1)
    node.stop()
    for undo in (node.datadir / "regtest" / "blocks").glob("rev*.dat"):
        undo.unlink()
    node = fresh_node(datadir=node.datadir, options=("-checkblocks=1", "-checklevel=0"))
    with pytest.raises(Unavailable) as caught:
        reach(node).spent_outputs(node.rpc("getbestblockhash"))
    assert caught.value.code == "bitcoin/node-trouble"
