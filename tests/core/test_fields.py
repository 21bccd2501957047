"""Amounts in millisatoshi, in and out."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from isthmus.fields import MAX_MSAT, Msat, Request


class Pay(Request):
    amount_msat: Msat


@settings(deadline=None)
@given(st.integers(0, MAX_MSAT))
def test_an_amount_survives_json_as_a_string_and_is_an_integer_here(amount_msat: int) -> None:
    for told in (amount_msat, str(amount_msat)):
        read = Pay.model_validate({"amount_msat": told}, strict=True)
        assert read.amount_msat == amount_msat
        assert read.model_dump_json() == f'{{"amount_msat":"{amount_msat}"}}'
        assert Pay.model_validate_strings({"amount_msat": str(told)}) == read


@pytest.mark.parametrize(
    "wrong",
    [
        1.0,
        0.1,
        float("nan"),
        True,
        None,
        -1,
        MAX_MSAT + 1,
        "",
        "-1",
        "+1",
        "01",
        "1.0",
        "1e3",
        " 1",
        "1\n",
        "\u0661",
        [1],
    ],
)
def test_anything_else_is_no_amount(wrong: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        Pay.model_validate({"amount_msat": wrong}, strict=True)
    assert "an integer from 0" in raised.value.errors()[0]["msg"]
