"""A process of its own that uses the embedded stores until it is done or killed.

    python storage_child.py WHAT PATH COUNT

It says `ready`, waits for a line, and then names each number as soon as the store has acknowledged it.
"""

import hashlib
import random
import sys
from itertools import count
from pathlib import Path

from isthmus.failure import Conflict
from isthmus.storage.adapters.files import FileBlobs
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.storage.blobs import IfMatch
from isthmus.storage.table import Absent, Equals, Put, version


def body_of(number: int) -> bytes:
    """A blob of up to some hundred kilobytes: its number in six digits, anything, and the SHA-256 of all before."""
    body = b"%06d" % number + random.randbytes(random.choice((10, 1_000, 300_000)))
    return body + hashlib.sha256(body).digest()


def say(word: object) -> None:
    """Write one line at once."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def write_items(path: Path, _: int) -> None:
    """Add items without end, each in one transaction with the head that counts them."""
    table = SqliteTable(path)
    head = table.get("p", "head")
    for number in count(head["number"] + 1 if head else 0):
        same_head = Equals("number", number - 1) if number else Absent()
        item = Put("items", f"{number:06}", {"number": number, "text": "x" * (number * 97 % 5_000)}, Absent())
        table.transact([Put("p", "head", {"number": number}, same_head), item])
        say(number)


def write_blobs(root: Path, _: int) -> None:
    """Add blobs without end, and replace the one called `latest` each time."""
    blobs = FileBlobs(root)
    for number in count(len(blobs.list("item/"))):
        blobs.put(f"item/{number:06}", body_of(number))
        blobs.put("latest", body_of(number))
        say(number)


def increment_item(path: Path, times: int) -> None:
    """Increment a counter so many times, whatever others do."""
    table = SqliteTable(path)
    done = 0
    while done < times:
        item = table.get("p", "counter")
        try:
            if item is None:
                table.put("p", "counter", {"version": 1}, when=Absent())
            else:
                table.put("p", "counter", {"version": item["version"] + 1}, when=version(item["version"]))
        except Conflict:
            continue
        done += 1
        say(done)


def increment_blob(root: Path, times: int) -> None:
    """Increment a counter so many times, whatever others do."""
    blobs = FileBlobs(root)
    done = 0
    while done < times:
        blob = blobs.get("counter")
        if blob is None:
            raise SystemExit("there is no counter")
        try:
            blobs.put("counter", b"%d" % (int(blob.body) + 1), when=IfMatch(blob.etag))
        except Conflict:
            continue
        done += 1
        say(done)


if __name__ == "__main__":
    _, what, where, how_often = sys.argv
    say("ready")
    sys.stdin.readline()
    {
        "write-items": write_items,
        "write-blobs": write_blobs,
        "increment-item": increment_item,
        "increment-blob": increment_blob,
    }[what](Path(where), int(how_often))
