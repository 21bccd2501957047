"""RIPEMD-160 in plain Python: OpenSSL 3 keeps it in a legacy provider that many systems do not load.

Dobbertin, Bosselaers, Preneel: RIPEMD-160, a strengthened version of RIPEMD (1996), appendix A.
"""

import struct
from collections.abc import Callable, Iterable, Sequence

_RHO = (7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8)
_SHIFTS = (
    (11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8),
    (12, 13, 11, 15, 6, 9, 9, 7, 12, 15, 11, 13, 7, 8, 7, 7),
    (13, 15, 14, 11, 7, 7, 6, 8, 13, 14, 13, 12, 5, 5, 6, 9),
    (14, 11, 12, 14, 8, 6, 5, 5, 15, 12, 15, 14, 9, 9, 8, 6),
    (15, 12, 13, 13, 9, 5, 8, 6, 14, 11, 12, 11, 8, 6, 5, 5),
)
_LEFT_CONSTANTS = (0, 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xA953FD4E)
_RIGHT_CONSTANTS = (0x50A28BE6, 0x5C4DD124, 0x6D703EF3, 0x7A6D76E9, 0)
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_MASK = 0xFFFFFFFF
_FUNCTIONS: tuple[Callable[[int, int, int], int], ...] = (
    lambda x, y, z: x ^ y ^ z,
    lambda x, y, z: (x & y) | (~x & z),
    lambda x, y, z: (x | ~y) ^ z,
    lambda x, y, z: (x & z) | (y & ~z),
    lambda x, y, z: x ^ (y | ~z),
)


def ripemd160(data: bytes) -> bytes:
    """The 20-byte digest."""
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + struct.pack("<Q", 8 * len(data))
    state: tuple[int, ...] = _START
    for offset in range(0, len(padded), 64):
        words = struct.unpack_from("<16I", padded, offset)
        left = _line(state, words, range(16), zip(_LEFT_CONSTANTS, _FUNCTIONS, strict=True))
        crossed = [(9 * i + 5) % 16 for i in range(16)]
        right = _line(state, words, crossed, zip(_RIGHT_CONSTANTS, reversed(_FUNCTIONS), strict=True))
        state = tuple((state[(i + 1) % 5] + left[(i + 2) % 5] + right[(i + 3) % 5]) & _MASK for i in range(5))
    return struct.pack("<5I", *state)


def _line(
    state: tuple[int, ...],
    words: Sequence[int],
    order: Sequence[int],
    rounds: Iterable[tuple[int, Callable[[int, int, int], int]]],
) -> tuple[int, ...]:
    """One of the two parallel lines: five rounds of sixteen steps."""
    a, b, c, d, e = state
    for (constant, function), shifts in zip(rounds, _SHIFTS, strict=True):
        for word in order:
            mixed = _rotate((a + function(b, c, d) + words[word] + constant) & _MASK, shifts[word])
            a, b, c, d, e = e, (mixed + e) & _MASK, b, _rotate(c, 10), d
        order = [_RHO[word] for word in order]
    return a, b, c, d, e


def _rotate(value: int, by: int) -> int:
    return (value << by | value >> (32 - by)) & _MASK
