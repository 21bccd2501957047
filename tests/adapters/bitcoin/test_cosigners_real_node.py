"""Payments from watch-only wallets, signed by keys that the node never sees, on a real node."""

import base64
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from functions.bitcoin.broadcast_transaction import broadcast_transaction
from functions.bitcoin.build_transaction import build_transaction
from functions.bitcoin.create_address import create_address
from functions.bitcoin.create_wallet import create_wallet
from functions.bitcoin.decode_psbt import decode_psbt
from functions.bitcoin.get_balance import get_balance
from functions.bitcoin.import_descriptors import import_descriptors
from functions.bitcoin.reconcile_wallet import reconcile_wallet
from functions.ledger.get_payment import get_payment
from infra.local.bitcoind import RegtestNode
from isthmus import wiring
from isthmus.ports import Table
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.adapters.bitcoin.wallets_on import reached
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.wallet_world import real_world

signers = pytest.importorskip("tests.adapters.bitcoin.signers", reason="there is no Bitcoin Dev Kit for this machine")

pytestmark = pytest.mark.node

AMOUNT_SAT = 2_000_000_000
"""More than one coin has, so that there are several inputs."""

LIMIT_SAT = AMOUNT_SAT + 50_000
MULTI = "p2wsh-2-of-3"
WATCHED = {kind: signers.single(kind) for kind in signers.SINGLE} | {MULTI: signers.two_of_three(0)}
SIGNERS: dict[str, list[tuple[str, str]]] = {kind: [signers.single(kind)] for kind in signers.SINGLE} | {
    MULTI: [signers.two_of_three(1), signers.two_of_three(3)]
}
NODE_NAME = f"isthmus.main.{MULTI}"


@pytest.fixture(scope="module")
def own_node(nodes: Any) -> RegtestNode:
    """A node with one watch-only wallet for each kind of script, with coins of half a block's reward."""
    node: RegtestNode = nodes(blocks=300)
    with real_world(reached(node)) as made:
        for kind, pair in WATCHED.items():
            assert made.call(create_wallet, {"name": kind, "watch_only": True})[0] == 201
            imported = made.call(import_descriptors, {"wallet": kind, "descriptors": signers.watched(pair)})
            assert imported[0] == 200, imported
            kind_of_address = "p2wpkh" if kind == MULTI else kind
            for _ in range(8):
                address = made.call(create_address, {"wallet": kind, "type": kind_of_address})[1]["address"]
                node.rpc("generatetoaddress", 1, address)
        node.mine(101)
    return node


@pytest.fixture
def here(own_node: RegtestNode, tmp_path: Path) -> Iterator[SmallWorld]:
    with real_world(reached(own_node)) as made, wiring.replaced({Table: SqliteTable(tmp_path / "table.sqlite")}):
        made.ms = own_node.rpc("getblockheader", own_node.rpc("getbestblockhash"))["time"] * 1000
        yield made
        own_node.mine(1)


def built(here: SmallWorld, wallet: str, amount_sat: int = AMOUNT_SAT) -> Any:
    wanted = {
        "wallet": wallet,
        "recipients": [{"address": ADDRESS, "amount_sat": amount_sat}],
        "max_fee_sat": 50_000,
        "feerate_sat_per_kvb": 2_000,
    }
    status, body, _ = here.call(build_transaction, wanted)
    assert status == 200, body
    return body


def broadcast(here: SmallWorld, wallet: str, *psbts: str, key: str = "one") -> tuple[int, Any]:
    wanted = {"psbts": list(psbts), "wallet": wallet, "max_spent_sat": LIMIT_SAT}
    return here.call(broadcast_transaction, wanted, idempotency_key=key)[:2]


def held_sat(here: SmallWorld, wallet: str) -> int:
    body = here.call(get_balance, {"wallet": wallet})[1]
    return int(body["confirmed_sat"] + body["pending_sat"])


def differences(here: SmallWorld, wallet: str, txid: str) -> list[str]:
    """In what ledger and node do not agree about a transaction; each test has a ledger of its own."""
    body = here.call(reconcile_wallet, {"wallet": wallet})[1]
    assert body["complete"]
    return [one["kind"] for one in body["differences"] if one["txid"] == txid]


@pytest.mark.parametrize("kind", WATCHED)
def test_what_others_have_signed_is_paid_recorded_and_counted(
    here: SmallWorld, own_node: RegtestNode, kind: str
) -> None:
    before = held_sat(here, kind)
    unsigned = built(here, kind)
    status, body = broadcast(here, kind, *(signers.signed(unsigned["psbt"], one) for one in SIGNERS[kind]))

    assert (status, body["known"]) == (201, False), body
    assert (body["fee_sat"], body["spent_sat"]) == (unsigned["fee_sat"], AMOUNT_SAT + unsigned["fee_sat"])
    assert own_node.rpc("getrawmempool") == [body["txid"]]
    payment = here.call(get_payment, {"payment_id": body["payment_id"]})[1]
    assert (payment["state"], payment["identity"]) == ("succeeded", body["txid"])
    for _ in ("waiting", "mined"):
        assert held_sat(here, kind) == before - body["spent_sat"]
        assert differences(here, kind, body["txid"]) == []
        own_node.mine(1)


@pytest.mark.parametrize("kind", signers.SINGLE)
def test_what_the_signer_has_finalized_is_sent_as_well_and_twice_it_is_known(here: SmallWorld, kind: str) -> None:
    final = signers.signed(built(here, kind, 1_000_000)["psbt"], *SIGNERS[kind], finalize=True)
    assert here.call(decode_psbt, {"psbt": final})[1]["complete"] is True
    status, first = broadcast(here, kind, final)
    assert status == 201, first

    again = broadcast(here, kind, final, key="two")[1]
    assert (again["known"], again["spent_sat"], again["txid"]) == (True, 0, first["txid"])
    assert differences(here, kind, first["txid"]) == []


@pytest.mark.parametrize("kind", WATCHED)
def test_what_is_built_has_all_that_signers_ask_for(here: SmallWorld, kind: str) -> None:
    """Whole transactions before segwit v1, which Ledger and Trezor demand; where the keys come from (BIP 174, 371)."""
    node: Any = here.node
    told = node.call("decodepsbt", built(here, kind)["psbt"])
    keys = 3 if kind == MULTI else 1
    origins, own = ("taproot_bip32_derivs", "taproot_internal_key") if kind == "p2tr" else ("bip32_derivs", None)

    assert len(told["inputs"]) > 1
    for one in told["inputs"]:
        assert ("non_witness_utxo" in one) == (kind != "p2tr")
        assert ("witness_utxo" in one) == (kind != "p2pkh")
        assert ("redeem_script" in one) == (kind == "p2sh-p2wpkh")
        assert ("witness_script" in one) == (kind == MULTI)
        assert own is None or own in one
    change = [one for one in told["outputs"] if one]
    assert len(change) == 1
    for one in [*told["inputs"], *change]:
        fingerprints = {origin["master_fingerprint"] for origin in one[origins]}
        assert fingerprints == {signers.fingerprint(number) for number in range(1, keys + 1)}


def test_a_multisig_is_built_with_the_extended_keys_of_all_who_may_sign(here: SmallWorld) -> None:
    """HWI has a Ledger register the wallet by them, a Coldcard checks change by them (BIP 174, PSBT_GLOBAL_XPUB)."""
    node: Any = here.node
    keys = node.call("decodepsbt", built(here, MULTI)["psbt"])["global_xpubs"]
    descriptor = node.call("listdescriptors", wallet=NODE_NAME)["descriptors"][0]["desc"]

    assert {one["master_fingerprint"] for one in keys} == {signers.fingerprint(number) for number in (1, 2, 3)}
    assert {one["path"] for one in keys} == {"m/48h/1h/0h/2h"}
    assert all(one["xpub"] in descriptor for one in keys)
    assert node.call("decodepsbt", built(here, "p2wpkh")["psbt"])["global_xpubs"] == []


def test_any_two_of_three_are_enough_and_one_is_told_who_is_missing(here: SmallWorld, own_node: RegtestNode) -> None:
    unsigned = built(here, MULTI, 1_000_000)["psbt"]
    given = [signers.signed(unsigned, signers.two_of_three(number)) for number in (1, 2, 3)]
    for one in given:
        status, body = broadcast(here, MULTI, one)
        assert (status, body["type"]) == (422, "/problems/invalid/bitcoin/psbt-incomplete")
        lacking = here.call(decode_psbt, {"psbt": one})[1]["inputs"][0]["missing_signatures"]
        assert len(lacking) == 2
        assert all(name in body["errors"][0]["message"] for name in lacking)
    node: Any = here.node
    for pair in combinations(given, 2):
        raw = node.call("finalizepsbt", node.call("combinepsbt", list(pair)))["hex"]
        assert node.call("testmempoolaccept", [raw])[0]["allowed"] is True

    status, body = broadcast(here, MULTI, *given)
    assert (status, own_node.rpc("getrawmempool")) == (201, [body["txid"]])


def test_two_who_sign_one_after_the_other_are_enough(here: SmallWorld) -> None:
    unsigned = built(here, MULTI, 1_000_000)["psbt"]
    once = signers.signed(unsigned, signers.two_of_three(2))

    assert broadcast(here, MULTI, signers.signed(once, signers.two_of_three(1)))[0] == 201


def without(psbt: str, *kinds: int) -> str:
    """The PSBT without some fields of its inputs, as a signer gives it back over a QR code (BIP 174's key types)."""
    raw = base64.b64decode(psbt)
    kept, at, maps = bytearray(raw[:5]), 5, 0
    inputs = None
    while at < len(raw):
        size, key_at = sized(raw, at)
        if size == 0:
            kept += b"\0"
            maps, at = maps + 1, at + 1
            continue
        length, value_at = sized(raw, key_at + size)
        end = value_at + length
        if inputs is None:
            inputs = raw[value_at + 4]  # of the unsigned transaction: 4 bytes version, then how many
        if not (1 <= maps <= inputs and raw[key_at] in kinds):
            kept += raw[at:end]
        at = end
    return base64.b64encode(bytes(kept)).decode()


def sized(raw: bytes, at: int) -> tuple[int, int]:
    """A CompactSize number, and where it ends."""
    prefix = {0xFD: 2, 0xFE: 4}.get(raw[at], 0)
    if not prefix:
        return raw[at], at + 1
    return int.from_bytes(raw[at + 1 : at + 1 + prefix], "little"), at + 1 + prefix


def test_signatures_alone_are_completed_by_the_psbt_that_was_built(here: SmallWorld) -> None:
    unsigned = built(here, MULTI, 1_000_000)["psbt"]
    bare = [without(signers.signed(unsigned, one), 0, 1, 5, 6) for one in SIGNERS[MULTI]]
    status, body = broadcast(here, MULTI, *bare)
    assert (status, body["type"]) == (422, "/problems/invalid/bitcoin/psbt-incomplete")
    assert "the PSBT that was built" in body["errors"][0]["message"]

    assert broadcast(here, MULTI, unsigned, *bare)[0] == 201


Spoil = Callable[[str, str], list[str]]


def signed_alone(psbt: str) -> str:
    return signers.signed(psbt, *SIGNERS["p2wpkh"])


@pytest.mark.parametrize(
    ("spoil", "problem", "pointers"),
    [
        (lambda mine, other: [signed_alone(mine), signed_alone(other)], "psbts", ["/psbts/1"]),
        (lambda mine, other: [mine, "cHNidP8BAA==", other], "psbts", ["/psbts/1", "/psbts/2"]),
        (lambda mine, other: [mine], "psbt-incomplete", None),
        (lambda mine, other: [signers.signed(mine, signers.single("p2wpkh", 2))], "psbt-incomplete", None),
        (lambda mine, other: [broken(signed_alone(mine))], "psbt-incomplete", None),
    ],
    ids=["of two payments", "one is none", "nobody signed", "a stranger signed", "a signature is broken"],
)
def test_what_does_not_make_a_transaction_says_why_and_nothing_is_sent(
    here: SmallWorld, own_node: RegtestNode, spoil: Spoil, problem: str, pointers: list[str] | None
) -> None:
    mine, other = (built(here, "p2wpkh", amount_sat)["psbt"] for amount_sat in (1_000_000, 2_000_000))
    status, body = broadcast(here, "p2wpkh", *spoil(mine, other))

    assert (status, body["type"], body["money_moved"]) == (422, f"/problems/invalid/bitcoin/{problem}", "no")
    assert pointers is None or [one["pointer"] for one in body["errors"]] == pointers
    assert own_node.rpc("getrawmempool") == []


def broken(psbt: str) -> str:
    """The PSBT with one bit of its first signature changed: DER (BIP 66) of two numbers of some 32 bytes each."""
    raw = bytearray(base64.b64decode(psbt))
    at = re.search(rb"\x30[\x43-\x45]\x02[\x1e-\x20].{30,32}\x02[\x1e-\x20].{30,32}\x01", raw, re.DOTALL)
    assert at
    raw[at.start() + 10] ^= 1
    return base64.b64encode(raw).decode()


def test_a_final_psbt_whose_signature_is_broken_is_refused_by_the_node(here: SmallWorld, own_node: RegtestNode) -> None:
    final = signers.signed(built(here, "p2wpkh", 1_000_000)["psbt"], *SIGNERS["p2wpkh"], finalize=True)
    status, body = broadcast(here, "p2wpkh", broken(final))

    assert (status, body["type"]) == (422, "/problems/refused/bitcoin/policy")
    assert own_node.rpc("getrawmempool") == []


def test_more_than_was_said_is_refused_before_anything_is_sent(here: SmallWorld, own_node: RegtestNode) -> None:
    unsigned = built(here, "p2tr", LIMIT_SAT + 1)["psbt"]
    status, body = broadcast(here, "p2tr", signers.signed(unsigned, *SIGNERS["p2tr"]))

    assert (status, body["type"]) == (422, "/problems/refused/bitcoin/above-limit")
    assert own_node.rpc("getrawmempool") == []
