"""A payment that waits is paid anew at a higher fee: its recipients once, its record never contradicted."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.access.get_budget import get_budget
from functions.bitcoin.broadcast_transaction import broadcast_transaction
from functions.bitcoin.bump_fee import bump_fee
from functions.bitcoin.send_payment import send_payment
from functions.ledger.get_payment import get_payment
from functions.ledger.reconcile_payments import reconcile_payments
from isthmus import journal
from isthmus.ledger.records import aggregate
from isthmus.storage.table import Put
from tests.faults.calls import SmallWorld
from tests.faults.device_world import device_world
from tests.faults.node import TILL
from tests.faults.wallet_world import WalletNode, wallet_world
from tests.operations.bitcoin.test_broadcast_transaction import raw
from tests.operations.ledger.test_get_payment import WANTED


@pytest.fixture
def here() -> Iterator[SmallWorld]:
    with wallet_world() as made:
        yield made


def node_of(here: SmallWorld) -> WalletNode:
    assert isinstance(here.node, WalletNode)
    return here.node


def paid(here: SmallWorld, key: str = "paid") -> Any:
    status, body, _ = here.call(send_payment, WANTED, idempotency_key=key)
    assert status == 201
    return body


def bump(here: SmallWorld, payment_id: str, key: str = "bump", **fields: Any) -> tuple[int, dict[str, Any]]:
    wanted = {"payment_id": payment_id, "max_fee_sat": 5_000} | fields
    return here.call(bump_fee, wanted, idempotency_key=key)[:2]


def shown(here: SmallWorld, payment_id: str) -> Any:
    return here.call(get_payment, {"payment_id": payment_id})[1]


def test_the_replacement_pays_the_same_with_the_same_coins(here: SmallWorld) -> None:
    old = paid(here)
    status, new = bump(here, old["payment_id"])

    assert (status, new["amount_sat"], new["fee_sat"], new["replaces_txid"]) == (201, 50_000, 900, old["txid"])
    assert (new["method"], new["parent_txid"], new["feerate_sat_per_kvb"]) == ("replacement", None, 900_000 // 140)
    assert here.node.effects == [new["txid"]]


def test_the_old_record_stays_and_says_what_replaced_it(here: SmallWorld) -> None:
    old = paid(here)
    new = bump(here, old["payment_id"])[1]
    record = shown(here, old["payment_id"])

    assert (record["state"], record["identity"], record["replaced_by"]) == ("succeeded", old["txid"], new["payment_id"])
    assert shown(here, new["payment_id"])["replaced_by"] is None
    events = journal.history(here.table, aggregate(old["payment_id"]))
    assert [one.type for one in events] == ["prepared", "succeeded", "replaced"]
    journal.verify(here.table, aggregate(old["payment_id"]))


def test_the_budget_pays_the_amount_once_and_what_the_fee_grows_by(here: SmallWorld) -> None:
    bump(here, paid(here)["payment_id"])
    assert here.call(get_budget, {})[1]["day"]["spent_msat"] == str((50_000 + 900) * 1000)


def test_a_replacement_can_be_replaced_and_a_replaced_payment_cannot(here: SmallWorld) -> None:
    old = paid(here)
    new = bump(here, old["payment_id"])[1]

    assert bump(here, old["payment_id"], "again")[1]["type"] == "/problems/refused/bitcoin/replaced"
    status, newest = bump(here, new["payment_id"], "more")
    assert (status, newest["fee_sat"], here.node.effects) == (201, 2_700, [newest["txid"]])


def test_the_same_key_bumps_once(here: SmallWorld) -> None:
    old = paid(here)
    assert bump(here, old["payment_id"]) == bump(here, old["payment_id"])
    assert bump(here, old["payment_id"], max_fee_sat=6_000)[1]["type"] == "/problems/conflict/ledger/key-reused"


def test_a_lost_answer_is_settled_and_the_old_record_is_marked_then(here: SmallWorld) -> None:
    old = paid(here)
    here.node.lose = True
    assert bump(here, old["payment_id"])[0] == 202
    assert shown(here, old["payment_id"])["replaced_by"] is None
    here.node.lose = False
    here.ms += 6_000
    reconcile_payments({"source": "aws.scheduler", "resources": ["x"], "detail": {}}, None)

    assert shown(here, old["payment_id"])["replaced_by"] == bump(here, old["payment_id"])[1]["payment_id"]


def test_when_the_old_one_is_mined_after_all_the_replacement_is_refused_and_the_old_one_stands(
    here: SmallWorld,
) -> None:
    old = paid(here)
    body = here.node.mempool[old["txid"]]
    here.node.lose = True
    bump(here, old["payment_id"])
    here.node.lose = False
    here.node.mempool.clear()
    here.node.chain[old["txid"]] = body
    here.ms += 6_000
    reconcile_payments({"source": "aws.scheduler", "resources": ["x"], "detail": {}}, None)

    assert bump(here, old["payment_id"])[1]["type"] == "/problems/conflict/bitcoin/inputs-spent"
    assert (shown(here, old["payment_id"])["state"], shown(here, old["payment_id"])["replaced_by"]) == (
        "succeeded",
        None,
    )
    assert here.call(get_budget, {})[1]["day"]["spent_msat"] == "50300000"


def test_what_is_not_settled_is_not_bumped(here: SmallWorld) -> None:
    here.node.lose = True
    location = here.call(send_payment, WANTED, idempotency_key="lost")[2]["location"]
    here.node.lose = False
    status, body = bump(here, location.rpartition("/")[2])

    assert (status, body["type"]) == (409, "/problems/precondition/bitcoin/payment-unsettled")


def test_what_is_mined_is_not_bumped(here: SmallWorld) -> None:
    old = paid(here)
    here.node.mine()
    assert bump(here, old["payment_id"])[1]["type"] == "/problems/refused/bitcoin/not-bumpable"


def test_a_fee_above_the_cap_is_refused(here: SmallWorld) -> None:
    assert bump(here, paid(here)["payment_id"], max_fee_sat=899)[1]["type"] == "/problems/refused/bitcoin/fee-above-cap"


@pytest.mark.parametrize("spoiled", [{"coins": ["c" * 63 + "2:0"]}, {"to": []}])
def test_a_wallet_that_builds_something_else_is_not_believed(here: SmallWorld, spoiled: dict[str, Any]) -> None:
    old = paid(here)
    node_of(here).spoiled = spoiled
    status, body = bump(here, old["payment_id"])

    assert (status, body["type"]) == (500, "/problems/integrity/bitcoin/no-replacement")
    assert here.node.effects == [old["txid"]]


def test_what_was_only_broadcast_is_replaced_where_it_was_made(here: SmallWorld) -> None:
    wanted = {"transaction": raw(), "max_spent_sat": 80_000}
    sent = here.call(broadcast_transaction, wanted, idempotency_key="raw")[1]
    assert bump(here, sent["payment_id"])[1]["type"] == "/problems/refused/bitcoin/not-bumpable"


def test_another_tenants_payment_and_none_are_one_answer(here: SmallWorld) -> None:
    wanted = {"payment_id": paid(here)["payment_id"], "max_fee_sat": 5_000}
    theirs = here.call(bump_fee, wanted, caller=here.owner("other"), idempotency_key="x")
    nobodys = here.call(bump_fee, wanted | {"payment_id": "0" * 32}, caller=here.owner("other"), idempotency_key="x")

    assert (theirs[0], theirs[1]) == (404, nobodys[1])


PARENT = "b" * 64


def child(here: SmallWorld, key: str = "child", **fields: Any) -> tuple[int, dict[str, Any]]:
    wanted = {"txid": PARENT, "wallet": "till", "max_fee_sat": 6_000, "feerate_sat_per_kvb": 20_000} | fields
    return here.call(bump_fee, wanted, idempotency_key=key)[:2]


def why(answer: tuple[int, dict[str, Any]]) -> str:
    return str(answer[1]["type"]).removeprefix("/problems/")


@pytest.fixture
def waiting(here: SmallWorld) -> SmallWorld:
    """Somebody else's transaction waits, and pays the till."""
    node_of(here).arrive(PARENT, 40_000)
    return here


def test_a_child_spends_what_the_parent_pays_and_has_a_fee_for_both(waiting: SmallWorld) -> None:
    status, made = child(waiting)

    assert (status, made["method"], made["parent_txid"]) == (201, "child", PARENT), made
    assert (made["fee_sat"], made["feerate_sat_per_kvb"]) == (20 * 280 - 140, 20_000)
    assert (made["replaces_txid"], made["replaces_payment_id"], made["amount_sat"]) == (None, None, 0)
    assert waiting.node.mempool[made["txid"]]["coins"] == [f"{PARENT}:0"]


def test_a_childs_budget_pays_its_fee_only(waiting: SmallWorld) -> None:
    fee_sat = child(waiting)[1]["fee_sat"]
    assert waiting.call(get_budget, {})[1]["day"]["spent_msat"] == str(fee_sat * 1000)


def test_the_same_key_has_one_child(waiting: SmallWorld) -> None:
    assert child(waiting) == child(waiting)
    assert why(child(waiting, max_fee_sat=7_000)) == "conflict/ledger/key-reused"
    assert len(waiting.node.effects) == 1


def test_a_child_is_not_bumped_as_a_payment_but_by_a_child_of_its_own(waiting: SmallWorld) -> None:
    first = child(waiting)[1]
    assert why(bump(waiting, first["payment_id"])) == "refused/bitcoin/not-bumpable"


def test_a_fee_for_both_above_the_cap_is_refused(waiting: SmallWorld) -> None:
    assert why(child(waiting, max_fee_sat=5_459)) == "refused/bitcoin/fee-above-cap"
    assert waiting.node.effects == []


def test_a_parent_that_reaches_the_feerate_gets_no_child(waiting: SmallWorld) -> None:
    assert why(child(waiting, feerate_sat_per_kvb=1_000)) == "refused/bitcoin/feerate-reached"


def test_a_parent_that_pays_too_little_for_a_fee_gets_no_child(here: SmallWorld) -> None:
    node_of(here).arrive(PARENT, 5_700)
    assert why(child(here)) == "refused/bitcoin/child-dust"


def test_what_is_mined_unknown_or_in_nobodys_wallet_gets_no_child(waiting: SmallWorld) -> None:
    assert why(child(waiting, "two", wallet="nobodys")) == "not-found/bitcoin/no-wallet"
    assert why(child(waiting, "three", txid="f" * 64)) == "not-found/bitcoin/no-transaction"
    waiting.node.mine()
    assert why(child(waiting)) == "refused/bitcoin/confirmed"


def test_what_a_block_excludes_gets_no_child(waiting: SmallWorld) -> None:
    node_of(waiting).exclude(PARENT)
    assert why(child(waiting)) == "refused/bitcoin/conflicted"


def test_what_the_mempool_no_longer_has_gets_its_child_later(waiting: SmallWorld) -> None:
    gone = waiting.node.mempool.pop(PARENT)
    assert why(child(waiting)) == "precondition/bitcoin/not-waiting"
    waiting.node.mempool[PARENT] = gone
    assert child(waiting)[0] == 201


def test_what_a_payment_holds_or_the_node_has_locked_is_left_alone(waiting: SmallWorld) -> None:
    waiting.table.transact([Put("ledger/leases", f"bitcoin/{PARENT}:0", {"payment_id": "x"})])
    assert why(child(waiting)) == "precondition/bitcoin/coins-leased"
    waiting.table.delete("ledger/leases", f"bitcoin/{PARENT}:0")
    waiting.node.locked = {f"{PARENT}:0"}
    assert why(child(waiting)) == "precondition/bitcoin/coins-locked"
    assert waiting.node.locked == {f"{PARENT}:0"}


def test_a_watching_wallet_has_no_children(waiting: SmallWorld) -> None:
    node_of(waiting).wallets[TILL] = True
    assert why(child(waiting)) == "precondition/bitcoin/watches-only"


def test_what_is_spent_again_already_has_no_second_child(waiting: SmallWorld) -> None:
    child(waiting)
    assert why(child(waiting, "second", feerate_sat_per_kvb=90_000)) == "refused/bitcoin/nothing-to-spend"


@pytest.mark.parametrize(
    ("named", "pointer"),
    [
        ({}, "/txid"),
        ({"wallet": "till"}, "/txid"),
        ({"txid": PARENT}, "/txid"),
        ({"payment_id": "0" * 32, "wallet": "till"}, "/payment_id"),
        ({"payment_id": "0" * 32, "txid": PARENT, "wallet": "till"}, "/payment_id"),
    ],
)
def test_exactly_one_transaction_is_named(waiting: SmallWorld, named: dict[str, Any], pointer: str) -> None:
    status, body, _ = waiting.call(bump_fee, {"max_fee_sat": 5_000} | named, idempotency_key="none")
    assert (status, body["type"], body["errors"][0]["pointer"]) == (
        422,
        "/problems/invalid/bitcoin/which-transaction",
        pointer,
    )


def test_another_tenants_wallet_has_no_child(waiting: SmallWorld) -> None:
    wanted = {"txid": PARENT, "wallet": "till", "max_fee_sat": 5_000}
    answer = waiting.call(bump_fee, wanted, caller=waiting.owner("other"), idempotency_key="x")
    assert (answer[0], answer[1]["type"]) == (404, "/problems/not-found/bitcoin/no-wallet")


def test_a_wallet_on_a_device_has_children_that_are_signed_there() -> None:
    with device_world() as (here, node):
        node.arrive(PARENT, 40_000)
        node.imported.append({"desc": "wpkh([00000000/84h/1h/0h]tpub/0/*)"})
        status, made = child(here)
        assert (status, node.asked) == (201, 1), made
