"""What signers who sign together are told beside the PSBT that the node builds: bytes as BIP 174 has them."""

import base64
from typing import Any

import base58
import pytest

from isthmus.bitcoin.cosigners import for_signers
from isthmus.bitcoin.psbts import MAX_PSBT
from isthmus.failure import Invalid, Unavailable

XPUB = "tpubDCSYyor6BehdMVD2mcvVyGLcGyUxJASV2WH7MDxEULG5WD9iXx36nuABqiLDrM5tWBGUTqYb3Sx4kePh2Uk3zu9gPJsYru2AnfHjVYSocJG"
"""At depth 3."""

ORIGINS = (
    {"master_fingerprint": "397a4a50", "path": "m/48h/1h/7/0/5"},
    {"master_fingerprint": "c8e3b3d3", "path": "m/1"},
)
DESCRIPTOR = f"wsh(sortedmulti(2,[397a4a50/48h/1'/7]{XPUB}/0/*,[c8e3b3d3]{XPUB}/*))#checksum"
KEY = base58.b58decode_check(XPUB)
FIELD = b"\x4f\x01" + KEY + b"\x10" + bytes.fromhex("397a4a50 30000080 01000080 07000000")


class Node:
    """A node that knows one wallet's descriptors, and what every PSBT spends."""

    def __init__(self, descriptors: Any, *inputs: Any) -> None:
        self.replies = {"listdescriptors": {"descriptors": descriptors}, "decodepsbt": {"inputs": list(inputs)}}

    def call(self, method: str, *params: Any, deadline_s: float = 20.0, wallet: str = "") -> Any:
        return self.replies[method]


def psbt(fields: bytes = b"", *, size: int = 60) -> str:
    """One whose unsigned transaction has so many bytes, and after it these fields."""
    length = bytes([size]) if size < 0xFD else b"\xfd" + size.to_bytes(2, "little")
    return base64.b64encode(b"psbt\xff\x01\x00" + length + b"\x07" * size + fields + b"\x00" * 3).decode()


def told(descriptor: str = DESCRIPTOR, *inputs: Any, size: int = 60) -> str:
    node: Any = Node([{"desc": descriptor}], *(inputs or ({"bip32_derivs": ORIGINS},)))
    return for_signers(node, "w", psbt(size=size))


@pytest.mark.parametrize("size", [60, 0xFC, 0xFD, 0xFFFF])
def test_the_extended_key_of_each_who_signs_stands_after_the_transaction(size: int) -> None:
    assert told(size=size) == psbt(FIELD, size=size)


def test_keys_of_taproot_scripts_count_as_well() -> None:
    assert told(DESCRIPTOR, {}, {"taproot_bip32_derivs": ORIGINS}) == psbt(FIELD)


def test_a_key_is_told_once_however_many_inputs_and_descriptors_have_it() -> None:
    node: Any = Node(
        [{"desc": DESCRIPTOR}, {"desc": DESCRIPTOR.replace("/0/*", "/1/*")}], *[{"bip32_derivs": ORIGINS}] * 3
    )
    assert for_signers(node, "w", psbt()) == psbt(FIELD)


@pytest.mark.parametrize(
    ("descriptor", "inputs"),
    [
        (DESCRIPTOR, ({"bip32_derivs": ORIGINS[:1]}, {})),
        (DESCRIPTOR.replace("397a4a50", "397a4a51"), ()),
        (DESCRIPTOR.replace("48h", "49h"), ()),
        (DESCRIPTOR.replace("/7]", "]"), ()),
        (f"wsh(multi(1,{XPUB}/0/*,{XPUB}/1/*))", ()),
    ],
    ids=["one key", "another signer's", "another path", "a path that is not the key's", "no origin"],
)
def test_what_signers_do_not_need_or_would_take_for_an_attack_is_left_out(descriptor: str, inputs: Any) -> None:
    assert told(descriptor, *inputs) == psbt()


def test_a_psbt_that_nobody_could_send_back_is_not_given_away() -> None:
    node: Any = Node([])
    with pytest.raises(Invalid) as refused:
        for_signers(node, "w", "A" * (MAX_PSBT + 4))
    assert refused.value.code == "bitcoin/psbt-too-large"


@pytest.mark.parametrize("replies", [{"decodepsbt": []}, {"listdescriptors": None}, {"decodepsbt": {"inputs": [None]}}])
def test_an_answer_of_another_form_is_the_nodes(replies: Any) -> None:
    node: Any = Node([{"desc": DESCRIPTOR}], {"bip32_derivs": ORIGINS})
    node.replies |= replies
    with pytest.raises(Unavailable):
        for_signers(node, "w", psbt())
