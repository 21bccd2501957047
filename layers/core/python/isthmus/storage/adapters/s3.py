"""The Blobs port on an S3 bucket; the keys are the objects' keys.

An object's etag is the MD5 of its bytes unless the bucket encrypts with keys of KMS: take it as opaque.
"""

import os
from pathlib import Path
from typing import Any

from isthmus.failure import NotFound
from isthmus.storage import limits
from isthmus.storage.adapters.aws import asking, client
from isthmus.storage.adapters.copies import Copies
from isthmus.storage.blobs import MAX_KEYS, Blob, IfAbsent, Match
from isthmus.storage.refusals import conflict, unavailable

_READ_TIMEOUT_S = 7.0
_CHUNK_BYTES = 1024 * 1024


class S3Blobs:
    """Blobs in the bucket `name`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._client = client("s3", read_timeout_s=_READ_TIMEOUT_S)
        self._copies: dict[int, Copies] = {}

    def put(self, key: str, body: bytes, *, when: Match | None = None) -> str:
        """Store the bytes and return their etag."""
        limits.check_blob(key, body, when)
        try:
            with asking("s3"):
                answer = self._client.put_object(Bucket=self._name, Key=key, Body=body, **_condition(when))
        except NotFound:
            # S3 answers If-Match on a key without an object so.
            raise conflict() from None
        return _etag(answer)

    def get(self, key: str) -> Blob | None:
        """The blob, or None."""
        limits.check_blob_key(key)
        try:
            with asking("s3"):
                answer = self._client.get_object(Bucket=self._name, Key=key)
                return Blob(answer["Body"].read(), _etag(answer))
        except NotFound:
            return None

    def fetch(self, key: str) -> Path | None:
        """A copy in the temporary folder."""
        limits.check_blob_key(key)
        try:
            with asking("s3"):
                etag = _etag(self._client.head_object(Bucket=self._name, Key=key))
                return self._local().find(key, etag) or self._download(key)
        except NotFound:
            return None
        except OSError as error:
            raise unavailable("files", error.errno or 0) from error

    def list(self, prefix: str, *, after: str = "", limit: int = MAX_KEYS) -> list[str]:
        """Keys with this prefix in byte order, those after `after` only."""
        limits.check_listing(prefix, after, limit)
        keys: list[str] = []
        while len(keys) < limit:
            start = {"StartAfter": after} if after else {}
            with asking("s3"):
                answer = self._client.list_objects_v2(
                    Bucket=self._name, Prefix=prefix, MaxKeys=limit - len(keys), **start
                )
            keys += [found["Key"] for found in answer.get("Contents", ())]
            if not answer["IsTruncated"]:
                break
            after = keys[-1]
        return keys

    def delete(self, key: str) -> None:
        """Remove the blob."""
        limits.check_blob_key(key)
        with asking("s3"):
            self._client.delete_object(Bucket=self._name, Key=key)

    def _local(self) -> Copies:
        """This process's copies: a forked child starts with its own."""
        return self._copies.get(os.getpid()) or self._copies.setdefault(os.getpid(), Copies())

    def _download(self, key: str) -> Path:
        answer = self._client.get_object(Bucket=self._name, Key=key)
        chunks = answer["Body"].iter_chunks(_CHUNK_BYTES)
        return self._local().keep(key, _etag(answer), answer["ContentLength"], chunks)


def _condition(when: Match | None) -> dict[str, str]:
    if when is None:
        return {}
    return {"IfNoneMatch": "*"} if isinstance(when, IfAbsent) else {"IfMatch": f'"{when.etag}"'}


def _etag(answer: dict[str, Any]) -> str:
    return str(answer["ETag"]).strip('"')
