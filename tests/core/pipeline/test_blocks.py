"""Reading raw blocks into columns."""

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.failure import Integrity
from isthmus.merkle import merkle_root
from isthmus.pipeline.blocks import SCRIPT_TYPES, Columns, joined, read_blocks

SCRIPTS = {
    "p2pkh": bytes.fromhex("76a914" + "11" * 20 + "88ac"),
    "p2sh": bytes.fromhex("a914" + "22" * 20 + "87"),
    "p2wpkh": bytes.fromhex("0014" + "33" * 20),
    "p2wsh": bytes.fromhex("0020" + "44" * 32),
    "p2tr": bytes.fromhex("5120" + "55" * 32),
    "p2pk": bytes.fromhex("21" + "02" * 33 + "ac"),
    "anchor": bytes.fromhex("51024e73"),
    "op_return": bytes.fromhex("6a04deadbeef"),
    "witness_unknown": bytes.fromhex("6015" + "66" * 21),
    "other": bytes.fromhex("51"),
}


def compact(number: int) -> bytes:
    if number < 0xFD:
        return bytes([number])
    return b"\xfd" + number.to_bytes(2, "little") if number <= 0xFFFF else b"\xfe" + number.to_bytes(4, "little")


def output(value_sat: int, script: bytes) -> bytes:
    return value_sat.to_bytes(8, "little") + compact(len(script)) + script


def transaction(
    outputs: list[bytes], *, inputs: int = 1, witness: bool = False, sequence: int = 0xFFFFFFFF, script_sig: bytes = b""
) -> bytes:
    one = bytes(32) + bytes(4) + compact(len(script_sig)) + script_sig + sequence.to_bytes(4, "little")
    body = compact(inputs) + one * inputs + compact(len(outputs)) + b"".join(outputs)
    stack = (compact(2) + compact(300) + bytes(300) + compact(1) + b"\x07") * inputs
    return b"\x02\0\0\0" + (b"\0\x01" + body + stack if witness else body) + bytes(4)


def block(transactions: list[bytes]) -> bytes:
    return bytes(80) + compact(len(transactions)) + b"".join(transactions)


def spent(*per_transaction: list[bytes]) -> bytes:
    groups = ([], *per_transaction)
    return compact(len(groups)) + b"".join(compact(len(group)) + b"".join(group) for group in groups)


def read_block(raw: bytes, spends: bytes) -> Columns:
    return read_blocks([(raw, spends)])


COINBASE = transaction([output(5_000, SCRIPTS["p2wpkh"])])


def test_fees_are_what_a_transaction_spends_less_what_it_makes() -> None:
    pays = transaction([output(600, SCRIPTS["p2tr"]), output(300, SCRIPTS["p2pkh"])], inputs=2)

    columns = read_block(block([COINBASE, pays]), spent([output(500, b"\x51"), output(450, b"\x51")]))

    assert columns.fee_sat.tolist() == [0, 50]
    assert columns.output_sat.tolist() == [5_000, 900]
    assert (columns.inputs.tolist(), columns.outputs.tolist()) == ([1, 2], [1, 2])


def test_weight_counts_witness_bytes_once_and_all_others_four_times() -> None:
    legacy, segwit = transaction([output(1, b"\x51")]), transaction([output(1, b"\x51")], witness=True)
    raw = block([COINBASE, legacy, segwit])

    columns = read_block(raw, spent([output(1, b"")], [output(1, b"")]))

    assert columns.tx_weight[1] == 4 * len(legacy)
    assert columns.tx_weight[2] == 3 * len(legacy) + len(segwit)
    assert columns.weights.tolist() == [columns.tx_weight.sum() + 4 * 81]
    assert columns.segwit.tolist() == [False, False, True]


def test_the_txid_leaves_the_witness_out() -> None:
    legacy, segwit = transaction([output(1, b"\x51")]), transaction([output(1, b"\x51")], witness=True)

    columns = read_block(block([COINBASE, segwit]), spent([output(1, b"")]))

    assert columns.txids[1] == sha256(sha256(legacy).digest()).digest()


@pytest.mark.parametrize(
    ("sequence", "signals"), [(0xFFFFFFFF, False), (0xFFFFFFFE, False), (0xFFFFFFFD, True), (0, True)]
)
def test_replaceability_is_signalled_by_the_sequence(sequence: int, *, signals: bool) -> None:
    raw = block([COINBASE, transaction([output(1, b"\x51")], sequence=sequence)])

    assert read_block(raw, spent([output(1, b"")])).replaceable.tolist() == [False, signals]


@pytest.mark.parametrize("name", SCRIPT_TYPES)
def test_every_script_type_is_told_apart_made_and_spent(name: str) -> None:
    raw = block([COINBASE, transaction([output(10, SCRIPTS[name])] * 2)])

    flows = read_block(raw, spent([output(25, SCRIPTS[name])])).flows

    assert [(f.outputs, f.value_sat) for f in flows if (f.direction, f.script_type) == ("spent", name)] == [(1, 25)]
    made = sum(f.value_sat for f in flows if f.direction == "made" and f.script_type == name)
    assert made == 20 + (5_000 if name == "p2wpkh" else 0)


@pytest.mark.parametrize(
    "script",
    [
        "76a914" + "11" * 20 + "87ac",
        "21" + "05" + "02" * 32 + "ac",
        "41" + "02" * 65 + "ac",
        "0021" + "44" * 33,
        "0005" + "44" * 5,
        "5129" + "44" * 41,
        "5101ac",
    ],
)
def test_what_only_resembles_a_known_script_is_none_of_them(script: str) -> None:
    raw = block([COINBASE, transaction([output(10, bytes.fromhex(script))])])

    flows = read_block(raw, spent([output(10, b"")])).flows

    assert [f.script_type for f in flows if f.value_sat == 10] == ["other", "other"]


@pytest.mark.parametrize("length", [0, 1, 252, 253, 300, 70_000])
def test_scripts_of_every_length_class_are_stepped_over(length: int) -> None:
    script = b"\x6a" * length
    raw = block([COINBASE, transaction([output(7, script), output(8, SCRIPTS["p2tr"])], script_sig=script)])

    columns = read_block(raw, spent([output(15, script)]))

    assert columns.output_sat[1] == 15
    kinds = {flow.script_type for flow in columns.flows if flow.direction == "spent"}
    assert kinds == {"op_return" if length else "other"}


@pytest.mark.parametrize("inputs", [1, 252, 253, 300])
def test_counts_of_every_length_class_are_read(inputs: int) -> None:
    raw = block([COINBASE, transaction([output(0, b"\x51")] * inputs, inputs=inputs, witness=True)])

    columns = read_block(raw, spent([output(2, b"")] * inputs))

    assert columns.fee_sat[1] == 2 * inputs


@given(st.data())
def test_a_block_cut_anywhere_is_refused(data: st.DataObject) -> None:
    raw = block([COINBASE, transaction([output(1, SCRIPTS["p2tr"])], witness=True)])
    cut = data.draw(st.integers(81, len(raw) - 1))

    with pytest.raises(Integrity):
        read_block(raw[:cut], spent([output(1, b"")]))


def test_bytes_left_over_are_refused() -> None:
    with pytest.raises(Integrity, match="lengths"):
        read_block(block([COINBASE]) + b"\0", spent())


@pytest.mark.parametrize("wrong", [spent([output(1, b"")]), spent([]), b"", b"\x01\x01"])
def test_spent_outputs_of_another_block_are_refused(wrong: bytes) -> None:
    raw = block([COINBASE, transaction([output(1, b"")], inputs=2)])

    with pytest.raises(Integrity):
        read_block(raw, wrong)


@pytest.mark.parametrize("name", ["mainnet_702861.raw", "bcoin_block426884.raw", "bcoin_block300025.raw"])
def test_real_mainnet_blocks_hash_to_their_own_merkle_root(name: str, vectors: Path) -> None:
    raw = (vectors / "ml" / "blocks" / name).read_bytes()
    groups = _inputs_of(raw)

    columns = read_block(raw, spent(*[[output(1, b"\x51")] * count for count in groups]))

    assert merkle_root(columns.txids) == raw[36:68]
    assert len(columns.txids) == len(groups) + 1


def _inputs_of(raw: bytes) -> list[int]:
    """Inputs per payment, by an independent and slow reading."""
    at = 80

    def number() -> int:
        nonlocal at
        first, at = raw[at], at + 1
        width = {0xFD: 2, 0xFE: 4, 0xFF: 8}.get(first, 0)
        at += width
        return int.from_bytes(raw[at - width : at], "little") if width else first

    counts = []
    for _ in range(number()):
        at += 4
        segwit = raw[at] == 0
        at += 2 * segwit
        inputs = number()
        for _ in range(inputs):
            at += 36
            length = number()
            at += length + 4
        for _ in range(number()):
            at += 8
            length = number()
            at += length
        for _ in range(inputs if segwit else 0):
            for _ in range(number()):
                length = number()
                at += length
        at += 4
        counts.append(inputs)
    return counts[1:]


def test_blocks_read_together_or_apart_give_the_same_columns() -> None:
    blocks = []
    for number in range(5):
        pays = [transaction([output(number + n, SCRIPTS[name])], inputs=n + 1) for n, name in enumerate(SCRIPTS)]
        spends = [[output(40, SCRIPTS["p2tr"])] * (n + 1) for n in range(len(pays))]
        blocks.append((block([COINBASE, *pays[: number * 2]]), spent(*spends[: number * 2])))

    together = read_blocks(blocks)
    apart = joined([read_blocks(blocks[:1]), read_blocks(blocks[1:4]), read_blocks(blocks[4:])])

    assert sorted(together.flows, key=repr) == sorted(apart.flows, key=repr)
    for name in ("headers", "sizes", "txids"):
        assert getattr(together, name) == getattr(apart, name)
    for name in ("counts", "weights", "fee_sat", "tx_weight", "inputs", "outputs", "output_sat", "replaceable"):
        assert getattr(together, name).tolist() == getattr(apart, name).tolist()
