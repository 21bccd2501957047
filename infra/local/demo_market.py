"""Who pays what on the demonstration chain: transactions that arrive, wait, and are taken by feerate. Pure; no node."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from infra.local.demo_coins import KEYS, KINDS, Coin, Lock, Output, Transaction, expected_weight, locks, sign
from isthmus.failure import Defect

_MAX_BLOCK_WEIGHT = 3_900_000
_MIN_PAYMENT_SAT = 10_000
_MIN_SPENT_SAT = 3 * _MIN_PAYMENT_SAT  # so that every transaction can pay its fee
_MIN_FEERATE, _MAX_FEERATE = 1.05, 200.0  # sat/vB; nodes relay from 1 on

_KIND_WEIGHTS = (18, 12, 40, 8, 22)  # in the order of KINDS
_INPUTS = (1,) * 70 + (2,) * 21 + (3, 3, 4, 4, 5, 5, 6, 7, 8)
_OUTPUTS = (1,) * 12 + (2,) * 72 + (3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20)
_SEQUENCES = (0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF)  # replaceable (BIP 125), lock time only, final
_SEQUENCE_WEIGHTS = (60, 25, 15)
_VERSIONS = (1, 2, 2, 2)
_SHARE_OF_PACKAGES = 0.03
_SHARE_WITH_DATA = 0.06
_SHARE_WITH_LOCK_TIME = 0.35


@dataclass(frozen=True)
class Package:
    """Transactions mined together: one, or a cheap parent and the child that pays for it; satoshi per weight unit."""

    transactions: tuple[Transaction, ...]
    coins: tuple[Coin, ...]
    feerate: float


@dataclass
class Market:
    """Confirmed coins that nobody has spent yet, transactions that wait, and the present level of feerates (log)."""

    rng: Random
    coins: list[Coin] = field(default_factory=list)
    waiting: list[Package] = field(default_factory=list)
    level: float = 0.0

    @property
    def backlog(self) -> int:
        """How many transactions wait."""
        return sum(len(package.transactions) for package in self.waiting)


def arrive(market: Market, count: int, *, pace: float, height: int) -> list[Transaction]:
    """`count` new transactions, parents before children.

    Feerates are lognormal around a level that moves slowly, and upwards while more waits than a block's `pace`.

    Raises:
        Defect: no coin is left.
    """
    rng = market.rng
    market.level = 0.95 * market.level + 0.02 * math.log1p(market.backlog / max(1.0, pace)) + rng.gauss(0, 0.12)
    arrived: list[Transaction] = []
    while (remaining := count - len(arrived)) > 0:
        feerate = min(_MAX_FEERATE, max(_MIN_FEERATE, rng.lognormvariate(1.1 + market.level, 0.6)))
        coins = _pick(market, rng.choice(_INPUTS) if len(market.coins) > 2 * remaining else 1)
        if remaining > 1 and rng.random() < _SHARE_OF_PACKAGES:
            parent = pay(rng, coins, 2, feerate=_MIN_FEERATE, height=height)
            spent, *kept = parent.coins()
            child = pay(rng, [spent], 1, feerate=feerate, height=height)
            arrived += wait(market, (parent, child), [*kept, *child.coins()])
        else:
            single = pay(rng, coins, rng.choice(_OUTPUTS), feerate=feerate, height=height)
            arrived += wait(market, (single,), single.coins())
    return arrived


def wait(market: Market, transactions: tuple[Transaction, ...], coins: Sequence[Coin]) -> tuple[Transaction, ...]:
    """Let transactions wait to be mined together; then the coins are there."""
    feerate = sum(each.fee_sat for each in transactions) / sum(each.weight for each in transactions)
    market.waiting.append(Package(transactions, tuple(coins), feerate))
    return transactions


def take(market: Market, limit: int) -> list[Transaction]:
    """The best of what waits, at most `limit` transactions and a full block; their coins can be spent from now on."""
    market.waiting.sort(key=lambda package: package.feerate, reverse=True)
    taken: list[Transaction] = []
    weight = packages = 0
    for package in market.waiting:
        weight += sum(each.weight for each in package.transactions)
        if len(taken) + len(package.transactions) > limit or weight > _MAX_BLOCK_WEIGHT:
            break
        taken += package.transactions
        market.coins += package.coins
        packages += 1
    del market.waiting[:packages]
    return taken


def pay(rng: Random, coins: Sequence[Coin], count: int, *, feerate: float, height: int) -> Transaction:
    """Spend coins to `count` locks of the ring, fewer where they are worth little, at `feerate` (sat/vB)."""
    held = sum(coin.value_sat for coin in coins)
    payees = [any_lock(rng) for _ in range(max(1, min(count, held // _MIN_SPENT_SAT)))]
    data = [Output(0, _data(rng))] if rng.random() < _SHARE_WITH_DATA else []
    weight = expected_weight(coins, [*(Output(0, payee.script_pubkey) for payee in payees), *data])
    fee_sat = min(math.ceil(feerate * weight / 4), held // 2)
    least = min(_MIN_PAYMENT_SAT, (held - fee_sat) // len(payees))
    shares = [rng.expovariate(1) for _ in payees]
    per_share = (held - fee_sat - least * len(payees)) / sum(shares)
    payments = [
        Output(least + int(per_share * share), payee.script_pubkey, payee)
        for share, payee in zip(shares, payees, strict=True)
    ]
    sequence = rng.choices(_SEQUENCES, _SEQUENCE_WEIGHTS)[0]
    lock_time = height if rng.random() < _SHARE_WITH_LOCK_TIME else 0  # as wallets do against fee sniping
    return sign(
        coins,
        [*payments, *data],
        sequences=[sequence] * len(coins),
        version=rng.choice(_VERSIONS),
        lock_time=lock_time,
    )


def any_lock(rng: Random) -> Lock:
    """One of the ring's locks; the kinds as often as on the main chain, roughly."""
    return locks()[rng.choices(KINDS, _KIND_WEIGHTS)[0]][rng.randrange(KEYS)]


def _pick(market: Market, count: int) -> list[Coin]:
    """Take that many coins, each equally likely; more when they are worth little."""
    coins, picked = market.coins, list[Coin]()
    while len(picked) < count or sum(coin.value_sat for coin in picked) < _MIN_SPENT_SAT:
        if not coins:
            raise Defect(
                "The demonstration chain has no coin left to spend.",
                next_step="Choose more blocks for that many transactions, or another seed.",
                code="local/demo-coins",
            )
        place = market.rng.randrange(len(coins))
        coins[place], coins[-1] = coins[-1], coins[place]
        picked.append(coins.pop())
    return picked


def _data(rng: Random) -> bytes:
    """OP_RETURN and up to 75 bytes."""
    length = rng.randint(4, 75)
    return bytes([0x6A, length]) + rng.randbytes(length)
