"""Signed messages."""

import pytest

from functions.bitcoin.verify_message import verify_message
from isthmus import wiring
from isthmus.bitcoin import codes
from isthmus.ports import BitcoinNode
from tests.faults.calls import ADDRESS, small_world
from tests.operations.bitcoin.fakes import FakeNode

SIGNATURE = "A" * 87 + "="
KEY_ADDRESS = "mxtAHZSvfYXusCNhQhkksdc9CTuoAJL1gB"


def asked(node: FakeNode, **other: object) -> tuple[int, dict[str, object]]:
    wanted = {"address": KEY_ADDRESS, "message": "hello", "signature": SIGNATURE} | other
    with small_world() as here, wiring.replaced({BitcoinNode: node}):
        return here.call(verify_message, wanted)[:2]


def node(verdict: object = True, chain: str = "regtest") -> FakeNode:  # noqa: FBT002
    return FakeNode(getblockchaininfo={"chain": chain}, verifymessage=verdict)


@pytest.mark.parametrize("verdict", [True, False])
def test_the_nodes_verdict_is_the_answer(verdict: bool) -> None:  # noqa: FBT001
    asking = node(verdict)

    assert asked(asking) == (200, {"valid": verdict})
    assert asking.asked[-1] == ("verifymessage", KEY_ADDRESS, SIGNATURE, "hello")


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"address": ADDRESS}, "/address"),
        ({"address": "mxtAHZSvfYXusCNhQhkksdc9CTuoAJL1gC"}, "/address"),
        ({"address": "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"}, "/address"),
        ({"signature": "short"}, "/signature"),
        ({"signature": "?" * 88}, "/signature"),
        ({"message": "x" * 4_001}, "/message"),
    ],
)
def test_what_cannot_be_verified_says_why_and_the_node_is_not_asked(wrong: dict[str, object], pointer: str) -> None:
    asking = node()
    status, body = asked(asking, **wrong)

    assert status == 422
    assert str(body["errors"]).startswith(f"[{{'pointer': '{pointer}'")
    assert "verifymessage" not in str(asking.asked)


def test_an_answer_that_is_no_verdict_is_not_believed() -> None:
    assert asked(node("yes"))[1]["kind"] == "unavailable"


def test_a_signature_that_the_node_cannot_read_is_invalid() -> None:
    assert asked(node(codes.of_rpc("verifymessage", -3)))[1]["kind"] == "invalid"
