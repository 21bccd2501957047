"""The Blobs port: bytes under a key, with conditional puts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

MAX_BLOB_BYTES = 256 * 1024 * 1024
MAX_KEY_BYTES = 1024
MAX_SEGMENTS = 64

MAX_SEGMENT_BYTES = 200
"""File systems end at 255."""

MAX_KEYS = 1000
"""In one answer of `list`, as in S3."""


@dataclass(frozen=True)
class IfAbsent:
    """The put happens only if there is nothing under this key."""


@dataclass(frozen=True)
class IfMatch:
    """The put happens only if the blob under this key still has this etag."""

    etag: str


Match = IfAbsent | IfMatch


@dataclass(frozen=True)
class Blob:
    """Bytes and the etag that a later conditional put can name."""

    body: bytes
    etag: str


class Blobs(Protocol):
    """Whole blobs, for many threads and processes at once: nobody ever sees half of one.

    Keys are relative paths: 1 to MAX_SEGMENTS segments of [A-Za-z0-9._=-], neither `.` nor `..`, at most
    MAX_SEGMENT_BYTES each and MAX_KEY_BYTES together. Etags are opaque and unquoted; different bytes have different
    etags, and putting earlier bytes again may bring their etag back.

    Every method raises Invalid when a limit of this file is not kept, before anything is asked of the store;
    Unavailable when the store does not answer. After Unavailable a put may have happened: repeat it, and when the
    repetition is refused, read. A condition that does not hold raises Conflict and changes nothing.
    """

    def put(self, key: str, body: bytes, *, when: Match | None = None) -> str:
        """Store at most MAX_BLOB_BYTES and return their etag."""

    def get(self, key: str) -> Blob | None:
        """The blob, or None."""

    def fetch(self, key: str) -> Path | None:
        """A local file with the blob's bytes, to read soon and not to change, or None; for engines that want files.

        The file keeps the last part of the key's name after its dot; nothing else about the path is promised. A store
        elsewhere copies the blob once per etag and removes the copies not used for longest when room is needed.

        Raises:
            Limited: the copies in use leave no room for another.
        """

    def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        """1 to MAX_KEYS keys with this prefix in byte order, those after `after` only."""

    def delete(self, key: str) -> None:
        """Remove the blob; removing what is not there is success."""
