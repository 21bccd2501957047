import json
import threading
from decimal import Decimal
from typing import Any

import pytest

from functions.bitcoin.search_outputs import SearchOutputs, search_outputs
from infra.local.bitcoind import ANYONE_CAN_SPEND, RegtestNode
from isthmus import wiring
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.failure import Conflict, Defect, Invalid, Unavailable
from isthmus.ports import BitcoinNode
from tests.operations.bitcoin.fakes import HASH, FakeNode, get, unavailable

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
PLAIN = {"descriptor": "x", "checksum": "y", "isrange": False, "issolvable": True, "hasprivatekeys": False}


def unspent(height: int, sat: int, txid: str = "aa" * 32) -> dict[str, Any]:
    amount = Decimal(sat) / 10**8
    return {"txid": txid, "vout": 0, "scriptPubKey": "51", "desc": "raw(51)", "amount": amount, "height": height}


def found(*unspents: Any) -> dict[str, Any]:
    total = sum(one["amount"] for one in unspents)
    facts = {"success": True, "txouts": 500, "height": 9, "bestblock": HASH}
    return facts | {"unspents": list(unspents), "total_amount": total}


def node_with(start: Any, *, described: Any = PLAIN, abort: Any = True) -> FakeNode:
    def scan(action: str, *_: Any) -> Any:
        return {"start": start, "abort": abort}[action]

    return FakeNode(getdescriptorinfo=described, scantxoutset=scan)


def ask(node: Any, **fields: Any) -> Any:
    return search_outputs.function(SearchOutputs(**fields or {"address": ADDRESS}), node)


def test_outputs_come_oldest_first_with_exact_amounts() -> None:
    result = ask(node_with(found(unspent(7, 3), unspent(2, 2_099_999_900_000_000), unspent(7, 1, "11" * 32))))
    assert [(one.height, one.value_sat) for one in result.outputs] == [(2, 2_099_999_900_000_000), (7, 1), (7, 3)]
    assert (result.n_found, result.truncated, result.height, result.best_block_hash) == (3, False, 9, HASH)
    assert (result.scanned, result.outputs[0].coinbase) == (500, None)


def test_more_than_the_limit_are_counted_and_summed_but_not_shown() -> None:
    result = ask(node_with(found(*(unspent(height, 10) for height in range(5)))), address=ADDRESS, limit=2)
    assert (len(result.outputs), result.n_found, result.total_sat, result.truncated) == (2, 5, 50, True)


def test_nothing_found_is_an_answer() -> None:
    result = ask(node_with(found() | {"total_amount": 0}))
    assert (result.outputs, result.total_sat, result.truncated) == ([], 0, False)


def test_an_address_is_looked_for_as_a_descriptor_and_a_ranged_one_only_as_far_as_asked() -> None:
    node = node_with(found())
    ask(node)
    assert ("scantxoutset", "start", [f"addr({ADDRESS})"]) in node.asked
    ranged = node_with(found(), described=PLAIN | {"isrange": True})
    ask(ranged, descriptor="wpkh(xpub/*)", range_end=7)
    assert ("scantxoutset", "start", [{"desc": "wpkh(xpub/*)", "range": 7}]) in ranged.asked


@pytest.mark.parametrize("fields", [{"limit": 1}, {"address": ADDRESS, "descriptor": "raw(51)"}])
def test_what_to_look_for_is_named_in_exactly_one_way(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        ask(node_with(found()), **fields)
    assert [error.pointer for error in caught.value.errors] == ["/address", "/descriptor"]


@pytest.mark.parametrize("address", ["x)", "raw(51", ADDRESS + "#12345678", "a" * 101, "short"])
def test_an_address_never_becomes_another_descriptor(address: str) -> None:
    node = node_with(found())
    with pytest.raises(Invalid):
        ask(node, address=address)
    assert node.asked == []


def test_private_keys_are_refused_before_anything_is_scanned() -> None:
    node = node_with(found(), described=PLAIN | {"hasprivatekeys": True})
    with pytest.raises(Invalid) as caught:
        ask(node, descriptor="wpkh(xprv-secret)")
    assert "secret" not in f"{caught.value}{caught.value.problem('x')}"
    assert [call[0] for call in node.asked] == ["getdescriptorinfo"]


def test_a_scan_that_takes_too_long_is_stopped_on_the_node() -> None:
    node = node_with(unavailable("bitcoin/timeout"))
    with pytest.raises(Unavailable) as caught:
        ask(node)
    assert caught.value.code == "bitcoin/scan-too-slow"
    assert node.asked[-1] == ("scantxoutset", "abort")


def test_a_scan_that_cannot_be_stopped_is_too_slow_all_the_same() -> None:
    with pytest.raises(Unavailable) as caught:
        ask(node_with(unavailable("bitcoin/timeout"), abort=unavailable("bitcoin/unreachable")))
    assert caught.value.code == "bitcoin/scan-too-slow"


@pytest.mark.parametrize("code", ["bitcoin/cut", "bitcoin/unreachable", "bitcoin/warming-up"])
def test_a_scan_that_may_not_be_ours_is_not_stopped(code: str) -> None:
    node = node_with(unavailable(code))
    with pytest.raises(Unavailable) as caught:
        ask(node)
    assert caught.value.code == code
    assert ("scantxoutset", "abort") not in node.asked


@pytest.mark.parametrize("kind", [Invalid, Conflict, Defect])
def test_other_refusals_pass_through(kind: Any) -> None:
    with pytest.raises(kind):
        ask(node_with(kind("No.", next_step="No.")))


@pytest.mark.parametrize(
    "node",
    [
        node_with(None),
        node_with(found() | {"success": False}),
        node_with(found() | {"unspents": None}),
        node_with(found() | {"unspents": [5]}),
        node_with(found() | {"unspents": [unspent(1, 1) | {"amount": "1"}]}),
        node_with(found() | {"bestblock": "x"}),
        node_with(found(), described={"isrange": "no"}),
    ],
)
def test_a_scan_answered_in_another_form_is_unavailable(node: FakeNode) -> None:
    with pytest.raises(Unavailable) as caught:
        ask(node)
    assert caught.value.code == "bitcoin/undocumented"


@pytest.mark.parametrize("query", [{"address": ADDRESS, "limit": "501"}, {"descriptor": "a", "range_end": "1001"}])
def test_limits_are_kept(query: dict[str, str]) -> None:
    with wiring.replaced({BitcoinNode: node_with(found())}):
        assert search_outputs(get(query), None)["statusCode"] == 422
        assert json.loads(search_outputs(get({"address": ADDRESS}), None)["body"])["n_found"] == 0


@pytest.mark.node
def test_on_a_real_node_an_address_holds_what_was_mined_to_it(bitcoin: BitcoinCore, node: RegtestNode) -> None:
    script = "0014" + "77" * 20
    address = node.rpc("decodescript", script)["address"]
    assert ask(bitcoin, address=address).n_found == 0
    hashes = node.mine(3, script_pubkey=script)
    result = ask(bitcoin, address=address)
    blocks = [node.rpc("getblock", one, 2) for one in hashes]
    assert [one.txid for one in result.outputs] == [block["tx"][0]["txid"] for block in blocks]
    assert [one.value_sat for one in result.outputs] == [
        int(block["tx"][0]["vout"][0]["value"] * 10**8) for block in blocks
    ]
    assert [one.height for one in result.outputs] == [block["height"] for block in blocks]
    assert {one.script_pubkey for one in result.outputs} == {script}
    assert result.scanned == node.rpc("gettxoutsetinfo")["txouts"]
    assert result.best_block_hash == hashes[-1]


@pytest.mark.node
def test_on_a_real_node_descriptors_are_checked_by_the_node(bitcoin: BitcoinCore, node: RegtestNode) -> None:
    everything = ask(bitcoin, descriptor=f"raw({ANYONE_CAN_SPEND})", limit=5)
    assert (len(everything.outputs), everything.truncated) == (5, True)
    assert everything.n_found > 100
    key = "02" + "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    assert ask(bitcoin, descriptor=f"wpkh({key})").n_found == 0
    for bad in ("wpkh(nothing)", "raw(5)", f"wpkh({key})#aaaaaaaa"):
        with pytest.raises(Invalid):
            ask(bitcoin, descriptor=bad)
    with pytest.raises(Invalid, match="private keys"):
        ask(bitcoin, descriptor="wpkh(cVpF924EspNh8KjYsfhgY96mmxvT6DgdWiTYMtMjuM74hJaU5psW)")


@pytest.mark.node
def test_on_a_real_node_two_scans_at_once_never_give_a_wrong_answer(bitcoin: BitcoinCore, node: RegtestNode) -> None:
    """The node does one scan at a time: each of the two ends with the right count, or is told to come back."""
    outcomes: list[Any] = []

    def scan() -> None:
        for _ in range(20):
            try:
                outcomes.append(ask(bitcoin, descriptor=f"raw({ANYONE_CAN_SPEND})").n_found)
            except Unavailable as failure:
                outcomes.append(failure.code)

    threads = [threading.Thread(target=scan) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = {outcome for outcome in outcomes if isinstance(outcome, int)}
    assert len(counts) == 1
    assert len(outcomes) == 40
    assert {outcome for outcome in outcomes if isinstance(outcome, str)} <= {"bitcoin/scan-running"}
