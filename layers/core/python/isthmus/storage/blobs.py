"""The Blobs port: bytes under a key, with conditional puts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


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
    """Keys are relative paths of [A-Za-z0-9._=-] segments, at most 1,024 bytes; anything else raises Invalid.

    A refused condition raises Conflict and changes nothing; Unavailable when the store does not answer.
    """

    def put(self, key: str, body: bytes, *, when: Match | None = None) -> str:
        """Store the bytes and return their etag."""

    def get(self, key: str) -> Blob | None:
        """The blob, or None."""

    def fetch(self, key: str) -> Path | None:
        """A local file with the blob's bytes, to read and not to change, or None; for engines that want files."""

    def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        """Keys with this prefix in byte order, those after `after` only."""

    def delete(self, key: str) -> None:
        """Remove the blob; removing what is not there is success."""
