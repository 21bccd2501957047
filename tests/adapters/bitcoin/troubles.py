"""A node with wallets in every state a payment can fail in, and the coins, PSBTs and transactions that do, by name."""

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from functions.bitcoin.create_wallet import create_wallet
from functions.bitcoin.import_descriptors import import_descriptors
from functions.bitcoin.send_payment import send_payment
from infra.local.bitcoind import RegtestNode
from isthmus.access.budgets import BUDGETS
from isthmus.ledger.records import LEASES, UNSETTLED
from tests.adapters.bitcoin.wallets_on import fund, reached
from tests.faults.calls import ADDRESS, SmallWorld
from tests.faults.wallet_world import real_world

WALLETS = ("till", "vault", "watch", "small", "chain")
NOWHERE = "ab" * 32 + ":0"
CHAIN = 25
SMALL, SMALL_SAT = 70, 10_000
WANTED: dict[str, Any] = {
    "wallet": "till",
    "recipients": [{"address": ADDRESS, "amount_sat": 50_000}],
    "max_fee_sat": 10_000,
    "feerate_sat_per_kvb": 2_000,
}


class Troubles:
    """The till has coins, the vault is encrypted and locked, watch has no keys and no change, small has seventy small
    coins, and all that chain has waits in a chain of 25 transactions.
    """

    def __init__(self, node: RegtestNode) -> None:
        self.node = node
        self.core: Any = reached(node)
        self.made: dict[str, Any] = {}
        with real_world(self.core) as here:
            self._wallets(here)
            self._coins(here)
            self._waiting(here)
        self._psbts()
        self._transactions()

    def _wallets(self, here: SmallWorld) -> None:
        for name in WALLETS:
            here.call(create_wallet, {"name": name, "watch_only": name == "watch"})
        key = self._on("till", "getaddressinfo", self._address("till"))["pubkey"]
        self.made["$public"] = {"descriptor": f"wpkh({key})", "since_s": 0}
        self.made["$private"] = {"descriptor": "wpkh(cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA)"}
        here.call(import_descriptors, {"wallet": "watch", "descriptors": [self.made["$public"]]})
        self._on("vault", "encryptwallet", "secret")

    def _coins(self, here: SmallWorld) -> None:
        fund(self.node, self._on("watch", "deriveaddresses", self._public())[0])
        fund(self.node, self._address("vault"))
        fund(self.node, self._address("till"), 30)
        for wallet, sat, number in (("chain", 10_000_000, 1), ("small", SMALL_SAT, SMALL)):
            paid = [{"address": self._address(wallet), "amount_sat": sat} for _ in range(number)]
            assert here.call(send_payment, WANTED | {"recipients": paid}, idempotency_key=wallet)[0] == 201
        coins = self._free()
        spent = WANTED | {"coins": [coins[0]]}
        assert here.call(send_payment, spent, idempotency_key="spent")[0] == 201
        self.node.mine(1)
        self.made |= {"$spent": coins[0], "$watched": self._free("watch")[0], "$foreign": self._free("vault")[0]}
        self.made["$immature"] = self._reward()

    def _waiting(self, here: SmallWorld) -> None:
        self.made["$good"], self.made["$leased"], waiting, *_ = self._free()
        assert here.call(send_payment, WANTED | {"coins": [waiting]}, idempotency_key="waiting")[0] == 201
        self.made["$waiting"] = waiting
        for number in range(CHAIN):
            assert here.call(send_payment, WANTED | {"wallet": "chain"}, idempotency_key=str(number))[0] == 201

    def _psbts(self) -> None:
        good, plain = self.made["$good"], self._funded("till", self.made["$good"])
        rest = [{ADDRESS: "0.0005"}]
        self.made |= {
            "$plain": plain,
            "$cut": plain[: len(plain) // 8 * 4],
            "$version 2": base64.b64encode(b"psbt\xff\x01\xfb\x04\x02\x00\x00\x00\x00").decode(),
            "$none": with_field(plain, b"\x01\x03\x04" + (2).to_bytes(4, "little")),
            "$single": with_field(plain, b"\x01\x03\x04" + (0x83).to_bytes(4, "little")),
            "$overpaid": self._psbt([good], [{ADDRESS: "60"}]),
            "$twice": self._psbt([good, good], rest),
            "$empty": self.core.call("createpsbt", [], []),
            "$of others": self._psbt([self.made["$foreign"]], rest),
            "$of nowhere": self._psbt([NOWHERE], rest),
            "$rival": self._psbt([self.made["$waiting"]], rest),
            "$of the leased": self._funded("till", self.made["$leased"]),
            "$of the vault": self._funded("vault", self.made["$foreign"]),
        }
        script = bytes.fromhex(self._coin(good)["scriptPubKey"])
        claimed = (50_288).to_bytes(8, "little") + bytes([len(script)]) + script
        self.made["$lying"] = with_field(self._psbt([good], rest), bytes([1, 1, len(claimed)]) + claimed)

    def _transactions(self) -> None:
        good, whole = self.made["$good"], self._signed(self._raw(self.made["$good"], "0.00001"))
        forged = bytearray.fromhex(whole)
        forged[-60] ^= 1  # in the signature, before the key of 33 bytes and the lock time
        immature = self.made["$immature"]
        self.made |= {
            "$whole": whole,
            "$forged": forged.hex(),
            "$unsigned": self._raw(good, "0.00001"),
            "$cheap": self._signed(self._raw(good, "0")),
            "$dear": self._signed(self._raw(good, "1")),
            "$dust": self._signed(self._raw(good, "0.00001", paid="0.00000293")),
            "$early": self._signed(self._raw(good, "0.00001", lock_time=100_000)),
            "$unripe": self._signed(self._raw(immature, "0.00001")),
            "$overpaying": self._signed(self._raw(good, "-1")),
            "$double": self._raw(good, "0.00001", twice=True),
            "$missing": self._raw(NOWHERE, "0.00001"),
            "$coinbase": self.core.call("getrawtransaction", immature.partition(":")[0]),
            "$replacing": self._signed(self._raw(self.made["$waiting"], "0.001")),
            "$leasing": self._signed(self._raw(self.made["$leased"], "0.00001")),
        }

    def _public(self) -> str:
        told = self.core.call("getdescriptorinfo", self.made["$public"]["descriptor"])
        return str(told["descriptor"])

    def _funded(self, wallet: str, coin: str) -> str:
        txid, _, vout = coin.partition(":")
        options = {"fee_rate": "2", "add_inputs": False}
        inputs = [{"txid": txid, "vout": int(vout)}]
        return str(self._on(wallet, "walletcreatefundedpsbt", inputs, [{ADDRESS: "0.0005"}], 0, options)["psbt"])

    def _psbt(self, coins: list[str], paid: list[dict[str, str]]) -> str:
        return str(self.core.call("createpsbt", [_spends(one) for one in coins], paid))

    def _raw(self, coin: str, fee: str, *, paid: str = "0.0005", lock_time: int = 0, twice: bool = False) -> str:
        has = Decimal(50) if coin == NOWHERE else self._value(coin)
        outputs = [{ADDRESS: paid}, {self._address("till"): str(has - Decimal(paid) - Decimal(fee))}]
        inputs = [_spends(coin)] * (2 if twice else 1)
        return str(self.core.call("createrawtransaction", inputs, outputs, lock_time))

    def _signed(self, raw: str) -> str:
        return str(self._on("till", "signrawtransactionwithwallet", raw)["hex"])

    def _value(self, coin: str) -> Decimal:
        txid, _, vout = coin.partition(":")
        value: Decimal = self.core.call("getrawtransaction", txid, True)["vout"][int(vout)]["value"]
        return value

    def _coin(self, coin: str) -> Any:
        (found,) = [one for one in self._on("till", "listunspent") if f"{one['txid']}:{one['vout']}" == coin]
        return found

    def _free(self, wallet: str = "till") -> list[str]:
        """The wallet's coins of whole rewards."""
        found = self._on(wallet, "listunspent", 1, 9_999_999, [], True, {"minimumAmount": "25"})
        return [f"{one['txid']}:{one['vout']}" for one in found if one["amount"] in (25, 50)]

    def _reward(self) -> str:
        (block,) = self.node.rpc("generatetoaddress", 1, self._address("till"))
        return f"{self.node.rpc('getblock', block)['tx'][0]}:0"

    def _address(self, wallet: str) -> str:
        return str(self._on(wallet, "getnewaddress"))

    def _on(self, wallet: str, method: str, *params: Any) -> Any:
        return self.core.call(method, *params, wallet=f"isthmus.main.{wallet}")

    def meant(self, value: Any) -> Any:
        """What a name, or each name in a list, stands for; everything else is itself."""
        if isinstance(value, list):
            return [self.meant(one) for one in value]
        return self.made[value] if isinstance(value, str) and value.startswith("$") else value

    def left(self, here: SmallWorld) -> dict[str, Any]:
        """All that a refused request could have left behind."""
        items: Mapping[tuple[str, str], str] = here.table.items
        return {
            "kept": sorted(key for key in items if key[0].startswith((LEASES, UNSETTLED, BUDGETS))),
            "locked": [self._on(one, "listlockunspent") for one in WALLETS],
            "waiting": sorted(self.node.rpc("getrawmempool")),
        }


def _spends(coin: str) -> dict[str, Any]:
    txid, _, vout = coin.partition(":")
    return {"txid": txid, "vout": int(vout), "sequence": 0xFFFFFFFD}


def with_field(psbt: str, field: bytes) -> str:
    """The PSBT with one more field of its first input (BIP 174)."""
    raw = base64.b64decode(psbt)
    assert raw[7] < 0xFD  # magic, then <01 00> and the length of the unsigned transaction
    start = 8 + raw[7] + 1
    return base64.b64encode(raw[:start] + field + raw[start:]).decode()
