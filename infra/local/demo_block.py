"""Blocks put together by hand: every byte is decided here, so that a demonstration chain is the same on any node."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from infra.local.demo_coins import Lock, Output, Transaction, size
from isthmus.merkle import merkle_root, sha256d

_SUBSIDY_SAT = 5_000_000_000
_HALVING_BLOCKS = 150  # regtest
_BITS = 0x207FFFFF  # regtest's limit: every second hash is good
_VERSION = 0x20000000  # BIP 9, no signals
_HEADER_BYTES = 80
_WITNESS_NONCE = bytes(32)
_TAG = b"/isthmus/"


@dataclass(frozen=True, slots=True)
class Block:
    """One block: serialized, its hash in internal byte order, its weight in weight units."""

    raw: bytes
    block_hash: bytes
    coinbase: Transaction
    weight: int


def assemble(previous: bytes, height: int, time_s: int, payee: Lock, included: Sequence[Transaction]) -> Block:
    """The block over `previous` that holds these transactions, parents first, and pays subsidy and fees to `payee`."""
    coinbase = _coinbase(height, payee, included)
    root = merkle_root([coinbase.txid, *(transaction.txid for transaction in included)])
    header = _work(struct.pack("<i", _VERSION) + previous + root + struct.pack("<II", time_s, _BITS))
    counted = size(1 + len(included))
    raw = header + counted + coinbase.raw + b"".join(transaction.raw for transaction in included)
    weight = 4 * (_HEADER_BYTES + len(counted)) + coinbase.weight + sum(each.weight for each in included)
    return Block(raw, sha256d(header), coinbase, weight)


def _coinbase(height: int, payee: Lock, included: Sequence[Transaction]) -> Transaction:
    """Subsidy and fees (BIP 34 height), and the commitment to the witnesses (BIP 141)."""
    script = _pushed_height(height) + size(len(_TAG)) + _TAG
    fees_sat = sum(transaction.fee_sat for transaction in included)
    witness_root = merkle_root([bytes(32), *(transaction.wtxid for transaction in included)])
    commitment = b"\x6a\x24\xaa\x21\xa9\xed" + sha256d(witness_root + _WITNESS_NONCE)
    outputs = (
        Output((_SUBSIDY_SAT >> height // _HALVING_BLOCKS) + fees_sat, payee.script_pubkey, payee),
        Output(0, commitment),
    )
    spent = b"\x01" + bytes(32) + b"\xff\xff\xff\xff" + size(len(script)) + script + b"\xff\xff\xff\xff"
    body = spent + size(len(outputs)) + b"".join(output.serialized() for output in outputs)
    version, lock_time = struct.pack("<i", 2), bytes(4)
    stripped = version + body + lock_time
    raw = version + b"\x00\x01" + body + b"\x01\x20" + _WITNESS_NONCE + lock_time
    return Transaction(raw, sha256d(stripped), sha256d(raw), 3 * len(stripped) + len(raw), 0, outputs)


def _pushed_height(height: int) -> bytes:
    """The height as Bitcoin's script pushes a number: one opcode up to 16, else little-endian with room for a sign."""
    if height <= 16:
        return bytes([0x50 + height])
    data = height.to_bytes(height.bit_length() // 8 + 1, "little")
    return size(len(data)) + data


def _work(unfinished: bytes) -> bytes:
    """The header with the first nonce whose hash is below the limit."""
    for nonce in range(2**32):
        header = unfinished + struct.pack("<I", nonce)
        if sha256d(header)[31] < 0x80:
            return header
    raise AssertionError("half of all hashes are good")
