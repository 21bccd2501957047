"""What must hold for collected blocks before anybody may rely on them.

Three verdicts besides `pass`:

- `block`: the rows are not the chain's data (header, proof of work, order, merkle root or weight do not fit). Never
stored.
- `quarantine`: the chain's data is right, but the amounts are not: what a block spends is not committed to by its
header,
  so a node with damaged undo data shows here. Kept aside, not published.
- `warn`: unusual and possible, such as a coinbase that claims less than it may. Published with the note.

Sources: the consensus rules of Bitcoin (block header, merkle tree, subsidy, BIP 141 weight, BIP 113 time).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from isthmus.merkle import merkle_root, sha256d
from isthmus.pipeline.blocks import HEADER_BYTES
from isthmus.pipeline.segments import Segment

Verdict = Literal["pass", "warn", "quarantine", "block"]
_SEVERITY: tuple[Verdict, ...] = ("pass", "warn", "quarantine", "block")

MAX_BLOCK_WEIGHT = 4_000_000
MAX_MONEY_SAT = 21_000_000 * 100_000_000
SANE_FEERATE_SAT_PER_KVB = 100_000_000
HALVING_INTERVAL = {"regtest": 150}
DEFAULT_HALVING_INTERVAL = 210_000
MEDIAN_TIME_BLOCKS = 11
MAX_FINDINGS = 20


@dataclass(frozen=True)
class Finding:
    """One check that did not pass."""

    height: int
    check: str
    verdict: Verdict
    detail: str


@dataclass(frozen=True)
class BlockFacts:
    """What the checks read of one stored block; hashes as explorers show them, `txids` in block order."""

    height: int
    block_hash: bytes
    header: bytes
    weight: int
    coinbase_sat: int
    txids: Sequence[bytes]
    fees_sat: int
    lowest_fee_sat: int
    highest_feerate_sat_per_kvb: int
    tx_weight: int


def subsidy_sat(height: int, chain: str) -> int:
    """What a coinbase may create besides the fees."""
    halvings = height // HALVING_INTERVAL.get(chain, DEFAULT_HALVING_INTERVAL)
    return 50 * 100_000_000 >> halvings if halvings < 64 else 0


def worst(findings: Sequence[Finding]) -> Verdict:
    """The verdict on a batch."""
    return max((finding.verdict for finding in findings), key=_SEVERITY.index, default="pass")


def check(blocks: Sequence[BlockFacts], chain: str, segment: Segment) -> list[Finding]:
    """The findings in the blocks of a segment, the worst first, at most MAX_FINDINGS."""
    found: list[Finding] = []
    times: list[int] = []
    previous_hash = bytes.fromhex(segment.previous_hash)
    for expected, block in enumerate(blocks, segment.first):
        found += _linked(block, expected, previous_hash)
        found += _committed(block)
        found += _timed(block, times)
        found += _paid(block, chain)
        previous_hash = block.block_hash
        times.append(int.from_bytes(block.header[68:72], "little"))
    if len(blocks) != segment.last - segment.first + 1 or previous_hash.hex() != segment.block_hash:
        found.append(Finding(segment.last, "blocks", "block", "the rows do not end with the segment's last block"))
    return sorted(found, key=lambda finding: _SEVERITY.index(finding.verdict), reverse=True)[:MAX_FINDINGS]


def _linked(block: BlockFacts, height: int, previous_hash: bytes) -> Iterator[Finding]:
    if block.height != height:
        yield Finding(block.height, "height", "block", f"expected height {height}")
    if len(block.header) != HEADER_BYTES or sha256d(block.header)[::-1] != block.block_hash:
        yield Finding(block.height, "header", "block", "the header does not hash to the block's hash")
    if block.header[4:36][::-1] != previous_hash:
        yield Finding(block.height, "previous_hash", "block", "the header names another block before it")
    if int.from_bytes(block.block_hash, "big") > _target(block.header):
        yield Finding(block.height, "proof_of_work", "block", "the hash is above the header's own target")


def _target(header: bytes) -> int:
    """The number that the hash must not exceed, from the compact form in the header."""
    compact = int.from_bytes(header[72:76], "little")
    exponent, mantissa = compact >> 24, compact & 0x7FFFFF
    return mantissa << 8 * (exponent - 3) if exponent >= 3 else mantissa >> 8 * (3 - exponent)


def _committed(block: BlockFacts) -> Iterator[Finding]:
    if len(set(block.txids)) != len(block.txids):
        yield Finding(block.height, "duplicate_txid", "block", "a transaction occurs twice")
    elif merkle_root([txid[::-1] for txid in block.txids]) != block.header[36:68]:
        yield Finding(block.height, "merkle_root", "block", "the transactions do not hash to the header's merkle root")
    around = HEADER_BYTES + _compact_size_bytes(len(block.txids))
    if block.weight > MAX_BLOCK_WEIGHT or block.weight != block.tx_weight + 4 * around:
        yield Finding(block.height, "weight", "block", f"the weight {block.weight} is not that of its transactions")


def _compact_size_bytes(number: int) -> int:
    return 1 if number < 0xFD else 3 if number <= 0xFFFF else 5


def _timed(block: BlockFacts, times: Sequence[int]) -> Iterator[Finding]:
    before = times[-MEDIAN_TIME_BLOCKS:]
    if len(before) == MEDIAN_TIME_BLOCKS and int.from_bytes(block.header[68:72], "little") <= median(before):
        yield Finding(block.height, "time", "block", "the time is not after the median of the eleven blocks before")


def _paid(block: BlockFacts, chain: str) -> Iterator[Finding]:
    unclaimed = subsidy_sat(block.height, chain) + block.fees_sat - block.coinbase_sat
    if block.lowest_fee_sat < 0:
        yield Finding(block.height, "fee", "quarantine", "a transaction makes more than it spends")
    elif block.fees_sat > MAX_MONEY_SAT:
        yield Finding(block.height, "fee", "quarantine", "the fees are more than all money there can be")
    if unclaimed < 0:
        yield Finding(block.height, "coinbase", "quarantine", f"the coinbase claims {-unclaimed} sat more than it may")
    elif unclaimed > 0:
        yield Finding(block.height, "coinbase", "warn", f"{unclaimed} sat of subsidy and fees are not claimed")
    if block.highest_feerate_sat_per_kvb > SANE_FEERATE_SAT_PER_KVB:
        rate = block.highest_feerate_sat_per_kvb
        yield Finding(block.height, "feerate", "warn", f"a transaction pays {rate} sat per 1,000 vbytes")


FACTS_SQL = """
WITH t AS (
  SELECT height, list(txid ORDER BY tx_index) AS txids, sum(fee_sat) AS fees_sat, min(fee_sat) AS lowest_fee_sat,
         max(CASE WHEN tx_index > 0 THEN fee_sat::HUGEINT * 4000 // weight ELSE 0 END) AS highest_feerate_sat_per_kvb,
         sum(weight)::BIGINT AS tx_weight
  FROM transactions GROUP BY height)
SELECT height, block_hash, header, weight, coinbase_sat, txids, fees_sat, lowest_fee_sat,
highest_feerate_sat_per_kvb, tx_weight FROM blocks JOIN t USING (height) ORDER BY height
"""


def facts(rows: Sequence[dict[str, Any]]) -> list[BlockFacts]:
    """The rows of FACTS_SQL as values."""
    return [BlockFacts(**row) for row in rows]
