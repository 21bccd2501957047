"""Raw blocks and the outputs they spend, read into columns without building a single transaction object.

Sources: the block and transaction serialization of the Bitcoin protocol, BIP 141 and 144 (witnesses, weight), BIP 125
(replaceability). The scan walks each byte structure once in Python, because lengths depend on each other; everything
that does not is read afterwards with numpy, many outputs at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import accumulate
from typing import TYPE_CHECKING

from isthmus.failure import Integrity
from isthmus.merkle import sha256d

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCRIPT_TYPES = ("p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr", "p2pk", "anchor", "op_return", "witness_unknown", "other")
OTHER = SCRIPT_TYPES.index("other")
HEADER_BYTES = 80
_PADDING = bytes(80)


@dataclass(frozen=True)
class Flow:
    """How many outputs of one script type a block made or spent, and their value."""

    block: int
    direction: str
    script_type: str
    outputs: int
    value_sat: int


@dataclass(frozen=True)
class Columns:
    """Consecutive blocks as columns: one entry per block, and one per transaction (coinbases first in their blocks).

    Hashes and txids are in internal byte order. The fee of a coinbase is 0. Weights are BIP 141's; `replaceable` is
    BIP 125's explicit signal; `block` of a flow counts from the first block here.
    """

    headers: list[bytes]
    sizes: list[int]
    counts: "NDArray[np.int64]"
    weights: "NDArray[np.int64]"
    txids: list[bytes]
    fee_sat: "NDArray[np.int64]"
    tx_weight: "NDArray[np.int64]"
    inputs: "NDArray[np.int64]"
    outputs: "NDArray[np.int64]"
    output_sat: "NDArray[np.int64]"
    replaceable: "NDArray[np.bool_]"
    segwit: "NDArray[np.bool_]"
    flows: list[Flow]

    @property
    def hashes(self) -> list[bytes]:
        """The blocks' own hashes."""
        return [sha256d(header) for header in self.headers]

    @property
    def previous_hashes(self) -> list[bytes]:
        """The hashes of the blocks before them."""
        return [header[4:36] for header in self.headers]


def read_blocks(blocks: Sequence[tuple[bytes, bytes]]) -> Columns:
    """The columns of some blocks.

    Args:
        blocks: serialized blocks with witnesses, each with the outputs it spends as BitcoinNode.spent_outputs gives
        them.

    Raises:
        Integrity: the bytes are cut, have something left over, or do not belong together.
    """
    import numpy as np

    raw, spent = b"".join(block for block, _ in blocks), b"".join(spends for _, spends in blocks)
    scan, spent_scan = _Scan(), _SpentScan()
    try:
        for block, spends in blocks:
            _scan(raw, scan, scan.ends[-1] + len(block))
            _scan_spent(spent, spent_scan, spent_scan.end + len(spends))
    except IndexError as error:
        raise _broken("end too early") from error
    counts, inputs, outputs = (np.array(column, np.int64) for column in (scan.counts, scan.inputs, scan.outputs))
    coinbases, spent_counts = np.cumsum(counts) - counts, np.array(spent_scan.outputs, np.int64)
    expected = inputs.copy()
    expected[coinbases] = 0
    if spent_scan.counts != scan.counts or not np.array_equal(spent_counts, expected):
        raise _broken("and the outputs they spend do not belong together")
    made_sat, made_types = _outputs_at(raw, scan.output_offsets)
    spent_sat, spent_types = _outputs_at(spent, spent_scan.offsets)
    output_sat = _sums(made_sat, outputs)
    fee_sat = _sums(spent_sat, spent_counts) - output_sat
    fee_sat[coinbases] = 0
    stripped, total = np.array(scan.stripped, np.int64), np.array(scan.total, np.int64)
    tx_weight = stripped * 3 + total
    sizes = [len(block) for block, _ in blocks]
    of_block = np.repeat(np.arange(len(blocks)), counts)
    return Columns(
        headers=[block[:HEADER_BYTES] for block, _ in blocks],
        sizes=sizes,
        counts=counts,
        weights=_sums(tx_weight, counts) + 4 * (np.array(sizes) - _sums(total, counts)),
        txids=scan.txids,
        fee_sat=fee_sat,
        tx_weight=tx_weight,
        inputs=inputs,
        outputs=outputs,
        output_sat=output_sat,
        replaceable=_replaceable(raw, scan.sequence_offsets, inputs),
        segwit=total > stripped,
        flows=[
            *_flows("made", made_sat, made_types, np.repeat(of_block, outputs)),
            *_flows("spent", spent_sat, spent_types, np.repeat(of_block, spent_counts)),
        ],
    )


def joined(parts: Sequence[Columns]) -> Columns:
    """The columns of all blocks in order."""
    import numpy as np

    firsts = accumulate((len(part.headers) for part in parts), initial=0)
    return Columns(
        headers=[header for part in parts for header in part.headers],
        sizes=[size for part in parts for size in part.sizes],
        counts=np.concatenate([part.counts for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        txids=[txid for part in parts for txid in part.txids],
        fee_sat=np.concatenate([part.fee_sat for part in parts]),
        tx_weight=np.concatenate([part.tx_weight for part in parts]),
        inputs=np.concatenate([part.inputs for part in parts]),
        outputs=np.concatenate([part.outputs for part in parts]),
        output_sat=np.concatenate([part.output_sat for part in parts]),
        replaceable=np.concatenate([part.replaceable for part in parts]),
        segwit=np.concatenate([part.segwit for part in parts]),
        flows=[replace(f, block=f.block + n) for part, n in zip(parts, firsts, strict=False) for f in part.flows],
    )


def _broken(what: str) -> Integrity:
    return Integrity(
        f"The block's bytes {what}.",
        next_step="Fetch the block again; if it stays so, check the node's disk with `bitcoind -reindex`.",
        code="bitcoin/block-bytes",
    )


@dataclass
class _Scan:
    """Where things are in the bytes of blocks; one entry per block, per transaction, per input or per output."""

    ends: list[int] = field(default_factory=lambda: [0])
    counts: list[int] = field(default_factory=list)
    txids: list[bytes] = field(default_factory=list)
    stripped: list[int] = field(default_factory=list)
    total: list[int] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    output_offsets: list[int] = field(default_factory=list)
    sequence_offsets: list[int] = field(default_factory=list)


@dataclass
class _SpentScan:
    """Where spent outputs are: transactions per block, outputs per transaction, and the offset of each."""

    end: int = 0
    counts: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)


def _compact_size(data: bytes, at: int) -> tuple[int, int]:
    """The number at an offset and the offset after it."""
    first = data[at]
    if first < 0xFD:
        return first, at + 1
    width = {0xFD: 2, 0xFE: 4, 0xFF: 8}[first]
    if at + 1 + width > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at + 1 : at + 1 + width], "little"), at + 1 + width


def _scan(raw: bytes, scan: _Scan, end: int) -> None:  # noqa: C901, PLR0912, PLR0915 - a call per item takes twice the time
    """Walk the next block once, up to its end; raises IndexError where the bytes end too early."""
    count, at = _compact_size(raw, scan.ends[-1] + HEADER_BYTES)
    if not 0 < count <= end - at:
        raise _broken("hold no transactions")
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
    if at != end:
        raise _broken("do not end where their lengths say")
    scan.counts.append(count)
    scan.ends.append(end)


def _scan_spent(spent: bytes, scan: _SpentScan, end: int) -> None:
    """Walk the outputs that the next block spends; raises IndexError where the bytes end too early or too late."""
    count, at = _compact_size(spent, scan.end)
    add_offset, add_outputs = scan.offsets.append, scan.outputs.append
    for _ in range(count):
        outputs = spent[at]
        if outputs < 0xFD:
            at += 1
        else:
            outputs, at = _compact_size(spent, at)
        add_outputs(outputs)
        for _ in range(outputs):
            add_offset(at)
            length = spent[at + 8]
            if length < 0xFD:
                at += 9 + length
            else:
                length, at = _compact_size(spent, at + 8)
                at += length
    if at != end:
        raise IndexError(at)
    scan.counts.append(count)
    scan.end = end


def _outputs_at(data: bytes, offsets: list[int]) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Value and script type (index into SCRIPT_TYPES) of the outputs at these offsets."""
    import numpy as np

    octets = np.frombuffer(data + _PADDING, np.uint8)
    at = np.array(offsets, np.int64)
    values = octets[at[:, None] + np.arange(8)].view("<i8").reshape(-1)
    length = octets[at + 8].astype(np.int64)
    script = at + 9 + 2 * (length == 0xFD) + 4 * (length == 0xFE)
    return values, _script_types(octets, script, length)


def _script_types(
    octets: "NDArray[np.uint8]", script: "NDArray[np.int64]", length: "NDArray[np.int64]"
) -> "NDArray[np.int64]":
    """Index into SCRIPT_TYPES of the scripts that start here, as Bitcoin Core's Solver() tells them apart.

    Only `op_return` is wider than Core's nulldata: whatever follows the opcode, nobody can spend it.
    """
    import numpy as np

    first, second, third = octets[script], octets[script + 1], octets[script + 2]
    end = script + np.minimum(length, 75)
    before_last, last = octets[end - 2], octets[end - 1]
    to_hash = (length == 25) & (first == 0x76) & (second == 0xA9) & (third == 0x14)
    compressed = (length == 35) & (first == 0x21) & np.isin(second, (2, 3))
    uncompressed = (length == 67) & (first == 0x41) & np.isin(second, (4, 6, 7))
    rules = {
        "p2pkh": to_hash & (before_last == 0x88) & (last == 0xAC),
        "p2sh": (length == 23) & (first == 0xA9) & (second == 0x14) & (last == 0x87),
        "p2wpkh": (length == 22) & (first == 0x00) & (second == 0x14),
        "p2wsh": (length == 34) & (first == 0x00) & (second == 0x20),
        "p2tr": (length == 34) & (first == 0x51) & (second == 0x20),
        "p2pk": (compressed | uncompressed) & (last == 0xAC),
        "anchor": (length == 4) & (first == 0x51) & (second == 0x02) & (third == 0x4E) & (last == 0x73),
        "op_return": (length > 0) & (first == 0x6A),
        "witness_unknown": (first >= 0x51) & (first <= 0x60) & (second >= 2) & (second <= 40) & (length == second + 2),
    }
    types: NDArray[np.int64] = np.select(list(rules.values()), [SCRIPT_TYPES.index(name) for name in rules], OTHER)
    return types


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


def _flows(
    direction: str, values: "NDArray[np.int64]", types: "NDArray[np.int64]", blocks: "NDArray[np.int64]"
) -> Iterator[Flow]:
    """Count and value per block and script type that occurs."""
    import numpy as np

    cells = blocks * len(SCRIPT_TYPES) + types
    counts = np.bincount(cells)
    sums = np.zeros(len(counts), np.int64)
    np.add.at(sums, cells, values)
    for cell in np.flatnonzero(counts).tolist():
        block, kind = divmod(cell, len(SCRIPT_TYPES))
        yield Flow(block, direction, SCRIPT_TYPES[kind], int(counts[cell]), int(sums[cell]))
