"""A killed process loses nothing it was told is stored, and leaves nothing torn."""

import hashlib
import random
import time
from pathlib import Path
from typing import Any

import pytest

from isthmus.storage.adapters.files import FileBlobs
from isthmus.storage.adapters.sqlite import SqliteTable


def last_acknowledged(children: Any, what: str, path: Path, after: int) -> int:
    """Let a child write, kill it at a random moment after so many acknowledgements, and return its last."""
    child = children.start(what, path)
    children.go()
    seen = [child.stdout.readline() for _ in range(after)]
    # Not waiting for anything: this moves the kill from the start of the next write to anywhere in it.
    time.sleep(random.uniform(0, 0.004))
    child.kill()
    return int((seen + child.stdout.read().splitlines())[-1])


def number_in(body: bytes) -> int:
    """The number of a whole blob; a torn one fails."""
    assert hashlib.sha256(body[:-32]).digest() == body[-32:]
    return int(body[:6])


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_writer_loses_no_acknowledged_item(children: Any, tmp_path: Path, seed: int) -> None:
    path = tmp_path / "table.sqlite"
    for after in random.Random(seed).choices(range(1, 80), k=3):
        acknowledged = last_acknowledged(children, "write-items", path, after)
        table = SqliteTable(path)
        head = table.get("p", "head")
        assert head is not None
        assert head["number"] >= acknowledged
        assert [row.item for row in table.query("items", limit=1000).rows] == [
            {"number": number, "text": "x" * (number * 97 % 5_000)} for number in range(head["number"] + 1)
        ]


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_writer_loses_no_acknowledged_blob_and_tears_none(children: Any, tmp_path: Path, seed: int) -> None:
    root = tmp_path / "blobs"
    for after in random.Random(seed).choices(range(1, 40), k=3):
        acknowledged = last_acknowledged(children, "write-blobs", root, after)
        blobs = FileBlobs(root)
        keys = blobs.list("item/")
        assert [number_in(blob.body) for key in keys if (blob := blobs.get(key))] == list(range(len(keys)))
        assert len(keys) > acknowledged
        latest = blobs.get("latest")
        assert latest is not None
        assert number_in(latest.body) >= acknowledged
