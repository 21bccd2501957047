"""Everything that cannot be paid, on a real node: what was wrong is named, and nothing is held, sent or left behind.

A row says what is wrong with a request, and what the answer is: status, the end of the problem's type, the field. Names
that begin with `$` stand for coins, PSBTs and transactions of this node (the fixture `made`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from functions.bitcoin.broadcast_transaction import broadcast_transaction
from functions.bitcoin.build_transaction import build_transaction
from functions.bitcoin.create_address import create_address
from functions.bitcoin.create_wallet import create_wallet
from functions.bitcoin.decode_psbt import decode_psbt
from functions.bitcoin.decode_transaction import decode_transaction
from functions.bitcoin.get_balance import get_balance
from functions.bitcoin.import_descriptors import import_descriptors
from functions.bitcoin.list_unspent import list_unspent
from functions.bitcoin.send_payment import send_payment
from functions.bitcoin.sign_transaction import sign_transaction
from infra.local.bitcoind import RegtestNode
from isthmus import wiring
from isthmus.ledger.records import LEASES
from isthmus.operation import Effect, Operation
from isthmus.ports import BitcoinNode
from tests.adapters.bitcoin.troubles import NOWHERE, SMALL, SMALL_SAT, WANTED, Troubles
from tests.adapters.bitcoin.wallets_on import fund, reached
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.wallet_world import real_world

pytestmark = pytest.mark.node

Row = tuple[dict[str, Any], int, str, str | None]

# BIP 173 and BIP 350: the same program on other networks, with the checksum of the other version, with a wrong one.
MAIN, TESTNET = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"
BECH32M = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7k35mrzd"
ALL_SAT = 2_100_000_000_000_000


def to(*amounts: Any, address: str = ADDRESS) -> dict[str, Any]:
    return {"recipients": [{"address": address, "amount_sat": one} for one in amounts]}


PAYMENTS: list[Row] = [
    *(
        (to(amount), 422, "invalid", "/recipients/0/amount_sat")
        for amount in (0, -1, 0.5, 5e4, "50000", True, None, ALL_SAT + 1)
    ),
    (to(293), 422, "bitcoin/payment", "/recipients/0/amount_sat"),
    (to(*[ALL_SAT] * 100), 422, "invalid", "/recipients"),
    (to(*[1_000] * 101), 422, "invalid", "/recipients"),
    (to(), 422, "invalid", "/recipients"),
    (to(1_000, 2_000), 422, "bitcoin/payment", "/recipients/1/address"),
    (
        {"recipients": [{"address": one, "amount_sat": 1_000} for one in (ADDRESS, ADDRESS.upper())]},
        422,
        "bitcoin/payment",
        "/recipients/1/address",
    ),
    *(
        (to(50_000, address=one), 422, "bitcoin/payment", "/recipients/0/address")
        for one in (
            MAIN,
            TESTNET,
            BECH32M,
            ADDRESS[:-1] + "q",
            ADDRESS[:9] + ADDRESS[9:].upper(),
            f"{ADDRESS} ",
            "6a0b68656c6c6f",
        )
    ),
    (to(200_000_000_000), 402, "bitcoin/not-funded", None),
    ({"max_fee_sat": 280}, 422, "bitcoin/fee-above-cap", None),
    ({"max_fee_sat": 280.0}, 422, "invalid", "/max_fee_sat"),
    ({"max_fee_sat": ALL_SAT}, 422, "invalid", "/max_fee_sat"),
    *(({"feerate_sat_per_kvb": one}, 422, "invalid", "/feerate_sat_per_kvb") for one in (0, 1.5, "2000", 10_000_001)),
    ({"target_blocks": 1_009}, 422, "invalid", "/target_blocks"),
    (to(400) | {"subtract_fee": [0]}, 422, "bitcoin/payment", "/subtract_fee"),
    ({"subtract_fee": [1]}, 422, "bitcoin/payment", "/subtract_fee"),
    ({"subtract_fee": [0, 0]}, 422, "bitcoin/payment", "/subtract_fee"),
    ({"coins": ["$good", "$good"]}, 422, "bitcoin/payment", "/coins"),
    ({"coins": ["$good", NOWHERE]}, 422, "bitcoin/coins", "/coins/1"),
    ({"coins": ["$spent"]}, 422, "bitcoin/coins", "/coins/0"),
    ({"coins": ["$immature"]}, 422, "bitcoin/coins", "/coins/0"),
    ({"coins": ["$foreign"]}, 422, "bitcoin/coins", "/coins/0"),
    ({"coins": ["$leased"]}, 409, "bitcoin/coins-leased", None),
    ({"coins": ["$good"]} | to(9_000_000_000), 402, "bitcoin/not-funded", None),
    ({"wallet": "nobody"}, 404, "bitcoin/no-wallet", "/wallet"),
    ({"wallet": "../till"}, 422, "invalid", "/wallet"),
    ({"wallet": "chain"}, 409, "bitcoin/chain-too-long", None),
    (
        {"wallet": "small", "max_fee_sat": 99_999, "subtract_fee": [0]} | to(SMALL * SMALL_SAT),
        422,
        "bitcoin/too-many-coins",
        "/recipients",
    ),
    ({"wallet": "watch"}, 409, "bitcoin/no-change-key", None),
    ({"tip": 1}, 422, "invalid", "/tip"),
]
SENT_ONLY: list[Row] = [
    ({"feerate_sat_per_kvb": 10}, 422, "bitcoin/feerate-too-low", "/feerate_sat_per_kvb"),
    ({"coins": ["$waiting"], "feerate_sat_per_kvb": 30_000}, 422, "bitcoin/would-replace", None),
    ({"wallet": "vault"}, 409, "bitcoin/wallet-locked", None),
    (
        {"wallet": "watch", "coins": ["$watched"], "subtract_fee": [0]} | to(5_000_000_000),
        409,
        "bitcoin/not-all-keys",
        None,
    ),
]
SIGNATURES: list[Row] = [
    *(({"psbt": one}, 422, "invalid", "/psbt") for one in ("", "not base64", 5, "A" * 200_001)),
    *(
        ({"psbt": one}, 422, "bitcoin/no-psbt", "/psbt")
        for one in ("AAAAAAAAAAAA", "A" * 200_000, "$cut", "$version 2")
    ),
    *(({"psbt": one}, 422, "bitcoin/psbt", "/psbt") for one in ("$none", "$single", "$overpaid")),
    *(({"psbt": one}, 422, "bitcoin/transaction", "/psbt") for one in ("$twice", "$empty")),
    ({"psbt": "$of others"}, 409, "bitcoin/nothing-to-sign", None),
    ({"psbt": "$of nowhere"}, 409, "bitcoin/nothing-to-sign", None),
    ({"psbt": "$rival"}, 422, "bitcoin/would-replace", None),
    ({"psbt": "$lying"}, 422, "bitcoin/above-limit", None),
    ({"psbt": "$of the leased"}, 409, "bitcoin/coins-leased", None),
    ({"max_spent_sat": 50_287}, 422, "bitcoin/above-limit", None),
    ({"max_spent_sat": 60_000.0}, 422, "invalid", "/max_spent_sat"),
    ({"max_spent_sat": 0}, 422, "invalid", "/max_spent_sat"),
    ({"wallet": "vault", "psbt": "$of the vault"}, 409, "bitcoin/wallet-locked", None),
    ({"wallet": "nobody"}, 404, "bitcoin/no-wallet", "/wallet"),
]
BROADCASTS: list[Row] = [
    *(({"transaction": one}, 422, "invalid", "/transaction") for one in ("", "0", "zz" * 30, 5, "00" * 125_001)),
    *(({"transaction": one}, 422, "bitcoin/no-raw-transaction", "/transaction") for one in ("00" * 40, "02" * 100)),
    *(
        ({"transaction": one}, 422, "bitcoin/transaction", "/transaction")
        for one in ("$unsigned", "$dust", "$overpaying", "$cheap", "$dear", "$early", "$unripe", "$coinbase", "$double")
    ),
    ({"transaction": "$missing"}, 422, "bitcoin/inputs-spent", None),
    ({"transaction": "$forged"}, 422, "bitcoin/policy", None),
    ({"transaction": "$replacing"}, 422, "bitcoin/would-replace", None),
    ({"transaction": "$leasing"}, 409, "bitcoin/coins-leased", None),
    ({"max_spent_sat": 50_999}, 422, "bitcoin/above-limit", None),
    ({"max_spent_sat": "51000"}, 422, "invalid", "/max_spent_sat"),
    ({"wallet": "nobody"}, 404, "bitcoin/no-wallet", "/wallet"),
]
SPENDING: dict[str, tuple[Operation, dict[str, Any], list[Row]]] = {
    "pay": (send_payment, WANTED, PAYMENTS + SENT_ONLY),
    "build": (build_transaction, WANTED, PAYMENTS),
    "sign": (sign_transaction, {"wallet": "till", "psbt": "$plain", "max_spent_sat": 60_000}, SIGNATURES),
    "broadcast": (
        broadcast_transaction,
        {"wallet": "till", "transaction": "$whole", "max_spent_sat": 60_000},
        BROADCASTS,
    ),
}
ELSEWHERE: list[tuple[Operation, dict[str, Any], int, str, str | None]] = [
    (create_wallet, {"name": "Till"}, 422, "invalid", "/name"),
    (create_wallet, {"name": "till", "watch_only": True}, 409, "bitcoin/wallet-exists", None),
    (create_address, {"wallet": "nobody"}, 404, "bitcoin/no-wallet", "/wallet"),
    (create_address, {"wallet": "till", "type": "p2wsh"}, 422, "invalid", "/type"),
    (create_address, {"wallet": "till", "label": "<b>"}, 422, "invalid", "/label"),
    (create_address, {"wallet": "watch"}, 409, "bitcoin/no-keys", None),
    (get_balance, {"wallet": "nobody"}, 404, "bitcoin/no-wallet", "/wallet"),
    (list_unspent, {"wallet": "nobody"}, 404, "bitcoin/no-wallet", "/wallet"),
    (list_unspent, {"wallet": "till", "min_amount_sat": 1.5}, 422, "invalid", "/min_amount_sat"),
    (list_unspent, {"wallet": "till", "after": "x"}, 422, "invalid", "/after"),
    (import_descriptors, {"wallet": "till", "descriptors": ["$public"]}, 409, "bitcoin/wallet-has-keys", None),
    (
        import_descriptors,
        {"wallet": "watch", "descriptors": ["$private"]},
        422,
        "bitcoin/descriptor",
        "/descriptors/0/descriptor",
    ),
    (decode_psbt, {"psbt": "$cut"}, 422, "bitcoin/no-psbt", "/psbt"),
    (decode_transaction, {"transaction": "00" * 40}, 422, "bitcoin/no-raw-transaction", "/transaction"),
]


def rows() -> Iterator[Any]:
    for name, (operation, good, wrong) in SPENDING.items():
        for other, *answer in wrong:
            told = str(other).replace(" ", "")[:60]
            yield pytest.param(operation, good | other, *answer, id=f"{name} {told}")
    for operation, fields, *answer in ELSEWHERE:
        yield pytest.param(operation, fields, *answer, id=f"{operation.name} {fields}"[:80])


@pytest.fixture(scope="module")
def made(nodes: Any) -> Troubles:
    return Troubles(nodes())


@pytest.fixture
def here(made: Troubles) -> Iterator[SmallWorld]:
    with real_world(made.core) as world:
        world.table.put(LEASES, f"bitcoin/{made.made['$leased']}", {"payment_id": "0" * 32})
        yield world


@pytest.mark.parametrize(("operation", "fields", "status", "code", "pointer"), [*rows()])
def test_what_is_wrong_is_named_and_nothing_is_left_behind(
    here: SmallWorld, made: Troubles, operation: Operation, fields: Any, status: int, code: str, pointer: str | None
) -> None:
    before = made.left(here)
    named = {name: made.meant(value) for name, value in fields.items()}
    key = {"idempotency_key": "one"} if operation.effect is Effect.SPEND else {}
    answer = here.call(operation, named, **key)

    told = answer[1]
    assert (answer[0], told.get("type", "").endswith(code)) == (status, True), told
    assert (told["money_moved"], bool(told["detail"]), bool(told["next_step"])) == ("no", True, True)
    assert pointer is None or pointer in [error["pointer"] for error in told["errors"]], told
    assert made.left(here) == before


def test_a_key_of_a_refused_request_pays_for_no_other(here: SmallWorld, made: Troubles) -> None:
    before = made.left(here)
    refused = {"cap": {"max_fee_sat": 100}, "locked": {"wallet": "vault"}, "funds": to(200_000_000_000)}
    for key, wrong in refused.items():
        first = here.call(send_payment, WANTED | wrong, idempotency_key=key)[:2]
        other = here.call(send_payment, WANTED, idempotency_key=key)[1]

        assert here.call(send_payment, WANTED | wrong, idempotency_key=key)[:2] == first
        assert other["type"] == "/problems/conflict/ledger/key-reused"
    assert made.left(here) == before


def test_another_tenants_wallet_is_none_whatever_is_asked_of_it(here: SmallWorld, made: Troubles) -> None:
    before, stranger = made.left(here), here.owner("other")
    for operation, fields, _ in SPENDING.values():
        asked = {name: made.meant(value) for name, value in fields.items()}
        key = {"idempotency_key": "theirs"} if operation.effect is Effect.SPEND else {}
        assert here.call(operation, asked, caller=stranger, **key)[1]["type"] == "/problems/not-found/bitcoin/no-wallet"
    assert made.left(here) == before


class Syncing:
    """The node, as it is while it downloads the chain of another network than regtest."""

    def __init__(self, node: Any) -> None:
        self._node = node

    def call(self, method: str, *params: Any, **named: Any) -> Any:
        answer = self._node.call(method, *params, **named)
        syncing = {"chain": "main", "initialblockdownload": True}
        return answer | syncing if method == "getblockchaininfo" else answer


@pytest.mark.parametrize("name", SPENDING)
def test_a_node_that_is_still_downloading_the_chain_is_waited_for(here: SmallWorld, made: Troubles, name: str) -> None:
    before = made.left(here)
    operation, fields, _ = SPENDING[name]
    fields = fields | {"transaction": "$missing"} if name == "broadcast" else fields
    asked = {name: made.meant(value) for name, value in fields.items()}
    key = {"idempotency_key": "early"} if operation.effect is Effect.SPEND else {}
    with wiring.replaced({BitcoinNode: Syncing(made.core)}):
        status, told, headers = here.call(operation, asked, **key)

    assert (status, told["type"], headers["retry-after"]) == (409, "/problems/precondition/bitcoin/syncing", "60")
    assert made.left(here) == before


@contextmanager
def till_on(node: RegtestNode) -> Iterator[SmallWorld]:
    """A funded till on a node of its own."""
    with real_world(reached(node)) as here:
        assert here.call(create_wallet, {"name": "till"})[0] == 201
        fund(node, here.call(create_address, {"wallet": "till"})[1]["address"], 2)
        yield here


def test_a_node_without_estimates_asks_for_a_feerate(fresh_node: Callable[..., RegtestNode]) -> None:
    with till_on(fresh_node(options=("-fallbackfee=0",))) as here:
        wanted = WANTED | {"feerate_sat_per_kvb": None}
        status, told, _ = here.call(send_payment, wanted, idempotency_key="one")

        assert (status, told["errors"][0]["pointer"]) == (422, "/feerate_sat_per_kvb")
        assert here.call(send_payment, WANTED, idempotency_key="one")[0] == 201


def test_a_node_that_takes_no_low_fees_says_what_it_takes(fresh_node: Callable[..., RegtestNode]) -> None:
    node = fresh_node(options=("-minrelaytxfee=0.00005",))
    with till_on(node) as here:
        told = here.call(send_payment, WANTED, idempotency_key="one")[1]

        assert "5000 sat/kvB" in told["errors"][0]["message"]
        assert node.rpc("getrawmempool") == []
        assert here.call(send_payment, WANTED | {"feerate_sat_per_kvb": 5_000}, idempotency_key="one")[0] == 201


def test_a_node_without_wallets_still_reads(fresh_node: Callable[..., RegtestNode]) -> None:
    with real_world(reached(fresh_node(options=("-disablewallet",)))) as here:
        for operation, fields in (
            (create_wallet, {"name": "till"}),
            (get_balance, {"wallet": "till"}),
            (send_payment, WANTED),
        ):
            key = {"idempotency_key": "one"} if operation.effect is Effect.SPEND else {}
            told = here.call(operation, fields, **key)[1]
            assert told["type"] == "/problems/precondition/bitcoin/wallets-disabled"
        assert here.call(decode_transaction, {"transaction": "00" * 40})[0] == 422


def test_a_pruned_node_pays_but_does_not_look_for_what_it_has_pruned(fresh_node: Callable[..., RegtestNode]) -> None:
    node = fresh_node(options=("-prune=1", "-txindex=0", "-fastprune=1"))
    with till_on(node) as here:
        node.mine(1_000)
        node.rpc("pruneblockchain", 500)
        here.call(create_wallet, {"name": "watch", "watch_only": True})
        public = "wpkh(0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798)"
        wanted = {"wallet": "watch", "descriptors": [{"descriptor": public, "since_s": 0}]}
        told = here.call(import_descriptors, wanted)[1]

        assert (told["type"], told["errors"][0]["pointer"]) == (
            "/problems/precondition/bitcoin/pruned",
            "/descriptors/0/since_s",
        )
        core: Any = here.node
        assert core.call("listdescriptors", wallet="isthmus.main.watch")["descriptors"] == []
        assert here.call(send_payment, WANTED, idempotency_key="one")[0] == 201
