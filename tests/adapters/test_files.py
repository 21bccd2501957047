"""What only the embedded Blobs does: a folder of files for many threads and processes."""

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from isthmus.failure import Unavailable
from isthmus.storage.adapters.files import FileBlobs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "home" / "blobs"


def test_nothing_is_made_before_the_first_put(root: Path) -> None:
    blobs = FileBlobs(root)
    assert (blobs.get("a"), blobs.fetch("a"), blobs.list("")) == (None, None, [])
    blobs.delete("a")
    assert not root.parent.exists()
    blobs.put("a", b"")
    assert root.exists()


def test_nobody_else_on_the_machine_may_read_the_files(root: Path) -> None:
    FileBlobs(root).put("a/b", b"bytes")
    made = [root.parent, *root.parent.rglob("*")]
    assert {file.stat().st_mode & 0o077 for file in made} == {0}


def test_a_fetched_file_is_the_stored_one(root: Path) -> None:
    blobs = FileBlobs(root)
    blobs.put("a/b.bin", b"bytes")
    assert blobs.fetch("a/b.bin") == root / "a+" / "b.bin"


def test_a_put_leaves_no_temporary_file(root: Path) -> None:
    blobs = FileBlobs(root)
    blobs.put("a", b"bytes")
    assert list((root / "~temporary").iterdir()) == []


def test_what_killed_processes_left_is_removed_when_it_is_old(root: Path) -> None:
    FileBlobs(root).put("a", b"bytes")
    old, new = root / "~temporary" / "old", root / "~temporary" / "new"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (0, 0))
    FileBlobs(root).put("a", b"bytes")
    assert (old.exists(), new.exists()) == (False, True)


def test_files_that_are_no_blobs_are_not_listed(root: Path) -> None:
    blobs = FileBlobs(root)
    blobs.put("a/b", b"bytes")
    (root / "~note").write_bytes(b"")
    (root / "a+" / "c d").write_bytes(b"")
    assert blobs.list("") == ["a/b"]


def test_locks_do_not_grow_with_the_keys(root: Path) -> None:
    blobs = FileBlobs(root)
    for number in range(300):
        blobs.put(f"{number}", b"")
    assert len(list((root / "~locks").iterdir())) <= 256


def test_a_put_that_waits_too_long_is_unavailable_and_reads_go_on(root: Path) -> None:
    blobs = FileBlobs(root, patience_s=0.01)
    blobs.put("a", b"1")
    [lock] = (root / "~locks").iterdir()
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Unavailable):
            blobs.put("a", b"2")
        blob = blobs.get("a")
    assert blob is not None
    assert blob.body == b"1"
    assert list((root / "~temporary").iterdir()) == []
    blobs.put("a", b"3")


def test_a_place_where_no_folder_can_be_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    blobs = FileBlobs(tmp_path / "file" / "blobs")
    for use in (lambda: blobs.put("a", b""), lambda: blobs.get("a"), lambda: blobs.list("")):
        with pytest.raises(Unavailable):
            use()


def test_processes_increment_one_counter_exactly(root: Path, children: Any) -> None:
    blobs = FileBlobs(root)
    blobs.put("counter", b"0")
    for _ in range(4):
        children.start("increment-blob", root, 25)
    children.go()
    for child in children.started:
        child.communicate()
    assert [child.returncode for child in children.started] == [0] * 4
    blob = blobs.get("counter")
    assert blob is not None
    assert blob.body == b"100"
