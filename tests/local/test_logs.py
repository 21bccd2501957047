"""The functions' log: tagged, bounded, readable."""

import json
from pathlib import Path

from infra.local.logs import MAX_LINE_BYTES, BoundedLog, LineBuffer, follow, read, tagged


def test_a_json_line_keeps_its_fields_and_gets_its_function() -> None:
    assert json.loads(tagged("GetBlock", b'{"level": "INFO", "function": "forged"}')) == {
        "function": "GetBlock",
        "level": "INFO",
    }


def test_any_other_line_becomes_a_message() -> None:
    for line, message in ((b"hello", "hello"), (b"[1]", "[1]"), (b"{broken", "{broken"), (b"\xff", "\ufffd")):
        fields = json.loads(tagged("GetBlock", line))
        assert (fields["function"], fields["message"]) == ("GetBlock", message)


def test_lines_are_whole_whatever_the_pieces() -> None:
    buffer = LineBuffer()

    assert buffer.feed(b"one\ntw") == [b"one"]
    assert buffer.feed(b"o\n\nthree") == [b"two"]
    assert buffer.end() == [b"three"]
    assert buffer.end() == []


def test_an_endless_line_is_cut() -> None:
    buffer = LineBuffer()

    assert [len(line) for line in buffer.feed(b"x" * (MAX_LINE_BYTES + 1))] == [MAX_LINE_BYTES + 1]
    assert buffer.end() == []


def test_the_log_never_grows_beyond_its_bounds(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "logs" / "f.log", max_bytes=1000, kept=3)
    for number in range(200):
        log.write(tagged("F", b'{"n": %d}' % number))
    log.close()

    files = sorted((tmp_path / "logs").iterdir())
    assert [file.name for file in files] == ["f.log", "f.log.1", "f.log.2"]
    assert all(file.stat().st_size <= 1000 for file in files)
    numbers = [json.loads(line)["n"] for line in read(tmp_path / "logs" / "f.log")]
    assert numbers == list(range(numbers[0], 200))


def test_one_functions_lines_can_be_read_alone(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "f.log")
    for name in ("GetBlock", "GetBlockStats", "GetBlock"):
        log.write(tagged(name, b"hello"))
    log.close()

    assert len(list(read(tmp_path / "f.log", "GetBlock"))) == 2
    assert len(list(read(tmp_path / "f.log"))) == 3


def test_following_shows_what_is_written_from_now_on_across_a_rotation(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "f.log", max_bytes=60)
    log.write(b'{"function":"F","n":0}\n')
    lines = follow(tmp_path / "f.log")
    for number in range(1, 4):
        log.write(b'{"function":"F","n":%d}\n' % number)
    log.close()

    assert (tmp_path / "f.log.1").exists()
    assert [json.loads(next(lines))["n"] for _ in range(3)] == [1, 2, 3]
