"""Raw blocks and the outputs they spend, read into columns without building a single transaction object.

Sources: the block and transaction serialization of the Bitcoin protocol, BIP 141 and 144 (witnesses, weight), BIP 125
(replaceability). The scan walks each byte structure once in Python, because lengths depend on each other; everything
that does not is read afterwards with numpy, many outputs at a time.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from isthmus.failure import Integrity
from isthmus.merkle import sha256d

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCRIPT_TYPES = ("p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr", "p2pk", "anchor", "op_return", "witness_unknown", "other")
HEADER_BYTES = 80
_PADDING = bytes(80)


@dataclass(frozen=True)
class Flow:
    """How many outputs of one script type a block made or spent, and their value."""

    direction: str
    script_type: str
    outputs: int
    value_sat: int


@dataclass(frozen=True)
class BlockColumns:
    """One block as columns: index 0 of every array is the coinbase.

    `txids` are in internal byte order. `fee_sat` of the coinbase is 0. `weight` is BIP 141's; `replaceable` is BIP
    125's explicit signal.
    """

    header: bytes
    block_hash: bytes
    size: int
    weight: int
    txids: list[bytes]
    fee_sat: "NDArray[np.int64]"
    tx_weight: "NDArray[np.int64]"
    inputs: "NDArray[np.int64]"
    outputs: "NDArray[np.int64]"
    output_sat: "NDArray[np.int64]"
    replaceable: "NDArray[np.bool_]"
    segwit: "NDArray[np.bool_]"
    flows: tuple[Flow, ...]

    @property
    def previous_hash(self) -> bytes:
        """The hash of the block before, in internal byte order."""
        return self.header[4:36]


def read_block(raw: bytes, spent: bytes) -> BlockColumns:
    """The columns of one block.

    Args:
        raw: the serialized block with witnesses.
        spent: the outputs it spends, as BitcoinNode.spent_outputs gives them.

    Raises:
        Integrity: the bytes are cut, have something left over, or do not belong together.
    """
    import numpy as np

    try:
        scan = _scan(raw)
        spent_offsets, spent_counts = _scan_spent(spent)
    except IndexError as error:
        raise _broken("end too early") from error
    if scan.end != len(raw):
        raise _broken("do not end where their lengths say")
    outputs, inputs = np.array(scan.outputs, np.int64), np.array(scan.inputs, np.int64)
    spends = np.array(spent_counts, np.int64)
    if len(spends) != len(inputs) or spends[0] != 0 or not np.array_equal(spends[1:], inputs[1:]):
        raise _broken("and the outputs they spend do not belong together")
    made_sat, made_types = _outputs_at(raw, scan.output_offsets)
    spent_sat, spent_types = _outputs_at(spent, spent_offsets)
    output_sat = _sums(made_sat, outputs)
    fee_sat = _sums(spent_sat, spends) - output_sat
    fee_sat[0] = 0
    stripped, total = np.array(scan.stripped, np.int64), np.array(scan.total, np.int64)
    tx_weight = stripped * 3 + total
    around = len(raw) - int(total.sum())
    return BlockColumns(
        header=raw[:HEADER_BYTES],
        block_hash=sha256d(raw[:HEADER_BYTES]),
        size=len(raw),
        weight=int(tx_weight.sum()) + 4 * around,
        txids=scan.txids,
        fee_sat=fee_sat,
        tx_weight=tx_weight,
        inputs=inputs,
        outputs=outputs,
        output_sat=output_sat,
        replaceable=_replaceable(raw, scan.sequence_offsets, inputs),
        segwit=total > stripped,
        flows=(*_flows("made", made_sat, made_types), *_flows("spent", spent_sat, spent_types)),
    )


def _broken(what: str) -> Integrity:
    return Integrity(
        f"The block's bytes {what}.",
        next_step="Fetch the block again; if it stays so, check the node's disk with `bitcoind -reindex`.",
        code="bitcoin/block-bytes",
    )


@dataclass
class _Scan:
    """Where things are in a block's bytes; one entry per transaction, per input or per output."""

    end: int
    txids: list[bytes]
    stripped: list[int]
    total: list[int]
    inputs: list[int]
    outputs: list[int]
    output_offsets: list[int]
    sequence_offsets: list[int]


def _compact_size(data: bytes, at: int) -> tuple[int, int]:
    """The number at an offset and the offset after it."""
    first = data[at]
    if first < 0xFD:
        return first, at + 1
    width = {0xFD: 2, 0xFE: 4, 0xFF: 8}[first]
    if at + 1 + width > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at + 1 : at + 1 + width], "little"), at + 1 + width


def _scan(raw: bytes) -> _Scan:  # noqa: C901, PLR0912, PLR0915 - one flat loop: a call per item would double the time
    """Walk a block once; raises IndexError where the bytes end too early."""
    count, at = _compact_size(raw, HEADER_BYTES)
    if not 0 < count <= len(raw):
        raise _broken("hold no transactions")
    scan = _Scan(0, [], [], [], [], [], [], [])
    add_output, add_sequence, add_txid = scan.output_offsets.append, scan.sequence_offsets.append, scan.txids.append
    add_stripped, add_total = scan.stripped.append, scan.total.append
    add_inputs, add_outputs = scan.inputs.append, scan.outputs.append
    size_at = _compact_size
    for _ in range(count):
        start = at
        at += 4
        witness = raw[at] == 0
        if witness:
            at += 2
        body = at
        inputs = raw[at]
        if inputs < 0xFD:
            at += 1
        else:
            inputs, at = size_at(raw, at)
        for _ in range(inputs):
            length = raw[at + 36]
            if length < 0xFD:
                at += 37 + length
            else:
                length, at = size_at(raw, at + 36)
                at += length
            add_sequence(at)
            at += 4
        outputs = raw[at]
        if outputs < 0xFD:
            at += 1
        else:
            outputs, at = size_at(raw, at)
        for _ in range(outputs):
            add_output(at)
            length = raw[at + 8]
            if length < 0xFD:
                at += 9 + length
            else:
                length, at = size_at(raw, at + 8)
                at += length
        bottom = at
        if witness:
            for _ in range(inputs):
                items = raw[at]
                if items < 0xFD:
                    at += 1
                else:
                    items, at = size_at(raw, at)
                for _ in range(items):
                    length = raw[at]
                    if length < 0xFD:
                        at += 1 + length
                    else:
                        length, at = size_at(raw, at)
                        at += length
        at += 4
        if witness:
            first = sha256(raw[start : start + 4] + raw[body:bottom] + raw[at - 4 : at])
            add_stripped(8 + bottom - body)
        else:
            first = sha256(raw[start:at])
            add_stripped(at - start)
        add_txid(sha256(first.digest()).digest())
        add_total(at - start)
        add_inputs(inputs)
        add_outputs(outputs)
    scan.end = at
    return scan


def _scan_spent(spent: bytes) -> tuple[list[int], list[int]]:
    """Offsets of all spent outputs, and how many each transaction spends."""
    count, at = _compact_size(spent, 0)
    offsets: list[int] = []
    counts: list[int] = []
    for _ in range(count):
        outputs = spent[at]
        if outputs < 0xFD:
            at += 1
        else:
            outputs, at = _compact_size(spent, at)
        counts.append(outputs)
        for _ in range(outputs):
            offsets.append(at)
            length = spent[at + 8]
            if length < 0xFD:
                at += 9 + length
            else:
                length, at = _compact_size(spent, at + 8)
                at += length
    if at != len(spent):
        raise IndexError(at)
    return offsets, counts


def _outputs_at(data: bytes, offsets: list[int]) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Value and script type (index into SCRIPT_TYPES) of the outputs at these offsets."""
    import numpy as np

    octets = np.frombuffer(data + _PADDING, np.uint8)
    at = np.array(offsets, np.int64)
    values = octets[at[:, None] + np.arange(8)].view("<i8").reshape(-1)
    length = octets[at + 8].astype(np.int64)
    script = at + 9 + 2 * (length == 0xFD) + 4 * (length == 0xFE)
    # Five bytes tell every type apart: the length, the first three bytes, and the last one of a short script.
    sample = octets[np.stack((script, script + 1, script + 2, script + np.minimum(length, 75) - 1), axis=1)]
    signs, places = np.unique(length << 32 | sample.view(">u4").reshape(-1), return_inverse=True)
    types = np.array([_script_type(int(sign)) for sign in signs], np.int64)
    return values, types[places] if len(types) else types


@lru_cache(4096)
def _script_type(sign: int) -> int:
    """The index into SCRIPT_TYPES of scripts that share a length, their first three bytes and their last one."""
    length = sign >> 32
    first, second, third, last = (sign & 0xFFFFFFFF).to_bytes(4, "big")
    programme = length == second + 2 and (first == 0 or 0x51 <= first <= 0x60) and 2 <= second <= 40
    rules = {
        "p2pkh": (length, first, second, third, last) == (25, 0x76, 0xA9, 0x14, 0xAC),
        "p2sh": (length, first, second, last) == (23, 0xA9, 0x14, 0x87),
        "p2wpkh": (length, first, second) == (22, 0x00, 0x14),
        "p2wsh": (length, first, second) == (34, 0x00, 0x20),
        "p2tr": (length, first, second) == (34, 0x51, 0x20),
        "p2pk": (length, first, last) in ((35, 0x21, 0xAC), (67, 0x41, 0xAC)),
        "anchor": (length, first, second, third, last) == (4, 0x51, 0x02, 0x4E, 0x73),
        "op_return": length > 0 and first == 0x6A,
        "witness_unknown": programme,
    }
    return SCRIPT_TYPES.index(next((name for name, holds in rules.items() if holds), "other"))


def _sums(values: "NDArray[np.int64]", counts: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """Sums of consecutive groups of these sizes, exact in int64."""
    import numpy as np

    running = np.concatenate(([0], np.cumsum(values)))
    ends = np.cumsum(counts)
    sums: NDArray[np.int64] = running[ends] - running[ends - counts]
    return sums


def _replaceable(raw: bytes, offsets: list[int], inputs: "NDArray[np.int64]") -> "NDArray[np.bool_]":
    """Whether any input's sequence is below 0xfffffffe (BIP 125)."""
    import numpy as np

    octets = np.frombuffer(raw, np.uint8)
    sequences = octets[np.array(offsets, np.int64)[:, None] + np.arange(4)].view("<u4").reshape(-1)
    signals: NDArray[np.bool_] = _sums((sequences < 0xFFFFFFFE).astype(np.int64), inputs) > 0
    return signals


def _flows(direction: str, values: "NDArray[np.int64]", types: "NDArray[np.int64]") -> tuple[Flow, ...]:
    """Count and value per script type that occurs."""
    import numpy as np

    counts, sums = np.bincount(types, minlength=len(SCRIPT_TYPES)), np.zeros(len(SCRIPT_TYPES), np.int64)
    np.add.at(sums, types, values)
    found = zip(SCRIPT_TYPES, counts.tolist(), sums.tolist(), strict=True)
    return tuple(Flow(direction, name, count, value) for name, count, value in found if count)
