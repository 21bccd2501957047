"""The operations of wallets on a real node: what the model of the other tests cannot know."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from functions.bitcoin.create_address import create_address
from functions.bitcoin.create_wallet import create_wallet
from functions.bitcoin.get_balance import get_balance
from functions.bitcoin.import_descriptors import import_descriptors
from functions.bitcoin.list_unspent import list_unspent
from functions.bitcoin.send_payment import send_payment
from infra.local.bitcoind import RegtestNode
from isthmus.bitcoin.addresses import Decoded, decode
from tests.adapters.bitcoin.wallets_on import fund, reached
from tests.faults.calls import SmallWorld
from tests.faults.wallet_world import real_world

pytestmark = pytest.mark.node

COIN_SAT = 5_000_000_000


@pytest.fixture(scope="module")
def own_node(nodes: Any) -> RegtestNode:
    """A node with a till of four mature coins."""
    node: RegtestNode = nodes()
    with real_world(reached(node)) as made:
        assert made.call(create_wallet, {"name": "till"})[0] == 201
        fund(node, address(made), 4)
    return node


@pytest.fixture
def here(own_node: RegtestNode) -> Iterator[SmallWorld]:
    with real_world(reached(own_node)) as made:
        yield made
        own_node.mine(1)


def address(here: SmallWorld, wallet: str = "till", kind: str = "p2wpkh") -> str:
    status, body, _ = here.call(create_address, {"wallet": wallet, "type": kind, "label": "of a test"})
    assert status == 201, body
    return str(body["address"])


@pytest.mark.parametrize("kind", ["p2wpkh", "p2tr", "p2sh-p2wpkh", "p2pkh"])
def test_an_address_is_of_the_kind_that_was_asked_for(here: SmallWorld, kind: str) -> None:
    decoded = decode(address(here, kind=kind))
    assert isinstance(decoded, Decoded)
    assert decoded.script_type == kind.partition("-")[0]


@pytest.mark.parametrize("kind", ["p2wpkh", "p2tr", "p2sh-p2wpkh", "p2pkh"])
def test_every_kind_of_address_is_paid_and_pays_and_both_are_mined(
    here: SmallWorld, own_node: RegtestNode, kind: str
) -> None:
    assert here.call(create_wallet, {"name": kind})[0] == 201
    own, back = address(here, kind, kind), address(here, kind=kind)
    for wallet, to, amount_sat in (("till", own, 1_000_000), (kind, back, 400_000)):
        wanted = {
            "wallet": wallet,
            "recipients": [{"address": to, "amount_sat": amount_sat}],
            "max_fee_sat": 10_000,
            "feerate_sat_per_kvb": 2_000,
        }
        status, sent, _ = here.call(send_payment, wanted, idempotency_key=f"{wallet} to {to}".replace(" ", "-"))
        assert status == 201, sent
        (block,) = own_node.mine(1)
        mined = {one["txid"]: one for one in own_node.rpc("getblock", block, 2)["tx"]}
        paid = {one["scriptPubKey"].get("address"): one["value"] for one in mined[sent["txid"]]["vout"]}
        assert int(paid[to] * 100_000_000) == amount_sat
    assert here.call(list_unspent, {"wallet": kind, "min_amount_sat": 500_000})[1]["n_found"] == 1


def test_the_same_wallet_is_made_once_and_the_other_kind_is_refused(here: SmallWorld) -> None:
    assert here.call(create_wallet, {"name": "till"})[0] == 201
    assert here.call(create_wallet, {"name": "till", "watch_only": True})[0] == 409


def test_a_wallet_that_was_unloaded_is_loaded_when_it_is_needed(here: SmallWorld, own_node: RegtestNode) -> None:
    own_node.rpc("unloadwallet", "isthmus.main.till")
    assert here.call(get_balance, {"wallet": "till"})[0] == 200


def test_what_is_paid_waits_is_confirmed_and_is_listed(here: SmallWorld, own_node: RegtestNode) -> None:
    before = here.call(get_balance, {"wallet": "till"})[1]
    wanted = {
        "wallet": "till",
        "recipients": [{"address": address(here, kind="p2tr"), "amount_sat": 70_000}],
        "max_fee_sat": 10_000,
        "feerate_sat_per_kvb": 2_000,
    }
    status, sent, _ = here.call(send_payment, wanted, idempotency_key="listed")
    assert status == 201, sent
    waiting = here.call(get_balance, {"wallet": "till"})[1]
    own_node.mine(1)
    after = here.call(get_balance, {"wallet": "till"})[1]

    total = before["confirmed_sat"] + before["pending_sat"] - sent["fee_sat"]
    assert waiting["pending_sat"] == total - waiting["confirmed_sat"] > 70_000
    assert (after["confirmed_sat"], after["pending_sat"], after["leased_sat"]) == (total, 0, 0)
    coins = here.call(list_unspent, {"wallet": "till", "limit": 500})[1]["coins"]
    (paid,) = [one for one in coins if one["txid"] == sent["txid"] and one["value_sat"] == 70_000]
    assert (paid["label"], paid["confirmations"], paid["safe"], paid["leased"]) == ("of a test", 1, True, False)
    assert sum(one["value_sat"] for one in coins) == total


def test_a_watching_wallet_sees_what_its_descriptors_describe(here: SmallWorld, own_node: RegtestNode) -> None:
    core: Any = here.node
    assert here.call(create_wallet, {"name": "watch", "watch_only": True})[0] == 201
    assert here.call(create_address, {"wallet": "watch"})[1]["type"] == "/problems/precondition/bitcoin/no-keys"
    known = core.call("listdescriptors", wallet="isthmus.main.till")["descriptors"]
    wanted = [
        {"descriptor": one["desc"], "active": True, "change": one["internal"], "since_s": 0}
        for one in known
        if one["active"]
    ]
    imported = {"wallet": "watch", "descriptors": wanted}
    assert here.call(import_descriptors, imported)[:2] == (200, {"wallet": "watch", "imported": len(wanted)})
    assert here.call(import_descriptors, imported)[0] == 200
    own_node.mine(1)

    assert here.call(get_balance, {"wallet": "watch"})[1] == here.call(get_balance, {"wallet": "till"})[1]
    assert here.call(create_address, {"wallet": "watch"})[0] == 201
    status, body, _ = here.call(import_descriptors, {"wallet": "till", "descriptors": wanted[:1]})
    assert (status, body["type"]) == (409, "/problems/precondition/bitcoin/wallet-has-keys")


@pytest.mark.parametrize("steps", ["h", "'"])
def test_a_range_that_the_node_has_widened_is_imported_again_however_its_path_is_written(
    here: SmallWorld, steps: str
) -> None:
    core: Any = here.node
    wallet = f"again-{ord(steps)}"
    assert here.call(create_wallet, {"name": wallet, "watch_only": True})[0] == 201
    known = [one["desc"] for one in core.call("listdescriptors", wallet="isthmus.main.till")["descriptors"]]
    first = next(one.partition("#")[0] for one in known if one.startswith("tr("))
    both = re.sub(r"(/\d+)h", rf"\1{steps}", first).replace("/0/*", "/<0;1>/*").replace("/1/*", "/<0;1>/*")
    imported = {"wallet": wallet, "descriptors": [{"descriptor": both, "range_end": 5, "active": True}]}
    for _ in range(2):
        assert here.call(import_descriptors, imported)[:2] == (200, {"wallet": wallet, "imported": 1})

    listed = core.call("listdescriptors", wallet=f"isthmus.main.{wallet}")["descriptors"]
    assert sorted((one["active"], one["internal"]) for one in listed) == [(True, False), (True, True)]


@pytest.mark.parametrize(
    "descriptor",
    [
        "wpkh(cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA)",
        "wpkh(zz)",
        "wpkh(0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798)#aaaaaaaa",
    ],
)
def test_private_or_broken_descriptors_are_refused(here: SmallWorld, descriptor: str) -> None:
    here.call(create_wallet, {"name": "refusing", "watch_only": True})
    wanted = {"wallet": "refusing", "descriptors": [{"descriptor": descriptor}]}
    status, body, _ = here.call(import_descriptors, wanted)

    assert (status, body["errors"][0]["pointer"]) == (422, "/descriptors/0/descriptor")
    assert here.call(get_balance, {"wallet": "refusing"})[1]["confirmed_sat"] == 0


def test_another_tenants_wallet_is_not_there(here: SmallWorld) -> None:
    other = here.owner("other")
    for operation in (get_balance, list_unspent, create_address):
        theirs = here.call(operation, {"wallet": "till"}, caller=other)
        assert (theirs[0], theirs[1]["type"]) == (404, "/problems/not-found/bitcoin/no-wallet")
