"""A lively regtest chain, the same for the same seed: mixed scripts, fees with a market, full, light and empty blocks.

Transactions arrive as time passes; a block takes the best of those that wait, up to a limit near the mean, so that long
intervals build a backlog and cheap transactions wait. All reach the node's mempool before they are mined, so that its
fee estimator learns. Blocks are put together here and submitted, which fixes every byte: the same arguments give the
same block hashes on any version of any node.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from random import Random
from typing import Any

from infra.local.bitcoind import RegtestNode
from infra.local.demo_block import assemble
from infra.local.demo_coins import KEYS, Coin, Lock, Transaction, locks
from infra.local.demo_market import Market, any_lock, arrive, pay, take, wait
from isthmus.failure import Defect, Invalid, Precondition

# When the last block was found, unless told otherwise: 2025-06-15 15:06:40 UTC.
END_S = 1_750_000_000

_INTERVAL_S = 600
_MATURITY = 100  # bitcoin/src/consensus/consensus.h: COINBASE_MATURITY
_FAN_OUT = 20
_FUNDING_PER_BLOCK = 1_000
_FUNDING_FEERATE = 2.0
_LEFT_WAITING = 300
_SPARE_COINS = 2 * _LEFT_WAITING
_MANY_BLOCKS = 30
_MAX_PACE = 3_000
_FULL = 3_700  # transactions of the mean weight
_ROOM = (0.8, 1.0, 1.2, 1.2, 1.3, 1.3, 1.6)  # how much a block may hold, in parts of the mean


@dataclass(frozen=True)
class BlockFacts:
    """What one block holds: `transactions` and `fees_sat` leave the coinbase out; weights in weight units."""

    height: int
    block_hash: str
    time_s: int
    transactions: int
    fees_sat: int
    weight: int


@dataclass(frozen=True)
class ChainFacts:
    """What was built: every block above the genesis, and how many transactions still wait in the mempool."""

    seed: int
    blocks: tuple[BlockFacts, ...]
    waiting: int

    @property
    def tip(self) -> str:
        """The hash of the last block."""
        return self.blocks[-1].block_hash

    @property
    def height(self) -> int:
        """The height of the last block."""
        return self.blocks[-1].height

    @property
    def transactions(self) -> int:
        """Mined transactions without the coinbases."""
        return sum(block.transactions for block in self.blocks)


def build_chain(
    node: RegtestNode,
    *,
    blocks: int = 300,
    transactions: int = 20_000,
    seed: int = 1,
    end_s: int = END_S,
    say: Callable[[str], None] = lambda _: None,
) -> ChainFacts:
    """Build the chain on an empty node, and leave some hundred transactions in its mempool.

    Before the lively blocks come somewhat more than a hundred without transactions, until the first coins are mature,
    and a few that fan those out. Benchmarks use 300 blocks with 60,000 transactions (light) and 20 with 60,000 (heavy).

    Args:
        node: its chain must have only the genesis block.
        blocks: how many lively blocks, at least one; of thirty or more, two are empty.
        transactions: how many come, coinbases and what fans out not counted; at most 3,000 per block. What the last
            block cannot hold, which is rare, waits on in the mempool.
        seed: another seed gives another chain.
        end_s: the time of the last block, seconds since the epoch; the first is about ten minutes per block earlier.
        say: is told how far it is.

    Raises:
        Invalid: more transactions than blocks can hold, or no block (`local/chain-shape`).
        Precondition: the node has a chain already (`local/chain-exists`).
    """
    if blocks < 1 or not 0 <= transactions <= _MAX_PACE * blocks:
        raise Invalid(
            f"A demonstration chain has at least one block, and at most {_MAX_PACE:,} transactions per block.",
            next_step="Choose more blocks or fewer transactions.",
            code="local/chain-shape",
        )
    if node.rpc("getblockcount") != 0:
        raise Precondition(
            "The node has a chain already, and the demonstration chain starts from the genesis block.",
            next_step="Use an empty folder for the node, or extend the chain it has.",
            code="local/chain-exists",
        )
    plan = _plan(Random(f"plan {seed}"), blocks, transactions)  # noqa: S311 - the same each time, on purpose
    started_s = end_s - sum(plan.intervals_s) - _INTERVAL_S * plan.prologue
    genesis = bytes.fromhex(node.rpc("getblockhash", 0))[::-1]
    chain = _Chain(node, Market(Random(f"market {seed}")), genesis, started_s)  # noqa: S311
    began = time.monotonic()
    _mine_prologue(chain, plan)
    pace = transactions / blocks
    steps = zip(plan.intervals_s, plan.arrivals, plan.limits, strict=True)
    for number, (interval_s, arrivals, limit) in enumerate(steps, start=1):
        chain.call("setmocktime", chain.time_s + interval_s // 2)
        _send(chain, arrive(chain.market, arrivals, pace=pace, height=chain.height))
        _mine(chain, interval_s, limit)
        chain.market.coins.append(chain.coinbases.popleft())
        if number % max(1, blocks // 10) == 0:
            say(f"{number} of {blocks} blocks, {time.monotonic() - began:.0f} s")
    chain.call("setmocktime", 0)
    _send(chain, arrive(chain.market, _LEFT_WAITING, pace=pace, height=chain.height))
    _flush(chain)
    return ChainFacts(seed, tuple(chain.facts), chain.market.backlog)


def extend(node: RegtestNode, *, transactions: int = 100) -> str:
    """Mine one more block from what waits, and let new transactions arrive; the hash of that block.

    Works on every chain of `build_chain`, also after a restart: the coins are looked up in the node. The block gets the
    present time.
    """
    rng = Random(node.rpc("getbestblockhash"))  # noqa: S311 - the same block gets the same successors
    if node.rpc("getmempoolinfo")["size"] == 0:
        _send_found(node, rng, transactions)
    block_hash = node.mine(script_pubkey=any_lock(rng).script_pubkey.hex())[0]
    _send_found(node, rng, transactions)
    return block_hash


@dataclass(frozen=True)
class _Plan:
    """The numbers of a chain before anything is made: when blocks come, what arrives between, what each may hold."""

    intervals_s: list[int]
    arrivals: list[int]
    limits: list[int]
    coinbases: int

    @property
    def prologue(self) -> int:
        """Blocks before the first lively one."""
        return _MATURITY + self.coinbases + 1 + math.ceil(self.coinbases * _FAN_OUT / _FUNDING_PER_BLOCK)


def _plan(rng: Random, blocks: int, transactions: int) -> _Plan:
    """Exponential intervals, arrivals in proportion, and block limits that differ around a fifth above the mean."""
    drawn = [1 + int(rng.expovariate(1 / _INTERVAL_S)) for _ in range(blocks)]
    # Begin behind the lowest point of the walk around the mean: then hardly a backlog is left for the last block.
    mean = sum(drawn) / blocks
    walk = list(accumulate(interval - mean for interval in drawn))
    begin = walk.index(min(walk)) + 1
    intervals_s = drawn[begin:] + drawn[:begin]
    edges = [transactions * moment // sum(drawn) for moment in accumulate(intervals_s, initial=0)]
    arrivals = [after - before for before, after in pairwise(edges)]
    limits = [min(_FULL, math.ceil(rng.choice(_ROOM) * transactions / blocks)) for _ in range(blocks)]
    if blocks >= _MANY_BLOCKS:
        limits[blocks // 3] = limits[2 * blocks // 3] = 0
    limits[-1] = _FULL
    return _Plan(intervals_s, arrivals, limits, _coinbases_needed(arrivals, limits))


def _coinbases_needed(arrivals: Sequence[int], limits: Sequence[int]) -> int:
    """How many first coinbases to fan out so that there is always a coin: about 1.6 are spent and 3 made each time."""
    held = lowest = 0.0
    waiting = 0
    for arriving, limit in zip(arrivals, limits, strict=True):
        held -= 1.8 * arriving
        lowest = min(lowest, held)
        mined = min(waiting + arriving, limit)
        waiting += arriving - mined
        held += 2.5 * mined
    return math.ceil((_SPARE_COINS - lowest) / _FAN_OUT**2)


@dataclass
class _Chain:
    """The state of a build; `calls` are made together at the next flush."""

    node: RegtestNode
    market: Market
    tip: bytes
    time_s: int
    height: int = 0
    coinbases: deque[Coin] = field(default_factory=deque)
    facts: list[BlockFacts] = field(default_factory=list)
    calls: list[tuple[str, list[Any]]] = field(default_factory=list)

    def call(self, method: str, *params: Any) -> None:
        self.calls.append((method, list(params)))


def _mine_prologue(chain: _Chain, plan: _Plan) -> None:
    """Blocks until the first coinbases are mature, then those fanned out in two steps, 1 to 20 and again 1 to 20."""
    for _ in range(_MATURITY + plan.coinbases):
        _mine(chain, _INTERVAL_S, 0)
    market = chain.market
    market.coins = [chain.coinbases.popleft() for _ in range(plan.coinbases)]
    for _ in range(2):
        parents, market.coins = market.coins, []
        for begin in range(0, len(parents), _FUNDING_PER_BLOCK):
            for coin in parents[begin : begin + _FUNDING_PER_BLOCK]:
                funding = pay(market.rng, [coin], _FAN_OUT, feerate=_FUNDING_FEERATE, height=chain.height)
                _send(chain, wait(market, (funding,), funding.coins()))
            _mine(chain, _INTERVAL_S, _FUNDING_PER_BLOCK)


def _mine(chain: _Chain, interval_s: int, limit: int) -> None:
    """Submit a block with the best of what waits, at most `limit` transactions."""
    included = take(chain.market, limit)
    chain.height += 1
    chain.time_s += interval_s
    block = assemble(chain.tip, chain.height, chain.time_s, any_lock(chain.market.rng), included)
    chain.tip = block.block_hash
    chain.coinbases.append(block.coinbase.coins()[0])
    chain.call("setmocktime", chain.time_s)
    chain.call("submitblock", block.raw.hex())
    _flush(chain)
    fees_sat = sum(transaction.fee_sat for transaction in included)
    block_hash = block.block_hash[::-1].hex()
    chain.facts.append(BlockFacts(chain.height, block_hash, chain.time_s, len(included), fees_sat, block.weight))


def _send(chain: _Chain, transactions: Sequence[Transaction]) -> None:
    for transaction in transactions:
        chain.call("sendrawtransaction", transaction.raw.hex(), 0)


def _flush(chain: _Chain) -> None:
    answers = chain.node.batch(chain.calls)
    submitted = (answer for (method, _), answer in zip(chain.calls, answers, strict=True) if method == "submitblock")
    if any(answer is not None for answer in submitted):
        raise Defect(
            "The node refused a block of the demonstration chain.",
            next_step=f"Its reason is in {chain.node.datadir / 'regtest/debug.log'}.",
            code="local/demo-block",
        )
    chain.calls.clear()


def _send_found(node: RegtestNode, rng: Random, wanted: int) -> None:
    """Send that many transactions that spend coins found in the node, fewer where it has fewer coins."""
    market = Market(rng, _find_coins(node, rng, 3 * wanted))
    count = min(wanted, len(market.coins) // 3)
    arrived = arrive(market, count, pace=wanted, height=node.rpc("getblockcount"))
    node.batch([("sendrawtransaction", [transaction.raw.hex(), 0]) for transaction in arrived])


def _find_coins(node: RegtestNode, rng: Random, wanted: int) -> list[Coin]:
    """Mature coins of the ring that no waiting transaction spends, at least as many as wanted if there are."""
    found: list[Coin] = []
    for place in rng.sample(range(KEYS), KEYS):
        found += _coins_of(node, {of_kind[place].script_pubkey.hex(): of_kind[place] for of_kind in locks().values()})
        if len(found) >= wanted:
            break
    return sorted(found, key=lambda coin: (coin.txid, coin.position))


def _coins_of(node: RegtestNode, ring: dict[str, Lock]) -> list[Coin]:
    """Mature and unspent coins of these scripts."""
    height = node.rpc("getblockcount")
    unspents = node.rpc("scantxoutset", "start", [f"raw({script})" for script in ring])["unspents"]
    mature = [coin for coin in unspents if height - coin["height"] >= _MATURITY or not coin.get("coinbase", True)]
    outpoints = [{"txid": coin["txid"], "vout": coin["vout"]} for coin in mature]
    spending = node.rpc("gettxspendingprevout", outpoints) if outpoints else []
    return [
        Coin(bytes.fromhex(coin["txid"])[::-1], coin["vout"], int(coin["amount"] * 10**8), ring[coin["scriptPubKey"]])
        for coin, spent in zip(mature, spending, strict=True)
        if "spendingtxid" not in spent
    ]
