"""Validation: each rule, broken alone, gives its own finding and verdict."""

from dataclasses import replace

import pytest

from isthmus.merkle import merkle_root, sha256d
from isthmus.pipeline.checks import MAX_FINDINGS, BlockFacts, Verdict, check, subsidy_sat, worst
from isthmus.pipeline.segments import Segment

REGTEST_BITS = 0x207FFFFF
TXIDS = [bytes([number]) * 32 for number in range(3)]


def mined(previous: bytes, time: int, txids: list[bytes], bits: int = REGTEST_BITS, *, valid: bool = True) -> bytes:
    """A header whose hash meets (or misses) its target; regtest's target lets every second nonce pass."""
    root = merkle_root([txid[::-1] for txid in txids])
    for nonce in range(1_000):
        numbers = time.to_bytes(4, "little") + bits.to_bytes(4, "little") + nonce.to_bytes(4, "little")
        header = bytes(4) + previous[::-1] + root + numbers
        if (sha256d(header)[-1] < 0x7F) == valid:
            return header
    raise AssertionError("no nonce found")


def fact(height: int, header: bytes) -> BlockFacts:
    return BlockFacts(
        height=height,
        block_hash=sha256d(header)[::-1],
        header=header,
        weight=4 * 81 + 1_200,
        coinbase_sat=subsidy_sat(height, "regtest") + 300,
        txids=TXIDS,
        fees_sat=300,
        lowest_fee_sat=0,
        highest_feerate_sat_per_kvb=5_000,
        tx_weight=1_200,
    )


def chain(length: int = 3, first: int = 10, previous: bytes = bytes(32)) -> list[BlockFacts]:
    blocks: list[BlockFacts] = []
    for height in range(first, first + length):
        blocks.append(fact(height, mined(previous, 1_000 + height, TXIDS)))
        previous = blocks[-1].block_hash
    return blocks


def found(blocks: list[BlockFacts]) -> list[tuple[int, str, Verdict]]:
    return [(f.height, f.check, f.verdict) for f in check(blocks, "regtest", segment_of(blocks))]


def segment_of(blocks: list[BlockFacts]) -> Segment:
    """The segment that these blocks are, when they are a chain from height 10."""
    return Segment(10, 9 + len(blocks), blocks[-1].block_hash.hex(), "00" * 32, 3 * len(blocks), 1)


def test_a_chain_that_keeps_all_rules_passes() -> None:
    assert found(chain(15)) == []
    assert worst([]) == "pass"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"txids": TXIDS[:2]}, ("merkle_root", "block")),
        ({"txids": [TXIDS[1], TXIDS[0], TXIDS[2]]}, ("merkle_root", "block")),
        ({"weight": 4 * 81 + 1_201}, ("weight", "block")),
        ({"weight": 4_000_001, "tx_weight": 4_000_001 - 4 * 81}, ("weight", "block")),
        ({"block_hash": bytes(32)}, ("header", "block")),
        ({"lowest_fee_sat": -1}, ("fee", "quarantine")),
        ({"coinbase_sat": 5_000_000_301}, ("coinbase", "quarantine")),
        ({"coinbase_sat": 5_000_000_299}, ("coinbase", "warn")),
        ({"fees_sat": 301}, ("coinbase", "warn")),
        ({"highest_feerate_sat_per_kvb": 100_000_001}, ("feerate", "warn")),
    ],
)
def test_one_broken_fact_is_one_finding(change: dict[str, object], expected: tuple[str, Verdict]) -> None:
    last = chain()[-1]

    assert [one[1:] for one in found([*chain()[:2], replace(last, **change)])] == [expected]  # type: ignore[arg-type]


def test_blocks_out_of_order_do_not_link() -> None:
    first, second, third = chain()

    kinds = {(check, verdict) for _, check, verdict in found([first, third, second])}

    assert {("height", "block"), ("previous_hash", "block")} <= kinds


def test_a_block_of_another_branch_is_seen() -> None:
    blocks = chain()
    stranger = fact(12, mined(b"\x01" * 32, 1_012, TXIDS))

    assert (12, "previous_hash", "block") in found([*blocks[:2], stranger])


def test_a_hash_above_its_target_is_no_work() -> None:
    weak = fact(10, mined(bytes(32), 1_010, TXIDS, valid=False))

    assert found([weak]) == [(10, "proof_of_work", "block")]


def test_time_must_pass_the_median_of_eleven_blocks() -> None:
    blocks = chain(11)
    late = fact(21, mined(blocks[-1].block_hash, 1_015, TXIDS))

    assert found([*blocks, late]) == [(21, "time", "block")]


def test_a_twin_of_the_last_transaction_is_seen() -> None:
    twin = replace(chain(1)[0], txids=[*TXIDS, TXIDS[2]])

    assert (10, "duplicate_txid", "block") in found([twin])


def test_findings_are_limited() -> None:
    broken = [replace(block, weight=1) for block in chain(MAX_FINDINGS + 5)]

    assert len(found(broken)) == MAX_FINDINGS


@pytest.mark.parametrize(
    ("height", "chain_name", "sat"),
    [
        (0, "main", 5_000_000_000),
        (209_999, "main", 5_000_000_000),
        (210_000, "main", 2_500_000_000),
        (840_000, "main", 312_500_000),
        (64 * 210_000, "main", 0),
        (149, "regtest", 5_000_000_000),
        (150, "regtest", 2_500_000_000),
        (300, "signet", 5_000_000_000),
    ],
)
def test_the_subsidy_halves(height: int, chain_name: str, sat: int) -> None:
    assert subsidy_sat(height, chain_name) == sat


def test_the_worst_finding_decides() -> None:
    broken = [replace(chain(1)[0], lowest_fee_sat=-1, highest_feerate_sat_per_kvb=10**9)]

    assert worst(check(broken, "regtest", segment_of(broken))) == "quarantine"


def test_a_grave_finding_is_not_crowded_out_by_slight_ones() -> None:
    *noted, last = (replace(block, fees_sat=400) for block in chain(MAX_FINDINGS + 1))

    blocks = [*noted, replace(last, txids=TXIDS[:2])]
    findings = check(blocks, "regtest", segment_of(blocks))

    assert worst(findings) == "block"
    assert len(findings) == MAX_FINDINGS


def test_rows_that_end_too_early_are_seen() -> None:
    blocks = chain()

    cut = check(blocks[:2], "regtest", segment_of(blocks))

    assert [(f.height, f.check, f.verdict) for f in cut] == [(12, "blocks", "block")]
