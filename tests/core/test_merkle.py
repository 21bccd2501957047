"""The Merkle tree against real blocks, and its properties."""

import os
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from isthmus.failure import Integrity
from isthmus.merkle import fold_branch, merkle_branch, merkle_root, sha256d

BLOCK_100000 = [
    "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
    "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
    "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
    "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
]
ROOT_100000 = "f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766"
VECTORS = Path(os.environ.get("ISTHMUS_VECTORS", Path(__file__).parents[2] / "../shared/vectors")) / "ml" / "blocks"
BLOCKS = [
    "bcoin_block1087400.raw",
    "bcoin_block300025.raw",
    "bcoin_block426884.raw",
    "bcoin_block928828.raw",
    "mainnet_702861.raw",
    "mainnet_btcd_160240.blk",
]

txids = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70, unique=True)


def inner(shown: str) -> bytes:
    return bytes.fromhex(shown)[::-1]


def compact_size(stream: BytesIO) -> int:
    first = stream.read(1)[0]
    return first if first < 253 else int.from_bytes(stream.read(1 << (first - 252)), "little")


def txid_of_next(stream: BytesIO) -> bytes:
    """Read one transaction field by field (BIP 144) and hash it without its witnesses."""
    start = stream.tell()
    version = stream.read(4)
    segwit = stream.read(2) == b"\x00\x01"
    if not segwit:
        stream.seek(start + 4)
    body = stream.tell()
    inputs = compact_size(stream)
    for _ in range(inputs):
        stream.read(36)
        stream.read(compact_size(stream) + 4)
    for _ in range(compact_size(stream)):
        stream.read(8)
        stream.read(compact_size(stream))
    core = stream.getvalue()[body : stream.tell()]
    for _ in range(inputs if segwit else 0):
        for _ in range(compact_size(stream)):
            stream.read(compact_size(stream))
    return sha256d(version + core + stream.read(4))


def header_and_txids(name: str) -> tuple[bytes, list[bytes]]:
    path = VECTORS / name
    if not path.exists():
        pytest.skip(f"no block vectors at {VECTORS}: set ISTHMUS_VECTORS")
    stream = BytesIO(path.read_bytes())
    header = stream.read(80)
    return header, [txid_of_next(stream) for _ in range(compact_size(stream))]


def naive_root(leaves: list[bytes]) -> bytes:
    """The recursive definition, for comparison with the iterative one."""
    if len(leaves) == 1:
        return leaves[0]
    padded = leaves + leaves[-1:] * (len(leaves) % 2)
    return naive_root([sha256d(padded[i] + padded[i + 1]) for i in range(0, len(padded), 2)])


def test_the_root_of_mainnet_block_100000_is_the_one_in_its_header() -> None:
    assert merkle_root([inner(txid) for txid in BLOCK_100000]) == inner(ROOT_100000)


@pytest.mark.parametrize("name", BLOCKS)
def test_the_root_of_a_real_block_is_the_one_in_its_header(name: str) -> None:
    header, leaves = header_and_txids(name)
    assert merkle_root(leaves) == header[36:68]


@pytest.mark.parametrize("name", BLOCKS)
def test_the_first_a_middle_and_the_last_transaction_of_a_real_block_can_be_proven(name: str) -> None:
    header, leaves = header_and_txids(name)
    for position in {0, len(leaves) // 2, len(leaves) - 1}:
        branch = merkle_branch(leaves, position)
        assert fold_branch(leaves[position], position, branch) == header[36:68]


def test_the_root_of_one_transaction_is_its_id_and_its_branch_is_empty() -> None:
    only = inner(BLOCK_100000[0])
    assert merkle_root([only]) == only
    assert merkle_branch([only], 0) == ()
    assert fold_branch(only, 0, ()) == only


@given(txids)
def test_the_root_equals_the_recursive_definition(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == naive_root(leaves)


@given(txids, st.data())
def test_every_position_folds_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(leaves) - 1))
    assert fold_branch(leaves[position], position, merkle_branch(leaves, position)) == merkle_root(leaves)


@given(txids, st.data())
def test_a_branch_proves_no_other_transaction(leaves: list[bytes], data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(leaves) - 1))
    stranger = data.draw(st.binary(min_size=32, max_size=32).filter(lambda txid: txid != leaves[position]))
    assert fold_branch(stranger, position, merkle_branch(leaves, position)) != merkle_root(leaves)


@given(txids.filter(lambda leaves: len(leaves) > 1), st.data())
def test_a_list_that_repeats_its_tail_to_forge_the_same_root_is_refused(
    leaves: list[bytes], data: st.DataObject
) -> None:
    """CVE-2012-2459: appending a copy of an odd level's last subtree leaves the root as it is."""
    widths = [width for width in (1 << k for k in range(7)) if (-(-len(leaves) // width)) % 2 and width < len(leaves)]
    widths = [width for width in widths if len(leaves) % width == 0]
    assume(widths)
    width = data.draw(st.sampled_from(widths))
    forged = leaves + leaves[-width:]
    assert naive_root(forged) == naive_root(leaves)
    with pytest.raises(Integrity, match="equal"):
        merkle_root(forged)


@pytest.mark.parametrize("repeated", [[0, 1, 2, 2], [0, 0], [0, 1, 2, 3, 4, 5, 4, 5]])
def test_equal_neighbours_are_refused_at_every_level(repeated: list[int]) -> None:
    leaves = [bytes([number]) * 32 for number in repeated]
    with pytest.raises(Integrity):
        merkle_root(leaves)
    with pytest.raises(Integrity):
        merkle_branch(leaves, 0)


def test_a_root_of_nothing_or_of_something_else_than_hashes_is_refused() -> None:
    for leaves in ([], [b"short"]):
        with pytest.raises(Integrity):
            merkle_root(leaves)


@pytest.mark.parametrize("position", [-1, 4])
def test_a_position_outside_the_block_is_refused(position: int) -> None:
    leaves = [inner(txid) for txid in BLOCK_100000]
    with pytest.raises(Integrity):
        merkle_branch(leaves, position)
    with pytest.raises(Integrity):
        fold_branch(leaves[0], position, merkle_branch(leaves, 0))


def test_a_branch_deeper_than_any_block_is_refused() -> None:
    with pytest.raises(Integrity):
        fold_branch(bytes(32), 0, [bytes(32)] * 33)
