"""Transactions that are built, read, signed and sent in steps, on a real node."""

import base64
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from functions.bitcoin.broadcast_transaction import broadcast_transaction
from functions.bitcoin.build_transaction import build_transaction
from functions.bitcoin.create_address import create_address
from functions.bitcoin.create_wallet import create_wallet
from functions.bitcoin.decode_psbt import decode_psbt
from functions.bitcoin.decode_transaction import decode_transaction
from functions.bitcoin.import_descriptors import import_descriptors
from functions.bitcoin.send_payment import send_payment
from functions.bitcoin.sign_transaction import sign_transaction
from functions.bitcoin.verify_message import verify_message
from infra.local.bitcoind import RegtestNode
from tests.adapters.bitcoin.wallets_on import fund, reached
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.wallet_world import TILL, real_world

pytestmark = pytest.mark.node

AMOUNT_SAT = 50_000
LIMIT_SAT = 60_000
MUTATIONS = 400
WANTED: dict[str, Any] = {
    "wallet": "till",
    "recipients": [{"address": ADDRESS, "amount_sat": AMOUNT_SAT}],
    "max_fee_sat": 10_000,
    "feerate_sat_per_kvb": 2_000,
}


@pytest.fixture(scope="module")
def own_node(nodes: Any) -> RegtestNode:
    """A node with a till of mature coins of two kinds of addresses, and a wallet that watches it."""
    node: RegtestNode = nodes()
    with real_world(reached(node)) as made:
        core: Any = made.node
        made.call(create_wallet, {"name": "till"})
        for kind in ("p2wpkh", "p2tr"):
            fund(node, made.call(create_address, {"wallet": "till", "type": kind})[1]["address"], 6)
        made.call(create_wallet, {"name": "watch", "watch_only": True})
        known = core.call("listdescriptors", wallet=TILL)["descriptors"]
        wanted = [{"descriptor": one["desc"], "active": True, "change": one["internal"], "since_s": 0} for one in known]
        assert made.call(import_descriptors, {"wallet": "watch", "descriptors": wanted})[0] == 200
    return node


@pytest.fixture
def here(own_node: RegtestNode) -> Iterator[SmallWorld]:
    with real_world(reached(own_node)) as made:
        yield made
        own_node.mine(1)


def built(here: SmallWorld, **other: Any) -> Any:
    status, body, _ = here.call(build_transaction, WANTED | other)
    assert status == 200, body
    return body


def sign(here: SmallWorld, psbt: str, key: str = "sign", **other: Any) -> tuple[int, Any]:
    wanted = {"wallet": "till", "psbt": psbt, "max_spent_sat": LIMIT_SAT} | other
    return here.call(sign_transaction, wanted, idempotency_key=key)[:2]


def read(here: SmallWorld, psbt: str) -> Any:
    status, body, _ = here.call(decode_psbt, {"psbt": psbt})
    assert status == 200, body
    return body


def test_what_a_watching_wallet_builds_the_till_signs_and_anyone_sends(here: SmallWorld, own_node: RegtestNode) -> None:
    unsigned = built(here, wallet="watch")
    shown = read(here, unsigned["psbt"])
    assert (shown["valid"], shown["complete"], shown["next"], shown["fee_sat"]) == (
        True,
        False,
        "signer",
        unsigned["fee_sat"],
    )
    assert (
        sign(here, unsigned["psbt"], "watch", wallet="watch")[1]["type"]
        == "/problems/precondition/bitcoin/nothing-to-sign"
    )

    status, signed = sign(here, unsigned["psbt"])
    assert (status, signed["complete"], signed["txid"]) == (200, True, shown["txid"])
    assert signed["spent_sat"] == AMOUNT_SAT + unsigned["fee_sat"]
    assert sign(here, unsigned["psbt"]) == (200, signed)
    assert read(here, signed["psbt"])["complete"] is True

    told = here.call(decode_transaction, {"transaction": signed["transaction"]})[1]
    assert (told["txid"], told["replaceable"], all(one["signed"] for one in told["inputs"])) == (
        shown["txid"],
        True,
        True,
    )
    assert AMOUNT_SAT in [one["value_sat"] for one in told["outputs"]]
    sent = {"transaction": signed["transaction"], "max_spent_sat": LIMIT_SAT, "wallet": "till"}
    assert here.call(broadcast_transaction, sent, idempotency_key="send")[0] == 201
    assert own_node.rpc("getrawmempool") == [shown["txid"]]


def test_a_limit_below_what_leaves_keeps_the_signature_back(here: SmallWorld) -> None:
    unsigned = built(here)
    least = AMOUNT_SAT + unsigned["fee_sat"]

    assert sign(here, unsigned["psbt"], max_spent_sat=least - 1)[1]["type"] == "/problems/refused/bitcoin/above-limit"
    assert sign(here, unsigned["psbt"], "more", max_spent_sat=least)[0] == 200


def test_what_is_paid_to_oneself_costs_its_fee(here: SmallWorld) -> None:
    own = here.call(create_address, {"wallet": "till"})[1]["address"]
    unsigned = built(here, recipients=[{"address": own, "amount_sat": 4_000_000}])

    assert sign(here, unsigned["psbt"])[1]["spent_sat"] == unsigned["fee_sat"]


def test_change_that_goes_elsewhere_counts(here: SmallWorld) -> None:
    core: Any = here.node
    (coin, *_) = [one for one in core.call("listunspent", wallet=TILL) if one["amount"] == 50]
    spent = [{"txid": coin["txid"], "vout": coin["vout"]}]
    psbt = core.call("createpsbt", spent, [{ADDRESS: "49.999"}])

    status, body = sign(here, psbt)
    assert (status, body["type"]) == (422, "/problems/refused/bitcoin/above-limit")


@pytest.mark.parametrize("sighash", ["NONE|ANYONECANPAY", "SINGLE", "NONE", "ALL|ANYONECANPAY"])
def test_a_signature_that_leaves_others_free_to_change_what_is_paid_is_refused(here: SmallWorld, sighash: str) -> None:
    flags = {"NONE": 2, "SINGLE": 3, "ALL": 1}[sighash.partition("|")[0]] | (0x80 if "|" in sighash else 0)
    psbt = with_sighash(built(here)["psbt"], flags)
    assert read(here, psbt)["inputs"][0]["sighash"] == sighash
    status, body = sign(here, psbt)

    assert (status, body["type"]) == (422, "/problems/invalid/bitcoin/psbt")


def with_sighash(psbt: str, flags: int) -> str:
    """The PSBT, whose first input demands this sighash type (BIP 174, PSBT_IN_SIGHASH_TYPE 0x03)."""
    raw = base64.b64decode(psbt)
    assert raw[7] < 0xFD  # magic, then <01 00> and the length of the unsigned transaction
    start = 8 + raw[7] + 1
    field = b"\x01\x03\x04" + flags.to_bytes(4, "little")
    return base64.b64encode(raw[:start] + field + raw[start:]).decode()


def test_what_waits_is_not_signed_away_a_second_time(here: SmallWorld) -> None:
    unsigned = built(here)
    coins = [f"{one['txid']}:{one['vout']}" for one in read(here, unsigned["psbt"])["inputs"]]
    assert here.call(send_payment, WANTED | {"coins": coins}, idempotency_key="paid")[0] == 201

    assert sign(here, unsigned["psbt"])[1]["type"] == "/problems/refused/bitcoin/would-replace"


def test_a_psbt_of_somebody_else_cannot_be_signed(here: SmallWorld) -> None:
    core: Any = here.node
    psbt = core.call("createpsbt", [{"txid": "ab" * 32, "vout": 0}], [{ADDRESS: "0.0005"}])
    assert read(here, psbt)["fee_sat"] is None
    assert sign(here, psbt)[1]["type"] == "/problems/precondition/bitcoin/nothing-to-sign"


@pytest.mark.parametrize("psbt", ["cHNidP8BAA==", "AAAAAAAAAAAA", base64.b64encode(b"psbt\xff" * 50).decode()])
def test_what_is_no_psbt_is_invalid(here: SmallWorld, psbt: str) -> None:
    for status, body in (here.call(decode_psbt, {"psbt": psbt})[:2], sign(here, psbt)):
        assert (status, body["type"]) == (422, "/problems/invalid/bitcoin/no-psbt")


def test_a_psbt_that_spends_a_coin_twice_is_invalid(here: SmallWorld) -> None:
    core: Any = here.node
    (coin, *_) = core.call("listunspent", wallet=TILL)
    spent = {"txid": coin["txid"], "vout": coin["vout"]}
    psbt = core.call("createpsbt", [spent, spent], [{ADDRESS: "0.0005"}])
    status, body = sign(here, psbt)

    assert (status, body["kind"]) == (422, "invalid")


def test_a_message_is_verified_with_the_key_of_its_address(here: SmallWorld) -> None:
    core: Any = here.node
    address = here.call(create_address, {"wallet": "till", "type": "p2pkh"})[1]["address"]
    signature = core.call("signmessage", address, "hello", wallet=TILL)
    asked = {"address": address, "signature": signature, "message": "hello"}

    assert here.call(verify_message, asked)[:2] == (200, {"valid": True})
    assert here.call(verify_message, asked | {"message": "hellO"})[1] == {"valid": False}
    other = here.call(create_address, {"wallet": "till", "type": "p2pkh"})[1]["address"]
    assert here.call(verify_message, asked | {"address": other})[1] == {"valid": False}
    assert here.call(verify_message, asked | {"signature": "A" * 87 + "="})[1] == {"valid": False}


def test_a_locked_wallet_builds_and_signs_nothing(here: SmallWorld, own_node: RegtestNode) -> None:
    core: Any = here.node
    here.call(create_wallet, {"name": "locked"})
    fund(own_node, here.call(create_address, {"wallet": "locked"})[1]["address"])
    core.call("encryptwallet", "open sesame", wallet="isthmus.main.locked")
    unsigned = built(here, wallet="locked")

    assert sign(here, unsigned["psbt"], wallet="locked")[1]["type"] == "/problems/precondition/bitcoin/wallet-locked"
    core.call("walletpassphrase", "open sesame", 60, wallet="isthmus.main.locked")
    assert sign(here, unsigned["psbt"], wallet="locked")[0] == 200


def test_whatever_is_changed_in_bytes_the_answer_is_a_reading_or_says_what_is_wrong(here: SmallWorld) -> None:
    chance = random.Random(7)
    psbt = base64.b64decode(built(here)["psbt"])
    signed = sign(here, base64.b64encode(psbt).decode())[1]
    raw, given = bytes.fromhex(signed["transaction"]), base64.b64decode(signed["psbt"])
    seen: Counter[int] = Counter()
    for _ in range(MUTATIONS):
        other = base64.b64encode(mutated(psbt, chance)).decode()
        limit = {"wallet": "till", "max_spent_sat": 1}
        answers = [
            here.call(decode_psbt, {"psbt": other}),
            here.call(sign_transaction, {"psbt": other} | limit, idempotency_key=str(chance.random())),
            here.call(decode_transaction, {"transaction": (hexed := mutated(raw, chance).hex())}),
            here.call(broadcast_transaction, {"transaction": hexed} | limit, idempotency_key=str(chance.random())),
            here.call(
                broadcast_transaction,
                {"psbts": [base64.b64encode(mutated(given, chance)).decode(), other][: chance.choice((1, 2))]} | limit,
                idempotency_key=str(chance.random()),
            ),
        ]
        for status, body, _ in answers:
            seen[status] += 1
            assert status in (200, 409, 422), f"{status} {body} {other} {hexed}"
    assert min(seen[200], seen[422]) > MUTATIONS // 10, seen


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The bytes with one to three of them changed, or cut, or repeated."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        changed[chance.randrange(len(changed))] = chance.choice((0, 1, 0x7F, 0x80, 0xFD, 0xFF, chance.randrange(256)))
    cut = chance.randrange(len(changed)) if chance.random() < 0.1 else len(changed)
    return bytes(changed[: max(cut, 20)])
