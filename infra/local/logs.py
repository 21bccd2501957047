"""The functions' log: JSON lines in one file of bounded size, each line tagged with its function."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

MAX_FILE_BYTES = 8 * 1024 * 1024
KEPT_FILES = 3
MAX_LINE_BYTES = 256 * 1024


class BoundedLog:
    """A file that moves to `.1`, `.2` when it is full; the oldest is dropped, so the disk never fills."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_FILE_BYTES, kept: int = KEPT_FILES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._max_bytes, self._kept = path, max_bytes, kept
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size

    def write(self, data: bytes) -> None:
        """Append whole lines."""
        if self._size and self._size + len(data) > self._max_bytes:
            self._rotate()
        self._file.write(data)
        self._size += len(data)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._kept - 1, 0, -1):
            older = rotated(self._path, number)
            newer = rotated(self._path, number - 1)
            with suppress(FileNotFoundError):
                newer.replace(older)
        self._file = self._path.open("ab", buffering=0)
        self._size = 0


def rotated(path: Path, number: int) -> Path:
    """The name of the file `number` generations back; 0 is the file being written."""
    return path if number == 0 else path.with_name(f"{path.name}.{number}")


def tagged(function: str, line: bytes) -> bytes:
    """One log line: an object stays as it is and gets the function's name, anything else becomes its message."""
    fields: dict[str, Any] = {"function": function}
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError:
        parsed = None
    if isinstance(parsed, dict):
        fields |= parsed
    else:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        fields |= {"timestamp": now, "message": line[:MAX_LINE_BYTES].decode(errors="replace")}
    fields["function"] = function
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


class LineBuffer:
    """Cuts a worker's output into lines; what is longer than the limit is cut into several."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are now complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        return [line for line in lines if line.strip()]

    def end(self) -> list[bytes]:
        """What is left when the worker is gone."""
        rest, self._rest = self._rest, b""
        return [rest] if rest.strip() else []


def read(path: Path, function: str | None = None) -> Iterator[bytes]:
    """The log's lines from oldest to newest, of one function if it is named."""
    for number in range(KEPT_FILES - 1, -1, -1):
        with suppress(FileNotFoundError), rotated(path, number).open("rb") as file:
            yield from (line for line in file if _is_of(line, function))


def follow(path: Path, function: str | None = None, *, interval_s: float = 0.2) -> Iterator[bytes]:
    """The lines written after this call, across rotations; it never ends."""
    inode, position = -1, 0
    with suppress(FileNotFoundError):
        status = path.stat()
        inode, position = status.st_ino, status.st_size
    return _follow(path, function, interval_s, inode, position)


def _follow(path: Path, function: str | None, interval_s: float, inode: int, position: int) -> Iterator[bytes]:
    buffer = LineBuffer()
    while True:
        data = b""
        with suppress(FileNotFoundError), path.open("rb") as file:
            current = os.fstat(file.fileno()).st_ino
            if current != inode:
                data = _rest_of(rotated(path, 1), inode, position)
                inode, position = current, 0
            file.seek(position)
            data += file.read()
            position = file.tell()
        yield from (line + b"\n" for line in buffer.feed(data) if _is_of(line, function))
        if not data:
            time.sleep(interval_s)


def _rest_of(path: Path, inode: int, position: int) -> bytes:
    """What was written to the file after the last look and before it was moved away."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        if os.fstat(file.fileno()).st_ino == inode:
            file.seek(position)
            return file.read()
    return b""


def _is_of(line: bytes, function: str | None) -> bool:
    return function is None or line.startswith(b'{"function":' + orjson.dumps(function) + b",")
