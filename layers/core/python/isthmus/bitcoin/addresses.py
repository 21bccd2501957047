"""Addresses: which network one is for, what it pays to, and if it is none, why not.

Sources: base58check of the original client, BIP 173 (bech32), BIP 350 (bech32m), BIP 141 (witness programs).
"""

from dataclasses import dataclass
from typing import Literal

from isthmus.merkle import sha256d

Reason = Literal[
    "characters",
    "mixed-case",
    "unknown-prefix",
    "checksum",
    "length",
    "padding",
    "witness-version",
    "wrong-network",
    "refused-by-node",
]

TEST_NETWORKS = ("test", "testnet4", "signet")
PREFIXES = {"bc": ("main",), "tb": TEST_NETWORKS, "bcrt": ("regtest",)}
VERSIONS: dict[int, tuple[tuple[str, ...], str]] = {
    0x00: (("main",), "p2pkh"),
    0x05: (("main",), "p2sh"),
    0x6F: ((*TEST_NETWORKS, "regtest"), "p2pkh"),
    0xC4: ((*TEST_NETWORKS, "regtest"), "p2sh"),
}
MAX_BECH32 = 90

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CHECK, _BECH32M_CHECK = 1, 0x2BC830A3
_ANCHOR = bytes.fromhex("4e73")


@dataclass(frozen=True)
class Decoded:
    """A valid address: the networks that use its form, and the output script it stands for."""

    networks: tuple[str, ...]
    script_type: str
    script_pubkey: bytes
    witness_version: int | None = None


def decode(address: str) -> Decoded | Reason:
    """The address's parts, or why it is none on any network."""
    prefix = address.lower().rpartition("1")[0]
    if prefix in PREFIXES:
        return _segwit(address, prefix)
    if any(character not in _BASE58 for character in address):
        return "unknown-prefix" if _looks_segwit(address) else "characters"
    return _base58check(address)


def _looks_segwit(address: str) -> bool:
    data = address.lower().rpartition("1")[2]
    return len(data) > 6 and all(character in _BECH32 for character in data)  # a checksum alone is six


def _base58check(address: str) -> Decoded | Reason:
    number = 0
    for character in address:
        number = number * 58 + _BASE58.index(character)
    zeros = len(address) - len(address.lstrip("1"))
    raw = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    if len(raw) != 25:
        return "length"
    if sha256d(raw[:21])[:4] != raw[21:]:
        return "checksum"
    if raw[0] not in VERSIONS:
        return "unknown-prefix"
    (networks, kind), payload = VERSIONS[raw[0]], raw[1:21]
    p2pkh, p2sh = b"\x76\xa9\x14" + payload + b"\x88\xac", b"\xa9\x14" + payload + b"\x87"
    return Decoded(networks, kind, p2pkh if kind == "p2pkh" else p2sh)


def _segwit(address: str, prefix: str) -> Decoded | Reason:
    checked = _bech32(address, prefix)
    if not isinstance(checked, tuple):
        return checked
    check, values = checked
    version, program = values[0], _bytes_of(values[1:])
    if version > 16 or (check == _BECH32_CHECK) != (version == 0):  # BIP 350: bech32m from version 1 on
        return "witness-version"
    if program is None:
        return "padding"
    if not 2 <= len(program) <= 40 or (version == 0 and len(program) not in (20, 32)):
        return "length"
    script = bytes([0x50 + version if version else 0, len(program)]) + program
    return Decoded(PREFIXES[prefix], _witness_type(version, program), script, version)


def _bech32(address: str, prefix: str) -> tuple[int, list[int]] | Reason:
    """Which of the two checksums fits, and the groups of five bits before it."""
    if address not in (address.lower(), address.upper()):
        return "mixed-case"
    data = address.lower()[len(prefix) + 1 :]
    if any(character not in _BECH32 for character in data):
        return "characters"
    if len(address) > MAX_BECH32 or len(data) < 8:
        return "length"
    values = [_BECH32.index(character) for character in data]
    check = _polymod([*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix), *values])
    return (check, values[:-6]) if check in (_BECH32_CHECK, _BECH32M_CHECK) else "checksum"


def _witness_type(version: int, program: bytes) -> str:
    known = {(0, 20): "p2wpkh", (0, 32): "p2wsh", (1, 32): "p2tr"}
    if version == 1 and program == _ANCHOR:
        return "anchor"
    return known.get((version, len(program)), "witness_unknown")


def _bytes_of(values: list[int]) -> bytes | None:
    """Groups of five bits as bytes; the padding is less than a group and zero."""
    bits = len(values) * 5
    number = sum(value << (bits - 5 * (place + 1)) for place, value in enumerate(values))
    padding = bits % 8
    if padding >= 5 or number & ((1 << padding) - 1):
        return None
    return (number >> padding).to_bytes(bits // 8, "big")


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATOR):
            check ^= generator if top >> place & 1 else 0
    return check
