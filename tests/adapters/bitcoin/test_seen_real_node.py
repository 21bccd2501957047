"""What became of transactions that others have signed, on a node without an index of transactions."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.bitcoin.broadcast_transaction import broadcast_transaction
from functions.bitcoin.create_address import create_address
from functions.bitcoin.create_wallet import create_wallet
from functions.ledger.get_payment import get_payment
from functions.ledger.reconcile_payments import reconcile_payments
from infra.local.bitcoind import RegtestNode
from isthmus import wiring
from isthmus.bitcoin import codes
from isthmus.bitcoin.seen import confirmations, decided, mined, waits
from isthmus.ports import BitcoinNode
from tests.adapters.bitcoin.wallets_on import fund, reached
from tests.faults.calls import SmallWorld
from tests.faults.wallet_world import TILL, real_world

pytestmark = pytest.mark.node

BOB = "bob"
"""A wallet that is not of the system, and that the node has not loaded."""

UNKNOWN = "ab" * 32


class LosesAnswers:
    """A node that takes what is sent, and whose answer to that is lost."""

    def __init__(self, node: Any) -> None:
        self.node = node

    def call(self, method: str, *params: Any, **how: Any) -> Any:
        answer = self.node.call(method, *params, **how)
        if method == "sendrawtransaction":
            raise codes.of_transport(method, "timeout", sent=True)
        return answer


@pytest.fixture(scope="module")
def own_node(nodes: Any) -> RegtestNode:
    """A node without an index, with a till and Bob."""
    node: RegtestNode = nodes(options=("-txindex=0",))
    with real_world(reached(node)) as made:
        made.call(create_wallet, {"name": "till"})
        fund(node, made.call(create_address, {"wallet": "till"})[1]["address"], 5)
        core: Any = made.node
        core.call("createwallet", BOB)
        core.call("unloadwallet", BOB)
    return node


@pytest.fixture
def here(own_node: RegtestNode) -> Iterator[SmallWorld]:
    with real_world(reached(own_node)) as made:
        yield made


def bobs(here: SmallWorld, own_node: RegtestNode) -> tuple[str, str]:
    """A transaction that Bob has signed and nobody has seen, which spends what the till has paid him; and its coin."""
    core: Any = here.node
    core.call("loadwallet", BOB)
    paid = core.call("sendtoaddress", core.call("getnewaddress", wallet=BOB), "0.001", wallet=TILL)
    own_node.mine(1)
    (vout,) = [one["vout"] for one in core.call("listunspent", wallet=BOB) if one["txid"] == paid]
    inputs, to = [{"txid": paid, "vout": vout}], [{core.call("getnewaddress", wallet=BOB): "0.0005"}]
    options = {"fee_rate": "5", "add_inputs": False}
    psbt = core.call("walletcreatefundedpsbt", inputs, to, 0, options, wallet=BOB)["psbt"]
    raw = core.call("walletprocesspsbt", psbt, True, wallet=BOB)["hex"]
    core.call("unloadwallet", BOB)
    return str(raw), f"{paid}:{vout}"


def broadcast(here: SmallWorld, raw: str, **other: Any) -> tuple[int, Any]:
    wanted = {"transaction": raw, "max_spent_sat": 200_000} | other
    return here.call(broadcast_transaction, wanted, idempotency_key="one")[:2]


@pytest.mark.parametrize("wallet", [None, "till"])
def test_what_is_mined_before_its_answer_came_succeeded_though_no_wallet_knows_it(
    here: SmallWorld, own_node: RegtestNode, wallet: str | None
) -> None:
    raw, _ = bobs(here, own_node)
    with wiring.replaced({BitcoinNode: LosesAnswers(here.node)}):
        status, body = broadcast(here, raw, wallet=wallet)
    assert status == 202, body
    own_node.mine(1)
    here.ms += 6_000
    reconcile_payments({"source": "aws.scheduler", "resources": ["x"], "detail": {}}, None)

    status, body = broadcast(here, raw, wallet=wallet)
    assert (status, body["known"]) == (201, False)
    assert here.call(get_payment, {"payment_id": body["payment_id"]})[1]["state"] == "succeeded"


def test_what_was_mined_before_is_known_though_no_wallet_knows_it(here: SmallWorld, own_node: RegtestNode) -> None:
    raw, _ = bobs(here, own_node)
    own_node.rpc("sendrawtransaction", raw)
    own_node.mine(1)

    status, body = broadcast(here, raw)
    assert (status, body["known"], body["spent_sat"]) == (201, True, 0)


def test_a_node_says_what_it_has_seen(here: SmallWorld, own_node: RegtestNode) -> None:
    core: Any = here.node
    raw, coin = bobs(here, own_node)
    txid, made_by = core.call("decoderawtransaction", raw)["txid"], coin.partition(":")[0]
    outputs = len(core.call("decoderawtransaction", raw)["vout"])
    assert (waits(core, txid), mined(core, "", txid, outputs), decided(core, coin)) == (False, None, False)

    own_node.rpc("sendrawtransaction", raw)
    assert (waits(core, txid), confirmations(core, "", txid), confirmations(core, TILL, txid)) == (True, 0, None)
    assert (mined(core, TILL, txid, outputs), decided(core, coin)) == (None, False)

    own_node.mine(1)
    assert (waits(core, txid), confirmations(core, "", txid)) == (False, None)
    assert (mined(core, TILL, txid, outputs), decided(core, coin)) == (True, True)
    assert (confirmations(core, TILL, made_by), mined(core, "", UNKNOWN, 1)) == (2, None)


def test_with_an_index_what_is_in_no_block_is_known_to_be_in_none(node: RegtestNode) -> None:
    assert mined(reached(node), "", UNKNOWN, 1) is False
