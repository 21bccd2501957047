"""Amounts: from the decimal bitcoins of a node's JSON to whole satoshi, exactly."""

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator

SAT_PER_BTC = 100_000_000
MSAT = 1000
"""Millisatoshi in a satoshi."""

MAX_BTC = 21_000_000
DECIMALS = 8


def sat_from_btc(amount: object) -> int:
    """The satoshi in an amount of bitcoin that came as Decimal or int.

    Raises:
        ValueError: the amount is a float or a string, not finite, beyond 21 million, or has more than eight decimals.
    """
    if isinstance(amount, bool) or not isinstance(amount, (Decimal, int)):
        raise ValueError("an amount is Decimal or int")  # noqa: TRY004 - pydantic turns a ValueError into a refusal
    exact = Decimal(amount)
    if not exact.is_finite() or abs(exact) > MAX_BTC:
        raise ValueError("an amount is at most 21 million")
    if int(exact.as_tuple().exponent) < -DECIMALS:
        raise ValueError("an amount has at most eight decimals")
    return int(exact * SAT_PER_BTC)


def btc(amount_sat: int) -> str:
    """The node's notation of an amount: bitcoins with eight decimals, as text and therefore exact."""
    return f"{amount_sat // SAT_PER_BTC}.{amount_sat % SAT_PER_BTC:08d}"


SatFromBtc = Annotated[int, BeforeValidator(sat_from_btc)]
"""A field that holds satoshi and is read from decimal bitcoins."""
