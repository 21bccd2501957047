"""Addresses against the vectors of BIP 350 and known addresses of the chain, and against a real node's verdict."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.bitcoind import RegtestNode
from infra.local.demo_coins import locks
from isthmus.bitcoin.addresses import Decoded, decode

TESTS = ("test", "testnet4", "signet")
FUTURE = "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6"
VALID: dict[str, tuple[str, tuple[str, ...], str]] = {
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4": (
        "0014751e76e8199196d454941c45d1b3a323f1433bd6",
        ("main",),
        "p2wpkh",
    ),
    "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7": (
        "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
        TESTS,
        "p2wsh",
    ),
    "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y": (
        FUTURE,
        ("main",),
        "witness_unknown",
    ),
    "BC1SW50QGDZ25J": ("6002751e", ("main",), "witness_unknown"),
    "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs": ("5210751e76e8199196d454941c45d1b3a323", ("main",), "witness_unknown"),
    "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c": (
        "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
        TESTS,
        "p2tr",
    ),
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0": (
        "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        ("main",),
        "p2tr",
    ),
    "bc1pfeessrawgf": ("51024e73", ("main",), "anchor"),
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa": (
        "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac",
        ("main",),
        "p2pkh",
    ),
    "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy": ("a914b472a266d0bd89c13706a4132ccfb16f7c3b9fcb87", ("main",), "p2sh"),
    "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn": (
        "76a914243f1394f44554f4ce3fd68649c19adc483ce92488ac",
        (*TESTS, "regtest"),
        "p2pkh",
    ),
}
BIP_350 = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v"
INVALID = {
    "tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut": "unknown-prefix",
    BIP_350 + "qh2y7hd": "witness-version",
    "tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf": "witness-version",
    "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL": "witness-version",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh": "witness-version",
    "tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47": "witness-version",
    "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4": "characters",
    "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R": "witness-version",
    "bc1pw5dgrnzv": "length",
    BIP_350 + "8n0nx0muaewav253zgeav": "length",
    "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P": "length",
    "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq": "mixed-case",
    BIP_350 + "07qwwzcrf": "padding",
    "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j": "padding",
    "bc1gmk9yu": "length",
    BIP_350 + "qzk5jj1": "characters",
    BIP_350 + "qzk5jjq": "checksum",
    "bc1" + "q" * 100: "length",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb": "checksum",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7Divf": "length",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNO": "characters",
    "LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9": "unknown-prefix",
    "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9": "unknown-prefix",
    "": "length",
    "1": "length",
    "\N{LATIN SMALL LETTER E WITH ACUTE}": "characters",
}


@pytest.mark.parametrize("address", VALID)
def test_a_valid_address_has_its_script_its_type_and_its_networks(address: str) -> None:
    script, networks, script_type = VALID[address]
    decoded = decode(address)
    assert isinstance(decoded, Decoded)
    assert (decoded.script_pubkey.hex(), decoded.networks, decoded.script_type) == (script, networks, script_type)
    assert (decoded.witness_version is None) == (script_type in ("p2pkh", "p2sh"))


@pytest.mark.parametrize(("address", "reason"), INVALID.items())
def test_an_invalid_address_says_why_by_a_code(address: str, reason: str) -> None:
    assert decode(address) == reason


@given(st.text(max_size=128))
def test_any_text_is_an_address_or_has_a_reason(text: str) -> None:
    assert isinstance(decode(text), (Decoded, str))


@given(st.sampled_from(sorted(VALID)), st.integers(0, 200), st.sampled_from("0qpz1aZ9"))
def test_a_changed_character_is_noticed(address: str, place: int, other: str) -> None:
    place %= len(address)
    changed = address[:place] + other + address[place + 1 :]
    if changed.lower() != address.lower():
        assert not isinstance(decode(changed), Decoded)


@pytest.mark.node
def test_a_real_node_agrees_about_every_kind_of_address_and_thousands_of_damaged_ones(node: RegtestNode) -> None:
    scripts = [lock.script_pubkey.hex() for ring in locks().values() for lock in ring]
    whole = [node.rpc("decodescript", script)["address"] for script in scripts] + sorted(VALID) + sorted(INVALID)
    damaged = [_damage(random.Random(seed), whole[seed % len(whole)]) for seed in range(3_000)]
    asked = [*whole, *damaged]
    verdicts = node.batch([("validateaddress", [address]) for address in asked])
    for address, verdict in zip(asked, verdicts, strict=True):
        decoded = decode(address)
        ours = isinstance(decoded, Decoded) and "regtest" in decoded.networks
        assert verdict["isvalid"] == ours, address
        if isinstance(decoded, Decoded) and verdict["isvalid"]:
            assert verdict["scriptPubKey"] == decoded.script_pubkey.hex()
    assert sum(verdict["isvalid"] for verdict in verdicts) > len(scripts)


def _damage(rng: random.Random, address: str) -> str:
    """A slip of the kind people make: one character changed, dropped, doubled, swapped, or its case."""
    if not address:
        return "x"
    place = rng.randrange(len(address))
    before, one, after = address[:place], address[place], address[place + 1 :]
    slips: list[Callable[[], str]] = [
        lambda: before + rng.choice("023456789acdefghjklmnpqrstuvwxyz") + after,
        lambda: before + after,
        lambda: before + one + one + after,
        lambda: before + after[:1] + one + after[1:],
        lambda: before + one.swapcase() + after,
        address.upper,
    ]
    return rng.choice(slips)()
