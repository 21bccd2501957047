"""Local copies of blobs that live elsewhere: one per etag, in a private folder, within a bound."""

import hashlib
import os
import shutil
import tempfile
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from isthmus.failure import Limited

_MOST_BYTES = 4 * 1024**3
_SHARE_OF_FREE = 0.8
_IN_USE_S = 30.0
"""As long as an HTTPS request lives: a copy fetched or asked for within it may still be read."""


@dataclass
class _Copy:
    size: int
    used_s: float


class Copies:
    """At most `most_bytes` of files; those not used for longest make room, but none used within the last 30 s.

    Without `most_bytes` it is 80 % of what is free in the temporary folder, and 4 GiB at most. The folder goes with the
    process that made it.
    """

    def __init__(self, most_bytes: int | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="isthmus-copies-"))
        weakref.finalize(self, _remove, self._folder, os.getpid())
        self._most_bytes = _share(self._folder) if most_bytes is None else most_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._copies: OrderedDict[str, _Copy] = OrderedDict()
        self._coming_bytes = 0

    def find(self, key: str, etag: str) -> Path | None:
        """The copy of this blob, or None."""
        name = _name(key, etag)
        with self._lock:
            copy = self._copies.get(name)
            if copy is None:
                return None
            copy.used_s = self._clock()
            self._copies.move_to_end(name)
            return self._folder / name

    def keep(self, key: str, etag: str, size: int, chunks: Iterable[bytes]) -> Path:
        """Write a copy of `size` bytes.

        Raises:
            Limited: the copies in use leave no room for it.
            OSError: the disk refuses it.
        """
        name = _name(key, etag)
        with self._lock:
            self._make_room(size)
            self._coming_bytes += size
        try:
            path = _written(self._folder, name, chunks)
            with self._lock:
                self._copies.pop(name, None)
                self._copies[name] = _Copy(size, self._clock())
        finally:
            with self._lock:
                self._coming_bytes -= size
        return path

    def _make_room(self, size: int) -> None:
        kept = sum(copy.size for copy in self._copies.values()) + self._coming_bytes
        while kept + size > self._most_bytes:
            name, copy = next(iter(self._copies.items()), ("", None))
            if copy is None or self._clock() - copy.used_s < _IN_USE_S:
                raise Limited(
                    f"There is no room for a local copy of {size} bytes; {self._most_bytes} are there for all.",
                    next_step="Read fewer files at once, or give the function more ephemeral storage.",
                    code="storage/copies",
                )
            (self._folder / name).unlink(missing_ok=True)
            del self._copies[name]
            kept -= copy.size


def _name(key: str, etag: str) -> str:
    return hashlib.sha256(f"{key}\n{etag}".encode()).hexdigest()[:40] + PurePosixPath(key).suffix


def _written(folder: Path, name: str, chunks: Iterable[bytes]) -> Path:
    handle, temporary = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(chunks)
        return Path(temporary).rename(folder / name)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _share(folder: Path) -> int:
    return min(int(shutil.disk_usage(folder).free * _SHARE_OF_FREE), _MOST_BYTES)


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
