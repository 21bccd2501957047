"""The Blobs port on a folder of files.

The blob `a/b.parquet` is the file `a+/b.parquet`: folders carry a mark that keys cannot have, so `a` and `a/b` can both
be blobs. The file system must tell upper and lower case apart. A put writes a temporary file, syncs it, renames it
under a lock, and syncs the folder: whoever reads sees the old bytes or the new ones, and what was acknowledged outlives
a killed process and a power cut.
"""

import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from isthmus.storage import limits
from isthmus.storage.adapters.locks import lock
from isthmus.storage.blobs import MAX_KEYS, Blob, IfAbsent, IfMatch, Match
from isthmus.storage.refusals import conflict, unavailable

_FOLDER_MARK = "+"
_TEMPORARY, _LOCKS = "~temporary", "~locks"
_STALE_S = 3600.0
_NAME = re.compile(r"[A-Za-z0-9._=-]+")


class FileBlobs:
    """Blobs in the folder `root`, which is made on first use.

    Any number of threads and processes may use it at once. A put waits `patience_s` seconds for others that change the
    same key, then raises Unavailable.
    """

    def __init__(self, root: Path, *, patience_s: float = 5.0) -> None:
        self._root = root
        self._patience_s = patience_s
        self._ready = False

    def put(self, key: str, body: bytes, *, when: Match | None = None) -> str:
        """Store the bytes and return their etag, which is their MD5 in hexadecimal as in S3."""
        limits.check_blob(key, body, when)
        target = self._path(key)
        with _asking():
            self._prepare()
            temporary = _written(self._root / _TEMPORARY, body)
            try:
                _make_folder(target.parent)
                with self._locked(key):
                    _require(target, when)
                    temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
            _sync_folder(target.parent)
        return _etag(body)

    def get(self, key: str) -> Blob | None:
        """The blob, or None."""
        limits.check_blob_key(key)
        with _asking():
            try:
                body = self._path(key).read_bytes()
            except FileNotFoundError:
                return None
        return Blob(body, _etag(body))

    def fetch(self, key: str) -> Path | None:
        """The stored file itself."""
        limits.check_blob_key(key)
        path = self._path(key)
        with _asking():
            return path if path.is_file() else None

    def list(self, prefix: str, *, after: str = "", limit: int = MAX_KEYS) -> list[str]:
        """Keys with this prefix in byte order, those after `after` only."""
        limits.check_listing(prefix, after, limit)

        def wanted(part: str) -> bool:
            """Whether a key, or a key below this folder's part of one, can be in the answer."""
            inside = part.endswith("/")
            matches = part.startswith(prefix) or (inside and prefix.startswith(part))
            return matches and (part > after or (inside and after.startswith(part)))

        keys = _walk(self._root, "", wanted)
        with _asking():
            return [key for key, _ in zip(keys, range(limit), strict=False)]

    def delete(self, key: str) -> None:
        """Remove the blob; its folder stays."""
        limits.check_blob_key(key)
        target = self._path(key)
        with _asking():
            if not target.is_file():
                return
            self._prepare()
            with self._locked(key):
                target.unlink(missing_ok=True)
            _sync_folder(target.parent)

    def _path(self, key: str) -> Path:
        *folders, name = key.split("/")
        return self._root.joinpath(*(folder + _FOLDER_MARK for folder in folders), name)

    def _prepare(self) -> None:
        """Make the folders, and once per process remove what killed processes left."""
        if self._ready:
            return
        for folder in (_TEMPORARY, _LOCKS):
            _make_folder(self._root / folder)
        for left in (self._root / _TEMPORARY).iterdir():
            _remove_if_stale(left)
        self._ready = True

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Keep others from changing the key; one of 256 lock files, so that they do not grow with the keys."""
        stripe = hashlib.blake2b(key.encode(), digest_size=1).hexdigest()
        handle = os.open(self._root / _LOCKS / stripe, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            lock(handle, self._patience_s)
            try:
                yield
            finally:
                # Closing alone would not do: a child forked meanwhile has a copy of the handle and would keep the lock.
                fcntl.flock(handle, fcntl.LOCK_UN)
        finally:
            os.close(handle)


@contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unavailable("files", error.errno or 0) from error


def _require(target: Path, when: Match | None) -> None:
    if isinstance(when, IfAbsent) and target.exists():
        raise conflict()
    if isinstance(when, IfMatch) and not (target.exists() and _etag(target.read_bytes()) == when.etag):
        raise conflict()


def _etag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def _written(folder: Path, body: bytes) -> Path:
    """A synced file with these bytes in the folder."""
    handle, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(handle)
    return Path(name)


def _make_folder(folder: Path) -> None:
    """Make the folder and those above it, each synced into its parent."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_if_stale(file: Path) -> None:
    try:
        if time.time() - file.stat().st_mtime > _STALE_S:
            file.unlink()
    except FileNotFoundError:
        return


def _walk(folder: Path, base: str, wanted: Callable[[str], bool]) -> Iterator[str]:
    """Keys below a folder in byte order: `a/` sorts among its siblings where its keys belong."""
    for part in sorted(_parts(folder)):
        if not wanted(base + part):
            continue
        if part.endswith("/"):
            yield from _walk(folder / (part[:-1] + _FOLDER_MARK), base + part, wanted)
        else:
            yield base + part


def _parts(folder: Path) -> list[str]:
    try:
        names = [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        return []
    files = [name for name in names if _NAME.fullmatch(name)]
    folders = [name[:-1] + "/" for name in names if name.endswith(_FOLDER_MARK) and _NAME.fullmatch(name[:-1])]
    return files + folders
