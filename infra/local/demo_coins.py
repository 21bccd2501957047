"""Coins of the demonstration chain: a ring of known keys, five kinds of locks, and transactions signed in microseconds.

The keys are 1, 2, 3 ... and every signature uses the same nonce, so whoever reads this can spend everything: right for
a regtest chain, ruinous anywhere else. It is what makes signing cheap (one modular multiplication) and a chain the
same, byte for byte, for the same seed. The node verifies every signature as it would any other.

Hashes are in internal byte order; transactions are serialized as in the Bitcoin protocol (BIP 141, BIP 144).
"""

import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from infra.local.ripemd160 import ripemd160
from isthmus.merkle import sha256d

Kind = Literal["p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr"]
KINDS: tuple[Kind, ...] = ("p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr")
KEYS = 32

# secp256k1 (SEC 2, version 2, section 2.4.1): the field, the order of the group, its generator.
_FIELD = 2**256 - 2**32 - 977
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_GENERATOR = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)

_SIGHASH_ALL = 1
# Weight units of one input with its signatures, and of what every transaction has.
_INPUT_WEIGHT: dict[Kind, int] = {"p2pkh": 589, "p2sh": 363, "p2wpkh": 271, "p2wsh": 382, "p2tr": 230}
_FIXED_WEIGHT = 42


@dataclass(frozen=True, slots=True)
class Lock:
    """One scriptPubKey and what opens it: the secret keys, and the script that is signed for."""

    kind: Kind
    script_pubkey: bytes
    secrets: tuple[int, ...]
    script_code: bytes


@dataclass(frozen=True, slots=True)
class Coin:
    """One unspent output."""

    txid: bytes
    position: int
    value_sat: int
    lock: Lock


@dataclass(frozen=True, slots=True)
class Output:
    """What a transaction pays: `lock` is None for data that nobody can spend."""

    value_sat: int
    script_pubkey: bytes
    lock: Lock | None = None

    def serialized(self) -> bytes:
        """As it stands in a transaction."""
        return struct.pack("<q", self.value_sat) + size(len(self.script_pubkey)) + self.script_pubkey


@dataclass(frozen=True, slots=True)
class Transaction:
    """A signed transaction; the weight is in weight units (BIP 141)."""

    raw: bytes
    txid: bytes
    wtxid: bytes
    weight: int
    fee_sat: int
    outputs: tuple[Output, ...]

    def coins(self) -> list[Coin]:
        """What it makes and our keys can spend."""
        return [
            Coin(self.txid, position, output.value_sat, output.lock)
            for position, output in enumerate(self.outputs)
            if output.lock is not None
        ]


@functools.cache
def locks() -> dict[Kind, tuple[Lock, ...]]:
    """Every lock of the ring, by kind; the same in every run."""
    ring: dict[Kind, list[Lock]] = {kind: [] for kind in KINDS}
    for secret in range(1, KEYS + 1):
        key = _public_key(secret)
        pay_to_hash = _pay_to_pubkey_hash(key)
        witness_hash = b"\x00\x14" + _hash160(key)
        both = b"\x52\x21" + key + b"\x21" + _public_key(secret + 1) + b"\x52\xae"  # 2-of-2 OP_CHECKMULTISIG
        nested = b"\xa9\x14" + _hash160(witness_hash) + b"\x87"
        ring["p2pkh"].append(Lock("p2pkh", pay_to_hash, (secret,), pay_to_hash))
        ring["p2sh"].append(Lock("p2sh", nested, (secret,), pay_to_hash))
        ring["p2wpkh"].append(Lock("p2wpkh", witness_hash, (secret,), pay_to_hash))
        ring["p2wsh"].append(Lock("p2wsh", b"\x00\x20" + sha256(both).digest(), (secret, secret + 1), both))
        # The output key is a plain public key without a tweak: consensus allows it (BIP 341); no script hides in it.
        ring["p2tr"].append(Lock("p2tr", b"\x51\x20" + key[1:], (secret,), b""))
    return {kind: tuple(of_kind) for kind, of_kind in ring.items()}


def size(value: int) -> bytes:
    """CompactSize: how the protocol writes lengths and counts."""
    if value < 0xFD:
        return bytes([value])
    return b"\xfd" + struct.pack("<H", value) if value <= 0xFFFF else b"\xfe" + struct.pack("<I", value)


def expected_weight(coins: Sequence[Coin], outputs: Sequence[Output]) -> int:
    """The weight the signed transaction will have, to one unit per signature."""
    paid = sum(4 * (9 + len(output.script_pubkey)) for output in outputs)
    return _FIXED_WEIGHT + sum(_INPUT_WEIGHT[coin.lock.kind] for coin in coins) + paid


def sign(
    coins: Sequence[Coin], outputs: Sequence[Output], *, sequences: Sequence[int], version: int = 2, lock_time: int = 0
) -> Transaction:
    """Spend the coins with valid signatures; the difference between what goes in and out is the fee."""
    unsigned = _Unsigned(coins, outputs, sequences, version, lock_time)
    script_sigs, witnesses = zip(*(_open(unsigned, place) for place in range(len(coins))), strict=True)
    head = struct.pack("<i", version)
    tail = struct.pack("<I", lock_time)
    spent = size(len(coins)) + b"".join(
        outpoint + size(len(script)) + script + struct.pack("<I", sequence)
        for outpoint, script, sequence in zip(unsigned.outpoints, script_sigs, sequences, strict=True)
    )
    body = spent + size(len(outputs)) + unsigned.paid
    stripped = head + body + tail
    raw = stripped
    if any(witnesses):
        raw = head + b"\x00\x01" + body + b"".join(map(_witness, witnesses)) + tail
    fee_sat = sum(coin.value_sat for coin in coins) - sum(output.value_sat for output in outputs)
    weight = 3 * len(stripped) + len(raw)
    return Transaction(raw, sha256d(stripped), sha256d(raw), weight, fee_sat, tuple(outputs))


class _Unsigned:
    """The parts of a transaction that its signatures commit to, each hashed once."""

    def __init__(
        self, coins: Sequence[Coin], outputs: Sequence[Output], sequences: Sequence[int], version: int, lock_time: int
    ) -> None:
        self.coins = coins
        self.outputs = outputs
        self.sequences = sequences
        self.version = struct.pack("<i", version)
        self.lock_time = struct.pack("<I", lock_time)
        self.outpoints = [coin.txid + struct.pack("<I", coin.position) for coin in coins]
        self.paid = b"".join(output.serialized() for output in outputs)
        self.sha_outpoints = sha256(b"".join(self.outpoints)).digest()
        self.sha_sequences = sha256(struct.pack(f"<{len(sequences)}I", *sequences)).digest()
        self.sha_outputs = sha256(self.paid).digest()

    def legacy_digest(self, place: int) -> bytes:
        """What a P2PKH signature commits to: the transaction with only this input's script."""
        code = self.coins[place].lock.script_code
        spent = b"".join(
            outpoint + (size(len(code)) + code if here == place else b"\x00") + struct.pack("<I", self.sequences[here])
            for here, outpoint in enumerate(self.outpoints)
        )
        counted = size(len(self.coins)) + spent + size(len(self.outputs)) + self.paid
        return sha256d(self.version + counted + self.lock_time + struct.pack("<I", _SIGHASH_ALL))

    def segwit_digest(self, place: int) -> bytes:
        """BIP 143."""
        coin = self.coins[place]
        return sha256d(
            self.version
            + sha256(self.sha_outpoints).digest()
            + sha256(self.sha_sequences).digest()
            + self.outpoints[place]
            + size(len(coin.lock.script_code))
            + coin.lock.script_code
            + struct.pack("<qI", coin.value_sat, self.sequences[place])
            + sha256(self.sha_outputs).digest()
            + self.lock_time
            + struct.pack("<I", _SIGHASH_ALL)
        )

    def taproot_digest(self, place: int) -> bytes:
        """BIP 341, key path, SIGHASH_DEFAULT, no annex."""
        values = struct.pack(f"<{len(self.coins)}q", *(coin.value_sat for coin in self.coins))
        scripts = b"".join(size(len(coin.lock.script_pubkey)) + coin.lock.script_pubkey for coin in self.coins)
        return _tagged(
            "TapSighash",
            b"\x00\x00"
            + self.version
            + self.lock_time
            + self.sha_outpoints
            + sha256(values).digest()
            + sha256(scripts).digest()
            + self.sha_sequences
            + self.sha_outputs
            + b"\x00"
            + struct.pack("<I", place),
        )


def _open(unsigned: _Unsigned, place: int) -> tuple[bytes, list[bytes]]:
    """The scriptSig and the witness that spend one input."""
    lock = unsigned.coins[place].lock
    if lock.kind == "p2pkh":
        signature = _ecdsa(unsigned.legacy_digest(place), lock.secrets[0])
        key = _public_key(lock.secrets[0])
        return size(len(signature)) + signature + size(len(key)) + key, []
    if lock.kind == "p2tr":
        return b"", [_schnorr(unsigned.taproot_digest(place), lock.secrets[0])]
    digest = unsigned.segwit_digest(place)
    signatures = [_ecdsa(digest, secret) for secret in lock.secrets]
    if lock.kind == "p2wsh":
        return b"", [b"", *signatures, lock.script_code]
    key = _public_key(lock.secrets[0])
    redeem = b"\x16\x00\x14" + _hash160(key) if lock.kind == "p2sh" else b""
    return redeem, [*signatures, key]


def _witness(items: Sequence[bytes]) -> bytes:
    return size(len(items)) + b"".join(size(len(item)) + item for item in items)


@functools.cache
def _point(multiple: int) -> tuple[int, int]:
    """`multiple` times the generator, by adding one at a time."""
    if multiple == 1:
        return _GENERATOR
    (x1, y1), (x2, y2) = _point(multiple - 1), _GENERATOR
    slope = 3 * x1 * x1 * pow(2 * y1, -1, _FIELD) if x1 == x2 else (y2 - y1) * pow(x2 - x1, -1, _FIELD)
    x3 = (slope * slope - x1 - x2) % _FIELD
    return x3, (slope * (x1 - x3) - y1) % _FIELD


@functools.cache
def _public_key(secret: int) -> bytes:
    """Compressed (SEC 1, section 2.3.3)."""
    x, y = _point(secret)
    return bytes([2 + y % 2]) + x.to_bytes(32, "big")


@functools.cache
def _hash160(data: bytes) -> bytes:
    return ripemd160(sha256(data).digest())


def _pay_to_pubkey_hash(key: bytes) -> bytes:
    return b"\x76\xa9\x14" + _hash160(key) + b"\x88\xac"


@functools.cache
def _nonce() -> tuple[int, int, int]:
    """A nonce whose point has a short x, so that every signature has the same length; its inverse, and that x."""
    nonce = next(k for k in range(KEYS + 2, 2 * KEYS) if _point(k)[0] < 2**255)
    return nonce, pow(nonce, -1, _ORDER), _point(nonce)[0]


def _ecdsa(digest: bytes, secret: int) -> bytes:
    """A DER signature with low s (BIP 66, BIP 146) and SIGHASH_ALL behind it."""
    _, inverse, r = _nonce()
    s = inverse * (int.from_bytes(digest, "big") + r * secret) % _ORDER
    parts = _der_integer(r) + _der_integer(min(s, _ORDER - s))
    return b"\x30" + bytes([len(parts)]) + parts + bytes([_SIGHASH_ALL])


def _der_integer(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(data)]) + data


def _schnorr(digest: bytes, secret: int) -> bytes:
    """BIP 340; secret and nonce are negated where their points have an odd y."""
    nonce, _, r = _nonce()
    x, y = _point(secret)
    challenge = _tagged("BIP0340/challenge", r.to_bytes(32, "big") + x.to_bytes(32, "big") + digest)
    k = nonce if _point(nonce)[1] % 2 == 0 else -nonce
    d = secret if y % 2 == 0 else -secret
    s = (k + int.from_bytes(challenge, "big") * d) % _ORDER
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@functools.cache
def _tag(name: str) -> bytes:
    return sha256(name.encode()).digest() * 2


def _tagged(name: str, data: bytes) -> bytes:
    return sha256(_tag(name) + data).digest()
