"""The keys of access tokens in a file, mode 0600, made on first use: for one machine.

The newest key signs. One that it replaced verifies for 15 minutes more, longer than any token lives; every process
sees a change of the file at its next token.
"""

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from isthmus import base64url
from isthmus.access import jwt
from isthmus.did import keys
from isthmus.failure import Integrity, Invalid
from isthmus.ports import Clock
from isthmus.storage.adapters.locks import lock
from isthmus.storage.refusals import unavailable

GRACE_MS = 15 * 60 * 1000
MAX_BYTES = 64 * 1024


@dataclass(frozen=True)
class _Key:
    added_ms: int
    secret: keys.PrivateKey

    @property
    def id(self) -> str:
        return self.secret.public.thumbprint


@dataclass(frozen=True)
class _Read:
    """The keys in the file, oldest first, and which state of the file they are from."""

    state: tuple[int, int, int]
    keys: tuple[_Key, ...]


class FileTokenKeys:
    """TokenKeys and TokenSigner over the file at `path`, for many threads and processes at once.

    Both methods raise Unavailable when the file cannot be read or written, or is kept by another process that writes
    for longer than `patience_s` seconds; and Integrity when it is not what was written.
    """

    def __init__(self, path: Path, clock: Clock, *, patience_s: float = 5.0) -> None:
        self._path = path
        self._clock = clock
        self._patience_s = patience_s
        self._read: _Read | None = None
        self._lock = threading.Lock()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """An access token with these claims, signed with the newest key."""
        newest = self._keys()[-1]
        return jwt.signed("token", {"kid": newest.id}, claims, newest.secret)

    def public(self) -> Mapping[str, Mapping[str, str]]:
        """The public keys that tokens may be signed with now, by their id."""
        found, now_ms = self._keys(), self._clock.now_ms()
        good = [one for one, next_ in pairwise(found) if now_ms < next_.added_ms + GRACE_MS]
        return {one.id: one.secret.public.jwk for one in (*good, found[-1])}

    def add(self) -> str:
        """Make a new key that signs from now on, drop those whose time is over, and return the new key's id."""
        with self._asking(), self._locked():
            before = self._load() if self._path.exists() else ()
            return self._write(before)[-1].id

    def _keys(self) -> tuple[_Key, ...]:
        with self._asking():
            try:
                state = self._state()
            except FileNotFoundError:
                with self._locked():
                    if not self._path.exists():
                        self._write(())
                    state = self._state()
            read = self._read
            if read is None or read.state != state:
                read = self._read = _Read(state, self._load())
            return read.keys

    def _state(self) -> tuple[int, int, int]:
        about = self._path.stat()
        return about.st_ino, about.st_mtime_ns, about.st_size

    def _load(self) -> tuple[_Key, ...]:
        """The keys in the file, oldest first.

        Raises:
            Integrity: it holds something else, or others may read it.
        """
        with self._path.open("rb") as file:
            shared, text = os.fstat(file.fileno()).st_mode & 0o077, file.read(MAX_BYTES)
        if shared:
            raise self._damaged("can be read by others")
        try:
            kept = json.loads(text)["keys"]
            found = tuple(_Key(int(one["added_ms"]), keys.private_key(one["key"])) for one in kept)
        except (ValueError, KeyError, TypeError, Invalid) as error:
            raise self._damaged("is not what was written") from error
        if not found:
            raise self._damaged("holds no key")
        return found

    def _write(self, before: tuple[_Key, ...]) -> tuple[_Key, ...]:
        """Put a new key behind the others, in one step for all who read."""
        now_ms = self._clock.now_ms()
        ends = [next_.added_ms + GRACE_MS for next_ in before[1:]] + [now_ms + GRACE_MS]
        kept = [one for one, end_ms in zip(before, ends, strict=False) if now_ms < end_ms]
        found = (*kept, _Key(now_ms, keys.new_private_key("ES256")))
        document = {"keys": [{"added_ms": one.added_ms, "key": one.secret.jwk()} for one in found]}
        temporary = self._path.with_name(f".{self._path.name}.{base64url.encode(os.urandom(9))}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)
        return found

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other threads and processes from writing meanwhile."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock:
            handle = os.open(self._path.with_name(f".{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                lock(handle, self._patience_s)
                yield
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)
                os.close(handle)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unavailable("files", error.errno or 0) from error

    def _damaged(self, why: str) -> Integrity:
        return Integrity(
            f"The file of token keys {why}.",
            next_step="Stop, look who wrote it, and remove it: a new one is made, and callers get new tokens.",
            code="auth/token-keys",
        )
