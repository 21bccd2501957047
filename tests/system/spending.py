"""Payments on the running system: a funded wallet, addresses that tell payments apart, and what the chain says."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.bitcoind import RegtestNode
from infra.local.home import Home
from infra.local.identity import load
from isthmus.access import budgets
from isthmus.access.caller import Caller
from isthmus.failure import Failure
from isthmus.ledger.records import LEASES, UNSETTLED, Intent
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.system.running import Answer, System

# Bitcoin Core's documentation (doc/descriptors.md): keys of nobody, one address for each payment.
_KEY = "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B"
PAYEES = f"wpkh({_KEY}/0/*)"
AMOUNT_SAT = 20_000
MATURE = 101
COINS_AT_ONCE = 25
PASSES = 3
NOTHING = {"leases": 0, "unsettled": 0, "locked": 0, "reserved_msat": 0}


@dataclass
class Till:
    """A wallet of the running system, the payments that were asked of it, and what was told of each key."""

    node: RegtestNode
    system: System
    told: dict[str, list[Answer | None]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)

    def open(self, coins: int) -> None:
        """Make the wallet, and mine it so many coins."""
        assert self.system.post("/v1/bitcoin/wallets", {"name": "till"}).status == 201
        for _ in range(0, coins, COINS_AT_ONCE):
            answer = self.system.post("/v1/bitcoin/wallets/till/addresses", {})
            self.node.rpc("generatetoaddress", min(coins, COINS_AT_ONCE), answer.json["address"])
        self.node.mine(MATURE)

    def payees(self, number: int) -> list[str]:
        """So many addresses, the same at each call."""
        told = self.node.rpc("getdescriptorinfo", PAYEES)
        found: list[str] = self.node.rpc("deriveaddresses", told["descriptor"], [0, number - 1])
        return found

    def pay(self, key: str, address: str, amount_sat: int = AMOUNT_SAT) -> Answer | None:
        """Ask for a payment once; None when no answer came."""
        self.addresses[key] = address
        wanted = {
            "wallet": "till",
            "recipients": [{"address": address, "amount_sat": amount_sat}],
            "max_fee_sat": 50_000,
            "feerate_sat_per_kvb": 2_000,
        }
        answer = None
        with suppress(OSError, Failure):
            answer = self.system.send(
                "POST", "/v1/bitcoin/payments", json.dumps(wanted), content_type="application/json", idempotency_key=key
            )
        self.told.setdefault(key, []).append(answer)
        return answer

    @property
    def owner(self) -> str:
        """The DID that pays."""
        return load(Home(self.system.home).owner).did

    def payment_id(self, key: str) -> str:
        """What the ledger calls the payment of a key."""
        return Intent("bitcoin.send_payment", "bitcoin", Caller("did", self.owner, "owner"), key, {}).payment_id

    def state(self, key: str) -> str:
        """What the ledger says of a key; "" when it has never heard of it."""
        answer = self.system.send("GET", f"/v1/ledger/payments/{self.payment_id(key)}")
        return "" if answer.status == 404 else str(answer.json["state"])

    def settle(self) -> int:
        """Reconcile until nothing is unsettled; how many passes it took."""
        table = SqliteTable(Path(self.system.home) / "table.sqlite")
        for number in range(PASSES + 1):
            due = [row.item["due_ms"] for row in table.query(UNSETTLED, limit=1000).rows]
            if not due:
                return number
            time.sleep(max(0.0, max(due) / 1000 - time.time()))  # what is not due yet is left alone
            answer = self.system.post("/v1/ledger/reconcile", {})
            assert answer.status == 200, answer.body
        raise AssertionError(f"{len(due)} payments are unsettled after {PASSES} passes")

    def paid(self, since: int = 0) -> Counter[str]:
        """How many transactions pay to each address, in the chain and in the mempool."""
        found: Counter[str] = Counter()
        for height in range(since, self.node.rpc("getblockcount") + 1):
            block = self.node.rpc("getblock", self.node.rpc("getblockhash", height), 2)
            found.update(address for tx in block["tx"] for address in _paid_by(tx))
        for txid in self.node.rpc("getrawmempool"):
            found.update(_paid_by(self.node.rpc("getrawtransaction", txid, True)))
        return found

    def held_back(self) -> dict[str, Any]:
        """What is still kept for payments: nothing, once they are settled."""
        table = SqliteTable(Path(self.system.home) / "table.sqlite")
        item = table.get(budgets.BUDGETS, self.owner)
        return {
            "leases": len(table.query(LEASES, limit=100).rows),
            "unsettled": len(table.query(UNSETTLED, limit=100).rows),
            "locked": len(self.node.rpc("listlockunspent")),
            "reserved_msat": budgets.budget(item, int(time.time() * 1000)).reserved_msat,
        }


def _paid_by(transaction: Any) -> Iterator[str]:
    for output in transaction["vout"]:
        if address := output["scriptPubKey"].get("address"):
            yield address


def kill_all(pid: int) -> int:
    """End a process and all that it started, at one moment; how many they were."""
    doomed = [pid]
    for one in doomed:
        doomed += _children(one)
    for one in doomed:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    return len(doomed)


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found
