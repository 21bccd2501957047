"""In which packages miners take what waits, and what a child has to pay to bring its parent in."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from isthmus.bitcoin import codes
from isthmus.bitcoin.amounts import SAT_PER_BTC
from isthmus.bitcoin.packages import MAX_CLUSTER, Cluster, Entry, child_fee_sat, cluster, mined, mined_at, reached


def entries(**each: tuple[int, int, str]) -> dict[str, Entry]:
    """By a letter: satoshi, virtual bytes, and the letters of its parents."""
    return {name: Entry(fee, vsize, frozenset(parents)) for name, (fee, vsize, parents) in each.items()}


class Mempool:
    """A node that knows what waits, and how often it was asked."""

    def __init__(self, waiting: Cluster) -> None:
        self.waiting = waiting
        self.asked = 0

    def call(self, method: str, txid: str = "", **_: Any) -> Any:
        self.asked += 1
        assert method == "getmempoolentry"
        if txid not in self.waiting:
            raise codes.of_rpc(method, -5)
        one = self.waiting[txid]
        children = [name for name, other in self.waiting.items() if txid in other.parents]
        fees = {"base": Decimal(one.fee_sat) / SAT_PER_BTC}
        return {"fees": fees, "vsize": one.vsize, "depends": sorted(one.parents), "spentby": children}

    batch = raw_block = spent_outputs = call


def test_a_child_is_taken_with_its_parent_when_it_pays_for_both() -> None:
    found = entries(p=(100, 100, ""), c=(1_900, 100, "p"), x=(500, 100, ""))
    assert [(float(rate), sorted(taken)) for rate, taken in mined(found)] == [(10.0, ["c", "p"]), (5.0, ["x"])]


def test_a_parent_that_pays_well_is_taken_without_its_child() -> None:
    found = entries(p=(5_000, 100, ""), c=(100, 100, "p"))
    assert (mined_at(found, "p"), mined_at(found, "c")) == (50_000, 1_000)


@pytest.mark.parametrize(
    ("found", "fee_sat"),
    [
        (entries(p=(100, 100, "")), 20 * 200 - 100),
        (entries(p=(100, 100, "g"), g=(300, 100, "")), 20 * 300 - 400),
        (entries(p=(100, 100, "g"), g=(9_000, 100, "")), 20 * 200 - 100),
        (entries(p=(100, 100, "g"), g=(100, 100, ""), other=(5_000, 100, "g")), 20 * 200 - 100),
        (entries(p=(100, 100, "g"), g=(100, 100, ""), other=(500, 100, "g")), 20 * 300 - 200),
    ],
    ids=["alone", "with a poor parent", "with a rich one", "whose parent is paid for", "whose parent is not"],
)
def test_a_child_pays_for_all_that_miners_would_not_take_before(found: Cluster, fee_sat: int) -> None:
    assert child_fee_sat(found, "p", 100, 20_000) == fee_sat


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    found: dict[str, Entry] = {}
    for number in range(draw(st.integers(1, 8))):
        parents = draw(st.sets(st.sampled_from(sorted(found)), max_size=3)) if found else set()
        found[f"t{number}"] = Entry(draw(st.integers(0, 20_000)), draw(st.integers(60, 400)), frozenset(parents))
    return found


@given(clusters(), st.integers(0, 7), st.integers(60, 300), st.integers(1, 100_000))
def test_the_child_brings_its_parent_in_at_the_feerate_or_a_higher_one(
    found: Cluster, number: int, vsize: int, feerate: int
) -> None:
    parent = sorted(found)[number % len(found)]
    assume(mined_at(found, parent) < feerate)
    fee_sat = child_fee_sat(found, parent, vsize, feerate)
    after = {**found, "child": Entry(fee_sat, vsize, frozenset({parent}))}

    assert fee_sat * 1000 >= vsize * feerate
    assert mined_at(after, parent) >= feerate
    assert mined_at(after, "child") >= feerate


@given(clusters())
def test_everything_is_mined_once_and_after_its_parents(found: Cluster) -> None:
    before: set[str] = set()
    for _, taken in mined(found):
        assert not taken & before
        before |= taken
        assert all(found[txid].parents <= before for txid in taken)
    assert before == set(found)


def test_all_that_hangs_together_is_read_and_nothing_else() -> None:
    waiting = entries(p=(1, 100, ""), c=(1, 100, "p"), d=(1, 100, "pq"), q=(1, 100, ""), far=(1, 100, ""))
    assert sorted(cluster(Mempool(waiting), ["c", "mined"])) == ["c", "d", "p", "q"]


def test_reading_ends_when_it_is_too_much() -> None:
    waiting = {str(number): Entry(1, 100, frozenset({str(number - 1)})) for number in range(5 * MAX_CLUSTER)}
    node = Mempool(waiting)
    assert len(cluster(node, ["0"])) == MAX_CLUSTER + 1
    assert node.asked <= MAX_CLUSTER + 3


def test_what_is_replaced_pays_for_nothing_any_more() -> None:
    node = Mempool(entries(p=(100, 100, ""), old=(9_000, 100, "p"), below=(9_000, 100, "old")))
    assert reached(node, ["p:0"], 3_900, 100) == 39_000
    assert reached(node, ["p:0"], 3_900, 100, in_place_of="old") == 20_000
    assert reached(node, ["mined:0"], 3_900, 100) == 39_000
