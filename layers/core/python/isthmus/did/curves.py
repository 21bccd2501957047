"""Whether 32 bytes are a public key of Ed25519, which `cryptography` does not ask before it uses them.

A key of small order verifies signatures that nobody made, so such keys are none (RFC 8032 section 5.1.3; the list of
their y coordinates is that of libsodium's ge25519_has_small_order).
"""

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P

SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        _P - 1,
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little")
        % 2**255,
    }
)


def is_ed25519_point(raw: bytes) -> bool:
    """Whether these are 32 bytes that encode, canonically, a point of the curve that is not of small order."""
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if len(raw) != 32 or y >= _P or y in SMALL_ORDER_Y:
        return False
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P  # of x: -x^2 + y^2 = 1 + d x^2 y^2
    return pow(square, (_P - 1) // 2, _P) == 1
