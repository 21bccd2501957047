"""Amounts: exact from bitcoin to satoshi, and nothing else."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.bitcoin.amounts import sat_from_btc

MAX_SAT = 21_000_000 * 100_000_000


@given(st.integers(-MAX_SAT, MAX_SAT))
def test_every_amount_that_a_node_can_print_is_read_exactly(sat: int) -> None:
    sign, whole, part = "-" if sat < 0 else "", *divmod(abs(sat), 100_000_000)
    assert sat_from_btc(Decimal(f"{sign}{whole}.{part:08}")) == sat


def test_a_whole_number_is_that_many_bitcoin() -> None:
    assert sat_from_btc(21_000_000) == MAX_SAT


@pytest.mark.parametrize(
    "amount",
    [
        0.1,
        "0.1",
        None,
        True,
        Decimal("0.000000001"),
        Decimal("1.000000000"),
        Decimal("1." + "0" * 40 + "1"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("1e999999"),
        Decimal("21000000.00000001"),
        Decimal("-21000000.00000001"),
    ],
)
def test_what_is_no_exact_amount_is_refused(amount: object) -> None:
    with pytest.raises(ValueError, match="amount"):
        sat_from_btc(amount)
